//! Reading the files that a configuration consists of or names: never more than is sensible, never from something that could
//! block for ever, and never with their content in a message.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::node::Fault;
use crate::descriptors;
use crate::fingerprint::{Fingerprints, FingerprintsError};

/// The most bytes of a configuration: thousands of sites.
const CONFIG_MOST: u64 = 16 << 20;

/// The most bytes of a certificate chain, a key, a token.
const SMALL_MOST: u64 = 1 << 20;

/// The text of a configuration file.
pub(super) fn config(path: &Path) -> Result<String, Fault> {
    read(path, CONFIG_MOST, Role::Config).and_then(text)
}

/// The text of a file of origins.
pub(super) fn origins(path: &Path) -> Result<String, Fault> {
    read(path, CONFIG_MOST, Role::Origins).and_then(text)
}

/// Checks that the file holds at least one certificate, and only whole ones.
pub(super) fn certificates(path: &Path) -> Result<(), Fault> {
    let pem = read(path, SMALL_MOST, Role::Named)?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        if certificate.is_err() {
            return Err(Fault::new(format!("{} holds a damaged certificate", path.display()), PEM_CERT));
        }
        count += 1;
    }
    if count == 0 {
        return Err(Fault::new(format!("{} holds no certificate", path.display()), PEM_CERT));
    }
    Ok(())
}

const PEM_CERT: &str =
    "the file must be PEM: \"-----BEGIN CERTIFICATE-----\" and so on, the site's own certificate first";

/// Checks that the file holds a private key.
pub(super) fn private_key(path: &Path) -> Result<(), Fault> {
    let pem = read(path, SMALL_MOST, Role::Named)?;
    PrivateKeyDer::from_pem_slice(&pem).map(drop).map_err(|_| {
        let help = "the file must be PEM, without a password: \"-----BEGIN PRIVATE KEY-----\" and so on";
        Fault::new(format!("{} holds no private key", path.display()), help)
    })
}

/// Checks that snapshots can lie there: it is a folder, or can become one.
pub(super) fn state_dir(path: &Path) -> Result<(), Fault> {
    // The nearest that is there: a folder that is not is made at the start.
    let found = path.ancestors().find_map(|path| Some((path, std::fs::metadata(path).ok()?)));
    match found {
        Some((found, metadata)) if !metadata.is_dir() => {
            let message = format!("{} is not a folder, so there would be no snapshots", found.display());
            Err(Fault::new(message, "name a folder that Katahai may write to"))
        }
        Some(_) | None => Ok(()),
    }
}

/// The token in the file: one line of visible characters.
pub(super) fn token(path: &Path) -> Result<String, Fault> {
    let bytes = read(path, SMALL_MOST, Role::Named).map_err(|fault| match path.try_exists() {
        Ok(false) => {
            let help =
                format!("make one that Katahai's user may read: openssl rand -hex 32 > {}", path.display());
            Fault { help, ..fault }
        }
        Ok(true) | Err(_) => fault,
    })?;
    let token = text(bytes)?;
    let token = token.trim_ascii();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        let help = "put one line into it, such as the output of `openssl rand -hex 32`";
        return Err(Fault::new(format!("{} holds no token", path.display()), help));
    }
    Ok(token.to_owned())
}

/// The password in the file: its first line.
pub(super) fn password(path: &Path) -> Result<String, Fault> {
    let text = read(path, SMALL_MOST, Role::Named).and_then(text)?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        let help = "put the password into its first line, readable for Katahai's user alone";
        return Err(Fault::new(format!("{} holds no password", path.display()), help));
    }
    Ok(line.to_owned())
}

/// A line of a file with credentials.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credential {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) key: String,
    pub(super) value: String,
}

/// The file with credentials for the store: `KEY=value` lines, as in an environment file.
pub(super) fn credentials(path: &Path) -> Result<Vec<Credential>, Fault> {
    let text = read(path, SMALL_MOST, Role::Named).and_then(text)?;
    let mut pairs = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            let help = "write lines such as AWS_ACCESS_KEY_ID=… and AWS_SECRET_ACCESS_KEY=…";
            return Err(Fault::new(format!("line {} of {} is not KEY=value", n + 1, path.display()), help));
        };
        let value = value.trim();
        let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let (key, value) = (key.trim().to_owned(), bare.unwrap_or(value).to_owned());
        pairs.push(Credential { line: n + 1, key, value });
    }
    Ok(pairs)
}

/// Checks that the file holds keys for kept forms. What they are worth is found when the first is used.
pub(super) fn form_keys(path: &Path) -> Result<(), Fault> {
    let help = format!(
        "make one: katahai key new > {} (it must be readable for Katahai's user alone)",
        path.display()
    );
    let keys = read(path, SMALL_MOST, Role::Named).and_then(text);
    let keys =
        keys.map_err(|fault| if path.exists() { fault } else { Fault { help: help.clone(), ..fault } })?;
    if !keys.lines().any(|line| line.trim().starts_with("katahai-key-")) {
        return Err(Fault::new(format!("{} holds no key for forms", path.display()), help));
    }
    Ok(())
}

/// Fingerprints of an operator's own.
pub(super) fn fingerprints(path: &Path) -> Result<Fingerprints, Vec<Fault>> {
    let help = "docs/fingerprints.md says how to write the file";
    let fault = |what: String| Fault::new(format!("{}: {what}", path.display()), help);
    let text = read(path, SMALL_MOST, Role::Named).and_then(text).map_err(|fault| vec![fault])?;
    Fingerprints::read(&text).map_err(|error| match error {
        FingerprintsError::Syntax(error) => {
            let at = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
            vec![fault(format!("line {line}: {}", error.message().lines().next().unwrap_or_default()))]
        }
        FingerprintsError::Unusable(problems) => problems.into_iter().map(fault).collect(),
        FingerprintsError::TooMany(_) => vec![fault("it has too many words".to_owned())],
    })
}

/// Why a file is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It is the configuration. Its problems show its name; it may be a pipe (`-c <(…)`), since whoever asked for it
    /// waits for it.
    Config,
    /// It is a list of origins. Its problems show its name.
    Origins,
    /// A configuration names it, and has the problem.
    Named,
}

fn read(path: &Path, most: u64, role: Role) -> Result<Vec<u8>, Fault> {
    let subject = if role == Role::Named { format!("{} ", path.display()) } else { String::new() };
    let cannot = |error: io::Error| {
        if descriptors::is_want(&error) {
            let help = "its content is unknown for now; raise the limit on open files (LimitNOFILE=), or close some of them";
            let message = format!("{subject}cannot be read now, no file descriptor is left: {error}");
            return Fault { passing: true, ..Fault::new(message, help) };
        }
        let kind = error.kind();
        let help = if kind == io::ErrorKind::PermissionDenied {
            "let the user that runs Katahai read it"
        } else if kind == io::ErrorKind::NotFound && role == Role::Config {
            "name the configuration file with -c"
        } else if kind == io::ErrorKind::NotFound {
            "a relative path starts from the folder of the file that contains it"
        } else {
            ""
        };
        let why = if kind == io::ErrorKind::NotFound { "no such file".to_owned() } else { error.to_string() };
        Fault::new(format!("{subject}cannot be read: {why}"), help)
    };
    // Opening a pipe without a writer would wait for one, so its kind is looked at first.
    let meta = std::fs::metadata(path).map_err(cannot)?;
    if meta.is_dir() || role != Role::Config && !meta.is_file() {
        return Err(Fault::new(format!("{subject}is not a file"), ""));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > most {
        let most = bytesize::ByteSize(most).display().iec();
        return Err(Fault::new(format!("{subject}is larger than {most}"), "is it the right file?"));
    }
    Ok(bytes)
}

fn text(bytes: Vec<u8>) -> Result<String, Fault> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..good].iter().filter(|&&b| b == b'\n').count();
        Fault::new(format!("is not UTF-8 from line {line} on"), "save it as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut file, bytes).unwrap();
        file
    }

    #[test]
    fn a_text_that_is_not_utf8_names_the_line() {
        let file = file(b"a = 1\nb = \"\xff\"\n");
        assert_eq!(config(file.path()).unwrap_err().message, "is not UTF-8 from line 2 on");
    }

    #[test]
    fn what_never_ends_or_is_no_file_is_refused() {
        assert!(config(Path::new("/dev/zero")).unwrap_err().message.contains("larger than"));
        assert!(origins(Path::new("/dev/zero")).unwrap_err().message.contains("not a file"));
        assert!(config(Path::new("/")).unwrap_err().message.contains("not a file"));
        assert!(config(Path::new("/nowhere")).unwrap_err().message.contains("cannot be read"));
    }

    #[test]
    fn certificates_and_keys_are_looked_into() {
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let (cert, key) =
            (file(made.cert.pem().as_bytes()), file(made.signing_key.serialize_pem().as_bytes()));
        assert_eq!(certificates(cert.path()), Ok(()));
        assert_eq!(private_key(key.path()), Ok(()));
        assert!(certificates(key.path()).unwrap_err().message.contains("no certificate"));
        assert!(private_key(cert.path()).unwrap_err().message.contains("no private key"));
        let damaged = file(made.cert.pem().replace("MI", "M*").as_bytes());
        assert!(certificates(damaged.path()).unwrap_err().message.contains("damaged"));
    }

    #[test]
    fn a_token_is_one_visible_line() {
        assert_eq!(token(file(b"s3cret-token\n").path()), Ok("s3cret-token".to_owned()));
        for bad in [&b""[..], b" \n", b"two\nlines", b"two words", b"\x00\x01"] {
            assert!(token(file(bad).path()).is_err(), "{bad:?}");
        }
        let missing = token(Path::new("/nosuch/token")).unwrap_err();
        assert!(missing.message.ends_with("no such file"), "{}", missing.message);
        assert!(missing.help.ends_with("openssl rand -hex 32 > /nosuch/token"), "{}", missing.help);
    }
}
