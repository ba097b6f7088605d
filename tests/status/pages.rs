//! The page, over the real server.

use crate::server::{Answer, Server};
use crate::system::{System, every_state};
use std::collections::BTreeSet;

/// The addresses that a page links to, as paths of this server.
fn links(from: &str, html: &str) -> Vec<String> {
    let hrefs = html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    hrefs
        .filter(|href| !href.contains(':') && !href.starts_with('#'))
        .map(|href| {
            let (href, query) = href.split_once('?').map_or((href, None), |(href, query)| (href, Some(query)));
            let mut pieces: Vec<&str> = from.split('?').next().unwrap().split('/').collect();
            pieces.pop();
            for piece in href.split('/') {
                match piece {
                    "." => {}
                    ".." => assert!(pieces.pop().is_some() && !pieces.is_empty(), "{from}: {href} leaves the server"),
                    piece => pieces.push(piece),
                }
            }
            if (href.is_empty() || href.ends_with("./")) && pieces.last() != Some(&"") {
                pieces.push("");
            }
            let path = pieces.join("/");
            query.map_or(path.clone(), |query| format!("{path}?{query}"))
        })
        .collect()
}

fn is_harmless(path: &str, answer: &Answer) {
    let body = &answer.body;
    assert!(!body.contains("<script"), "{path} has a script");
    assert!(!body.contains("<b>\"'"), "{path} has an unescaped branch");
    for bad in ['\u{1b}', '\u{7}', '\u{202e}'] {
        assert!(!body.contains(bad), "{path} has {bad:?}");
    }
    assert!(!body.contains("javascript:"), "{path}");
}

#[test]
fn every_link_of_every_page_resolves_and_no_foreign_text_comes_through() {
    let root = tempfile::tempdir().unwrap();
    every_state(root.path());
    let server = Server::start(root.path(), 15);
    let mut seen = BTreeSet::from(["/".to_owned()]);
    let mut next = vec!["/".to_owned()];
    while let Some(path) = next.pop() {
        let answer = server.get(&path);
        assert_eq!(answer.status, 200, "{path}");
        if path.ends_with(".txt") {
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{path}");
            continue;
        }
        is_harmless(&path, &answer);
        for link in links(&path, &answer.body) {
            if seen.insert(link.clone()) {
                next.push(link);
            }
        }
    }
    for page in [
        "/p/gkp/",
        "/p/gkp/?before=42",
        "/p/gkp/1/",
        "/p/evil/1/log/1",
        "/p/shop/3/log/2.txt",
        "/p/typo/",
        "/p/retired/1/",
    ] {
        assert!(seen.contains(page), "no link leads to {page}; found {}", seen.len());
    }
}

#[test]
fn the_pages_say_what_there_is_to_say() {
    let root = tempfile::tempdir().unwrap();
    every_state(root.path());
    let server = Server::start(root.path(), 15);
    for (path, says) in [
        (
            "/",
            &[
                "<h1>3 projects need a look</h1>",
                "Example &amp; Sons</a>",
                "href=\"https://example.org\"",
                "The client's shop",
                "step <b>build</b>",
                "watching main at 3f2a91c; builds at the next push; now: ci-build docs",
                "Let guests check out without an account",
                "see ci-config check",
                "href=\"https://test.example.org\"",
                "retired: it has no file any more",
            ][..],
        ),
        (
            "/p/gkp/",
            &["Live since", "<em><bdi>Let guests check out without an account</bdi></em>", "?before=42", "Releases"],
        ),
        (
            "/p/shop/",
            &[
                "Round prices by currency",
                "rolled-back",
                "answered 503",
                "connection refused; trying again at every poll",
            ],
        ),
        ("/p/blog/", &["Not deployed from here", "step <b>build</b>", "content=\"5\"", "drafts"]),
        ("/p/docs/", &["Not deployed from here", "None yet: watching main at 3f2a91c"]),
        ("/p/retired/", &["Retired: it has no file any more"]),
        (
            "/p/shop/3/",
            &[
                "Build 3 failed",
                "Compute tax per line",
                "Tidy up",
                "exit code 1, counts as warnings",
                "86.0 MiB",
                "Log of test",
                "<span class=\"bold f1\">FAILED</span>",
                "skipped",
            ],
        ),
        ("/p/blog/2/", &["Build 2 is running", "forced by ada", "Building page 2 of 300", "content=\"5\""]),
        ("/p/shop/3/log/2", &["test_case_200 ", "test_case_3003 ", "are not shown here", "exit code 1"]),
        ("/p/evil/1/log/1", &["&lt;script&gt;"]),
    ] {
        let answer = server.get(path);
        for text in says {
            assert!(answer.body.contains(text), "{path} does not say {text:?}:\n{}", answer.body);
        }
    }
    let log = server.get("/p/shop/3/log/2").body;
    assert!(!log.contains("test_case_201 ") && !log.contains("test_case_3002 "), "the middle is left out");
}

#[test]
fn the_first_visit_is_one_small_request_and_a_reload_is_smaller() {
    let root = tempfile::tempdir().unwrap();
    let mut system = System::new(root.path());
    system.project_file("gkp", crate::system::PLAIN);
    system.green(&crate::system::Told::new("gkp", "One", 3000));
    let server = Server::start(root.path(), 15);
    let first = server.get("/");
    assert!(first.body.len() < 20_000, "{} bytes", first.body.len());
    for loads in ["src=", "rel=\"stylesheet\"", "@import", "url("] {
        assert!(!first.body.contains(loads), "the page loads something: {loads}");
    }
    let etag = server.get("/p/gkp/1/").header("etag").map(str::to_owned).unwrap();
    // The page has the minute in it: should one pass right here, the second try is within the new one.
    let again = |etag: &str| {
        server.ask(&format!(
            "GET /p/gkp/1/ HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {etag}\r\nConnection: close\r\n\r\n"
        ))
    };
    let mut answer = again(&etag);
    if answer.status == 200 {
        answer = again(&answer.header("etag").map(str::to_owned).unwrap());
    }
    assert_eq!((answer.status, answer.body.as_str()), (304, ""));
}

#[test]
fn before_anything_is_there_the_page_says_so() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path(), 15);
    let empty = server.get("/");
    assert!(empty.body.contains("No projects yet") && empty.status == 200, "{}", empty.body);
    let projects = root.path().join("etc/ci/projects.d");
    std::fs::create_dir_all(&projects).unwrap();
    std::fs::write(projects.join("gkp.toml"), crate::system::PLAIN).unwrap();
    let added = server.get("/");
    assert!(added.body.contains("not looked at yet"), "a new file shows at the next request: {}", added.body);
    assert_eq!(server.get("/p/gkp/").status, 200);
    assert_eq!(server.get("/p/gkp/1/").status, 404);
    std::fs::write(root.path().join("etc/ci/ci.toml"), "titel = 1\n").unwrap();
    assert!(server.get("/").body.contains("titel"), "a broken ci.toml is shown");
}

#[test]
fn what_is_not_there_is_not_found() {
    let root = tempfile::tempdir().unwrap();
    every_state(root.path());
    let server = Server::start(root.path(), 15);
    for path in [
        "/x",
        "/p/",
        "/p/nosuch/",
        "/p/gkp/0/",
        "/p/gkp/01/",
        "/p/gkp/999/",
        "/p/gkp/x/",
        "/p/../etc/passwd",
        "/p/%2e%2e/",
        "/p/gkp/1/log/9",
        "/p/gkp/1/log/x",
        "/p/gkp/1/log/0.zst",
        "/p/gkp/1/log/../../2/log/0",
        "/p/gkp/?before=x",
        "//p/gkp/",
        "/p/gkp/1/log/",
        "/p/GKP/",
        "/p/<script>/",
        "/favicon.ico",
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, 404, "{path}");
        is_harmless(path, &answer);
    }
    for (path, to) in [("/p/gkp", "gkp/"), ("/p/gkp/3", "3/")] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.header("location")), (301, Some(to)), "{path}");
    }
}
