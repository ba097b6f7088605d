//! From a TOML value to what a key takes.

use super::fault::{Fault, Hint};
use super::name;
use super::quantity::{self, QuantityFault};
use super::tree::Value;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A text, in the form that `parse` gives it.
pub(super) fn text<T, E: Into<Fault>>(parse: impl Fn(&str) -> Result<T, E>) -> impl Fn(&Value) -> Result<T, Fault> {
    move |value| {
        let Value::Text(text) = value else { return Err(Fault::expected("a text", value.kind())) };
        parse(text).map_err(Into::into)
    }
}

/// One of the words of an enum.
pub(super) fn word<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&Value) -> Result<T, Fault> {
    text(move |found| match words.iter().find(|(word, _)| *word == found) {
        Some((_, meaning)) => Ok(*meaning),
        None => Err(Fault::UnknownWord {
            found: found.chars().take(64).collect(),
            hint: Hint::Valid(words.iter().map(|(word, _)| (*word).to_owned()).collect()),
        }),
    })
}

/// A duration within bounds.
pub(super) fn duration(bounds: RangeInclusive<Duration>) -> impl Fn(&Value) -> Result<Duration, Fault> {
    move |value| {
        let length = if let Value::Integer(seconds) = value {
            quantity::seconds_of(*seconds)?
        } else {
            let Value::Text(text) = value else { return Err(Fault::expected("a duration", value.kind())) };
            quantity::duration(text)?
        };
        if bounds.contains(&length) {
            return Ok(length);
        }
        Err(Fault::Range { min: quantity::shown(*bounds.start()), max: quantity::shown(*bounds.end()) })
    }
}

/// A size in bytes, within bounds.
pub(super) fn size(min: u64) -> impl Fn(&Value) -> Result<u64, Fault> {
    move |value| {
        let bytes = if let Value::Integer(bytes) = value {
            u64::try_from(*bytes).map_err(|_| QuantityFault::Size)?
        } else {
            let Value::Text(text) = value else { return Err(Fault::expected("a size", value.kind())) };
            quantity::size(text)?
        };
        if bytes >= min { Ok(bytes) } else { Err(Fault::AtLeast(min)) }
    }
}

/// An integer within bounds.
pub(super) fn count<T>(bounds: RangeInclusive<T>) -> impl Fn(&Value) -> Result<T, Fault>
where
    T: TryFrom<i64> + PartialOrd + std::fmt::Display,
{
    move |value| {
        let Value::Integer(integer) = value else { return Err(Fault::expected("an integer", value.kind())) };
        match T::try_from(*integer) {
            Ok(count) if bounds.contains(&count) => Ok(count),
            Ok(_) | Err(_) => Err(Fault::Range { min: bounds.start().to_string(), max: bounds.end().to_string() }),
        }
    }
}

/// `true` or `false`.
pub(super) fn flag(value: &Value) -> Result<bool, Fault> {
    let Value::Flag(flag) = value else { return Err(Fault::expected("true or false", value.kind())) };
    Ok(*flag)
}

/// A variable and its value.
pub(super) fn variable(name: &str, value: &Value) -> Result<String, Fault> {
    name::variable(name)?;
    text(name::argument)(value)
}
