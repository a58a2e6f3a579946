//! Alerts and their channels as the API shows them.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::{Alerts, App, Settings};
use crate::alert::Severity;
use crate::alert::format::rfc3339;
use crate::clock::unix;
use crate::config::alerts::Channel;
use crate::failure::Told;
use crate::messages::NotTaken;
use crate::tasks;

/// Sites that an alert lists.
const SITES: usize = 100;

/// `GET /api/v1/alerts`.
#[derive(Clone, Debug, Serialize)]
pub struct AlertsView {
    /// What was told and is not over, the oldest first.
    pub alerts: Vec<AlertView>,
    /// Messages that wait to be sent.
    pub waiting: usize,
    /// Who is told.
    pub channels: Vec<ChannelView>,
    /// The dead man's switch, if there is one.
    pub heartbeat: Option<HeartbeatView>,
}

/// One alert.
#[derive(Clone, Debug, Serialize)]
pub struct AlertView {
    /// Its id.
    pub id: String,
    /// `page` or `warn`.
    pub severity: Severity,
    /// Why.
    pub cause: Told,
    /// Since when it holds, RFC 3339.
    pub since: String,
    /// When it was told first, RFC 3339.
    pub told_first: String,
    /// When it was told last, RFC 3339.
    pub told_last: String,
    /// Whom it concerns now, the first hundred; `""` is Katahai itself.
    pub sites: Vec<String>,
    /// How many that are.
    pub total: usize,
    /// Whether it comes and goes.
    pub flaps: bool,
    /// When somebody acknowledged it, RFC 3339.
    pub acknowledged: Option<String>,
    /// How: `link` or `api`.
    pub acknowledged_by: Option<String>,
}

/// One channel.
#[derive(Clone, Debug, Serialize)]
pub struct ChannelView {
    /// What it is: a format and a host, or a mailbox.
    pub to: String,
    /// Whether it is used only when another has failed.
    pub backup: bool,
    /// Messages that wait for it.
    pub waiting: usize,
    /// When it last took one, RFC 3339; `null`: none since the start.
    pub last_sent: Option<String>,
    /// Since when it takes none, RFC 3339.
    pub failing_since: Option<String>,
    /// Why the last one was not taken.
    pub code: Option<String>,
    /// The same in words.
    pub message: Option<String>,
}

/// The dead man's switch.
#[derive(Clone, Debug, Serialize)]
pub struct HeartbeatView {
    /// The host that is asked.
    pub to: String,
    /// When it last took a beat, RFC 3339.
    pub last_sent: Option<String>,
    /// Why there is none.
    pub trouble: Option<String>,
}

impl App {
    /// All alerts and channels; `None`: the process is stopping.
    pub async fn alerts_view(self: &Arc<Self>) -> Option<AlertsView> {
        let app = self.clone();
        tasks::blocking(move || app.view_alerts()).await
    }

    /// Blocks.
    fn view_alerts(&self) -> AlertsView {
        let settings = self.alert_settings();
        let books = self.alerts.books();
        let alerts = books.ledger.list().into_iter().map(|(alert, sites)| AlertView {
            id: alert.id.clone(),
            severity: alert.severity,
            cause: alert.cause.into(),
            since: rfc3339(alert.since),
            told_first: rfc3339(alert.first_told),
            told_last: rfc3339(alert.last_told),
            total: sites.len(),
            sites: sites.into_iter().take(SITES).map(str::to_owned).collect(),
            flaps: alert.is_flapping,
            acknowledged: alert.acknowledged.as_ref().map(|seen| rfc3339(seen.at)),
            acknowledged_by: alert.acknowledged.as_ref().map(|seen| seen.by.clone()),
        });
        let channels = channels(&self.alerts, &settings);
        let heartbeat = settings.heartbeat.as_ref().map(|heartbeat| {
            let beat = self.alerts.pulse.last_beat();
            let (last_sent, trouble) = (beat.sent.map(rfc3339), beat.trouble);
            HeartbeatView { to: heartbeat.url.to_string(), last_sent, trouble }
        });
        AlertsView { alerts: alerts.collect(), waiting: books.queue.len(), channels, heartbeat }
    }

    /// Who is told, for the status.
    pub(in crate::app) fn alert_channels(&self) -> Vec<ChannelView> {
        channels(&self.alerts, &self.alert_settings())
    }

    /// The channels that have not worked for long, with the reasons.
    pub(in crate::app) fn undelivered(&self, now: Instant) -> Vec<(String, NotTaken)> {
        let channels = self.alert_settings().channels;
        let found = channels.iter().filter_map(|channel| {
            let why = self.alerts.lane(&channel.key(), |lane| lane.is_undelivered(now).cloned())?;
            Some((channel.to_string(), why))
        });
        found.collect()
    }
}

fn channels(alerts: &Alerts, settings: &Settings) -> Vec<ChannelView> {
    let view = |channel: &Channel| {
        let key = channel.key();
        let lane = alerts.lane(&key, |lane| lane.clone());
        ChannelView {
            to: channel.to_string(),
            backup: channel.is_backup,
            waiting: lane.waiting,
            last_sent: lane.last_sent.map(rfc3339),
            failing_since: lane.failing_since.map(|since| rfc3339(unix(since.wall))),
            code: lane.last_error.as_ref().map(|why| why.code.clone()),
            message: lane.last_error.map(|why| why.detail),
        }
    };
    settings.channels.iter().map(view).collect()
}
