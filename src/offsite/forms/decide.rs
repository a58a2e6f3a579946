//! What the steps in the store mean for the copy of a form here, and what is to be done next. No I/O, no clock.

use std::time::Duration;

use super::step::{FormStep, StepKind, of_receipt, of_state, state_after};
use crate::forms::{Reason, Receipt, State};

/// After so long without a next step nobody is sending any more who said that he is: he is gone.
pub const ABANDONED: Duration = Duration::from_secs(120);

/// A form as the store has it, as seen from one process.
#[derive(Clone, Copy, Debug)]
pub struct FormView<'a> {
    /// The steps towards the origin, or another recipient.
    pub steps: &'a [FormStep],
    /// Whether its visitor is known to be told.
    pub is_told: bool,
    /// How long the last step has been the last, by our own clock.
    pub unchanged: Duration,
    /// Whether this process is sending it now.
    pub is_being_sent: bool,
    /// Whether somebody has asked here for it to be delivered, and the store does not know that yet.
    pub is_asked: bool,
    /// What this process calls itself.
    pub run: &'a str,
    /// Whether it looks after what others have left.
    pub is_holder: bool,
    /// Whether it does no harm to send it twice.
    pub is_idempotent: bool,
}

/// What is to be done with a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormTask {
    /// Nothing.
    Nothing,
    /// It is kept here, too, in this state.
    Adopt(State, Option<Reason>),
    /// Its visitor knows.
    Confirm,
    /// Its visitor knows, and the store does not.
    Tell,
    /// It becomes here what it is there.
    Follow(State, Option<Reason>),
    /// This is the next step there.
    Publish(StepKind, Option<Reason>),
}

/// Of a form and the origin. `here` is what it is on this machine, if it is there.
pub fn with_origin(here: Option<(State, Option<&Reason>)>, view: &FormView<'_>) -> FormTask {
    let (there, why) = state_after(view.steps, view.is_told);
    let Some((state, reason)) = here else {
        return match there {
            // What is over is not worth a copy; what is being sent will be something else in a moment.
            State::Delivered => FormTask::Nothing,
            State::Sending => abandoned(view).unwrap_or(FormTask::Nothing),
            State::Unconfirmed | State::Kept | State::Doubtful | State::Parked => FormTask::Adopt(there, why),
        };
    };
    if view.is_being_sent || state == State::Sending {
        return FormTask::Nothing;
    }
    let is_news = !state.is_due() && !has_been(view.steps, of_state(state, reason.cloned()));
    let publish = || {
        let (kind, reason) = of_state(state, reason.cloned());
        FormTask::Publish(kind, reason)
    };
    match there {
        State::Doubtful | State::Parked if view.is_asked => FormTask::Publish(StepKind::Kept, None),
        // It was sent from here, and what became of it could not be told.
        State::Sending if view.steps.last().is_some_and(|step| step.run == view.run) => publish(),
        State::Sending if is_news => publish(),
        State::Sending => abandoned(view).unwrap_or(FormTask::Nothing),
        State::Delivered if state == State::Delivered => FormTask::Nothing,
        State::Delivered => FormTask::Follow(there, why),
        State::Unconfirmed | State::Kept if state.is_due() => {
            if (state, there) == (State::Unconfirmed, State::Kept) {
                FormTask::Confirm
            } else if state == State::Kept && view.steps.is_empty() && !view.is_told {
                FormTask::Tell
            } else {
                FormTask::Nothing
            }
        }
        State::Unconfirmed | State::Kept | State::Doubtful | State::Parked => {
            if (state, reason) == (there, why.as_ref()) {
                FormTask::Nothing
            } else if is_news || state == State::Delivered {
                publish()
            } else {
                FormTask::Follow(there, why)
            }
        }
    }
}

/// Whoever said that he sends it is gone: it may have arrived.
fn abandoned(view: &FormView<'_>) -> Option<FormTask> {
    let is_over = view.is_holder && view.unchanged >= ABANDONED;
    is_over.then(|| match view.is_idempotent {
        true => FormTask::Publish(StepKind::Kept, None),
        false => FormTask::Publish(StepKind::Doubtful, Reason::INTERRUPTED.parse().ok()),
    })
}

/// Whether it was this once: then what is here is older than what is there.
fn has_been(steps: &[FormStep], (kind, reason): (StepKind, Option<Reason>)) -> bool {
    steps.iter().any(|step| step.kind == kind && step.reason == reason)
}

/// What is to be done about a form and a recipient besides the origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptTask {
    /// Nothing.
    Nothing,
    /// It has made this of it.
    Receive(Receipt),
    /// It is asked once more.
    AskAgain,
    /// This is the next step there.
    Publish(StepKind, Option<Reason>),
}

/// Of a form and a recipient; `here` is what it has made of it as far as this machine knows.
pub fn with_recipient(here: Option<&Receipt>, view: &FormView<'_>) -> ReceiptTask {
    if view.is_being_sent {
        return ReceiptTask::Nothing;
    }
    let (kind, reason) = of_receipt(here);
    let publish = || ReceiptTask::Publish(kind, reason.clone());
    let Some(last) = view.steps.last() else {
        return if here.is_some() { publish() } else { ReceiptTask::Nothing };
    };
    match last.kind {
        StepKind::Taken if here == Some(&Receipt::Taken) => ReceiptTask::Nothing,
        StepKind::Taken => ReceiptTask::Receive(Receipt::Taken),
        StepKind::Refused if view.is_asked => ReceiptTask::Publish(StepKind::Kept, None),
        StepKind::Refused => match (here, &last.reason) {
            (Some(Receipt::Taken), _) => publish(),
            (None, Some(reason)) => ReceiptTask::Receive(Receipt::Refused(reason.clone())),
            (None | Some(Receipt::Refused(_)), _) => ReceiptTask::Nothing,
        },
        StepKind::Sending if last.run == view.run => publish(),
        StepKind::Sending | StepKind::Kept => match here {
            None => ReceiptTask::Nothing,
            Some(Receipt::Taken) => publish(),
            Some(Receipt::Refused(_)) if !has_been(view.steps, (kind, reason.clone())) => publish(),
            Some(Receipt::Refused(_)) if last.kind == StepKind::Kept => ReceiptTask::AskAgain,
            Some(Receipt::Refused(_)) => ReceiptTask::Nothing,
        },
        StepKind::Doubtful | StepKind::Parked | StepKind::Delivered => ReceiptTask::Nothing,
    }
}

/// Whether the next step may be to send it.
pub fn may_claim(to_origin: bool, view: &FormView<'_>) -> bool {
    let Some(last) = view.steps.last() else { return true };
    match last.kind {
        StepKind::Kept => true,
        // Recipients know it again; of the origin a person decides.
        StepKind::Sending => !to_origin && view.unchanged >= ABANDONED,
        StepKind::Doubtful | StepKind::Parked | StepKind::Delivered | StepKind::Taken | StepKind::Refused => {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> Option<Reason> {
        (!text.is_empty()).then(|| text.parse().unwrap())
    }

    /// `kind:reason@run`, with a blank between two.
    fn steps(text: &str) -> Vec<FormStep> {
        let step = |text: &str| {
            let (what, run) = text.split_once('@').unwrap_or((text, "other"));
            let (kind, why) = what.split_once(':').unwrap_or((what, ""));
            let kind = serde_json::from_str(&format!("\"{kind}\"")).unwrap();
            FormStep { kind, reason: reason(why), run: run.to_owned() }
        };
        text.split_whitespace().map(step).collect()
    }

    fn view(steps: &[FormStep]) -> FormView<'_> {
        FormView {
            steps,
            is_told: true,
            unchanged: Duration::ZERO,
            is_being_sent: false,
            is_asked: false,
            run: "us",
            is_holder: true,
            is_idempotent: false,
        }
    }

    fn said(task: &FormTask) -> String {
        let why = |reason: &Option<Reason>| reason.as_ref().map_or(String::new(), |why| format!(":{why}"));
        match task {
            FormTask::Nothing => "-".to_owned(),
            FormTask::Confirm => "confirm".to_owned(),
            FormTask::Tell => "tell".to_owned(),
            FormTask::Adopt(state, reason) => format!("adopt {state}{}", why(reason)),
            FormTask::Follow(state, reason) => format!("follow {state}{}", why(reason)),
            FormTask::Publish(kind, reason) => format!("publish {kind:?}{}", why(reason)).to_lowercase(),
        }
    }

    #[test]
    fn what_is_here_and_what_is_there_become_one() {
        for (here, there, expected) in [
            // of another machine
            ("", "", "adopt kept"),
            ("", "parked:login", "adopt parked:login"),
            ("", "sending doubtful:reset kept", "adopt kept"),
            ("", "sending", "-"),
            ("", "sending delivered", "-"),
            // alike
            ("kept", "", "-"),
            ("kept", "sending kept", "-"),
            ("parked:login", "sending parked:login", "-"),
            ("delivered", "sending delivered", "-"),
            ("unconfirmed", "", "confirm"),
            // others know more
            ("kept", "sending delivered", "follow delivered"),
            ("kept", "sending doubtful:reset", "follow doubtful:reset"),
            ("unconfirmed", "parked:no-recipient", "follow parked:no-recipient"),
            ("doubtful:reset", "sending doubtful:reset kept", "follow kept"),
            ("doubtful:reset", "doubtful:reset kept sending parked:login", "follow parked:login"),
            ("parked:login", "sending delivered", "follow delivered"),
            // we know more
            ("parked:login", "sending kept", "publish parked:login"),
            ("parked:no-recipient", "", "publish parked:no-recipient"),
            ("delivered:unconfirmed", "", "publish delivered:unconfirmed"),
            ("delivered", "sending doubtful:interrupted", "publish delivered"),
            ("doubtful:reset", "", "publish doubtful:reset"),
            // it was sent from here
            ("delivered", "sending@us", "publish delivered"),
            ("kept", "sending@us", "publish kept"),
            ("doubtful:interrupted", "sending@us", "publish doubtful:interrupted"),
            // an earlier process of ours was interrupted, and says so
            ("doubtful:interrupted", "sending@earlier", "publish doubtful:interrupted"),
            // another sends it, or has been asked to once more
            ("kept", "sending", "-"),
            ("doubtful:interrupted", "sending doubtful:interrupted kept sending", "-"),
            // from here, now
            ("sending", "sending@us", "-"),
        ] {
            let (steps, (state, why)) = (steps(there), here.split_once(':').unwrap_or((here, "")));
            let state = State::ALL.into_iter().find(|known| known.code() == state);
            let why = reason(why);
            let task = with_origin(state.map(|state| (state, why.as_ref())), &view(&steps));
            assert_eq!(said(&task), expected, "{here} | {there}");
        }
    }

    #[test]
    fn that_a_visitor_was_told_is_told_though_the_store_missed_it() {
        for (here, there, expected) in [
            (State::Kept, "", "tell"),
            (State::Unconfirmed, "", "-"),
            (State::Kept, "sending kept", "-"),
            (State::Kept, "sending", "-"),
        ] {
            let steps = steps(there);
            let missed = FormView { is_told: false, ..view(&steps) };
            assert_eq!(said(&with_origin(Some((here, None)), &missed)), expected, "{here} | {there}");
        }
    }

    #[test]
    fn who_is_gone_has_left_a_doubt_unless_it_does_no_harm() {
        let steps = steps("sending");
        let here = Some((State::Kept, None));
        let long = FormView { unchanged: ABANDONED, ..view(&steps) };
        assert_eq!(said(&with_origin(here, &long)), "publish doubtful:interrupted");
        assert_eq!(said(&with_origin(None, &long)), "publish doubtful:interrupted");
        let soon = FormView { unchanged: ABANDONED - Duration::from_secs(1), ..long };
        assert_eq!(
            (said(&with_origin(here, &soon)), said(&with_origin(None, &soon))),
            ("-".to_owned(), "-".to_owned())
        );
        let harmless = FormView { is_idempotent: true, ..long };
        assert_eq!(said(&with_origin(here, &harmless)), "publish kept");
        let other = FormView { is_holder: false, ..long };
        assert_eq!(said(&with_origin(here, &other)), "-");
        let busy = FormView { is_being_sent: true, ..long };
        assert_eq!(said(&with_origin(here, &busy)), "-");
        assert!(!may_claim(true, &long) && may_claim(false, &long) && !may_claim(false, &view(&steps)));
    }

    #[test]
    fn a_persons_word_holds_for_what_is_doubtful_or_parked() {
        for (there, expected) in [
            ("sending doubtful:reset", "publish kept"),
            ("parked:login", "publish kept"),
            ("sending", "-"),
            ("", "-"),
        ] {
            let steps = steps(there);
            let asked = FormView { is_asked: true, ..view(&steps) };
            assert_eq!(said(&with_origin(Some((State::Kept, None)), &asked)), expected, "{there}");
        }
    }

    #[test]
    fn only_what_is_to_be_sent_can_be_claimed() {
        for (there, is_due) in [
            ("", true),
            ("sending kept", true),
            ("sending", false),
            ("doubtful:reset", false),
            ("parked:login", false),
            ("delivered", false),
            ("taken", false),
            ("refused:status-422", false),
        ] {
            let steps = steps(there);
            assert_eq!(may_claim(true, &view(&steps)), is_due, "{there}");
        }
    }

    #[test]
    fn receipts_become_the_same_everywhere() {
        let refused = |why: &str| Receipt::Refused(why.parse().unwrap());
        let no = refused("no");
        use ReceiptTask::{AskAgain, Nothing, Publish, Receive};
        for (here, there, expected) in [
            (None, "", Nothing),
            (None, "sending", Nothing),
            (None, "sending taken", Receive(Receipt::Taken)),
            (None, "sending refused:no", Receive(no.clone())),
            (None, "sending@us", Publish(StepKind::Kept, None)),
            (Some(Receipt::Taken), "sending taken", Nothing),
            (Some(Receipt::Taken), "", Publish(StepKind::Taken, None)),
            (Some(Receipt::Taken), "sending kept", Publish(StepKind::Taken, None)),
            (Some(Receipt::Taken), "sending@us", Publish(StepKind::Taken, None)),
            (Some(no.clone()), "sending taken", Receive(Receipt::Taken)),
            (Some(no.clone()), "sending@us", Publish(StepKind::Refused, reason("no"))),
            (Some(no.clone()), "sending refused:no", Nothing),
            (Some(no.clone()), "sending refused:no kept", AskAgain),
            (Some(no.clone()), "sending refused:no kept sending", Nothing),
        ] {
            let steps = steps(there);
            assert_eq!(with_recipient(here.as_ref(), &view(&steps)), expected, "{here:?} | {there}");
        }
        let steps = steps("sending refused:no");
        let asked = FormView { is_asked: true, ..view(&steps) };
        assert_eq!(with_recipient(None, &asked), Publish(StepKind::Kept, None));
    }
}
