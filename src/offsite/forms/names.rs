//! The names of all objects, below the prefix of the store.

use std::fmt::Display;

use crate::forms::FormId;

/// Where kept forms lie, and what became of them.
pub const FORMS: &str = "forms";

/// Where it lies which forms were erased.
pub const ERASED: &str = "erased";

/// What an object below [`FORMS`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormPart {
    /// The form, sealed.
    Content,
    /// That its visitor was told; empty.
    Told,
    /// A step of its way to a recipient.
    Step {
        /// The recipient: its key, or `origin`.
        to: String,
        /// Counted from 1.
        number: u32,
    },
}

/// A kept form.
pub fn form(site: &str, id: FormId) -> String {
    form_part(site, id, "form")
}

/// That its visitor was told.
pub fn form_told(site: &str, id: FormId) -> String {
    form_part(site, id, "told")
}

/// A step of its way to a recipient; only created, never changed.
pub fn form_step(site: &str, id: FormId, to: &str, number: u32) -> String {
    form_part(site, id, format_args!("{to}.{number}"))
}

/// What is left of a form that was erased: its id. Beside the forms, so that listing them costs nothing for what is no more.
pub fn erased_form(site: &str, id: FormId) -> String {
    format!("{ERASED}/{site}/{id}")
}

/// The form of which that is left; `None`: it is something else.
pub fn erased_object(name: &str) -> Option<(&str, FormId)> {
    let (site, id) = name.strip_prefix(ERASED)?.strip_prefix('/')?.split_once('/')?;
    Some((site, id.parse().ok()?))
}

fn form_part(site: &str, id: FormId, part: impl Display) -> String {
    format!("{FORMS}/{site}/{id}.{part}")
}

/// Reads a name below [`FORMS`]; `None`: nothing of ours.
pub fn form_object(name: &str) -> Option<(&str, FormId, FormPart)> {
    let (site, file) = name.strip_prefix(FORMS)?.strip_prefix('/')?.split_once('/')?;
    let (id, part) = file.split_once('.')?;
    let part = match part.split_once('.') {
        None if part == "form" => FormPart::Content,
        None if part == "told" => FormPart::Told,
        None => return None,
        Some((to, number)) => {
            let is_key = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            let is_number = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
            if to.is_empty() || to.len() > 16 || !to.bytes().all(is_key) || !is_number {
                return None;
            }
            FormPart::Step { to: to.to_owned(), number: number.parse().ok()? }
        }
    };
    Some((site, id.parse().ok()?, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_read_back_and_nothing_else() {
        let id: FormId = "20261130T115251Z-k7f3x9q2".parse().unwrap();
        assert_eq!(form("shop", id), "forms/shop/20261130T115251Z-k7f3x9q2.form");
        let step = |to: &str, number| FormPart::Step { to: to.to_owned(), number };
        for (name, part) in [
            (form("shop", id), FormPart::Content),
            (form_told("shop", id), FormPart::Told),
            (form_step("shop", id, "origin", 1), step("origin", 1)),
            (form_step("shop", id, "0a1b2c3d", 20), step("0a1b2c3d", 20)),
        ] {
            assert_eq!(form_object(&name), Some(("shop", id, part)), "{name}");
        }
        for rest in
            ["", "origin.0", "origin.01", "origin.x", "origin.1.1", ".1", "a/b.1", "form.x", "Form", "x"]
        {
            assert_eq!(form_object(&format!("forms/shop/{id}.{rest}")), None, "{rest}");
        }
        assert_eq!(form_object("forms/shop/x.form"), None);
        let erased = erased_form("shop", id);
        assert_eq!((form_object(&erased), erased_object(&erased)), (None, Some(("shop", id))));
        assert_eq!((erased_object("erased/shop/x"), erased_object(&form("shop", id))), (None, None));
    }
}
