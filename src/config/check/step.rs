//! What single keys of `[[step]]` are made of.

use crate::config::fault::Fault;
use crate::config::tree::Value;
use crate::config::value::word;
use crate::model::Verdict;

/// An exit code and what it means, of `decode`.
pub(super) fn exit_code(code: &str, value: &Value) -> Result<(u8, Verdict), Fault> {
    const MEANINGS: &[(&str, Verdict)] = &[
        ("skipped", Verdict::Skipped),
        ("success", Verdict::Success),
        ("warnings", Verdict::Warnings),
        ("failure", Verdict::Failure),
    ];
    match code.parse::<u8>() {
        // Two ways to write one code would be two codes in one table.
        Ok(number) if number.to_string() == code => Ok((number, word("decode", MEANINGS)(value)?)),
        Ok(_) | Err(_) => Err(Fault::Rule("an exit code is a number from 0 to 255")),
    }
}
