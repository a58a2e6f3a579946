//! Who is signed in with a browser: a random name in a cookie, known to this process only. A session ends after twelve hours,
//! when its owner signs out, and when the token that it was opened with is replaced.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderValue, header};

use super::role::Role;
use crate::app::AdminToken;
use crate::http::client::ClientKey;

/// How long a session lasts.
pub(super) const LASTS: Duration = Duration::from_secs(12 * 3600);
/// Sessions of a role at once; its oldest ends for a further one.
const MOST: usize = 256;
/// Wrong tokens of one address within [`WITHIN`]; then it has to wait.
const FAILURES: usize = 5;
/// How long a wrong token counts.
pub(super) const WITHIN: Duration = Duration::from_secs(60);
/// Addresses whose wrong tokens are counted; the one that failed longest ago is forgotten for a further one.
const ADDRESSES: usize = 1024;
const COOKIE: &str = crate::ask::normal::ADMIN_COOKIE;

struct Session {
    role: Role,
    /// Of the token that opened it.
    token: blake3::Hash,
    until: Instant,
}

/// The tokens in force, and the sessions that they have opened.
pub(super) struct Sessions {
    token: Arc<AdminToken>,
    readonly: Arc<AdminToken>,
    /// By the hashes of their names.
    open: Mutex<HashMap<blake3::Hash, Session>>,
    failures: Mutex<HashMap<ClientKey, VecDeque<Instant>>>,
}

/// Why a sign-in was refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotOpened {
    /// The token is not one of those in force.
    Wrong,
    /// There were too many wrong ones.
    TooMany,
    /// No name could be made for it: the system gives no random bytes.
    NoRandom,
}

impl Sessions {
    pub(super) fn new(token: Arc<AdminToken>, readonly: Arc<AdminToken>) -> Sessions {
        Sessions { token, readonly, open: Mutex::default(), failures: Mutex::default() }
    }

    /// Whether anybody has to show a token.
    pub(super) fn are_needed(&self) -> bool {
        self.token.is_set()
    }

    /// What a token lets its owner do.
    pub(super) fn role_of(&self, token: &[u8]) -> Option<Role> {
        match (self.token.is(token), self.readonly.is(token)) {
            (Some(true), _) => Some(Role::Operator),
            (_, Some(true)) => Some(Role::Reader),
            _ => None,
        }
    }

    /// Opens a session for who knows a token; returns its cookie's value.
    pub(super) fn open(&self, token: &[u8], from: IpAddr, now: Instant) -> Result<(Role, String), NotOpened> {
        let from = ClientKey::of(from);
        // who knows a token gets in, however many at his address do not: behind a proxy, all have the same one
        let Some(role) = self.role_of(token) else {
            if self.has_failed_too_often(from, now) {
                return Err(NotOpened::TooMany);
            }
            self.note_failure(from, now);
            return Err(NotOpened::Wrong);
        };
        let mut name = [0; 32];
        aws_lc_rs::rand::fill(&mut name).map_err(|_| NotOpened::NoRandom)?;
        let name = HEXLOWER.encode(&name);
        let mut open = self.sessions();
        open.retain(|_, session| session.until > now);
        // readers do not sign operators out
        let alike = || open.iter().filter(move |(_, session)| session.role == role);
        let oldest = alike().min_by_key(|(_, session)| session.until).map(|(name, _)| *name);
        if let Some(oldest) = oldest.filter(|_| alike().count() >= MOST) {
            open.remove(&oldest);
        }
        let session = Session { role, token: blake3::hash(token), until: now + LASTS };
        open.insert(blake3::hash(name.as_bytes()), session);
        Ok((role, name))
    }

    /// The role of whoever sends these header fields, by his session.
    pub(super) fn role(&self, headers: &HeaderMap, now: Instant) -> Option<Role> {
        let name = blake3::hash(name_in(headers)?.as_bytes());
        let open = self.sessions();
        let session = open.get(&name).filter(|session| session.until > now)?;
        let token = match session.role {
            Role::Operator => &self.token,
            Role::Reader => &self.readonly,
        };
        token.is_still(&session.token).then_some(session.role)
    }

    /// Ends the session of whoever sends these header fields.
    pub(super) fn end(&self, headers: &HeaderMap) {
        if let Some(name) = name_in(headers) {
            self.sessions().remove(&blake3::hash(name.as_bytes()));
        }
    }

    fn has_failed_too_often(&self, from: ClientKey, now: Instant) -> bool {
        let failures = self.failures();
        let recent = |at: &&Instant| now.saturating_duration_since(**at) < WITHIN;
        failures.get(&from).is_some_and(|times| times.iter().filter(recent).count() >= FAILURES)
    }

    fn note_failure(&self, from: ClientKey, now: Instant) {
        let mut failures = self.failures();
        if failures.len() >= ADDRESSES && !failures.contains_key(&from) {
            let oldest = failures.iter().min_by_key(|(_, times)| times.back().copied());
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                failures.remove(&oldest);
            }
        }
        let times = failures.entry(from).or_default();
        times.push_back(now);
        while times.len() > FAILURES {
            times.pop_front();
        }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<blake3::Hash, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<ClientKey, VecDeque<Instant>>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cookie's name: browsers keep cookies by host, not by port, and a host may have more than one dashboard.
fn cookie_name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match host.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok()) {
        Some(port) => format!("{COOKIE}_{port}"),
        None => COOKIE.to_owned(),
    }
}

/// The session's name in the cookies.
fn name_in(headers: &HeaderMap) -> Option<&str> {
    let own = cookie_name(headers);
    let fields = headers.get_all(header::COOKIE).into_iter().filter_map(|field| field.to_str().ok());
    let mut pairs = fields.flat_map(|field| field.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(&*own)?.strip_prefix('='))
}

/// The field that gives a browser its session; an empty name takes it away. Scripts do not see it, and no other site's page
/// has it sent; over TLS, as a proxy before the listener says, it never goes out in clear.
pub(super) fn cookie(name: &str, headers: &HeaderMap) -> HeaderValue {
    let lasts = if name.is_empty() { 0 } else { LASTS.as_secs() };
    let scheme = headers.get("x-forwarded-proto").and_then(|scheme| scheme.to_str().ok());
    let secure = if scheme == Some("https") { "; Secure" } else { "" };
    let value = format!(
        "{}={name}; Path=/api/; Max-Age={lasts}; HttpOnly; SameSite=Strict{secure}",
        cookie_name(headers)
    );
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn sessions() -> (Sessions, Arc<AdminToken>) {
        let (token, readonly) = (Arc::new(AdminToken::default()), Arc::new(AdminToken::default()));
        token.set("operator's");
        readonly.set("reader's");
        (Sessions::new(token.clone(), readonly), token)
    }

    fn with(name: &str) -> HeaderMap {
        let value = HeaderValue::try_from(format!("a=b; {COOKIE}={name}; c=d")).unwrap();
        [(header::COOKIE, value)].into_iter().collect()
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

    #[test]
    fn a_session_ends_by_time_by_its_owner_and_with_its_token() {
        let (sessions, token) = sessions();
        let now = clock::instant();
        let (role, first) = sessions.open(b"operator's", HERE, now).unwrap();
        let (other, second) = sessions.open(b"reader's", HERE, now).unwrap();
        assert_eq!((role, other), (Role::Operator, Role::Reader));
        assert!(first != second && first.len() == 64);
        let role = |name: &str, after: Duration| sessions.role(&with(name), now + after);
        let short = Duration::from_secs(1);
        assert_eq!((role(&first, LASTS - short), role(&first, LASTS)), (Some(Role::Operator), None));
        assert_eq!((role(&second, short), role("guess", short)), (Some(Role::Reader), None));
        token.set("another");
        assert_eq!((role(&first, short), role(&second, short)), (None, Some(Role::Reader)));
        sessions.end(&with(&second));
        assert_eq!(role(&second, short), None);
    }

    #[test]
    fn who_guesses_has_to_wait() {
        let (sessions, _) = sessions();
        let now = clock::instant();
        let open = |token: &str, from, at| sessions.open(token.as_bytes(), from, at).map(|(role, _)| role);
        for _ in 0..FAILURES {
            assert_eq!(open("guess", HERE, now), Err(NotOpened::Wrong));
        }
        assert_eq!(open("guess", HERE, now), Err(NotOpened::TooMany));
        assert_eq!(open("guess", THERE, now), Err(NotOpened::Wrong));
        assert_eq!(open("operator's", HERE, now), Ok(Role::Operator), "others' guesses lock nobody out");
        assert_eq!(open("guess", HERE, now + WITHIN), Err(NotOpened::Wrong));
        for n in 0..9 {
            let one_network = format!("2001:db8::{n}").parse().unwrap();
            let expected = if n < 5 { NotOpened::Wrong } else { NotOpened::TooMany };
            assert_eq!(open("guess", one_network, now), Err(expected));
        }
        let (_, operator) = sessions.open(b"operator's", THERE, now).unwrap();
        for _ in 0..MOST + 9 {
            assert_eq!(open("reader's", THERE, now), Ok(Role::Reader));
        }
        assert_eq!(sessions.role(&with(&operator), now), Some(Role::Operator));
        for n in 0..2000_u32 {
            _ = open("guess", IpAddr::V4(n.into()), now);
            _ = open("operator's", THERE, now + Duration::from_secs(n.into()));
        }
        assert_eq!((sessions.failures().len(), sessions.sessions().len()), (ADDRESSES, 2 * MOST));
    }

    #[test]
    fn the_cookie_is_for_this_site_alone() {
        let plain = cookie("abc", &HeaderMap::new());
        assert_eq!(plain, "katahai_session=abc; Path=/api/; Max-Age=43200; HttpOnly; SameSite=Strict");
        let tls = [(header::HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static("https"))];
        assert!(cookie("", &tls.into_iter().collect()).to_str().unwrap().ends_with("=Strict; Secure"));
        for (host, name) in [
            ("ops.example:9900", "katahai_session_9900"),
            ("[::1]:9901", "katahai_session_9901"),
            ("[::1]", "katahai_session"),
            ("ops.example", "katahai_session"),
        ] {
            let headers = [(header::HOST, HeaderValue::from_static(host))].into_iter().collect();
            assert!(cookie("a", &headers).to_str().unwrap().starts_with(&format!("{name}=a;")), "{host}");
            let mut asking = with("another's");
            asking.extend(headers);
            asking.append(header::COOKIE, HeaderValue::try_from(format!("{name}=own")).unwrap());
            let expected = if name == COOKIE { "another's" } else { "own" };
            assert_eq!(name_in(&asking), Some(expected), "{host}");
        }
    }
}
