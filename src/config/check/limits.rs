//! `memory`, `tasks`, `cpu` and `disk`

use crate::config::fault::Fault;
use crate::config::limits::{CpuQuota, OwnLimits};
use crate::config::reader::Reader;
use crate::config::tree::Value;
use crate::config::value::{count, size, text};
use std::ops::RangeInclusive;

/// Least memory that a shell starts in.
pub(super) const MEMORY_MIN: u64 = 1 << 20;
/// Least that is worth a limit: less would stop a compiler at its first temporary file.
pub(super) const DISK_MIN: u64 = 1 << 20;
pub(super) const TASKS: RangeInclusive<u64> = 16..=4_194_304;
/// Most CPUs that a kernel of Linux knows, in percent.
const CPU_MAX: u32 = 8192 * 100;

/// `150%`, as `CPUQuota=` takes it.
pub(super) fn cpu(value: &Value) -> Result<CpuQuota, Fault> {
    text(|found: &str| {
        let digits = found.trim().strip_suffix('%').unwrap_or_default().trim_end();
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match digits.parse() {
            Ok(percent @ 1..=CPU_MAX) if plain => Ok(CpuQuota { percent }),
            Ok(_) | Err(_) => Err(Fault::Rule("must be a percentage of one CPU, as in \"150%\": one and a half")),
        }
    })(value)
}

/// What a step says of its own.
pub(super) fn own(reader: &mut Reader<'_, '_>) -> Option<OwnLimits> {
    let memory = reader.optional("memory", size(MEMORY_MIN));
    let tasks = reader.optional("tasks", count(TASKS));
    let cpu = reader.optional("cpu", cpu);
    let disk = reader.optional("disk", size(DISK_MIN));
    Some(OwnLimits { memory: memory?, tasks: tasks?, cpu: cpu?, disk: disk? })
}
