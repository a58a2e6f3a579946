//! A real browser, told what to do over its debugging pipe: messages in JSON, each ended by a zero byte (Chrome
//! DevTools Protocol). What it complains about is kept.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::wait::secs;

/// One window of a headless Chromium; killed when dropped.
pub struct Browser {
    child: Child,
    pipe: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    next: u64,
    complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts it, with an empty page.
    pub fn start() -> Browser {
        assert!(
            std::path::Path::new("/usr/bin/chromium").exists(),
            "chromium is missing: run tests/run once, it installs what the tests need"
        );
        let profile = tempfile::tempdir().unwrap();
        // The pipe is expected at descriptors 3 (to it) and 4 (from it).
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "chromium"])
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args(["--remote-debugging-pipe", "--lang=en"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("chromium starts");
        let (pipe, out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(out).split(0) {
                let Ok(message) = message else { return };
                if let Ok(value) = serde_json::from_slice(&message)
                    && sender.send(value).is_err()
                {
                    return;
                }
            }
        });
        let mut browser = Browser {
            child,
            pipe,
            messages,
            session: None,
            next: 0,
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached =
            browser.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Runtime.enable", "Log.enable", "Page.enable"] {
            browser.call(domain, json!({}));
        }
        browser
    }

    /// Sends a command and waits for what comes of it.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.pipe.write_all(format!("{message}\0").as_bytes()).expect("the browser lives");
        let deadline = Instant::now() + secs(30);
        loop {
            match self.messages.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(answer) if answer["id"] == id => {
                    // the page went away while it was asked: it has nothing to say
                    if answer["error"]["message"] == "Inspected target navigated or closed" {
                        return Value::Null;
                    }
                    assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                    return answer["result"].clone();
                }
                Ok(event) => self.listen(&event),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no answer of the browser to {method}")
                }
            }
        }
    }

    /// Errors of scripts, refusals by the content security policy, failed requests: all that a console shows in red or
    /// yellow.
    fn listen(&mut self, event: &Value) {
        let params = &event["params"];
        let complaint = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => Some(params["exceptionDetails"].to_string()),
            Some("Runtime.consoleAPICalled") => {
                matches!(params["type"].as_str(), Some("error" | "warning" | "assert"))
                    .then(|| params.to_string())
            }
            Some("Log.entryAdded") => {
                let entry = &params["entry"];
                matches!(entry["level"].as_str(), Some("error" | "warning")).then(|| entry.to_string())
            }
            _ => None,
        };
        self.complaints.extend(complaint);
    }

    /// Goes to a page, and waits until it is loaded.
    pub async fn open(&mut self, url: &str) {
        let went = self.call("Page.navigate", json!({ "url": url }));
        assert!(went["errorText"].is_null(), "{url}: {went}");
        self.until(&format!("location.href === {url:?} && document.readyState === 'complete'")).await;
    }

    /// The value of an expression in the page; `null` also while there is no page.
    pub fn eval(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let done = self.call("Runtime.evaluate", params);
        assert!(done["exceptionDetails"].is_null(), "{expression}: {}", done["exceptionDetails"]);
        done["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub async fn until(&mut self, expression: &str) {
        let deadline = Instant::now() + secs(60);
        while self.eval(expression) != true {
            if Instant::now() > deadline {
                let page = self.eval("document.body?.innerText");
                panic!("not within 60 s: {expression}\n{}", page.as_str().unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A window of this size.
    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Prefers this colour scheme (`light`, `dark`), and less movement.
    pub fn prefer(&mut self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }, { "name": "prefers-reduced-motion", "value": "reduce" }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Presses a key, as `Tab` or `Enter`, like somebody at a keyboard.
    pub fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "ArrowDown" => 40,
            " " => 32,
            other => panic!("{other} is not known here"),
        };
        let text = match key {
            "Enter" => "\r",
            " " => " ",
            _ => "",
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// A picture of the whole page in this folder, if the environment names one as `SHOTS`: for people to look at.
    pub fn shoot(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("SHOTS") else { return };
        let shot = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        let png = data_encoding::BASE64.decode(shot["data"].as_str().unwrap().as_bytes()).unwrap();
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), png).unwrap();
    }

    /// What axe-core finds wrong with the page for people who cannot see it, point at it or tell its colours.
    pub fn barriers(&mut self) -> Vec<String> {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/target/axe/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(file)
            .expect("axe-core: run tests/run once, it installs what the tests need");
        if self.eval("typeof axe") == "undefined" {
            self.call("Runtime.evaluate", json!({ "expression": axe }));
        }
        let found = self.eval("axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.flatMap(({ id, help, nodes }) => \
             nodes.map(({ html, any }) => `${id}: ${help}: ${html.slice(0, 200)} ${any.map(({ message }) => message).join(' ')}`)))");
        found.as_array().unwrap().iter().map(ToString::to_string).collect()
    }

    /// What the browser complained about so far.
    pub fn complaints(&mut self) -> &[String] {
        self.eval("1"); // what was said before has been heard then
        &self.complaints
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
