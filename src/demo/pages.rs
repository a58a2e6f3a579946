//! The shop's pages: which there are, and what stands on them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use minijinja::value::{Serde, merge_maps};
use minijinja::{Environment, UndefinedBehavior, Value, context};

use super::assets;
use super::catalog::{Article, Event, Kind, Language, Product, catalog, grouped, words};
use super::site::When;

/// A page, in either language.
#[derive(Clone, Copy)]
pub(super) enum Page {
    Home,
    Products,
    Product(&'static Product),
    Events,
    Event(&'static Event),
    News,
    Article(&'static Article),
    /// A page that is only text, by its name.
    Plain(&'static str),
    Signup,
    Thanks,
}

/// Pages that are only text.
const PLAIN: [(&str, &str, &str); 5] = [
    ("about", include_str!("content/about.ja.html"), include_str!("content/about.en.html")),
    ("access", include_str!("content/access.ja.html"), include_str!("content/access.en.html")),
    ("contact", include_str!("content/contact.ja.html"), include_str!("content/contact.en.html")),
    ("privacy", include_str!("content/privacy.ja.html"), include_str!("content/privacy.en.html")),
    ("brewing", include_str!("content/brewing.ja.html"), include_str!("content/brewing.en.html")),
];

/// Every page and its path below the language's root.
static PATHS: LazyLock<Vec<(String, Page)>> = LazyLock::new(|| {
    let mut all = vec![
        (String::new(), Page::Home),
        ("products/".to_owned(), Page::Products),
        ("events/".to_owned(), Page::Events),
        ("news/".to_owned(), Page::News),
        ("signup".to_owned(), Page::Signup),
        ("signup/thanks".to_owned(), Page::Thanks),
    ];
    let catalog = catalog();
    all.extend(catalog.products.iter().map(|p| (format!("products/{}", p.slug), Page::Product(p))));
    all.extend(catalog.events.iter().map(|e| (format!("events/{}", e.slug), Page::Event(e))));
    all.extend(catalog.articles.iter().map(|a| (format!("news/{}", a.slug), Page::Article(a))));
    all.extend(PLAIN.iter().map(|(name, ..)| ((*name).to_owned(), Page::Plain(name))));
    all
});

impl Page {
    /// The page at `path`, which is percent-decoded, and its language.
    pub(super) fn at(path: &str) -> Option<(Language, Page)> {
        Language::ALL.into_iter().find_map(|language| {
            PATHS
                .iter()
                .find(|(below, page)| page.path_with(language, below) == path)
                .map(|(_, page)| (language, *page))
        })
    }

    /// Every page with its path, in `language`.
    pub(super) fn all(language: Language) -> impl Iterator<Item = (String, Page)> {
        PATHS.iter().map(move |(below, page)| (page.path_with(language, below), *page))
    }

    fn path(self, language: Language) -> String {
        let below = match self {
            Page::Home => String::new(),
            Page::Products => "products/".to_owned(),
            Page::Product(p) => format!("products/{}", p.slug),
            Page::Events => "events/".to_owned(),
            Page::Event(e) => format!("events/{}", e.slug),
            Page::News => "news/".to_owned(),
            Page::Article(a) => format!("news/{}", a.slug),
            Page::Plain(name) => name.to_owned(),
            Page::Signup => "signup".to_owned(),
            Page::Thanks => "signup/thanks".to_owned(),
        };
        self.path_with(language, &below)
    }

    /// One page has a Japanese path, as sites of this kind do.
    fn path_with(self, language: Language, below: &str) -> String {
        match (self, language) {
            (Page::Plain("brewing"), Language::Ja) => "/読みもの/お茶の淹れ方".to_owned(),
            (Page::Plain("brewing"), Language::En) => "/en/reading/how-to-brew-tea".to_owned(),
            (_, language) => format!("{}{below}", language.root()),
        }
    }
}

/// What a visitor had typed into the form.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub name: String,
    pub email: String,
    pub event: String,
    pub note: String,
}

/// What came with the request for a page.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// The shelf that was asked for.
    pub kind: Option<Kind>,
    /// What is looked for among the products.
    pub find: String,
    /// What stands in the form already.
    pub form: Form,
    /// Whether the form was sent and could not be taken.
    pub wrong: bool,
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, source) in [
        ("base.html", include_str!("templates/base.html")),
        ("parts.html", include_str!("templates/parts.html")),
        ("home.html", include_str!("templates/home.html")),
        ("products.html", include_str!("templates/products.html")),
        ("product.html", include_str!("templates/product.html")),
        ("events.html", include_str!("templates/events.html")),
        ("event.html", include_str!("templates/event.html")),
        ("news.html", include_str!("templates/news.html")),
        ("article.html", include_str!("templates/article.html")),
        ("plain.html", include_str!("templates/plain.html")),
        ("signup.html", include_str!("templates/signup.html")),
        ("message.html", include_str!("templates/message.html")),
    ] {
        if let Err(error) = templates.add_template(name, source) {
            tracing::error!(%error, name, "a template of the sample shop is broken");
        }
    }
    templates
});

/// Writes a page out.
///
/// # Errors
/// If a template does not fit what it is given; the tests write every page.
pub(super) fn render(
    language: Language,
    page: Page,
    given: &Given,
    when: When,
) -> Result<String, minijinja::Error> {
    let (name, title, description, own) = content(language, page, given);
    let whole = merge_maps([context! { title, description }, own, frame(language, Some(page), when)]);
    TEMPLATES.get_template(name)?.render(whole)
}

/// Writes the page for a path that is none of the shop's.
///
/// # Errors
/// As [`render`].
pub(super) fn not_found(language: Language, when: When) -> Result<String, minijinja::Error> {
    let w = words(language);
    let own = context! { title => w["not_found"].as_str(), description => w["not_found"].as_str(), lead => w["not_found_lead"].as_str() };
    TEMPLATES.get_template("message.html")?.render(merge_maps([own, frame(language, None, when)]))
}

/// What every page has: head, menu, foot, and the time at which it was written.
fn frame(language: Language, page: Option<Page>, when: When) -> Value {
    let other = language.other();
    let menu: Vec<(&str, String)> = [
        ("products", Page::Products),
        ("events", Page::Events),
        ("news", Page::News),
        ("about", Page::Plain("about")),
        ("access", Page::Plain("access")),
    ]
    .into_iter()
    .map(|(word, page)| (word, page.path(language)))
    .collect();
    let section = match page {
        Some(Page::Product(_)) => Page::Products.path(language),
        Some(Page::Event(_)) => Page::Events.path(language),
        Some(Page::Article(_)) => Page::News.path(language),
        Some(page) => page.path(language),
        None => String::new(),
    };
    let version = |path| assets::find(path).map_or("", assets::Asset::version);
    context! {
        w => Serde(words(language)),
        menu => menu,
        section => section,
        other_lang => words(other)["lang"].as_str(),
        other_path => page.unwrap_or(Page::Home).path(other),
        brewing => Page::Plain("brewing").path(language),
        versions => BTreeMap::from([
            ("style", version("/assets/style.css")),
            ("script", version("/assets/shop.js")),
        ]),
        rendered_ms => when.now.duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64),
        rendered_iso => humantime::format_rfc3339_millis(when.now).to_string(),
        rendered => clock_time(when.now),
        since => clock_time(when.since),
    }
}

/// Template, title, description, and what only this page has.
fn content(language: Language, page: Page, given: &Given) -> (&'static str, String, String, Value) {
    let w = words(language);
    let word = |key: &str| w[key].clone();
    let catalog = catalog();
    let products = |some: &mut dyn Iterator<Item = &'static Product>| -> Vec<Value> {
        some.map(|p| product(language, p)).collect()
    };
    let events = || catalog.events.iter().map(|e| event(language, e)).collect::<Vec<_>>();
    let articles = || catalog.articles.iter().map(|a| article(language, a)).collect::<Vec<_>>();
    match page {
        Page::Home => {
            let featured = products(&mut catalog.products.iter().step_by(3));
            let own = context! { featured, events => events(), articles => articles() };
            ("home.html", String::new(), word("intro"), own)
        }
        Page::Products => {
            let find = given.find.trim().to_lowercase();
            let has = |p: &&Product| {
                let text = p.text.of(language);
                [&text.name, &text.short].iter().any(|text| text.to_lowercase().contains(&find))
            };
            let of_kind = catalog.products.iter().filter(|p| given.kind.is_none_or(|k| k == p.kind));
            let shown = products(&mut of_kind.filter(has));
            let own = context! { products => shown, kind => Serde(given.kind), find => given.find.as_str() };
            ("products.html", word("products"), word("products_lead"), own)
        }
        Page::Product(p) => {
            let mut others = catalog.products.iter().filter(|q| q.kind != p.kind).take(4);
            let own = context! { p => product(language, p), related => products(&mut others) };
            let text = p.text.of(language);
            ("product.html", text.name.clone(), text.short.clone(), own)
        }
        Page::Events => ("events.html", word("events"), word("events_lead"), context! { events => events() }),
        Page::Event(e) => {
            let text = e.text.of(language);
            ("event.html", text.name.clone(), text.short.clone(), context! { e => event(language, e) })
        }
        Page::News => ("news.html", word("news"), word("intro"), context! { articles => articles() }),
        Page::Article(a) => {
            let title = a.text.of(language).title.clone();
            ("article.html", title.clone(), title, context! { a => article(language, a) })
        }
        Page::Plain(name) => {
            let body = PLAIN.iter().find(|(n, ..)| *n == name).map_or("", |(_, ja, en)| match language {
                Language::Ja => ja,
                Language::En => en,
            });
            ("plain.html", word(name), word("intro"), context! { body })
        }
        Page::Signup => {
            let Form { name, email, event, note } = &given.form;
            let own = context! { events => events(), wrong => given.wrong, form => context! { name, email, event, note } };
            ("signup.html", word("signup"), word("signup_lead"), own)
        }
        Page::Thanks => (
            "message.html",
            word("thanks"),
            word("thanks_lead"),
            context! { lead => w["thanks_lead"].as_str() },
        ),
    }
}

fn product(language: Language, p: &'static Product) -> Value {
    context! {
        slug => p.slug.as_str(),
        kind => Serde(p.kind),
        price => grouped(p.price),
        href => Page::Product(p).path(language),
        image => format!("/images/{}.svg", p.slug),
        text => Serde(p.text.of(language)),
    }
}

fn event(language: Language, e: &'static Event) -> Value {
    context! {
        slug => e.slug.as_str(),
        picture => e.picture.as_str(),
        seats => e.seats,
        fee => grouped(e.fee),
        href => Page::Event(e).path(language),
        text => Serde(e.text.of(language)),
    }
}

fn article(language: Language, a: &'static Article) -> Value {
    context! {
        date => a.date.as_str(),
        day => day(language, &a.date),
        picture => a.picture.as_deref(),
        href => Page::Article(a).path(language),
        text => Serde(a.text.of(language)),
    }
}

/// `2026-05-12` as its readers write it.
fn day(language: Language, date: &str) -> String {
    let mut parts = date.split('-').map(|part| part.trim_start_matches('0'));
    let (y, m, d) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    match language {
        Language::Ja => format!("{y}年{m}月{d}日"),
        Language::En => {
            let month = m.parse::<usize>().ok().and_then(|m| MONTHS.get(m.checked_sub(1)?)).unwrap_or(&m);
            format!("{d} {month} {y}")
        }
    }
}

/// The time of day where the shop is (UTC+9, all year), with milliseconds: `19:20:33.412`.
fn clock_time(at: std::time::SystemTime) -> String {
    let there = at + std::time::Duration::from_secs(9 * 3600);
    humantime::format_rfc3339_millis(there).to_string().get(11..23).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn the_shop_lives_on_its_own_time() {
        assert_eq!(clock_time(UNIX_EPOCH + Duration::from_millis(1_412)), "09:00:01.412");
        assert_eq!(clock_time(UNIX_EPOCH + Duration::from_secs(20 * 3600)), "05:00:00.000");
    }

    #[test]
    fn days_are_written_as_people_write_them() {
        assert_eq!(day(Language::Ja, "2026-05-02"), "2026年5月2日");
        assert_eq!(day(Language::En, "2026-12-20"), "20 December 2026");
    }
}
