//! Patterns with one wildcard, for paths, query parameters and cookies. No regular expressions: what an operator
//! writes here is matched against visitors' requests, so it has to be quick whatever they send.

/// A path pattern: `*` matches any run of characters, the slash included; everything else is literal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPattern(String);

impl PathPattern {
    /// Compiles a pattern. It must start with `/` or `*`.
    ///
    /// # Errors
    /// One sentence that says what is wrong with it.
    pub fn new(pattern: &str) -> Result<PathPattern, String> {
        match pattern.as_bytes().first() {
            Some(b'/' | b'*') => Ok(PathPattern(pattern.to_owned())),
            _ => Err("a path pattern starts with \"/\" or \"*\"".to_owned()),
        }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern matches the whole of `path`. Linear in the path for each `*`.
    pub fn matches(&self, path: &str) -> bool {
        wildcard(self.0.as_bytes(), path.as_bytes())
    }
}

/// Matches `text` against `pattern`, in which `*` stands for any run of bytes.
pub fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && pattern[p] == text[t] {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_paths() {
        let admin = PathPattern::new("/admin/*").unwrap();
        assert!(admin.matches("/admin/") && admin.matches("/admin/a/b"));
        assert!(!admin.matches("/admin") && !admin.matches("/x/admin/"));
        let pdf = PathPattern::new("*.pdf").unwrap();
        assert!(pdf.matches("/a/b.pdf") && !pdf.matches("/a/b.pdf.html"));
        assert!(PathPattern::new("/a*b*c").unwrap().matches("/aXbYbZc"));
        assert!(PathPattern::new("admin").is_err());
    }
}
