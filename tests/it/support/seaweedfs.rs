//! SeaweedFS as an S3 server: a store that people run, with another idea of S3 than moto's. It checks signatures.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::nginx::free_port;

/// One key that may do all. Who does not sign may, too: that is how tests look past the door.
const WHO: &str = r#"{"identities":[
    {"name":"katahai","credentials":[{"accessKey":"katahai","secretKey":"katahai-secret"}],"actions":["Admin"]},
    {"name":"anonymous","actions":["Admin"]}
]}"#;

/// How it is started, where it will speak S3, and the folder with all that it has.
pub fn command() -> (Command, SocketAddr, tempfile::TempDir) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/s3/bin/weed");
    assert!(program.exists(), "run tests/run once, it installs what the tests need");
    let (dir, s3) = (tempfile::tempdir().unwrap(), free_port());
    let place = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(dir.path().join("s3.json"), WHO).unwrap();
    let mut command = Command::new(program);
    command.args(["-logtostderr=true", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"]);
    // it would count itself to its makers
    command.arg("-master.telemetry=false");
    command.args(["-volume.max=10", "-master.volumeSizeLimitMB=64", "-volume.minFreeSpace=1"]);
    command.args(["-s3.port.iceberg=0", "-s3.port.lance=0"]);
    command.arg(format!("-s3.port={}", s3.port()));
    for of in ["master.port", "volume.port", "filer.port", "s3.port"] {
        if of != "s3.port" {
            command.arg(format!("-{of}={}", free_port().port()));
        }
        command.arg(format!("-{of}.grpc={}", free_port().port()));
    }
    for (of, name) in [
        ("dir", "."),
        ("s3.config", "s3.json"),
        ("filer.localSocket", "filer.sock"),
        ("s3.localSocket", "s3.sock"),
    ] {
        command.arg(format!("-{of}={}", place(name)));
    }
    command.current_dir(&dir);
    (command, s3, dir)
}
