//! A visitor with a jar of cookies, as browsers are today: https, HTTP/2, each cookie in a field of its own
//! (RFC 9113 section 8.2.3).

use std::collections::BTreeMap;

use crate::support::{Answer, Client};

/// A browser at one site.
pub struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// A new one with a cookie that the site's consent banner has left, as everybody has one.
    pub fn new(client: Client) -> Browser {
        let cookies = BTreeMap::from([("consent".to_owned(), "yes".to_owned())]);
        Browser { client: client.h2(), cookies }
    }

    /// Opens an address.
    pub async fn get(&mut self, target: &str) -> Answer {
        self.send("GET", target, String::new()).await
    }

    /// Sends a form.
    pub async fn post(&mut self, target: &str, fields: &[(&str, &str)]) -> Answer {
        let pair = |(name, value): &(&str, &str)| format!("{}={}", encoded(name), encoded(value));
        self.send("POST", target, fields.iter().map(pair).collect::<Vec<_>>().join("&")).await
    }

    async fn send(&mut self, method: &str, target: &str, body: String) -> Answer {
        let origin = "https://www.example.test";
        let mut request = self.client.ask(method, target);
        for (name, value) in &self.cookies {
            request = request.header("cookie", format!("{name}={value}"));
        }
        if method == "POST" {
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .header("origin", origin)
                .header("referer", format!("{origin}{target}"));
        }
        let answer = self.client.send(request.body(body.into()).unwrap()).await.expect("an answer");
        for cookie in answer.headers.get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
        answer
    }

    /// How many cookies it has.
    pub fn cookies(&self) -> usize {
        self.cookies.len()
    }
}

/// What stands in the value of the form's hidden field.
#[track_caller]
pub fn field(page: &Answer, name: &str) -> String {
    let text = page.text();
    let from = text.find(&format!("name=\"{name}\"")).unwrap_or_else(|| panic!("no field {name}: {text}"));
    let value = text[from..].split("value=\"").nth(1).and_then(|rest| rest.split('"').next());
    value.expect("a value").to_owned()
}

/// Fails unless the answer leads to this path.
#[track_caller]
pub fn must_lead_to(answer: &Answer, path: &str) {
    let location = answer.header("location").unwrap_or_default();
    let led = location.trim_start_matches("https://www.example.test");
    assert!(
        (300..400).contains(&answer.status) && led == path,
        "{} to {location:?}: {}",
        answer.status,
        answer.text()
    );
}

/// Fails unless the page says this.
#[track_caller]
pub fn must_say(answer: &Answer, text: &str) {
    assert!(
        answer.status == 200 && answer.text().contains(text),
        "{} without {text:?}: {:.2000}",
        answer.status,
        answer.text()
    );
}

fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
