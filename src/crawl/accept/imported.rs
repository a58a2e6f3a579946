//! What an import teaches about the site's addresses and its forms. Its pages cannot be requested with an unknown parameter; instead, the
//! archive shows which pages it has with such parameters, and whether it has any at all.

use std::collections::HashMap;
use std::io;

use http::HeaderMap;

use super::addresses::Register;
use super::extract::{self, File, HOLD, ReadAs};
use crate::ask::key::path_of;
use crate::content::document::Document;
use crate::content::links::Need;
use crate::content::media::{Media, content_type};
use crate::crawl::scope::Scope;
use crate::snapshot::{Addresses, BlobId, Class, GatheredForms, Page, SiteForms, Staging};

/// Reads all pages that were imported. Blocks.
///
/// # Errors
/// When what was staged cannot be read.
pub fn learned(
    staging: &Staging,
    hosts: Vec<String>,
    ignore_query: &[String],
) -> io::Result<(Addresses, SiteForms)> {
    let scope = Scope::of_hosts(hosts, ignore_query);
    let (bodies, mut register) = (staging.bodies(), Register::default());
    let mut forms = GatheredForms::default();
    let is_page = |page: &Page| page.class == Class::Page && !page.key.starts_with("//");
    let is_plain = |page: &Page| path_of(&page.key) == page.key;
    let mut plain: HashMap<String, BlobId> = HashMap::new();
    for page in staging.pages()?.filter(|page| is_page(page) && is_plain(page)) {
        note(&page, &bodies.beginning(&page, HOLD)?, &scope, (&mut register, &mut forms));
        plain.extend(page.body.map(|body| (page.key, body)));
    }
    // What is another page's says nothing of its own.
    let mut asked: Vec<(String, bool)> = Vec::new();
    for page in staging.pages()?.filter(|page| is_page(page) && !is_plain(page)) {
        let same = page.body.is_some() && plain.get(path_of(&page.key)) == page.body.as_ref();
        if !same {
            note(&page, &bodies.beginning(&page, HOLD)?, &scope, (&mut register, &mut forms));
        }
        asked.push((page.key, same));
    }
    let known = register.clone().done();
    if asked.is_empty() && known.is_without_parameters() {
        // Its pages are told apart by their paths.
        register.tried(true);
    }
    for (key, same) in asked.iter().filter(|(key, _)| !known.uses_any(key)) {
        register.tried(*same);
        if !same {
            register.query(key);
        }
    }
    Ok((register.done(), forms.done()))
}

fn note(page: &Page, body: &[u8], scope: &Scope, (register, forms): (&mut Register, &mut GatheredForms)) {
    let Some(url) = scope.url(true, scope.host(), &page.key) else { return };
    let headers: HeaderMap = page.headers.iter().cloned().collect();
    let media = Media::of(&page.key, &headers, body);
    let (key, headers, url, reading) = (page.key.as_str(), &headers, &url, ReadAs::ByType);
    let page = &Document::new(body, content_type(headers));
    let file = File { key, need: Need::Link, found_on: None, url, headers, media, reading, page };
    if let Ok(findings) = extract::read(&file, scope) {
        register.note(&key.into(), &findings);
        forms.note(&findings.forms);
    }
}
