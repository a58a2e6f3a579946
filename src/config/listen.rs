//! Checks `[listen]` and `[admin]`: addresses must not collide, and strangers must not be able to use the admin API.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::check::{Context, once};
use super::node::{Fault, Notes, Slot, Span, Spanned};
use super::ready::{AdminAddr, Listen};
use super::{defaults, files, raw};

/// `any_tls`: whether some site has a certificate.
pub(super) fn listen(
    raw: raw::Listen,
    admin: raw::Admin,
    any_tls: bool,
    context: &Context<'_>,
    notes: &mut Notes,
) -> Listen {
    let silenced = raw.http.clone().here().filter(|http| http.value.is_empty());
    let mut used = Used::default();
    crossed(&raw, notes);
    let http = used.all(raw.http, defaults::HTTP, notes);
    let https = https(raw.https, any_tls, &mut used, notes);
    if let Some(silenced) = silenced
        && https.is_empty()
    {
        let fault = Fault::new("there is no address to listen on", "name one in `http` or in `https`");
        notes.error(&silenced.span, fault);
    }
    let unread_token = matches!(admin.token_file, Slot::Broken);
    let token_file = context.file(admin.token_file);
    if let Some(Spanned { value, span }) = &token_file
        && let Err(fault) = files::token(value)
    {
        notes.error(span, fault);
    }
    let readonly = context.file(admin.readonly_token_file);
    if let Some(Spanned { value, span }) = &readonly {
        readonly_token(value, span, &token_file, unread_token, notes);
    }
    let guarded = unread_token || token_file.is_some();
    let admin = admin_address(raw.admin, guarded, context, &mut used, notes);
    let admin_token_file = token_file.map(|at| at.value);
    let trusted_proxies = once(raw.trusted_proxies.or(Vec::new()), notes);
    let admin_readonly_token_file = readonly.map(|at| at.value);
    Listen { http, https, admin, admin_token_file, admin_readonly_token_file, trusted_proxies }
}

/// The token of those who only read says nothing where everybody may do everything, or where it is the other one.
fn readonly_token(
    file: &Path,
    span: &Span,
    token_file: &Option<Spanned<PathBuf>>,
    unread_token: bool,
    notes: &mut Notes,
) {
    let read = files::token(file);
    let other = token_file.as_ref().map(|at| files::token(&at.value));
    match (read, other) {
        (Err(fault), _) => notes.error(span, fault),
        (Ok(_), None) if !unread_token => {
            let help = "set token_file, too: without it whoever reaches the address may do everything";
            notes.error(span, Fault::new("there is no token for those who may change something", help));
        }
        (Ok(token), Some(Ok(other))) if token == other => {
            let help = "make another one: openssl rand -hex 32";
            notes.error(span, Fault::new("this is the same token as in token_file", help));
        }
        (Ok(_), _) => {}
    }
}

/// Warns of a port on which browsers speak the other scheme.
fn crossed(raw: &raw::Listen, notes: &mut Notes) {
    for (list, scheme, port, other) in [(&raw.http, "http", 443, "https"), (&raw.https, "https", 80, "http")]
    {
        let Slot::Here(list) = list else { continue };
        for Spanned { value, span } in list.value.iter().filter(|at| at.value.port() == port) {
            let message =
                format!("{value} is listed under `{scheme}`, but on port {port} browsers speak {other}");
            notes.warning(span, Fault::new(message, format!("move it to `{other}`, or take another port")));
        }
    }
}

fn https(
    raw: Slot<Vec<Spanned<SocketAddr>>>,
    any_tls: bool,
    used: &mut Used,
    notes: &mut Notes,
) -> Vec<SocketAddr> {
    if !any_tls && !raw.is_given() {
        return Vec::new();
    }
    if let Slot::Here(https) = &raw
        && !https.value.is_empty()
        && !any_tls
    {
        let help = "give a site its [site.tls], or remove `https`";
        notes.error(&https.span, Fault::new("no site has a certificate for `https`", help));
    }
    used.all(raw, defaults::HTTPS, notes)
}

fn admin_address(
    raw: Slot<AdminAddr>,
    guarded: bool,
    context: &Context<'_>,
    used: &mut Used,
    notes: &mut Notes,
) -> AdminAddr {
    let Some(Spanned { value, span }) = raw.here() else {
        return AdminAddr::default();
    };
    match value {
        AdminAddr::Unix(path) => AdminAddr::Unix(context.folder.join(path)),
        AdminAddr::Tcp(address) => {
            used.take(address, &span, notes);
            if !address.ip().to_canonical().is_loopback() && !guarded {
                let help = "set token_file in [admin], or listen on 127.0.0.1 or on a \"unix:…\" socket";
                let message = format!("anyone who reaches {address} could command this instance");
                notes.error(&span, Fault::new(message, help));
            }
            AdminAddr::Tcp(address)
        }
    }
}

/// The addresses that are taken, and on which line.
#[derive(Default)]
struct Used(HashMap<SocketAddr, usize>);

impl Used {
    fn all(
        &mut self,
        raw: Slot<Vec<Spanned<SocketAddr>>>,
        default: SocketAddr,
        notes: &mut Notes,
    ) -> Vec<SocketAddr> {
        let Slot::Here(list) = raw else {
            return vec![default];
        };
        list.value
            .into_iter()
            .map(|Spanned { value, span }| {
                self.take(value, &span, notes);
                value
            })
            .collect()
    }

    fn take(&mut self, address: SocketAddr, span: &Span, notes: &mut Notes) {
        if address.port() == 0 {
            return;
        }
        let line = notes.line(span);
        match self.0.get(&address) {
            None => drop(self.0.insert(address, line)),
            Some(first) => {
                let message = format!("line {first} already listens on {address}");
                notes.error(span, Fault::new(message, "give each listener an address or a port of its own"));
            }
        }
    }
}
