//! The copy that an answer is compared with: which one, and what a verdict sees of it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

use super::looked::Copies;
use super::mirror::Ready;
use super::review::READ;
use super::visited;
use crate::ask::{Ask, Kind};
use crate::cache::Entry;
use crate::failover::{Found, Mirrored, Remembered};
use crate::http::coding::plain;
use crate::verdict::{Known, Look, Shape};
use crate::visits::Got;

/// The copy that an answer is compared with.
#[derive(Clone, Default)]
pub(super) enum Reference {
    /// There is none.
    #[default]
    Nothing,
    /// The cache's entry.
    Entry(Arc<Entry>),
    /// The snapshot's page.
    Page(Arc<Ready>),
}

impl Reference {
    /// The copy of exactly this page: the snapshot's, unless the cache's entry is newer and not unconfirmed, or
    /// is all that there is. None if the site has removed the page.
    pub(super) fn of(ask: &Ask, copies: &Copies, remembered: Remembered) -> Reference {
        if ask.kind != Kind::Read || remembered == Remembered::Gone {
            return Reference::Nothing;
        }
        let entry = copies.entry.as_ref().filter(|entry| entry.status().as_u16() < 400);
        match (copies.mirrored(), &copies.page, entry) {
            (Mirrored::Newer, Some((page, _)), _) | (Mirrored::Older, Some((page, _)), None) => {
                Reference::Page(page.clone())
            }
            (Mirrored::Older, Some((page, _)), _) if copies.found == Found::Unconfirmed => {
                Reference::Page(page.clone())
            }
            (_, _, Some(entry)) => Reference::Entry(entry.clone()),
            (_, _, None) => Reference::Nothing,
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Reference::Nothing)
    }

    pub(super) fn head(&self) -> Option<(StatusCode, &HeaderMap)> {
        match self {
            Reference::Nothing => None,
            Reference::Entry(entry) => Some((entry.status(), entry.headers())),
            Reference::Page(page) => Some((page.status, &page.headers)),
        }
    }

    /// The part of the copy that was read, as a verdict sees it.
    pub(super) fn known<'a>(&'a self, read: &'a ReadCopy) -> Option<Known<'a>> {
        let (status, headers) = self.head()?;
        let shape = shape(status, headers);
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let (content_type, location) = (text(header::CONTENT_TYPE), text(header::LOCATION));
        let (look, body) = (read.look.as_deref(), read.body.as_deref());
        Some(Known { shape, status: status.as_u16(), content_type, location, look, body })
    }

    pub(super) fn shape(&self) -> Option<Shape> {
        self.head().map(|(status, headers)| shape(status, headers))
    }

    /// Reads what a verdict needs of the copy: what a page shows, or the bytes of a file for programs.
    pub(super) async fn read(&self) -> ReadCopy {
        let (mut read, nothing) = (ReadCopy::default(), ReadCopy::default());
        let Some(known) = self.known(&nothing) else { return read };
        match self {
            Reference::Nothing => {}
            Reference::Page(page) if known.shape == Shape::Page => read.look = page.look().await,
            Reference::Page(page) if known.wants_body() => read.body = page.bytes_here().await,
            Reference::Page(_) => {}
            Reference::Entry(entry) if known.shape == Shape::Page || known.wants_body() => {
                let body = entry.body();
                let Some(plain) = plain(entry.headers(), &body, READ).filter(|plain| plain.all) else {
                    return read;
                };
                if known.shape == Shape::Page {
                    read.look = Some(Arc::new(Look::read(&plain.bytes, known.content_type)));
                } else {
                    read.body = Some(Bytes::copy_from_slice(&plain.bytes));
                }
            }
            Reference::Entry(_) => {}
        }
        read
    }

    /// What a verdict depends on: another copy may lead to another verdict.
    pub(super) fn print(&self) -> &[u8] {
        match self {
            Reference::Nothing => b"nothing",
            Reference::Entry(_) => b"entry",
            Reference::Page(page) => page.print(),
        }
    }
}

/// The part of a copy that was read.
#[derive(Default)]
pub(super) struct ReadCopy {
    /// What it shows, if it is a page.
    pub(super) look: Option<Arc<Look>>,
    /// Its bytes, if it is a file for programs.
    pub(super) body: Option<Bytes>,
}

/// What an address is for, by the answer that it gave.
pub(super) fn shape(status: StatusCode, response_headers: &HeaderMap) -> Shape {
    match visited::kind(response_headers) {
        _ if status.is_redirection() => Shape::Redirect,
        Some(Got::Page | Got::Unchanged) => Shape::Page,
        Some(Got::Document) => Shape::Document,
        Some(Got::Requisite | Got::Data) | None => Shape::Asset,
    }
}
