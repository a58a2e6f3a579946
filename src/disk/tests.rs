//! What is promised of files, on a real disk.

use super::*;

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_atomic_write_replaces_and_leaves_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    write_atomic(&path, b"one").unwrap();
    write_atomic(&path, b"two").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(names(dir.path()), ["a"]);
}

#[test]
fn a_failed_write_keeps_the_old_content() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    ensure_dir(&path.join("in the way")).unwrap();
    assert!(write_atomic(&path, b"two").is_err());
    assert_eq!(names(dir.path()), ["a"]);
}

#[test]
fn a_dropped_file_is_gone_and_a_left_one_is_swept() {
    let dir = tempfile::tempdir().unwrap();
    let mut dropped = StagedFile::create(dir.path()).unwrap();
    dropped.write_all(b"x").unwrap();
    drop(dropped);
    assert!(names(dir.path()).is_empty());
    std::mem::forget(StagedFile::create(dir.path()).unwrap());
    write_atomic(&dir.path().join("kept"), b"x").unwrap();
    assert_eq!(names(dir.path()).len(), 2);
    sweep_staged(dir.path()).unwrap();
    assert_eq!(names(dir.path()), ["kept"]);
}

#[test]
fn folders_are_made_once_and_a_file_in_the_way_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b/c");
    ensure_dir(&deep).unwrap();
    ensure_dir(&deep).unwrap();
    write_atomic(&deep.join("file"), b"").unwrap();
    assert!(ensure_dir(&deep.join("file/d")).is_err());
    assert!(ensure_dir(&deep.join("file")).is_err());
}

#[test]
fn removing_what_is_not_there_is_fine() {
    let dir = tempfile::tempdir().unwrap();
    remove_file(&dir.path().join("a")).unwrap();
    remove_tree(&dir.path().join("b")).unwrap();
}

#[test]
fn a_lock_excludes_within_and_beyond_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let held = lock_file(&path).unwrap();
    held.try_lock().unwrap();
    assert!(lock_file(&path).unwrap().try_lock().is_err());
    drop(held);
    lock_file(&path).unwrap().try_lock().unwrap();
}

#[test]
fn many_files_are_synced_as_few_are() {
    let dir = tempfile::tempdir().unwrap();
    let syncer = Syncer::open(dir.path()).unwrap();
    let path = dir.path().join("a");
    StagedFile::create(dir.path()).unwrap().place(&path).unwrap();
    syncer.files(1, [&path].into_iter()).unwrap();
    syncer.files(SYNC_ONE_BY_ONE + 1, [&path].into_iter()).unwrap();
    assert!(syncer.files(1, [dir.path().join("absent")].into_iter()).is_err());
}

#[test]
fn free_room_is_told() {
    assert!(free_bytes(Path::new("/")).unwrap() > 0);
    assert!(free_bytes(Path::new("/no/such/place")).is_err());
}

#[test]
fn a_lasting_file_stays_and_is_gone_on_with_where_it_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let mut file = StagedFile::create_lasting(&path).unwrap();
    file.write_all(b"whole, torn").unwrap();
    drop(file);
    assert!(StagedFile::create_lasting(&path).is_err());
    let mut file = StagedFile::reopen(&path, 7).unwrap();
    file.write_all(b"new").unwrap();
    let mut read = [0; 5];
    file.read_exact_at(&mut read, 5).unwrap();
    assert_eq!(&read, b", new");
    file.commit(&dir.path().join("b")).unwrap();
    assert_eq!(
        (names(dir.path()), fs::read(dir.path().join("b")).unwrap()),
        (vec!["b".into()], b"whole, new".into())
    );
}

#[test]
fn a_journal_is_gone_on_with_after_its_last_whole_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = Journal::reopen(&path, 4).unwrap();
    journal.append(b"one.two.th").unwrap();
    drop(journal);
    Journal::reopen(&path, 4).unwrap().append(b"new.").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one.two.new.");
    assert!(Journal::create(&path).is_err());
}

#[test]
fn a_folder_is_known_to_be_writable_or_why_not() {
    let dir = tempfile::tempdir().unwrap();
    check_writable(dir.path()).unwrap();
    let absent = check_writable(&dir.path().join("absent")).unwrap_err();
    assert_eq!(absent.kind(), io::ErrorKind::NotFound);
}
