//! Acknowledging: somebody has seen an alert, and wants to hear of it again only when it becomes worse or is over.

use std::sync::Arc;

use super::App;
use crate::alert::ledger::Alert;
use crate::{clock, tasks};

/// Which alerts somebody has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acknowledging {
    /// The one that this token is for.
    Token(String),
    /// The one with this id.
    Alert(String),
    /// Those that concern a site (empty: Katahai itself), for whatever cause or for the one of this code.
    Site(String, Option<String>),
}

impl App {
    /// Acknowledges alerts. Returns the ids of those that nobody had acknowledged before; empty: there are none.
    pub async fn acknowledge(self: &Arc<Self>, which: Acknowledging) -> Vec<String> {
        let app = self.clone();
        tasks::blocking(move || app.acknowledge_now(&which)).await.unwrap_or_default()
    }

    fn acknowledge_now(&self, which: &Acknowledging) -> Vec<String> {
        let now = clock::now();
        let mut books = self.alerts.books();
        let (ids, by) = match which {
            Acknowledging::Token(token) => {
                (books.ledger.of_token(token).map(|alert| alert.id.clone()).into_iter().collect(), "link")
            }
            Acknowledging::Alert(id) => (vec![id.clone()], "api"),
            Acknowledging::Site(site, cause) => (books.ledger.of_site(site, cause.as_deref()), "api"),
        };
        let done: Vec<String> = ids.into_iter().filter(|id| books.ledger.acknowledge(id, by, now)).collect();
        books.save(now.mono);
        for alert in &done {
            tracing::info!(alert, by, "alert acknowledged");
        }
        done
    }

    /// The alert that a token is for, if it is good, and the sites that it concerns now (empty: Katahai itself).
    pub async fn alert_of_token(self: &Arc<Self>, token: &str) -> Option<(Alert, Vec<String>)> {
        let (app, token) = (self.clone(), token.to_owned());
        let find = move || {
            let books = app.alerts.books();
            let alert = books.ledger.of_token(&token)?.clone();
            let sites = books.ledger.sites_of(&alert.id).into_iter().map(str::to_owned).collect();
            Some((alert, sites))
        };
        tasks::blocking(find).await.flatten()
    }
}
