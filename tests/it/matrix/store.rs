//! The store that instances share: gone, open to anybody, and written to by somebody else.

use super::check::ready;
use super::sheet::{Column, IN_TIME, Sheet, right};
use super::{Row, row};
use crate::regions::deployment::Folder;
use crate::support::faults::Refuse;
use crate::support::{Edge, Origin, fixture};

pub fn rows() -> Vec<Row> {
    vec![
        row("the store is gone", gone),
        row("nothing in the store is signed", unsigned),
        row("the pointer in the store is somebody else's", refused),
    ]
}

/// The shop, an instance before it, and what it has put into the store.
async fn shop(folder: &Folder) -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = folder.first(&origin).await;
    ready(&edge).await;
    (origin, edge)
}

/// The copies are right, with the site and without; and the site comes back.
async fn goes_on(sheet: &Sheet, (origin, edge): (Origin, Edge), cause: &str) {
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    sheet.cause(&edge, &[cause]).await;
    origin.fail(Refuse).await;
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    sheet.until(&edge, &["down"], Column::Further).await;
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

async fn gone(sheet: Sheet) {
    let folder = Folder::signed().await;
    let (origin, edge) = shop(&folder).await;
    sheet.begin(&edge).await;
    std::fs::rename(folder.path(), folder.path().with_extension("gone")).unwrap();
    crate::regions::until_told(&edge, "store-unusable").await;
    goes_on(&sheet, (origin, edge), "store-unusable").await;
}

async fn unsigned(sheet: Sheet) {
    let folder = Folder::new();
    let (origin, edge) = shop(&folder).await;
    sheet.begin(&edge).await;
    goes_on(&sheet, (origin, edge), "store-unsigned").await;
}

async fn refused(sheet: Sheet) {
    let folder = Folder::signed().await;
    let (origin, mut edge) = shop(&folder).await;
    sheet.begin(&edge).await;
    edge.kill();
    let pointer = folder.path().join("sites/shop/current");
    let text = std::fs::read_to_string(&pointer).unwrap();
    std::fs::write(&pointer, text.replace("\"generation\":1", "\"generation\":2")).unwrap();
    edge.restart().await;
    sheet.restarted();
    crate::regions::until_told(&edge, "store-refused").await;
    let kept = edge.snapshot_id().await.is_some();
    sheet.must(Column::Further, kept, "the copy that was in service stays", "no copy");
    goes_on(&sheet, (origin, edge), "store-refused").await;
}
