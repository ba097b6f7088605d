//! Recorders killed by SIGKILL, and what they take of memory and time: each in a process of its own, this test program
//! started again with `STEM` set and the step's pipe as its standard input, as a supervisor gets it from the fd store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::fs::OpenOptions;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use unitci::model::Secret;
use unitci::output::{Ended, Interest, JournalBatch, Limits, LogReader, Masker, Opened, Recorder, Stop, step_pipe};

const STEM: &str = "UNITCI_TEST_STEM";
const RECORDER: [&str; 4] = ["--exact", "recorder", "--nocapture", "--test-threads=1"];
const SECRET: &str = "correct horse battery staple";
const LIMITS: Limits = Limits { log_max: 1 << 30, journal_head: 2000, journal_tail: 500 };

fn masker() -> Masker {
    Masker::new(&[Secret { name: "phrase".parse().unwrap(), bytes: SECRET.into() }]).unwrap()
}

/// The recorder's process. Does nothing in an ordinary test run.
#[test]
fn recorder() {
    let Some(stem) = std::env::var_os(STEM) else { return };
    let stem = Path::new(&stem);
    let mut journal = OpenOptions::new().append(true).create(true).open(stem.with_extension("journal")).unwrap();
    let mut sink = |batch: &JournalBatch<'_>| match batch {
        JournalBatch::Lines { first, count, text } => writeln!(journal, "@{first}+{count}\n{text}").unwrap(),
        JournalBatch::LeftOut { lines } => writeln!(journal, "@left out {lines}").unwrap(),
    };
    let before = peak_memory();
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let pipe = std::io::stdin();
    let (call, _caller) = std::io::pipe().unwrap();
    let interest = Interest { call: call.as_fd(), silence: None, until: None };
    let ended: Ended = match Recorder::open(stem, masker(), LIMITS).unwrap() {
        Opened::Ended(ended) => ended,
        Opened::Recording(mut recorder) => {
            assert_eq!(recorder.run(pipe.as_fd(), &interest, &mut sink).unwrap(), Stop::Closed);
            recorder.end(&mut sink).unwrap()
        }
    };
    let recorded = cpu_seconds() - cpu;
    let finished = ended.finish(&mut sink).unwrap();
    let grown = peak_memory() - before;
    eprintln!(
        "{finished:?}: {:.2} s, CPU {recorded:.2} s recording and {:.2} s packing; memory grew by {grown} kB at most",
        start.elapsed().as_secs_f64(),
        cpu_seconds() - cpu - recorded,
    );
    // 7 MB of it is ours, most of that for packing; the rest, which comes and goes, is pages of the program itself.
    assert!(grown < 12 * 1024, "memory grew by {grown} kB");
}

fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn start(stem: &Path, pipe: &PipeReader) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(RECORDER)
        .env(STEM, stem)
        .stdin(pipe.try_clone().unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// A full disk, as far as a process can tell: files cannot grow beyond some size, and writes say so.
#[test]
fn what_did_not_fit_is_there_when_there_is_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let stem = folder.path().join("2");
    let (pipe, step) = step_pipe().unwrap();
    let (pipe, mut step) = (PipeReader::from(pipe), PipeWriter::from(step));
    let printed: String = (0..40_000).map(|n| format!("{n:>9} line\n")).collect();
    step.write_all(printed.as_bytes()).unwrap();
    drop(step);
    // 512-byte blocks; without the trap the signal for it would kill.
    for blocks in [1, 100, 101, 700, 1000] {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let full = Command::new("sh")
            .args(["-c", &script])
            .arg(std::env::current_exe().unwrap())
            .args(RECORDER)
            .env(STEM, &stem)
            .stdin(pipe.try_clone().unwrap())
            .output()
            .unwrap();
        let said = String::from_utf8(full.stderr).unwrap();
        assert!(!full.status.success() && said.contains("File too large"), "{said}");
    }
    assert!(start(&stem, &pipe).wait().unwrap().success());
    assert!(whole(&stem) == printed.as_bytes());
}

fn whole(stem: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    LogReader::open(stem).unwrap().copy_to(0, &mut text).unwrap();
    text
}

/// Numbers that are the same in every run (Knuth's MMIX generator).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[test]
fn kill_9_loses_nothing_and_doubles_nothing() {
    for seed in 1..=3 {
        let folder = tempfile::tempdir().unwrap();
        let stem = folder.path().join("2");
        let (pipe, mut step) = std::io::pipe().unwrap();
        let mut seeded = Seeded(seed);
        let mut printed = Vec::new();
        let mut recorder = start(&stem, &pipe);
        let mut kills = 0;
        for n in 0..60_000 {
            let line = match seeded.below(20) {
                0 => format!("{n} the pass phrase is {SECRET}, {SECRET}\n"),
                1 => format!("{n} {}\n", "long ".repeat(seeded.below(600) as usize)),
                2 => format!("{n} no newline"),
                _ => format!("{n} line\n"),
            };
            printed.extend_from_slice(line.as_bytes());
            // In two writes, so that a kill can come between them.
            let (head, tail) = line.as_bytes().split_at(line.len() / 2);
            step.write_all(head).unwrap();
            if seeded.below(if n < 3000 { 200 } else { 3000 }) == 0 {
                recorder.kill().unwrap();
                recorder.wait().unwrap();
                recorder = start(&stem, &pipe);
                kills += 1;
            }
            step.write_all(tail).unwrap();
        }
        drop(step);
        assert!(recorder.wait().unwrap().success());
        let expected = String::from_utf8(printed).unwrap().replace(SECRET, "***");
        assert!(whole(&stem) == expected.as_bytes(), "seed {seed}: the log is not what was printed");
        assert!(kills >= 10, "only {kills} kills");
        let repeated = repeated_batches(&std::fs::read_to_string(stem.with_extension("journal")).unwrap(), &expected);
        assert!(repeated <= kills, "{repeated} of the journal's batches came again after {kills} kills");
    }
}

/// Checks that the journal's share goes on without a gap; how many batches begin where one began before.
fn repeated_batches(journal: &str, log: &str) -> u64 {
    let lines = log.lines().count() as u64;
    let (mut next, mut repeated) = (1, 0);
    for head in journal.lines().filter_map(|line| line.strip_prefix('@')) {
        if let Some(left_out) = head.strip_prefix("left out ") {
            next += left_out.parse::<u64>().unwrap();
            continue;
        }
        let (first, count) = head.split_once('+').unwrap();
        let (first, count): (u64, u64) = (first.parse().unwrap(), count.parse().unwrap());
        assert!(first <= next, "the journal lacks lines {next} to {first}");
        repeated += u64::from(first < next);
        next = first + count;
    }
    assert_eq!(next, lines + 1, "the journal ends early");
    repeated
}

#[test]
fn a_million_lines() {
    record_and_compare(&mut (0..1_000_000).map(|n| format!("{n:>79}\n").into_bytes()));
}

#[test]
fn one_line_of_200_mb() {
    record_and_compare(&mut (0..200).map(|_| vec![b'x'; 1_000_000]));
}

#[test]
fn nul_bytes_and_rubbish() {
    let mut seeded = Seeded(7);
    record_and_compare(&mut (0..20).map(|n| match n % 2 {
        0 => vec![0; 1_000_000],
        _ => std::iter::repeat_with(|| seeded.below(256) as u8).take(1_000_000).collect(),
    }));
}

fn record_and_compare(output: &mut dyn Iterator<Item = Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let stem = folder.path().join("2");
    let (pipe, mut step) = std::io::pipe().unwrap();
    let mut recorder = start(&stem, &pipe);
    let mut copy = std::io::BufWriter::new(tempfile::tempfile_in(folder.path()).unwrap());
    let mut buffered = std::io::BufWriter::new(&mut step);
    for piece in output {
        buffered.write_all(&piece).unwrap();
        copy.write_all(&piece).unwrap();
    }
    buffered.flush().unwrap();
    drop(buffered);
    drop(step);
    assert!(recorder.wait().unwrap().success());
    let mut copy = copy.into_inner().unwrap();
    std::io::Seek::rewind(&mut copy).unwrap();
    let mut reader = LogReader::open(&stem).unwrap();
    let (mut expected, mut offset) = (vec![0; 1 << 20], 0);
    loop {
        let n = copy.read(&mut expected).unwrap();
        let got = reader.read_range(offset, n.max(1)).unwrap().bytes;
        assert!(got == expected[..n], "the log differs within {n} bytes from {offset}");
        if n == 0 {
            break;
        }
        offset += n as u64;
    }
}
