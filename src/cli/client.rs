//! Talking to the running instance over its admin listener.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};

use super::args::Instance;
use super::instance::{admin_addr, config_file};
use super::{USAGE, fail};
use crate::config::ready::AdminAddr;
use crate::config::{Config, Env, load};
use crate::tasks;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the running instance is, and how to be let in.
pub(super) struct Client {
    admin: AdminAddr,
    token: Option<Token>,
}

/// A token, and where it comes from: whoever gave a wrong one wants to know which that was.
struct Token {
    text: String,
    from: String,
}

impl Token {
    /// The token in a file; `None` for one that cannot be read or is empty.
    fn in_file(file: &Path) -> Option<Token> {
        let text = std::fs::read_to_string(file).ok()?.trim().to_owned();
        (!text.is_empty()).then(|| Token { text, from: file.display().to_string() })
    }
}

/// Why the instance did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// Nobody listens.
    #[error(
        "no running instance at {0}: {1} (start it: \"systemctl start katahai\"; or name another address with --admin)"
    )]
    Nobody(String, std::io::Error),
    /// It broke off.
    #[error("the instance did not answer: {0}")]
    Broken(#[from] hyper::Error),
    /// The request could not be made.
    #[error("could not ask the instance: {0}")]
    Request(#[from] http::Error),
    /// It did not answer in time.
    #[error("the instance did not answer in time")]
    Late,
    /// It does not take the token.
    #[error("the instance at {0} does not take the token of {1}: {2}")]
    WrongToken(String, String, String),
}

/// Why the instance did not say how it stands.
#[derive(Debug, thiserror::Error)]
pub(super) enum StatusError {
    /// It did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It said no.
    #[error("{0}")]
    Refused(String),
}

/// Where the admin listener is, and its token, by a file that is not sound as a whole.
fn at_work(given: Option<&Path>) -> Option<(AdminAddr, Option<Token>)> {
    let file = config_file(given)?;
    let table: toml::Table = std::fs::read_to_string(&file).ok()?.parse().ok()?;
    let text = |table_name: &str, key: &str| table.get(table_name)?.get(key)?.as_str().map(str::to_owned);
    let admin = match text("listen", "admin") {
        Some(admin) => admin_addr(&admin).ok()?,
        None => AdminAddr::default(),
    };
    let beside = file.parent().unwrap_or(Path::new("."));
    Some((admin, text("admin", "token_file").and_then(|name| Token::in_file(&beside.join(name)))))
}

impl Client {
    /// From `--admin`, or from the configuration, or where it is by default. A token that is said goes before the configured
    /// one.
    ///
    /// # Errors
    /// The exit code, after saying why.
    pub(super) fn of(instance: &Instance) -> Result<Client, u8> {
        let said = said_token(instance)?;
        let mut client = Client::by_config(instance)?;
        client.token = said.or(client.token);
        Ok(client)
    }

    fn by_config(instance: &Instance) -> Result<Client, u8> {
        if let Some(admin) = &instance.admin {
            let admin = admin_addr(admin).map_err(|message| fail(USAGE, &message))?;
            let token = match read_config(instance.config.as_deref()) {
                Ok(config) => config.as_ref().and_then(token),
                Err(_) => at_work(instance.config.as_deref()).and_then(|(_, token)| token),
            };
            return Ok(Client { admin, token });
        }
        let config = match read_config(instance.config.as_deref()) {
            Ok(config) => config,
            // Somebody is at work on the file: what runs is found all the same, and says itself what it thinks of it.
            Err(message) => match at_work(instance.config.as_deref()) {
                Some((admin, token)) => return Ok(Client { admin, token }),
                None => return Err(fail(USAGE, &message)),
            },
        };
        let token = config.as_ref().and_then(token);
        Ok(Client { admin: config.map(|config| config.listen.admin).unwrap_or_default(), token })
    }

    /// What the instance says of itself and its sites.
    ///
    /// # Errors
    /// See [`StatusError`].
    pub(super) async fn status(&self) -> Result<serde_json::Value, StatusError> {
        match self.call(Method::GET, "/api/v1/status").await? {
            (StatusCode::OK, body) => Ok(serde_json::from_slice(&body).unwrap_or_default()),
            (_, body) => Err(StatusError::Refused(message(&body))),
        }
    }

    /// Asks, and reads the whole answer.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(super) async fn call(&self, method: Method, path: &str) -> Result<(StatusCode, Bytes), CallError> {
        self.send(method, path, Bytes::new()).await
    }

    /// Asks with a body, which is JSON, and reads the whole answer.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), CallError> {
        let mut request = Request::builder().method(method).uri(path);
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.text));
        }
        let request = request.body(Full::from(body))?;
        let answer =
            tokio::time::timeout(PATIENCE, self.ask(request)).await.unwrap_or(Err(CallError::Late))?;
        match (&self.token, &answer) {
            (Some(token), (StatusCode::UNAUTHORIZED, body)) => {
                Err(CallError::WrongToken(self.place(), token.from.clone(), message(body)))
            }
            _ => Ok(answer),
        }
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), CallError> {
        let nobody = |error| CallError::Nobody(self.place(), error);
        match &self.admin {
            AdminAddr::Tcp(addr) => {
                let mut addr = *addr;
                if addr.ip().is_unspecified() {
                    addr.set_ip(if addr.is_ipv4() {
                        [127, 0, 0, 1].into()
                    } else {
                        std::net::Ipv6Addr::LOCALHOST.into()
                    });
                }
                let stream = TcpStream::connect(addr).await.map_err(nobody)?;
                self.exchange(stream, request, &addr.to_string()).await
            }
            AdminAddr::Unix(socket) => {
                let stream = UnixStream::connect(socket).await.map_err(nobody)?;
                self.exchange(stream, request, "localhost").await
            }
        }
    }

    async fn exchange<S>(
        &self,
        stream: S,
        mut request: Request<Full<Bytes>>,
        host: &str,
    ) -> Result<(StatusCode, Bytes), CallError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let _driver = tasks::guarded(async move { _ = connection.await });
        request.headers_mut().insert(header::HOST, HeaderValue::from_str(host).map_err(http::Error::from)?);
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    /// Where it is.
    pub(super) fn place(&self) -> String {
        match &self.admin {
            AdminAddr::Tcp(addr) => addr.to_string(),
            AdminAddr::Unix(path) => format!("unix:{}", path.display()),
        }
    }
}

/// The configuration that the command line names or that is found; `None` if there is none.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read_config(given: Option<&Path>) -> Result<Option<Config>, String> {
    let Some(file) = config_file(given) else { return Ok(None) };
    match load(&file, &Env::of_process()) {
        Ok((config, _)) => Ok(Some(config)),
        Err(problems) => {
            let first = problems.iter().next().map(ToString::to_string).unwrap_or_default();
            Err(format!("{first} (\"katahai check\" shows every problem)"))
        }
    }
}

/// The token that the command line or the environment says. What cannot be read is told, because the answer of the
/// instance would only be that there was none.
fn said_token(instance: &Instance) -> Result<Option<Token>, u8> {
    const VARIABLE: &str = "KATAHAI_ADMIN_TOKEN";
    let Some(file) = &instance.token_file else {
        let text = std::env::var(VARIABLE).unwrap_or_default().trim().to_owned();
        return Ok((!text.is_empty()).then(|| Token { text, from: VARIABLE.to_owned() }));
    };
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| fail(USAGE, &format!("could not read the token {name}: {error}")))?;
    if text.trim().is_empty() {
        return Err(fail(USAGE, &format!("there is no token in {name}")));
    }
    Ok(Some(Token { text: text.trim().to_owned(), from: name.to_string() }))
}

fn token(config: &Config) -> Option<Token> {
    Token::in_file(config.listen.admin_token_file.as_ref()?)
}

/// The message of an error answer.
pub(super) fn message(body: &Bytes) -> String {
    let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let text = value.and_then(|value| Some(value["error"]["message"].as_str()?.to_owned()));
    text.unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned())
}

/// Runs one exchange with the instance to its exit code.
pub(super) fn with_instance<F>(instance: &Instance, work: impl FnOnce(Client) -> F) -> u8
where
    F: Future<Output = u8>,
{
    let client = match Client::of(instance) {
        Ok(client) => client,
        Err(code) => return code,
    };
    super::run_to_end(work(client))
}
