//! unitci: a CI made of systemd units. `ARCHITECTURE.md` has the states of everything under way; this is the map.
//!
//! ```text
//!  poll ─ refs, fetch (worker) ─▶ store: request ◀─ intake ◀─ person
//!  build::dispatch ─ order ─▶ launch ─▶ systemd: ci-build@gkp:42
//!  build::supervise ─ order ─▶ launch ─▶ systemd: ci-work-…, ci-step-…  ─ pipe ─▶ attend ─▶ output ─▶ journal
//!                   └─▶ store: verdict + deploy + mail (plan says which)
//!  deploy ─ order ─▶ launch: release workers, services          notify ─ order ─▶ launch: mail worker
//!  status, page ◀─ view ◀─ store, config, output
//! ```
//!
//! | level | modules | may use |
//! | --- | --- | --- |
//! | command lines | `cli` | model |
//! | verbs | `requests` `poll` `build` `deploy` `notify` `clean` `launch` `status` `configure` `doctor` `person` `worker` | all below |
//! | shared by verbs | `caches` | all below, and workers |
//! | | `attend` `start` `tell` `view` `page` | all below |
//! | decisions | `plan` | model, config |
//! | seams | `git` `systemd` `store` `intake` `order` `output` `journal` `http` | model, config; never each other |
//! | words | `config` | model |
//! | | `model` | nothing |
//! | small tools of the edge | `child` `wake` | model |
//!
//! `tests/architecture.rs` holds the code to it.

pub mod attend;
pub mod build;
pub mod caches;
pub mod child;
pub mod clean;
pub mod cli;
pub mod config;
pub mod configure;
pub mod deploy;
pub mod doctor;
pub mod git;
pub mod http;
pub mod intake;
pub mod journal;
pub mod launch;
pub mod model;
pub mod notify;
pub mod order;
pub mod output;
pub mod page;
pub mod person;
pub mod plan;
pub mod poll;
pub mod requests;
pub mod start;
pub mod status;
pub mod store;
pub mod systemd;
pub mod tell;
pub mod view;
pub mod wake;
pub mod worker;
