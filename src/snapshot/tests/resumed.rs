//! An interrupted crawl goes on where it was, and believes nothing that is not whole.

use proptest::prelude::*;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);
const PAGES: usize = 12;

/// So many seconds after some time of today: opening a store goes by the real clock.
fn at(seconds: u64) -> Now {
    static TODAY: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    super::at(TODAY.get_or_init(|| crate::clock::now().unix() - 3600) + seconds)
}

fn body(n: usize) -> String {
    format!("the body of page {n}, ").repeat(20)
}

fn key(n: usize) -> String {
    format!("/page/{n}")
}

fn begin(store: &Store, seconds: u64, course: &str) -> (Staging, Begun) {
    store.begin_or_resume(at(seconds), "crawl", course, DAY).unwrap()
}

fn add(staging: &Staging, n: usize) {
    let body = put(staging, body(n).as_bytes());
    staging.add(page(&key(n), Some(body))).unwrap();
}

/// Stages pages, and leaves them as a process does that is stopped.
fn left(place: &Place) {
    let (staging, begun) = begin(&place.store, 1, "a");
    assert_eq!(begun, Begun::New);
    (0..PAGES).for_each(|n| add(&staging, n));
    staging.leave();
}

fn keys(staging: &Staging) -> Vec<String> {
    staging.staged().map(|page| page.key).collect()
}

fn stagings(place: &Place) -> Vec<String> {
    names(&place.site_dir()).into_iter().filter(|name| name.starts_with(STAGING)).collect()
}

#[test]
fn what_was_left_is_taken_up_and_published_whole() {
    let place = Place::new();
    // A page and its body that an earlier snapshot has.
    let old = take(&place.store, 0, &[("/old", "old")]).find("/old").unwrap().unwrap();
    let (staging, _) = begin(&place.store, 1, "a");
    staging.add(old.clone()).unwrap();
    (0..PAGES).for_each(|n| add(&staging, n));
    staging.add(Page { status: 404, ..page(&key(0), None) }).unwrap();
    staging.leave();
    // Another snapshot comes in between, and old ones go.
    take(&place.store, 5, &[("/", "in between")]);
    assert_eq!(place.store.retain(&newest(1)).unwrap().removed.len(), 1);

    let store = place.reopened();
    let (staging, begun) = begin(&store, 1000, "a");
    assert_eq!(begun, Begun::Resumed { pages: PAGES as u64 + 2 });
    let staged: Vec<Page> = staging.staged().collect();
    assert_eq!((&staged[0], &staged[1].key), (&old, &key(0)));
    assert_eq!((staged.last().unwrap().status, staged.len()), (404, PAGES + 2));
    add(&staging, PAGES);
    assert_eq!(keys(&staging).len(), PAGES + 2, "what is added since is not listed");
    let snapshot = staging.publish(at(1001), &serde_json::Value::Null).unwrap();
    assert_eq!((snapshot.id().sequence(), snapshot.summary().started_at), (3, at(1).wall));
    assert_eq!(body_of(&snapshot, "/old"), "old");
    assert_eq!(snapshot.find(&key(0)).unwrap().unwrap().status, 404);
    for n in 1..=PAGES {
        assert_eq!(body_of(&snapshot, &key(n)), body(n));
    }
    assert!(place.reopened().verify(&snapshot.id()).unwrap().is_whole());
    assert_eq!(names(&place.site_dir().join(snapshot.id().to_string())), ["manifest", "report.json"]);
    assert_eq!(stagings(&place), [""; 0]);
}

#[test]
fn a_staging_may_be_left_many_times() {
    let place = Place::new();
    for n in 0..PAGES {
        let (staging, _) = begin(&place.reopened(), n as u64, "a");
        assert_eq!(keys(&staging), (0..n).map(key).collect::<Vec<_>>());
        add(&staging, n);
        staging.leave_when_dropped(true);
    }
    let (staging, _) = begin(&place.store, 50, "a");
    let snapshot = staging.publish(at(51), &serde_json::Value::Null).unwrap();
    assert_eq!(snapshot.pages().count(), PAGES);
    assert!(place.store.verify(&snapshot.id()).unwrap().is_whole());
}

#[test]
fn only_the_same_course_is_taken_up_and_only_while_it_is_young() {
    let day = DAY.as_secs();
    for (seconds, kind, course, age) in [
        (2, "crawl", "b", DAY),
        (2, "import", "a", DAY),
        (1 + day, "crawl", "a", DAY),
        (1 + 8 * day, "crawl", "a", 30 * DAY),
    ] {
        let place = Place::new();
        left(&place);
        let (staging, begun) = place.store.begin_or_resume(at(seconds), kind, course, age).unwrap();
        assert_eq!((begun, staging.staged().count()), (Begun::New, 0), "{seconds} {kind} {course}");
        assert_eq!(stagings(&place).len(), 1, "the old one is discarded");
    }
    let place = Place::new();
    left(&place);
    let (staging, begun) = begin(&place.store, day, "a");
    assert!(matches!(begun, Begun::Resumed { .. }));
    drop(staging);
    assert_eq!(stagings(&place), [""; 0], "given up, nothing stays");
    let long = place.store.begin_or_resume(at(1), "crawl", &"x".repeat(1025), DAY);
    assert!(matches!(long, Err(BeginError::Io { .. })));
}

#[test]
fn others_leave_it_alone_while_it_is_young_and_remove_it_when_nobody_came() {
    let place = Place::new();
    left(&place);
    place.reopened();
    take(&place.store, 5, &[("/", "imported")]);
    assert_eq!(stagings(&place).len(), 1);
    place.store.retain(&newest(1)).unwrap();
    let (staging, begun) = begin(&place.store, 6, "a");
    assert_eq!(begun, Begun::Resumed { pages: PAGES as u64 });
    drop(staging);
    let (staging, _) = place.store.begin_or_resume(super::at(1), "crawl", "a", DAY).unwrap();
    staging.leave();
    assert_eq!(stagings(&place).len(), 1);
    place.reopened();
    assert_eq!(stagings(&place), [""; 0]);
}

/// What is lost in a power cut: the ends of files, whole files, and what stands in them.
#[derive(Clone, Debug)]
enum Loss {
    Cut(prop::sample::Index),
    Flip(prop::sample::Index),
    Zeros(prop::sample::Index),
    Gone,
}

fn any_loss() -> impl Strategy<Value = Loss> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        index().prop_map(Loss::Cut),
        index().prop_map(Loss::Flip),
        index().prop_map(Loss::Zeros),
        Just(Loss::Gone),
    ]
}

fn lose(path: &Path, loss: &Loss) {
    let mut bytes = std::fs::read(path).unwrap();
    match loss {
        Loss::Gone => return std::fs::remove_file(path).unwrap(),
        Loss::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
        Loss::Flip(at) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1;
        }
        Loss::Flip(_) => {}
        Loss::Zeros(at) => {
            let at = at.index(bytes.len() + 1);
            bytes[at..].fill(0);
        }
    }
    std::fs::write(path, bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn after_any_loss_what_is_taken_up_is_whole_and_the_rest_is_fetched_again(
        losses in prop::collection::vec((any::<prop::sample::Index>(), any_loss()), 0..4)
    ) {
        let place = Place::new();
        take(&place.store, 0, &[("/", "older")]);
        left(&place);
        let dir = place.site_dir().join(&stagings(&place)[0]);
        let new = names(&dir.join("new"));
        let mut files: Vec<PathBuf> = new.iter().map(|name| dir.join("new").join(name)).collect();
        files.truncate(4);
        files.extend(["records", "pages", "uses", "course"].map(|name| dir.join(name)));
        for (at, loss) in &losses {
            let path = &files[at.index(files.len())];
            if path.exists() {
                lose(path, loss);
            }
        }
        let (staging, _) = begin(&place.reopened(), 10, "a");
        let found = keys(&staging);
        prop_assert!(!losses.is_empty() || found.len() == PAGES);
        // Left once more before it is complete.
        for n in (0..PAGES).filter(|n| !found.contains(&key(*n))).take(PAGES / 2) {
            add(&staging, n);
        }
        staging.leave();
        let (staging, _) = begin(&place.store, 11, "a");
        let found = keys(&staging);
        for n in (0..PAGES).filter(|n| !found.contains(&key(*n))) {
            add(&staging, n);
        }
        let snapshot = staging.publish(at(12), &serde_json::Value::Null).unwrap();
        for n in 0..PAGES {
            prop_assert_eq!(body_of(&snapshot, &key(n)), body(n));
        }
        prop_assert_eq!(snapshot.pages().count(), PAGES);
        prop_assert!(place.reopened().verify(&snapshot.id()).unwrap().is_whole());
    }
}
