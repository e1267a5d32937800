//! The monitor gets a ping at the start and at the end of a run, and cannot disturb the run.

use crate::support::{
    Datametrics, Dialect, Ingest, Latch, Received, Reply, Server, Verdict,
    prices::{provider, run, run_without_symbols},
};
use std::collections::BTreeSet;

/// A monitor that answers OK.
fn monitor() -> Server {
    Server::with(|_| Reply::text(200, "OK"))
}

fn url(monitor: &Server) -> String {
    format!("{}/s3same", monitor.url())
}

/// Method with path, and run id of a ping.
fn parts(request: &Received) -> (String, String) {
    let (path, run) = request.target.split_once("rid=").expect("a run");
    (format!("{} {}", request.method, path), run.to_owned())
}

/// The pings of one run: the path of the first, the path of the last, and the text of the last.
#[track_caller]
fn heard(monitor: &Server) -> (String, String, String) {
    let requests = monitor.requests();
    let [start, end] = &requests[..] else { panic!("{requests:?}") };
    let ((start_path, start_run), (end_path, end_run)) = (parts(start), parts(end));
    assert_eq!(start_run, end_run, "one run");
    assert_eq!((start_run.len(), &start_run[14..15]), (36, "4"), "{start_run}");
    assert!(start.body.is_empty());
    assert_eq!(end.header("Content-Type"), Some("text/plain; charset=utf-8"));
    (start_path, end_path, end.text().to_owned())
}

#[test]
fn ping_is_sent_at_start_and_end_with_one_run_id() {
    let (monitor, server) = (monitor(), provider(&[("BTC", "5")]));
    let ingest = Ingest::start(Dialect::WriteProxy);
    let good = run(&server, "").graphite(&ingest);
    good.clone().args(["--ping-url", &url(&monitor)]).check();
    assert_eq!(heard(&monitor), ("GET /s3same/start?".into(), "POST /s3same/0?".into(), String::new()));
    // Each run has an id of its own.
    good.env("DATAMETRICS_PING_URL", url(&monitor)).check();
    let runs: Vec<_> = monitor.requests().iter().map(|request| parts(request).1).collect();
    assert!(runs[0] == runs[1] && runs[2] == runs[3] && runs[1] != runs[2], "{runs:?}");
}

#[test]
fn ping_url_keeps_its_query_slash_and_credentials() {
    let server = provider(&[("BTC", "5")]);
    for (path, start, end) in [
        ("/ping/key/slug/?create=1", "GET /ping/key/slug/start?create=1&", "POST /ping/key/slug/0?create=1&"),
        ("/s3same/", "GET /s3same/start?", "POST /s3same/0?"),
        ("", "GET /start?", "POST /0?"),
    ] {
        let (monitor, ingest) = (monitor(), Ingest::start(Dialect::WriteProxy));
        let url = format!("http://somebody:pass%3Aword@{}{path}", monitor.address());
        run(&server, "").graphite(&ingest).args(["--ping-url", &url]).check();
        assert_eq!(heard(&monitor), (start.into(), end.into(), String::new()));
        let basic = "Basic c29tZWJvZHk6cGFzczp3b3Jk";
        assert!(monitor.requests().iter().all(|request| request.header("Authorization") == Some(basic)));
    }
}

/// The text is the log of the run at any level, without the prefixes for systemd.
#[test]
fn ping_of_a_failed_run_has_exit_code_and_log() {
    let server = provider(&[("BTC", "5")]);
    for (options, expected) in [(["--timeout", "20"], 1), (["-vv", "--interval=60"], 6)] {
        let monitor = monitor();
        let refused = Ingest::deciding(Dialect::WriteProxy, |_| Verdict::Refuse(Reply::text(503, "busy")));
        let bad = run(&server, "").graphite(&refused).args(["--ping-url", &url(&monitor)]).args(options);
        let output = bad.run();
        let (_, end, text) = heard(&monitor);
        assert_eq!((output.code, end.as_str()), (Some(75), "POST /s3same/75?"));
        // After the last ping, the log may go on about the ping itself.
        assert!(output.stderr.starts_with(&text) && text.lines().count() >= expected, "{text}\n{output}");
        assert!(text.contains("error: graphite: 127.0.0.1 answered HTTP 503: busy; "), "{text}");
    }
}

#[test]
fn ping_is_sent_where_settings_are_invalid() {
    for (run, code, message) in [
        (Datametrics::new().args(["all"]), 78, "error: GRAPHITE_URL: is not set, "),
        (Datametrics::new().args(["all", "--retries", "x", "--graphite-url", "tcp://h"]), 2, "error: --retries: "),
        (Datametrics::new().args(["all"]).env("DATAMETRICS_TIMEOUT", "0"), 78, "error: DATAMETRICS_TIMEOUT: must be "),
        (Datametrics::new().args(["all", "--config", "gone.toml"]), 74, "error: --config: cannot read gone.toml: "),
        (Datametrics::new().config("[graphite]\npassword = 'glc_s3same").args(["all"]), 78, "error: config.toml:"),
    ] {
        let monitor = monitor();
        let output = run.env("DATAMETRICS_PING_URL", url(&monitor)).run();
        let (_, end, text) = heard(&monitor);
        assert_eq!((output.code, end), (Some(code), format!("POST /s3same/{code}?")));
        assert!(text.starts_with(message) && text == output.stderr && !text.contains("s3same"), "{text}");
    }
}

/// Nobody monitors runs that are started by hand.
#[test]
fn ping_is_not_sent_by_dry_run_check_and_providers() {
    let (monitor, server) = (Server::start(), provider(&[("BTC", "5")]));
    let run = run(&server, "").env("DATAMETRICS_PING_URL", url(&monitor));
    assert_eq!(run.clone().args(["--dry-run"]).run().code, Some(0));
    let other = Datametrics::new().env("DATAMETRICS_PING_URL", url(&monitor));
    assert_eq!(other.clone().args(["providers"]).run().code, Some(0));
    let check =
        other.args(["check", "--timeout", "1", "--retries", "0"]).env("HTTPS_PROXY", "http://127.0.0.1:9").run();
    assert!(check.stdout.contains("--ping-url"), "{check}");
    assert!(!check.stdout.contains("s3same"), "{check}");
}

#[test]
fn invalid_ping_url_ends_the_run_before_it_begins() {
    for (url, problem) in [
        ("s3same", "must be a URL such as https://host/path"),
        ("ftp://host/s3same", "must be an http or https URL"),
        ("http://u:s3same@monitor.example/x", "would send the password in the clear: use https"),
    ] {
        let all = Datametrics::new().args(["all"]);
        all.clone().args(["--ping-url", url]).stderr(format!("error: --ping-url: {problem}\n")).exit(2).check();
        let message = format!("error: DATAMETRICS_PING_URL: {problem}\n");
        all.env("DATAMETRICS_PING_URL", url).stderr(message).exit(78).check();
    }
    let all = Datametrics::new().args(["all"]).env("DATAMETRICS_PING_URL_FILE", "./gone");
    all.stderr("error: DATAMETRICS_PING_URL_FILE: cannot read ./gone: No such file or directory (os error 2)\n")
        .exit(74)
        .check();
}

/// A failing monitor does not change the run. Temporary failures are not reported, as the monitor itself
/// reports the missing ping.
#[test]
fn failing_monitor_does_not_change_the_exit_code() {
    let server = provider(&[("BTC", "5")]);
    for (reply, message) in [
        (Reply::reset as fn() -> Reply, ""),
        (|| Reply::status(503), ""),
        (|| Reply::status(429).header("Retry-After", "60"), ""),
        (
            || Reply::text(404, "s3same: not found"),
            "warning: the monitor at 127.0.0.1 answered HTTP 404: is --ping-url right?\n",
        ),
        (
            || Reply::status(302).header("Location", "https://elsewhere.example/s3same"),
            "warning: the monitor at 127.0.0.1 answered HTTP 302: is --ping-url right?\n",
        ),
        (
            || Reply::text(200, "OK (not found)"),
            "warning: the monitor at 127.0.0.1 has no such check: is --ping-url right?\n",
        ),
    ] {
        let (monitor, ingest) = (Server::with(move |_| reply()), Ingest::start(Dialect::WriteProxy));
        run(&server, "").graphite(&ingest).args(["--ping-url", &url(&monitor)]).stderr(message).check();
        assert!(monitor.requests().len() >= 2);
    }
    let ingest = Ingest::start(Dialect::WriteProxy);
    run(&server, "").graphite(&ingest).args(["--ping-url", "http://127.0.0.1:9/s3same"]).check();
}

/// The run goes on while the ping has no reply, and waits a limited time for the last one.
#[test]
fn hanging_monitor_delays_neither_fetch_nor_push() {
    let latch = Latch::new();
    let hanging = latch.clone();
    let monitor = Server::with(move |_| Reply::text(200, "OK").after(&hanging));
    let (server, ingest) = (provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
    let running = run(&server, "").graphite(&ingest).args(["--ping-url", &url(&monitor)]).spawn();
    // The points are pushed while the first ping is held.
    ingest.server().wait_for(1);
    let output = running.wait();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    let pings = monitor.requests();
    assert!(pings.iter().any(|ping| parts(ping).0 == "POST /s3same/0?"), "the end is tried: {pings:?}");
    latch.release();
}

/// The text has no secret of the run; where servers echo a secret, it is masked.
#[test]
fn ping_text_has_no_secret() {
    let monitor = monitor();
    let server = Server::with(|_| Reply::text(403, "key s3same-key is not valid"));
    let config = "[providers.own.headers]\nX-Key = '{secret:OWN_KEY}'\n";
    let ingest = Ingest::deciding(Dialect::WriteProxy, |_| {
        Verdict::Refuse(Reply::text(401, "user 123456 with glc_sesame is not known"))
    });
    let bad = run_without_symbols(&server, config).args(["--symbols", "BTC", "-vv"]).graphite(&ingest);
    let bad = bad.env("OWN_KEY", "s3same-key").args(["--ping-url", &url(&monitor)]);
    let output = bad.run();
    let (_, end, text) = heard(&monitor);
    assert_eq!((output.code, end.as_str()), (Some(77), "POST /s3same/77?"));
    assert!(text.contains("HTTP 403: key *** is not valid") && text.contains("with *** is not known"), "{text}");
    for secret in ["s3same", "sesame"] {
        assert!(!text.contains(secret) && !output.stderr.contains(secret), "{secret}: {text}\n{output}");
    }
}

/// The text has the last lines, whole ones, 10,000 bytes at most.
#[test]
fn ping_text_is_limited_to_ten_thousand_bytes_of_whole_lines() {
    let monitor = monitor();
    let server = Server::with(|_| Reply::json("{\"price\":5}"));
    let config = "
        [providers.each]
        market = 'other'
        base_url = 'http://127.0.0.1:9'
        quote = [{ path = '/a/long/path/to/the/price/of/{symbol}', fields = { last = '/price' } }]
        [feeds.many]
        providers = ['each']";
    let symbols: Vec<String> = (0..200).map(|index| format!("C{index}")).collect();
    let ingest = Ingest::start(Dialect::WriteProxy);
    let long = Datametrics::new().config(config).args(["--feed", "many", "--symbols", &symbols.join(","), "-vv"]);
    let long = long.provider("each", &server).graphite(&ingest).args(["--ping-url", &url(&monitor)]);
    let output = long.run();
    let (_, _, text) = heard(&monitor);
    assert!(output.stderr.len() > 12_000, "{output}");
    assert!((9_000..=10_000).contains(&text.len()), "{}", text.len());
    // Requests run in parallel, so the order of their log lines varies.
    let message: BTreeSet<&str> = output.stderr.lines().collect();
    assert!(text.lines().all(|line| message.contains(line)) && text.contains("\npushed "), "{text}");
}

/// What Uptime Kuma shows for a check of the type push.
const KUMA: &str = "/api/push/s3same/?status={status}&msg={message}&ping={duration}&code={code}&literal=%7B";

#[test]
fn ping_url_with_placeholders_is_asked_once_at_the_end() {
    let (monitor, server) = (monitor(), provider(&[("BTC", "5")]));
    let ingest = Ingest::start(Dialect::WriteProxy);
    run(&server, "").graphite(&ingest).args(["--ping-url", &format!("{}{KUMA}", monitor.url())]).check();
    let requests = monitor.requests();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    let (before, rest) = request.target.split_once("&ping=").expect("a duration");
    assert_eq!((request.method.as_str(), before), ("GET", "/api/push/s3same/?status=up&msg=OK"));
    let (duration, rest) = rest.split_once('&').expect("a code");
    assert!(duration.parse::<u32>().is_ok_and(|duration| duration > 0), "{duration}");
    assert_eq!((rest, request.text()), ("code=0&literal=%7B", ""));
}

/// The message is what was said last, and cannot add a parameter.
#[test]
fn ping_url_with_placeholders_tells_what_is_wrong() {
    let (monitor, server) = (monitor(), provider(&[("BTC", "5")]));
    let refused = Ingest::deciding(Dialect::WriteProxy, |_| Verdict::Refuse(Reply::text(503, "a&b=c #d")));
    let url = format!("{}/p?s={{status}}&c={{code}}&m={{message}}&end", monitor.url());
    let output = run(&server, "").graphite(&refused).env("DATAMETRICS_PING_URL", url).run();
    assert_eq!(output.code, Some(75));
    let target = monitor.requests()[0].target.clone();
    let message = target.strip_prefix("/p?s=down&c=75&m=").and_then(|rest| rest.strip_suffix("&end"));
    let message = message.unwrap_or_else(|| panic!("{target}"));
    assert!(
        message.starts_with("error%3A%20graphite%3A%20127.0.0.1%20answered%20HTTP%20503%3A%20a%26b%3Dc%20%23d%3B"),
        "{target}"
    );
    assert_eq!(monitor.requests().len(), 1);
}
