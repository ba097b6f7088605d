//! The command line of `ci-notify`.

use clap::Parser;

/// Send the mails that wait; ci-notify.service does it by itself
#[derive(Parser)]
#[command(name = "ci-notify", version)]
pub struct Arguments {
    /// Send what is due; run by ci-notify.service
    #[arg(long, required = true)]
    pub send: bool,
}
