//! A real browser: what it shows of a page, and what the page became.

use std::path::Path;
use std::process::Command;

use super::process::run;
use super::wait::secs;

/// What a page has come to once its scripts and files had come.
pub struct Shown {
    /// The document as it stood then.
    pub dom: String,
    /// Its picture: width, height, and the bytes of its pixels.
    pub picture: (u32, u32, Vec<u8>),
}

/// Opens a page in a browser that nobody has used before, in a window so tall that all of the page is seen: what is
/// loaded late is loaded then. `resolve` says where names lead; others lead nowhere, so that the browser's own errands
/// end at once.
pub async fn open(url: &str, resolve: &str) -> Shown {
    assert!(
        Path::new("/usr/bin/chromium").exists(),
        "chromium is missing: run tests/run once, it installs what the tests need"
    );
    let profile = tempfile::tempdir().unwrap();
    let picture = profile.path().join("page.png");
    let mut command = Command::new("chromium");
    command
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-extensions",
        ])
        .args(["--disable-default-apps", "--no-default-browser-check", "--hide-scrollbars", "--lang=ja"])
        .args(["--force-device-scale-factor=1", "--window-size=1000,3000", "--timeout=30000"])
        // Waits for what is on its way, and lets no clock of this machine decide what is in the picture.
        .args(["--virtual-time-budget=8000", "--dump-dom"])
        .arg(format!("--screenshot={}", picture.display()))
        .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
        .arg(format!("--host-resolver-rules={resolve}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
        .arg(url)
        .env("HOME", profile.path());
    let said = run(command, secs(90)).await;
    assert_eq!(said.code, 0, "{}", said.err);
    Shown { dom: said.out, picture: pixels(&std::fs::read(&picture).expect("a picture")) }
}

fn pixels(png: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    pixels.truncate(info.buffer_size());
    (info.width, info.height, pixels)
}

/// A square of one colour with a mark, the same for the same name.
pub fn square(name: &[u8]) -> Vec<u8> {
    const SIDE: u32 = 32;
    let seed = name
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    let [r, g, b, mark, ..] = seed.to_be_bytes();
    let pixels: Vec<u8> = (0..SIDE * SIDE)
        .flat_map(|at| if (at ^ (at / SIDE)) & 8 == u32::from(mark & 8) { [r, g, b] } else { [b, r, g] })
        .collect();
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, SIDE, SIDE);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    out
}
