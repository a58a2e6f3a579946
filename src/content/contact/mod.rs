//! How the people behind a site can be reached, as its own pages show it: telephone numbers, mail addresses, a postal address.
//! Pure. Whatever is not certain is left out: who cannot reach the site must not ring at a stranger's. What stands in the page's
//! head or foot, in an `<address>` or in its data for search engines goes before the rest; and a page that shows many is a
//! directory, a mall's or a portal's, of which nothing is taken.

mod numbers;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::Range;

use percent_encoding::percent_decode_str;

use super::document::Document;
use super::entity;
use super::tags::{Comments, HtmlToken, Tags, place};
use numbers::{after_labels, dialled, digits, last_words, national};

/// Numbers and mail addresses of a site that are told, and postal addresses.
const MOST: usize = 3;
const MOST_PLACES: usize = 1;
/// Telephone numbers and postal addresses that one page shows of its own site.
const MOST_OWN: usize = 2;
/// Characters of a postal address.
const MAX_PLACE: usize = 160;
/// Bytes of a block of JSON-LD that is read.
const MAX_DATA: usize = 256 * 1024;
/// Objects within objects of it.
const MAX_DEPTH: u32 = 8;
/// Links to pages that may have it.
const MAX_LINKS: usize = 6;
/// Elements that say whose page it is, unless they are an article's.
const OWN: [&str; 3] = ["address", "footer", "header"];
/// Elements whose text is not shown.
const UNSEEN: [&str; 7] = ["script", "style", "noscript", "template", "title", "textarea", "iframe"];

/// How to reach somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Telephone numbers.
    pub telephones: Vec<Telephone>,
    /// Mail addresses.
    pub mails: Vec<String>,
    /// Postal addresses, in a line each.
    pub places: Vec<String>,
}

/// A telephone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telephone {
    /// As it is read, such as `03-1234-5678`.
    pub shown: String,
    /// As it is dialled: digits, perhaps behind a `+`.
    pub dialled: String,
}

impl Contact {
    /// What a page shows.
    pub fn read(page: &Document<'_>) -> Contact {
        let mut reader = ContactReader::default();
        reader.read(page.html());
        reader.finish()
    }

    /// What the pages of a site show that is at these hosts, the first before the others. Mail addresses at the site's own
    /// domain, if there are any, else others.
    pub fn of_site<'h>(pages: Vec<Contact>, hosts: impl Iterator<Item = &'h str> + Clone) -> Contact {
        let is_own = |mail: &String| hosts.clone().any(|host| is_at(mail, host));
        let has_own = pages.iter().any(|page| page.mails.iter().any(is_own));
        let mut all = Contact::default();
        for mut page in pages {
            page.mails.retain(|mail| !has_own || is_own(mail));
            all.add(page);
        }
        all
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.telephones.is_empty() && self.mails.is_empty() && self.places.is_empty()
    }

    /// Adds what else is shown, if there is room; what is known comes first.
    fn add(&mut self, other: Contact) {
        for telephone in other.telephones {
            let is_known = |known: &Telephone| national(&known.dialled) == national(&telephone.dialled);
            if self.telephones.len() < MOST && !self.telephones.iter().any(is_known) {
                self.telephones.push(telephone);
            }
        }
        for mail in other.mails {
            if self.mails.len() < MOST && !self.mails.iter().any(|known| known.eq_ignore_ascii_case(&mail)) {
                self.mails.push(mail);
            }
        }
        self.places.extend(other.places);
        self.places.truncate(MOST_PLACES);
    }
}

/// Words in the addresses of pages that say how to reach somebody, and in the links to them.
const PATHS: [&str; 10] = [
    "contact",
    "inquiry",
    "enquiry",
    "toiawase",
    "access",
    "about",
    "company",
    "tokusho",
    "impressum",
    "kontakt",
];
const NAMES: [&str; 9] = [
    "問い合わせ",
    "問合せ",
    "問合わせ",
    "連絡先",
    "アクセス",
    "会社概要",
    "店舗案内",
    "特定商取引",
    "Contact",
];

/// Links of a page to pages that may say how to reach somebody, as they are written.
pub fn links(page: &Document<'_>) -> Vec<String> {
    let (mut found, mut open): (Vec<String>, Option<String>) = (Vec::new(), None);
    for token in Tags::of(page.html(), Comments::Html) {
        let link = match token {
            HtmlToken::Tag(tag) if tag.starts("a") => {
                open = tag.attribute("href").map(|href| entity::decode(href).trim().to_owned());
                let path = open.as_deref().unwrap_or_default().to_ascii_lowercase();
                open.clone().filter(|_| PATHS.iter().any(|word| path.contains(word)))
            }
            HtmlToken::Tag(tag) => {
                if tag.is_end && tag.name.eq_ignore_ascii_case("a") {
                    open = None;
                }
                None
            }
            HtmlToken::Text(text) => {
                open.clone().filter(|_| NAMES.iter().any(|name| entity::decode_text(text).contains(name)))
            }
        };
        if let Some(link) = link.filter(|link| !link.contains("mailto:") && !found.contains(link)) {
            found.push(link);
        }
        if found.len() == MAX_LINKS {
            break;
        }
    }
    found
}

#[derive(Default)]
struct ContactReader {
    /// What is the site's own by where it stands.
    own: Contact,
    /// The rest.
    other: Contact,
    /// Numbers, domains of mail addresses, and postal addresses that were seen, each in one spelling.
    numbers: BTreeSet<String>,
    domains: BTreeSet<String>,
    places: BTreeSet<String>,
    /// Articles, and elements that say whose page it is, that are open.
    articles: u32,
    owns: u32,
    /// Where the text of such elements stands.
    parts: Vec<Range<usize>>,
    /// All that is shown, in one spelling of digits and hyphens.
    text: String,
    /// The number of a link that is open, and where its text begins.
    link: Option<(String, usize)>,
    /// Where the text of an `<address>` begins.
    address: Option<usize>,
    data: Vec<serde_json::Value>,
}

impl ContactReader {
    fn read(&mut self, html: &str) {
        let (mut tags, mut room) = (Tags::of(html, Comments::Html), [0; 16]);
        while let Some(token) = tags.next() {
            let tag = match token {
                HtmlToken::Text(text) => {
                    plain(&mut self.text, &entity::decode_text(text));
                    continue;
                }
                HtmlToken::Tag(tag) => tag,
            };
            if !tag.is_whole {
                break;
            }
            let name = tag.lower(&mut room);
            match (name, tag.is_end) {
                ("a", false) => self.link(tag.attribute("href").unwrap_or_default()),
                ("a", true) => self.link_ends(),
                ("address", false) => self.address = Some(self.text.len()),
                ("address", true) => self.address_ends(),
                _ => {}
            }
            if !is_inline(name) {
                self.text.push(' ');
            }
            self.part(name, tag.is_end);
            if !tag.is_end && !tag.closes_itself() && place(&UNSEEN, name).is_some() {
                let is_data = tag.attribute("type").is_some_and(|kind| kind.trim() == "application/ld+json");
                let raw = tags.raw_text(name);
                if is_data && raw.len() <= MAX_DATA {
                    self.data.extend(serde_json::from_str::<serde_json::Value>(raw).ok());
                }
            }
        }
    }

    /// Keeps account of whose the text is that follows.
    fn part(&mut self, name: &str, is_end: bool) {
        if name == "article" {
            self.articles = if is_end { self.articles.saturating_sub(1) } else { self.articles + 1 };
        } else if place(&OWN, name).is_some() && self.articles == 0 {
            let at = self.text.len();
            match (is_end, self.owns) {
                (false, 0) => self.parts.push(at..usize::MAX),
                (true, 1) => self.parts.iter_mut().for_each(|part| part.end = part.end.min(at)),
                (false | true, _) => {}
            }
            self.owns = if is_end { self.owns.saturating_sub(1) } else { self.owns + 1 };
        }
    }

    fn is_own(&self, at: usize) -> bool {
        self.parts.iter().any(|part| part.contains(&at))
    }

    fn link(&mut self, href: &str) {
        let href = entity::decode(href);
        let href = href.trim();
        let (scheme, rest) = href.split_once(':').unwrap_or_default();
        let rest = percent_decode_str(rest).decode_utf8_lossy();
        if scheme.eq_ignore_ascii_case("tel") {
            self.link = dialled(&rest).map(|number| (number, self.text.len()));
        } else if scheme.eq_ignore_ascii_case("mailto") {
            let address = rest.split(['?', ',', ';']).next().unwrap_or_default().trim();
            if is_mail(address) {
                let is_own = self.is_own(self.text.len());
                self.add(Contact { mails: vec![address.to_owned()], ..Contact::default() }, is_own);
            }
        }
    }

    fn link_ends(&mut self) {
        let Some((dialled, begin)) = self.link.take() else { return };
        let text = self.text[begin..].trim();
        let is_fax = last_words(&self.text[..begin], 8).to_ascii_lowercase().contains("fax");
        if is_fax || text.to_ascii_lowercase().contains("fax") {
            return;
        }
        // What is shown may be a word, or a picture.
        let has_number = text.len() <= 24 && national(text) == national(&dialled);
        let shown = match dialled.starts_with("+81") {
            _ if has_number => text.to_owned(),
            true => national(&dialled),
            false => dialled.clone(),
        };
        let is_own = self.is_own(begin);
        self.add(Contact { telephones: vec![Telephone { shown, dialled }], ..Contact::default() }, is_own);
    }

    fn address_ends(&mut self) {
        let Some(begin) = self.address.take() else { return };
        let text = self.text[begin..].split_whitespace().collect::<Vec<_>>().join(" ");
        // What else stands there is found by its own marks.
        let lower = text.to_ascii_lowercase();
        let ends = ["tel", "電話", "fax", "phone", "mail", "copyright", "©", "\u{2121}", "☎"];
        let end = ends.iter().filter_map(|word| lower.find(word)).min().unwrap_or(text.len());
        let text = text[..end].trim_matches([' ', '/', '|', '／', '・', ',', '(', '（']);
        if is_place(text) {
            let place = text.to_owned();
            self.add(Contact { places: vec![place], ..Contact::default() }, true);
        }
    }

    fn add(&mut self, contact: Contact, is_own: bool) {
        self.numbers.extend(contact.telephones.iter().map(|telephone| national(&telephone.dialled)));
        self.domains.extend(contact.mails.iter().filter_map(|mail| domain(mail)));
        let squeezed = |text: &String| text.split_whitespace().collect::<String>();
        self.places.extend(contact.places.iter().map(squeezed));
        if is_own { &mut self.own } else { &mut self.other }.add(contact);
    }

    fn finish(mut self) -> Contact {
        for data in std::mem::take(&mut self.data) {
            self.data(&data, 0);
        }
        for (at, shown) in after_labels(&self.text) {
            let is_own = self.is_own(at);
            let telephones = vec![Telephone { dialled: digits(&shown), shown }];
            self.add(Contact { telephones, ..Contact::default() }, is_own);
        }
        self.numbers.extend(numbers::all(&self.text));
        let is_mark = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '@' | '.' | '-' | '_' | '+'));
        let words = self.text.split(is_mark).map(|word| word.trim_matches('.'));
        self.domains.extend(words.filter(|word| is_mail(word)).filter_map(domain));
        if self.numbers.len() > MOST_OWN || self.places.len() > MOST_OWN || self.domains.len() > 1 {
            return Contact::default();
        }
        let ContactReader { own, other, .. } = self;
        Contact {
            telephones: if own.telephones.is_empty() { other.telephones } else { own.telephones },
            mails: if own.mails.is_empty() { other.mails } else { own.mails },
            places: own.places,
        }
    }

    /// What data for search engines says, where the page shows it, too.
    fn data(&mut self, value: &serde_json::Value, depth: u32) {
        use serde_json::Value;
        if depth > MAX_DEPTH {
            return;
        }
        match value {
            Value::Array(list) => list.iter().for_each(|value| self.data(value, depth + 1)),
            Value::Object(object) if object.get("@type").is_none_or(|kind| kind != "Person") => {
                if let Some(shown) = object.get("telephone").and_then(Value::as_str)
                    && let Some(dialled) = dialled(shown)
                    && self.shows_number(&dialled)
                {
                    let mut text = String::new();
                    plain(&mut text, shown);
                    let telephone = Telephone { shown: text.trim().to_owned(), dialled };
                    self.add(Contact { telephones: vec![telephone], ..Contact::default() }, true);
                }
                if let Some(mail) = object.get("email").and_then(Value::as_str) {
                    let mail = mail.trim_start_matches("mailto:").trim();
                    if is_mail(mail) && self.text.contains(mail) {
                        self.add(Contact { mails: vec![mail.to_owned()], ..Contact::default() }, true);
                    }
                }
                if let Some(place) = object.get("address").and_then(|address| self.place(address)) {
                    self.add(Contact { places: vec![place], ..Contact::default() }, true);
                }
                object.values().for_each(|value| self.data(value, depth + 1));
            }
            Value::Object(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
        }
    }

    fn shows_number(&self, number: &str) -> bool {
        let close = |c: &char| !matches!(c, ' ' | '-' | '(' | ')' | '.');
        let text: String = self.text.chars().filter(close).collect();
        text.contains(&national(number)) || text.contains(number)
    }

    /// A `PostalAddress` in one line, in the order of its country.
    fn place(&self, address: &serde_json::Value) -> Option<String> {
        let part =
            |name: &str| address.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().trim();
        let street = part("streetAddress");
        let squeezed = |text: &str| text.split_whitespace().collect::<String>();
        let (mut shown, text) = (String::new(), squeezed(&self.text));
        plain(&mut shown, street);
        if street.is_empty() || !text.contains(&squeezed(&shown)) {
            return None;
        }
        let (code, region, town) = (part("postalCode"), part("addressRegion"), part("addressLocality"));
        let is_japanese = street.chars().chain(town.chars()).any(|c| !c.is_ascii());
        let line = if is_japanese {
            let code = code.trim_start_matches('〒');
            let mark = if code.is_empty() { "" } else { "〒" };
            format!("{mark}{code} {region}{town}{street}").trim_start().to_owned()
        } else {
            let all = [street, town, region, code];
            all.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
        };
        (line.chars().count() <= MAX_PLACE).then_some(line)
    }
}

/// Elements that do not part words.
fn is_inline(name: &str) -> bool {
    matches!(name, "a" | "b" | "em" | "font" | "i" | "small" | "span" | "strong" | "wbr")
}

/// Adds a text, its digits and hyphens in one spelling, control characters and marks of direction as blanks.
fn plain(out: &mut String, text: &str) {
    out.extend(text.chars().map(|c| match c {
        '０'..='９' | '＋' | '（' | '）' | '：' | '．' => {
            char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c)
        }
        '‐' | '‑' | '–' | '−' | '－' => '-',
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => ' ',
        c if c.is_control() || c.is_whitespace() => ' ',
        c => c,
    }));
}

/// The domain of a mail address, in lower case.
fn domain(mail: &str) -> Option<String> {
    mail.split_once('@').map(|(_, domain)| domain.to_ascii_lowercase())
}

/// Whether a mail address is at the domain of a host: one of them is the other's, or within it. Nobody has mail at what is
/// several people's, such as `co.jp`.
fn is_at(mail: &str, host: &str) -> bool {
    let host = host.strip_prefix("www.").unwrap_or(host);
    let within = |part: &str, whole: &str| {
        part.strip_suffix(whole).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    domain(mail).is_some_and(|domain| within(&domain, host) || within(host, &domain))
}

fn is_mail(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'@' | b'.' | b'-' | b'_' | b'+');
    let (user, host) = text.split_once('@').unwrap_or_default();
    !user.is_empty()
        && host.split('.').filter(|label| !label.is_empty()).count() > 1
        && !host.contains('@')
        && text.len() <= 100
        && text.bytes().all(is_plain)
}

/// Whether a text is a postal address and nothing else, as far as can be told.
fn is_place(text: &str) -> bool {
    let has = |chars: &[char]| text.contains(chars);
    let is_japanese = has(&['〒']) || has(&['都', '道', '府', '県']) && has(&['市', '区', '町', '村', '郡']);
    let is_western = text.contains(',') && has(&['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    (8..=MAX_PLACE).contains(&text.chars().count())
        && (is_japanese || is_western && text.is_ascii())
        && !text.contains('@')
        && !text.contains("//")
}
