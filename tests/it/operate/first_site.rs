//! The guide for a first site: every command in it is run, in its order, in a world of its own with the guide's addresses, and says
//! what the guide says that it says; and what the guide shows of other programs' settings is accepted by them.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::support::certs::Authority;
use crate::support::edge;

/// What follows a command may have to be waited for: a first check, a crawl.
const LONGEST: Duration = Duration::from_secs(60);

/// A fenced block of the guide, or a remark in it that a test heeds.
#[derive(Debug)]
struct Block<'a> {
    language: &'a str,
    text: &'a str,
}

fn guide() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/first-site.md")).unwrap()
}

fn blocks(guide: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = guide;
    while let Some(at) = ["\n```", "\n<!-- "].iter().filter_map(|mark| rest.find(mark)).min() {
        rest = &rest[at + 1..];
        if let Some(remark) = rest.strip_prefix("<!-- ") {
            let (text, after) = remark.split_once(" -->").unwrap();
            blocks.push(Block { language: "remark", text });
            rest = after;
        } else {
            let (language, after) = rest[3..].split_once('\n').unwrap();
            let (text, after) = after.split_once("\n```").unwrap();
            blocks.push(Block { language, text });
            rest = after;
        }
    }
    blocks
}

/// A shell in the guide's world.
struct Terminal {
    child: Child,
    input: ChildStdin,
    output: Receiver<String>,
    dir: tempfile::TempDir,
    asked: usize,
}

impl Terminal {
    fn open() -> Terminal {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        authority.write(dir.path());
        authority.leaf_of(&["www.example.jp", "example.jp"]).write(dir.path(), "shop");
        // the guide's folder, as a clone has it
        let clone = dir.path().join("clone");
        std::fs::create_dir_all(clone.join("deploy")).unwrap();
        std::fs::copy(root.join("deploy/katahai.service"), clone.join("deploy/katahai.service")).unwrap();
        for (name, text) in [("index.html", "Welcome"), ("signup", "Sign up")] {
            let page = format!(
                "<!doctype html><html lang=en><title>{text}</title><h1>{text}</h1><p>Tea since 1950. <a href=/signup>Sign up</a></html>"
            );
            std::fs::create_dir_all(dir.path().join("www")).unwrap();
            std::fs::write(dir.path().join("www").join(name), page).unwrap();
        }
        let mut child = Command::new("unshare")
            .args(["--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .arg("bash")
            .arg(root.join("tests/fixtures/first_site/stage.sh"))
            .args([dir.path(), &std::path::absolute(edge::binary()).unwrap(), &clone])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (tell, output) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || lines.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Terminal { input: child.stdin.take().unwrap(), child, output, dir, asked: 0 }
    }

    /// Runs some lines; gives what they wrote, or that and why it is not well.
    fn run(&mut self, lines: &str) -> Result<String, String> {
        self.asked += 1;
        let mark = format!("@@{}@@", self.asked);
        let script = self.dir.path().join("lines.sh");
        std::fs::write(&script, lines).unwrap();
        let end = format!("echo; echo {mark} $ok");
        writeln!(self.input, "ok=1; set -E; trap ok=0 ERR; source {} 2>&1; {end}", script.display()).unwrap();
        let deadline = Instant::now() + LONGEST;
        let mut written = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.output.recv_timeout(left) else {
                return Err(format!("no end of: {lines}\n{written}"));
            };
            match line.strip_prefix(&mark) {
                Some(" 1") => return Ok(written),
                Some(_) => return Err(format!("failed: {lines}\n{written}")),
                None => _ = writeln!(written, "{}", line.trim_end()),
            }
        }
    }

    /// Runs a block of the guide until it is well and says what the guide says.
    fn follow(&mut self, commands: &str, expected: &str) {
        let run = |terminal: &mut Terminal, lines: &str| {
            let written = terminal.run(lines)?;
            says(&written, expected).map_err(|line| format!("{lines}\ndoes not say: {line}\n{written}"))
        };
        let commands = in_its_terminal(commands);
        let deadline = Instant::now() + LONGEST;
        let mut result = run(self, &commands);
        // what it says last may have to be waited for: a first check, a crawl
        let last = commands.lines().last().unwrap();
        while let Err(wrong) = &result {
            let is_look = ["curl -sS -D", "katahai status"].iter().any(|look| last.starts_with(look));
            assert!(is_look && Instant::now() < deadline, "{wrong}\n{}", self.service_log());
            std::thread::sleep(Duration::from_millis(100));
            result = run(self, last);
        }
    }

    fn service_log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("service.log")).unwrap_or_default()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the guide has in a terminal of its own goes on beside the rest.
fn in_its_terminal(commands: &str) -> String {
    match commands.split_once("katahai serve") {
        Some((before, serve)) => {
            format!("(\n{before}exec katahai serve{serve}\n) >$TMPDIR/serve.log 2>&1 & serving=$!")
        }
        None => commands.to_owned(),
    }
}

/// Whether every expected line occurs, in order; "…" stands for anything. Else the line that does not.
fn says<'a>(written: &str, expected: &'a str) -> Result<(), &'a str> {
    let mut lines = written.lines();
    let is = |line: &str, wanted: &str| {
        let pieces = wanted.split('…').map(str::trim);
        let mut rest = line;
        pieces.into_iter().all(|piece| {
            let at = rest.find(piece);
            rest = at.map_or("", |at| &rest[at + piece.len()..]);
            at.is_some()
        })
    };
    for wanted in expected.lines() {
        lines.find(|line| is(line, wanted)).ok_or(wanted)?;
    }
    Ok(())
}

#[test]
fn expected_lines_are_found_in_order() {
    let written = "HTTP/1.1 200 OK\ncache-status: katahai; hit; detail=snapshot\n";
    for (expected, wrong) in [
        ("HTTP/1.1 200 OK\ncache-status: katahai; hit…", None),
        ("cache-status: … snapshot", None),
        ("cache-status: … stale", Some("cache-status: … stale")),
        ("cache-status: …\nHTTP/1.1 200 OK", Some("HTTP/1.1 200 OK")),
    ] {
        assert_eq!(says(written, expected).err(), wrong, "{expected}");
    }
}

#[test]
fn every_command_of_the_guide_works() {
    let _turn = crate::support::turn::share();
    let guide = guide();
    let blocks = blocks(&guide);
    let mut terminal = Terminal::open();
    let mut ran = 0;
    for (n, block) in blocks.iter().enumerate() {
        match (block.language, block.text) {
            ("sh", commands) => {
                let expected = blocks.get(n + 1).filter(|next| next.language == "text");
                terminal.follow(commands, expected.map_or("", |block| block.text));
                ran += 1;
            }
            ("remark", "Ctrl-C") => _ = terminal.run("kill -INT $serving; wait $serving").unwrap(),
            ("remark", "the origin redirects") => _ = terminal.run("touch $TMPDIR/origin/redirects").unwrap(),
            ("remark", "the name moves here") => _ = terminal.run("name-leads-to 198.51.100.7").unwrap(),
            ("remark", other) => panic!("nobody knows what to do at: {other}"),
            _ => {}
        }
    }
    assert!(ran >= 8, "only {ran} blocks of commands");
    // and that is what it was for
    terminal.run("kill $(cat $TMPDIR/origin/pid)").unwrap();
    let copy = "HTTP/2 200\ncache-status: katahai; hit; detail=snapshot";
    terminal.follow("curl -sS -D - https://www.example.jp/signup", copy);
}

/// The configuration of the guide with each of its further pieces.
#[test]
fn every_setting_of_the_guide_is_accepted() {
    let guide = guide();
    let blocks = blocks(&guide);
    let main = blocks.iter().find_map(|block| block.text.split_once("<<'EOF'\n")).unwrap().1;
    let main = main
        .split_once("\nEOF")
        .unwrap()
        .0
        .replace("[site.tls]\ncert = \"shop.pem\"\nkey  = \"shop.key\"\n", "");
    for block in blocks.iter().filter(|block| block.language == "toml") {
        let whole = match block.text.starts_with("[listen]") {
            true => main.replacen("\n\n[[site]]", &format!("\n\n{}\n[[site]]", block.text), 1),
            false => format!("{main}\n{}", block.text),
        };
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("katahai.toml");
        std::fs::write(&file, whole).unwrap();
        tried(Command::new(edge::binary()).args(["check", "-c"]).arg(&file));
    }
}

/// What nginx, PHP and a shell say of their lines in the guide.
#[test]
fn other_programs_accept_what_the_guide_tells_them() {
    let guide = guide();
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> PathBuf {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let mut seen = Vec::new();
    for block in blocks(&guide) {
        match block.language {
            "nginx" => {
                let at = dir.path().display();
                let text = format!(
                    "pid {at}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n access_log off;\n{}\n}}\n",
                    block.text
                );
                tried(Command::new("/usr/sbin/nginx").arg("-t").arg("-c").arg(write("nginx.conf", &text)));
            }
            "php" => {
                tried(Command::new("php").arg("-l").arg(write("a.php", &format!("<?php\n{}\n", block.text))))
            }
            "hook" => tried(Command::new("sh").arg("-n").arg(write("hook", block.text))),
            _ => continue,
        }
        seen.push(block.language.to_owned());
    }
    assert!(["nginx", "php", "hook"].iter().all(|wanted| seen.iter().any(|seen| seen == wanted)), "{seen:?}");
}

fn tried(command: &mut Command) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{command:?}: {said:?}");
}
