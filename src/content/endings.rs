//! Endings of file names: the media types that they stand for, and those of pages that a program makes.

/// Pages have no ending, or one of these (lower case).
const PAGES: [&str; 14] =
    ["asp", "aspx", "cfm", "cgi", "do", "htm", "html", "jsp", "php", "php5", "phtml", "pl", "shtml", "xhtml"];

/// Whether it is an ending of pages, in any case.
pub fn is_of_pages(ending: &str) -> bool {
    PAGES.iter().any(|page| ending.eq_ignore_ascii_case(page))
}

/// What servers mean by an ending (lower case). Without parameters.
pub fn of_ending(ending: &str) -> Option<&'static str> {
    TYPES.binary_search_by_key(&ending, |(known, _)| known).ok().map(|at| TYPES[at].1)
}

/// The ending for a type, for files that have to be given a name.
pub fn ending(essence: &str) -> &'static str {
    let preferred = match essence {
        "text/html" => Some("html"),
        "image/jpeg" => Some("jpg"),
        "text/javascript" | "application/javascript" => Some("js"),
        "text/plain" => Some("txt"),
        "text/xml" | "application/xml" => Some("xml"),
        _ => TYPES.iter().find(|(_, known)| *known == essence).map(|(ending, _)| *ending),
    };
    preferred.unwrap_or("bin")
}

/// The ending of a file's name, in lower case.
pub fn ending_of(name: &str) -> Option<String> {
    let last = name.rsplit('/').next().unwrap_or(name);
    let (_, ending) = last.rsplit_once('.')?;
    Some(ending.to_ascii_lowercase())
}

/// Sorted by the ending.
const TYPES: &[(&str, &str)] = &[
    ("avi", "video/x-msvideo"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("eot", "application/vnd.ms-fontobject"),
    ("epub", "application/epub+zip"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ico", "image/x-icon"),
    ("ics", "text/calendar"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("m4a", "audio/mp4"),
    ("m4v", "video/mp4"),
    ("map", "application/json"),
    ("md", "text/markdown"),
    ("mjs", "text/javascript"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("mpeg", "video/mpeg"),
    ("ogg", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("otf", "font/otf"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("rss", "application/rss+xml"),
    ("svg", "image/svg+xml"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("ttf", "font/ttf"),
    ("txt", "text/plain"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webmanifest", "application/manifest+json"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xhtml", "application/xhtml+xml"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_searched() {
        assert!(TYPES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!((of_ending("html"), of_ending("x")), (Some("text/html"), None));
        assert_eq!((ending("image/png"), ending("text/html"), ending("x/y")), ("png", "html", "bin"));
        assert_eq!((ending_of("a/b.C"), ending_of("a.b/c")), (Some("c".to_owned()), None));
    }
}
