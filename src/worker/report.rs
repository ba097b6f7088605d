//! Reading a step's JUnit reports. What is not counted is told on standard error, which is the step's log.

use super::find::{self, Found};
use super::folder::Folder;
use super::junit::{self, Unreadable};
use super::protocol::{Failure, ReportAnswer, ReportTask};
use super::say::say;
use super::tally::Tally;
use jiff::Timestamp;
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::time::Instant;

/// Largest report, in bytes.
const FILE_MAX: u64 = 64 << 20;
/// Most bytes of all reports of a step.
const ALL_MAX: u64 = 256 << 20;
/// How far two clocks of one machine may differ, in seconds.
const CLOCK_SLACK: i64 = 2;
/// Most lines that are told of files that are not counted.
const TOLD_MAX: u32 = 20;

/// Tells what is not counted, the first times.
struct Teller {
    told: u32,
}

impl Teller {
    fn tell(&mut self, path: &str, why: &str, cases: u32) {
        self.told += 1;
        if self.told > TOLD_MAX {
            return;
        }
        match cases {
            0 => say!("junit: {path} {why}: not counted"),
            _ => say!("junit: {path} {why}: of it {cases} cases are counted"),
        }
    }
}

pub(super) fn read(task: &ReportTask, deadline: Instant) -> Result<ReportAnswer, Failure> {
    let workspace = Folder::open(&task.workspace)?;
    let mut answer = ReportAnswer::default();
    let mut tally = Tally::new(task.asked.clone());
    let mut teller = Teller { told: 0 };
    let mut bytes = 0;
    find::each(&workspace, &task.patterns, deadline, &mut |found| {
        let (path, file) = match found {
            Found::File { path, file } => (path, file),
            Found::Refused { path, why } => {
                answer.unreadable += 1;
                teller.tell(&path, &why, 0);
                return Ok(());
            }
        };
        let mut cases = 0;
        match count(&file, task.since, (&mut bytes, &mut cases), deadline, &mut tally) {
            Ok(Counted::Whole) => tally.end_file(),
            Ok(Counted::Stale) => {
                answer.stale += 1;
                let than = if task.attempt > 1 { "is older than this attempt" } else { "is older than this step" };
                teller.tell(&path, than, 0);
            }
            Err(why) => {
                // What came before the fault counts: a test run that crashed has said that much.
                tally.end_file();
                answer.unreadable += 1;
                teller.tell(&path, &why.to_string(), cases);
            }
        }
        Ok(())
    })?;
    if teller.told > TOLD_MAX {
        say!("junit: and {} more files", teller.told - TOLD_MAX);
    }
    (answer.report, answer.passed) = tally.end();
    say!("junit: {}", summary(&answer));
    Ok(answer)
}

fn summary(answer: &ReportAnswer) -> String {
    let counts = answer.report.counts;
    let files = answer.report.files;
    let mut text = format!("{} in {files} {}", counts.describe(), if files == 1 { "report" } else { "reports" });
    for (count, word) in [(counts.skipped, "skipped"), (counts.flaky, "flaky")] {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    text
}

enum Counted {
    Whole,
    Stale,
}

fn count(
    file: &File,
    since: Timestamp,
    (bytes, cases): (&mut u64, &mut u32),
    deadline: Instant,
    tally: &mut Tally,
) -> Result<Counted, Unreadable> {
    let meta = file.metadata().map_err(quick_xml::Error::from)?;
    // Both times: the one can be set back or forth at will, the other is bumped by a chmod of what was there.
    let changed = |seconds: i64, nanos: i64| (seconds, nanos / 1_000_000);
    let since = (since.as_millisecond().div_euclid(1000), since.as_millisecond().rem_euclid(1000));
    if changed(meta.mtime(), meta.mtime_nsec()).min(changed(meta.ctime(), meta.ctime_nsec())) < since {
        return Ok(Counted::Stale);
    }
    // Set forth by whoever wrote it, perhaps an earlier step.
    if meta.mtime() > Timestamp::now().as_second() + CLOCK_SLACK {
        return Err(Unreadable::Enough("is dated into the future"));
    }
    if meta.len() > FILE_MAX {
        return Err(Unreadable::Enough("is larger than 64 MiB"));
    }
    *bytes += meta.len();
    if *bytes > ALL_MAX {
        return Err(Unreadable::Enough("is too much: more than 256 MiB of reports"));
    }
    let input = BufReader::with_capacity(64 * 1024, file.take(FILE_MAX));
    junit::cases(input, &mut |case| {
        *cases += 1;
        if cases.is_multiple_of(1000) && Instant::now() > deadline {
            return Err(Unreadable::Enough("took too long to read"));
        }
        tally.add(case)
    })?;
    Ok(Counted::Whole)
}
