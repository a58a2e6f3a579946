//! Playlists of HTTP Live Streaming (RFC 8216): the other qualities, the segments, the keys. Those of a recording; the
//! segments of what is broadcast just now are gone before anyone could play their copy.

/// Addresses of one playlist: ten hours in pieces of six seconds.
const MAX_URLS: usize = 6000;

/// The addresses that a playlist names, as written.
pub fn urls(text: &str) -> Vec<String> {
    let text = text.trim_start_matches('\u{FEFF}');
    if !text.starts_with("#EXTM3U") {
        return Vec::new();
    }
    let is_of_segments = text.contains("#EXTINF");
    let is_whole = text.contains("#EXT-X-ENDLIST") || text.contains("#EXT-X-PLAYLIST-TYPE:VOD");
    if is_of_segments && !is_whole {
        return Vec::new();
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let urls = lines.filter_map(|line| match line.strip_prefix('#') {
        None => Some(line),
        // #EXT-X-KEY, #EXT-X-MAP, #EXT-X-MEDIA, #EXT-X-I-FRAME-STREAM-INF
        Some(tag) => tag.split_once("URI=\"").and_then(|(_, rest)| rest.split('"').next()),
    });
    urls.filter(|url| !url.is_empty()).take(MAX_URLS).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualities_segments_and_keys_are_found() {
        let master = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"a/a.m3u8\",NAME=\"ja\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\r\n\n#EXT-X-STREAM-INF:BANDWIDTH=2\nhigh.m3u8?x=1\n";
        assert_eq!(urls(master), ["a/a.m3u8", "low.m3u8", "high.m3u8?x=1"]);
        let segments = "#EXT-X-KEY:METHOD=AES-128,URI=\"k.bin\"\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:6,\n1.ts\n#EXTINF:6,\n2.ts\n";
        let recording = format!("\u{FEFF}#EXTM3U\n{segments}#EXT-X-ENDLIST\n");
        assert_eq!(urls(&recording), ["k.bin", "init.mp4", "1.ts", "2.ts"]);
        assert_eq!(urls(&format!("#EXTM3U\n{segments}")), [""; 0], "a broadcast");
        assert_eq!(urls("1.ts\n2.ts"), [""; 0], "no playlist");
    }
}
