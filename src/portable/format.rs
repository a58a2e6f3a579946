//! The shapes that a snapshot may have outside.

use std::path::Path;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A folder that any static server can serve.
    Folder,
    /// The same in a tar file.
    Tar,
    /// The same, packed with gzip.
    TarGz,
    /// WARC/1.1 (ISO 28500:2017), not packed.
    Warc,
    /// WARC/1.1, each record packed by itself.
    WarcGz,
    /// WACZ 1.1.1.
    Wacz,
}

impl Format {
    /// What the ending of a path asks for; a folder when it says nothing.
    pub fn of(path: &Path) -> Format {
        let name =
            path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let endings = [
            (".warc.gz", Format::WarcGz),
            (".warc", Format::Warc),
            (".wacz", Format::Wacz),
            (".tar.gz", Format::TarGz),
            (".tgz", Format::TarGz),
            (".tar", Format::Tar),
        ];
        let found = endings.iter().find(|(ending, _)| name.len() > ending.len() && name.ends_with(ending));
        found.map_or(Format::Folder, |(_, format)| *format)
    }

    /// The word for it in summaries.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Folder => "dir",
            Format::Tar => "tar",
            Format::TarGz => "tar.gz",
            Format::Warc => "warc",
            Format::WarcGz => "warc.gz",
            Format::Wacz => "wacz",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_says_the_format() {
        for (path, expected) in [
            ("a.tar", Format::Tar),
            ("/x/a.TGZ", Format::TarGz),
            ("a.b.tar.gz", Format::TarGz),
            ("a.warc", Format::Warc),
            ("a.warc.gz", Format::WarcGz),
            ("a.wacz", Format::Wacz),
            ("a.gz", Format::Folder),
            (".tar", Format::Folder),
            ("site/", Format::Folder),
            ("/", Format::Folder),
        ] {
            assert_eq!(Format::of(Path::new(path)), expected, "{path}");
        }
    }
}
