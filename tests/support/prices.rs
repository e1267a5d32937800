//! A provider with fixed prices, and a run that fetches them: for tests of what comes after fetching.

use super::{Datametrics, Reply, Server};

/// The provider `own` answers every request with all of its prices.
const DEFINITION: &str = "
[providers.own]
market = 'crypto'
base_url = 'http://127.0.0.1:9'
symbol = '{base}'

[[providers.own.quote]]
path = '/all'
batch = 0
rows = ''
key = '/symbol'
fields = { last = '/price' }
";

/// How many points a run pushes about itself. From the second push on there are two more, about the push
/// before.
pub(crate) const HEALTH_POINTS: usize = 9;

/// A provider with these prices in dollars.
pub(crate) fn provider(prices: &[(&str, &str)]) -> Server {
    let row = |(symbol, price): &(&str, &str)| format!(r#"{{"symbol":"{symbol}","price":{price}}}"#);
    let rows: Vec<_> = prices.iter().map(row).collect();
    let body = format!("[{}]", rows.join(","));
    Server::with(move |_| Reply::json(body.clone()))
}

/// A run that fetches the price of BTC without retries, which would make the test wait. `config` is added
/// to the config file.
pub(crate) fn run(provider: &Server, config: &str) -> Datametrics {
    run_without_symbols(provider, config).args(["--symbols", "BTC", "--retries", "0"])
}

/// A run that fetches nothing until the test adds symbols, with the default number of retries.
pub(crate) fn run_without_symbols(provider: &Server, config: &str) -> Datametrics {
    Datametrics::new()
        .config(&format!("{config}{DEFINITION}"))
        .args(["crypto", "--provider", "own", "--fields", "last"])
        .provider("own", provider)
}
