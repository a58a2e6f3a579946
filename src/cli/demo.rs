//! `katahai demo`: the sample shop as a real origin, Katahai before it, and a page with a switch, in one process.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;

use super::args::{Demo, Log};
use super::instance::{admin, announce, end, guarded, start};
use super::print::say;
use super::signals::Signals;
use super::{FAILED, USAGE, fail, logging, with_signals};
use crate::admin;
use crate::app::{Observer, Source};
use crate::config::ready::AdminAddr;
use crate::config::{Config, Env, from_text};
use crate::demo::origin::Handle;

/// Runs the command.
pub(super) fn run(options: &Demo) -> u8 {
    with_signals(async |signals| {
        // what the demo is about stands on its page: on the terminal, only what is wrong
        logging::start(&options.log, "warn");
        demo(options, signals).await
    })
}

async fn demo(options: &Demo, mut signals: Signals) -> u8 {
    let state = match crate::disk::TempDir::create("katahai-demo") {
        Ok(state) => state,
        Err(error) => {
            return fail(FAILED, &format!("could not make a folder for the demo's snapshots: {error}"));
        }
    };
    let origin = match Handle::launch().await {
        Ok(origin) => origin,
        Err(error) => return fail(FAILED, &format!("could not start the sample origin: {error}")),
    };
    let listen = place("--listen", options.listen, 8080).await;
    let page = place("--admin", options.admin, 9900).await;
    let (listen, page) = match (listen, page) {
        (Ok(listen), Ok(page)) => (listen, page),
        (Err(message), _) | (_, Err(message)) => return fail(FAILED, &message),
    };
    let config = match config(origin.addr(), listen, page, state.path()) {
        Ok(config) => config,
        Err(message) => return fail(FAILED, &message),
    };
    if let Err(message) = guarded(&config) {
        return fail(USAGE, &message);
    }
    let demo = Arc::new(admin::Demo::new(origin));
    let noted = demo.clone();
    let observer: Observer = Arc::new(move |path, status, cache, ms| noted.note(path, status, cache, ms));
    let log =
        Log { access_log: options.log.access_log.clone().or(Some("off".to_owned())), ..options.log.clone() };
    let app = match start(config, Source::Flags, &log, Some(observer)).await {
        Ok(app) => app,
        Err(message) => return fail(FAILED, &message),
    };
    if let Some(addr) = app.addresses().http.first() {
        demo.set_edge(format!("http://{addr}/"));
    }
    let (server, page) = match admin(&app, |app| admin::Api::new(app, Some(demo.clone()))).await {
        Ok(served) => served,
        Err(message) => return fail(FAILED, &message),
    };
    announce(&app);
    greet(&app, &page);
    if options.open {
        open(&format!("http://{page}/"));
    }
    signals.serve(&app).await;
    end(&app, server, signals).await
}

/// The address that was asked for, which has to be free; without one the usual port, or, so that a demo does not fail on
/// that, any that is free.
///
/// # Errors
/// What to do if the address is not available.
async fn place(flag: &str, wanted: Option<SocketAddr>, usual: u16) -> Result<SocketAddr, String> {
    let addr = wanted.unwrap_or((Ipv4Addr::LOCALHOST, usual).into());
    match (tokio::net::TcpListener::bind(addr).await, wanted) {
        (Ok(_), _) => Ok(addr),
        (Err(_), None) => Ok((Ipv4Addr::LOCALHOST, 0).into()),
        (Err(error), Some(_)) => Err(format!("{flag} {addr} cannot be used: {error}; choose another one")),
    }
}

/// Opens a page in the user's browser. A demo without one goes on: the address is on the terminal.
fn open(url: &str) {
    let browser = std::env::var("BROWSER").ok();
    let usual = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let browser = browser.as_deref().filter(|name| !name.is_empty()).unwrap_or(usual);
    let mut command = std::process::Command::new(browser);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(error) = command.spawn() {
        say(&format!("  No browser could be opened ({browser}: {error}).\n\n"));
    }
}

fn config(
    origin: SocketAddr,
    listen: SocketAddr,
    page: SocketAddr,
    state: &std::path::Path,
) -> Result<Config, String> {
    let text = format!(
        "[[site]]\nname = \"demo\"\nhosts = [\"*\"]\nkey_pages = [\"/\", \"/signup\"]\n\
         [[site.origin]]\nurl = \"http://{origin}\"\n\
         [[site.form]]\npath = \"/signup\"\n[[site.form]]\npath = \"/en/signup\"\n\
         [site.health]\ninterval = \"1s\"\n[site.failover]\nrecovery_ramp = \"5s\"\n[site.mirror]\nrate = \"off\"\n"
    );
    let env = Env { state_dir: Some(state.to_owned()), credentials: None };
    let (mut config, _) =
        from_text(&text, "demo.toml".as_ref(), &env).map_err(|problems| problems.to_string())?;
    config.listen.http = vec![listen];
    config.listen.admin = AdminAddr::Tcp(page);
    Ok(config)
}

/// Says where to look.
fn greet(app: &crate::app::App, page: &str) {
    let site = app.addresses().http.first().map(ToString::to_string).unwrap_or_default();
    say(&format!(
        "\n  The shop, through Katahai:   http://{site}/\n  The page with the switch:    http://{page}/\n\n  \
         Open the second one. Stop with Ctrl-C.\n\n"
    ));
}
