//! Archives that were made to do harm: refused, by name, with a word on what to do; and nothing is left of the attempt.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::Unfit;
use super::*;

/// An entry of a tar file, its name unchecked.
fn entry(name: &str, kind: tar::EntryType, size: u64, body: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    let raw = &mut header.as_old_mut().name;
    raw[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    if kind.is_symlink() || kind.is_hard_link() {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend_from_slice(body);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

fn file(name: &str, body: &[u8]) -> Vec<u8> {
    entry(name, tar::EntryType::Regular, body.len() as u64, body)
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut e = GzEncoder::new(Vec::new(), Compression::best());
    e.write_all(plain).unwrap();
    e.finish().unwrap()
}

/// The refusal of this archive; nothing is left of it.
fn refusal(name: &str, bytes: &[u8]) -> (String, Unfit) {
    let dir = tempfile::tempdir().unwrap();
    let (path, state) = (dir.path().join(name), dir.path().join("state"));
    write(&path, bytes);
    let outside = dir.path().join("evil");
    let error = imported(&state, &path, |_| {}).unwrap_err();
    assert_untouched(&state);
    assert!(!outside.exists());
    let ImportError::Entry { entry, why } = error else { panic!("{name}: {error}") };
    (entry, why)
}

#[test]
fn tar_files_that_lead_out_or_lie_are_refused_by_name() {
    use tar::EntryType;
    let good = file("index.html", b"<html>");
    for (bad, name, expected) in [
        (file("../evil", b"x"), "../evil", Unfit::Escapes),
        (file("/tmp/evil", b"x"), "/tmp/evil", Unfit::Escapes),
        (file("a/../../evil", b"x"), "a/../../evil", Unfit::Escapes),
        (entry("link", EntryType::Symlink, 0, b""), "link", Unfit::Special),
        (entry("hard", EntryType::Link, 0, b""), "hard", Unfit::Special),
        (entry("dev", EntryType::Block, 0, b""), "dev", Unfit::Special),
        (entry("fifo", EntryType::Fifo, 0, b""), "fifo", Unfit::Special),
        (entry("sparse", EntryType::GNUSparse, 0, b""), "sparse", Unfit::Special),
        (file("index.html", b"again"), "index.html", Unfit::Twice),
        (entry("cut", EntryType::Regular, 4000, b"short"), "cut", Unfit::Short),
        (entry("long", EntryType::GNULongName, 1 << 20, &vec![b'x'; 1 << 20]), "long", Unfit::LongName),
        (
            [entry("ahead", EntryType::XHeader, 19, b"19 size=9999999999\n"), file("huge", b"x")].concat(),
            "huge",
            Unfit::Special,
        ),
    ] {
        let archive = [&good[..], &bad, &[0; 1024]].concat();
        let archive = if expected == Unfit::Short { [&good[..], &bad].concat() } else { archive };
        assert_eq!(refusal("a.tar", &archive), (name.to_owned(), expected));
        let (_, why) = refusal("a.tar.gz", &gzip(&archive));
        assert_eq!(why, expected, "{name}, packed");
    }
    let absurd = entry("absurd", EntryType::Regular, u64::MAX >> 2, b"x");
    let (_, why) = refusal("a.tar", &[&good[..], &absurd].concat());
    assert!(matches!(why, Unfit::Short | Unfit::Damaged), "{why:?}");
}

#[test]
fn bombs_and_archives_in_archives_are_put_down() {
    let zeros = vec![0; 20 << 20];
    let bomb = gzip(&entry("zeros", tar::EntryType::Regular, zeros.len() as u64, &zeros));
    assert!(bomb.len() < 200_000);
    assert_eq!(refusal("a.tar.gz", &bomb).1, Unfit::Bomb);
    let mut records = b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.example/\r\nWARC-Date: 2020-01-01T00:00:00Z\r\n".to_vec();
    write!(records, "Content-Length: {}\r\n\r\n", zeros.len()).unwrap();
    records.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n");
    records.extend_from_slice(&zeros);
    assert_eq!(refusal("a.warc.gz", &gzip(&records)).1, Unfit::Bomb);
    assert_eq!(refusal("a.gz", &gzip(&gzip(b"WARC/1.0\r\n"))).1, Unfit::Nested);
    let inner = gzip(&zeros);
    let coded = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        inner.len()
    );
    let head = format!(
        "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.example/\r\nWARC-Date: 2020-01-01T00:00:00Z\r\nContent-Length: {}\r\n\r\n",
        coded.len() + inner.len()
    );
    let (entry, why) = refusal("a.warc", &[head.as_bytes(), coded.as_bytes(), &inner].concat());
    assert_eq!((&*entry, why), ("http://a.example/", Unfit::Bomb), "a body that is a bomb by itself");
}

#[test]
fn zip_files_whose_entries_share_bytes_are_refused() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for name in ["archive/a.warc", "archive/b.warc"] {
        zip.start_file(name, options).unwrap();
        zip.write_all(&[b'x'; 300]).unwrap();
    }
    let mut bytes = zip.finish().unwrap().into_inner();
    // the second entry of the directory is made to point into the first
    let last = bytes.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    bytes[last + 42..last + 46].copy_from_slice(&0u32.to_le_bytes());
    let dir = tempfile::tempdir().unwrap();
    let (path, state) = (dir.path().join("a.wacz"), dir.path().join("state"));
    write(&path, &bytes);
    let error = imported(&state, &path, |_| {}).unwrap_err();
    assert!(matches!(error, ImportError::Entry { why: Unfit::Bomb | Unfit::Damaged, .. }), "{error}");
    assert_untouched(&state);
}

#[test]
fn a_lie_in_a_warc_file_is_refused_with_the_record() {
    let record = |len: usize| {
        let block = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nhello";
        format!(
            "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.example/x\r\nWARC-Date: 2020-01-01T00:00:00Z\r\nContent-Length: {}\r\n\r\n{block}\r\n\r\n",
            block.len() + len
        )
    };
    let good = record(0);
    let short = good.replace("Content-Length: ", "Content-Length: 1");
    assert_eq!(
        refusal("a.warc", short.as_bytes()),
        ("record 1 (http://a.example/x)".to_owned(), Unfit::Short)
    );
    let long = record(0).replace("hello", "hello and more");
    let long = format!("{good}{}", long.replace("Content-Length: 5", "Content-Length: 4"));
    let (entry, why) = refusal("a.warc", long.as_bytes());
    assert_eq!((entry.starts_with("record 3 "), why), (true, Unfit::NotARecord), "{entry}");
}

#[test]
fn a_hand_in_an_export_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("state"), "shop").unwrap();
    published(
        &store,
        vec![draft("/", 200, "text/html", Some(b"home")), draft("/b", 200, "text/html", Some(b"b"))],
    );
    let out = dir.path().join("site");
    let manifest = out.join(".katahai/manifest.jsonl");
    let fresh = || {
        exported(&store, &out, true).unwrap();
        std::fs::read_to_string(&manifest).unwrap()
    };
    fresh();
    write(&out.join("index.html"), b"hacked");
    let try_again = |name: &str| imported(&dir.path().join(name), &out, |_| {});
    assert!(matches!(try_again("a"), Err(ImportError::Entry { why: Unfit::Digest, .. })));
    assert_untouched(&dir.path().join("a"));
    write(&dir.path().join("secret"), b"home");
    let escaping = fresh().replace("\"index.html\"", "\"../secret\"");
    write(&manifest, escaping.as_bytes());
    assert!(matches!(try_again("b"), Err(ImportError::Entry { why: Unfit::Short, .. })));
    let private = fresh().replace("[\"content-type\",\"text/html\"]", "[\"set-cookie\",\"id=1\"]");
    write(&manifest, private.as_bytes());
    let (_, snapshot) = try_again("c").unwrap();
    assert!(content(&snapshot).values().all(|(page, _)| page.headers.is_empty()), "cookies are never stored");
    let later = fresh().replace("\"katahai_export\":1", "\"katahai_export\":99");
    write(&manifest, later.as_bytes());
    assert!(matches!(try_again("d"), Err(ImportError::Version(99))));
    let cut = fresh();
    write(&manifest, &cut.as_bytes()[..cut.len() - 5]);
    assert!(matches!(try_again("e"), Err(ImportError::Entry { why: Unfit::Short, .. })));
}

#[test]
fn a_file_of_another_kind_is_no_archive() {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in
        [("a", &b""[..]), ("b.warc", b"<html>"), ("c.tar", &[0; 2048]), ("d.wacz", b"\x1f\x8b\x08")]
    {
        let path = dir.path().join(name);
        write(&path, bytes);
        let error = imported(&dir.path().join("state"), &path, |_| {}).unwrap_err();
        assert!(matches!(error, ImportError::Unknown(_) | ImportError::Entry { .. }), "{name}: {error}");
        assert_untouched(&dir.path().join("state"));
    }
}
