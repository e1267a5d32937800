//! Pushes to Carbon: to a real one, read back from graphite-web, and to doubles that misbehave.

use crate::support::{
    Behaviour, Carbon, Datametrics, Reply, Server,
    journal::Journal,
    mount::can_mount,
    prices,
    real_graphite::{RealGraphite, Series, available},
};

/// A reply of Kraken for two symbols, with numbers of many digits.
const KRAKEN: &str = r#"{"error":[],"result":{
    "XXBTZUSD":{"c":["49617.507573101621"],"v":["0","4412.73601799"]},
    "BATUSD":{"c":["0.00007351"],"v":["0","1e-08"]}}}"#;

fn kraken() -> Server {
    let kraken = Server::start();
    kraken.on("GET /0/public/Ticker?pair=XBTUSD,BATUSD").reply(Reply::json(KRAKEN));
    kraken
}

fn command(kraken: &Server, url: &str) -> Datametrics {
    Datametrics::new()
        .args(["crypto", "BTC", "BAT", "--provider", "kraken", "--fields", "last,volume", "--retries", "0"])
        .provider("kraken", kraken)
        .env("GRAPHITE_URL", url)
}

/// The bits of the float that is nearest to these digits.
fn bits(digits: &str) -> u64 {
    digits.parse::<f64>().expect("a number").to_bits()
}

#[test]
fn real_graphite_shows_the_exact_values_that_were_pushed() {
    if !available() {
        return;
    }
    let graphite = RealGraphite::start();
    let plaintext = format!("tcp://127.0.0.1:{}", graphite.plaintext);
    let pickle = format!("pickle://localhost:{}", graphite.pickle);
    for (url, prefix) in [(&plaintext, "plain"), (&pickle, "pickled")] {
        command(&kraken(), url).args(["--prefix", prefix]).check();
        for (name, value) in [
            ("crypto.BTC-USD.last", "49617.507573101621"),
            ("crypto.BTC-USD.volume", "4412.73601799"),
            ("crypto.BAT-USD.last", "0.00007351"),
            ("crypto.BAT-USD.volume", "1e-08"),
            ("metrics.crypto.feed.crypto.fetched", "2"),
            ("metrics.crypto.kraken.response.status_code", "200"),
        ] {
            let shown = graphite.wait_for_points(&format!("{prefix}.{name}"), "-10min");
            let values: Vec<f64> = shown[0].points.iter().map(|(_, value)| *value).collect();
            assert!(matches!(values[..], [only] if only.to_bits() == bits(value)), "{url} {name}: {shown:?}");
        }
    }
    for (url, home) in [(&plaintext, "north"), (&pickle, "south")] {
        let tags = format!("[graphite]\ntags = {{ home = \"{home}\", env = \"test\" }}\n");
        command(&kraken(), url).config(&tags).check();
        let target = format!("seriesByTag('name=crypto.BTC-USD.last','home={home}','env=test')");
        let shown = graphite.wait_for_points(&target, "-10min");
        assert_eq!(shown[0].points.len(), 1, "{shown:?}");
        assert_eq!(shown[0].points[0].1.to_bits(), bits("49617.507573101621"), "{shown:?}");
    }
}

/// A backlog of many points, each at its own time, as after an outage; and more points in one run than one
/// frame holds.
#[test]
fn real_graphite_shows_a_backlog_of_the_journal_at_its_own_times() {
    if !available() {
        return;
    }
    let graphite = RealGraphite::start();
    let symbols: Vec<String> = (1..=600).map(|number| format!("C{number}")).collect();
    let prices: Vec<(&str, &str)> = symbols.iter().map(|symbol| (symbol.as_str(), &symbol[1..])).collect();
    let provider = prices::provider(&prices);
    for (url, prefix) in [
        (format!("tcp://127.0.0.1:{}", graphite.plaintext), "plain"),
        (format!("pickle://127.0.0.1:{}", graphite.pickle), "pickled"),
    ] {
        let run = prices::run_without_symbols(&provider, "").args(["-", "--prefix", prefix]).stdin(symbols.join("\n"));
        let planted: Vec<i64> = [86_400, 7_200, 600, 180]
            .map(|age| {
                let name = format!("{prefix}.waited");
                Journal::of(&run).plant(age, &[name]).started
            })
            .into();
        run.env("GRAPHITE_URL", url).check();
        let all = |series: &Vec<_>| series.len() == symbols.len();
        let target = format!("{prefix}.crypto.*.last");
        let shown = graphite.wait_for("600 series", || Some(graphite.render(&target, "-10min")).filter(all));
        for series in shown {
            let number = series.target.split(['C', '-']).nth(1).expect("a symbol");
            assert!(matches!(series.points[..], [(_, value)] if value.to_bits() == bits(number)), "{series:?}");
        }
        let slots: Vec<(i64, f64)> = planted.iter().map(|time| (time - time % 60, 1.5)).collect();
        let target = format!("{prefix}.waited");
        let whole = |series: &Vec<Series>| series.iter().any(|series| series.points == slots);
        graphite.wait_for("the old points", || Some(graphite.render(&target, "-2days")).filter(whole));
    }
}

#[test]
fn plaintext_lines_and_pickle_frames_hold_the_same_points() {
    let (plain, pickled) = (Carbon::start(), Carbon::start());
    let tags = "[graphite]\ntags = { env = \"home\" }\n";
    command(&kraken(), &plain.url()).config(tags).check();
    command(&kraken(), &pickled.pickle_url()).config(tags).check();
    let lines: Vec<_> = plain.points().into_iter().map(|point| (point.name, point.tags, point.value)).collect();
    assert_eq!(lines[0], ("crypto.BTC-USD.last".into(), vec!["env=home".into()], "49617.507573101621".into()));
    assert_eq!(lines[3], ("crypto.BAT-USD.volume".into(), vec!["env=home".into()], "1e-08".into()));
    let names: Vec<String> = pickled.pickled().into_iter().map(|point| point.name).collect();
    assert_eq!(names, lines.iter().map(|(name, ..)| format!("{name};env=home")).collect::<Vec<_>>());
}

#[test]
fn carbon_is_reached_at_an_ipv6_literal_and_at_localhost() {
    let carbon = Carbon::start_v6();
    command(&kraken(), &carbon.url()).check();
    assert!(!carbon.points().is_empty());
    // Only one of the addresses of localhost has a listener.
    let carbon = Carbon::start();
    let port = carbon.authority().rsplit_once(':').expect("a port").1.to_owned();
    command(&kraken(), &format!("tcp://localhost:{port}")).check();
    assert!(!carbon.points().is_empty());
}

/// Whichever address of the name comes first.
#[test]
fn carbon_push_tries_every_address_of_a_host_name() {
    if !can_mount() {
        return;
    }
    for carbon in [Carbon::start(), Carbon::start_v6()] {
        let port = carbon.authority().rsplit_once(':').expect("a port").1.to_owned();
        let kraken = kraken();
        let hosts = "127.0.0.2 carbon.test\n::1 carbon.test\n127.0.0.1 carbon.test\n";
        command(&kraken, &format!("tcp://carbon.test:{port}")).hosts(hosts).check();
        assert!(!carbon.points().is_empty());
    }
    // Nobody listens on any of the addresses.
    let kraken = kraken();
    let hosts = "127.0.0.2 carbon.test\n127.0.0.1 carbon.test\n";
    let output = command(&kraken, "tcp://carbon.test:9").hosts(hosts).run();
    assert_eq!(output.code, Some(75));
    for address in ["127.0.0.1:9", "127.0.0.2:9"] {
        assert!(output.stderr.contains(&format!("{address}: Connection refused (os error 111)")), "{output}");
    }
}

#[test]
fn points_that_carbon_did_not_read_are_sent_by_the_next_run() {
    for behaviour in [Behaviour::CloseEarly, Behaviour::Reset, Behaviour::NeverRead] {
        let carbon = Carbon::with(&[behaviour, Behaviour::ReadToEnd]);
        let kraken = kraken();
        let run = command(&kraken, &carbon.url()).args(["--timeout", "6"]);
        let failed = run.run();
        assert_eq!((failed.code, failed.stdout.as_str()), (Some(75), ""), "{failed}");
        assert!(failed.stderr.contains(" points are in the journal, the next run sends them\n"), "{failed}");
        assert_eq!(failed.stderr.lines().count(), 1, "{failed}");
        kraken.on("GET /0/public/Ticker?pair=XBTUSD,BATUSD").reply(Reply::json(KRAKEN));
        run.check();
        let last = carbon.points().into_iter().filter(|point| point.name == "crypto.BTC-USD.last").count();
        assert!(last >= 2, "{last} of both runs");
    }
}

/// A balancer accepts the points before it finds that no Carbon is behind it. Nothing but the time of its close tells.
#[test]
fn balancer_without_a_carbon_is_noticed_with_linger() {
    let carbon = Carbon::with(&[Behaviour::CloseLate, Behaviour::CloseLate, Behaviour::ReadToEnd]);
    let kraken = kraken();
    kraken.on("GET /0/public/Ticker?pair=XBTUSD,BATUSD").reply(Reply::json(KRAKEN));
    kraken.on("GET /0/public/Ticker?pair=XBTUSD,BATUSD").reply(Reply::json(KRAKEN));
    let run = command(&kraken, &carbon.url());
    run.clone().check();
    let run = run.config("[graphite]\nlinger = 2\n");
    let message = "error: graphite: Carbon at CARBON: it closed the connection before the end; Carbon's log may say why, or a \
                   proxy has no Carbon behind it; the points are in the journal, the next run sends them\n";
    run.clone().carbon(&carbon).stderr(message).exit(75).check();
    run.clone()
        .args(["--timeout", "3"])
        .stderr(
            "error: config.toml:2: graphite.linger: is more than half of the time that a run has: \
                   make it shorter, or --timeout longer\n",
        )
        .exit(78)
        .check();
    // Carbon has shown itself with what waited: the run's own points need no second wait.
    run.args(["--timeout", "5"]).check();
    let last = carbon.points().into_iter().filter(|point| point.name == "crypto.BTC-USD.last").count();
    assert_eq!(last, 2, "of the second run and of the third; those of the first are lost");
}

#[test]
fn carbon_connection_is_logged_with_verbose() {
    let carbon = Carbon::start();
    let message = format!(
        "http://KRAKEN: HTTP 200 after <time>: BTC/USD, BAT/USD\n\
         Carbon at CARBON: closed after <time>: {0} points\npushed {0} points of 2 symbols from kraken in <time>\n",
        4 + prices::HEALTH_POINTS
    );
    command(&kraken(), "").carbon(&carbon).args(["-v"]).stderr(message).check();
    let output = command(&kraken(), "tcp://127.0.0.1:9").args(["-v"]).run();
    assert!(output.stderr.contains(" points failed after "), "{output}");
}

#[test]
fn carbon_connection_refused_is_reported_and_points_stay_in_the_journal() {
    let kraken = kraken();
    let message = "error: graphite: Carbon at 127.0.0.1:9: no connection (127.0.0.1:9: Connection refused (os error 111)); \
        is Carbon running, and are host and port of GRAPHITE_URL right? The points are in the journal, the next \
        run sends them\n";
    command(&kraken, "tcp://127.0.0.1:9").stderr(message).exit(75).check();
}

#[test]
fn carbon_dry_run_prints_plaintext_lines_for_both_protocols() {
    for url in ["tcp://carbon.example", "pickle://carbon.example"] {
        let output = command(&kraken(), url).args(["--dry-run"]).run();
        assert_eq!(output.stdout.lines().count(), 4 + prices::HEALTH_POINTS - 1, "without a journal: {output}");
        let first = output.stdout.lines().next().expect("a line");
        assert!(first.starts_with("crypto.BTC-USD.last 49617.507573101621 "), "{output}");
        assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
    }
}
