//! Reads the forms of a page, in one pass over its tags. A field belongs to the form that is open, or to the one whose `id` its
//! `form` attribute has (HTML section 4.10.17.3); a form within a form is none.

use std::borrow::Cow;

use memchr::memmem;

use super::{FieldType, FormCoding, FormField, FormMethod, PageForm, marks};
use crate::content::document::Document;
use crate::content::entity;
use crate::content::tags::{Comments, HtmlToken, Tag, Tags};

/// Forms that are read of a page, and fields of a form. A page with more is a machine's.
pub const MAX_FORMS: usize = 64;
/// See [`MAX_FORMS`].
pub const MAX_FIELDS: usize = 256;
/// Fields that stand outside of the form they name, and labels that name their field.
const MAX_OUTSIDE: usize = 256;
/// Bytes of a heading, a label, a button's text.
const MAX_TEXT: usize = 200;
/// Bytes before a page's first form in which its heading is looked for.
const NEAR: usize = 8 * 1024;
/// Bytes of all headings and legends in a form.
const MAX_WORDS: usize = 1000;

/// Reads the forms of a page, in their order. Whatever is wrong with it, what was found until then counts.
pub fn read<'a>(page: &'a Document<'_>) -> Vec<PageForm<'a>> {
    let html = page.html();
    // Most pages have none, or one in a corner: only there they are read once more.
    let Some(range) = page.structure().forms.clone() else { return Vec::new() };
    // A field elsewhere may name its form, and a form in a template is none.
    let has = |mark: &&str| memmem::find(html.as_bytes(), mark.as_bytes()).is_some();
    let is_split = ["form=", "FORM=", "<template"].iter().any(has);
    let range = if is_split { 0..html.len() } else { range };
    let heading = if is_split { String::new() } else { heading_before(&html[..range.start]) };
    let mut reader = FormReader { html, heading, ..FormReader::default() };
    let mut tags = Tags::of(html, Comments::Html).from(range.start);
    while tags.place() < range.end
        && let Some(token) = tags.next()
    {
        match token {
            HtmlToken::Text(text) => reader.text(text),
            HtmlToken::Tag(tag) if !tag.is_whole => break,
            HtmlToken::Tag(tag) if tag.is_end => reader.end(&tag, &tags),
            HtmlToken::Tag(tag) => reader.start(&tag, &mut tags),
        }
    }
    reader.finish()
}

/// The text of the last heading in this markup, if it is not far.
fn heading_before(markup: &str) -> String {
    let near = &markup[markup.ceil_char_boundary(markup.len().saturating_sub(NEAR))..];
    let bytes = near.as_bytes();
    // A `</header>` is none.
    let mut ends = memmem::rfind_iter(bytes, b"</h");
    let level = |end: &usize| bytes.get(end + 3).copied().filter(|level| matches!(level, b'1'..=b'6'));
    let Some((end, level)) = ends.find_map(|end| Some((end, level(&end)?))) else { return String::new() };
    let begin = memmem::rfind(&bytes[..end], &[b'<', b'h', level]).unwrap_or(end);
    let texts = Tags::of(&near[begin..end], Comments::Html).filter_map(|token| match token {
        HtmlToken::Text(text) => Some(text),
        HtmlToken::Tag(_) => None,
    });
    text_of(&texts.collect::<Vec<_>>().join(" "))
}

/// What the text at hand is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Gathering<'a> {
    /// A heading or a legend.
    Heading,
    /// The label of the field with this `id`.
    LabelOf(Cow<'a, str>),
    /// What stands on a button.
    Button,
}

#[derive(Default)]
struct FormReader<'a> {
    html: &'a str,
    forms: Vec<PageForm<'a>>,
    /// Whether the last of the forms is open.
    is_open: bool,
    /// Forms beyond the bound: their fields are nobody's.
    is_beyond: bool,
    /// Fields with the `id` of the form that they name.
    outside: Vec<(Cow<'a, str>, FormField<'a>)>,
    labels: Vec<(Cow<'a, str>, String)>,
    gathering: Option<Gathering<'a>>,
    gathered: String,
    /// The last heading.
    heading: String,
    /// The button that is open, and the form that it names.
    button: Option<(Option<Cow<'a, str>>, FormField<'a>)>,
    /// The last texts before the next field: what stands beside it, in a table for example.
    beside: [&'a str; 3],
    /// Whether the text is what a list offers.
    is_list: bool,
    /// Templates that are open: what is in them is not in the page.
    templates: u32,
}

impl<'a> FormReader<'a> {
    fn text(&mut self, text: &'a str) {
        if self.gathering.is_some() {
            add(&mut self.gathered, text, MAX_TEXT);
        }
        if self.is_open && !self.is_list && !text.trim_ascii().is_empty() {
            self.beside.rotate_left(1);
            self.beside[2] = text;
        }
    }

    fn start(&mut self, tag: &Tag<'a>, tags: &mut Tags<'a>) {
        let mut room = [0; 16];
        let name = tag.lower(&mut room);
        match name {
            "template" => self.templates += 1,
            "form" if self.templates == 0 => self.form(tag, tags),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "legend" => self.gather(Gathering::Heading),
            "label" => {
                if let Some(of) = attribute(tag, "for") {
                    self.gather(Gathering::LabelOf(of));
                }
            }
            "input" => {
                let kind = FieldType::of_input(&attribute(tag, "type").unwrap_or_default());
                let mut field = field(tag, kind, tags);
                if matches!(kind, FieldType::Submit | FieldType::Button) {
                    field.label = tag.attribute("alt").map_or_else(|| text_of(&field.value), text_of);
                }
                self.field(attribute(tag, "form"), field);
            }
            "select" | "datalist" => {
                self.is_list = true;
                if name == "select" {
                    self.field(attribute(tag, "form"), field(tag, FieldType::Select, tags));
                }
            }
            "button" => {
                self.close_button();
                let kind = FieldType::of_button(tag.attribute("type"));
                self.gather(Gathering::Button);
                self.button = Some((attribute(tag, "form"), field(tag, kind, tags)));
            }
            "textarea" => {
                let mut field = field(tag, FieldType::TextArea, tags);
                field.value = entity::decode_text(tags.raw_text(name));
                self.field(attribute(tag, "form"), field);
            }
            "script" | "style" | "title" | "xmp" | "iframe" | "noembed" | "noframes" | "plaintext"
                if !tag.closes_itself() =>
            {
                tags.raw_text(name);
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: &Tag<'a>, tags: &Tags<'a>) {
        let mut room = [0; 16];
        match tag.lower(&mut room) {
            "template" => self.templates = self.templates.saturating_sub(1),
            "form" if self.templates == 0 => {
                self.close_button();
                self.close(tags.range_of(tag).end);
                self.is_beyond = false;
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "legend" | "label" => self.gathered(),
            "select" | "datalist" => self.is_list = false,
            "button" => {
                if let Some((_, button)) = &mut self.button {
                    button.range.end = tags.range_of(tag).end;
                }
                self.close_button();
            }
            _ => {}
        }
    }

    fn form(&mut self, tag: &Tag<'a>, tags: &Tags<'a>) {
        if self.is_open || self.is_beyond {
            return;
        }
        if self.forms.len() == MAX_FORMS {
            self.is_beyond = true;
            return;
        }
        let mut form = PageForm {
            heading: self.heading.clone(),
            range: tags.range_of(tag).start..self.html.len(),
            ..PageForm::default()
        };
        for (name, value) in tag.attributes() {
            match &*name.to_ascii_lowercase() {
                "action" if form.action.is_empty() => form.action = trimmed(entity::decode(value)),
                "method" => form.method = FormMethod::of(Some(value)),
                "enctype" => form.enctype = FormCoding::of(Some(value)),
                "id" => form.id = entity::decode(value),
                "role" => form.role = entity::decode(value),
                "name" | "class" | "aria-label" => add(&mut form.marks, value, MAX_TEXT),
                _ => {}
            }
        }
        self.forms.push(form);
        (self.is_open, self.is_list, self.beside) = (true, false, [""; 3]);
    }

    /// Ends the form that is open, if one is.
    fn close(&mut self, at: usize) {
        if std::mem::take(&mut self.is_open)
            && let Some(form) = self.forms.last_mut()
        {
            form.range.end = at;
            form.has_captcha = marks::has_captcha(&self.html[form.range.clone()]);
        }
    }

    fn gather(&mut self, what: Gathering<'a>) {
        self.gathered();
        self.gathering = Some(what);
    }

    /// What the text that was gathered is worth.
    fn gathered(&mut self) {
        let Some(gathering) = self.gathering.take() else { return };
        let text = text_of(&self.gathered);
        self.gathered.clear();
        match gathering {
            Gathering::Heading => {
                if self.is_open
                    && let Some(form) = self.forms.last_mut()
                {
                    add(&mut form.words, &text, MAX_WORDS);
                }
                self.heading = text;
            }
            Gathering::LabelOf(id) if self.labels.len() < MAX_OUTSIDE => self.labels.push((id, text)),
            Gathering::LabelOf(_) => {}
            Gathering::Button => {
                if let Some((_, button)) = &mut self.button {
                    button.label = text;
                }
            }
        }
    }

    fn close_button(&mut self) {
        if self.button.is_some() {
            self.gathered();
        }
        if let Some((of, button)) = self.button.take() {
            self.field(of, button);
        }
    }

    fn field(&mut self, of: Option<Cow<'a, str>>, mut field: FormField<'a>) {
        let beside = std::mem::take(&mut self.beside);
        if field.label.is_empty() && !field.is_hidden {
            field.label = text_of(&beside.join(" "));
        }
        match of {
            Some(id) if self.templates == 0 && self.outside.len() < MAX_OUTSIDE => {
                self.outside.push((id, field));
            }
            None if self.is_open && self.templates == 0 => {
                if let Some(form) = self.forms.last_mut() {
                    form.take(field);
                }
            }
            Some(_) | None => {}
        }
    }

    fn finish(mut self) -> Vec<PageForm<'a>> {
        self.close_button();
        self.close(self.html.len());
        let is_full = self.outside.len() == MAX_OUTSIDE;
        for (id, field) in self.outside {
            let named = self.forms.iter_mut().find(|form| !id.is_empty() && form.id == id);
            if let Some(form) = named {
                form.take(field);
                form.is_cut |= is_full;
            }
        }
        for (id, text) in self.labels {
            let fields = self.forms.iter_mut().flat_map(|form| form.fields.iter_mut());
            for field in fields.filter(|field| field.id == id && !id.is_empty()) {
                field.label = format!("{text} {}", field.label);
            }
        }
        self.forms
    }
}

impl<'a> PageForm<'a> {
    fn take(&mut self, field: FormField<'a>) {
        if self.fields.len() < MAX_FIELDS {
            self.fields.push(field);
        } else {
            self.is_cut = true;
        }
    }
}

/// A field as its start tag has it.
fn field<'a>(tag: &Tag<'a>, kind: FieldType, tags: &Tags<'a>) -> FormField<'a> {
    let range = tags.range_of(tag);
    let mut field = FormField { kind, range, is_hidden: kind == FieldType::Hidden, ..FormField::default() };
    for (name, value) in tag.attributes() {
        match &*name.to_ascii_lowercase() {
            "name" => field.name = entity::decode(value),
            "id" => field.id = entity::decode(value),
            "value" => field.value = entity::decode(value),
            "placeholder" | "aria-label" | "title" => add(&mut field.label, value, MAX_TEXT),
            "autocomplete" => field.autocomplete = entity::decode(value),
            "formaction" if kind == FieldType::Submit => field.action = Some(trimmed(entity::decode(value))),
            "formmethod" if kind == FieldType::Submit => field.method = Some(FormMethod::of(Some(value))),
            "hidden" => field.is_hidden = true,
            "required" => field.is_required = true,
            _ => {}
        }
    }
    field.is_token = marks::is_token(kind, &field.name, &field.value);
    field
}

fn attribute<'a>(tag: &Tag<'a>, name: &str) -> Option<Cow<'a, str>> {
    tag.attribute(name).map(entity::decode)
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// Adds as much of a text as there is room for.
fn add(to: &mut String, text: &str, most: usize) {
    let room = most.saturating_sub(to.len());
    if !to.is_empty() && room > 0 {
        to.push(' ');
    }
    to.push_str(&text[..text.floor_char_boundary(room)]);
}

/// Text between tags, as it is read: without references and runs of blanks, and not longer than it need be.
fn text_of(written: &str) -> String {
    let text = entity::decode_text(&written[..written.floor_char_boundary(MAX_TEXT)]);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
