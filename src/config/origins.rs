//! Origins: `[[site.origin]]` of a configuration, and `[[origin]]` of a file that others write and that is read
//! again whenever it changes.

use std::collections::HashMap;
use std::path::Path;

use super::bounds::narrow;
use super::check::Context;
use super::node::{Fault, Notes, Slot, Span, Spanned, Value};
use super::problem::{Problems, Source};
use super::ready::{Listen, Origin, OriginMode, OriginUrl, SharedList};
use super::{defaults, files, raw, syntax};

/// The list in the file at `path`, as far as it can be read, and what is wrong with it. A file that is empty, or
/// has no `[[origin]]`, is an empty list: "serve the copies".
pub(super) fn read(path: &Path, listen: Option<&Listen>) -> (Vec<Origin>, Problems) {
    match files::origins(path) {
        Ok(text) => from_text(&text, path, listen),
        Err(fault) => (Vec::new(), super::load::unreadable(path, fault)),
    }
}

/// The same for a text that is, or would be, the file at `path`. A text that is not TOML holds no origin that
/// could be relied on.
pub(super) fn from_text(text: &str, path: &Path, listen: Option<&Listen>) -> (Vec<Origin>, Problems) {
    from_text_in(text, path, path.parent().unwrap_or(Path::new("")), listen)
}

/// The same for what is, or would be, a list in the store.
pub(super) fn shared(bytes: &[u8], list: &SharedList, listen: Option<&Listen>) -> (Vec<Origin>, Problems) {
    let shown = list.shown();
    let path = Path::new(&shown);
    match std::str::from_utf8(bytes) {
        Ok(text) => from_text_in(text, path, &list.folder, listen),
        Err(_) => {
            let fault = Fault::new("it is not UTF-8", "put a list there as in deploy/origins.toml");
            (Vec::new(), super::load::unreadable(path, fault))
        }
    }
}

/// The last good copy of a list in the store; an empty list if there is none.
pub(super) fn kept(list: &SharedList, listen: Option<&Listen>) -> (Vec<Origin>, Problems) {
    match std::fs::read(&list.kept) {
        Ok(bytes) => shared(&bytes, list, listen),
        Err(_) => (Vec::new(), Problems::default()),
    }
}

fn from_text_in(text: &str, path: &Path, folder: &Path, listen: Option<&Listen>) -> (Vec<Origin>, Problems) {
    let mut notes = Notes::new(Source::new(path, text));
    let document = toml::de::DeValue::Table(syntax::parse(text, &mut notes).into_inner());
    let readable = notes.is_clean();
    let file = raw::OriginsFile::read(&document, &Span::default(), &mut notes).unwrap_or_default();
    let context =
        Context { folder, state_dir: None, credentials: None, listen, has_mail: false, lists: None };
    let origins = judge(file.origin.or_default(), &context, &mut notes);
    (if readable { origins } else { Vec::new() }, notes.into_problems())
}

/// Judges a list. What cannot be used is noted and left out.
pub(super) fn judge(
    list: Vec<Spanned<raw::Origin>>,
    context: &Context<'_>,
    notes: &mut Notes,
) -> Vec<Origin> {
    let mut lines = HashMap::new();
    let mut origins = Vec::with_capacity(list.len());
    for Spanned { value, span } in list {
        let url_at = value.url.clone().here().map_or_else(|| span.clone(), |url| url.span);
        let Some(origin) = origin(value, &span, context.folder, notes) else {
            continue;
        };
        if let Some(ours) = context.listen.and_then(|listen| listen.led_back_to(&origin.url)) {
            let message = format!("{} leads back to Katahai itself, which listens on {ours}", origin.url);
            notes.error(&url_at, Fault::new(message, "write the address of the live site's own server"));
            continue;
        }
        let line = notes.line(&url_at);
        match lines.get(&(origin.url.clone(), origin.host.clone())) {
            None => {
                lines.insert((origin.url.clone(), origin.host.clone()), line);
                origins.push(origin);
            }
            Some(first) => {
                let message = format!("{} is already an origin of this site, on line {first}", origin.url);
                notes.error(&url_at, Fault::new(message, "to send it more, raise its weight"));
            }
        }
    }
    origins
}

/// A scheme on the port of the other one, which is hardly meant.
pub(super) fn crossed(url: &OriginUrl) -> Option<Fault> {
    let (scheme, other) = match (url.tls, url.port) {
        (false, 443) => ("http", "https"),
        (true, 80) => ("https", "http"),
        _ => return None,
    };
    let message = format!("{url} uses {scheme} on port {}, where servers speak {other}", url.port);
    Some(Fault::new(message, format!("write {other}://…, or the port on which it speaks {scheme}")))
}

fn origin(raw: raw::Origin, span: &Span, folder: &Path, notes: &mut Notes) -> Option<Origin> {
    if !raw.url.is_given() {
        notes.missing(span, "url", "write where the origin is, as in url = \"https://203.0.113.10\"");
    }
    let number = |slot: Slot<u64>, low: u64, high: u64, default: u32, notes: &mut Notes| {
        slot.within(low..=high, notes).here().map_or(default, |at| narrow(at.value, default))
    };
    let tier = number(raw.tier, 0, 1000, 0, notes);
    let weight = number(raw.weight, 1, 1000, defaults::WEIGHT, notes);
    let ca = raw.ca.here().filter(|ca| !ca.value.0.as_os_str().is_empty()).map(|ca| {
        let path = folder.join(&ca.value.0);
        if let Err(fault) = files::certificates(&path) {
            notes.degraded(&ca.span, fault);
        }
        path
    });
    let Spanned { value: url, span: url_at } = raw.url.here()?;
    if let Some(fault) = crossed(&url) {
        notes.warning(&url_at, fault);
    }
    if let (false, Some(_)) = (url.tls, &ca) {
        let help = "remove `ca`, or write https in the url";
        notes.warning(
            &url_at,
            Fault::new("this origin is not reached over TLS, so its `ca` has no effect", help),
        );
    }
    let pins = super::check::once(raw.pin.or_default().0, notes);
    if !url.tls && !pins.is_empty() {
        let help = "remove `pin`, or write https in the url";
        notes.warning(
            &url_at,
            Fault::new("this origin is not reached over TLS, so its `pin` has no effect", help),
        );
    }
    let host = raw.host.here().map(|host| host.value.0);
    Some(Origin { url, host, tier, weight, ca, pins, mode: raw.mode.or(OriginMode::Auto) })
}
