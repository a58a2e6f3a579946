//! The forms of a page: what each asks its visitor for, where it is sent, where it stands, and what it is for. Whether what
//! visitors send may be kept while the site is down is decided by what a form is for.

mod marks;
mod read;
mod sort;
#[rustfmt::skip]
mod words;

#[cfg(test)]
#[rustfmt::skip]
mod samples;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use marks::{is_card_number, is_secret_name, is_token};
pub use read::{MAX_FIELDS, MAX_FORMS, read};
pub use sort::{FormKind, FormReason, SendsTo, sort};

/// Whether a parameter of this name looks something up on most sites that have it.
pub fn is_search_name(name: &str) -> bool {
    words::SEARCH_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// A form, as it stands in a page. The values of its fields may be somebody's own: they are looked at, and never stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageForm<'a> {
    /// Where to, as it was written; empty: to the page itself.
    pub action: Cow<'a, str>,
    /// How it is sent.
    pub method: FormMethod,
    /// How its fields are written.
    pub enctype: FormCoding,
    /// Its `id`.
    pub id: Cow<'a, str>,
    /// Its `name` and its classes.
    pub marks: String,
    /// Its `role`.
    pub role: Cow<'a, str>,
    /// Its fields and its buttons, those included that stand elsewhere and name it.
    pub fields: Vec<FormField<'a>>,
    /// The headings and legends within it.
    pub words: String,
    /// The heading before it.
    pub heading: String,
    /// Where it stands in the page's markup, with its tags. That is the page's bytes if the page is in UTF-8.
    pub range: Range<usize>,
    /// Whether it asks for a proof that its visitor is a human: what was kept of it could not be delivered later.
    pub has_captcha: bool,
    /// Whether it has more fields than are read.
    pub is_cut: bool,
}

/// How a form is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FormMethod {
    /// In the address.
    #[default]
    Get,
    /// In a body.
    Post,
    /// Not at all: it closes a dialog.
    Dialog,
}

/// How the fields of a form are written in a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FormCoding {
    /// As a query is.
    #[default]
    UrlEncoded,
    /// In parts, as files need it.
    Multipart,
    /// As lines of text.
    Plain,
}

/// A field of a form, or a button.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormField<'a> {
    /// What it takes.
    pub kind: FieldType,
    /// The name that it is sent by; empty: it is not sent.
    pub name: Cow<'a, str>,
    /// Its `id`.
    pub id: Cow<'a, str>,
    /// What it holds before anybody fills it in.
    pub value: Cow<'a, str>,
    /// What stands beside it; on it, if it is a button.
    pub label: String,
    /// What it says that browsers may fill in.
    pub autocomplete: Cow<'a, str>,
    /// Where a button sends the form to in place of its action.
    pub action: Option<Cow<'a, str>>,
    /// How a button sends it in place of its method.
    pub method: Option<FormMethod>,
    /// Whether visitors do not see it.
    pub is_hidden: bool,
    /// Whether it must be filled in.
    pub is_required: bool,
    /// Whether it holds a token that expires.
    pub is_token: bool,
    /// Where it stands in the page's markup: a button with its end tag, other fields with their start tag.
    pub range: Range<usize>,
}

/// What a field takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// A line, or what browsers do not know and take for one.
    #[default]
    Text,
    /// What to look for.
    Search,
    /// A mail address.
    Email,
    /// A telephone number.
    Tel,
    /// An address on the web.
    Url,
    /// A number.
    Number,
    /// A day, a time, a month, a week.
    Date,
    /// A password.
    Password,
    /// A box to be ticked.
    Checkbox,
    /// One of several.
    Radio,
    /// A file.
    File,
    /// Nothing: it is hidden.
    Hidden,
    /// A colour or a place on a scale.
    Scale,
    /// A button that sends the form.
    Submit,
    /// A button that does not send it.
    Button,
    /// One of a list.
    Select,
    /// Several lines.
    TextArea,
}

impl PageForm<'_> {
    /// The buttons that send it.
    pub fn buttons(&self) -> impl Iterator<Item = &FormField<'_>> {
        self.fields.iter().filter(|field| field.kind == FieldType::Submit)
    }

    /// Whether it asks for a password, or for the number of a card, or brings one along that its visitor does not see: that is
    /// never kept.
    pub fn has_secret(&self) -> bool {
        let is_named =
            |field: &FormField<'_>| field.kind == FieldType::Password || is_secret_name(&field.name);
        let is_brought = |field: &FormField<'_>| {
            !field.value.is_empty() && (is_secret_name(&field.name) || is_card_number(&field.value))
        };
        self.written().any(is_named)
            || self.fields.iter().any(|field| !field.name.is_empty() && is_brought(field))
    }

    /// The fields that a visitor writes something into.
    pub fn written(&self) -> impl Iterator<Item = &FormField<'_>> {
        self.fields.iter().filter(|field| field.kind.is_written() && !field.is_hidden)
    }
}

impl FieldType {
    /// Of the `type` of an `input` (HTML section 4.10.5): unknown ones are lines of text.
    fn of_input(written: &str) -> FieldType {
        match &*written.trim().to_ascii_lowercase() {
            "search" => FieldType::Search,
            "email" => FieldType::Email,
            "tel" => FieldType::Tel,
            "url" => FieldType::Url,
            "number" => FieldType::Number,
            "date" | "time" | "datetime-local" | "datetime" | "month" | "week" => FieldType::Date,
            "password" => FieldType::Password,
            "checkbox" => FieldType::Checkbox,
            "radio" => FieldType::Radio,
            "file" => FieldType::File,
            "hidden" => FieldType::Hidden,
            "color" | "range" => FieldType::Scale,
            "submit" | "image" => FieldType::Submit,
            "button" | "reset" => FieldType::Button,
            _ => FieldType::Text,
        }
    }

    /// Of the `type` of a `button`: one without sends the form.
    fn of_button(written: Option<&str>) -> FieldType {
        match written.map(str::trim) {
            Some(kind) if kind.eq_ignore_ascii_case("button") || kind.eq_ignore_ascii_case("reset") => {
                FieldType::Button
            }
            Some(_) | None => FieldType::Submit,
        }
    }

    /// Whether a visitor writes something into it.
    pub fn is_written(self) -> bool {
        match self {
            FieldType::Text
            | FieldType::Search
            | FieldType::Email
            | FieldType::Tel
            | FieldType::Url
            | FieldType::Number
            | FieldType::Password
            | FieldType::TextArea => true,
            FieldType::Date
            | FieldType::Checkbox
            | FieldType::Radio
            | FieldType::File
            | FieldType::Hidden
            | FieldType::Scale
            | FieldType::Submit
            | FieldType::Button
            | FieldType::Select => false,
        }
    }
}

impl FormMethod {
    fn of(written: Option<&str>) -> FormMethod {
        match written.map(str::trim) {
            Some(method) if method.eq_ignore_ascii_case("post") => FormMethod::Post,
            Some(method) if method.eq_ignore_ascii_case("dialog") => FormMethod::Dialog,
            Some(_) | None => FormMethod::Get,
        }
    }

    /// As it stands in a request; `DIALOG` is sent by none.
    pub fn as_str(self) -> &'static str {
        match self {
            FormMethod::Get => "GET",
            FormMethod::Post => "POST",
            FormMethod::Dialog => "DIALOG",
        }
    }
}

impl FormCoding {
    fn of(written: Option<&str>) -> FormCoding {
        match written.map(str::trim) {
            Some(coding) if coding.eq_ignore_ascii_case("multipart/form-data") => FormCoding::Multipart,
            Some(coding) if coding.eq_ignore_ascii_case("text/plain") => FormCoding::Plain,
            Some(_) | None => FormCoding::UrlEncoded,
        }
    }
}
