//! `[store]`: the copy outside this machine, which all regions share.

use std::path::PathBuf;

use url::Url;

use super::check::Context;
use super::files;
use super::node::{Fault, Notes, Spanned, shown};
use super::value::texts;
use super::{credentials, defaults, raw};

/// `[store]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteStore {
    /// Where it is.
    pub at: StoreUrl,
    /// Of what speaks like S3, Azure or Google; `None`: the provider's own.
    pub endpoint: Option<Url>,
    /// The provider's name for where the bucket is; `None`: what the environment says.
    pub region: Option<String>,
    /// `KEY=value` lines; `None`: the provider's usual environment variables and instance roles.
    pub credentials_file: Option<PathBuf>,
    /// Whether this instance may crawl.
    pub crawl: StoreCrawl,
    /// What becomes of a form that the store does not take in time.
    pub forms: StoreForms,
    /// The keys that seal what is personal in the store, and sign the rest.
    pub key_file: Option<PathBuf>,
    /// What this instance is called; `None`: by its host's name.
    pub instance: Option<String>,
    /// Where this instance is, for people; `None`: as the instance is called.
    pub place: Option<String>,
    /// Bytes a second that are sent to the store at most, but for forms and what is small; `None`: no limit.
    pub push_rate: Option<u64>,
}

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// Amazon's, and what speaks like it.
    S3 {
        /// Its bucket.
        bucket: String,
        /// What all names begin with, without slashes around it; may be empty.
        prefix: String,
    },
    /// Google Cloud Storage.
    Gcs {
        /// Its bucket.
        bucket: String,
        /// As for S3.
        prefix: String,
    },
    /// Azure Blob Storage.
    Azure {
        /// Its container.
        container: String,
        /// As for S3.
        prefix: String,
    },
    /// A folder of this machine that others see, too.
    Folder(PathBuf),
}

impl std::fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (scheme, bucket, prefix) = match self {
            StoreUrl::S3 { bucket, prefix } => ("s3", bucket, prefix),
            StoreUrl::Gcs { bucket, prefix } => ("gs", bucket, prefix),
            StoreUrl::Azure { container, prefix } => ("az", container, prefix),
            StoreUrl::Folder(folder) => return write!(f, "file://{}", folder.display()),
        };
        let slash = if prefix.is_empty() { "" } else { "/" };
        write!(f, "{scheme}://{bucket}{slash}{prefix}")
    }
}

/// Who crawls, of all that share a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreCrawl {
    /// Whoever holds the lease.
    Auto,
    /// Never this instance.
    Never,
}

/// What becomes of a form that the store does not take in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreForms {
    /// It is kept on this machine alone until the store answers, and the operator is told.
    Warn,
    /// Its visitor is told that it did not arrive.
    Refuse,
}

/// Where the store is, as it is written; `None` if nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StoreAt(pub(super) Option<StoreUrl>);

/// An address of what speaks like S3; `None` if nothing is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Endpoint(pub(super) Option<Url>);

/// What an instance is called; `None` if nothing is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct InstanceName(pub(super) Option<String>);

/// So much a second; `None` for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bandwidth(pub(super) Option<u64>);

texts! {
    StoreAt: "a URL such as \"s3://bucket/katahai\"", store_at;
    Endpoint: "a URL such as \"https://s3.example.jp\"", endpoint;
    InstanceName: "a name such as \"osaka-1\"", instance_name;
    StoreCrawl: "\"auto\" or \"never\"", store_crawl;
    StoreForms: "\"warn\" or \"refuse\"", store_forms;
    Bandwidth: "a rate such as \"16MiB/s\"", bandwidth;
}

fn store_at(text: &str) -> Result<StoreAt, Fault> {
    if text.is_empty() {
        return Ok(StoreAt(None));
    }
    let example = "write \"s3://bucket/prefix\", \"gs://bucket/prefix\", \"az://container/prefix\" or \"file:///mnt/other\"";
    let not = |what: &str| Fault::new(format!("{} {what}", shown(text)), example);
    let url = Url::parse(text).map_err(|_| not("is not a URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Fault::new(
            "the URL of the store holds a key or a password",
            "put them into a file of its own and name it: credentials_file = \"…\"",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() || url.port().is_some() {
        return Err(not("has more than a bucket and a prefix"));
    }
    let prefix =
        percent_encoding::percent_decode_str(url.path()).decode_utf8().map_err(|_| not("is not UTF-8"))?;
    let prefix = prefix.trim_matches('/').to_owned();
    if prefix.split('/').any(|part| matches!(part, "." | "..")) || prefix.contains("//") {
        return Err(not("has an empty part, or one of dots, in its prefix"));
    }
    let bucket = || {
        let bucket = url.host_str().unwrap_or_default();
        let is_name = bucket.len() >= 3
            && bucket.len() <= 63
            && bucket
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_'));
        if is_name {
            Ok(bucket.to_owned())
        } else {
            Err(not("names no bucket (3 to 63 of a-z, 0-9, \"-\", \".\" and \"_\")"))
        }
    };
    Ok(StoreAt(Some(match url.scheme() {
        "s3" => StoreUrl::S3 { bucket: bucket()?, prefix },
        "gs" => StoreUrl::Gcs { bucket: bucket()?, prefix },
        "az" => StoreUrl::Azure { container: bucket()?, prefix },
        "file" => {
            let folder = url.to_file_path().ok().filter(|folder| folder.parent().is_some());
            StoreUrl::Folder(folder.ok_or_else(|| not("names no folder"))?)
        }
        _ => return Err(not("is no store that Katahai knows")),
    })))
}

fn endpoint(text: &str) -> Result<Endpoint, Fault> {
    if text.is_empty() {
        return Ok(Endpoint(None));
    }
    let fault = || {
        Fault::new(
            format!("{} is not an address of a store", shown(text)),
            "write \"https://host\" or \"http://host:port\"",
        )
    };
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url =
        url.filter(|url| url.host_str().is_some_and(|host| !host.is_empty()) && url.username().is_empty());
    let url =
        url.filter(|url| url.query().is_none() && url.fragment().is_none() && matches!(url.path(), "" | "/"));
    url.map(|url| Endpoint(Some(url))).ok_or_else(fault)
}

fn instance_name(text: &str) -> Result<InstanceName, Fault> {
    if text.is_empty() {
        return Ok(InstanceName(None));
    }
    let is_name = text.len() <= 64
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        && !text.starts_with('.');
    let help = "write 1 to 64 letters, digits, \"-\", \".\" and \"_\", as in \"osaka-1\"";
    if is_name {
        Ok(InstanceName(Some(text.to_owned())))
    } else {
        Err(Fault::new(format!("{} cannot be the name of an instance", shown(text)), help))
    }
}

fn store_crawl(text: &str) -> Result<StoreCrawl, Fault> {
    match text {
        "auto" => Ok(StoreCrawl::Auto),
        "never" => Ok(StoreCrawl::Never),
        _ => {
            let help =
                "write \"auto\" (whoever holds the lease crawls) or \"never\" (this instance only serves)";
            Err(Fault::new(format!("{} does not say who crawls", shown(text)), help))
        }
    }
}

fn store_forms(text: &str) -> Result<StoreForms, Fault> {
    match text {
        "warn" => Ok(StoreForms::Warn),
        "refuse" => Ok(StoreForms::Refuse),
        _ => {
            let help = "write \"warn\" (kept on this machine until the store answers) or \"refuse\" (a 503 for the visitor)";
            Err(Fault::new(
                format!("{} does not say what happens to a form that the store does not take", shown(text)),
                help,
            ))
        }
    }
}

fn bandwidth(text: &str) -> Result<Bandwidth, Fault> {
    if text == "off" {
        return Ok(Bandwidth(None));
    }
    let help = "write how much in a second, as in \"16MiB/s\", or \"off\" for no limit";
    let fault = || Fault::new(format!("{} is not a rate of bytes", shown(text)), help);
    let size = text.strip_suffix("/s").ok_or_else(fault)?;
    let size: bytesize::ByteSize = size.trim().parse().map_err(|_| fault())?;
    match size.as_u64() {
        0..1024 => {
            Err(Fault::new(format!("{} is too slow for any copy", shown(text)), "write at least \"1KiB/s\""))
        }
        bytes => Ok(Bandwidth(Some(bytes))),
    }
}

/// The name of a list of origins in the store: never that of anything else that lies there.
pub(super) fn list_name(text: &str) -> Result<String, Fault> {
    let is_plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
    };
    let is_name = text.len() <= 200 && text.ends_with(".toml") && text.split('/').all(is_plain);
    let help = "write letters, digits, \"-\", \".\", \"_\" and \"/\", and \".toml\" at the end, as in \"store:shop/origins.toml\"";
    if is_name {
        Ok(text.to_owned())
    } else {
        Err(Fault::new(format!("{} cannot be the name of a list in the store", shown(text)), help))
    }
}

/// Why such a store has no address of its own; `None`: it may have one.
fn no_endpoint(at: &StoreUrl) -> Option<Fault> {
    match at {
        StoreUrl::S3 { .. } | StoreUrl::Azure { .. } => None,
        StoreUrl::Gcs { .. } => Some(Fault::new(
            "Google Cloud Storage is always asked at its own address, so \"gs://\" takes no endpoint",
            "remove it, or write \"s3://\" for a store that speaks like S3",
        )),
        StoreUrl::Folder(_) => {
            Some(Fault::new("a folder has no endpoint", "remove it, or write the URL of a bucket"))
        }
    }
}

/// What is said of the store; `None` if there is none.
pub(super) fn store(raw: raw::Store, context: &Context<'_>, notes: &mut Notes) -> Option<RemoteStore> {
    let key_file = context.file(raw.key_file);
    if let Some(at) = &key_file
        && let Err(fault) = files::form_keys(&at.value)
    {
        notes.degraded(&at.span, fault);
    }
    let credentials_file = context.file(raw.credentials_file);
    let endpoint = raw.endpoint.here();
    let Spanned { value: StoreAt(at), .. } = raw.url.here()?;
    let at = at?;
    if let Some(file) = &credentials_file
        && let Err(fault) = credentials::read(&file.value, &at)
    {
        notes.degraded(&file.span, fault);
    }
    if let Some(endpoint) = endpoint.as_ref().filter(|endpoint| endpoint.value.0.is_some())
        && let Some(fault) = no_endpoint(&at)
    {
        notes.error(&endpoint.span, fault);
    }
    let path = |at: Option<Spanned<PathBuf>>| at.map(|at| at.value);
    let region = raw.region.or_default();
    Some(RemoteStore {
        at,
        endpoint: endpoint.and_then(|endpoint| endpoint.value.0),
        region: (!region.is_empty()).then_some(region),
        credentials_file: path(credentials_file),
        crawl: raw.crawl.or(StoreCrawl::Auto),
        forms: raw.forms.or(StoreForms::Warn),
        key_file: path(key_file),
        instance: raw.instance.or_default().0,
        place: raw.place.or_default().0,
        push_rate: raw.push_rate.or(Bandwidth(Some(defaults::PUSH_RATE))).0,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Env, Problems, from_text};

    fn said<T: std::fmt::Debug>(read: Result<T, Fault>) -> String {
        read.map_or_else(|fault| format!("{} ({})", fault.message, fault.help), |value| format!("{value:?}"))
    }

    #[test]
    fn where_a_store_is() {
        for (text, expected) in [
            ("s3://bucket/a/b/", "s3://bucket/a/b"),
            ("s3://my_bucket.x-1", "s3://my_bucket.x-1"),
            ("s3://bucket/%E5%BA%97", "s3://bucket/店"),
            ("gs://bucket/a", "gs://bucket/a"),
            ("az://container", "az://container"),
            ("file:///mnt/other", "file:///mnt/other"),
        ] {
            let StoreAt(at) = store_at(text).unwrap();
            assert_eq!(at.unwrap().to_string(), expected);
        }
        assert_eq!(store_at("").unwrap(), StoreAt(None));
        for (text, words) in [
            ("bucket", "is not a URL"),
            ("ftp://bucket", "no store that Katahai knows"),
            ("s3://key:secret@bucket", "credentials_file"),
            ("s3://ab", "names no bucket"),
            ("s3://Bucket!", "names no bucket"),
            ("s3://bucket/a?b=c", "more than a bucket and a prefix"),
            ("s3://bucket:9000/a", "more than a bucket and a prefix"),
            ("s3://bucket/a//b", "an empty part"),
            ("s3://bucket/%FF", "is not UTF-8"),
            ("file:///", "names no folder"),
        ] {
            let told = said(store_at(text));
            assert!(told.contains(words), "{text}: {told}");
            assert!(!told.contains("secret"), "{told}");
        }
    }

    #[test]
    fn single_values() {
        for (told, words) in [
            (said(endpoint("http://127.0.0.1:9000/")), "127.0.0.1"),
            (said(endpoint("https://s3.example.jp")), "s3.example.jp"),
            (said(endpoint("")), "None"),
            (said(endpoint("s3.example.jp")), "not an address"),
            (said(endpoint("https://user@s3.example.jp")), "not an address"),
            (said(endpoint("https://s3.example.jp/path")), "not an address"),
            (said(instance_name("osaka-1")), "osaka-1"),
            (said(instance_name("")), "None"),
            (said(instance_name(".hidden")), "cannot be the name"),
            (said(instance_name("大阪")), "cannot be the name"),
            (said(instance_name(&"a".repeat(65))), "cannot be the name"),
            (said(store_crawl("never")), "Never"),
            (said(store_crawl("always")), "does not say who crawls"),
            (said(store_forms("refuse")), "Refuse"),
            (said(store_forms("")), "does not say what happens"),
            (said(bandwidth("off")), "None"),
            (said(bandwidth("2MiB/s")), "Some(2097152)"),
            (said(bandwidth("2MiB")), "not a rate"),
            (said(bandwidth("1/s")), "too slow"),
            (said(list_name("shop/origins.toml")), "shop/origins.toml"),
            (said(list_name("../origins.toml")), "cannot be the name of a list"),
            (said(list_name("shop/origins.json")), "cannot be the name of a list"),
            (said(list_name("/origins.toml")), "cannot be the name of a list"),
        ] {
            assert!(told.contains(words), "{told}: {words}");
        }
    }

    fn of(store: &str, dir: &Path) -> Result<(RemoteStore, Problems), Problems> {
        let text = format!("[store]\n{store}\n[[site]]\nhosts = [\"www.example.jp\"]\n");
        let (config, problems) = from_text(&text, &dir.join("katahai.toml"), &Env::default())?;
        Ok((config.store.unwrap(), problems))
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let at = "endpoint = \"http://127.0.0.1:9000\"";
        assert!(of(&format!("url = \"s3://bucket\"\n{at}"), dir.path()).is_ok());
        assert!(of(&format!("url = \"az://bucket\"\n{at}"), dir.path()).is_ok());
        for (url, words) in
            [("gs://bucket", "at its own address"), ("file:///mnt", "a folder has no endpoint")]
        {
            let told = of(&format!("url = \"{url}\"\n{at}"), dir.path()).unwrap_err().to_string();
            assert!(told.contains(words), "{told}");
        }
        // A file that cannot be used keeps nothing from starting.
        let (store, problems) =
            of("url = \"s3://bucket\"\ncredentials_file = \"store.env\"", dir.path()).unwrap();
        assert!(problems.to_string().contains("store.env"), "{problems}");
        let file = store.credentials_file.unwrap();
        crate::disk::write_atomic(&file, b"AWS_ACCESS_KEY=a\n").unwrap();
        let (_, problems) =
            of("url = \"s3://bucket\"\ncredentials_file = \"store.env\"", dir.path()).unwrap();
        assert!(problems.to_string().contains("AWS_ACCESS_KEY_ID"), "{problems}");
    }
}
