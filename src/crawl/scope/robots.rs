//! `robots.txt` (RFC 9309): what the site does not want robots to find by themselves, and where its maps are.

use std::time::Duration;

/// The bytes that are read (section 2.5 asks for 500 KiB at least).
pub(crate) const MAX_SIZE: usize = 512 * 1024;
/// Our product token.
pub(crate) const AGENT: &str = "katahai";
/// Rules of one group that are kept.
const MAX_RULES: usize = 10_000;
/// Site maps that are kept.
const MAX_SITEMAPS: usize = 500;

/// What holds for us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Robots {
    rules: Vec<Rule>,
    /// Addresses of site maps, as written.
    pub(crate) sitemaps: Vec<String>,
    /// The time between two requests that the site asks for (`Crawl-delay`: no standard, but common).
    pub(crate) delay: Option<Duration>,
    /// Whether a group names us, and so is not about robots in general.
    ours: bool,
}

/// What one group says, as far as it is about us.
#[derive(Default)]
struct Group {
    rules: Vec<Rule>,
    delay: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    allow: bool,
    /// In the spelling of keys; `*` is any run of characters.
    pattern: String,
    /// The pattern must match to the end (`$`).
    anchored: bool,
}

impl Robots {
    /// What holds when there is none (4xx, section 2.3.1.3): everything may be fetched.
    pub(crate) fn allow_all() -> Robots {
        Robots::default()
    }

    /// What holds when it cannot be read (5xx, no answer; section 2.3.1.4): nothing may.
    pub(crate) fn disallow_all() -> Robots {
        let everything = Rule { allow: false, pattern: "/".to_owned(), anchored: false };
        Robots { rules: vec![everything], ..Robots::default() }
    }

    /// Reads the file, as far as [`MAX_SIZE`].
    pub(crate) fn parse(bytes: &[u8]) -> Robots {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_SIZE)]);
        let text = text.trim_start_matches('\u{FEFF}');
        let (mut ours, mut everyones) = (None::<Group>, Group::default());
        let mut sitemaps = Vec::new();
        // Whom the group at hand is for, and whether its agents are still being listed.
        let (mut for_us, mut for_all, mut listing) = (false, false, false);
        for line in text.split(['\n', '\r']) {
            let line = line.split('#').next().unwrap_or("");
            let Some((name, value)) = line.split_once(':') else { continue };
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "user-agent" => {
                    if !listing {
                        (for_us, for_all, listing) = (false, false, true);
                    }
                    for_all |= value == "*";
                    for_us |= token(value).eq_ignore_ascii_case(AGENT);
                    if for_us {
                        ours.get_or_insert_default();
                    }
                }
                "allow" | "disallow" => {
                    listing = false;
                    let Some(rule) = rule(name == "allow", value) else { continue };
                    let ours = ours.as_mut().filter(|_| for_us);
                    for group in ours.into_iter().chain(for_all.then_some(&mut everyones)) {
                        if group.rules.len() < MAX_RULES {
                            group.rules.push(rule.clone());
                        }
                    }
                }
                // Not a rule: it does not end the list of agents (section 2.2.4).
                "crawl-delay" => {
                    let ours = ours.as_mut().filter(|_| for_us);
                    for group in ours.into_iter().chain(for_all.then_some(&mut everyones)) {
                        group.delay = group.delay.max(delay(value));
                    }
                }
                "sitemap" if !value.is_empty() && sitemaps.len() < MAX_SITEMAPS => {
                    sitemaps.push(value.to_owned())
                }
                _ => {}
            }
        }
        let is_ours = ours.is_some();
        let Group { rules, delay } = ours.unwrap_or(everyones);
        Robots { rules, sitemaps, delay, ours: is_ours }
    }

    /// Whether it forbids the front page, and so the site.
    pub(crate) fn forbids_the_site(&self) -> bool {
        !self.allows("/")
    }

    /// The same as far as a site's owner means it for the copy that he asked for himself. A test site's `Disallow: /`
    /// that went live with it, or a `robots.txt` that fails, would leave the site without a copy; the lists that keep
    /// robots out of search pages and baskets are as good for us as for others. A group that names us is obeyed whole.
    pub(crate) fn but_for_everything(mut self) -> Robots {
        if !self.ours {
            self.rules.retain(|rule| rule.allow || !rule.matches("/"));
        }
        self
    }

    /// Only what is no rule: the site maps and the delay.
    pub(crate) fn without_rules(self) -> Robots {
        Robots { rules: Vec::new(), ..self }
    }

    /// Whether a page may be fetched, by its key. The longest rule speaks; of two equal ones the one that
    /// allows (section 2.2.2).
    pub(crate) fn allows(&self, key: &str) -> bool {
        if key == "/robots.txt" {
            return true;
        }
        let longest = self
            .rules
            .iter()
            .filter(|rule| rule.matches(key))
            .max_by_key(|rule| (rule.pattern.len() + usize::from(rule.anchored), rule.allow));
        longest.is_none_or(|rule| rule.allow)
    }
}

impl Rule {
    fn matches(&self, key: &str) -> bool {
        let (pattern, key) = (self.pattern.as_bytes(), key.as_bytes());
        if self.anchored {
            return crate::config::ready::wildcard(pattern, key);
        }
        match pattern.iter().position(|b| *b == b'*') {
            None => key.starts_with(pattern),
            Some(_) => crate::config::ready::wildcard(&[pattern, b"*"].concat(), key),
        }
    }
}

/// The product token at the start of an agent's name: `Katahai/1.0` is ours too.
fn token(value: &str) -> &str {
    let end = value.find(|c: char| !(c.is_ascii_alphabetic() || c == '-' || c == '_')).unwrap_or(value.len());
    &value[..end]
}

/// A delay in seconds, `2` or `0.5`. What is none, or longer than a day, says nothing.
fn delay(value: &str) -> Option<Duration> {
    let seconds = value.parse::<f64>().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds))?;
    Duration::try_from_secs_f64(seconds).ok().filter(|delay| !delay.is_zero())
}

/// A rule, spelled as keys are; `None` for an empty one, which says nothing.
fn rule(allow: bool, value: &str) -> Option<Rule> {
    let anchored = value.ends_with('$');
    let value = value.strip_suffix('$').unwrap_or(value);
    if value.is_empty() {
        return None;
    }
    let pattern = value.split('*').map(spelled).collect::<Vec<_>>().join("*");
    Some(Rule {
        allow,
        pattern: if pattern.starts_with(['/', '*']) { pattern } else { format!("/{pattern}") },
        anchored,
    })
}

/// The percent-encoding of keys, for what stands between the characters that give an address its form.
fn spelled(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for run in part.split_inclusive(['/', '.', '?', '&']) {
        let (run, end) = match run.strip_suffix(['/', '.', '?', '&']) {
            Some(inner) => (inner, &run[inner.len()..]),
            None => (run, ""),
        };
        out.push_str(&crate::ask::key::page_key(&format!("/{run}"), None, &[])[1..]);
        out.push_str(end);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allows(file: &str, key: &str) -> bool {
        Robots::parse(file.as_bytes()).allows(key)
    }

    #[test]
    fn rules_speak_by_length() {
        for (rules, key, expected) in [
            ("Disallow: /", "/a", false),
            ("Disallow:", "/a", true),
            ("", "/a", true),
            ("Disallow: /a", "/a", false),
            ("Disallow: /a", "/ab/c?d", false),
            ("Disallow: /a", "/b", true),
            ("Disallow: /a\nAllow: /a/b", "/a/b/c", true),
            ("Allow: /a\nDisallow: /a", "/a", true),
            ("Disallow: /a\nAllow: /a", "/a", true),
            ("Disallow: /*.pdf$", "/x/y.pdf", false),
            ("Disallow: /*.pdf$", "/x/y.pdf.html", true),
            ("Disallow: /*.pdf", "/x/y.pdf.html", false),
            ("Disallow: /a$", "/a", false),
            ("Disallow: /a$", "/ab", true),
            ("Allow: /$\nDisallow: /", "/", true),
            ("Allow: /$\nDisallow: /", "/a", false),
            ("Disallow: *?sort=", "/list?sort=price", false),
            ("Disallow: /*?", "/list?a", false),
            ("Disallow: /*?", "/list", true),
            ("Disallow: /?q=", "/?q=x", false),
            ("Disallow: /%7euser", "/~user/x", false),
            ("Disallow: /お", "/%E3%81%8A", false),
            ("Disallow: /a%2Fb", "/a/b", true),
            ("Disallow: private", "/private/x", false),
            ("Disallow: /cgi-bin/ # robots", "/cgi-bin/x", false),
            ("Disallow: /", "/robots.txt", true),
            ("Disallow: /.git", "/.git/x", false),
        ] {
            assert_eq!(allows(&format!("User-agent: *\n{rules}"), key), expected, "{rules} on {key}");
        }
    }

    #[test]
    fn groups_are_for_whom_they_name() {
        let file = "\u{FEFF}Disallow: /nobody\r\nUser-Agent: other\rDisallow: /\nUSER-AGENT: x\nuser-agent: KataHai/2.0\n\
                    Crawl-delay: 3\ndisallow : /ours\n\nUser-agent: *\nDisallow: /all\nUser-agent: katahai\nDisallow: /more\n";
        for (key, expected) in
            [("/nobody", true), ("/ours", false), ("/all", true), ("/more", false), ("/x", true)]
        {
            assert_eq!(allows(file, key), expected, "{key}");
        }
        assert!(!allows("User-agent: katahai-image\nUser-agent: *\nDisallow: /", "/"));
        assert!(allows("User-agent: *\nDisallow: /\nUser-agent: katahai\nDisallow:", "/"));
        assert!(allows("User-agent: katahai\nUser-agent: x\n\nUser-agent: *\nDisallow: /a", "/b"));
    }

    #[test]
    fn a_delay_is_for_whom_its_group_names_and_not_nonsense() {
        for (file, expected) in [
            ("User-agent: *\nCrawl-delay: 10\nDisallow: /a", Some(10.0)),
            ("User-agent: *\nDisallow: /a\ncrawl-delay : 0.5 # slowly", Some(0.5)),
            ("User-agent: bingbot\nCrawl-delay: 10\n\nUser-agent: *\nDisallow: /a", None),
            ("User-agent: *\nCrawl-delay: 10\n\nUser-agent: katahai\nDisallow: /a", None),
            ("User-agent: *\nCrawl-delay: 1\n\nUser-agent: katahai\nCrawl-delay: 3", Some(3.0)),
            ("User-agent: *\nCrawl-delay: 1\nCrawl-delay: 4\nCrawl-delay: 2", Some(4.0)),
            ("Crawl-delay: 10\nUser-agent: *\nDisallow: /a", None),
            ("User-agent: *\nCrawl-delay: -1", None),
            ("User-agent: *\nCrawl-delay: soon", None),
            ("User-agent: *\nCrawl-delay: 0", None),
            ("User-agent: *\nCrawl-delay: inf", None),
            ("User-agent: *\nCrawl-delay: NaN", None),
            ("User-agent: *\nCrawl-delay: 1e9", None),
            ("User-agent: *\nCrawl-delay:", None),
        ] {
            let delay = Robots::parse(file.as_bytes()).delay.map(|delay| delay.as_secs_f64());
            assert_eq!(delay, expected, "{file}");
        }
        // It stands between agents and their rules, and must not part them.
        let apart = "User-agent: katahai\nCrawl-delay: 3\nUser-agent: other\nDisallow: /a";
        assert!(!allows(apart, "/a"));
    }

    #[test]
    fn maps_are_named_anywhere() {
        let robots = Robots::parse(
            b"Sitemap: https://example.jp/a.xml\nUser-agent: x\nDisallow: /\nsitemap:/b.xml # b\n",
        );
        assert_eq!(robots.sitemaps, ["https://example.jp/a.xml", "/b.xml"]);
    }

    #[test]
    fn the_owners_own_copy_is_not_forbidden_by_what_is_for_others() {
        for (file, key, as_written, as_meant) in [
            ("User-agent: *\nDisallow: /", "/a", false, true),
            ("User-agent: *\nDisallow: /*", "/a", false, true),
            ("User-agent: *\nDisallow: *\nDisallow: /search", "/search?q=a", false, false),
            ("User-agent: *\nDisallow: /\nAllow: /public", "/a", false, true),
            ("User-agent: *\nDisallow: /cart", "/cart", false, false),
            ("User-agent: katahai\nDisallow: /", "/a", false, false),
            ("User-agent: *\nDisallow: /\nUser-agent: katahai\nDisallow: /x", "/a", true, true),
        ] {
            let robots = Robots::parse(file.as_bytes());
            assert_eq!(robots.allows(key), as_written, "{file}");
            assert_eq!(robots.clone().but_for_everything().allows(key), as_meant, "{file}");
            assert!(robots.without_rules().allows(key), "{file}");
        }
        assert!(Robots::disallow_all().forbids_the_site());
        assert!(Robots::disallow_all().but_for_everything().allows("/a"));
        assert!(!Robots::parse(b"User-agent: *\nDisallow: /a").forbids_the_site());
    }

    #[test]
    fn nothing_and_everything() {
        assert!(Robots::allow_all().allows("/a"));
        assert!(!Robots::disallow_all().allows("/a") && Robots::disallow_all().allows("/robots.txt"));
        let huge = [vec![b'\n'; MAX_SIZE], b"User-agent: *\nDisallow: /".to_vec()].concat();
        assert!(Robots::parse(&huge).allows("/a"));
    }

    proptest! {
        #[test]
        fn any_file_is_read(file in proptest::collection::vec(any::<u8>(), 0..400), key in "/[ -~]{0,30}") {
            let _ = Robots::parse(&file).allows(&key);
        }

        #[test]
        fn what_is_disallowed_as_a_whole_is_not_fetched(key in "/[a-z0-9/]{0,20}") {
            let file = format!("User-agent: *\nDisallow: {key}$");
            prop_assert!(key == "/robots.txt" || !allows(&file, &key));
        }
    }
}
