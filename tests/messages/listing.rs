//! What `datametrics symbols` says.

use super::scene::{Observed, Scene, typed};
use crate::support::{Datametrics, Reply, Server};
use Scene::{Played, Typed};

/// Asks a provider whose list is this, with this command line.
fn listed(body: impl Into<String>, line: &str) -> Observed {
    let body = body.into();
    let server = Server::with(move |_| Reply::json(body.clone()));
    let config = "[providers.own]\nmarket = 'crypto'\nbase_url = 'https://own.example'\nsymbol = '{base}{quote}'\n\
                  [[providers.own.quote]]\npath = '/q?s={symbols}'\nerror = '/error'\nfields = { last = '/last' }\n\
                  [providers.own.symbols]\npath = '/pairs'\nrows = '/pairs'\nquotes = ['EUR']\n";
    let run = Datametrics::new().config(config).provider("own", &server);
    Observed::of_run(&typed(run, &format!("symbols --provider own --retries 0 {line}")))
}

pub(crate) const SCENES: &[Scene] = &[
    Typed("symbols btc --provider krakn"),
    Typed("symbols btc --provider ,"),
    Typed("symbols btc --provider finnhub"),
    Typed("symbols btc --provider cnbc"),
    Typed("symbols --provider yahoo"),
    Typed("symbols btc --format json"),
    Played("all providers, and nobody answers", || {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/provider/builtin")).expect("a folder");
        let run = folder.fold(Datametrics::new(), |run, file| {
            let path = file.expect("a definition").path();
            let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_uppercase();
            run.env(format!("DATAMETRICS_{}_BASE_URL", name.replace('-', "_")), "http://127.0.0.1:9")
        });
        Observed::of_run(&typed(run, "symbols btc --retries 0")).ends()
    }),
    Played("nothing fits the text", || listed(r#"{"pairs":["BTCEUR"]}"#, "sol")),
    Played("nothing fits both texts", || listed(r#"{"pairs":["BTCEUR","SOLEUR"]}"#, "sol btc")),
    Played("a pair that cannot be split, with `-vv`", || listed(r#"{"pairs":["BTCEUR","BTCXYZ"]}"#, "btc -vv")),
    Played("more symbols than are kept", || {
        let pairs: Vec<String> = (0..50_001).map(|n| format!("\"C{n}EUR\"")).collect();
        listed(format!(r#"{{"pairs":[{}]}}"#, pairs.join(",")), "")
    }),
    Played("rows of another form", || listed(r#"{"pairs":[{"id":"BTCEUR"}]}"#, "btc")),
    Played("its own words", || listed(r#"{"error":"under maintenance"}"#, "btc")),
];
