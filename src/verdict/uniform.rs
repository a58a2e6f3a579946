//! Several addresses that have come to show one and the same thing: a setup page, a host's page, another customer's site, the
//! front page for everything. Each of them alone could be a new page; together, with copies that differ, they are not the
//! site.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::look::Look;

/// Pages remembered.
const MOST: usize = 24;
/// For how long they count.
const SPAN: Duration = Duration::from_secs(600);
/// Pages that show the same, from which on it is no accident: two addresses may have come to be one.
pub const ENOUGH: usize = 3;
/// Visible characters that a copy must have to be told from another.
const TELLING: u32 = 100;

/// A page that no longer looks as its copy does.
#[derive(Clone, Debug)]
struct Changed {
    key: Box<str>,
    url: Box<str>,
    look: Look,
    copy: Arc<Look>,
    at: Instant,
}

/// Pages that no longer look as their copies do.
#[derive(Clone, Debug, Default)]
pub struct Uniform {
    /// Oldest first.
    changed: VecDeque<Changed>,
    condemned: Vec<(Box<str>, Box<str>)>,
}

impl Uniform {
    /// Records what the page, asked for at `url`, shows beside its copy. Returns how many pages with different copies show
    /// the same, itself included.
    pub fn note(&mut self, (key, url): (&str, &str), look: &Look, copy: &Arc<Look>, now: Instant) -> usize {
        self.changed.retain(|page| &*page.key != key && now.saturating_duration_since(page.at) < SPAN);
        if look.is_like(copy) || copy.text < TELLING {
            return 0;
        }
        let like =
            self.changed.iter().filter(|page| page.look.is_like(look) && !page.copy.is_like(copy)).count();
        if self.changed.len() >= MOST {
            self.changed.pop_front();
        }
        let page =
            Changed { key: key.into(), url: url.into(), look: look.clone(), copy: copy.clone(), at: now };
        self.changed.push_back(page);
        like + 1
    }

    /// How many pages show this at the moment, and did not before.
    pub fn like(&self, look: &Look, now: Instant) -> usize {
        let is_recent = |page: &&Changed| now.saturating_duration_since(page.at) < SPAN;
        self.changed.iter().filter(is_recent).filter(|page| page.look.is_like(look)).count()
    }

    /// Whether any two pages show the same: then a path that does not exist is worth asking for.
    pub fn is_uneasy(&self, now: Instant) -> bool {
        self.changed.iter().any(|page| self.like(&page.look, now) > 1)
    }

    /// The pages that show what this one does are not the site's, this one included.
    pub fn condemn(&mut self, key: &str) {
        let Some(own) = self.changed.iter().find(|page| &*page.key == key) else { return };
        let like = self.changed.iter().filter(|page| page.look.is_like(&own.look));
        self.condemned = like.map(|page| (page.key.clone(), page.url.clone())).collect();
    }

    /// The keys and addresses of the pages that were found not to be the site's since they were last taken.
    pub fn take_condemned(&mut self) -> Vec<(Box<str>, Box<str>)> {
        std::mem::take(&mut self.condemned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(title: &str, words: u32) -> Look {
        let text: String = (0..40).map(|n| format!("word{} ", n * 7 + words * 1000)).collect();
        Look::read(format!("<title>{title}</title><p>{text}</html>").as_bytes(), Some("text/html"))
    }

    #[test]
    fn pages_that_come_to_show_the_same_are_counted() {
        let now = crate::clock::instant();
        let same = look("Set-up", 999);
        let copy = |n: u32| Arc::new(look(&format!("Page {n}"), n));
        let note = |uniform: &mut Uniform, n: u32, look: &Look, at| {
            uniform.note((&format!("/{n}"), ""), look, &copy(n), at)
        };
        let mut uniform = Uniform::default();
        assert_eq!(note(&mut uniform, 1, &copy(1), now), 0, "as ever");
        assert_eq!(note(&mut uniform, 1, &same, now), 1);
        assert_eq!(note(&mut uniform, 1, &same, now), 1, "one page is one page");
        assert!(!uniform.is_uneasy(now));
        assert_eq!(note(&mut uniform, 2, &same, now), 2);
        assert_eq!(note(&mut uniform, 3, &look("Another", 5), now), 1, "a page of its own");
        assert_eq!(uniform.note(("/x", ""), &same, &copy(1), now), 2, "its copy is the same as that of /1");
        assert!(uniform.is_uneasy(now) && uniform.like(&same, now) == 3);
        let bare = Arc::new(Look::read(b"<title>x</title>", None));
        assert_eq!(uniform.note(("/y", ""), &same, &bare, now), 0, "its copy tells nothing");
        let later = now + SPAN;
        assert_eq!((note(&mut uniform, 4, &same, later), uniform.like(&same, later)), (1, 1), "long ago");
        uniform.condemn("/nobody");
        assert_eq!(uniform.take_condemned(), []);
        uniform.condemn("/4");
        assert_eq!(uniform.take_condemned(), [("/4".into(), "".into())]);
        assert_eq!(uniform.take_condemned(), [], "once");
        (0..100).for_each(|n| _ = note(&mut uniform, n, &same, later));
        assert_eq!(uniform.changed.len(), MOST);
    }
}
