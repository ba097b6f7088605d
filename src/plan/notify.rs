//! Whom a finished build makes write to whom.

use crate::config::project::NotifyOn;
use crate::model::Verdict;

/// What there is to say of a build's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It was green or never built, and is red now.
    TurnedRed,
    /// It was red already, and is red again.
    StillRed,
    /// It was red, and is green again.
    GreenAgain,
    /// It was green or never built, and is green.
    StillGreen,
    /// The CI itself broke off.
    Broken,
}

/// Compares a verdict with the one before of the same ref; nothing for what a person stopped.
pub fn news(before: Option<Verdict>, now: Verdict) -> Option<News> {
    let was_red = before.is_some_and(|v| !v.is_green());
    match now {
        Verdict::Success | Verdict::Warnings if was_red => Some(News::GreenAgain),
        Verdict::Success | Verdict::Warnings => Some(News::StillGreen),
        Verdict::Failure if was_red => Some(News::StillRed),
        Verdict::Failure => Some(News::TurnedRed),
        Verdict::Exception => Some(News::Broken),
        Verdict::Skipped | Verdict::Retry | Verdict::Cancelled => None,
    }
}

/// Whether a project that wants to hear `on` hears this.
pub fn is_told(news: News, on: NotifyOn) -> bool {
    match (on, news) {
        (NotifyOn::Always, _) | (_, News::TurnedRed | News::GreenAgain | News::Broken) => true,
        (NotifyOn::Failure, News::StillRed) => true,
        (NotifyOn::Change, News::StillRed | News::StillGreen) | (NotifyOn::Failure, News::StillGreen) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hears_what() {
        use Verdict::{Cancelled, Exception, Failure, Success, Warnings};
        // (before, now, news, told on change / failure / always)
        let table = [
            (None, Success, Some(News::StillGreen), [false, false, true]),
            (None, Failure, Some(News::TurnedRed), [true, true, true]),
            (Some(Success), Failure, Some(News::TurnedRed), [true, true, true]),
            (Some(Warnings), Failure, Some(News::TurnedRed), [true, true, true]),
            (Some(Failure), Failure, Some(News::StillRed), [false, true, true]),
            (Some(Failure), Warnings, Some(News::GreenAgain), [true, true, true]),
            (Some(Success), Success, Some(News::StillGreen), [false, false, true]),
            (Some(Success), Exception, Some(News::Broken), [true, true, true]),
            (Some(Failure), Cancelled, None, [false, false, false]),
        ];
        for (before, now, expected, told) in table {
            let got = news(before, now);
            assert_eq!(got, expected, "{before:?} {now:?}");
            let hears =
                [NotifyOn::Change, NotifyOn::Failure, NotifyOn::Always].map(|on| got.is_some_and(|n| is_told(n, on)));
            assert_eq!(hears, told, "{before:?} {now:?}");
        }
    }
}
