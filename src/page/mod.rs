//! The status page: HTML from what there is to see, and nothing else. Everything is escaped by `maud` unless it says
//! otherwise; nothing here says so but the style sheet and the logs, which the log's own renderer has escaped.
//!
//! Each page is one request: style and icon are in it. All links are relative, so that the page can lie below any
//! address of a reverse proxy.

mod artifacts;
mod build;
mod front;
mod log;
mod project;
mod report;

pub use artifacts::artifact_address;
pub use build::build;
pub use front::front;
pub use log::{Log, log};
pub use project::project;

use crate::config::Site;
use crate::view::text::{ago, harmless, moment};
use crate::view::{Light, Live, OnTarget};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, PreEscaped, Render, html};

const STYLE: &str = include_str!("style.css");

/// When and where the page is made.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The moment that "3 min ago" counts from.
    pub now: Timestamp,
    /// The zone of the server, in which its team reads times.
    pub zone: TimeZone,
}

impl Clock {
    fn time(&self, time: Timestamp) -> Markup {
        let exact = time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
        html! { time datetime=(time.strftime("%Y-%m-%dT%H:%M:%SZ")) title=(exact) { (moment(time, self.now, &self.zone)) } }
    }

    fn ago(&self, time: Timestamp) -> Markup {
        let exact = time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
        html! { time datetime=(time.strftime("%Y-%m-%dT%H:%M:%SZ")) title=(exact) { (ago(time, self.now)) } }
    }
}

/// How soon a page asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refresh {
    /// Something moves on it.
    Soon,
    /// It is watched for something new.
    Lazily,
    /// It is history.
    Never,
}

/// What is around every page.
struct Frame<'a> {
    site: &'a Site,
    clock: &'a Clock,
    /// The browser's title, before the site's.
    title: String,
    light: Light,
    refresh: Refresh,
    /// The way here: relative address and name of each page above, the front page first.
    trail: Vec<(String, String)>,
    /// This page's own name at the end of the way; empty on the front page.
    here: String,
}

impl Frame<'_> {
    fn around(&self, content: &Markup) -> Markup {
        let title = &self.site.title;
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width,initial-scale=1";
                    @match self.refresh {
                        Refresh::Soon => { meta http-equiv="refresh" content="5"; }
                        Refresh::Lazily => { meta http-equiv="refresh" content="60"; }
                        Refresh::Never => {}
                    }
                    title { @if !self.title.is_empty() { (self.title) " · " } (title) }
                    link rel="icon" href=(icon(self.light));
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        nav aria-label="Where you are" { ol {
                            @if let Some(url) = self.site.title_url.as_deref().and_then(web) {
                                li { a href=(url) { (title) } }
                            } @else {
                                li { (title) }
                            }
                            @for (address, name) in &self.trail { li { a href=(address) { (name) } } }
                            @if !self.here.is_empty() { li aria-current="page" { (self.here) } }
                        } }
                    }
                    main { (content) }
                    footer {
                        "As of " (self.clock.time(self.clock.now)) " " (self.clock.now.to_zoned(self.clock.zone.clone()).strftime("%Z").to_string()) ". "
                        @match self.refresh {
                            Refresh::Soon => { "Loads again every 5 seconds." }
                            Refresh::Lazily => { "Loads again every minute." }
                            Refresh::Never => {}
                        }
                    }
                }
            }
        }
    }
}

/// A page that says why there is none.
pub fn problem(site: &Site, clock: &Clock, headline: &str, explanation: &str, home: &str) -> Markup {
    let frame = Frame {
        site,
        clock,
        title: headline.to_owned(),
        light: Light::Grey,
        refresh: Refresh::Never,
        trail: vec![(home.to_owned(), "Projects".to_owned())],
        here: headline.to_owned(),
    };
    frame.around(&html! { h1 { (headline) } p.sub { (harmless(explanation)) } })
}

/// A link's address, if it is one that a browser may be sent to.
fn web(url: &str) -> Option<&str> {
    (url.starts_with("https://") || url.starts_with("http://")).then_some(url)
}

fn class(light: Light) -> &'static str {
    match light {
        Light::Green => "g",
        Light::Yellow => "y",
        Light::Red => "r",
        Light::Blue => "b",
        Light::Grey => "n",
    }
}

fn icon(light: Light) -> String {
    let colour = match light {
        Light::Green => "1b7a3d",
        Light::Yellow => "c98500",
        Light::Red => "c6281f",
        Light::Blue => "1a5fb4",
        Light::Grey => "7c858c",
    };
    format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='7' fill='%23{colour}'/%3E%3C/svg%3E"
    )
}

/// A state: sign, word and colour.
fn state(word: &str, light: Light) -> Markup {
    html! { span class={ "st " (class(light)) } { i aria-hidden="true" { (light.sign()) } (word) } }
}

/// Foreign text, kept in its own direction.
fn foreign(text: &str) -> impl Render {
    html! { bdi { (harmless(text)) } }
}

/// "Live since 14:02: *subject*".
fn live_since(live: &Live, clock: &Clock) -> Markup {
    html! {
        "Live"
        @if let Some(since) = live.release.live { " since " (clock.time(since)) }
        ": "
        @match &live.subject {
            Some(subject) => { em { (foreign(subject)) } }
            None if live.release.commit.is_known() => { "commit " code { (live.release.commit.short()) } }
            None => { (live.what()) }
        }
    }
}

/// Which build is live, of which commit, and who or what made it so.
fn live_by(live: &Live) -> Markup {
    html! {
        @if live.release.commit.is_known() {
            "build " (live.release.name.number()) " · " span.c { (live.release.commit.short()) }
        } @else {
            "release " (live.release.name)
        }
        @if let Some(why) = live.why() { " · " (foreign(&why)) }
    }
}

/// What holds deploys back, if a freeze does.
fn frozen(target: &OnTarget, clock: &Clock) -> Markup {
    html! {
        @if let Some(freeze) = &target.freeze {
            (state("frozen", Light::Yellow)) " until " (clock.time(freeze.until)) " by " (foreign(&freeze.by))
            @if let Some(reason) = &freeze.reason { ": " (foreign(reason)) }
        }
    }
}

/// The link to where the live version is.
fn site_link(url: &str) -> Markup {
    let shown = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
    html! {
        @match web(url) {
            Some(url) => { a href=(url) rel="noreferrer" { (foreign(shown)) } }
            None => { (foreign(url)) }
        }
    }
}
