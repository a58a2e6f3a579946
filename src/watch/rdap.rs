//! Asking registries (RFC 7480, RFC 9082), by IANA's list (RFC 9224).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;
use url::Url;

use super::bootstrap::{Bootstrap, query};
use super::client::{Document, Reader};
use super::registration::Registration;
use crate::clock::Now;

const ACCEPT: &str = "application/rdap+json, application/json";
/// A list is read again after this time.
pub const LIST_HOLDS: Duration = Duration::from_secs(86_400);
/// One that could not be read, after this.
const LIST_AGAIN: Duration = Duration::from_secs(600);
/// How long a server that has had enough is left alone, if it does not say so itself, and at most.
const PAUSE: Duration = Duration::from_secs(600);
/// Servers whose clocks are remembered.
const MOST_CLOCKS: usize = 64;
const LONGEST_PAUSE: Duration = Duration::from_secs(86_400);

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The registry has it.
    Found(Registration),
    /// The registry does not have it.
    NotFound,
    /// The registry says, in these words, that it cannot have a domain of this name, such as one with a label too many.
    NoName(String),
    /// No registry of this domain answers such questions.
    NoService,
    /// There was no answer, for this reason.
    Failed(String),
}

/// The registries.
pub struct Registries {
    at: Url,
    state: Mutex<State>,
    /// Held while the list is read.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    list: Arc<Bootstrap>,
    read_at: Option<SystemTime>,
    /// When the list may be asked for again, and why it was not read.
    again: Option<Instant>,
    trouble: Option<String>,
    /// Servers that have had enough, by host, until when.
    paused: HashMap<String, Instant>,
    /// What servers' clocks said beside ours, by host.
    dated: HashMap<String, (SystemTime, Now)>,
}

impl Registries {
    /// Those in the list at this URL. `known` is a list that was read before, and when.
    pub fn new(at: Url, known: Option<(Bootstrap, SystemTime)>) -> Registries {
        let (list, read_at) = known.map_or_else(Default::default, |(list, at)| (Arc::new(list), Some(at)));
        Registries {
            at,
            reading: tokio::sync::Mutex::default(),
            state: Mutex::new(State { list, read_at, ..State::default() }),
        }
    }

    /// Where the list is.
    pub fn at(&self) -> &Url {
        &self.at
    }

    /// The list, and when it was read.
    pub fn list(&self) -> Option<(Arc<Bootstrap>, SystemTime)> {
        let state = self.state();
        state.read_at.map(|at| (state.list.clone(), at))
    }

    /// What servers' clocks said, and what ours said then: for each the last time.
    pub fn dated(&self) -> HashMap<String, (SystemTime, Now)> {
        self.state().dated.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a domain.
    pub async fn ask(&self, domain: &str, reader: &Reader, now: Now) -> Asked {
        let list = match self.current(reader, now).await {
            Ok(list) => list,
            Err(trouble) => return Asked::Failed(trouble),
        };
        let servers = list.servers(domain);
        if servers.is_empty() {
            return Asked::NoService;
        }
        let mut last = Asked::NoService;
        for server in servers {
            let Some(url) = query(&server, domain) else { continue };
            last = self.ask_one(&url, domain, reader, now).await;
            if !matches!(last, Asked::Failed(_)) {
                break;
            }
        }
        last
    }

    async fn ask_one(&self, url: &Url, domain: &str, reader: &Reader, now: Now) -> Asked {
        let host = url.host_str().unwrap_or_default().to_owned();
        if let Some(until) = self.state().paused.get(&host).copied().filter(|until| now.mono < *until) {
            let minutes = until.saturating_duration_since(now.mono).as_secs() / 60 + 1;
            return Asked::Failed(format!("{host} has asked to be left alone for {minutes} min"));
        }
        let document = match reader.read(url, ACCEPT).await {
            Ok(document) => document,
            Err(trouble) => return Asked::Failed(trouble),
        };
        self.note(&host, &document, now);
        match document.status {
            StatusCode::OK => match Registration::read(&document.body, domain) {
                Ok(found) => Asked::Found(found),
                Err(trouble) => Asked::Failed(format!("{host}: {trouble}")),
            },
            StatusCode::NOT_FOUND => Asked::NotFound,
            status @ (StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY) => {
                Asked::NoName(format!("{host} answered {status}"))
            }
            status => Asked::Failed(format!("{host} answered {status}")),
        }
    }

    /// Keeps what an answer says of the server itself.
    fn note(&self, host: &str, document: &Document, now: Now) {
        let mut state = self.state();
        if let Some((from, theirs, ours)) = &document.dated
            && (state.dated.len() < MOST_CLOCKS || state.dated.contains_key(from))
        {
            state.dated.insert(from.clone(), (*theirs, *ours));
        }
        let is_enough =
            matches!(document.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if is_enough {
            let pause = document.retry_after.unwrap_or(PAUSE).min(LONGEST_PAUSE);
            state.paused.insert(host.to_owned(), now.mono + pause);
        }
    }

    /// The list, or why there is none, as long as that is not to be read anew.
    fn known(&self, now: Now) -> Option<Result<Arc<Bootstrap>, String>> {
        let state = self.state();
        let is_fresh =
            state.read_at.is_some_and(|at| now.wall.duration_since(at).is_ok_and(|age| age < LIST_HOLDS));
        let waits = state.again.is_some_and(|again| now.mono < again);
        match (is_fresh, waits) {
            (true, _) => Some(Ok(state.list.clone())),
            (false, true) if !state.list.is_empty() => Some(Ok(state.list.clone())),
            (false, true) => Some(Err(state.trouble.clone().unwrap_or_default())),
            (false, false) => None,
        }
    }

    /// The list, read anew if it is time. One that cannot be read anew stays in use.
    async fn current(&self, reader: &Reader, now: Now) -> Result<Arc<Bootstrap>, String> {
        if let Some(known) = self.known(now) {
            return known;
        }
        // one reads it, however many domains are looked at
        let _reading = self.reading.lock().await;
        if let Some(known) = self.known(now) {
            return known;
        }
        let read = reader.read(&self.at, ACCEPT).await.and_then(|document| {
            self.note(self.at.host_str().unwrap_or_default(), &document, now);
            match document.status {
                StatusCode::OK => Bootstrap::read(&document.body),
                status => Err(format!("{} answered {status}", self.at)),
            }
        });
        let mut state = self.state();
        match read {
            Ok(list) => {
                (state.list, state.read_at) = (Arc::new(list), Some(now.wall));
                (state.again, state.trouble) = (None, None);
                Ok(state.list.clone())
            }
            Err(trouble) => {
                state.again = Some(now.mono + LIST_AGAIN);
                state.trouble = Some(trouble.clone());
                if state.list.is_empty() { Err(trouble) } else { Ok(state.list.clone()) }
            }
        }
    }
}
