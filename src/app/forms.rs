//! An operator's questions and decisions about kept forms. One place for the admin API and the command line: a question in,
//! JSON out, or a refusal with its reason. Whoever reads what a form holds is written down.

use crate::failure::chain;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::clock;
use crate::config::recipient::Recipient;
use crate::forms::{
    self, Access, Errand, FormId, Intake, KeptForm, Listed, NotMoved, NotRead, OpenError, Reason, Receipt,
    State,
};
use crate::http::headers::as_ascii;
use crate::snapshot::rfc3339;

/// Bytes of forms that are exported at once, if somebody does not want all of them at once.
const AT_ONCE: u64 = 4 << 20;

/// A question or a decision about one site's forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormAsk {
    /// What is kept, without what it holds; only those that hold this text, if one is given.
    List {
        /// In any field, in any case of letters.
        find: Option<String>,
    },
    /// One form and what it holds.
    Show {
        /// Its id or its number.
        id: String,
    },
    /// Forms and what they hold: all of them, or so many as are sent at once, and then the ones after the last.
    Export {
        /// The id of the last one; empty at the beginning. `None`: all at once.
        after: Option<String>,
    },
    /// Have one delivered: again, if it is doubtful or was refused.
    Deliver {
        /// Its id or its number.
        id: String,
    },
    /// Erase one for good.
    Forget {
        /// Its id or its number.
        id: String,
    },
}

/// Why something was not done. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum FormRefusal {
    /// There is no such form.
    #[error("there is no kept form {0:?}; \"katahai forms list\" shows those that are there")]
    Unknown(String),
    /// It is delivered, or on its way.
    #[error("the form {id} is {state}; only one that is kept, doubtful or parked can be delivered")]
    Over {
        /// Which.
        id: FormId,
        /// What has become of it.
        state: State,
    },
    /// The key.
    #[error("the forms cannot be read: {0}")]
    Key(String),
    /// It cannot be read.
    #[error("the form cannot be read")]
    Read(#[from] NotRead),
    /// It cannot be marked or removed.
    #[error("the form cannot be changed")]
    Mark(#[from] NotMoved),
    /// All of them.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl FormRefusal {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            FormRefusal::Unknown(_) => "unknown-form",
            FormRefusal::Over { .. } => "form-is-over",
            FormRefusal::Key(_) => "no-key",
            FormRefusal::Read(_) => "form-unreadable",
            FormRefusal::Mark(_) => "form-unchangeable",
            FormRefusal::Open(_) => "forms-unreadable",
        }
    }

    /// As the API says it.
    pub fn to_json(&self) -> Value {
        json!({ "error": { "code": self.code(), "message": chain(self) } })
    }
}

/// Answers. Blocks. `who` is written down where somebody reads what forms hold, or erases one.
///
/// # Errors
/// See [`FormRefusal`].
pub fn answer(intake: &Intake, site: &str, ask: &FormAsk, who: &str) -> Result<Value, FormRefusal> {
    let mut said = answer_here(intake, site, ask, who)?;
    match said.get_mut("forms").and_then(Value::as_array_mut) {
        Some(forms) => forms.iter_mut().for_each(|form| say_where(intake, site, form)),
        None => say_where(intake, site, &mut said),
    }
    Ok(said)
}

/// Says of a form whether it is in the store, if there is one.
fn say_where(intake: &Intake, site: &str, form: &mut Value) {
    let id = form["id"].as_str().and_then(|id| id.parse().ok());
    if let Some(place) = id.and_then(|id| intake.whereabouts(site, id)) {
        form["store"] = place.code().into();
    }
}

fn answer_here(intake: &Intake, site: &str, ask: &FormAsk, who: &str) -> Result<Value, FormRefusal> {
    if intake.sites()?.is_empty() {
        return match ask {
            FormAsk::List { .. } | FormAsk::Export { .. } => Ok(json!({ "forms": [] })),
            FormAsk::Show { id } | FormAsk::Deliver { id } | FormAsk::Forget { id } => {
                Err(FormRefusal::Unknown(id.clone()))
            }
        };
    }
    let spool = intake.spool()?;
    let note = |what: &str, form: Option<&FormId>| {
        intake.audit(Access { who, site, what, form }, clock::now().wall);
    };
    match ask {
        FormAsk::List { find: None } => {
            Ok(json!({ "forms": spool.list(site).iter().map(line).collect::<Vec<_>>() }))
        }
        FormAsk::List { find: Some(text) } => {
            note("searched", None);
            let mut found = Vec::new();
            for listed in spool.list(site) {
                match read(intake, site, &listed) {
                    Ok(form) if holds(&form, text) => found.push(line(&listed)),
                    Ok(_) => {}
                    // it may hold it
                    Err(error) => found.push(unreadable(&listed, &error)),
                }
            }
            Ok(json!({ "forms": found }))
        }
        FormAsk::Show { id } => {
            let listed = find(intake, site, id)?;
            note("read", Some(&listed.id));
            Ok(whole(&listed, &read(intake, site, &listed)?))
        }
        FormAsk::Export { after } => {
            note("exported", None);
            Ok(export(intake, site, &spool.list(site), after.as_deref()))
        }
        FormAsk::Deliver { id } => {
            let mut listed = find(intake, site, id)?;
            let is_refused = |receipt: &Receipt| matches!(receipt, Receipt::Refused(_));
            let is_again = listed.receipts.values().any(is_refused);
            intake.send_word(site, listed.id, Errand::Deliver);
            match listed.state {
                State::Doubtful | State::Parked => {
                    spool.mark(site, listed.id, State::Kept, None, clock::now().wall)?;
                    listed.state = State::Kept;
                }
                State::Unconfirmed | State::Kept => {}
                State::Sending | State::Delivered if is_again => {}
                State::Sending | State::Delivered => {
                    intake.take_word_back(site, listed.id, Errand::Deliver);
                    return Err(FormRefusal::Over { id: listed.id, state: listed.state });
                }
            }
            // Last: a process that ends before this leaves a form that is parked once more.
            spool.ask_again(site, listed.id)?;
            note("asked to be delivered", Some(&listed.id));
            intake.hasten(site);
            intake.decided();
            Ok(json!({ "id": listed.id.to_string(), "state": listed.state.code() }))
        }
        FormAsk::Forget { id } => {
            let listed = find(intake, site, id)?;
            // Before it is gone here: a process that ends in between has it erased everywhere all the same.
            intake.send_word(site, listed.id, Errand::Erase);
            if let Err(error) = spool.forget(site, listed.id) {
                intake.take_word_back(site, listed.id, Errand::Erase);
                return Err(error.into());
            }
            intake.decided();
            note("erased", Some(&listed.id));
            Ok(json!({ "id": listed.id.to_string(), "erased": true }))
        }
    }
}

/// Forms with what they hold: all of them, or the first that come after this one.
fn export(intake: &Intake, site: &str, listed: &[Listed], after: Option<&str>) -> Value {
    // The last one may have been erased meanwhile: then it goes on with those of its second, rather twice than not.
    let begin = after.map_or(0, |after| {
        let at = listed.iter().position(|form| form.id.to_string() == after);
        let came = after.parse::<FormId>().map(|id| id.came()).ok();
        let of_its_second = || listed.iter().position(|form| came.is_none_or(|came| form.id.came() >= came));
        at.map_or_else(|| of_its_second().unwrap_or(listed.len()), |at| at + 1)
    });
    let (mut all, mut bytes, mut next) = (Vec::new(), 0, None);
    for listed in &listed[begin..] {
        all.push(match read(intake, site, listed) {
            Ok(form) => whole(listed, &form),
            Err(error) => unreadable(listed, &error),
        });
        bytes += listed.bytes;
        if after.is_some() && bytes >= AT_ONCE {
            next = Some(listed.id.to_string());
            break;
        }
    }
    json!({ "forms": all, "next": next })
}

fn find(intake: &Intake, site: &str, name: &str) -> Result<Listed, FormRefusal> {
    let is_it =
        |listed: &Listed| listed.id.to_string() == name || listed.id.number().eq_ignore_ascii_case(name);
    intake.spool()?.list(site).into_iter().find(is_it).ok_or_else(|| FormRefusal::Unknown(name.to_owned()))
}

fn read(intake: &Intake, site: &str, listed: &Listed) -> Result<KeptForm, FormRefusal> {
    let keys = intake.keys().map_err(FormRefusal::Key)?;
    Ok(intake.spool()?.read(site, listed.id, &keys)?)
}

/// What a recipient has made of it.
fn receipt(recipient: &str, receipt: &Receipt) -> Value {
    match receipt {
        Receipt::Taken => json!({ "recipient": recipient, "state": "taken" }),
        Receipt::Refused(reason) => {
            json!({ "recipient": recipient, "state": "refused", "reason": reason.as_str() })
        }
    }
}

/// Says in a form's receipts who the recipients are, as far as the configuration still has them.
pub fn name_recipients<'r>(form: &mut Value, recipients: impl Iterator<Item = &'r Recipient> + Clone) {
    for receipt in form["receipts"].as_array_mut().into_iter().flatten() {
        let named = recipients.clone().find(|recipient| receipt["recipient"] == recipient.key());
        if let Some(recipient) = named {
            receipt["to"] = recipient.to_string().into();
        }
    }
}

fn unreadable(listed: &Listed, error: &FormRefusal) -> Value {
    let mut line = line(listed);
    line["unreadable"] = chain(error).into();
    line
}

fn line(listed: &Listed) -> Value {
    json!({
        "id": listed.id.to_string(),
        "number": listed.id.number(),
        "received": rfc3339(listed.id.came()),
        "state": listed.state.code(),
        "reason": listed.reason.as_ref().map(Reason::as_str),
        "bytes": listed.bytes,
        "receipts": listed.receipts.iter().map(|(recipient, said)| receipt(recipient, said)).collect::<Value>(),
    })
}

/// A form with all that it holds; of files, the content in base64.
pub(super) fn whole(listed: &Listed, form: &KeptForm) -> Value {
    let mut all = line(listed);
    all["host"] = form.host.clone().into();
    all["target"] = form.target.clone().into();
    all["page"] = form.page.clone().into();
    all["client"] = form.client.to_string().into();
    let header = |(name, value): &(String, Vec<u8>)| {
        let value = http::HeaderValue::from_bytes(value).map(|value| as_ascii(&value));
        (name.clone(), Value::from(value.unwrap_or_default()))
    };
    all["headers"] = form.headers.iter().map(header).collect::<serde_json::Map<_, _>>().into();
    let fields = forms::fields::fields(form.content_type(), &form.body);
    all["fields"] = serde_json::to_value(&fields).unwrap_or_default();
    let mut files = forms::fields::files(form.content_type(), &form.body).into_iter();
    let is_file = |field: &&mut Value| field.get("file").is_some();
    for (field, file) in all["fields"].as_array_mut().into_iter().flatten().filter(is_file).zip(&mut files) {
        field["content_type"] = file.content_type.into();
        field["content"] = BASE64.encode(file.content).into();
    }
    if fields.is_empty() {
        all["body"] = String::from_utf8_lossy(&form.body).into();
    }
    all
}

/// Whether what somebody wrote into the form holds this text.
fn holds(form: &KeptForm, text: &str) -> bool {
    let text = text.to_lowercase();
    let fields = forms::fields::fields(form.content_type(), &form.body);
    let has = |field: &forms::fields::Field| field.value.to_lowercase().contains(&text);
    if fields.is_empty() {
        String::from_utf8_lossy(&form.body).to_lowercase().contains(&text)
    } else {
        fields.iter().any(has)
    }
}
