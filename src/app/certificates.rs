//! The sites' certificates from the operator's point of view: problems are reported in the log, in the answer of a reload, by
//! `check` and in the status; renewed files are loaded automatically.

use crate::failure::chain;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::App;
use crate::config::problem::Source;
use crate::config::{Config, Problem, Severity};
use crate::failure::Cause;
use crate::origin::Ends;
use crate::snapshot::rfc3339;
use crate::tls::{self, Certs, Dated, Serving, Standing, TlsError, Validity};
use crate::watch::deadline::{Deadline, deadline};
use crate::{clock, tasks};

const DAY: Duration = Duration::from_secs(86_400);

/// What is wrong with the certificates of a configuration whose files can be read, and those that run out soon.
pub fn of_config(file: &Path, config: &Config, now: SystemTime) -> Vec<Problem> {
    let (certs, problems) = Certs::load(&config.sites, now);
    let mut told = as_problems(file, &problems, Severity::Degraded);
    told.extend(soon(file, &certs.dates(), now));
    told
}

/// Those that run out soon, as warnings.
pub(super) fn soon(file: &Path, dates: &[Dated], now: SystemTime) -> Vec<Problem> {
    let source = Source::new(file, "");
    let soon = |dated: &Dated| match dated.validity.at(now) {
        Standing::Soon(left) => Some(Problem {
            file: source.clone(),
            span: None,
            key: key(&dated.site),
            message: running_out(dated, left),
            help: "renew it".to_owned(),
            severity: Severity::Warning,
            passing: false,
        }),
        Standing::NotYet | Standing::Good | Standing::Over => None,
    };
    dates.iter().filter_map(soon).collect()
}

/// Problems as `check` and a reload tell them.
pub(super) fn as_problems(file: &Path, problems: &[tls::Problem], severity: Severity) -> Vec<Problem> {
    let source = Source::new(file, "");
    let problem = |found: &tls::Problem| Problem {
        file: source.clone(),
        span: None,
        key: key(&found.site),
        message: told(found),
        help: help(&found.error).to_owned(),
        severity,
        passing: false,
    };
    problems.iter().map(problem).collect()
}

fn key(site: &str) -> String {
    format!("site \"{site}\" tls")
}

fn help(error: &TlsError) -> &'static str {
    match error {
        TlsError::Host { .. } => "get a certificate for all hosts of the site",
        TlsError::Expired { .. } => "renew it",
        TlsError::NotYetValid { .. } => "compare its dates with the clock of this machine",
        TlsError::Read { .. }
        | TlsError::Pem { .. }
        | TlsError::Nothing { .. }
        | TlsError::Anchor { .. }
        | TlsError::Pair { .. }
        | TlsError::Name(_)
        | TlsError::SetUp(_) => "give the certificate's own key, and the certificate with its chain, in PEM",
    }
}

/// A problem with what it means to visitors.
fn told(problem: &tls::Problem) -> String {
    let but = match problem.serving {
        Serving::LastGood => ", the one before stays in service",
        Serving::Anyway | Serving::Nothing => "",
    };
    format!("{}{but}", chain(problem))
}

fn running_out(dated: &Dated, left: Duration) -> String {
    let (left, not_after) = (in_days(left), rfc3339(dated.validity.not_after));
    format!("the certificate in {} expires {not_after} ({left})", dated.cert.display())
}

fn in_days(left: Duration) -> String {
    match left.as_secs() / DAY.as_secs() {
        0 => format!("{} h left", left.as_secs() / 3600),
        1 => "1 day left".to_owned(),
        days => format!("{days} days left"),
    }
}

/// Until when an origin's certificate holds. What is over needs no words: the origin is down with its own cause.
pub(super) fn ends(validity: Validity, now: SystemTime) -> Ends {
    let soon = match validity.at(now) {
        Standing::Soon(left) => {
            Some(format!("its certificate expires {} ({})", rfc3339(validity.not_after), in_days(left)))
        }
        Standing::NotYet | Standing::Good | Standing::Over => None,
    };
    Ends { not_after: validity.not_after, soon }
}

/// The conditions that problems with certificates are: the site, the cause, the words.
pub(super) fn conditions_of(problems: &[tls::Problem]) -> Vec<(Arc<str>, Cause, String)> {
    let of = |problem: &tls::Problem| {
        let cause = match &problem.error {
            TlsError::Host { .. } => Cause::SiteCertificateOfAnother,
            TlsError::Expired { .. } | TlsError::NotYetValid { .. } => Cause::SiteCertificateExpired,
            TlsError::Read { .. }
            | TlsError::Pem { .. }
            | TlsError::Nothing { .. }
            | TlsError::Anchor { .. }
            | TlsError::Pair { .. }
            | TlsError::Name(_)
            | TlsError::SetUp(_) => Cause::CertificateUnreadable,
        };
        (problem.site.clone(), cause, told(problem))
    };
    problems.iter().map(of).collect()
}

/// The conditions that come by the passing of time.
pub(super) fn by_date(dates: &[Dated], now: SystemTime) -> Vec<(Arc<str>, Cause, String, Option<u16>)> {
    let of = |dated: &Dated| {
        let (cause, words) = match dated.validity.at(now) {
            Standing::Good => return None,
            Standing::Soon(left) => (Cause::SiteCertificateExpiring, running_out(dated, left)),
            Standing::Over => {
                let since = rfc3339(dated.validity.not_after);
                let words = format!("the certificate in {} has expired ({since})", dated.cert.display());
                (Cause::SiteCertificateExpired, words)
            }
            Standing::NotYet => {
                let from = rfc3339(dated.validity.not_before);
                let words = format!("the certificate in {} is not valid before {from}", dated.cert.display());
                (Cause::SiteCertificateExpired, words)
            }
        };
        Some((dated.site.clone(), cause, words, step(dated.validity.not_after, now)))
    };
    dates.iter().filter_map(of).collect()
}

/// Of the days before an end, 30, 14, 7, 3 and 1, the one that has come.
pub(super) fn step(not_after: SystemTime, now: SystemTime) -> Option<u16> {
    match deadline(not_after, now) {
        Deadline::Near { step, .. } => Some(step),
        Deadline::Far | Deadline::Over => None,
    }
}

impl App {
    /// Reads the sites' certificates again, and says what is wrong with them. To be called by one at a time.
    pub(super) async fn read_certificates(&self, config: &Config) -> Vec<tls::Problem> {
        let (certs, sites) = (self.certs.clone(), config.sites.clone());
        let read = tasks::blocking(move || certs.reload(&sites, clock::now().wall)).await;
        let problems = read.unwrap_or_default();
        if self.conditions.certificates(&problems) {
            tell(&problems);
        }
        problems
    }

    /// Takes over certificates whose files were changed.
    pub(super) async fn renew_certificates(&self) {
        let _one = self.reloading.lock().await;
        let before = self.certs.dates();
        let config = self.config();
        self.read_certificates(&config).await;
        for now in self.certs.dates() {
            let same = |was: &Dated| was.site == now.site && was.validity == now.validity;
            if !before.iter().any(same) {
                let not_after = rfc3339(now.validity.not_after);
                tracing::info!(site = %now.site, not_after, "certificate reloaded");
            }
        }
    }
}

/// Says in the log which certificates are not as they should be.
pub(super) fn tell(problems: &[tls::Problem]) {
    for problem in problems {
        let error = chain(problem);
        tracing::error!(site = %problem.site, serving = ?problem.serving, error, "certificate has a problem");
    }
}
