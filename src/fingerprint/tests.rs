//! Every fingerprint against its samples, and all of them against good pages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use encoding_rs::{EUC_JP, SHIFT_JIS};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::content::document::Document;
use crate::content::media::content_type;

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fingerprint/samples")
}

fn built_in() -> Fingerprints {
    Fingerprints::read(include_str!("fingerprints.toml")).unwrap_or_else(|e| panic!("{e}: {e:?}"))
}

/// What a sample came with; `<name>.toml` beside it says what is not usual.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Front {
    status: u16,
    headers: BTreeMap<String, String>,
}

impl Default for Front {
    fn default() -> Front {
        let headers = BTreeMap::from([("content-type".to_owned(), "text/html".to_owned())]);
        Front { status: 200, headers }
    }
}

struct Sample {
    /// `kind/id.variant`
    name: String,
    kind: String,
    id: String,
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Sample {
    fn read(path: &Path) -> Sample {
        let front = std::fs::read_to_string(path.with_extension("toml")).map_or_else(
            |_| Front::default(),
            |text| toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())),
        );
        let mut headers: HeaderMap = HeaderMap::new();
        for (name, value) in &front.headers {
            headers.insert(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let kind = path.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        Sample {
            name: format!("{kind}/{stem}"),
            id: stem.split('.').next().unwrap().to_owned(),
            kind,
            status: front.status,
            headers,
            body: std::fs::read(path).unwrap(),
        }
    }

    fn page(&self) -> Document<'_> {
        Document::new(&self.body, content_type(&self.headers))
    }

    fn answer<'a>(&'a self, page: &'a Document<'a>) -> ResponseView<'a> {
        ResponseView { status: self.status, headers: &self.headers, page, whole: true }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = folder
        .read_dir()
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|e| e.unwrap().path())
        .collect();
    found.sort();
    found
}

fn html_files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    files(folder).into_iter().filter(|path| path.extension().is_some_and(|e| e == "html"))
}

/// All wrong pages.
fn wrong() -> Vec<Sample> {
    let kinds = Kind::ALL.iter().map(|kind| samples().join(kind.code())).filter(|folder| folder.exists());
    kinds.flat_map(|folder| html_files(&folder).collect::<Vec<_>>()).map(|path| Sample::read(&path)).collect()
}

fn headers(content_type: &str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap())])
}

#[test]
fn every_sample_is_recognised_by_its_own_fingerprint_and_by_none_of_another_kind() {
    let all = built_in();
    let mut broken = Vec::new();
    for sample in wrong() {
        let found: Vec<WrongPage<'_>> = all.matches(&sample.answer(&sample.page()));
        if !found.iter().any(|page| page.fingerprint == sample.id) {
            broken.push(format!("{} is recognised as {found:?}", sample.name));
        }
        // A crash is a crash of something: which comes first says what is known of it.
        let (first, others) =
            found.split_first().map_or((None, &[][..]), |(first, others)| (Some(first), others));
        let is_broader = |kind| matches!(kind, Kind::PhpError | Kind::ApplicationError);
        if first.is_some_and(|page| page.kind.code() != sample.kind)
            || others.iter().any(|page| page.kind.code() != sample.kind && !is_broader(page.kind))
        {
            broken.push(format!("{} is recognised as {found:?}", sample.name));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_fingerprint_has_a_sample() {
    let all = built_in();
    let sampled: BTreeSet<String> = wrong().into_iter().map(|sample| sample.id).collect();
    let missing: Vec<_> = all.ids().filter(|id| !sampled.contains(*id)).collect();
    assert!(missing.is_empty(), "no sample: {missing:?}");
}

/// Whose pages visitors meet most.
#[test]
fn the_common_hosts_panels_and_servers_are_known() {
    let all = built_in();
    let known: BTreeSet<&str> = all.ids().collect();
    for (name, ids) in [
        ("cPanel", &["cpanel-default", "cpanel-refresh", "cpanel-suspended", "cpanel-bandwidth"][..]),
        ("Plesk", &["plesk-default", "plesk-migration", "no-site-at-address"]),
        ("DirectAdmin", &["directadmin-default", "directadmin-suspended", "shared-ip"]),
        ("nginx", &["nginx-welcome", "nginx-distribution", "nginx-5xx", "nginx-autoindex"]),
        ("Apache", &["apache-it-works", "apache-debian", "apache-centos", "apache-503", "apache-autoindex"]),
        ("IIS", &["iis", "iis-six", "iis-5xx", "iis-listing"]),
        ("LiteSpeed", &["openlitespeed", "litespeed-503", "litespeed-508", "litespeed-listing"]),
        ("Xserver", &["xserver-initial", "xserver-invalid-url", "xserver-errors"]),
        ("Sakura", &["initial-ja", "siteguard", "suspended-ja", "apache-503"]),
        ("Lolipop", &["initial-ja", "lolipop-errors", "siteguard"]),
        ("Muumuu Domain", &["parking-ja", "expired-ja"]),
        ("Onamae", &["parking-ja", "expired-ja"]),
        ("ConoHa", &["initial-ja"]),
        ("GoDaddy", &["godaddy-parked", "godaddy-lander", "godaddy-lander-redirect", "afternic"]),
        ("Namecheap", &["namecheap", "namecheap-text"]),
        ("Sedo", &["sedo", "parking-adblockkey"]),
    ] {
        let missing: Vec<_> = ids.iter().filter(|id| !known.contains(**id)).collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
    }
}

#[test]
fn every_kind_has_samples_and_a_code_of_its_own() {
    let codes: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.code()).collect();
    assert_eq!(codes.len(), Kind::ALL.len());
    let sampled: BTreeSet<String> = wrong().into_iter().map(|sample| sample.kind).collect();
    let codes: BTreeSet<&str> = codes.into_iter().filter(|code| *code != Kind::Other.code()).collect();
    assert_eq!(sampled.iter().map(String::as_str).collect::<BTreeSet<_>>(), codes);
    assert!(wrong().len() >= 150, "{}", wrong().len());
}

#[test]
fn every_kind_has_a_cause_of_its_code() {
    for kind in Kind::ALL {
        assert_eq!(kind.code(), kind.cause().code());
    }
}

#[test]
fn every_folder_of_samples_is_a_kind() {
    let known: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.code()).chain(["good"]).collect();
    for path in files(&samples()).iter().filter(|path| path.is_dir()) {
        assert!(known.contains(path.file_name().unwrap().to_str().unwrap()), "{}", path.display());
    }
}

/// What a page is taken for in spite of itself.
fn alarms(path: &Path, statuses: &[u16], all: &Fingerprints) -> Vec<String> {
    let mut sample = Sample::read(path);
    let mut alarms = Vec::new();
    for status in statuses {
        sample.status = *status;
        alarms.extend(
            all.matches(&sample.answer(&sample.page()))
                .into_iter()
                .map(|page| format!("{}: {page:?}", path.display())),
        );
    }
    alarms
}

#[test]
fn pages_about_wrong_pages_are_not_wrong() {
    let all = built_in();
    let pages: Vec<_> = html_files(&samples().join("good")).collect();
    assert!(pages.len() >= 30, "{} pages", pages.len());
    let alarms: Vec<_> =
        pages.iter().flat_map(|path| alarms(path, &[200, 403, 404, 500, 503], &all)).collect();
    assert!(alarms.is_empty(), "{}", alarms.join("\n"));
}

#[test]
fn japanese_pages_are_recognised_in_the_old_encodings() {
    let all = built_in();
    let mut tried = 0;
    for mut sample in wrong() {
        let Ok(text) = String::from_utf8(sample.body.clone()) else { continue };
        if !text.chars().any(|c| ('\u{3041}'..='\u{30FF}').contains(&c)) {
            continue;
        }
        for encoding in [SHIFT_JIS, EUC_JP] {
            let old = text.replace("UTF-8", encoding.name()).replace("utf-8", encoding.name());
            let (bytes, _, lost) = encoding.encode(&old);
            if lost {
                continue;
            }
            sample.body = bytes.into_owned();
            sample.headers = headers("text/html");
            let found =
                all.matches(&sample.answer(&sample.page())).iter().any(|page| page.fingerprint == sample.id);
            assert!(found, "{} in {}", sample.name, encoding.name());
            tried += 1;
        }
    }
    assert!(tried >= 10, "{tried} pages");
}

#[test]
fn the_beginning_of_a_page_is_not_enough_unless_a_field_says_it() {
    let by_field = wrong().into_iter().filter(|sample| {
        wrong_page(&ResponseView { whole: false, ..sample.answer(&sample.page()) }).is_some()
    });
    for sample in by_field {
        assert!(sample.headers.len() > 1, "{}: only a field can say so", sample.name);
    }
}

#[test]
fn what_is_no_page_is_not_looked_into() {
    let sample = Sample::read(&samples().join("default-page/nginx-welcome.html"));
    for (content_type, wrong) in [
        ("text/html; charset=utf-8", true),
        ("TEXT/HTML", true),
        ("text/plain", true),
        ("image/png", false),
        ("text/css", false),
        ("application/javascript", false),
    ] {
        let headers = headers(content_type);
        assert_eq!(
            wrong_page(&ResponseView { headers: &headers, ..sample.answer(&sample.page()) }).is_some(),
            wrong,
            "{content_type}"
        );
    }
    assert!(
        wrong_page(&ResponseView { headers: &HeaderMap::new(), ..sample.answer(&sample.page()) }).is_some()
    );
}

#[test]
fn a_file_is_refused_with_everything_that_is_wrong_with_it() {
    let read = |text: &'static str| Fingerprints::read(text).unwrap_err().to_string();
    let error = read(
        "[[fingerprint]]\nid = 'A b'\nkind = 'parking'\nsource = ''\n\
         [[fingerprint]]\nid = 'x'\nkind = 'parking'\nsource = 's'\ntext = ['a']\ntitle = ['*the*']\n\
         [[fingerprint]]\nid = 'y'\nkind = 'parking'\nsource = 's'\nheader = ['none']\n\
         [[fingerprint]]\nid = 'x'\nkind = 'parking'\nsource = 's'\ntitle = ['parked domain']\nmax_text = 4001\n",
    );
    for part in [
        "A b: an id",
        "A b: source",
        "A b: it has no condition",
        "x: it fits too many",
        "x: give max_text",
        "x: max_text is more",
        "y: header",
        "two of this name",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert!(matches!(
        Fingerprints::read("[[fingerprint]]\nkind = 'unknown'"),
        Err(FingerprintsError::Syntax(_))
    ));
    assert!(matches!(
        Fingerprints::read("[[fingerprint]]\nname = 'unknown'"),
        Err(FingerprintsError::Syntax(_))
    ));
}

/// Operators write their own after it.
#[test]
fn the_reference_is_complete_and_its_example_can_be_used() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/fingerprints.md");
    let reference = std::fs::read_to_string(path).unwrap();
    let examples = reference.split("```toml\n").skip(1).filter_map(|block| block.split("```").next());
    let example = examples.filter(|block| block.starts_with("[[fingerprint]]")).collect::<String>();
    let read = Fingerprints::read(&example).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(read.ids().collect::<Vec<_>>(), ["our-firewall", "hoster-moved"]);
    for kind in Kind::ALL {
        assert!(reference.contains(&format!("`{}`", kind.code())), "{kind:?}");
    }
    // the names of all keys are told by the refusal of another one
    let refusal = Fingerprints::read("[[fingerprint]]\nno-such-key = 1").unwrap_err();
    let refusal = std::error::Error::source(&refusal).unwrap().to_string();
    let keys: Vec<_> =
        refusal.split("expected one of ").nth(1).unwrap().split('`').skip(1).step_by(2).collect();
    assert!(keys.len() >= 14, "{refusal}");
    for key in keys {
        assert!(reference.contains(&format!("| `{key}` |")), "{key}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_judged(
        body in proptest::collection::vec(any::<u8>(), 0..2000),
        status in 100..600u16,
        whole: bool,
        content_type in "(text/html)?[ -~]{0,20}",
    ) {
        let page = &Document::new(&body, Some(&content_type));
        let _ = wrong_page(&ResponseView { status, headers: &headers(&content_type), page, whole });
    }

    #[test]
    fn any_cut_of_a_sample_is_judged(at in 0..4000usize, shift in 0..64usize) {
        static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(wrong);
        let sample = &SAMPLES[at % SAMPLES.len()];
        let cut = &sample.body[shift.min(sample.body.len())..sample.body.len() - at.min(sample.body.len() - shift.min(sample.body.len()))];
        let page = &Document::new(cut, content_type(&sample.headers));
        let _ = wrong_page(&sample.answer(page));
    }
}
