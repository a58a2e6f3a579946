//! `credentials_file` in `[store]`: which keys its provider knows. One that is misspelt would be as if it were not there, and the
//! store would say only that nobody has said who asks.

use std::path::Path;

use super::files::{self, Credential};
use super::node::Fault;
use super::remote::StoreUrl;

/// Of Amazon's, and of what speaks like it.
const AWS: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE_KMS_KEY_ID",
    "AWS_SSE_BUCKET_KEY_ENABLED",
    "AWS_REQUEST_PAYER",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
];
/// Of Google's.
const GOOGLE: &[&str] = &[
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
];
/// Of Azure.
const AZURE: &[&str] = &[
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_CLIENT_ID",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_STORAGE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_TENANT_ID",
    "AZURE_STORAGE_AUTHORITY_HOST",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_MSI_ENDPOINT",
    "AZURE_OBJECT_ID",
    "AZURE_MSI_RESOURCE_ID",
    "AZURE_STORAGE_USE_EMULATOR",
];

impl StoreUrl {
    /// The keys that the file with its credentials may have; of a folder, none.
    pub fn credential_keys(&self) -> &'static [&'static str] {
        match self {
            StoreUrl::S3 { .. } => AWS,
            StoreUrl::Gcs { .. } => GOOGLE,
            StoreUrl::Azure { .. } => AZURE,
            StoreUrl::Folder(_) => &[],
        }
    }
}

/// The pairs of the file, if the provider knows all of their keys.
pub(super) fn read(path: &Path, at: &StoreUrl) -> Result<Vec<(String, String)>, Fault> {
    let pairs = files::credentials(path)?;
    let known = at.credential_keys();
    let is_known = |key: &str| known.iter().any(|known| known.eq_ignore_ascii_case(key));
    let unknown: Vec<String> = pairs.iter().filter(|one| !is_known(&one.key)).map(named).collect();
    if unknown.is_empty() || known.is_empty() {
        return Ok(pairs.into_iter().map(|Credential { key, value, .. }| (key, value)).collect());
    }
    let message = format!("{} has keys that {at} does not know: {}", path.display(), unknown.join(", "));
    Err(Fault::new(message, format!("write lines KEY=value; known keys are {}", known.join(", "))))
}

/// A key as it may be told. A secret that was pasted alone, or after a colon, stands before the first `=`, too: then only the line
/// is named.
fn named(Credential { line, key, value }: &Credential) -> String {
    let is_name = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    let is_ours = ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| key.starts_with(prefix));
    let has_value = value.bytes().any(|b| b != b'=');
    match is_ours && has_value && key.len() <= 64 && key.bytes().all(is_name) {
        true => format!("\"{key}\""),
        false => format!("line {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk;

    #[test]
    fn every_unknown_key_is_named_and_no_value_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("store.env");
        let s3 = StoreUrl::S3 { bucket: "bucket".to_owned(), prefix: String::new() };
        let gcs = StoreUrl::Gcs { bucket: "bucket".to_owned(), prefix: String::new() };
        let read = |text: &str, at: &StoreUrl| {
            disk::write_atomic(&file, text.as_bytes()).unwrap();
            read(&file, at)
        };
        let good = "# of the console\nexport AWS_ACCESS_KEY_ID=\"a\"\naws_secret_access_key = b=\n\n";
        let pairs = [("AWS_ACCESS_KEY_ID", "a"), ("aws_secret_access_key", "b=")];
        assert_eq!(read(good, &s3).unwrap(), pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let bad = "AWS_ACCESS_KEY=hidden\nAWS_SECRET_ACCESS_KEY=hidden\nAWS_PROFILE=hidden\n";
        let fault = read(bad, &s3).unwrap_err();
        assert!(fault.message.contains("\"AWS_ACCESS_KEY\", \"AWS_PROFILE\""), "{}", fault.message);
        assert!(fault.help.contains("AWS_ACCESS_KEY_ID") && !fault.message.contains("hidden"));
        // A key of Azure alone, a colon for "=", and what only looks like a key: the secret is what stands before the first "=".
        for text in [
            "# pasted\nc2VjcmV0c2VjcmV0==\n",
            "# pasted\nAWS_SECRET_ACCESS_KEY: SECRET=def",
            "# pasted\nAWS_SECRET==",
            "# pasted\nSECRET_KEY=x",
            "# pasted\naws_c2VjcmV0=x",
        ] {
            let fault = read(text, &s3).unwrap_err();
            assert!(fault.message.ends_with("does not know: line 2"), "{}", fault.message);
        }
        assert!(read(good, &gcs).unwrap_err().help.contains("GOOGLE_SERVICE_ACCOUNT"));
        assert!(read("AWS_ACCESS_KEY_ID", &s3).unwrap_err().message.contains("line 1"));
        assert!(read(bad, &StoreUrl::Folder("/mnt".into())).is_ok(), "a folder asks for none");
    }
}
