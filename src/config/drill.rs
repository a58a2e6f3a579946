//! `[site.drill]`: the self-test that runs by itself.

use std::time::Duration;

use super::defaults::DRILL_EVERY;
use super::node::{Fault, shown};
use super::raw;
use super::value::{Age, texts};

/// `[site.drill]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteDrill {
    /// How often it runs; `None`: never by itself.
    pub every: Option<Duration>,
    /// When its result is mailed.
    pub mail: DrillMail,
}

/// When a result is mailed to those who get alerts by mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DrillMail {
    /// After each run: no mail is then a sign, too.
    #[default]
    Always,
    /// When a visitor would miss something important.
    Bad,
    /// Never.
    Never,
}

impl Default for SiteDrill {
    fn default() -> SiteDrill {
        SiteDrill { every: Some(DRILL_EVERY), mail: DrillMail::Always }
    }
}

texts! {
    DrillMail: "\"always\", \"bad\" or \"never\"", drill_mail;
}

fn drill_mail(text: &str) -> Result<DrillMail, Fault> {
    match text {
        "always" => Ok(DrillMail::Always),
        "bad" => Ok(DrillMail::Bad),
        "never" => Ok(DrillMail::Never),
        _ => {
            let help = "write \"always\", \"bad\" (only if something would be missing) or \"never\"";
            Err(Fault::new(format!("{} does not say when to send the result", shown(text)), help))
        }
    }
}

pub(super) fn site_drill(raw: raw::SiteDrill) -> SiteDrill {
    let every = raw.every.or(Age(SiteDrill::default().every)).0;
    SiteDrill { every, mail: raw.mail.or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mail_is_one_of_three_words() {
        assert_eq!(drill_mail("bad").ok(), Some(DrillMail::Bad));
        for wrong in ["", "off", "weekly", "Always"] {
            assert!(drill_mail(wrong).is_err(), "{wrong}");
        }
    }
}
