//! What tests of delivery have in common: a provider that is nobody's, and a look into the journal
//! of a run, at what waits there and what is to wait there.

#![allow(dead_code, reason = "several test binaries compile this module, and not all use all of it")]

use super::support::{Datametrics, Output, PATIENCE, Reply, Server};
use datametrics::{
    deadline::Deadline,
    journal::{Entry, Journal},
    number::Number,
    point::Batch,
};
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How the provider is asked: it always answers with everything.
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

/// Points about itself in the batch of a run; from the second push on there are two more, about the
/// push before.
pub(crate) const HEALTH: usize = 9;

/// A provider with prices in dollars.
pub(crate) fn provider(prices: &[(&str, &str)]) -> Server {
    let row = |(symbol, price): &(&str, &str)| format!(r#"{{"symbol":"{symbol}","price":{price}}}"#);
    let rows: Vec<_> = prices.iter().map(row).collect();
    let body = format!("[{}]", rows.join(","));
    Server::with(move |_| Reply::json(body.clone()))
}

/// A run that asks that provider for the price of BTC; `config` is added to the config. It is tried
/// once, as what is tried again is waited for.
pub(crate) fn run(provider: &Server, config: &str) -> Datametrics {
    bare(provider, config).args(["--symbols", "BTC", "--retries", "0"])
}

/// The same without symbols and with all tries.
pub(crate) fn bare(provider: &Server, config: &str) -> Datametrics {
    Datametrics::new()
        .config(&format!("{config}{DEFINITION}"))
        .args(["crypto", "--provider", "own", "--fields", "last"])
        .provider("own", provider)
}

/// Where a run keeps its state unless told otherwise.
pub(crate) fn state_dir(run: &Datametrics) -> PathBuf {
    run.home().join(".local/state/datametrics")
}

/// The journal of a run.
pub(crate) fn journal(run: &Datametrics) -> Journal {
    Journal::open(&state_dir(run)).expect("a journal")
}

/// The files of the journal, oldest first.
pub(crate) fn waiting(run: &Datametrics) -> Vec<Entry> {
    journal(run).waiting().expect("a folder")
}

/// What waits in the journal: name and time of every point, and its value.
pub(crate) fn values_waiting(run: &Datametrics) -> BTreeMap<(String, i64), String> {
    let mut values = BTreeMap::new();
    for entry in waiting(run) {
        let kept = journal(run).read(&entry).expect("a file");
        assert_eq!(kept.damage, None);
        assert_eq!(kept.batch.len(), entry.points);
        values.extend(kept.batch.iter().map(|p| ((p.name.to_owned(), p.time), p.value.to_string())));
    }
    values
}

/// Unix seconds, now.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
    i64::try_from(since.as_secs()).expect("a time before the end of all times")
}

/// Puts points into the journal as a run that started so many seconds ago would have left them. All
/// have the value 1.5.
pub(crate) fn keep<N: AsRef<str>>(run: &Datametrics, age: i64, names: &[N]) -> Entry {
    let started = now() - age;
    let mut batch = Batch::new(60, Vec::new());
    for name in names {
        let value = Number::parse("1.5").expect("a number");
        batch.push(|out| out.push_str(name.as_ref()), value, started);
    }
    let unique = names.first().map_or(0, |name| name.as_ref().len() as u64);
    journal(run).keep(&batch, started, unique).expect("a file")
}

/// `PREFIX.0` and so on.
pub(crate) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{prefix}.{index}")).collect()
}

/// A deadline that no test reaches.
pub(crate) fn patience() -> Deadline {
    Deadline::after(PATIENCE)
}

/// Waits for something that nobody tells of, such as a file that appears.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_micros(200));
    }
}

/// Waits until so many files are in the journal.
#[track_caller]
pub(crate) fn wait_for_files(run: &Datametrics, files: usize) {
    let folder = state_dir(run).join("journal");
    let count = || {
        let names = fs::read_dir(&folder).into_iter().flatten().flatten().map(|file| file.file_name());
        names.filter(|name| name.to_str().is_some_and(|name| name.ends_with(".points"))).count()
    };
    wait_until("a file in the journal", || count() >= files);
}

/// Runs a shell script in the home of a run, with the run as its arguments. What it mounts is gone
/// with it.
pub(crate) fn mounting(run: &Datametrics, script: &str) -> Output {
    let inner = run.command();
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script, "sh"]).arg(inner.get_program()).args(inner.get_args());
    command.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.current_dir(run.home()).stdin(Stdio::null()).output().expect("unshare starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Output { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code() }
}
