//! carbon-c-relay before Carbon.

use crate::support::{
    intermediary::{Intermediary, Program},
    journal::Journal,
    listener::Listener,
    lock, prices, wait_until,
};
use std::{
    collections::BTreeSet,
    io::Read as _,
    path::Path,
    sync::{Arc, Mutex},
};

/// How many prices a run pushes: more than the relay sends at a time.
const COUNT: usize = 4000;

/// A Carbon whose points can be looked at while the connection goes on: a relay keeps it.
struct Store {
    listener: Listener,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Store {
    fn start() -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let bytes = Arc::clone(&received);
        let listener = Listener::start("127.0.0.1", move |mut stream, _| {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                lock(&bytes).extend_from_slice(&buffer[..length]);
            }
        });
        Self { listener, received }
    }

    /// The complete lines. A relay may send one twice.
    fn lines(&self) -> BTreeSet<String> {
        let text = String::from_utf8(lock(&self.received).clone()).expect("UTF-8");
        text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
    }

    fn wait_for_prices_of(&self, prefix: &str) {
        let begin = format!("{prefix}.crypto.");
        let count = || self.lines().iter().filter(|line| line.starts_with(&begin)).count();
        wait_until(&format!("{COUNT} prices of {prefix} arrive"), || count() == COUNT);
    }
}

#[test]
fn all_points_arrive_behind_a_relay_and_none_is_lost_while_it_is_gone() {
    if !Program::Relay.is_available() {
        return;
    }
    let store = Store::start();
    let config = |port: u16, _: &Path| {
        format!(
            "listen type linemode 127.0.0.1:{port} proto tcp ;\ncluster carbon forward {} ;\n\
             match * send to carbon stop ;\n",
            store.listener.address()
        )
    };
    let relay = Intermediary::start(Program::Relay, config);
    let port = relay.port;
    let names: Vec<String> = (0..COUNT).map(|number| format!("C{number}")).collect();
    let quotes: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1.5")).collect();
    let provider = prices::provider(&quotes);
    let run = prices::run_without_symbols(&provider, "")
        .args(["--symbols", &names.join(","), "--retries", "0"])
        .env("GRAPHITE_URL", format!("tcp://{}", relay.authority()));

    let output = run.clone().args(["--prefix", "first"]).run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    store.wait_for_prices_of("first");

    drop(relay);
    let output = run.clone().args(["--prefix", "second"]).run();
    assert_eq!(output.code, Some(75), "{output}");
    assert!(Journal::of(&run).values().len() > COUNT);

    let _relay = Intermediary::start_at(port, Program::Relay, config);
    let output = run.clone().args(["--prefix", "third"]).run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    assert!(Journal::of(&run).files().is_empty());
    store.wait_for_prices_of("second");
    store.wait_for_prices_of("third");
}
