//! What a Content-Security-Policy says of a site's hosts and styles (W3C Content Security Policy Level 3), where its addresses are
//! written anew for another host.

use super::rehost::Rehost;

/// Whether a policy (or several, separated by commas) names the styles of a page by what is in them: an edited one would not be
/// among them any more. A nonce stays right whatever it is in.
pub fn pins_style(policies: &str) -> bool {
    policies.split([',', ';']).any(|directive| {
        let mut words = directive.split_ascii_whitespace().map(str::to_ascii_lowercase);
        let name = words.next().unwrap_or_default();
        let hashes = ["'sha256-", "'sha384-", "'sha512-"];
        (name.starts_with("style-src") || name == "default-src")
            && words.any(|word| hashes.iter().any(|hash| word.starts_with(hash)))
    })
}

impl Rehost<'_> {
    /// Where in a policy which further source is to stand: behind each that means the site, the same of the other host.
    pub(super) fn sources(&self, policies: &str) -> Vec<(usize, usize, String)> {
        let ends = |c: char| c.is_ascii_whitespace() || matches!(c, ';' | ',');
        let put = |word: &str| {
            let start = word.as_ptr() as usize - policies.as_ptr() as usize;
            // The first word of a directive is its name.
            let is_source = policies[..start].ends_with(|c: char| c.is_ascii_whitespace());
            let end = start + word.len();
            is_source.then(|| self.source(word)).flatten().map(|new| (end, end, new))
        };
        policies.split(ends).filter(|word| !word.is_empty()).filter_map(put).collect()
    }

    /// What is added to a source (section 2.3.1): scheme, `*.`, port and path may be there.
    fn source(&self, word: &str) -> Option<String> {
        let (scheme, rest) = word.split_once("://").unwrap_or(("", word));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
        let is_meant = match host.strip_prefix("*.") {
            None => self.is_own(host),
            Some(parent) => self.hosts.iter().any(|own| {
                let sub = own.len().checked_sub(parent.len()).and_then(|at| own.split_at_checked(at));
                sub.is_some_and(|(sub, end)| sub.ends_with('.') && end.eq_ignore_ascii_case(parent))
            }),
        };
        if !is_meant || !matches!(port, "" | "80" | "443" | "*") {
            return None;
        }
        let is_tls = self.scheme == "https";
        let [here, by_tls] = match &*scheme.to_ascii_lowercase() {
            "" => ["", ""],
            "http" | "https" => [if is_tls { "https://" } else { "http://" }, "https://"],
            "ws" | "wss" => [if is_tls { "wss://" } else { "ws://" }, "wss://"],
            _ => return None,
        };
        let further = self.https.map(|host| format!(" {by_tls}{host}{path}")).unwrap_or_default();
        Some(format!(" {here}{}{path}{further}", self.authority))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::rehost::Holds;

    #[test]
    fn the_other_host_stands_beside_the_sites_own() {
        let hosts = ["www.example.jp".to_owned()];
        let rehost = |scheme, authority, https| Rehost { hosts: &hosts, scheme, authority, https };
        let by_http = rehost("http", "s.example:8080", None);
        for (policy, expected) in [
            ("script-src www.example.jp", Some("script-src www.example.jp s.example:8080")),
            (
                "img-src 'self' *.example.jp; font-src x.example",
                Some("img-src 'self' *.example.jp s.example:8080; font-src x.example"),
            ),
            (
                "script-src https://WWW.example.jp:443/js/;style-src 'self'",
                Some("script-src https://WWW.example.jp:443/js/ http://s.example:8080/js/;style-src 'self'"),
            ),
            (
                "connect-src wss://www.example.jp, img-src www.example.jp:*",
                Some(
                    "connect-src wss://www.example.jp ws://s.example:8080, img-src www.example.jp:* s.example:8080",
                ),
            ),
            ("script-src www.example.jp:8443 *.www.example.jp example.jp https: *", None),
            ("script-src ftp://www.example.jp 'nonce-www.example.jp'", None),
            ("www.example.jp", None),
            ("", None),
        ] {
            assert_eq!(by_http.text(policy, Holds::Policy).as_deref(), expected, "{policy}");
        }
        let by_tls = rehost("https", "s.example", None);
        let new = by_tls.text("connect-src ws://www.example.jp http://www.example.jp", Holds::Policy);
        let expected =
            "connect-src ws://www.example.jp wss://s.example http://www.example.jp https://s.example";
        assert_eq!(new.as_deref(), Some(expected));
        let by_both = rehost("http", "s.example", Some("s.example"));
        let new = by_both.text("img-src https://www.example.jp/a", Holds::Policy);
        let expected = "img-src https://www.example.jp/a http://s.example/a https://s.example/a";
        assert_eq!(new.as_deref(), Some(expected));
    }

    #[test]
    fn styles_are_pinned_by_hashes() {
        for (policies, expected) in [
            ("style-src 'self' 'sha256-abc='", true),
            ("img-src *; Style-Src-Elem 'SHA512-abc='", true),
            ("img-src *, default-src 'sha384-abc='", true),
            ("style-src-attr 'unsafe-hashes' 'sha256-abc='", true),
            ("script-src 'sha256-abc='; style-src 'unsafe-inline'", false),
            ("style-src 'nonce-abc'", false),
            ("", false),
        ] {
            assert_eq!(pins_style(policies), expected, "{policies}");
        }
    }
}
