//! Keeping and reading: what is kept comes back as it was, and only to those who have the key.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn what_is_kept_is_read_back_and_its_file_says_nothing() {
    let place = Place::new();
    let sent = form(5, "name=Grace&message=a+table+for+two");
    let id = place.spool.keep(&keys(), sent.clone(), PLENTY, at(5)).unwrap();
    assert_eq!(id, sent.id);
    assert!(place.spool.read("shop", id, &keys()).unwrap() == sent);
    assert_eq!(names(&place.site_dir()), [format!("{id}.unconfirmed")]);
    let path = place.site_dir().join(format!("{id}.unconfirmed"));
    let about = std::fs::metadata(&path).unwrap();
    assert_eq!((about.permissions().mode() & 0o7777, about.len()), (0o600, 53 + 1024 + 16));
    let place = place.reopened();
    assert!(place.spool.read("shop", id, &keys()).unwrap() == sent);
    assert_eq!(state_of(&place.spool, id), Some(State::Unconfirmed));
}

#[test]
fn nothing_on_the_disk_is_in_clear() {
    let place = Place::new();
    let id = keep(&place.spool, 5, "name=Grace&message=a+table+for+two");
    place.lead(id, State::Doubtful);
    let mut looked_at = 0;
    let mut left = vec![place.dir.path().to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(names(&path).into_iter().map(|name| path.join(name)));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let text = format!("{} {}", path.display(), String::from_utf8_lossy(&bytes));
        for secret in
            ["Grace", "table", "contact", "2001", "shop.example", "Mozilla", "urlencoded", "version"]
        {
            assert!(!text.contains(secret), "{secret} in {}", path.display());
        }
        looked_at += bytes.len();
    }
    assert!(looked_at > 1024);
}

#[test]
fn only_the_key_opens_and_a_rotated_one_still_does() {
    let place = Place::new();
    let id = keep(&place.spool, 5, "secret");
    let new = Keys::of([[8; 32]]);
    let error = place.spool.read("shop", id, &new).unwrap_err();
    assert!(matches!(error, NotRead::NoKey { .. }) && error.code() == "no-key");
    let rotated = Keys::of([[8; 32], [7; 32]]);
    assert_eq!(place.spool.read("shop", id, &rotated).unwrap().body, "secret");
    let later = place.spool.keep(&rotated, form(6, "new"), PLENTY, at(6)).unwrap();
    assert_eq!(place.spool.read("shop", later, &new).unwrap().body, "new");
    assert!(place.spool.read("shop", later, &keys()).is_err());
    assert!(matches!(place.spool.read("shop", form(9, "").id, &keys()), Err(NotRead::NoSuch(_))));
    assert!(matches!(place.spool.read("bar", id, &keys()), Err(NotRead::NoSuch(_))));
}

#[test]
fn a_file_that_is_damaged_or_moved_elsewhere_does_not_open() {
    let place = Place::new();
    let (id, other) = (keep(&place.spool, 5, "one"), keep(&place.spool, 6, "two"));
    let path = |site: &str, id: FormId| place.dir.path().join(format!("forms/{site}/{id}.unconfirmed"));
    let whole = std::fs::read(path("shop", id)).unwrap();
    // as another form of the site
    std::fs::write(path("shop", other), &whole).unwrap();
    assert!(matches!(place.spool.read("shop", other, &keys()), Err(NotRead::Damaged(of)) if of == other));
    for spoiled in [&whole[..500], &[], &[&whole[..], b"x"].concat()] {
        std::fs::write(path("shop", id), spoiled).unwrap();
        assert!(matches!(place.spool.read("shop", id, &keys()), Err(NotRead::Damaged(_))));
    }
    // as a form of another site
    std::fs::create_dir(place.dir.path().join("forms/bar")).unwrap();
    std::fs::write(path("bar", id), &whole).unwrap();
    let place = place.reopened();
    assert_eq!(place.spool.list("bar").len(), 1);
    assert!(matches!(place.spool.read("bar", id, &keys()), Err(NotRead::Damaged(_))));
    // and what is missing is said to be, without an end
    std::fs::remove_file(place.site_dir().join(format!("{id}.unconfirmed"))).unwrap();
    assert!(matches!(place.spool.read("shop", id, &keys()), Err(NotRead::Io { .. })));
}

#[test]
fn one_name_is_given_once_whatever_the_site() {
    let place = Place::new();
    let one = form(5, "one");
    let first = place.spool.keep(&keys(), one.clone(), PLENTY, at(5)).unwrap();
    let other = KeptForm { site: "bar".to_owned(), ..one };
    let second = place.spool.keep(&keys(), other, PLENTY, at(5)).unwrap();
    assert_ne!(first, second);
    assert_eq!(place.spool.read("bar", second, &keys()).unwrap().id, second);
}

#[test]
fn no_site_leads_out_of_the_folder() {
    let place = Place::new();
    for site in ["", ".", "..", "../x", "a/b", ".lock", "-x", "A", "a\0", &"a".repeat(201)] {
        let refused =
            place.spool.keep(&keys(), KeptForm { site: site.to_owned(), ..form(5, "") }, PLENTY, at(5));
        assert_eq!(refused.unwrap_err().code(), "disk", "{site:?}");
        assert!(matches!(
            place.spool.mark(site, form(5, "").id, State::Kept, None, at(5)),
            Err(NotMoved::NoSuch(_))
        ));
    }
    assert_eq!(names(&place.dir.path().join("forms")), [".lock"]);
    assert!(place.spool.totals().is_empty());
}
