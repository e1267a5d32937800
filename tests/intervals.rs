//! How often a feed is due, and how often a provider is asked.

use crate::support::{
    Datametrics, Dialect, Ingest, Reply, Server,
    command::Running,
    samples::{CRYPTO, KRAKEN, kraken},
};
use std::fs;

/// Two feeds with one symbol each: rates, which are due once a day, and a sensor.
pub(crate) const CONFIG: &str = "
    [feeds.rates]
    providers = ['bank']
    symbols = ['EUR/USD']
    interval = 86400
    [feeds.sensor]
    providers = ['house']
    symbols = ['attic']
    [providers.bank]
    market = 'other'
    base_url = 'https://bank.example'
    quote = [{ path = '/{base}/{quote}', fields = { last = '/rate' } }]
    [providers.house]
    market = 'other'
    base_url = 'https://house.example'
    quote = [{ path = '/{symbol}', fields = { last = '/celsius' } }]";
const RATE: &str = "GET /EUR/USD";
const SENSOR: &str = "GET /attic";

pub(crate) fn rate() -> Reply {
    Reply::json(r#"{"rate":1.08}"#)
}

fn sensor() -> Reply {
    Reply::json(r#"{"celsius":19.5}"#)
}

/// The bank gets so many requests.
fn expect_rates(bank: &Server, count: usize) {
    (0..count).for_each(|_| bank.on(RATE).reply(rate()));
}

/// A run with the config, and its two servers.
fn run() -> (Datametrics, Server, Server) {
    let (bank, house) = (Server::start(), Server::start());
    let run = Datametrics::new().config(CONFIG).provider("bank", &bank).provider("house", &house);
    (run, bank, house)
}

#[test]
fn graphite_is_told_the_interval_of_each_feed() {
    let (run, bank, house) = run();
    bank.on(RATE).reply(rate());
    house.on(SENSOR).reply(sensor());
    let run = run.args(["--feed", "rates", "--feed", "sensor", "--dry-run", "--interval", "30"]);
    run.stdout(
        "[{\"name\":\"rates.EUR-USD.last\",\"interval\":86400,\"value\":1.08,[..]},\
         {\"name\":\"sensor.attic.last\",\"interval\":30,\"value\":19.5,[..]},\
         {\"name\":\"metrics.rates-sensor.bank.response.time\",\"interval\":30,[..]\n",
    )
    .check();
}

#[test]
fn crypto_and_stocks_have_intervals_too() {
    let crypto = Server::start();
    crypto.on(KRAKEN).reply(kraken(&CRYPTO));
    let run =
        Datametrics::new().config("[crypto]\ninterval = 120\n[stocks]\ninterval = 300\n").provider("kraken", &crypto);
    run.args(["crypto", "--dry-run"]).stdout("[{\"name\":\"crypto.BTC-USD.last\",\"interval\":120,[..]\n").check();
    for (key, found) in [("'60'", ", not a text"), ("0", "[..]"), ("86401", "[..]")] {
        let run = Datametrics::new().config(&format!("[stocks]\ninterval = {key}\n")).args(["crypto", "--dry-run"]);
        let problem = format!("stocks.interval: must be a whole number from 1 to 86400{found}");
        run.stderr(format!("error: config.toml:2: {problem}\n")).exit(78).check();
    }
}

/// Moves what a run left so many seconds into the past.
fn age(run: &Datametrics, feed: &str, seconds: i64) {
    let path = run.state_file("fetched", (feed, ""));
    let started: i64 = fs::read_to_string(&path).unwrap().trim().parse().unwrap();
    fs::write(path, (started - seconds).to_string()).unwrap();
}

#[test]
fn a_feed_inside_its_interval_is_left_out() {
    let (of_config, bank, house) = run();
    let ingest = Ingest::start(Dialect::WriteProxy);
    let of_config = of_config.graphite(&ingest);
    let run = of_config.clone().args(["--feed", "rates", "--feed", "sensor"]);
    bank.on(RATE).reply(rate());
    for _ in 0..3 {
        house.on(SENSOR).reply(sensor());
    }
    run.clone().check();
    assert_eq!(ingest.value("metrics.rates-sensor.feed.rates.expected").as_deref(), Some("1"));
    run.clone().check();
    assert_eq!(ingest.value("metrics.rates-sensor.feed.rates.expected").as_deref(), Some("0"));
    assert_eq!(ingest.value("metrics.rates-sensor.feed.sensor.expected").as_deref(), Some("1"));
    run.clone().args(["-v"]).stderr("[..]\nrates: not due: its interval lasts another <time>\n...").check();
    // Another run with the feed leaves it out too.
    let other = of_config.args(["--feed", "rates"]);
    other.clone().check();
    // A scheduler may be early by a few seconds.
    age(&run, "rates", 86_400 - 20);
    other.clone().check();
    age(&run, "rates", 17);
    bank.on(RATE).reply(rate());
    other.check();
}

/// Two configs of one user have one state directory, and feeds of the same names.
#[test]
fn an_interval_is_that_of_a_destination() {
    let (ingest, other) = (Ingest::start(Dialect::WriteProxy), Ingest::start(Dialect::WriteProxy));
    let (first, bank, _house) = run();
    let first = first.args(["--feed", "rates"]);
    let second = first.clone().graphite(&other);
    let first = first.graphite(&ingest);
    for run in [&first, &second] {
        bank.on(RATE).reply(rate());
        run.clone().check();
    }
    for run in [&first, &second] {
        run.clone().check();
        assert_eq!(bank.requests().len(), 2);
    }
}

#[test]
fn only_a_run_that_fetched_something_of_a_feed_begins_its_interval() {
    let (run, bank, _house) = run();
    let ingest = Ingest::start(Dialect::WriteProxy);
    let run = run.args(["--feed", "rates", "--retries", "0"]).graphite(&ingest);
    bank.on(RATE).reply(Reply::status(500));
    assert_eq!(run.clone().run().code, Some(69));
    bank.on(RATE).reply(rate());
    run.clone().check();
    run.check();
}

/// Points that are lost would be missing for a whole day.
#[test]
fn a_run_whose_points_are_lost_begins_no_interval() {
    let (run, bank, _house) = run();
    let run = run.args(["--feed", "rates", "--retries", "0"]);
    let lost = run.clone().args(["--no-journal", "--graphite-url", "tcp://127.0.0.1:1"]);
    expect_rates(&bank, 2);
    assert_eq!(lost.run().code, Some(75));
    // Points in the journal are as good as sent.
    let kept = run.clone().args(["--graphite-url", "tcp://127.0.0.1:1"]);
    assert_eq!(kept.clone().run().code, Some(75));
    assert_eq!(kept.run().code, Some(75));
}

#[test]
fn dry_runs_and_symbols_of_the_command_line_neither_wait_nor_count() {
    let (run, bank, _house) = run();
    let ingest = Ingest::start(Dialect::WriteProxy);
    let run = run.args(["--feed", "rates"]).graphite(&ingest);
    expect_rates(&bank, 4);
    run.clone().args(["--symbols", "EUR/USD"]).check();
    run.clone().args(["--dry-run"]).stdout("[..]\n").check();
    run.clone().check();
    run.clone().check();
    run.args(["--symbols", "EUR/USD"]).check();
}

#[test]
fn each_shard_of_a_feed_has_its_own_interval() {
    let (run, bank, _house) = run();
    let ingest = Ingest::start(Dialect::WriteProxy);
    let run = run.args(["--feed", "rates"]).graphite(&ingest);
    expect_rates(&bank, 2);
    for shard in ["0/1", "0/1", "0/2", "1/2"] {
        run.clone().args(["--shard", shard]).check();
    }
}

#[test]
fn without_a_state_directory_a_feed_is_due_in_every_run() {
    let (run, bank, _house) = run();
    let ingest = Ingest::start(Dialect::WriteProxy);
    expect_rates(&bank, 2);
    let run = run.args(["--feed", "rates", "--no-journal"]).graphite(&ingest);
    for _ in 0..2 {
        assert!(run.command().env_remove("HOME").output().unwrap().status.success());
    }
}

/// The interval of all feeds is for Graphite alone.
#[test]
fn the_interval_of_the_command_line_makes_nothing_rest() {
    let (run, _bank, house) = run();
    let ingest = Ingest::start(Dialect::WriteProxy);
    for _ in 0..2 {
        house.on(SENSOR).reply(sensor());
    }
    let run = run.args(["--feed", "sensor", "--interval", "86400"]).graphite(&ingest);
    run.clone().check();
    run.check();
}

/// A run of one feed, whose provider may be asked once an hour.
pub(crate) fn hourly(bank: &Server) -> Datametrics {
    let url = "'https://bank.example'";
    let config = CONFIG.replace("interval = 86400", "").replace(url, &format!("{url}\nmin_interval = 3600"));
    Datametrics::new().config(&config).provider("bank", bank).args(["--feed", "rates"])
}

#[test]
fn of_runs_side_by_side_one_asks_a_provider_that_has_a_min_interval() {
    let (bank, ingest) = (Server::with(|_| rate()), Ingest::start(Dialect::WriteProxy));
    let run = hourly(&bank).graphite(&ingest);
    let runs: Vec<Running> = (0..8).map(|_| run.spawn()).collect();
    for output in runs.into_iter().map(Running::wait) {
        assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
    }
    assert_eq!(bank.requests().len(), 1);
}

#[test]
fn a_killed_run_has_asked_a_provider_that_has_a_min_interval() {
    let (bank, ingest) = (Server::with(|_| Reply::hang()), Ingest::start(Dialect::WriteProxy));
    let run = hourly(&bank).graphite(&ingest);
    let killed = run.spawn();
    bank.wait_for(1);
    killed.kill();
    run.check();
    assert_eq!(bank.requests().len(), 1);
}

/// The name of a file has 255 bytes at most, and Carbon makes a folder of the name of a run.
#[test]
fn feeds_with_long_names_have_state_and_health_points() {
    let (bank, ingest) = (Server::start(), Ingest::start(Dialect::WriteProxy));
    let names = ["a", "b"].map(|letter| letter.repeat(240));
    let feed = |name: &str| format!("[feeds.{name}]\nproviders = ['bank']\nsymbols = ['EUR/USD']\ninterval = 3600\n");
    let config = format!("{CONFIG}\n{}{}", feed(&names[0]), feed(&names[1]));
    let run = Datametrics::new().config(&config).provider("bank", &bank).graphite(&ingest);
    let run = run.args(["--feed", &names[0], "--feed", &names[1]]);
    // Both feeds make the same request.
    bank.on(RATE).reply(rate());
    run.clone().check();
    run.check();
    let values = ingest.values();
    let nodes = values.keys().filter_map(|name| name.strip_prefix("metrics.")?.split('.').next());
    let longest = nodes.map(str::len).max();
    assert_eq!(longest, Some(200));
}
