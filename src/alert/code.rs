//! A cause in what is kept on the disk: its stable code.

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

use crate::failure::Cause;

pub(super) fn serialize<S: Serializer>(cause: &Cause, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(cause.code())
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cause, D::Error> {
    let code = String::deserialize(deserializer)?;
    Cause::of(&code).ok_or_else(|| D::Error::custom("no such cause"))
}
