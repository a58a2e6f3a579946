//! `katahai demo`: the sample shop as a real origin, Katahai before it, and a page with a switch, in one process.

use std::net::SocketAddr;
use std::sync::Arc;

use super::args::Demo;
use super::print::say;
use super::serve::{admin, announce, end, guarded, start};
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
        logging::start(&options.log, "info");
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
    let (listen, page) = (free(options.listen).await, free(options.admin).await);
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
    let app = match start(config, Source::Flags, &options.log, Some(observer)).await {
        Ok(app) => app,
        Err(message) => return fail(FAILED, &message),
    };
    if let Some(addr) = app.addresses().http.first() {
        demo.set_edge(format!("http://{addr}/"));
    }
    let server = match admin(&app, |app, token| admin::Api::new(app, token, Some(demo.clone()))).await {
        Ok(server) => server,
        Err(message) => return fail(FAILED, &message),
    };
    announce(&app);
    greet(&app, page);
    signals.serve(&app).await;
    end(&app, server, signals).await
}

/// The address, or the same host with a free port if somebody listens there already: a demo is not to fail on that.
async fn free(wanted: SocketAddr) -> SocketAddr {
    match tokio::net::TcpListener::bind(wanted).await {
        Ok(_) => wanted,
        Err(_) => SocketAddr::new(wanted.ip(), 0),
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
         [site.health]\ninterval = \"1s\"\n[site.failover]\nrecovery_ramp = \"5s\"\n[site.mirror]\nrate = \"off\"\n"
    );
    let env = Env { state_dir: Some(state.to_owned()) };
    let (mut config, _) =
        from_text(&text, "demo.toml".as_ref(), &env).map_err(|problems| problems.to_string())?;
    config.listen.http = vec![listen];
    config.listen.admin = AdminAddr::Tcp(page);
    Ok(config)
}

/// Says where to look.
fn greet(app: &crate::app::App, page: SocketAddr) {
    let site = app.addresses().http.first().map(ToString::to_string).unwrap_or_default();
    let page = if page.port() == 0 {
        "see \"listening kind=admin\" above".to_owned()
    } else {
        format!("http://{page}/")
    };
    say(&format!(
        "\n  The shop, through Katahai:   http://{site}/\n  The page with the switch:    {page}\n  Stop with Ctrl-C.\n\n"
    ));
}
