//! What a form is for. Pure. The order of the questions is the rule: whatever may be one of the kinds that are never kept is
//! asked about first, so that in doubt nothing is kept that should not be.

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::words::{self, has, spell};
use super::{FieldType, FormField, FormMethod, PageForm};

/// Where a form is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendsTo<'a> {
    /// To this site: path and query.
    Here(&'a str),
    /// To another host.
    Elsewhere,
    /// To no server: `mailto:`, `javascript:`.
    Nowhere,
}

/// What a form is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FormKind {
    /// To take part: in an event, in a course, on a waiting list.
    SignUp,
    /// To say or ask something.
    Contact,
    /// To get mail from now on.
    Newsletter,
    /// To reserve.
    Booking,
    /// To order without paying.
    Order,
    /// To comment on a page.
    Comment,
    /// To look something up.
    Search,
    /// To be let in.
    Login,
    /// About a password, or a code in its place.
    Password,
    /// To make or change an account.
    Account,
    /// With the means to pay.
    Payment,
    /// With a file.
    Upload,
    /// Acts on what the site remembers of its visitor, or on the site itself.
    Session,
    /// Goes to another host.
    ElsewhereHost,
    /// Unknown.
    Other,
}

/// Why a form is taken for what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FormReason {
    /// It has one password field.
    PasswordField,
    /// It sets a password.
    NewPassword,
    /// It asks for a code.
    CodeField,
    /// It asks for a card or an account at a bank.
    CardField,
    /// It is marked as a search, or has the field of one.
    SearchField,
    /// It has a field for a file.
    FileField,
    /// A field of it says that it edits, deletes, buys.
    ActingField,
    /// A field that only one program has.
    Program,
    /// Its address, its names, its buttons say so.
    Words,
    /// The heading before it, or its fields, say so.
    Surroundings,
    /// It is sent to another host.
    OtherHost,
    /// It is sent to no server.
    NotSent,
    /// What is filled in goes into the address.
    ByGet,
    /// Its buttons send it to different addresses.
    SeveralActions,
    /// It has more fields than are read.
    TooLarge,
    /// There is nothing to write into it.
    NothingToFill,
    /// Nothing says what it is for.
    Unknown,
}

impl FormKind {
    /// Whether what visitors send may be kept while the site is down.
    pub fn may_be_kept(self) -> bool {
        match self {
            FormKind::SignUp
            | FormKind::Contact
            | FormKind::Newsletter
            | FormKind::Booking
            | FormKind::Order
            | FormKind::Comment => true,
            FormKind::Search
            | FormKind::Login
            | FormKind::Password
            | FormKind::Account
            | FormKind::Payment
            | FormKind::Upload
            | FormKind::Session
            | FormKind::ElsewhereHost
            | FormKind::Other => false,
        }
    }

    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            FormKind::SignUp => "sign-up",
            FormKind::Contact => "contact",
            FormKind::Newsletter => "newsletter",
            FormKind::Booking => "booking",
            FormKind::Order => "order",
            FormKind::Comment => "comment",
            FormKind::Search => "search",
            FormKind::Login => "login",
            FormKind::Password => "password",
            FormKind::Account => "account",
            FormKind::Payment => "payment",
            FormKind::Upload => "upload",
            FormKind::Session => "session",
            FormKind::ElsewhereHost => "elsewhere-host",
            FormKind::Other => "other",
        }
    }
}

impl FormReason {
    /// For the operator.
    pub fn sentence(self) -> &'static str {
        match self {
            FormReason::PasswordField => "it asks for a password",
            FormReason::NewPassword => "it sets a password",
            FormReason::CodeField => "it asks for a code in place of a password",
            FormReason::CardField => "it asks for a card or a bank account",
            FormReason::SearchField => "it looks something up",
            FormReason::FileField => "it takes a file",
            FormReason::ActingField => "a field says that it changes something on the site",
            FormReason::Program => "a field of it is a well-known program's",
            FormReason::Words => "its address, its names or its buttons say so",
            FormReason::Surroundings => "the heading before it or its fields say so",
            FormReason::OtherHost => "it is sent to another host, not to this site",
            FormReason::NotSent => "it is sent to no server",
            FormReason::ByGet => "it is sent by GET, in the address, or by a script",
            FormReason::SeveralActions => "its buttons send it to different addresses",
            FormReason::TooLarge => "it has more fields than are read",
            FormReason::NothingToFill => "there is nothing to write into it",
            FormReason::Unknown => "nothing says what it is for",
        }
    }

    /// The same in Japanese.
    pub fn sentence_ja(self) -> &'static str {
        match self {
            FormReason::PasswordField => "パスワードの入力欄があります",
            FormReason::NewPassword => "パスワードを設定するフォームです",
            FormReason::CodeField => "パスワードの代わりのコードの入力欄があります",
            FormReason::CardField => "カードや銀行口座の入力欄があります",
            FormReason::SearchField => "検索に使うフォームです",
            FormReason::FileField => "ファイルを送信するフォームです",
            FormReason::ActingField => "サイト上の何かを変更する項目があります",
            FormReason::Program => "よく知られたプログラムの項目があります",
            FormReason::Words => "アドレス、項目名、ボタンから判断しました",
            FormReason::Surroundings => "直前の見出しや項目から判断しました",
            FormReason::OtherHost => "このサイトではなく、ほかのホストに送信されます",
            FormReason::NotSent => "サーバーには送信されません",
            FormReason::ByGet => "GETで、またはスクリプトで送信されます",
            FormReason::SeveralActions => "ボタンによって送信先が異なります",
            FormReason::TooLarge => "項目が多すぎて、すべては読み取れません",
            FormReason::NothingToFill => "入力欄がありません",
            FormReason::Unknown => "用途が分かりません",
        }
    }
}

/// What a form is for, and why that is believed.
pub fn sort(form: &PageForm<'_>, to: SendsTo<'_>) -> (FormKind, FormReason) {
    let seen = Seen::of(form, to);
    let never = || secret(form, &seen).or_else(|| search(form, &seen)).or_else(|| acting(form, &seen));
    never().or_else(|| undeliverable(form, to)).unwrap_or_else(|| wanted(form, &seen))
}

/// The texts that a form is judged by, as [`spell`] writes them.
#[derive(Debug, Default)]
struct Seen {
    /// Its address, its names, what its programs call it, its buttons and its own headings.
    own: String,
    /// What its fields are called.
    fields: String,
    /// The heading before it.
    heading: String,
    /// How many fields are to be written into.
    written: usize,
    has_email: bool,
    has_lines: bool,
}

impl Seen {
    fn of(form: &PageForm<'_>, to: SendsTo<'_>) -> Seen {
        let mut seen = Seen::default();
        if let SendsTo::Here(address) = to {
            spell(&mut seen.own, &percent_decode_str(address).decode_utf8_lossy());
        }
        for text in [&*form.id, &form.marks, &form.words] {
            spell(&mut seen.own, text);
        }
        for field in &form.fields {
            // By its value one program tells several forms from each other.
            if is_command(field) {
                spell(&mut seen.own, &field.value);
            }
            if field.kind == FieldType::Submit {
                [&field.label, &*field.name].iter().for_each(|text| spell(&mut seen.own, text));
            } else if !field.is_hidden {
                let texts = [&*field.name, &field.id, &field.label, &field.autocomplete];
                texts.iter().for_each(|text| spell(&mut seen.fields, text));
            }
        }
        spell(&mut seen.heading, &form.heading);
        seen.written = form.written().count();
        seen.has_lines = form.written().any(|field| field.kind == FieldType::TextArea);
        let has_email = form.written().any(|field| field.kind == FieldType::Email);
        seen.has_email = has_email || has(&seen.fields, words::EMAIL);
        seen
    }
}

/// Whether a hidden field says what is to be done.
fn is_command(field: &FormField<'_>) -> bool {
    let names = [
        "action",
        "act",
        "do",
        "cmd",
        "op",
        "mode",
        "task",
        "option",
        "view",
        "form_id",
        "formname",
        "form_name",
    ];
    field.kind == FieldType::Hidden
        && field.value.len() <= 80
        && names.iter().any(|known| field.name.eq_ignore_ascii_case(known))
}

/// Passwords, codes, cards.
fn secret(form: &PageForm<'_>, seen: &Seen) -> Option<(FormKind, FormReason)> {
    let says = |field: &&FormField<'_>, word: &str| {
        field.autocomplete.split_ascii_whitespace().any(|said| said.eq_ignore_ascii_case(word))
    };
    let passwords = form.fields.iter().filter(|field| field.kind == FieldType::Password).count();
    let is_new = form.fields.iter().any(|field| says(&field, "new-password"));
    if passwords > 1 || is_new {
        return Some((FormKind::Account, FormReason::NewPassword));
    }
    if passwords == 1 || form.fields.iter().any(|field| says(&field, "current-password")) {
        let is_account = has(&seen.own, words::ACCOUNT) || has(&seen.own, words::SIGN_UP);
        let kind = if is_account { FormKind::Account } else { FormKind::Login };
        return Some((kind, FormReason::PasswordField));
    }
    let is_card = |field: &FormField<'_>| {
        field.autocomplete.split_ascii_whitespace().any(|said| said.to_ascii_lowercase().starts_with("cc-"))
    };
    if form.fields.iter().any(is_card) || has(&seen.fields, words::CARD) {
        return Some((FormKind::Payment, FormReason::CardField));
    }
    let is_code = form.fields.iter().any(|field| says(&field, "one-time-code"));
    (is_code || has(&seen.fields, words::PASSWORD)).then_some((FormKind::Password, FormReason::CodeField))
}

/// What only looks something up.
fn search(form: &PageForm<'_>, seen: &Seen) -> Option<(FormKind, FormReason)> {
    let mut written = form.written();
    let is_small = seen.written <= 1 && !seen.has_email && !seen.has_lines;
    let named =
        |field: &FormField<'_>| words::SEARCH_NAMES.iter().any(|name| field.name.eq_ignore_ascii_case(name));
    let is_search = form.role.eq_ignore_ascii_case("search")
        || is_small && written.any(|field| field.kind == FieldType::Search || named(field))
        || is_small && seen.written == 1 && form.method == FormMethod::Get
        || is_small && has(&seen.own, words::SEARCH);
    is_search.then_some((FormKind::Search, FormReason::SearchField))
}

/// What acts on the site, or on what it remembers.
fn acting(form: &PageForm<'_>, seen: &Seen) -> Option<(FormKind, FormReason)> {
    if form.fields.iter().any(|field| field.kind == FieldType::File) {
        return Some((FormKind::Upload, FormReason::FileField));
    }
    let acts = |field: &FormField<'_>| match &*field.name {
        "_method" => !field.value.eq_ignore_ascii_case("post"),
        "add-to-cart" | "wpTextbox1" | "wpEditToken" | "wpSave" | "logout" => true,
        _ => false,
    };
    if form.fields.iter().any(acts) {
        return Some((FormKind::Session, FormReason::ActingField));
    }
    let said = [
        (FormKind::Password, words::PASSWORD),
        (FormKind::Payment, words::PAYMENT),
        (FormKind::Session, words::SESSION),
        (FormKind::Account, words::ACCOUNT),
        (FormKind::Login, words::LOGIN),
    ];
    let kind = said.iter().find(|(_, words)| has(&seen.own, words)).map(|(kind, _)| *kind);
    kind.map(|kind| (kind, FormReason::Words))
}

/// What nobody here could bring to the site later.
fn undeliverable(form: &PageForm<'_>, to: SendsTo<'_>) -> Option<(FormKind, FormReason)> {
    let reason = match (to, form.method) {
        (SendsTo::Elsewhere, _) => return Some((FormKind::ElsewhereHost, FormReason::OtherHost)),
        (SendsTo::Nowhere, _) | (_, FormMethod::Dialog) => FormReason::NotSent,
        (SendsTo::Here(_), FormMethod::Get) => FormReason::ByGet,
        (SendsTo::Here(_), FormMethod::Post) if form.is_cut => FormReason::TooLarge,
        (SendsTo::Here(_), FormMethod::Post)
            if form.buttons().any(|button| {
                button.action.as_ref().is_some_and(|action| !action.is_empty() && *action != form.action)
            }) =>
        {
            FormReason::SeveralActions
        }
        (SendsTo::Here(_), FormMethod::Post) => return None,
    };
    Some((FormKind::Other, reason))
}

/// Which of the kinds that may be kept it is, if it is one.
fn wanted(form: &PageForm<'_>, seen: &Seen) -> (FormKind, FormReason) {
    if seen.written == 0 {
        return (FormKind::Other, FormReason::NothingToFill);
    }
    let has_field = |names: &[&str]| form.fields.iter().any(|field| names.contains(&&*field.name));
    if has_field(&["comment_post_ID"]) && seen.has_lines {
        return (FormKind::Comment, FormReason::Program);
    }
    if has_field(&["_mc4wp_form_id"]) && seen.has_email {
        return (FormKind::Newsletter, FormReason::Program);
    }
    let mut own = KEPT.iter().filter(|kept| has(&seen.own, kept.words));
    if let Some(kept) = own.find(|kept| kept.asks_for.is_in(seen)) {
        return (kept.kind, FormReason::Words);
    }
    for text in [&seen.heading, &seen.fields] {
        let mut near = KEPT.iter().filter(|kept| has(text, kept.words));
        if let Some(kept) = near.find(|kept| kept.asks_near.is_in(seen)) {
            return (kept.kind, FormReason::Surroundings);
        }
    }
    // Makers of forms for everything: what is asked for has to be something that is sent to somebody.
    let is_made = has_field(&["_wpcf7", "gform_submit", "wpforms[id]", "formidable", "frm_action"]);
    if is_made && seen.has_email {
        return (FormKind::Contact, FormReason::Program);
    }
    // One line for an address alone may as well be a link to log in by.
    match seen.has_email && seen.has_lines {
        true => (FormKind::Contact, FormReason::Surroundings),
        false => (FormKind::Other, FormReason::Unknown),
    }
}

/// A kind that may be kept: its words, and what it must ask for.
struct KeptKind {
    kind: FormKind,
    words: &'static [&'static str],
    asks_for: AsksFor,
    /// The same where only what stands around it has the words.
    asks_near: AsksFor,
}

enum AsksFor {
    Lines,
    Email,
    /// Several lines, or two things that say who sends it.
    Somebody,
    Anything,
}

impl AsksFor {
    fn is_in(&self, seen: &Seen) -> bool {
        match self {
            AsksFor::Lines => seen.has_lines,
            AsksFor::Email => seen.has_email,
            AsksFor::Somebody => seen.has_lines || seen.written >= 2,
            AsksFor::Anything => true,
        }
    }
}

const KEPT: [KeptKind; 6] = [
    KeptKind::new(FormKind::Comment, words::COMMENT, AsksFor::Lines, AsksFor::Lines),
    KeptKind::new(FormKind::Newsletter, words::NEWSLETTER, AsksFor::Email, AsksFor::Email),
    KeptKind::new(FormKind::Booking, words::BOOKING, AsksFor::Somebody, AsksFor::Somebody),
    KeptKind::new(FormKind::Order, words::ORDER, AsksFor::Somebody, AsksFor::Somebody),
    KeptKind::new(FormKind::SignUp, words::SIGN_UP, AsksFor::Anything, AsksFor::Somebody),
    KeptKind::new(FormKind::Contact, words::CONTACT, AsksFor::Somebody, AsksFor::Somebody),
];

impl KeptKind {
    const fn new(
        kind: FormKind,
        words: &'static [&'static str],
        asks_for: AsksFor,
        asks_near: AsksFor,
    ) -> KeptKind {
        KeptKind { kind, words, asks_for, asks_near }
    }
}
