//! What only shows when somebody is asked: whether the store does what it must, whether the origins answer, and what
//! registries and name servers say of the domains.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode, header};

use super::alerts::url_of;
use super::build;
use crate::config::alerts::{Destination, Webhook};
use crate::config::problem::Source;
use crate::config::ready::{Origin, OriginMode, Site};
use crate::config::{Config, Problem, Severity};
use crate::descriptors::Use;
use crate::failure::{Cause, Failure, chain};
use crate::http::{Body, forwarded};
use crate::messages::webhook::Client;
use crate::messages::{Again, NotTaken, mail};
use crate::offsite::{self, StoreFault};
use crate::origin::connect::connect;
use crate::origin::exchange::Connection;
use crate::origin::{CHECK_USER_AGENT, Tools};

/// How long one origin may take.
const MOST: Duration = Duration::from_secs(20);

/// What is wrong with the store, the origins and the domains of a configuration, asked now. An origin that does not answer is a warning:
/// an outage is no fault of the configuration.
pub async fn check(file: &Path, config: &Config) -> Vec<Problem> {
    let tools = build::tools(config);
    let store = async {
        match &config.store {
            Some(store) => try_store(store, &config.state_dir, &tools).await,
            None => Ok(()),
        }
    };
    let asked = config.sites.iter().flat_map(|site| {
        let live = site.origins.iter().filter(|origin| origin.mode != OriginMode::Off);
        live.map(move |origin| (site, origin))
    });
    let origins = futures_util::future::join_all(asked.map(|(site, origin)| {
        let tools = &tools;
        async move { Some(((site, origin), probe(site, origin, tools).await.err()?)) }
    }));
    let domains = super::watch::online::look(config, &tools);
    let (store, origins, channels, domains) =
        tokio::join!(store, origins, try_channels(config, &tools), domains);
    let source = Source::new(file, "");
    let problem = |key: String, message: String, help: String, severity: Severity| Problem {
        file: source.clone(),
        span: None,
        key,
        message,
        help,
        severity,
        passing: false,
    };
    let store = store.err().map(|(doing, fault)| {
        let message = format!("{doing}: {} ({})", fault.kind.meaning().en, fault.detail);
        problem("store".to_owned(), message, fault.kind.advice().en.to_owned(), Severity::Degraded)
    });
    let origins = origins.into_iter().flatten().map(|((site, origin), failure)| {
        let message = format!("{}: {} ({})", origin.url, failure.cause.meaning().en, chain(&failure));
        let key = format!("site \"{}\" origin", site.name);
        problem(key, message, failure.cause.advice().en.to_owned(), Severity::Warning)
    });
    let channels = channels.into_iter().map(|(channel, why)| {
        let message = format!("alerts do not reach {channel}: {} ({})", why.detail, why.code);
        let help = "see that the address is right and the service answers this machine".to_owned();
        problem("alerts".to_owned(), message, help, Severity::Warning)
    });
    let domains = domains.into_iter().map(|(site, message, help)| {
        problem(format!("site \"{site}\" watch"), message, help, Severity::Warning)
    });
    store.into_iter().chain(origins).chain(channels).chain(domains).collect()
}

/// The alert channels that cannot be reached. Nothing is sent.
async fn try_channels(config: &Config, tools: &Tools) -> Vec<(String, NotTaken)> {
    let tried = config.alerts.channels.iter().map(|channel| async move {
        let result = match (&channel.reach, &config.mail) {
            (Destination::Mail(_), Some(server)) => mail::try_out(server).await,
            (Destination::Mail(_), None) => Ok(()),
            (Destination::Webhook(webhook), _) => reach(webhook, tools).await,
        };
        Some((channel.to_string(), result.err()?))
    });
    futures_util::future::join_all(tried).await.into_iter().flatten().collect()
}

async fn reach(webhook: &Webhook, tools: &Tools) -> Result<(), NotTaken> {
    let url = url_of(webhook)?;
    let tls = (tools.client_tls)(None, &[]).map_err(|error| NotTaken {
        again: Again::Later,
        code: "tls".to_owned(),
        detail: error,
    })?;
    Client { resolver: tools.resolver.clone(), tls: tls.config }.connect(&url).await
}

async fn try_store(
    config: &crate::config::remote::RemoteStore,
    state_dir: &Path,
    tools: &Tools,
) -> Result<(), (&'static str, StoreFault)> {
    let tls = (tools.client_tls)(None, &[])
        .map_err(|error| ("open", StoreFault::new(offsite::FaultKind::Other, error)))?;
    let tools = offsite::Tools { resolver: tools.resolver.clone(), tls: tls.config };
    let remote = offsite::open(config, tools).map_err(|fault| ("open", fault))?;
    remote.look_at_mount(state_dir).map_err(|fault| ("open", fault))?;
    offsite::try_out(&remote).await.map_err(|(ability, fault)| (ability.as_str(), fault))
}

/// Asks one origin for the site's first key page.
async fn probe(site: &Arc<Site>, origin: &Origin, tools: &Tools) -> Result<(), Failure> {
    let asked = tokio::time::timeout(MOST, ask(site, origin, tools)).await;
    let status = asked.unwrap_or_else(|_| Err(Failure::new(Cause::Silent)))?;
    if status.is_client_error() || status.is_server_error() {
        return Err(Failure::new(Cause::of_status(status)).detail(format!("it answered {status}")));
    }
    Ok(())
}

async fn ask(site: &Site, origin: &Origin, tools: &Tools) -> Result<StatusCode, Failure> {
    let host = origin.host.clone().or_else(|| site.hosts.iter().find(|host| !host.starts_with('*')).cloned());
    let host = host.unwrap_or_else(|| origin.url.host.clone());
    let trust = (tools.client_tls)(origin.ca.as_deref(), &origin.pins)
        .map_err(|error| Failure::new(Cause::CertificateUntrusted).detail(error))?;
    let addresses = tools.resolver.resolve(&origin.url.host).await?;
    let tls = origin.url.tls.then_some(&trust.config);
    let io = connect(&origin.url, &addresses, &host, tls, Use::Upkeep).await?;
    let page = site.key_pages.first().map_or("/", |page| page.as_str());
    let mut request = Request::get(page)
        .header(header::USER_AGENT, CHECK_USER_AGENT)
        .header(header::CONNECTION, "close")
        .body(Body::Empty)
        .map_err(|error| Failure::new(Cause::Malformed).source(error))?;
    forwarded::own(request.headers_mut(), origin.url.tls, &host);
    let connection = Connection::open(io, tools.header_size).await?;
    let (answer, _) = connection.ask(Box::new(request)).await.map_err(|unanswered| unanswered.failure)?;
    Ok(answer.status())
}
