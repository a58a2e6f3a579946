//! JSON and XML that is well-formed, and says what went wrong in place of what it is for: a database's or a program's message
//! with status 200. A message alone proves nothing, for there are articles about them: what the copy has must be gone, too.

use serde_json::Value;

use super::super::case::Finding;
use super::data::{Sort, root_of};
use super::odd::text_of;
use crate::failure::Cause;

/// Bytes of the longest answer that is only a message.
const MESSAGE: usize = 64 * 1024;
/// How deep a message may lie.
const DEPTH: usize = 6;
/// How a program says that it has failed, in its own words and never in those of a site.
const TEXTS: [(&str, Cause); 22] = [
    ("SQLSTATE[", Cause::DatabaseError),
    ("Error establishing a database connection", Cause::DatabaseError),
    ("PDOException", Cause::DatabaseError),
    ("mysqli_sql_exception", Cause::DatabaseError),
    ("mysqli_connect(): (", Cause::DatabaseError),
    ("t connect to MySQL server on", Cause::DatabaseError),
    ("t connect to local MySQL server through", Cause::DatabaseError),
    ("t connect to server on", Cause::DatabaseError),
    ("MySQL server has gone away", Cause::DatabaseError),
    ("Lost connection to MySQL server", Cause::DatabaseError),
    ("remaining connection slots are reserved", Cause::DatabaseError),
    ("django.db.utils.", Cause::DatabaseError),
    ("psycopg2.OperationalError", Cause::DatabaseError),
    ("ActiveRecord::", Cause::DatabaseError),
    ("SequelizeConnection", Cause::DatabaseError),
    ("MongoServerSelectionError", Cause::DatabaseError),
    ("Allowed memory size of ", Cause::PhpError),
    ("Fatal error: Uncaught", Cause::PhpError),
    ("There has been a critical error on this website", Cause::PhpError),
    ("Stack trace:", Cause::ApplicationError),
    ("Traceback (most recent call last)", Cause::ApplicationError),
    ("connect ECONNREFUSED ", Cause::ApplicationError),
];

/// The message that has come in place of the copy.
pub(super) fn message(sort: Sort, body: &[u8], copy: &[u8]) -> Option<Finding> {
    let (text, copied) = (text_of(body), text_of(copy));
    if text.len() > MESSAGE {
        return None;
    }
    let said = |text: &[u8], (words, _): &&(&str, Cause)| {
        text.windows(words.len()).any(|window| window == words.as_bytes())
    };
    let (words, cause) = TEXTS.iter().find(|words| said(text, words) && !said(copied, words))?;
    let is_instead = match sort {
        Sort::Json => has_lost_json(text, copied, words),
        Sort::Xml => has_lost_xml(text, copied),
        Sort::Style | Sort::Script => false,
    };
    is_instead.then(|| Finding::new(*cause, format!("“{words}” in place of what the file is for")))
}

/// Whether the words are a text of it, and something that the copy has at its top is not there, or is empty now.
fn has_lost_json(text: &[u8], copied: &[u8], words: &str) -> bool {
    let (Ok(now), Ok(before)) =
        (serde_json::from_slice::<Value>(text), serde_json::from_slice::<Value>(copied))
    else {
        return false;
    };
    let is_lost = match (&now, &before) {
        (Value::Object(now), Value::Object(before)) => {
            before.iter().any(|(key, value)| !is_nothing(value) && now.get(key).is_none_or(is_nothing))
        }
        (Value::Object(_) | Value::String(_), Value::Array(_)) | (Value::String(_), Value::Object(_)) => true,
        _ => false,
    };
    is_lost && says(&now, words, DEPTH)
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

fn says(value: &Value, words: &str, depth: usize) -> bool {
    let below = depth.checked_sub(1);
    match (value, below) {
        (Value::String(text), _) => text.contains(words),
        (Value::Array(list), Some(depth)) => list.iter().any(|value| says(value, words, depth)),
        (Value::Object(object), Some(depth)) => object.values().any(|value| says(value, words, depth)),
        _ => false,
    }
}

/// Whether its first element is another one, or fewer than half of the elements are left.
fn has_lost_xml(text: &[u8], copied: &[u8]) -> bool {
    let elements = |text: &[u8]| text.windows(2).filter(|two| two == b"</" || two == b"/>").count();
    match (root_of(text), root_of(copied)) {
        (Some(now), Some(before)) => now != before || elements(text) * 2 < elements(copied),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::case::Shape;
    use super::super::testing::{Given, hold};

    fn file(kind: &str, came: &str, copy: &str) -> Given {
        Given::page(came).header("content-type", kind).instead_of_file(Shape::Asset, kind).copied(copy)
    }

    #[test]
    fn a_message_in_place_of_data_is_an_error_and_an_article_about_one_is_not() {
        const LIST: &str =
            r#"{"status": "ok", "items": [{"title": "Tea"}, {"title": "Cups"}], "next": null}"#;
        const FEED: &str = "<?xml version=\"1.0\"?><rss><channel><title>Tea</title><item><title>a</title></item>\
                            <item><title>b</title></item><item><title>c</title></item></channel></rss>";
        let json = |came: &str| file("application/json; charset=utf-8", came, LIST);
        let list = |came: &str| file("application/json", came, r#"[{"title": "Tea"}]"#);
        let feed = |came: &str| file("application/rss+xml", came, FEED);
        let article = |words: &str| FEED.replace("<title>a</title>", &format!("<title>On {words}</title>"));
        hold(vec![
            (
                "a database",
                json(r#"{"error": "SQLSTATE[HY000] [2002] Connection refused"}"#),
                "bad database-error",
            ),
            (
                "a database, deep",
                json(r#"{"status": "error", "items": [], "error": {"list": [{"text": "SQLSTATE[HY000]"}]}}"#),
                "bad database-error",
            ),
            (
                "WordPress",
                list(
                    r#"{"code": "wp_die", "message": "Error establishing a database connection", "data": {}}"#,
                ),
                "bad database-error",
            ),
            (
                "a program",
                json(r#"{"message": "connect ECONNREFUSED 127.0.0.1:5432"}"#),
                "bad application-error",
            ),
            ("a text alone", list(r#""Traceback (most recent call last): …""#), "bad application-error"),
            (
                "an article",
                json(r#"{"status": "ok", "items": [{"title": "What is SQLSTATE[HY000]?"}]}"#),
                "good",
            ),
            ("an article of a list", list(r#"[{"title": "SQLSTATE[HY000]"}]"#), "good"),
            ("nothing found", json(r#"{"status": "error", "message": "no such tea"}"#), "good"),
            (
                "always so",
                file("application/json", r#"{"e": "SQLSTATE["}"#, r#"{"e": "SQLSTATE[", "x": 1}"#),
                "good",
            ),
            (
                "another element",
                feed("<error><message>SQLSTATE[HY000] [2002]</message></error>"),
                "bad database-error",
            ),
            (
                "an empty feed with a message",
                feed("<rss><channel><title>Error establishing a database connection</title></channel></rss>"),
                "bad database-error",
            ),
            ("a feed with an article", feed(&article("SQLSTATE[HY000]")), "good"),
            ("another feed", feed("<feed><entry/></feed>"), "good"),
        ]);
    }
}
