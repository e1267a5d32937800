//! Pushes over an AMQP broker: to doubles that do everything that a broker may do, and to a real RabbitMQ with a real
//! Carbon behind it.

use crate::support::{
    Broker, Conduct, Datametrics, Output, Reply, Server,
    journal::Journal,
    prices, real_broker,
    real_broker::RealBroker,
    real_graphite::{RealGraphite, Series},
    wait_until,
};
use std::collections::BTreeSet;

const STAYS: &str = " points are in the journal, the next run sends them\n";

fn provider() -> Server {
    prices::provider(&[("BTC", "49617.507573101621")])
}

/// A run with one price, which is sent to this broker.
fn run(provider: &Server, broker: &Broker) -> Datametrics {
    prices::run(provider, "").broker(broker)
}

/// How many points a run pushes.
const POINTS: usize = 1 + prices::HEALTH_POINTS;

/// Checks that a run with this broker fails, and that its points are sent by the next run. Returns the message.
fn fails(conduct: Conduct, timeout: &str, code: i32) -> String {
    let (provider, broker) = (provider(), Broker::with(&[conduct, Conduct::Take]));
    let run = run(&provider, &broker).args(["--timeout", timeout]);
    let output = run.run();
    assert_eq!((output.code, output.stdout.as_str()), (Some(code), ""), "{conduct:?}: {output}");
    assert!(output.stderr.ends_with(STAYS) && output.stderr.lines().count() == 1, "{conduct:?}: {output}");
    let waiting = Journal::of(&run).values();
    run.clone().check();
    let stored: BTreeSet<_> = broker.points().into_iter().map(|point| point.name).collect();
    assert!(!waiting.is_empty() && waiting.keys().all(|(name, _)| stored.contains(name)), "{conduct:?}: {stored:?}");
    assert_eq!(Journal::of(&run).files(), []);
    output.stderr.replace(&broker.authority(), "BROKER")
}

#[test]
fn points_are_messages_that_the_broker_confirms() {
    for conduct in [Conduct::Take, Conduct::TakeInBulk, Conduct::TakeSmallFrames, Conduct::TakeAfterBlock] {
        let (provider, broker) = (provider(), Broker::with(&[conduct]));
        let run = run(&provider, &broker);
        run.clone().check();
        assert_eq!(Journal::of(&run).files(), [], "{conduct:?}");
        let points = broker.points();
        assert_eq!(points.len(), POINTS, "{conduct:?}");
        let first = (points[0].name.as_str(), points[0].value.as_str());
        assert_eq!(first, ("crypto.BTC-USD.last", "49617.507573101621"), "{conduct:?}");
        assert_eq!(broker.logins(), [["guest", "guest", "/"].map(str::to_owned)]);
    }
}

#[test]
fn three_thousand_points_take_one_connection_and_few_bytes() {
    let symbols: Vec<String> = (1..=3_000).map(|number| format!("C{number}")).collect();
    let prices: Vec<(&str, &str)> = symbols.iter().map(|symbol| (symbol.as_str(), &symbol[1..])).collect();
    let provider = prices::provider(&prices);
    for conduct in [Conduct::Take, Conduct::TakeInBulk] {
        let broker = Broker::with(&[conduct]);
        prices::run_without_symbols(&provider, "").args(["-"]).stdin(symbols.join("\n")).broker(&broker).check();
        assert_eq!((broker.points().len(), broker.logins().len()), (3_000 + prices::HEALTH_POINTS, 1));
        let a_point = broker.received() / broker.points().len();
        println!("{a_point} bytes for a point");
        assert!(a_point < 110, "{a_point} bytes for a point");
    }
}

#[test]
fn user_password_vhost_and_port_come_from_the_url_or_from_the_settings() {
    let (provider, broker) = (provider(), Broker::start());
    let at = |user: &str, rest: &str| format!("amqp://{user}{}{rest}", broker.authority());
    let run = |url: &str| prices::run(&provider, "").env("GRAPHITE_URL", url);
    run(&at("me:p%40ss@", "/my%2Fhost?exchange=graphite")).check();
    run(&at("", "")).env("GRAPHITE_USER", "you").env("GRAPHITE_PASSWORD", "word").check();
    run(&at("me:other@", "/")).env("GRAPHITE_USER", "you").env("GRAPHITE_PASSWORD", "word").check();
    let expected = [["me", "p@ss", "my/host"], ["you", "word", "/"], ["you", "word", "/"]];
    assert_eq!(broker.logins(), expected.map(|login| login.map(str::to_owned)));
}

#[test]
fn password_for_a_broker_elsewhere_is_not_sent_in_the_clear() {
    let run = |url: &str| prices::run(&provider(), "").env("GRAPHITE_URL", url);
    let message = "error: GRAPHITE_URL: would send the password in the clear: use amqps, or set allow_plaintext_credentials = true in [graphite]\n";
    run("amqp://me:sesame@broker.invalid").stderr(message).exit(78).check();
    // The guest's password is no secret.
    let output = run("amqp://broker.invalid").run();
    assert_eq!(output.code, Some(75), "{output}");
    let allowed = prices::run(&provider(), "[graphite]\nallow_plaintext_credentials = true\n");
    let output = allowed.env("GRAPHITE_URL", "amqp://me:sesame@broker.invalid").run();
    assert!(output.code == Some(75) && !output.stderr.contains("sesame"), "{output}");
}

#[test]
fn names_go_into_the_body_where_the_url_says_so() {
    let (provider, broker) = (provider(), Broker::with(&[Conduct::TakeSmallFrames]));
    let long = format!("[graphite]\nnames = '{}.{{symbol}}.{{field}}'\ntags = {{ env = 'home' }}\n", "x".repeat(5_000));
    let run = prices::run(&provider, &long).broker(&broker);
    run.clone().env("GRAPHITE_URL", format!("{}&names=body", broker.url())).check();
    let points = broker.points();
    assert_eq!((points.len(), points[0].name.len()), (POINTS, 5_000 + ".BTC-USD.last".len()));
    assert!(points.iter().all(|point| point.tags == ["env=home"]), "{points:?}");
    // Elsewhere the name is the routing key, which has no room for it.
    let refused = "error: graphite refused xxx[..].BTC-USD.last: has a name of more than 255 bytes with its tags, the most that a \
                   routing key holds: AMQP_METRIC_NAME_IN_BODY = True of Carbon and &names=body in the URL have no \
                   such limit\n";
    let points = broker.points().len();
    run.stderr(refused).exit(1).check();
    assert!(broker.points()[points..].iter().all(|point| point.name.starts_with("metrics.")));
}

#[test]
fn names_of_255_bytes_are_routing_keys() {
    let (provider, broker) = (provider(), Broker::start());
    for (len, code) in [(255, 0), (256, 1)] {
        let name = "x".repeat(len - ".BTC-USD.last".len());
        let config = format!("[graphite]\nnames = '{name}.{{symbol}}.{{field}}'\n");
        let output = prices::run(&provider, &config).broker(&broker).run();
        assert_eq!(output.code, Some(code), "{len}: {output}");
    }
}

#[test]
fn only_what_the_broker_confirmed_is_taken_and_the_rest_is_sent_once_more() {
    for conduct in [
        Conduct::ReturnAfter(3),
        Conduct::RefuseAfter(3),
        Conduct::IgnoreAfter(3),
        Conduct::EndAfter(3, 320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"),
        Conduct::CloseAfter(3),
    ] {
        let (provider, broker) = (provider(), Broker::with(&[conduct, Conduct::Take]));
        let run = run(&provider, &broker).args(["--timeout", "4"]);
        let output = run.run();
        assert_eq!(output.code, Some(75), "{conduct:?}: {output}");
        let waiting = Journal::of(&run).values();
        // A reset may come before the confirms that were sent before it.
        let least = if matches!(conduct, Conduct::CloseAfter(_)) { 0 } else { 3 };
        let confirmed = POINTS - waiting.len();
        assert!((least..=3).contains(&confirmed), "{conduct:?}: {confirmed} confirmed: {output}");
        run.clone().args(["--prefix", "later"]).check();
        let names: Vec<_> = broker.points().into_iter().map(|point| (point.name, point.time)).collect();
        let twice = names.iter().filter(|name| names.iter().filter(|other| other == name).count() > 1).count();
        assert_eq!(twice, 2 * (3 - confirmed), "{conduct:?}: {names:?}");
        assert_eq!(Journal::of(&run).files(), []);
    }
}

#[test]
fn retry_sends_only_what_is_not_confirmed() {
    let (provider, broker) = (provider(), Broker::with(&[Conduct::RefuseAfter(3), Conduct::Take]));
    prices::run_without_symbols(&provider, "").args(["--symbols", "BTC", "--retries", "2"]).broker(&broker).check();
    assert_eq!((broker.points().len(), broker.logins().len()), (POINTS, 2));
}

#[test]
fn only_confirms_of_the_broker_are_told_as_confirmed() {
    // So many points that publishing stops long before the last one, as too many bytes wait for their confirm.
    let waiting: Vec<String> = (0..5_000).map(|number| format!("a.waited.{number}")).collect();
    for (conducts, points, confirmed) in
        [(vec![Conduct::IgnoreAfter(100)], 5_000, 100), (vec![Conduct::RefuseAfter(3), Conduct::IgnoreAfter(2)], 50, 5)]
    {
        let (provider, broker) = (provider(), Broker::with(&conducts));
        let run = prices::run_without_symbols(&provider, "").broker(&broker);
        let run = run.args(["--symbols", "BTC", "--timeout", "6", "--retries", "1"]);
        Journal::of(&run).plant_for(&broker.url(), 600, &waiting[..points]);
        let (output, words) = (run.run(), format!("it confirmed {confirmed} of {points} points in time; "));
        assert!(output.code == Some(75) && output.stderr.contains(&words), "{conducts:?}: {output}");
        assert_eq!(broker.logins().len(), conducts.len());
    }
}

#[test]
fn outage_of_all_queues_sends_one_portion_only() {
    let (provider, broker) = (provider(), Broker::with(&[Conduct::ReturnAfter(0)]));
    let run = run(&provider, &broker);
    Journal::of(&run).plant_for(&broker.url(), 600, &["a.waited"]);
    let output = run.run();
    assert_eq!((output.code, broker.logins().len()), (Some(75), 1), "{output}");
    let message = "1 of 1 points came back, as the exchange graphite leads to no queue for them; is Carbon running with \
                   ENABLE_AMQP, and does it read from this exchange?";
    assert!(output.stderr.contains(message), "{output}");
    assert_eq!(Journal::of(&run).files().len(), 2);
}

#[test]
fn credentials_that_the_broker_refuses_are_77() {
    let refused = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.";
    for conduct in [Conduct::EndAtLogin(403, refused), Conduct::CloseAtLogin] {
        let message = fails(conduct, "20", 77);
        assert!(message.contains("AMQP broker at BROKER: it refused the credentials: "), "{message}");
    }
    let message = fails(Conduct::EndAtDeclare(403, "ACCESS_REFUSED - access to exchange 'graphite' refused"), "20", 77);
    assert!(message.contains(": 403 ACCESS_REFUSED - access to exchange 'graphite' refused; "), "{message}");
}

#[test]
fn faults_of_a_broker_are_told_in_words() {
    for (conduct, timeout, words) in [
        (Conduct::EndAtOpen(530, "NOT_ALLOWED - vhost x not found"), "20", "did not open the vhost: 530 NOT_ALLOWED"),
        (Conduct::EndAtDeclare(404, "NOT_FOUND - no exchange"), "20", ": 404 NOT_FOUND - no exchange; a Carbon with"),
        (Conduct::EndAfter(0, 541, "INTERNAL_ERROR"), "20", "it ended the connection: 541 INTERNAL_ERROR; "),
        (Conduct::Block, "4", "it takes no messages now: low on memory; "),
        (Conduct::IgnoreAfter(2), "4", "it confirmed 2 of 10 points in time; "),
        (Conduct::Silent, "4", "no answer in time; "),
        (Conduct::Drip, "4", "no answer in time; "),
        (Conduct::CloseEarly, "20", "it closed the connection without a word; "),
        (Conduct::Reset, "20", "the connection broke (Connection reset by peer (os error 104)); "),
        (
            Conduct::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            "20",
            "it answered \"HTTP/1.1 400 Bad Request\", which is no AMQP",
        ),
        (Conduct::Say(b"AMQP\0\0\x09\0"), "20", "it does not speak AMQP 0-9-1, which Carbon needs, but 0-0-9-0; "),
        (Conduct::Say(b"AMQP\x03\x01\0\0"), "20", "which Carbon needs, but 3-1-0-0; "),
        (Conduct::Say(b"\x01\0\0\x7f\xff\xff\xff"), "20", "it sent a frame that is longer than was agreed; "),
        (Conduct::Say(b"\x01\0\0\0\0\0\x04\0\x0a\0\x33\xce"), "20", "it sent a method that makes no sense here; "),
        (Conduct::Offer("EXTERNAL"), "20", "it offers no login by password (PLAIN), but: EXTERNAL; "),
        (Conduct::Tune(1_000), "20", "it takes frames of 1000 bytes, and AMQP needs 4096; "),
        (Conduct::SayAtMessage(b"\x09\0\0"), "20", "it sent a frame of an unknown kind; "),
        (
            Conduct::SayAtMessage(b"\x03\0\x01\0\0\0\x01x\xce"),
            "20",
            "it sent the parts of a message in a wrong order; ",
        ),
        (
            Conduct::SayAtMessage(b"\x01\0\x01\0\0\0\x0d\0\x3c\0\x50\0\0\0\0\0\0\0\x63\0\xce"),
            "20",
            "it sent a confirm of a message that was not sent; ",
        ),
        (Conduct::SayAtMessage(b"\x01\0\x01\0\0\0\x01\0\0"), "20", "it sent a frame without its mark at the end; "),
        (Conduct::SayAtMessage(b"\x01\0\x01\0\0\0\x05\0\x3c\0\x50\0\xce"), "20", "it sent a field that is cut off; "),
    ] {
        let message = fails(conduct, timeout, 75);
        assert!(message.contains("AMQP broker at BROKER: ") && message.contains(words), "{conduct:?}: {message}");
    }
}

#[test]
fn password_in_the_words_of_a_broker_is_masked() {
    let (provider, broker) = (provider(), Broker::with(&[Conduct::EndAtLogin(403, "not s3same for me")]));
    let output = run(&provider, &broker).env("GRAPHITE_USER", "me").env("GRAPHITE_PASSWORD", "s3same").run();
    assert!(output.code == Some(77) && output.stderr.contains("403 not *** for me"), "{output}");
}

/// What `check` prints about Graphite, and its exit code.
fn check(url: &str) -> (String, Option<i32>) {
    let provider = Server::with(|_| Reply::json(r#"{"price":"5"}"#));
    let config = "[stocks]\nsymbols = []\n[crypto]\nsymbols = ['BTC']\nproviders = ['coinbase']\nfields = ['last']";
    let run = Datametrics::new().config(config).provider("coinbase", &provider).args(["check", "--retries", "0"]);
    let Output { stdout, code, .. } = run.env("GRAPHITE_URL", url).run();
    let line = stdout.lines().find(|line| line.contains("  graphite: ")).unwrap_or_default();
    (line.to_owned(), code)
}

#[test]
fn check_says_whether_a_queue_reads_from_the_exchange() {
    let broker = Broker::with(&[Conduct::ReturnAfter(0)]);
    let (line, code) = check(&broker.url());
    assert!(line.contains(": 1 of 1 points came back, as the exchange graphite leads to no queue"), "{line}");
    assert_eq!(code, Some(75));
}

#[test]
fn dry_run_for_a_broker_prints_lines_of_carbon() {
    for url in ["amqp://rabbit.example", "amqp://me:pw@rabbit.example/?names=body"] {
        let provider = provider();
        let run = prices::run(&provider, "[graphite]\nallow_plaintext_credentials = true\n").env("GRAPHITE_URL", url);
        let output = run.args(["--dry-run"]).run();
        assert!(output.stdout.starts_with("crypto.BTC-USD.last 49617.507573101621 "), "{output}");
        assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
    }
}

#[test]
fn points_for_a_broker_keep_for_a_week_and_go_where_formerly_says() {
    let (provider, old, new) = (provider(), Broker::start(), Broker::start());
    let run = prices::run(&provider, &format!("[graphite]\nformerly = ['{}']\n", old.url().replace("%2F", "%2f")));
    let day = 86_400;
    for (broker, age, name) in [(&old, 6 * day, "a.old"), (&new, 60, "a.new")] {
        Journal::of(&run).plant_for(&broker.url(), age, &[name]);
    }
    run.broker(&new).check();
    let names: Vec<_> =
        new.points().into_iter().map(|point| point.name).filter(|name| name.starts_with("a.")).collect();
    assert_eq!(names, ["a.old", "a.new"]);
    let check =
        Datametrics::new().args(["check", "-v", "--timeout", "3"]).env("GRAPHITE_URL", "amqp://127.0.0.1:9").run();
    let max_age = check.stdout.lines().find(|line| line.starts_with("journal.max_age")).unwrap_or_default();
    assert!(max_age.contains(" 604800 "), "{check}");
}

/// One test, as RabbitMQ takes long to start.
#[test]
fn real_graphite_shows_what_a_real_broker_confirmed() {
    if !real_broker::available() {
        return;
    }
    let broker = RealBroker::start();
    broker_refuses_what_is_wrong(&broker);
    let mut graphite = RealGraphite::behind_broker(broker.port);
    let url = broker.url("", "/%2F?exchange=graphite");
    wait_for_carbon(&url);
    all_points_arrive(&graphite, &url);
    nothing_is_lost_while_carbon_is_down(&mut graphite, &url);
    tags_arrive(&graphite, &url);
    graphite.stop_carbon();
    graphite.read_names_from_bodies();
    graphite.start_carbon();
    let url = format!("{url}&names=body");
    wait_for_carbon(&url);
    let name = "y".repeat(200);
    let config = format!("[graphite]\nnames = '{name}.{name}.{{symbol}}.{{field}}'\n");
    prices::run(&provider(), &config).env("GRAPHITE_URL", url).check();
    value_is_shown(&graphite, &format!("{name}.{name}.BTC-USD.last"));
}

/// Carbon binds its queue some time after it has started.
fn wait_for_carbon(url: &str) {
    wait_until("a Carbon that reads from the broker", || check(url).0.starts_with("ok "));
}

fn value_is_shown(graphite: &RealGraphite, target: &str) {
    let shown = graphite.wait_for_points(target, "-10min");
    let values: Vec<u64> = shown[0].points.iter().map(|(_, value)| value.to_bits()).collect();
    let pushed = "49617.507573101621".parse::<f64>().expect("a number");
    assert_eq!(values, [pushed.to_bits()], "{target}: {shown:?}");
}

/// No Carbon has made the exchange yet.
fn broker_refuses_what_is_wrong(broker: &RealBroker) {
    for (user, rest, code, words) in [
        ("guest:wrong@", "", 77, "it refused the credentials: 403 ACCESS_REFUSED - Login was refused"),
        ("nobody:none@", "", 77, "it refused the credentials: 403 ACCESS_REFUSED - Login was refused"),
        ("", "/nope", 75, "it did not open the vhost: 530 NOT_ALLOWED - vhost nope not found"),
        ("", "", 75, ": 404 NOT_FOUND - no exchange 'graphite' in vhost '/'; a Carbon with ENABLE_AMQP makes"),
        ("", "?exchange=nope", 75, "no exchange 'nope'"),
    ] {
        let output = prices::run(&provider(), "").env("GRAPHITE_URL", broker.url(user, rest)).run();
        assert_eq!(output.code, Some(code), "{user}{rest}: {output}");
        assert!(output.stderr.contains(words) && output.stderr.ends_with(STAYS), "{user}{rest}: {output}");
    }
}

fn all_points_arrive(graphite: &RealGraphite, url: &str) {
    let symbols: Vec<String> = (1..=600).map(|number| format!("C{number}")).collect();
    let prices: Vec<(&str, &str)> = symbols.iter().map(|symbol| (symbol.as_str(), &symbol[1..])).collect();
    let provider = prices::provider(&prices);
    let run = prices::run_without_symbols(&provider, "").args(["-"]).stdin(symbols.join("\n"));
    run.env("GRAPHITE_URL", url).check();
    let all = |series: &Vec<Series>| series.len() == symbols.len() && series.iter().all(|one| one.points.len() == 1);
    let shown = graphite.wait_for("600 series", || Some(graphite.render("crypto.*.last", "-10min")).filter(all));
    for series in shown {
        let number = series.target.split(['C', '-']).nth(1).expect("a symbol");
        assert_eq!(series.points[0].1.to_string(), number, "{series:?}");
    }
}

/// The queue goes with Carbon, so that messages come back until it is there again.
fn nothing_is_lost_while_carbon_is_down(graphite: &mut RealGraphite, url: &str) {
    let provider = provider();
    let run = prices::run(&provider, "").env("GRAPHITE_URL", url);
    let with_prefix = |prefix: &str| run.clone().args(["--prefix", prefix]);
    with_prefix("before").check();
    value_is_shown(graphite, "before.crypto.BTC-USD.last");
    graphite.stop_carbon();
    for (files, prefix) in [(1, "down"), (2, "still-down")] {
        wait_until("the end of the queue", || !check(url).0.starts_with("ok "));
        let output = with_prefix(prefix).run();
        assert_eq!(output.code, Some(75), "{output}");
        assert!(output.stderr.contains("came back, as the exchange graphite leads to no queue for them; "), "{output}");
        assert_eq!(Journal::of(&run).files().len(), files);
    }
    graphite.start_carbon();
    wait_for_carbon(url);
    with_prefix("after").check();
    assert_eq!(Journal::of(&run).files(), []);
    for prefix in ["down", "still-down", "after"] {
        value_is_shown(graphite, &format!("{prefix}.crypto.BTC-USD.last"));
    }
}

/// They are the same series as those of the plaintext protocol.
fn tags_arrive(graphite: &RealGraphite, url: &str) {
    let plaintext = format!("tcp://127.0.0.1:{}", graphite.plaintext);
    let shown = [(url, "tagged"), (plaintext.as_str(), "tagged")].map(|(url, prefix)| {
        let tags = "[graphite]\ntags = { home = 'north', env = 'test' }\n";
        prices::run(&provider(), tags).args(["--prefix", prefix]).env("GRAPHITE_URL", url).check();
        let target = format!("seriesByTag('name={prefix}.crypto.BTC-USD.last')");
        graphite.wait_for_points(&target, "-10min").into_iter().map(|series| series.tags).collect::<Vec<_>>()
    });
    assert_eq!((shown[0].len(), &shown[0]), (1, &shown[1]));
}
