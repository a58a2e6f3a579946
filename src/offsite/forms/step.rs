//! One step of a form's way, and what a row of them says.

use serde::{Deserialize, Serialize};

use crate::forms::{NotAReason, Reason, Receipt, State};

/// What became of a form with the origin or another recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepKind {
    /// Somebody sends it: nobody else may until the next step.
    Sending,
    /// It is to be sent: it did not arrive, or a person has asked for it.
    Kept,
    /// The origin may have it.
    Doubtful,
    /// The origin refused it, or nobody is left to get it.
    Parked,
    /// The origin has it, or all who get it in its place.
    Delivered,
    /// The recipient has it.
    Taken,
    /// The recipient refused it.
    Refused,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormStep {
    /// What.
    pub kind: StepKind,
    /// Why.
    pub reason: Option<Reason>,
    /// The process that took it: a number that it has drawn when it began.
    pub run: String,
}

/// As it is written, before it is sealed. The seal binds it to its site and form; to its place in its row it is bound by saying it.
#[derive(Serialize, Deserialize)]
struct WrittenStep {
    version: u32,
    to: String,
    number: u32,
    kind: StepKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    run: String,
}

const STEP_VERSION: u32 = 1;

impl FormStep {
    /// As it is written at this place.
    pub fn write(&self, to: &str, number: u32) -> Vec<u8> {
        let written = WrittenStep {
            version: STEP_VERSION,
            to: to.to_owned(),
            number,
            kind: self.kind,
            reason: self.reason.as_ref().map(ToString::to_string),
            run: self.run.clone(),
        };
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// Reads it; `None`: it is none, of a later version, or of another place.
    pub fn read(bytes: &[u8], to: &str, number: u32) -> Option<FormStep> {
        let written: WrittenStep = serde_json::from_slice(bytes).ok()?;
        if (written.version, &*written.to, written.number) != (STEP_VERSION, to, number) {
            return None;
        }
        let reason: Result<Option<Reason>, NotAReason> = written.reason.map(|why| why.parse()).transpose();
        Some(FormStep { kind: written.kind, reason: reason.ok()?, run: written.run })
    }
}

/// The step that says what a form here has become.
pub fn of_state(state: State, reason: Option<Reason>) -> (StepKind, Option<Reason>) {
    match state {
        State::Unconfirmed | State::Kept => (StepKind::Kept, None),
        State::Sending => (StepKind::Sending, None),
        State::Doubtful => (StepKind::Doubtful, reason),
        State::Parked => (StepKind::Parked, reason),
        State::Delivered => (StepKind::Delivered, reason),
    }
}

/// The step that says what a recipient has made of a form.
pub fn of_receipt(receipt: Option<&Receipt>) -> (StepKind, Option<Reason>) {
    match receipt {
        None => (StepKind::Kept, None),
        Some(Receipt::Taken) => (StepKind::Taken, None),
        Some(Receipt::Refused(reason)) => (StepKind::Refused, Some(reason.clone())),
    }
}

/// What a row of steps towards the origin has made of a form, whose visitor is known to be told, or not.
pub fn state_after(steps: &[FormStep], is_told: bool) -> (State, Option<Reason>) {
    let due = if is_told { State::Kept } else { State::Unconfirmed };
    let Some(last) = steps.last() else { return (due, None) };
    match last.kind {
        StepKind::Kept => (State::Kept, None),
        StepKind::Sending => (State::Sending, None),
        StepKind::Doubtful => (State::Doubtful, last.reason.clone()),
        StepKind::Parked => (State::Parked, last.reason.clone()),
        StepKind::Delivered => (State::Delivered, last.reason.clone()),
        // Nobody writes that of the origin; a person is to look.
        StepKind::Taken | StepKind::Refused => (State::Doubtful, last.reason.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_back_at_its_place_only() {
        let step = FormStep {
            kind: StepKind::Parked,
            reason: Some("status-422".parse().unwrap()),
            run: "r1".to_owned(),
        };
        let bytes = step.write("origin", 2);
        assert_eq!(FormStep::read(&bytes, "origin", 2), Some(step));
        assert_eq!(FormStep::read(&bytes, "origin", 3), None);
        assert_eq!(FormStep::read(&bytes, "0a1b2c3d", 2), None);
        let text = String::from_utf8(bytes).unwrap();
        for spoilt in ["\"version\":1", "status-422", "parked"] {
            let other =
                text.replace(spoilt, &spoilt.replace('1', "2").replace("422", "A").replace("parked", "x"));
            assert_eq!(FormStep::read(other.as_bytes(), "origin", 2), None, "{other}");
        }
    }
}
