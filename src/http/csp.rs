//! What a Content-Security-Policy lets be put into a page (W3C Content Security Policy Level 3).

use http::HeaderMap;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY};

/// Whether a policy (or several, separated by commas) lets a `<style>` element without a nonce apply. Where a list has a nonce
/// or a hash, `'unsafe-inline'` counts for nothing in it (section 6.7.3.2).
pub fn allows_style(policies: &str) -> bool {
    policies.split(',').all(|policy| {
        let directive = |name: &str| {
            policy.split(';').find_map(|directive| {
                let mut words = directive.split_ascii_whitespace();
                words.next()?.eq_ignore_ascii_case(name).then(|| words.map(str::to_ascii_lowercase))
            })
        };
        let sources = ["style-src-elem", "style-src", "default-src"].into_iter().find_map(directive);
        sources.is_none_or(|sources| {
            let sources: Vec<String> = sources.collect();
            let is_exact = |source: &String| {
                ["'nonce-", "'sha256-", "'sha384-", "'sha512-"].iter().any(|kind| source.starts_with(kind))
            };
            sources.iter().any(|source| source == "'unsafe-inline'") && !sources.iter().any(is_exact)
        })
    })
}

/// The same by an answer's header fields. A policy that only reports counts, too: its owner is to hear of nothing that he has not
/// written.
pub fn headers_allow_style(headers: &HeaderMap) -> bool {
    [CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY]
        .iter()
        .flat_map(|name| headers.get_all(name))
        .all(|value| value.to_str().is_ok_and(allows_style))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_style_needs_a_policys_word() {
        for (policy, expected) in [
            ("", true),
            ("script-src 'none'", true),
            ("default-src 'self'", false),
            ("default-src 'self' 'unsafe-inline'", true),
            ("DEFAULT-SRC 'self' 'Unsafe-Inline'", true),
            ("default-src 'none'; style-src 'self' 'unsafe-inline'", true),
            ("default-src 'unsafe-inline'; style-src 'self'", false),
            ("style-src 'unsafe-inline'; style-src-elem 'self'", false),
            ("style-src 'self'; style-src-elem 'unsafe-inline'", true),
            ("style-src-attr 'none'", true),
            ("style-src 'unsafe-inline' 'nonce-abc'", false),
            ("style-src 'unsafe-inline' 'sha256-abc='", false),
            ("style-src", false),
            ("style-src 'unsafe-inline', default-src 'self'", false),
            ("img-src *;;  ", true),
        ] {
            assert_eq!(allows_style(policy), expected, "{policy}");
        }
    }

    #[test]
    fn every_field_must_allow_it() {
        let mut headers = HeaderMap::new();
        assert!(headers_allow_style(&headers));
        headers.append(CONTENT_SECURITY_POLICY, "img-src *".parse().unwrap());
        assert!(headers_allow_style(&headers));
        headers.append(CONTENT_SECURITY_POLICY_REPORT_ONLY, "default-src 'self'".parse().unwrap());
        assert!(!headers_allow_style(&headers));
    }
}
