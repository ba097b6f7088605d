//! Artifacts: handed over by a worker as one stream, kept as one file with an index of our own. Nothing is unpacked: what
//! a path in the stream says is a name in the store and nothing else.

use super::prepare::Trouble;
use super::reports::recorder;
use super::spec::StepSpec;
use super::supervise::{SuperviseError, Supervisor};
use crate::config::WantedFiles;
use crate::journal::{self, Event, Priority};
use crate::model::artifact::{Artifact, FILES_MAX, Sha256};
use crate::model::{FailureKind, StepIndex, StepRow, Verdict};
use crate::order::Work;
use crate::output::Opened;
use crate::worker::call::CallError;
use crate::worker::protocol::{ANSWER_MAX, Answer, CollectAnswer, CollectTask, FileHead, HEAD_MAX, Task};
use sha2::Digest;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long collecting may take.
const COLLECTING: Duration = Duration::from_secs(900);

/// What is still allowed of a build's artifacts.
#[derive(Debug, Clone, Copy)]
struct Left {
    files: usize,
    bytes: u64,
}

impl Supervisor<'_> {
    /// Collects what a green step hands out, and says what that makes of its verdict; nothing when the supervisor is to
    /// leave. The step's unit is still there: whoever takes over from here does the same again.
    pub(super) fn collect(
        &mut self,
        step: &StepRow,
        spec: &StepSpec,
        log: &mut Opened,
        (verdict, outcome): (Verdict, String),
    ) -> Result<Option<(Verdict, String)>, SuperviseError> {
        let green = matches!(verdict, Verdict::Success | Verdict::Warnings);
        if spec.artifacts.is_empty() || !green || self.store.read().is_collected(&self.id, step.index)? {
            return Ok(Some((verdict, outcome)));
        }
        let folder = self.room.workspace(self.place);
        let (worse, said) = match self.gather(step, folder, &spec.artifacts, Some(log))? {
            Ok(collected) if collected.is_empty() => (Verdict::Warnings, "no artifact was found".to_owned()),
            Ok(_) => return Ok(Some((verdict, outcome))),
            Err(Trouble::Leave) => return Ok(None),
            Err(Trouble::Stopped) => return Ok(Some((Verdict::Cancelled, "stopped".to_owned()))),
            Err(Trouble::Call(error)) => self.judge_collecting(&error),
        };
        let outcome = if outcome.is_empty() { said } else { format!("{outcome}; {said}") };
        Ok(Some((verdict.and(worse), outcome)))
    }

    /// Too much is the project's own fault; all else is ours.
    fn judge_collecting(&self, error: &CallError) -> (Verdict, String) {
        if let CallError::Failed(failure) = error
            && failure.kind == FailureKind::TooLarge
        {
            let text = format!("artifacts: {}; `artifacts-max` in [build] allows more", failure.message);
            return (Verdict::Failure, text);
        }
        (Verdict::Exception, format!("the artifacts were not collected: {error}"))
    }

    /// Collects what the steps have put into `$CI_ARTIFACTS`, however the build went; says what that makes of its
    /// verdict, or nothing when the supervisor is to leave.
    pub(super) fn collect_folder(&mut self) -> Result<Option<(Verdict, String)>, SuperviseError> {
        let nothing = (Verdict::Success, String::new());
        let steps = self.store.read().steps(&self.id)?;
        let [checkout, others @ ..] = &steps[..] else { return Ok(Some(nothing)) };
        let ran = others.iter().any(|step| crate::view::began(step).is_some());
        if !ran || !self.project.build.artifacts_folder || self.store.read().is_collected(&self.id, checkout.index)? {
            return Ok(Some(nothing));
        }
        let all = [match WantedFiles::parse("**") {
            Ok(all) => all,
            Err(_) => unreachable!("two stars are a pattern"),
        }];
        match self.gather(checkout, self.room.artifacts(self.place), &all, None)? {
            Ok(_) => Ok(Some(nothing)),
            Err(Trouble::Leave) => Ok(None),
            Err(Trouble::Stopped) => Ok(Some((Verdict::Cancelled, "stopped".to_owned()))),
            Err(Trouble::Call(error)) => {
                let (verdict, outcome) = self.judge_collecting(&error);
                let outcome = format!("$CI_ARTIFACTS: {outcome}");
                journal::emit(Event::StepFinished, &self.subject(), Priority::Warning, &outcome);
                Ok(Some((verdict, outcome)))
            }
        }
    }

    fn gather(
        &mut self,
        step: &StepRow,
        folder: PathBuf,
        patterns: &[WantedFiles],
        log: Option<&mut Opened>,
    ) -> Result<Result<Vec<Artifact>, Trouble>, SuperviseError> {
        let spent = self.store.read().artifact_sum(&self.id)?;
        let left = Left {
            files: FILES_MAX.saturating_sub(usize::try_from(spent.files).unwrap_or(usize::MAX)),
            bytes: self.project.build.artifacts_max.saturating_sub(spent.bytes),
        };
        let task: Task = CollectTask {
            folder,
            patterns: patterns.to_vec(),
            bytes_max: left.bytes,
            files_max: left.files,
            timeout: COLLECTING,
        }
        .into();
        let work = Work::Results { trust: self.room.trust, slot: self.room.slot };
        let file = self.place.artifacts(&self.id, step.index);
        let worker = self.begin(step.index, work.clone(), COLLECTING)?;
        let index = step.index;
        let taken = self.attend_worker(step, work, worker, log.and_then(recorder), |begun| {
            keep(&mut BufReader::with_capacity(1 << 18, begun.stream(&task)?), &file, index, left)
        })?;
        let artifacts = match taken {
            Ok(artifacts) => artifacts,
            Err(trouble) => return Ok(Err(trouble)),
        };
        if !artifacts.is_empty() {
            let id = self.id.clone();
            self.store.write_patiently(|tx| {
                if tx.read().is_collected(&id, index)? { Ok(()) } else { tx.collected(&id, index, &artifacts) }
            })?;
        }
        Ok(Ok(artifacts))
    }
}

/// Takes a stream in. The file has its name only when all of it is there; a half taken one is begun anew.
fn keep(stream: &mut impl BufRead, path: &Path, step: StepIndex, left: Left) -> Result<Vec<Artifact>, CallError> {
    let half = path.with_extension("artifacts.half");
    let made = take_in(stream, &half, step, left).and_then(|artifacts| {
        if !artifacts.is_empty() {
            std::fs::rename(&half, path)?;
            File::open(path.parent().unwrap_or(path))?.sync_all()?;
        }
        Ok(artifacts)
    });
    match std::fs::remove_file(&half) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!("{}: {error}", half.display()),
    }
    made
}

fn take_in(stream: &mut impl BufRead, half: &Path, step: StepIndex, left: Left) -> Result<Vec<Artifact>, CallError> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(half)?;
    let (mut artifacts, mut names, mut offset) = (Vec::new(), BTreeSet::new(), 0);
    loop {
        let mut line = Vec::new();
        stream.by_ref().take(ANSWER_MAX as u64 + 1).read_until(b'\n', &mut line)?;
        let ended = line.pop_if(|last| *last == b'\n').is_none();
        let Ok(head) = serde_json::from_slice::<FileHead>(&line) else {
            Answer::<CollectAnswer>::parse(&line)?.into_result().map_err(CallError::Failed)?;
            if !ended && !stream.fill_buf()?.is_empty() {
                return Err(CallError::Stream("goes on after its answer"));
            }
            file.sync_all()?;
            return Ok(artifacts);
        };
        if line.len() > HEAD_MAX {
            return Err(CallError::Stream("has a head that is too long"));
        }
        // The worker keeps to these as well; that it does is not believed.
        if artifacts.len() >= left.files || head.size > left.bytes.saturating_sub(offset) {
            return Err(CallError::Stream("is larger than was allowed"));
        }
        if !names.insert(head.file.clone()) {
            return Err(CallError::Stream("has the same name twice"));
        }
        let sha256 = copy(stream, &mut file, head.size)?;
        let FileHead { file: path, size, executable } = head;
        artifacts.push(Artifact { path, step, offset, size, sha256, executable });
        offset += size;
    }
}

fn copy(stream: &mut impl BufRead, file: &mut File, size: u64) -> Result<Sha256, CallError> {
    let (mut sum, mut left) = (sha2::Sha256::new(), size);
    while left > 0 {
        let bytes = stream.fill_buf()?;
        let some = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        if some == 0 {
            return Err(CallError::Stream("broke off in a file"));
        }
        file.write_all(&bytes[..some])?;
        sum.update(&bytes[..some]);
        stream.consume(some);
        left -= some as u64;
    }
    Ok(Sha256::of_sum(sum.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(stream: &str) -> Result<Vec<Artifact>, String> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("2.artifacts");
        let left = Left { files: 2, bytes: 10 };
        let taken = keep(&mut stream.as_bytes(), &path, StepIndex(2), left).map_err(|error| error.to_string());
        let there: Vec<_> = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        match &taken {
            Ok(artifacts) if !artifacts.is_empty() => assert_eq!(there, ["2.artifacts"]),
            Ok(_) | Err(_) => assert!(there.is_empty(), "{there:?}"),
        }
        taken
    }

    #[test]
    fn a_stream_is_believed_only_as_a_whole_and_within_its_bounds() {
        let end = r#"{"ok":{"refused":0}}"#;
        let a = "{\"file\":\"dist/a\",\"size\":3}\nabc";
        let b = "{\"file\":\"b\",\"size\":7}\nabcdefg";
        let whole = taken(&format!("{a}{b}{end}")).unwrap();
        let told: Vec<_> = whole.iter().map(|x| (x.path.as_str(), x.offset, x.size, &x.sha256.as_str()[..8])).collect();
        assert_eq!(told, [("dist/a", 0, 3, "ba7816bf"), ("b", 3, 7, "7d1a5412")]);
        assert_eq!(taken(&format!("{a}{end}\n")).unwrap().len(), 1);
        assert_eq!(taken(end), Ok(Vec::new()));
        for (stream, says) in [
            (a.to_owned(), "no answer"),
            (format!("{end}\n{a}"), "goes on after its answer"),
            (format!("{a}{end}{end}"), "cannot be read"),
            ("{\"file\":\"a\",\"size\":9}\nabc".to_owned(), "broke off"),
            ("{\"file\":\"a\",\"size\":9}\nabc".to_owned() + end, "cannot be read"),
            ("{\"file\":\"../a\",\"size\":0}\n".to_owned() + end, "cannot be read"),
            ("{\"file\":\"/a\",\"size\":0}\n".to_owned() + end, "cannot be read"),
            (format!("{a}{a}{end}"), "twice"),
            ("{\"file\":\"a\",\"size\":11}\nabcdefghijk".to_owned() + end, "larger than was allowed"),
            ("{\"file\":\"a\",\"size\":18446744073709551615}\nx".to_owned() + end, "larger than was allowed"),
            (
                format!("{a}{{\"file\":\"b\",\"size\":0}}\n{{\"file\":\"c\",\"size\":0}}\n{end}"),
                "larger than was allowed",
            ),
            (format!("{{\"file\":\"a\",{}\"size\":0}}\n{end}", " ".repeat(HEAD_MAX)), "too long"),
            (format!("{a}{{\"failed\":{{\"kind\":\"too-large\",\"message\":\"much\"}}}}"), "much"),
        ] {
            let error = taken(&stream).unwrap_err();
            assert!(error.contains(says), "{stream:?}: {error}");
        }
    }
}
