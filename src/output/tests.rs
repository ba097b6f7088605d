//! The way through all files: recording, taking over, finishing from every crash point, reading.

use super::stem::Stem;
use super::*;
use crate::model::Secret;
use std::fs;
use std::io::{PipeReader, PipeWriter, Write};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

const LIMITS: Limits = Limits { log_max: 1 << 30, journal_head: 200, journal_tail: 50 };

struct Step {
    _folder: tempfile::TempDir,
    stem: PathBuf,
    pipe: PipeReader,
    step: PipeWriter,
    journal: Vec<String>,
}

impl Step {
    fn new() -> Step {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, step) = std::io::pipe().unwrap();
        Step { stem: folder.path().join("2"), _folder: folder, pipe, step, journal: Vec::new() }
    }

    fn open(&self, limits: Limits) -> Box<Recorder> {
        match Recorder::open(&self.stem, masker(), limits).unwrap() {
            Opened::Recording(recorder) => recorder,
            Opened::Ended(_) => panic!("the log has ended"),
        }
    }

    fn ended(&self) -> Ended {
        match Recorder::open(&self.stem, masker(), LIMITS).unwrap() {
            Opened::Ended(ended) => ended,
            Opened::Recording(_) => panic!("the log has not ended"),
        }
    }

    fn print(&mut self, recorder: &mut Recorder, text: &[u8]) {
        for piece in text.chunks(50_000) {
            self.step.write_all(piece).unwrap();
            let journal = &mut self.journal;
            assert_eq!(recorder.pump(self.pipe.as_fd(), &mut |b| journal.push(said(b))).unwrap(), PipeState::Drained);
        }
    }

    fn finish(&mut self, ended: Ended) -> Finished {
        let journal = &mut self.journal;
        ended.finish(&mut |b| journal.push(said(b))).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.stem.parent().unwrap()).unwrap();
        let mut names: Vec<String> = names.map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn masker() -> Masker {
    Masker::new(&[Secret { name: "pw".parse().unwrap(), bytes: b"hunter2!".to_vec() }]).unwrap()
}

fn said(batch: &JournalBatch<'_>) -> String {
    match batch {
        JournalBatch::Lines { text, .. } => (*text).to_owned(),
        JournalBatch::LeftOut { lines } => format!("… {lines}"),
    }
}

fn whole(stem: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    LogReader::open(stem).unwrap().copy_to(0, &mut text).unwrap();
    text
}

/// 30,000 lines; the secret is in every thousandth.
fn output() -> (Vec<u8>, Vec<u8>) {
    let line = |i: u32| if i.is_multiple_of(1000) { format!("{i} hunter2! x\n") } else { format!("{i} line\n") };
    let raw: String = (1..=30_000).map(line).collect();
    let published = raw.replace("hunter2!", "***");
    (raw.into_bytes(), published.into_bytes())
}

#[test]
fn the_log_is_the_output_but_for_secrets() {
    let (raw, published) = output();
    let mut step = Step::new();
    let mut recorder = step.open(LIMITS);
    step.print(&mut recorder, &raw);
    assert_eq!((recorder.bytes(), recorder.dropped()), (raw.len() as u64, 0));
    assert_eq!(whole(&step.stem), published, "while it runs");
    let ended = recorder.end(&mut |_| {}).unwrap();
    assert_eq!(step.finish(ended), Finished { bytes: published.len() as u64, lines: 30_000 });
    assert_eq!(whole(&step.stem), published, "when it is finished");
    assert_eq!(step.files(), ["2.log.zst"]);
    let unpacked = zstd::decode_all(fs::File::open(step.stem.with_extension("log.zst")).unwrap()).unwrap();
    assert_eq!(unpacked, published, "for zstdcat");
    let lines: Vec<&str> = step.journal.iter().flat_map(|text| text.lines()).collect();
    assert_eq!((lines.len(), lines[0], lines[199]), (251, "1 line", "200 line"));
    assert_eq!((lines[200], lines[201], lines[250]), ("… 29750", "29951 line", "30000 *** x"));
}

#[test]
fn a_take_over_leaves_no_gap_and_doubles_nothing() {
    let (raw, published) = output();
    let mut step = Step::new();
    // Each recorder is dropped in the middle of a line, the first also in the middle of the secret.
    let cuts = [0, 17_000, 100_001, 100_002, 150_000, raw.len()];
    for cut in cuts.windows(2) {
        let mut recorder = step.open(LIMITS);
        step.print(&mut recorder, &raw[cut[0]..cut[1]]);
        drop(recorder);
        // What a recorder killed between its two writes leaves.
        fs::OpenOptions::new().append(true).open(step.stem.with_extension("log")).unwrap().write_all(b"torn").unwrap();
    }
    let ended = step.open(LIMITS).end(&mut |_| {}).unwrap();
    step.finish(ended);
    assert_eq!(whole(&step.stem), published);
    let lines: Vec<&str> = step.journal.iter().flat_map(|text| text.lines()).collect();
    assert_eq!((lines.len(), lines[199], lines[201]), (251, "200 line", "29951 line"));
}

#[test]
fn output_that_a_killed_recorder_took_and_did_not_publish() {
    let mut step = Step::new();
    let mut recorder = step.open(LIMITS);
    step.print(&mut recorder, b"one\n");
    drop(recorder);
    fs::OpenOptions::new()
        .append(true)
        .open(step.stem.with_extension("raw"))
        .unwrap()
        .write_all(b"two\nthree")
        .unwrap();
    let mut recorder = step.open(LIMITS);
    step.print(&mut recorder, b" four\n");
    assert_eq!(whole(&step.stem), b"one\ntwo\nthree four\n");
    assert_eq!(step.journal, ["one", "two\nthree four"]);
}

#[test]
fn finishing_ends_in_the_same_place_from_every_crash_point() {
    type Crash = fn(&Step, Ended);
    let leave: &[(&str, Crash)] = &[
        ("after the end", |_, ended| drop(ended)),
        ("before the left-out word", |_, ended| crash_at_batch(ended, 0)),
        ("between the left-out word and the tail", |_, ended| crash_at_batch(ended, 1)),
        ("while packing", |step, ended| {
            drop(ended);
            fs::write(Stem::new(&step.stem).packing(), vec![b'x'; 999_999]).unwrap();
        }),
        ("after the rename", |step, ended| {
            sweep_stops(step, ended, &[".raw", ".log", ".state"]);
        }),
        ("sweeping", |step, ended| {
            sweep_stops(step, ended, &[".state"]);
        }),
        ("after everything", |_, ended| assert_eq!(ended.finish(&mut |_| {}).unwrap().lines, 30_000)),
    ];
    let (raw, published) = output();
    for (what, crash) in leave {
        let mut step = Step::new();
        let mut recorder = step.open(LIMITS);
        step.print(&mut recorder, &raw);
        crash(&step, recorder.end(&mut |_| {}).unwrap());
        let again = step.ended();
        assert_eq!(step.finish(again), Finished { bytes: published.len() as u64, lines: 30_000 }, "{what}");
        assert_eq!(whole(&step.stem), published, "{what}");
        assert_eq!(step.files(), ["2.log.zst"], "{what}");
    }
}

/// As if killed while the journal takes a batch.
fn crash_at_batch(ended: Ended, batch: usize) {
    let mut seen = 0;
    let died = catch_unwind(AssertUnwindSafe(|| {
        ended.finish(&mut |_| {
            assert!(seen < batch, "killed here");
            seen += 1;
        })
    }));
    assert!(died.is_err());
}

/// As if killed when everything but `left` had been removed.
fn sweep_stops(step: &Step, ended: Ended, left: &[&str]) {
    let keep = |ending: &&str| {
        let path = PathBuf::from(format!("{}{ending}", step.stem.display()));
        (path.clone(), fs::read(path).unwrap())
    };
    let kept: Vec<_> = left.iter().map(keep).collect();
    ended.finish(&mut |_| {}).unwrap();
    for (path, content) in kept {
        fs::write(path, content).unwrap();
    }
}

#[test]
fn a_limit_ends_the_log_and_not_the_step() {
    let mut step = Step::new();
    let limits = Limits { log_max: 10, ..LIMITS };
    let mut recorder = step.open(limits);
    step.print(&mut recorder, b"0123456");
    assert_eq!(recorder.dropped(), 0);
    step.print(&mut recorder, b"789abc");
    step.print(&mut recorder, &[b'x'; 200_000]);
    assert_eq!((recorder.dropped(), recorder.bytes()), (200_003, 200_013));
    drop(recorder);
    let ended = step.open(limits).end(&mut |_| {}).unwrap();
    step.finish(ended);
    let log = String::from_utf8(whole(&step.stem)).unwrap();
    let note = "[unitci: the log ends here: log-max is 10 bytes, 200003 bytes more were thrown away]\n";
    assert_eq!(log, format!("0123456789\n{note}"));
}

#[test]
fn after_a_power_cut_what_is_there_stays() {
    for state in [None, Some(vec![0; 64]), Some(Vec::new())] {
        let mut step = Step::new();
        let mut recorder = step.open(LIMITS);
        step.print(&mut recorder, b"one\ntwo\nthree\n");
        drop(recorder);
        match &state {
            // The state outlived the log's end.
            None => {
                fs::OpenOptions::new().write(true).open(step.stem.with_extension("log")).unwrap().set_len(6).unwrap()
            }
            Some(rubbish) => fs::write(step.stem.with_extension("state"), rubbish).unwrap(),
        }
        let before = whole(&step.stem);
        let mut recorder = step.open(LIMITS);
        step.print(&mut recorder, b"four\n");
        let ended = recorder.end(&mut |_| {}).unwrap();
        let lines = step.finish(ended).lines;
        let log = whole(&step.stem);
        assert_eq!(log, [&before[..], b"four\n"].concat());
        assert_eq!(lines, log.iter().filter(|b| **b == b'\n').count() as u64);
    }
}

#[test]
fn modes() {
    use std::os::unix::fs::PermissionsExt;
    let mut step = Step::new();
    let mode = |ending: &str| fs::metadata(step.stem.with_extension(ending)).unwrap().permissions().mode() & 0o777;
    let recorder = step.open(LIMITS);
    assert_eq!(["raw", "state", "log"].map(mode), [0o600, 0o600, 0o640]);
    let ended = recorder.end(&mut |_| {}).unwrap();
    assert_eq!(step.finish(ended), Finished { bytes: 0, lines: 0 });
    let mode = fs::metadata(step.stem.with_extension("log.zst")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o640);
    assert_eq!(whole(&step.stem), b"");
}

#[test]
fn any_part_of_a_log_can_be_read_at_any_time() {
    let (raw, published) = output();
    let mut step = Step::new();
    assert!(matches!(LogReader::open(&step.stem), Err(LogError::Missing)));
    let mut recorder = step.open(LIMITS);
    step.print(&mut recorder, &raw);
    let text = |excerpt: Excerpt| String::from_utf8(excerpt.bytes).unwrap();
    let check = |reader: &mut LogReader| {
        assert_eq!(reader.len().unwrap(), published.len() as u64);
        assert_eq!(text(reader.lines_head(2, 1000).unwrap()), "1 line\n2 line\n");
        assert_eq!(text(reader.lines_head(2, 8).unwrap()), "1 line\n2");
        assert_eq!(text(reader.lines_head(0, 8).unwrap()), "");
        assert_eq!(text(reader.lines_tail(2, 1000).unwrap()), "29999 line\n30000 *** x\n");
        assert_eq!(text(reader.lines_tail(2, 5).unwrap()), "** x\n");
        assert_eq!(reader.lines_tail(u64::MAX, usize::MAX).unwrap().bytes, published);
        for offset in (0..published.len()).step_by(9999).chain([published.len(), published.len() + 9]) {
            let there = &published[offset.min(published.len())..];
            let most = 300_000;
            let got = reader.read_range(offset as u64, most).unwrap().bytes;
            assert!(got == there[..most.min(there.len())], "from {offset}");
        }
    };
    let mut follower = LogReader::open(&step.stem).unwrap();
    check(&mut follower);
    assert_eq!(follower.refresh().unwrap(), LogState::Running);
    let ended = recorder.end(&mut |_| {}).unwrap();
    step.finish(ended);
    check(&mut follower);
    assert_eq!(follower.refresh().unwrap(), LogState::Finished);
    check(&mut follower);
}

#[test]
fn a_log_that_is_cleaned_away_while_it_is_followed() {
    let mut step = Step::new();
    let mut recorder = step.open(LIMITS);
    step.print(&mut recorder, b"one\n");
    let mut follower = LogReader::open(&step.stem).unwrap();
    fs::remove_file(step.stem.with_extension("log")).unwrap();
    assert!(matches!(follower.refresh(), Err(LogError::Missing)));
}

#[test]
fn a_journal_that_wants_only_first_lines_gets_an_unended_one_too() {
    let mut step = Step::new();
    let limits = Limits { journal_tail: 0, ..LIMITS };
    let mut recorder = step.open(limits);
    step.print(&mut recorder, b"one\ntwo hunt");
    let journal = &mut step.journal;
    recorder.finish(&mut |b| journal.push(said(b))).unwrap();
    assert_eq!(step.journal, ["one", "two hunt"]);
}

#[test]
fn a_damaged_packed_log_is_said_to_be_one() {
    let (raw, _) = output();
    let mut step = Step::new();
    let mut recorder = step.open(LIMITS);
    step.print(&mut recorder, &raw);
    let ended = recorder.end(&mut |_| {}).unwrap();
    step.finish(ended);
    let path = step.stem.with_extension("log.zst");
    let good = fs::read(&path).unwrap();
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        LogReader::open(&step.stem).and_then(|mut reader| reader.copy_to(0, &mut Vec::new()))
    };
    assert!(read(&good).is_ok());
    let mut flipped = good.clone();
    flipped[1000] ^= 1;
    let mut huge = good.clone();
    let count = huge.len() - 9;
    huge[count..count + 4].fill(0xff);
    for bad in [&b""[..], b"short", &good[..good.len() - 1], &good[1..], &flipped, &huge] {
        assert!(matches!(read(bad), Err(LogError::Damaged(_))));
    }
}

#[test]
fn a_note_of_ours_stands_between_two_programs_once() {
    let mut step = Step::new();
    let mut recorder = step.open(LIMITS);
    step.print(&mut recorder, b"first hunter2! hunt");
    let note = |recorder: &mut Recorder, text: &str| recorder.note(text, &mut |_| {}).unwrap();
    note(&mut recorder, "[attempt 1 of 2]");
    note(&mut recorder, "[attempt 1 of 2]");
    // Killed here, and whoever comes next says it again.
    drop(recorder);
    let mut recorder = step.open(LIMITS);
    note(&mut recorder, "[attempt 1 of 2]");
    note(&mut recorder, "[attempt 2 of 2]");
    recorder.begin_again();
    step.print(&mut recorder, b"er2! is two words here\n");
    let journal = &mut step.journal;
    recorder.finish(&mut |b| journal.push(said(b))).unwrap();
    let text = String::from_utf8(whole(&step.stem)).unwrap();
    let (before, after) = text.split_once("\n[attempt 1 of 2]\n[attempt 2 of 2]\n").unwrap();
    assert!(before.starts_with("first ") && !before.contains("hunter2!") && before.ends_with(" hunt"), "{before}");
    assert_eq!(after, "er2! is two words here\n");
}
