//! `katahai origin`: a site's origins, and the list of them that all instances share.

use std::io::Read as _;
use std::path::Path;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::args::{OriginCommand, SetOrigins};
use super::client::{message, with_instance};
use super::print::{printable, say};
use super::reload::line;
use super::{FAILED, USAGE, fail, unknown};

/// A list may be this long.
const MOST: u64 = 512 << 10;

/// Runs the command.
pub(super) fn run(command: &OriginCommand) -> u8 {
    match command {
        OriginCommand::List(options) => {
            let (site, as_json) = (options.site.clone(), options.instance.json);
            with_instance(&options.instance, |client| async move {
                let path = format!("/api/v1/sites/{}/origins", segment(&site));
                match client.call(Method::GET, &path).await {
                    Ok((StatusCode::OK, body)) if as_json => say(&String::from_utf8_lossy(&body)),
                    Ok((StatusCode::OK, body)) => {
                        say(&listed(&serde_json::from_slice(&body).unwrap_or_default()))
                    }
                    Ok((_, body)) => fail(FAILED, &message(&body)),
                    Err(error) => fail(FAILED, &error.to_string()),
                }
            })
        }
        OriginCommand::Set(options) => set(options),
        OriginCommand::Unknown(words) => unknown("origin ", words),
    }
}

fn set(options: &SetOrigins) -> u8 {
    let text = match read(&options.file) {
        Ok(text) => text,
        Err(why) => return fail(USAGE, &why),
    };
    let (site, as_json) = (options.site.clone(), options.instance.json);
    let body = Bytes::from(json!({ "text": text, "everywhere": options.everywhere }).to_string());
    with_instance(&options.instance, |client| async move {
        let path = format!("/api/v1/sites/{}/origins", segment(&site));
        match client.send(Method::PUT, &path, body).await {
            Ok((StatusCode::OK, body)) if as_json => say(&String::from_utf8_lossy(&body)),
            Ok((StatusCode::OK, body)) => {
                let put: Value = serde_json::from_slice(&body).unwrap_or_default();
                let version = printable(put["version"].as_str().unwrap_or_default());
                let next = match put["note"].as_str() {
                    Some(note) => format!("but {}", printable(note)),
                    None => "each instance looks at it within ten seconds".to_owned(),
                };
                say(&format!("version {version} is in the store; {next}\n"))
            }
            Ok((_, body)) => {
                if as_json {
                    say(&String::from_utf8_lossy(&body));
                }
                refused(&body)
            }
            Err(error) => fail(FAILED, &error.to_string()),
        }
    })
}

/// Says every reason.
fn refused(body: &Bytes) -> u8 {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    match value["error"]["problems"].as_array() {
        Some(problems) if !problems.is_empty() => {
            fail(FAILED, "the list was refused, the one in use stays:");
            for problem in problems {
                fail(FAILED, &printable(&line(problem)));
            }
            FAILED
        }
        _ => fail(FAILED, &message(body)),
    }
}

/// The list, from a file or from standard input.
fn read(file: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(MOST + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(MOST + 1).read_to_string(&mut text))
    };
    match read {
        Ok(bytes) if bytes as u64 > MOST => {
            Err(format!("{} is too long for a list of origins", file.display()))
        }
        Ok(_) => Ok(text),
        Err(error) => Err(format!("could not read the list {}: {error}", file.display())),
    }
}

/// A site's name as a part of a path.
fn segment(site: &str) -> String {
    percent_encoding::utf8_percent_encode(site, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Each origin in a line, after where the list comes from.
fn listed(found: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), printable);
    let mut told = String::new();
    let list = &found["list"];
    if !list.is_null() {
        let in_force = &list["in_force"];
        let version = if in_force.is_null() {
            "nothing there yet".to_owned()
        } else {
            let at = in_force["at"].as_str().map(|at| format!(" of {}", printable(at))).unwrap_or_default();
            format!("version {}{at}", text(&in_force["version"]))
        };
        told.push_str(&format!("{}, {version}\n", text(&list["from"])));
        if let Some(why) = list["refused"].as_str() {
            told.push_str(&format!("what is in the store is refused: {}\n", printable(why)));
        }
    }
    for origin in found["origins"].as_array().into_iter().flatten() {
        let cause =
            origin["cause"].as_str().map(|cause| format!(" ({})", printable(cause))).unwrap_or_default();
        told.push_str(&format!(
            "{}  {}{cause}  tier {}, weight {}, {}\n",
            text(&origin["url"]),
            text(&origin["state"]),
            origin["tier"],
            origin["weight"],
            text(&origin["mode"])
        ));
    }
    if told.is_empty() { "no origins\n".to_owned() } else { told }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_listed_with_where_they_come_from() {
        let origin = json!({ "url": "http://203.0.113.10", "state": "down", "cause": "refused", "tier": 0, "weight": 1,
            "mode": "auto" });
        let list = json!({ "from": "store:shop/origins.toml", "in_force": { "version": "0a1b", "at": "2026-11-20T01:13:34Z" },
            "refused": "2: url: it is no URL" });
        let told = listed(&json!({ "list": list, "origins": [origin] }));
        assert_eq!(
            told,
            "store:shop/origins.toml, version 0a1b of 2026-11-20T01:13:34Z\nwhat is in the store is refused: 2: url: it is no URL\n\
             http://203.0.113.10  down (refused)  tier 0, weight 1, auto\n"
        );
        assert_eq!(listed(&json!({ "list": null, "origins": [] })), "no origins\n");
        let empty = json!({ "list": { "from": "store:a.toml", "in_force": null }, "origins": [] });
        assert_eq!(listed(&empty), "store:a.toml, nothing there yet\n");
    }
}
