//! A form that is sent in a preview: it is neither kept nor passed on, and its sender is told what would have become of it.

use std::sync::Arc;

use super::door::said;
use super::shadow::Shadow;
use super::words::Said;
use crate::ask::Ask;
use crate::clock::Now;
use crate::forms::FormId;
use crate::http::BoxRequest;
use crate::proxy::keep::{self, Sender};
use crate::proxy::{Outcome, Proxy, Table, Visit};

/// What its sender is told.
pub(super) async fn answer(
    proxy: &Proxy,
    table: &Table,
    shadow: &Shadow,
    ask: &Ask,
    (mut request, visit): (BoxRequest, &Visit<'_>),
    now: Now,
) -> Outcome {
    let site: &Arc<_> = &shadow.site;
    let headers = request.headers().clone();
    let Some(form) = keep::form_of(site, ask) else {
        return said(site, ask, &headers, Said::FormRefused);
    };
    let fields = keep::fields(&headers);
    let body = match proxy.take_body(&mut request, table.body_size).await {
        Ok(Some(body)) => body,
        Ok(None) => return said(site, ask, &headers, Said::FormObjected("it is too large")),
        Err(failure) => return said(site, ask, &headers, Said::FormObjected(failure.cause.code())),
    };
    let Ok(id) = FormId::draw(now.wall) else { return said(site, ask, &headers, Said::FormRefused) };
    let sender = Sender { table, site, form, visit };
    let form = keep::kept_form(&sender, ask, (id, ask.key()), fields, body, now);
    match keep::objection(&form, sender.form.honeypot.as_deref()) {
        None => said(site, ask, &headers, Said::FormKept),
        Some(why) => said(site, ask, &headers, Said::FormObjected(why)),
    }
}
