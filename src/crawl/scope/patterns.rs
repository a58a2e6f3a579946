//! What can be told of an address by its look: whether it grows without end, whether following it does something,
//! and what it is one of many of.
//!
//! A kind is the path with its numbers taken out, and the names of the parameters: `/news/2026/11/` and
//! `/news/2025/03/` are one kind, `/list?sort=a&color=b` and `/list?sort=c&color=d` another. The pages of one list
//! (`/news/page/7/`, `?category_id=3&pageno=2`) are a kind for each list, so that a list of hundreds of pages stays
//! whole and a shop of hundreds of lists does, too.

use std::collections::BTreeSet;

use super::dates::{ends_like_a_date, has_date};
use crate::content::links::Need;
use crate::crawl::refusal::Refusal;

/// Bytes of an address.
pub(crate) const MAX_LENGTH: usize = 1024;
/// Steps of a path.
pub(crate) const MAX_SEGMENTS: usize = 24;
/// Parameters of a query.
const MAX_PARAMETERS: usize = 8;

/// What an address is one of many of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Tells it from other kinds.
    pub(crate) name: String,
    /// What sort of kind.
    pub(crate) sort: Sort,
}

/// Sorts of kinds, by what is to be expected of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sort {
    /// Files with a version or a hash as parameter.
    File,
    /// Pages with one parameter.
    One,
    /// Pages with two.
    Two,
    /// Pages with more: the more, the likelier it is that they are combined at will.
    Many,
    /// Lists in another order, or narrowed down.
    Facet,
    /// All of them together.
    Facets,
    /// Older versions, differences, prints of pages.
    Version,
    /// Pages of one list.
    List,
    /// Addresses that end like a date.
    Date,
    /// A date in the query.
    QueryDate,
    /// All dates together.
    Dates,
    /// Numbers in the path: most of the web, and calendars that do not look like one.
    Numbered,
}

/// All kinds that an address belongs to.
pub(crate) fn kinds(key: &str, need: Need) -> Vec<Kind> {
    if matches!(need, Need::Key | Need::Site) {
        return Vec::new();
    }
    let (path, query) = key.split_once('?').map_or((key, None), |(path, query)| (path, Some(query)));
    match query {
        Some(query) if is_file(need) => vec![Kind::new(Sort::File, path, names(query.split('&')))],
        Some(query) => of_query(path, query),
        None if is_file(need) => Vec::new(),
        None => of_path(path),
    }
}

/// Whether something is wanted that a page is drawn with, not a page.
fn is_file(need: Need) -> bool {
    match need {
        Need::Requisite | Need::Guess => true,
        Need::Key | Need::Site | Need::Link => false,
    }
}

impl Kind {
    fn new(sort: Sort, path: &str, rest: impl AsRef<str>) -> Kind {
        Kind { name: format!("{sort:?} {path}?{}", rest.as_ref()), sort }
    }
}

fn of_path(path: &str) -> Vec<Kind> {
    if let Some(list) = paged_path(path) {
        return vec![Kind::new(Sort::List, list, "")];
    }
    let digits = path.bytes().any(|b| b.is_ascii_digit());
    if !digits {
        return Vec::new();
    }
    let pattern = without_numbers(path);
    if ends_like_a_date(path) {
        return vec![Kind::new(Sort::Date, &pattern, ""), Kind::new(Sort::Dates, "", "")];
    }
    vec![Kind::new(Sort::Numbered, &pattern, "")]
}

fn of_query(path: &str, query: &str) -> Vec<Kind> {
    // A form that was sent empty adds parameters that say nothing.
    let said =
        query.split('&').filter(|pair| pair.split_once('=').is_some_and(|(_, value)| !value.is_empty()));
    let said: Vec<&str> = if query.contains('=') { said.collect() } else { query.split('&').collect() };
    if said.iter().any(|pair| is_version(pair)) {
        return vec![Kind::new(Sort::Version, "", "")];
    }
    let (pages, rest): (Vec<&str>, Vec<&str>) = said.into_iter().partition(|pair| is_page_number(pair));
    let mut kinds = Vec::new();
    if !pages.is_empty() {
        kinds.push(Kind::new(Sort::List, path, rest.join("&")));
        if rest.is_empty() {
            return kinds;
        }
    }
    let of = |sort| Kind::new(sort, path, names(rest.iter().copied()));
    if rest.iter().any(|pair| has_date(pair)) {
        kinds.extend([of(Sort::QueryDate), Kind::new(Sort::Dates, "", "")]);
    } else if rest.iter().any(|pair| is_facet(pair)) {
        // Two dozen filters make more combinations than a site has pages: together they are one kind.
        kinds.extend([Kind::new(Sort::Facet, path, ""), Kind::new(Sort::Facets, "", "")]);
    } else {
        kinds.push(match rest.len() {
            0 | 1 => of(Sort::One),
            2 => of(Sort::Two),
            _ => Kind::new(Sort::Many, path, "*"),
        });
    }
    kinds
}

/// The list that a page with a number belongs to, without that number.
pub(crate) fn list_of(key: &str) -> Option<String> {
    kinds(key, Need::Link).into_iter().find(|kind| kind.sort == Sort::List).map(|kind| kind.name)
}

/// `/news/` of `/news/page/7/`.
fn paged_path(path: &str) -> Option<&str> {
    const WORDS: [&str; 6] = ["page", "pages", "pg", "paged", "seite", "pagina"];
    let path = path.trim_end_matches('/');
    let (before, number) = path.rsplit_once('/')?;
    let (list, word) = before.rsplit_once('/')?;
    (is_number(number) && WORDS.contains(&word.to_ascii_lowercase().as_str())).then_some(list)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 7 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_page_number(pair: &str) -> bool {
    const NAMES: [&str; 16] = [
        "page",
        "paged",
        "pageno",
        "page_no",
        "pagenum",
        "page_num",
        "pagenumber",
        "pageid",
        "pg",
        "start",
        "offset",
        "limitstart",
        "currentpage",
        "cpage",
        "pagen_1",
        "pagination",
    ];
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    is_number(value) && NAMES.contains(&name.to_ascii_lowercase().as_str())
}

/// Parameters that order or narrow a list down: WooCommerce, Magento, Drupal, EC-CUBE, phpBB and their like.
fn is_facet(pair: &str) -> bool {
    const NAMES: [&str; 30] = [
        "orderby",
        "order",
        "order_by",
        "sort",
        "sortby",
        "sort_by",
        "sort_order",
        "sortorder",
        "sorting",
        "dir",
        "direction",
        "min_price",
        "max_price",
        "price",
        "rating_filter",
        "stock_status",
        "limit",
        "per_page",
        "perpage",
        "disp_number",
        "view_mode",
        "viewmode",
        "display",
        "layout",
        "sk",
        "sd",
        "st",
        "first_char",
        "facet",
        "facets",
    ];
    const BEGINNINGS: [&str; 6] = ["filter_", "filter-", "query_type_", "product_list_", "facet_", "refine"];
    let name = pair.split('=').next().unwrap_or(pair).to_ascii_lowercase();
    // `f[0]`, `filters[color][]`, spelled as they are or percent-encoded.
    let bracket = name.contains('[') || name.contains("%5b");
    bracket || NAMES.contains(&name.as_str()) || BEGINNINGS.iter().any(|begin| name.starts_with(begin))
}

/// Older versions of a page, what was changed in it, a form to edit it, a print of it: nobody misses them in an outage, and
/// a wiki has dozens for each page.
fn is_version(pair: &str) -> bool {
    const NAMES: [&str; 12] = [
        "oldid",
        "diff",
        "rcid",
        "redlink",
        "veaction",
        "printable",
        "print",
        "tmpl",
        "do_pdf",
        "mobileaction",
        "rev",
        "rev2[]",
    ];
    const ACTIONS: [&str; 14] = [
        "history",
        "raw",
        "info",
        "purge",
        "protect",
        "watch",
        "unwatch",
        "submit",
        "render",
        "revisions",
        "diff",
        "backlink",
        "recent",
        "print",
    ];
    let pair = pair.to_ascii_lowercase();
    let (name, value) = pair.split_once('=').unwrap_or((&pair, ""));
    NAMES.contains(&name) || matches!(name, "action" | "do" | "view") && ACTIONS.contains(&value)
}

/// The names of parameters, each once.
fn names<'a>(pairs: impl Iterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = pairs.map(|pair| pair.split('=').next().unwrap_or(pair)).collect();
    names.into_iter().flat_map(|name| [name, "&"]).collect()
}

fn without_numbers(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    let mut digits = false;
    for c in path.chars() {
        if !c.is_ascii_digit() {
            pattern.push(c);
        } else if !digits {
            pattern.push('#');
        }
        digits = c.is_ascii_digit();
    }
    pattern
}

/// What can be told of an address by looking at it.
pub(crate) fn shape(key: &str) -> Result<(), Refusal> {
    if key.len() > MAX_LENGTH {
        return Err(Refusal::TooLong);
    }
    let (path, query) = key.split_once('?').unwrap_or((key, ""));
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if segments.len() > MAX_SEGMENTS {
        return Err(Refusal::TooLong);
    }
    if repeats(&segments) {
        return Err(Refusal::Repeating);
    }
    if query.split('&').count() > MAX_PARAMETERS || twice(query) {
        return Err(Refusal::QueryBound);
    }
    Ok(())
}

/// `/a/b/a/b/a/b`: a link that is relative where it should not be. One step alone may stand three times
/// (`/2011/11/11/11`), not four.
fn repeats(segments: &[&str]) -> bool {
    (1..=4).any(|period| {
        let times = if period == 1 { 4 } else { 3 };
        segments.windows(period * times).any(|w| w.iter().zip(&w[period..]).all(|(a, b)| a == b))
    })
}

/// The same parameter with the same value twice over: a link that adds itself to its own page's address.
fn twice(query: &str) -> bool {
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| pair.contains('=')).collect();
    let all = pairs.len();
    pairs.sort_unstable();
    pairs.dedup();
    pairs.len() < all
}

/// Links that do something when they are followed, though they should not (RFC 9110 section 9.2.1): a crawler
/// must not fill carts, write log entries, or end anything.
pub(crate) fn acts(key: &str) -> bool {
    const PARAMETERS: [&str; 16] = [
        "add-to-cart",
        "add_to_cart",
        "addtocart",
        "remove_item",
        "undo_item",
        "add_to_wishlist",
        "remove_from_wishlist",
        "add_to_compare",
        "replytocom",
        "_wpnonce",
        "logout",
        "unsubscribe",
        "unapprove",
        "doing_wp_cron",
        "ical",
        "outlook-ical",
    ];
    const STEPS: [&str; 6] = ["logout", "log-out", "signout", "sign-out", "logoff", "unsubscribe"];
    const ACTIONS: [&str; 12] = [
        "logout",
        "delete",
        "remove",
        "add",
        "edit",
        "unsubscribe",
        "reply",
        "quote",
        "post",
        "report",
        "delete_cookies",
        "rollback",
    ];
    let (path, query) = key.split_once('?').unwrap_or((key, ""));
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or("").to_ascii_lowercase();
    let last = last.split('.').next().unwrap_or("");
    STEPS.contains(&last)
        || query.split('&').any(|pair| {
            let pair = pair.to_ascii_lowercase();
            let (name, value) = pair.split_once('=').unwrap_or((&pair, ""));
            PARAMETERS.contains(&name)
                || matches!(name, "action" | "do" | "mode" | "cmd") && ACTIONS.contains(&value)
        })
}
