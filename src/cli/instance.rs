//! An instance in this process, from its start to its end; and where one that runs is found.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::Log;
use super::logging;
use super::signals::Signals;
use crate::access_log::AccessLog;
use crate::admin::Api;
use crate::app::{self, App, GRACE, Observer, Source};
use crate::config::Config;
use crate::config::ready::AdminAddr;
use crate::failure::chain;
use crate::server::{self, Drained, Limits, Listener, Server};

/// The file to use: the one given, or the first that is there of those that are looked for.
pub(super) fn config_file(given: Option<&Path>) -> Option<PathBuf> {
    given.map(Path::to_owned).or_else(|| std::env::var_os("KATAHAI_CONFIG").map(PathBuf::from)).or_else(
        || {
            let usual = ["katahai.toml", "/etc/katahai/katahai.toml"];
            usual.iter().map(PathBuf::from).find(|file| file.exists())
        },
    )
}

/// `127.0.0.1:9900` or `unix:/run/katahai/admin.sock`; also as a URL, as it stands in a browser's address bar.
pub(super) fn admin_addr(text: &str) -> Result<AdminAddr, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(AdminAddr::Unix(path.into()));
    }
    if text.starts_with("https://") {
        return Err(format!(
            "\"{text}\" cannot be used for --admin: the admin API speaks plain HTTP; write http://ADDRESS:PORT"
        ));
    }
    let authority = text.strip_prefix("http://").map_or(text, |rest| rest.split('/').next().unwrap_or(rest));
    let is_url = authority.len() < text.len();
    let local = |port: Option<&str>| {
        let port = port.map_or(Ok(80), str::parse).ok()?;
        Some(std::net::SocketAddr::from(([127, 0, 0, 1], port)))
    };
    // No name but this one is looked up: the instance is on this machine, or behind an address.
    let found = match authority.strip_prefix("localhost") {
        Some("") if is_url => local(None),
        Some(rest) => rest.strip_prefix(':').and_then(|port| local(Some(port))),
        None if is_url => authority.parse().or_else(|_| format!("{authority}:80").parse()).ok(),
        None => authority.parse().ok(),
    };
    found.map(AdminAddr::Tcp).ok_or_else(|| {
        format!(
            "\"{text}\" is no address for --admin: write it like 127.0.0.1:9900, http://127.0.0.1:9900 or \
             unix:/run/katahai/admin.sock"
        )
    })
}

/// Whether strangers could command the instance: what the configuration file may not ask for, flags may not either.
///
/// # Errors
/// What to do about it.
pub(super) fn guarded(config: &Config) -> Result<(), String> {
    match &config.listen.admin {
        AdminAddr::Tcp(addr)
            if !addr.ip().to_canonical().is_loopback() && config.listen.admin_token_file.is_none() =>
        {
            Err(format!(
                "anyone who reaches {addr} could command this instance: set token_file in [admin], or give --admin an \
                 address such as 127.0.0.1:9900 or unix:/run/katahai/admin.sock"
            ))
        }
        AdminAddr::Tcp(_) | AdminAddr::Unix(_) => Ok(()),
    }
}

/// Starts the proxy.
pub(super) async fn start(
    config: Config,
    source: Source,
    log: &Log,
    observer: Option<Observer>,
) -> Result<Arc<App>, String> {
    crate::descriptors::raise_limit();
    let access = |metrics: &crate::metrics::Metrics| {
        logging::access(log, metrics).unwrap_or_else(|error| {
            tracing::error!(to = log.access_log, %error, "access log cannot be written");
            AccessLog::off()
        })
    };
    App::start(config, source, access, observer).await.map_err(|error| chain(&error))
}

/// Starts the admin listener.
pub(super) async fn admin(
    app: &Arc<App>,
    api: impl FnOnce(Arc<App>) -> Api,
) -> Result<(Server, String), String> {
    let config = app.config();
    if let Some(file) = &config.listen.admin_token_file {
        app.admin_token().set(&read_token(file)?);
    }
    if let Some(file) = &config.listen.admin_readonly_token_file {
        app.readonly_token().set(&read_token(file)?);
    }
    let listeners = match &config.listen.admin {
        AdminAddr::Tcp(addr) => server::bind_tcp(&[*addr]),
        AdminAddr::Unix(path) => server::bind_unix(path).map(|listener| vec![listener]),
    };
    let listeners = listeners.map_err(|error| {
        let way =
            if error.is_taken() { "; choose another with --admin, or as admin in [listen]" } else { "" };
        format!("the admin listener: {}{way}", chain(&error))
    })?;
    let server = Server::new(Limits::admin(&config.limits));
    let api = api(app.clone());
    let mut at = String::new();
    for listener in listeners {
        at = address(&listener, &config.listen.admin);
        app.admin_listens(listener.address().map_or_else(|| config.listen.admin.clone(), AdminAddr::Tcp));
        tracing::info!(kind = %"admin", addr = %at, "listening");
        server.listen(listener, None, api.clone());
    }
    Ok((server, at))
}

fn address(listener: &Listener, wanted: &AdminAddr) -> String {
    match (listener.address(), wanted) {
        (Some(addr), _) => addr.to_string(),
        (None, AdminAddr::Unix(path)) => format!("unix:{}", path.display()),
        (None, AdminAddr::Tcp(addr)) => addr.to_string(),
    }
}

fn read_token(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let name = file.display();
        if error.kind() == std::io::ErrorKind::NotFound {
            return format!(
                "could not read the admin token {name}: no such file (make one that Katahai's user may read: \
                 openssl rand -hex 32 > {name})"
            );
        }
        format!("could not read the admin token {name}: {error}")
    })?;
    let token = text.trim();
    if token.is_empty() {
        Err(format!("the admin token {} is empty", file.display()))
    } else {
        Ok(token.to_owned())
    }
}

/// One line for each address, and the word to the service manager.
pub(super) fn announce(app: &App) {
    for addr in &app.addresses().http {
        tracing::info!(kind = %"http", %addr, "listening");
    }
    for addr in &app.addresses().https {
        tracing::info!(kind = %"https", %addr, "listening");
    }
    _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

/// Lets what runs end, then ends. Visitors first: the operator can still look on.
pub(super) async fn end(app: &app::App, admin: Server, mut signals: Signals) -> u8 {
    _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    tracing::info!(grace = ?GRACE, "stopping, waiting for running requests; a second signal cuts them");
    let drained = tokio::select! {
        drained = app.drain(GRACE) => drained,
        () = signals.stop() => {
            tracing::warn!("stopped by a second signal, connections were cut");
            None
        }
    };
    match drained {
        Some(Drained::Aborted { connections }) => {
            tracing::warn!(connections, "stopped, connections were cut at the deadline")
        }
        Some(Drained::Finished { upgraded }) => {
            tracing::info!(upgraded, "stopped, every request was answered")
        }
        None => {}
    }
    admin.drain(std::time::Duration::from_secs(1)).await;
    super::DONE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_address_may_be_a_url() {
        for (text, at) in [
            ("127.0.0.1:9900", "127.0.0.1:9900"),
            ("http://127.0.0.1:9900", "127.0.0.1:9900"),
            ("http://127.0.0.1:9900/", "127.0.0.1:9900"),
            ("http://127.0.0.1:9900/sites/shop", "127.0.0.1:9900"),
            ("http://[::1]:9900/", "[::1]:9900"),
            ("http://192.0.2.7", "192.0.2.7:80"),
            ("http://localhost:9900/", "127.0.0.1:9900"),
            ("localhost:9900", "127.0.0.1:9900"),
        ] {
            assert_eq!(admin_addr(text), Ok(AdminAddr::Tcp(at.parse().unwrap())), "{text}");
        }
        assert_eq!(admin_addr("unix:/run/k.sock"), Ok(AdminAddr::Unix("/run/k.sock".into())));
        for text in [
            "9900",
            "127.0.0.1",
            "localhost",
            "http://",
            "http://www.example.jp:9900",
            "https://127.0.0.1:9900",
        ] {
            let error = admin_addr(text).unwrap_err();
            assert!(error.contains(text) && error.contains("http://"), "{error}");
        }
    }
}
