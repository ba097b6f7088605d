//! What people say of refs from outside: build this one, that one may be built.

use super::{No, store_trouble};
use crate::config::Project;
use crate::intake::{Approved, Refusal};
use crate::journal::{self, Event, Priority, Subject};
use crate::model::{CommitId, ProjectName, RefName, Request, RequestId, RequestState, Target};
use crate::store::{Store, StoreError, Tx};
use std::collections::BTreeMap;

/// What is built when a person names a stranger's ref: the commit that was seen, not what is pushed meanwhile.
pub(super) fn target(
    config: &Project,
    name: &RefName,
    asked: Target,
    tips: &BTreeMap<RefName, CommitId>,
) -> Result<Target, No> {
    let project = &config.name;
    if !config.source.builds_outside(name) {
        let why = "is no branch or tag, and is not built: see `outside` and `build-outside` in [source]";
        return Err((Refusal::NoSuchThing, format!("{name} of {project} {why}")));
    }
    match (asked, tips.get(name)) {
        (Target::Tip, Some(seen)) => Ok(Target::Commit { commit: seen.clone() }),
        (Target::Tip, None) => {
            Err((Refusal::NoSuchThing, format!("{name} has not been seen in the repository; ci-poll {project} looks")))
        }
        (asked @ (Target::Commit { .. } | Target::Revision { .. }), _) => Ok(asked),
    }
}

/// Why nothing was approved.
enum NotApproved {
    No(No),
    Store(StoreError),
}

impl From<StoreError> for NotApproved {
    fn from(error: StoreError) -> NotApproved {
        NotApproved::Store(error)
    }
}

/// Writes down that somebody agrees; says to what.
pub(super) fn approve(
    store: &mut Store,
    project: &ProjectName,
    which: &Approved,
    by: &str,
) -> Result<(RequestId, String), No> {
    let approved = store.write(|tx| {
        let request = find(tx, project, which)?;
        if tx.approve(request.id, by)? {
            Ok((request.id, describe(&request)))
        } else {
            Err(NotApproved::No((Refusal::NoSuchThing, format!("request {} {}", request.id, standing(&request)))))
        }
    });
    let (id, what) = approved.map_err(|error| match error {
        NotApproved::No(no) => no,
        NotApproved::Store(error) => store_trouble(&error),
    })?;
    let subject = Subject::project(project).request(id);
    journal::emit(Event::RequestApproved, &subject, Priority::Notice, &format!("{by} approved request {id}: {what}"));
    Ok((id, what))
}

fn find(tx: &Tx<'_>, project: &ProjectName, which: &Approved) -> Result<Request, NotApproved> {
    let nothing = |what: String| NotApproved::No((Refusal::NoSuchThing, what));
    match which {
        Approved::Request(id) => tx
            .read()
            .request(*id)?
            .filter(|request| request.ask.project == *project)
            .ok_or_else(|| nothing(format!("{project} has no request {id}; ci-status --queue shows what waits"))),
        Approved::Ref(name) => tx
            .read()
            .waiting()?
            .into_iter()
            .find(|r| r.ask.project == *project && r.ask.reference.as_ref() == Some(name) && !r.approval.is_there())
            .ok_or_else(|| nothing(format!("nothing of {name} of {project} waits for approval"))),
    }
}

fn describe(request: &Request) -> String {
    let of = request.ask.reference.as_ref().map_or("", RefName::short);
    match &request.ask.target {
        Target::Commit { commit } => format!("{of} at {}", commit.short()),
        Target::Tip | Target::Revision { .. } => of.to_owned(),
    }
}

/// Why a request cannot be approved.
fn standing(request: &Request) -> String {
    match &request.state {
        RequestState::Waiting => "needs no approval".to_owned(),
        RequestState::Started(number) => format!("is build {number} already"),
        RequestState::Replaced(by) => {
            format!("was replaced by request {by}, for what was pushed since: look at that, and approve it instead")
        }
        RequestState::Dropped(why) => format!("is not in the queue any more: {why}"),
    }
}
