//! How the people behind a site can be reached, as its own pages show it: telephone numbers, mail addresses, a postal address.
//! Pure. Whatever is not certain is left out: who cannot reach the site must not ring at a stranger's.

use percent_encoding::percent_decode_str;

use super::document::Document;
use super::entity;
use super::tags::{Comments, HtmlToken, Tags, place};

/// Numbers and mail addresses of a site that are told, and postal addresses.
const MOST: usize = 3;
const MOST_PLACES: usize = 1;
/// Characters of a postal address.
const MAX_PLACE: usize = 160;
/// Bytes of a block of JSON-LD that is read.
const MAX_DATA: usize = 256 * 1024;
/// Objects within objects of it.
const MAX_DEPTH: u32 = 8;
/// Links to pages that may have it.
const MAX_LINKS: usize = 6;
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

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.telephones.is_empty() && self.mails.is_empty() && self.places.is_empty()
    }

    /// Adds what another page shows, if there is room; what is known comes first.
    pub fn add(&mut self, other: Contact) {
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
    found: Contact,
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
            if !tag.is_end && !tag.closes_itself() && place(&UNSEEN, name).is_some() {
                let is_data = tag.attribute("type").is_some_and(|kind| kind.trim() == "application/ld+json");
                let raw = tags.raw_text(name);
                if is_data && raw.len() <= MAX_DATA {
                    self.data.extend(serde_json::from_str::<serde_json::Value>(raw).ok());
                }
            }
        }
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
                self.add(Contact { mails: vec![address.to_owned()], ..Contact::default() });
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
        self.add(Contact { telephones: vec![Telephone { shown, dialled }], ..Contact::default() });
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
            self.add(Contact { places: vec![text.to_owned()], ..Contact::default() });
        }
    }

    fn add(&mut self, contact: Contact) {
        self.found.add(contact);
    }

    fn finish(mut self) -> Contact {
        for data in std::mem::take(&mut self.data) {
            self.data(&data, 0);
        }
        let telephone = |shown: String| Telephone { dialled: digits(&shown), shown };
        let telephones = after_labels(&self.text).into_iter().map(telephone).collect();
        self.add(Contact { telephones, ..Contact::default() });
        self.found
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
                    self.add(Contact { telephones: vec![telephone], ..Contact::default() });
                }
                if let Some(mail) = object.get("email").and_then(Value::as_str) {
                    let mail = mail.trim_start_matches("mailto:").trim();
                    if is_mail(mail) && self.text.contains(mail) {
                        self.add(Contact { mails: vec![mail.to_owned()], ..Contact::default() });
                    }
                }
                if let Some(place) = object.get("address").and_then(|address| self.place(address)) {
                    self.add(Contact { places: vec![place], ..Contact::default() });
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

/// Letters and digits before a link that say what its number is.
fn last_words(text: &str, chars: usize) -> &str {
    let text = text.trim_end();
    let at = text.char_indices().rev().nth(chars.saturating_sub(1)).map_or(0, |(at, _)| at);
    &text[at..]
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The digits of a number as it is dialled within Japan, if it has Japan's prefix.
fn national(number: &str) -> String {
    match number.trim().strip_prefix("+81") {
        Some(rest) => format!("0{}", digits(rest)),
        None => digits(number),
    }
}

/// A written number as it is dialled (E.164: 15 digits at most; RFC 3966: parameters stand behind a semicolon).
fn dialled(written: &str) -> Option<String> {
    let number = written.split(';').next().unwrap_or_default().trim();
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '.' | '(' | ')' | ' ' | '+');
    let digits = digits(number);
    let plus = if number.starts_with('+') { "+" } else { "" };
    (number.chars().all(is_part) && (7..=15).contains(&digits.len())).then(|| format!("{plus}{digits}"))
}

/// Words that stand before a telephone number.
const LABELS: [&str; 7] = ["tel", "電話番号", "電話", "お電話", "☎", "\u{2121}", "phone"];

/// The Japanese telephone numbers that follow upon a word for them: 10 or 11 digits from a 0 on, in three groups.
fn after_labels(text: &str) -> Vec<String> {
    // ASCII alone changes, so that places stay what they are.
    let lower = text.to_ascii_lowercase();
    let number_at = |at: usize| {
        let is_gap = |c: char| matches!(c, ' ' | ':' | '.' | '番' | '号' | 'は' | '/' | '／');
        let rest = text[at..].trim_start_matches(is_gap);
        let end =
            rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '(' | ')'))).unwrap_or(rest.len());
        let number = rest[..end].trim_end_matches(['-', '(', ')']);
        let groups = number.split(['-', '(', ')']).filter(|group| !group.is_empty()).count();
        let is_near = text[at..].len() - rest.len() <= 8;
        let is_number = is_near && groups == 3 && matches!(digits(number).len(), 10 | 11);
        (is_number && digits(number).starts_with('0')).then(|| (at, number.to_owned()))
    };
    let is_word = |at: usize, label: &str| {
        let before = lower[..at].chars().next_back();
        !label.is_ascii() || before.is_none_or(|c| !c.is_ascii_alphanumeric())
    };
    let mut found: Vec<(usize, String)> = LABELS
        .iter()
        .flat_map(|label| lower.match_indices(label).filter(|(at, _)| is_word(*at, label)))
        .filter_map(|(at, label)| number_at(at + label.len()))
        .take(MOST * LABELS.len())
        .collect();
    found.sort();
    found.dedup_by_key(|(_, number)| number.clone());
    found.into_iter().map(|(_, number)| number).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(html: &str) -> String {
        let contact = Contact::read(&Document::new(html.as_bytes(), Some("text/html; charset=utf-8")));
        let telephones = contact.telephones.iter().map(|tel| format!("{}={}", tel.shown, tel.dialled));
        telephones.chain(contact.mails).chain(contact.places).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn what_a_page_shows_is_found() {
        for (html, expected) in [
            ("<a href='tel:+81-3-1234-5678'>03-1234-5678</a>", "03-1234-5678=+81312345678"),
            ("<a href=tel:+81120999999>お電話は<img src=tel.png></a>", "0120999999=+81120999999"),
            ("<a href=tel:0120999999>お電話はこちら</a>", "0120999999=0120999999"),
            ("<a href='tel:03-1234-5678;ext=1'><img src=tel.png></a>", "0312345678=0312345678"),
            ("<a href='mailto:hello@shop.example?subject=x'>Mail</a>", "hello@shop.example"),
            ("<p>TEL：０３－１２３４－５６７８", "03-1234-5678=0312345678"),
            ("<dl><dt>電話番号</dt><dd>0120-123-456</dd></dl>", "0120-123-456=0120123456"),
            ("<p>Tel. 090-1234-5678 / FAX 03-1234-9999", "090-1234-5678=09012345678"),
            ("<p>電話 045(123)4567", "045(123)4567=0451234567"),
            (
                "<address>〒047-0007 北海道小樽市港町1-2<br>TEL 0134-12-3456</address>",
                "0134-12-3456=0134123456 | 〒047-0007 北海道小樽市港町1-2",
            ),
            ("<address>12 Harbour Street, Otaru 047-0007</address>", "12 Harbour Street, Otaru 047-0007"),
            // the same number once
            ("<a href='tel:+81312345678'>03-1234-5678</a> 電話 03-1234-5678", "03-1234-5678=+81312345678"),
            ("<p>FAX<a href=tel:0312345678>03-1234-5678</a>", ""),
            ("<a href=tel:0312345678>FAX 03-1234-5678</a>", ""),
        ] {
            assert_eq!(read(html), expected, "{html}");
        }
    }

    #[test]
    fn what_is_not_certain_is_left_out() {
        for html in [
            "03-1234-5678",
            "hotel 03-1234-5678",
            "注文番号 0123-4567-8901",
            "電話 0312345678",
            "電話 1234-56-7890",
            "電話はお気軽に。受付番号は 03-1234-5678",
            "<address>© 2026 Shop</address>",
            "<address>By <a href=/a>Mr Abe</a>, 12 May</address>".replace(", 12 May", "").as_str(),
            "<a href='mailto:?subject=x'>share</a><a href='mailto:a@b'>x</a><a href=\"mailto:'a@b.example\">x</a>",
            "<a href=tel:110>110</a><a href='tel:call-me'>x</a>",
            "<script>tel='TEL 03-1234-5678'</script><!-- TEL 03-1234-5678 --><template>TEL 03-1234-5678</template>",
        ] {
            assert_eq!(read(html), "", "{html}");
        }
    }

    #[test]
    fn data_for_search_engines_counts_where_the_page_shows_it() {
        let data = "<script type=\"application/ld+json\">{\"@graph\":[{\"@type\":\"LocalBusiness\",\"telephone\":\"+81-3-1234-5678\",\
            \"email\":\"a@shop.example\",\"address\":{\"@type\":\"PostalAddress\",\"postalCode\":\"100-0001\",\
            \"addressRegion\":\"東京都\",\"addressLocality\":\"千代田区\",\"streetAddress\":\"千代田1-1\"}},\
            {\"@type\":\"Person\",\"telephone\":\"090-0000-1111\"}]}</script>";
        assert_eq!(read(data), "");
        let shown = format!(
            "{data}<p>東京都千代田区千代田１－１ <b>03 (1234) 5678</b>, 090-0000-1111, a@shop.example"
        );
        assert_eq!(
            read(&shown),
            "+81-3-1234-5678=+81312345678 | a@shop.example | 〒100-0001 東京都千代田区千代田1-1"
        );
    }

    #[test]
    fn pages_that_may_have_it_are_known_by_address_or_name() {
        let html = "<a href=/>Home</a><a href=/company/outline>x</a><a href=/k>お<b>問い合わせ</b></a><a href=/news>News</a>\
            <a href=mailto:contact@a.example>Contact</a><a href='/k'>連絡先</a>";
        assert_eq!(
            links(&Document::new(html.as_bytes(), Some("text/html; charset=utf-8"))),
            ["/company/outline", "/k"]
        );
    }

    #[test]
    fn of_several_pages_the_first_counts_and_there_is_a_bound() {
        let page = |html: &str| Contact::read(&Document::new(html.as_bytes(), None));
        let mut all = page("<a href=tel:0311111111>x</a>");
        all.add(page("<a href=tel:+81311111111>x</a><a href=tel:0322222222>x</a><a href=tel:0333333333>x</a><a href=tel:0344444444>x</a>"));
        let numbers: Vec<_> = all.telephones.iter().map(|tel| &*tel.dialled).collect();
        assert_eq!(numbers, ["0311111111", "0322222222", "0333333333"]);
    }

    proptest! {
        #[test]
        fn any_page_is_read(html in "(<address>|</address>|<a href=tel:03|>|電話|TEL|03-|1234-5678|<script type=application/ld\\+json>|\\{|</script>|－|あ){0,30}") {
            let _ = read(&html);
        }
    }
}
