//! Runs at the same time, and a run that is killed, where a feed or its provider has an interval.

use super::{Fault, messages};
use crate::{
    intervals::{CONFIG, hourly, rate},
    support::{Datametrics, Dialect, Ingest, Latch, Output, Server, command::Running},
};
use std::collections::BTreeSet;

pub(crate) const HEAD: &str = "\
## Runs side by side

A feed is due once a day (`interval`), or its provider may be asked once an hour (`min_interval`). All runs have the same
state directory.

| fault | messages | exit of each | requests | prices stored |
| --- | --- | --- | --- | --- |
";

/// A way in which several runs meet.
pub(crate) struct Row {
    what: &'static str,
    /// A run of the feed.
    run: fn(&Server) -> Datametrics,
    /// Plays them. The provider answers when the latch is released.
    meet: fn(&Datametrics, &Server, &Latch) -> Vec<Output>,
}

fn daily(bank: &Server) -> Datametrics {
    Datametrics::new().config(CONFIG).provider("bank", bank).args(["--feed", "rates"])
}

/// Eight runs at once; so many of them ask.
fn eight(run: &Datametrics, bank: &Server, latch: &Latch, asking: usize) -> Vec<Output> {
    let runs: Vec<Running> = (0..8).map(|_| run.spawn()).collect();
    bank.wait_for(asking);
    latch.release();
    runs.into_iter().map(Running::wait).collect()
}

/// A run that is killed before it has an answer, and the next one.
fn killed_and_next(run: &Datametrics, bank: &Server, latch: &Latch) -> Vec<Output> {
    let killed = run.spawn();
    bank.wait_for(1);
    killed.kill();
    latch.release();
    vec![run.run()]
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        what: "eight runs at once, `min_interval`",
        run: hourly,
        meet: |run, bank, latch| eight(run, bank, latch, 1),
    },
    Row { what: "eight runs at once, `interval`", run: daily, meet: |run, bank, latch| eight(run, bank, latch, 8) },
    Row {
        what: "a run after them, `interval`",
        run: daily,
        meet: |run, bank, latch| {
            eight(run, bank, latch, 8);
            vec![run.run()]
        },
    },
    Row { what: "a run after a killed one, `min_interval`", run: hourly, meet: killed_and_next },
    Row { what: "a run after a killed one, `interval`", run: daily, meet: killed_and_next },
];

impl Fault for Row {
    fn what(&self) -> &'static str {
        self.what
    }

    fn needs_mounts(&self) -> bool {
        false
    }

    fn play(&self) -> String {
        let (latch, ingest) = (Latch::new(), Ingest::start(Dialect::WriteProxy));
        let answered = latch.clone();
        let bank = Server::with(move |_| rate().after(&answered));
        let outputs = (self.meet)(&(self.run)(&bank).graphite(&ingest), &bank, &latch);
        let said: BTreeSet<String> = outputs.iter().map(messages).collect();
        let codes: BTreeSet<String> = outputs
            .iter()
            .map(|output| output.code.map_or_else(|| "a signal".into(), |code| code.to_string()))
            .collect();
        let stored = ingest.points().iter().filter(|point| point.name == "rates.EUR-USD.last").count();
        let join = |texts: BTreeSet<String>| texts.into_iter().collect::<Vec<_>>().join(" ⏎ ");
        format!("| {} | {} | {} | {} | {stored} |\n", self.what, join(said), join(codes), bank.requests().len())
    }
}
