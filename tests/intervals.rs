//! How often a feed is due, and how often a provider is asked.

use crate::support::{
    Datametrics, Reply, Server,
    samples::{CRYPTO, KRAKEN, kraken},
};

/// Two feeds with one symbol each: rates, which are due once a day, and a sensor.
const CONFIG: &str = "
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

fn rate() -> Reply {
    Reply::json(r#"{"rate":1.08}"#)
}

fn sensor() -> Reply {
    Reply::json(r#"{"celsius":19.5}"#)
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
