//! What happens to four commits: one is the first, one is fine, one is red, one is green and does not start.

use crate::follow::{End, Journal};
use crate::interrupt::Interrupted;
use crate::stage::{Stage, Who};
use crate::stand::{self, Doors};
use std::time::{Duration, Instant};

/// A mail is on its way for less.
const MAIL: Duration = Duration::from_secs(20);
const PAGE: &str = "curl -sS http://localhost:8080/";

/// All of it, in order.
pub(crate) fn tell(stage: &mut Stage, doors: &Doors) -> Result<(), Interrupted> {
    opening(stage, doors)?;
    a_change(stage)?;
    a_red_commit(stage)?;
    a_bad_release(stage)?;
    looking_around(stage, doors)
}

fn opening(stage: &mut Stage, doors: &Doors) -> Result<(), Interrupted> {
    stage.chapter("A project is added: one file")?;
    stage.say("The developer's repository: a page by Flask, its tests, its pinned packages.");
    stand::first_push(stage)?;
    stage.say("The administrator gives unitci its key and the server's, and writes the file.");
    stand::add_project(stage, doors)?;
    stage
        .say("From now on ci-poll.timer looks every minute. What is there already is built when somebody asks for it.");
    let journal = Journal::follow(stage);
    let began = Instant::now();
    stage.run(Who::Dev, "ci-build shop")?;
    journal.show_until(stage, End::Live)?;
    stage.mark("the first build and deploy, with pip twice", began.elapsed());
    let page = stage.run(Who::Dev, PAGE)?;
    stage.check(page.contains("Spring sale"), "the shop is live: Spring sale");
    Ok(())
}

/// What the developer does: edits as in `commits/NAME.patch`, commits, pushes; then the poll looks.
fn push(stage: &Stage, patch: &str, message: &str) -> Result<(Journal, Instant), Interrupted> {
    stand::edit(stage, patch);
    stage.run(Who::Dev, "git diff --cached -U0 | grep '^[-+]'")?;
    let journal = Journal::follow(stage);
    stage.run(Who::Dev, &format!("git commit -qm '{message}' && git push -q"))?;
    stage.say("ci-poll.timer would notice within a minute; to save the audience's time a person asks:");
    let began = Instant::now();
    stage.run(Who::Dev, "ci-poll shop")?;
    Ok((journal, began))
}

fn a_change(stage: &mut Stage) -> Result<(), Interrupted> {
    stage.chapter("A change is pushed")?;
    let (journal, began) = push(stage, "summer", "Summer sale")?;
    let told = journal.show_until(stage, End::Live)?;
    stage.mark("a change: from the poll to the live page", began.elapsed());
    let page = stage.run(Who::Dev, PAGE)?;
    stage.check(page.contains("Summer sale"), "nginx serves the new text");
    let commit = stage.run(Who::Dev, "git rev-parse HEAD")?;
    let health = stage.run(Who::Dev, "curl -sS http://localhost:8080/healthz")?;
    stage.check(health.contains(commit.trim()), &format!("it is the pushed commit that answers, build {}", told.build));
    Ok(())
}

fn a_red_commit(stage: &mut Stage) -> Result<(), Interrupted> {
    stage.chapter("A red commit does not go live")?;
    stage.say("Somebody forgets the price of the teapot; a test knows better.");
    let (journal, began) = push(stage, "giveaway", "Everything must go")?;
    let told = journal.show_until(stage, End::Red)?;
    stage.mark("a red commit: from the poll to the verdict", began.elapsed());
    still_serves(stage, "Summer sale")?;
    stage.check(told.text.contains("1 failed"), "the log says why");
    let mail = mail(stage, 1, "sed -n '/^From: /,$p' /var/mail/dev")?;
    stage.check(mail.contains("turned red"), "one mail, as the project turned red");
    Ok(())
}

fn a_bad_release(stage: &mut Stage) -> Result<(), Interrupted> {
    stage.chapter("A green build that does not start on the server is taken back")?;
    stage.say(
        "The price is mended, so the tests are green again. But the new code wants a setting that the
         tests have and the server lacks.",
    );
    let (journal, began) = push(stage, "autumn", "Autumn sale, with sessions")?;
    journal.show_until(stage, End::TakenBack)?;
    stage.mark("a bad release: from the poll to the old page again", began.elapsed());
    still_serves(stage, "Summer sale")?;
    let mail = mail(stage, 3, "grep -h ^Subject: /var/mail/dev")?;
    stage.check(mail.contains("green again"), "one more mail, as the project is green again");
    stage.check(mail.contains("shop:4 rolled back"), "and one, as its release was taken back");
    Ok(())
}

fn still_serves(stage: &Stage, text: &str) -> Result<(), Interrupted> {
    let page = stage.run(Who::Dev, &format!("{PAGE} | grep h1"))?;
    stage.check(page.contains(text), &format!("nginx serves the old text: {text}"));
    Ok(())
}

/// Waits for the developer's nth mail, shows what `command` says of it, and sees that there are not more.
fn mail(stage: &Stage, count: usize, command: &str) -> Result<String, Interrupted> {
    let subjects = || stage.machine.try_sh("grep -c ^Subject: /var/mail/dev").stdout.trim().parse::<usize>();
    stage.machine.wait_until("a mail for dev", MAIL, || subjects().is_ok_and(|found| found >= count));
    let text = stage.run(Who::Dev, command)?;
    assert_eq!(subjects(), Ok(count), "mails for dev");
    Ok(text)
}

fn looking_around(stage: &mut Stage, doors: &Doors) -> Result<(), Interrupted> {
    stage.chapter("Looking around")?;
    stage.run(Who::Dev, "ci-status")?;
    stage.run(Who::Dev, "ci-status shop")?;
    stage.run(Who::Dev, "ci-deploy --list shop")?;
    stage.run(Who::Dev, "ls -l /srv/shop /srv/shop/releases")?;
    stage.run(Who::Dev, "ci-status --log shop:3 | tail -n3")?;
    stage.run(Who::Dev, "journalctl -o cat CI_PROJECT=shop CI_BUILD=2 | head -n4")?;
    let title = stage.run(Who::Dev, "curl -sS http://localhost:8010/p/shop/ | grep -o '<title>.*</title>'")?;
    stage.check(title.contains("shop"), "the status page answers");
    for address in [doors.page(), doors.site()] {
        stage.check(stand::answers_the_host(&address), &format!("{address} answers this host's browsers too"));
    }
    Ok(())
}
