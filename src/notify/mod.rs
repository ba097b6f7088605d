//! The verb `ci-notify`: sends the mails that are due, through workers.

use crate::config::{Site, load_site};
use crate::journal::{self, Event, Priority, Subject};
use crate::model::{BuildId, Place};
use crate::order::Work;
use crate::store::{Message, NewMessage, Store, StoreError};
use crate::wake::Wake;
use crate::worker::call::{Call, CallError};
use crate::worker::protocol::{MailAnswer, MailTask};
use jiff::{SignedDuration, Timestamp};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, header};
use std::os::fd::AsFd;
use std::time::Duration;

/// How long sendmail may take to accept a mail.
const ACCEPT: Duration = Duration::from_secs(60);
/// How often a mail is tried, over about a day.
const ATTEMPTS: u32 = 10;

/// Why mails cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The wake.
    #[error("{0}")]
    Wake(std::io::Error),
}

/// Why one mail was not sent.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("an address: {0}")]
    Address(#[from] lettre::address::AddressError),
    #[error("the mail cannot be written: {0}")]
    Compose(#[from] lettre::error::Error),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("sendmail refused it ({status}): {said}")]
    Rejected { status: String, said: String },
}

/// How long after the `attempts`-th failure the next one comes: 5 min, doubled up to 4 h.
fn pause(attempts: u32) -> SignedDuration {
    SignedDuration::from_mins(5 * (1 << attempts.min(6))).min(SignedDuration::from_hours(4))
}

/// Sends what is due.
pub fn send_due(place: &Place) -> Result<(), NotifyError> {
    Wake::Notify.take(place).map_err(NotifyError::Wake)?;
    let mut store = Store::open(place)?;
    let site = match load_site(place) {
        Ok(site) => site,
        Err(error) => {
            tracing::error!("{error}mails wait until it is mended");
            return Ok(());
        }
    };
    let now = Timestamp::now();
    for message in store.read().waiting_messages()?.into_iter().filter(|m| m.due <= now) {
        match send(place, &site, &message) {
            Ok(()) => store.write(|tx| tx.message_sent(message.id))?,
            Err(error) => failed(&mut store, &message, &error)?,
        }
    }
    Ok(())
}

fn failed(store: &mut Store, message: &Message, error: &SendError) -> Result<(), StoreError> {
    let attempts = message.attempts + 1;
    let again = (attempts < ATTEMPTS).then(|| Timestamp::now() + pause(message.attempts));
    let next = again.map_or_else(|| "giving up".to_owned(), |at| format!("trying again at {at:.0}"));
    let build = message.mail.number.map(|number| BuildId { project: message.mail.project.clone(), number });
    let subject = match &build {
        Some(build) => Subject::build(build),
        None => Subject::project(&message.mail.project),
    };
    let text = format!("mail {:?} could not be sent: {error}; {next}", message.mail.subject);
    journal::emit(Event::MailFailed, &subject, Priority::Warning, &text);
    store.write(|tx| tx.message_failed(message.id, &error.to_string(), again))
}

fn send(place: &Place, site: &Site, message: &Message) -> Result<(), SendError> {
    let host = nix::unistd::gethostname().ok().and_then(|h| h.into_string().ok()).unwrap_or_else(|| "localhost".into());
    let text = compose(site, &message.mail, message.id, message.created, &host)?;
    let task = MailTask { sendmail: site.mail.sendmail.clone(), message: text, timeout: ACCEPT };
    let job = message.id.to_string();
    let call = Call { place, project: &message.mail.project, work: Work::Mail, job: &job };
    match call.make(task, std::io::stderr().as_fd())? {
        MailAnswer::Sent => Ok(()),
        MailAnswer::Rejected { status, said } => {
            let status = status.map_or_else(|| "killed by a signal".to_owned(), |status| format!("status {status}"));
            Err(SendError::Rejected { status, said: said.to_string() })
        }
    }
}

/// The mail as sendmail takes it. The same message keeps its id, so that a mail that was handed over twice is one.
fn compose(site: &Site, mail: &NewMessage, id: i64, created: Timestamp, host: &str) -> Result<String, SendError> {
    let from: Mailbox = match &site.mail.from {
        Some(from) => from.parse()?,
        None => Mailbox::new(
            Some(site.title.clone()),
            format!("unitci@{host}").parse().or_else(|_| "unitci@localhost".parse())?,
        ),
    };
    let mut builder = lettre::Message::builder()
        .from(from)
        .subject(mail.subject.clone())
        .message_id(Some(format!("<unitci-{id}-{}@{host}>", created.as_millisecond())))
        .date(created.into())
        .header(header::ContentTransferEncoding::QuotedPrintable);
    for recipient in &mail.recipients {
        builder = builder.to(recipient.parse()?);
    }
    let message = builder.header(ContentType::TEXT_PLAIN).body(mail.body.clone())?;
    // sendmail takes lines as this machine ends them.
    Ok(String::from_utf8_lossy(&message.formatted()).replace("\r\n", "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(subject: &str, body: &str) -> NewMessage {
        NewMessage {
            project: "gkp".parse().unwrap(),
            number: None,
            recipients: vec!["dev@example.org".into(), "Ada <ada@example.org>".into()],
            subject: subject.into(),
            body: body.into(),
        }
    }

    #[test]
    fn a_mail_says_what_it_should() {
        let created = Timestamp::from_second(1_700_000_000).unwrap();
        let text =
            compose(&Site::default(), &mail("gkp turned red", "test: exit code 2\n"), 7, created, "ci.example.org")
                .unwrap();
        for line in [
            "From: unitci <unitci@ci.example.org>",
            "Subject: gkp turned red",
            "To: dev@example.org, Ada <ada@example.org>",
            "Message-ID: <unitci-7-1700000000000@ci.example.org>",
            "Content-Type: text/plain; charset=utf-8",
            "test: exit code 2",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_subject_from_outside_adds_no_header() {
        let created = Timestamp::from_second(1_700_000_000).unwrap();
        let text = compose(&Site::default(), &mail("x\r\nBcc: eve@example.org", "."), 1, created, "h").unwrap();
        assert!(!text.lines().any(|line| line.starts_with("Bcc:")), "{text}");
    }

    #[test]
    fn the_pause_grows_to_four_hours() {
        let minutes: Vec<i64> = (0..8).map(|n| pause(n).as_mins()).collect();
        assert_eq!(minutes, [5, 10, 20, 40, 80, 160, 240, 240]);
    }
}
