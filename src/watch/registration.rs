//! What a registry says of a domain (RFC 9083).

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::unix;

/// Statuses and name servers that are kept.
const MOST: usize = 32;
/// Of their characters.
const LONGEST: usize = 255;

/// A domain as its registry has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// When it ends, Unix time; some registries do not tell.
    pub expires: Option<u64>,
    /// Its statuses (RFC 8056), in lower case.
    pub statuses: Vec<String>,
    /// Its name servers, in lower case and order.
    pub name_servers: Vec<String>,
    /// Whether the registry has a key of it (DS); `None`: it does not tell.
    pub is_signed: Option<bool>,
}

/// What a registry does to a domain so that it does not work, or soon will not: as [`bare`] words, for registries spell them as
/// RDAP does (RFC 8056) or as EPP.
const HOLDS: [&str; 6] =
    ["clienthold", "serverhold", "pendingdelete", "redemptionperiod", "pendingrestore", "inactive"];
/// What keeps a domain with its registrar.
const LOCKS: [&str; 4] =
    ["clienttransferprohibited", "servertransferprohibited", "transferprohibited", "locked"];

impl Registration {
    /// Reads the answer to the question for `domain`.
    ///
    /// # Errors
    /// In words, if it is none, or is about another domain.
    pub fn read(answer: &[u8], domain: &str) -> Result<Registration, String> {
        // picked out one by one: whatever else a registry adds, or has as null, must not cost the rest
        let answer: Value = serde_json::from_slice(answer).map_err(|error| {
            // its words would quote what the network sent
            let (line, column) = (error.line(), error.column());
            format!("the registry's answer cannot be read (line {line}, column {column})")
        })?;
        let name = text(&answer["ldhName"]).trim_end_matches('.').to_ascii_lowercase();
        if text(&answer["objectClassName"]) != "domain" || !(name.is_empty() || name == domain) {
            return Err(format!("the registry's answer is not about {domain}"));
        }
        let ends = each(&answer["events"])
            .filter(|event| text(&event["eventAction"]).eq_ignore_ascii_case("expiration"));
        let mut name_servers: Vec<String> = each(&answer["nameservers"])
            .map(|server| host(text(&server["ldhName"])))
            .filter(|name| !name.is_empty())
            .collect();
        name_servers.sort();
        name_servers.dedup();
        name_servers.truncate(MOST);
        Ok(Registration {
            // several: the registry's own is the latest that it still honours
            expires: ends.filter_map(|event| date(text(&event["eventDate"]))).map(unix).max(),
            statuses: each(&answer["status"])
                .filter_map(Value::as_str)
                .take(MOST)
                .map(|status| short(&status.to_ascii_lowercase()))
                .collect(),
            name_servers,
            is_signed: answer["secureDNS"]["delegationSigned"].as_bool(),
        })
    }

    /// The statuses with which it does not work, or soon will not.
    pub fn holds(&self) -> Vec<&str> {
        self.statuses.iter().map(String::as_str).filter(|status| HOLDS.contains(&&*bare(status))).collect()
    }

    /// Whether it cannot be moved to another registrar.
    pub fn is_locked(&self) -> bool {
        self.statuses.iter().any(|status| LOCKS.contains(&&*bare(status)))
    }
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A status without what spellings differ in.
fn bare(status: &str) -> String {
    status.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The host in the one spelling.
pub(super) fn host(name: &str) -> String {
    short(&name.trim_end_matches('.').to_ascii_lowercase())
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// A date with its time (RFC 3339), with or without an offset.
pub fn date(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    if let Ok(time) = humantime::parse_rfc3339_weak(text) {
        return Some(time);
    }
    let (_, clock) = text.split_once(['T', 't', ' '])?;
    let at = clock.rfind(['+', '-'])? + (text.len() - clock.len());
    let local = humantime::parse_rfc3339_weak(&text[..at]).ok()?;
    let (hours, minutes) = text[at + 1..].split_once(':')?;
    let offset = hours.parse::<u64>().ok()? * 3600 + minutes.parse::<u64>().ok()? * 60;
    let offset = std::time::Duration::from_secs(offset.min(86_400));
    if text[at..].starts_with('+') { local.checked_sub(offset) } else { local.checked_add(offset) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9083 section 5.3, shortened
    const SAMPLE: &str = r#"{ "rdapConformance": ["rdap_level_0"], "objectClassName": "domain", "handle": "XXXX",
        "ldhName": "EXAMPLE.com.", "status": ["client transfer prohibited", "Client Hold"],
        "secureDNS": { "zoneSigned": true, "delegationSigned": true, "dsData": [{ "keyTag": 64156 }] },
        "nameservers": [{ "objectClassName": "nameserver", "ldhName": "NS2.example.net" }, { "ldhName": "ns1.example.net." }],
        "events": [{ "eventAction": "registration", "eventDate": "1990-12-31T23:59:59Z" },
            { "eventAction": "expiration", "eventDate": "2027-03-01T09:00:00+09:00" },
            { "eventAction": "last changed", "eventDate": "garbage" }],
        "entities": [{ "objectClassName": "entity", "roles": ["registrar"], "vcardArray": ["vcard", []] }] }"#;

    #[test]
    fn what_matters_is_read() {
        let read = Registration::read(SAMPLE.as_bytes(), "example.com").unwrap();
        assert_eq!(read.expires.map(|at| at % 86_400), Some(0), "midnight in UTC");
        assert_eq!(read.name_servers, ["ns1.example.net", "ns2.example.net"]);
        assert_eq!((read.is_signed, read.is_locked()), (Some(true), true));
        assert_eq!(read.holds(), ["client hold"]);
    }

    #[test]
    fn what_a_registry_leaves_out_is_unknown() {
        let read = Registration::read(br#"{"objectClassName":"domain"}"#, "example.com").unwrap();
        assert_eq!(read, Registration::default());
        assert!(!read.is_locked() && read.holds().is_empty());
    }

    #[test]
    fn what_is_null_or_odd_costs_nothing_else() {
        let text = r#"{ "objectClassName": "domain", "ldhName": null, "status": [null, "locked"], "secureDNS": null,
            "nameservers": [{ "ldhName": null }, null, { "ldhName": "ns1.example.net" }],
            "events": [{ "eventAction": null }, 7, { "eventAction": "expiration", "eventDate": "2027-03-01T00:00:00Z" }] }"#;
        let read = Registration::read(text.as_bytes(), "example.com").unwrap();
        assert!(read.expires.is_some() && read.is_locked());
        assert_eq!((read.is_signed, read.name_servers), (None, vec!["ns1.example.net".to_owned()]));
        let nulls =
            br#"{ "objectClassName": "domain", "status": null, "events": null, "nameservers": null }"#;
        assert_eq!(Registration::read(nulls, "example.com"), Ok(Registration::default()));
    }

    #[test]
    fn statuses_are_known_in_every_spelling() {
        for (status, is_hold, is_lock) in [
            ("clientHold", true, false),
            ("SERVER_HOLD", true, false),
            ("pending-delete", true, false),
            ("pendingDelete", true, false),
            ("inactive", true, false),
            ("clientTransferProhibited", false, true),
            ("transfer prohibited", false, true),
            ("locked", false, true),
            ("active", false, false),
        ] {
            let text = serde_json::json!({ "objectClassName": "domain", "status": [status] }).to_string();
            let read = Registration::read(text.as_bytes(), "example.com").unwrap();
            assert_eq!((!read.holds().is_empty(), read.is_locked()), (is_hold, is_lock), "{status}");
        }
    }

    #[test]
    fn words_of_a_trouble_quote_nothing_of_the_answer() {
        let answer = format!(r#"{{"objectClassName": {}"#, "x".repeat(5000));
        let said = Registration::read(answer.as_bytes(), "example.com").unwrap_err();
        assert!(said.contains("line 1, column ") && said.len() < 100, "{said}");
        let said =
            super::super::bootstrap::Bootstrap::read(b"{\"services\":\"long long text\"}").unwrap_err();
        assert!(!said.contains("long") && said.contains("line 1"), "{said}");
    }

    #[test]
    fn another_domain_and_garbage_are_refused() {
        for text in [
            "",
            "<html>",
            "[]",
            r#"{"objectClassName":"entity","ldhName":"example.com"}"#,
            r#"{"objectClassName":"domain","ldhName":"example.org"}"#,
        ] {
            assert!(Registration::read(text.as_bytes(), "example.com").is_err(), "{text}");
        }
    }

    #[test]
    fn dates_are_read_in_every_form_that_registries_use() {
        let at = |text: &str| date(text).map(unix);
        let noon = at("2027-03-01T12:00:00Z");
        assert!(noon.is_some());
        for text in [
            "2027-03-01 12:00:00",
            "2027-03-01T21:00:00+09:00",
            "2027-03-01T07:00:00-05:00",
            "2027-03-01T12:00:00.0Z",
        ] {
            assert_eq!(at(text), noon, "{text}");
        }
        for text in ["", "soon", "2027-13-01T00:00:00Z", "2027-03-01T12:00:00+xx:00", "2027-03-01"] {
            assert_eq!(at(text), None, "{text}");
        }
    }
}
