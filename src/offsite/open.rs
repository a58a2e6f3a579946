//! From the configuration to the store.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use super::connector::{Connector, Tools};
use super::fault::{FaultKind, StoreFault};
use super::remote::Remote;
use crate::config::load_credentials;
use crate::config::remote::{RemoteStore, StoreUrl};
use crate::disk;

/// What the library tries again by itself: for seconds. For days is up to those who use it.
fn retries() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(3),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries: 4, retry_timeout: Duration::from_secs(15) }
}

/// The region that the environment names, for credentials that come from a file without one: the library then asks it for nothing.
fn region_around(given: &[(String, String)], named: impl Fn(&str) -> Option<String>) -> Option<String> {
    let is_region = |key: &str| key.to_ascii_lowercase().ends_with("region");
    if given.is_empty() || given.iter().any(|(key, _)| is_region(key)) {
        return None;
    }
    let mut found = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().filter_map(named);
    found.find(|region| !region.is_empty())
}

/// Opens the store that the configuration names. Nothing is asked of it yet.
///
/// # Errors
/// When its credentials cannot be read, its settings do not go together, or its folder is not there.
pub fn open(config: &RemoteStore, tools: Tools) -> Result<Remote, StoreFault> {
    let given = match &config.credentials_file {
        Some(file) => load_credentials(file, &config.at).map_err(|problems| {
            StoreFault::new(FaultKind::NoCredentials, problems.to_string().trim().to_owned())
        })?,
        None => Vec::new(),
    };
    let around = |name: &str| std::env::var(name).ok();
    let connector = Connector::new(tools);
    let failed = |error: object_store::Error| StoreFault::of(&error);
    let endpoint = config.endpoint.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
    let is_clear = config.endpoint.as_ref().is_some_and(|url| url.scheme() == "http");
    match &config.at {
        StoreUrl::S3 { bucket, prefix } => {
            let mut builder =
                if given.is_empty() { AmazonS3Builder::from_env() } else { AmazonS3Builder::new() };
            for (key, value) in &given {
                if let Ok(key) = key.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
                    builder = builder.with_config(key, value);
                }
            }
            if let Some(region) = config.region.clone().or_else(|| region_around(&given, around)) {
                builder = builder.with_region(region);
            }
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint);
            }
            let builder = builder
                .with_bucket_name(bucket)
                .with_allow_http(is_clear)
                .with_conditional_put(S3ConditionalPut::ETagMatch)
                .with_retry(retries())
                .with_http_connector(connector);
            Ok(Remote::new(Arc::new(builder.build().map_err(failed)?), None, prefix))
        }
        StoreUrl::Gcs { bucket, prefix } => {
            let mut builder = if given.is_empty() {
                GoogleCloudStorageBuilder::from_env()
            } else {
                GoogleCloudStorageBuilder::new()
            };
            for (key, value) in &given {
                if let Ok(key) = key.to_ascii_lowercase().parse::<GoogleConfigKey>() {
                    builder = builder.with_config(key, value);
                }
            }
            let builder =
                builder.with_bucket_name(bucket).with_retry(retries()).with_http_connector(connector);
            Ok(Remote::new(Arc::new(builder.build().map_err(failed)?), None, prefix))
        }
        StoreUrl::Azure { container, prefix } => {
            let mut builder = if given.is_empty() {
                MicrosoftAzureBuilder::from_env()
            } else {
                MicrosoftAzureBuilder::new()
            };
            for (key, value) in &given {
                if let Ok(key) = key.to_ascii_lowercase().parse::<AzureConfigKey>() {
                    builder = builder.with_config(key, value);
                }
            }
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint).with_allow_http(is_clear);
            }
            let builder =
                builder.with_container_name(container).with_retry(retries()).with_http_connector(connector);
            Ok(Remote::new(Arc::new(builder.build().map_err(failed)?), None, prefix))
        }
        StoreUrl::Folder(folder) => {
            let io = |error: std::io::Error| {
                StoreFault::new(FaultKind::Folder, format!("{}: {error}", folder.display()))
            };
            // Not made: a mount that is missing would be taken for an empty store.
            disk::check_writable(folder).map_err(io)?;
            let local = LocalFileSystem::new_with_prefix(folder).map_err(failed)?.with_fsync(true);
            let store: Arc<dyn ObjectStore> = Arc::new(local);
            Ok(Remote::new(store, Some(folder.clone()), ""))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_around_counts_beside_a_file_that_names_none() {
        let pairs =
            |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), "x".to_owned())).collect::<Vec<_>>();
        let around = |set: &'static [(&str, &str)]| {
            move |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, region)| (*region).to_owned())
        };
        const BOTH: &[(&str, &str)] = &[("AWS_REGION", "osaka"), ("AWS_DEFAULT_REGION", "tokyo")];
        for (keys, set, expected) in [
            (&["AWS_ACCESS_KEY_ID"] as &[&str], BOTH, Some("osaka")),
            (&["AWS_ACCESS_KEY_ID"], &[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "tokyo")], Some("tokyo")),
            (&["AWS_ACCESS_KEY_ID"], &[], None),
            (&["AWS_ACCESS_KEY_ID", "aws_region"], BOTH, None),
            // The library asks it itself.
            (&[], BOTH, None),
        ] {
            assert_eq!(region_around(&pairs(keys), around(set)).as_deref(), expected, "{keys:?} {set:?}");
        }
    }

    #[test]
    fn every_key_that_the_file_may_have_is_one_of_the_library() {
        let (bucket, prefix) = ("bucket".to_owned(), String::new());
        let s3 = StoreUrl::S3 { bucket: bucket.clone(), prefix: prefix.clone() };
        let gcs = StoreUrl::Gcs { bucket: bucket.clone(), prefix: prefix.clone() };
        let azure = StoreUrl::Azure { container: bucket, prefix };
        let lower = |at: &StoreUrl| {
            at.credential_keys().iter().map(|key| key.to_ascii_lowercase()).collect::<Vec<_>>()
        };
        assert!(lower(&s3).iter().all(|key| key.parse::<AmazonS3ConfigKey>().is_ok()));
        assert!(lower(&gcs).iter().all(|key| key.parse::<GoogleConfigKey>().is_ok()));
        assert!(lower(&azure).iter().all(|key| key.parse::<AzureConfigKey>().is_ok()));
    }
}
