//! The command line of `ci-clean`.

use clap::Parser;

/// Repair what a lost event left; ci-clean.timer does it at boot and every five minutes
#[derive(Parser)]
#[command(name = "ci-clean", version)]
pub struct Arguments {
    /// Have queue, deploys and mails looked at again
    #[arg(long, required = true)]
    pub reconcile: bool,
}
