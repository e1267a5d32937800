//! Several machines share one list of symbols; each fetches its shard, without talking to the others.

use crate::support::{
    Datametrics, Dialect, Ingest, Server,
    prices::{provider, run_without_symbols},
};
use std::{collections::BTreeSet, fs};

/// The symbols in the output of a run.
pub(crate) fn symbols(run: &Datametrics) -> BTreeSet<String> {
    let output = run.clone().args(["--dry-run", "--graphite-url", "tcp://127.0.0.1:9"]).run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    let names = output.stdout.lines().filter_map(|line| line.strip_prefix("crypto.")?.split('.').next());
    names.map(str::to_owned).collect()
}

fn thirty() -> (Server, Datametrics, BTreeSet<String>) {
    let names: Vec<String> = (0..30).map(|index| format!("C{index}")).collect();
    let prices: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "5")).collect();
    let server = provider(&prices);
    let run = run_without_symbols(&server, "").args(["--symbols", &names.join(",")]);
    (server, run, names.iter().map(|name| format!("{name}-USD")).collect())
}

#[test]
fn shards_together_have_every_symbol_once() {
    let (_server, run, all) = thirty();
    assert_eq!(symbols(&run), all);
    for count in [1, 2, 7] {
        let shards: Vec<_> = (0..count)
            .map(|index| {
                let shard = format!("{index}/{count}");
                let by_flag = symbols(&run.clone().args(["--shard", &shard]));
                assert_eq!(symbols(&run.clone().env("DATAMETRICS_SHARD", &shard)), by_flag);
                by_flag
            })
            .collect();
        assert_eq!(shards.iter().map(BTreeSet::len).sum::<usize>(), 30, "{shards:?}");
        assert_eq!(shards.iter().flatten().cloned().collect::<BTreeSet<_>>(), all);
    }
}

#[test]
fn additional_symbol_moves_no_other_between_shards() {
    let (server, run, _) = thirty();
    let fewer: Vec<String> = (0..29).map(|index| format!("C{index}")).collect();
    for index in 0..4 {
        let shard = |run: &Datametrics| symbols(&run.clone().args(["--shard", &format!("{index}/4")]));
        let before = shard(&run_without_symbols(&server, "").args(["--symbols", &fewer.join(",")]));
        let after = shard(&run);
        assert!(before.is_subset(&after) && after.len() <= before.len() + 1, "{before:?} {after:?}");
    }
}

/// Health points and state files of two shards must have different names.
#[test]
fn shards_have_health_points_and_state_files_of_their_own() {
    let (_server, run, _) = thirty();
    let ingest = Ingest::start(Dialect::WriteProxy);
    for index in 0..2 {
        run.clone().graphite(&ingest).args(["--shard", &format!("{index}/2")]).check();
    }
    let values = ingest.values();
    let fetched = |index: u32, what: &str| -> u32 {
        values[&format!("metrics.crypto-{index}.feed.crypto.{what}")].parse().unwrap()
    };
    assert_eq!(fetched(0, "expected") + fetched(1, "expected"), 30);
    assert_eq!(fetched(0, "fetched") + fetched(1, "fetched"), 30);
    assert!(!values.keys().any(|name| name.starts_with("metrics.crypto.")));
    let files = fs::read_dir(run.state_dir().join("state")).unwrap();
    let files: BTreeSet<_> = files.map(|file| file.unwrap().path()).collect();
    let run = run.graphite(&ingest);
    assert_eq!(files, ["crypto-0", "crypto-1"].map(|name| run.state_file("state", (name, ".json"))).into());
}

#[test]
fn shard_without_a_symbol_makes_no_request() {
    // BTC/USD is in shard 3 of 8.
    let server = Server::start();
    let ingest = Ingest::start(Dialect::WriteProxy);
    let run = run_without_symbols(&server, "").args(["--symbols", "BTC", "--shard", "2/8"]).graphite(&ingest);
    run.clone()
        .args(["-v"])
        .stderr(
            "\
crypto: not due: none of its symbols is in this shard
[..]: HTTP 200 after <time>: 5 points
pushed 5 points of 0 symbols from nobody, as nothing was due in <time>
",
        )
        .check();
    assert_eq!(ingest.value("metrics.crypto-2.feed.crypto.expected").as_deref(), Some("0"));
    let server = provider(&[("BTC", "5")]);
    let here = run_without_symbols(&server, "").args(["--symbols", "BTC", "--shard", "3/8"]);
    assert_eq!(symbols(&here).len(), 1);
}

#[test]
fn invalid_shard_is_an_error_with_its_origin() {
    for (shard, problem) in [
        ("4/4", "K is counted from 0, so of 4 machines the last is 3/4; 4/4 is none"),
        ("0/0", "N must be 1 at least: 0/0 would watch nothing"),
        ("2", "must be K/N, two whole numbers such as 0/4 for the first of four machines, not \"2\""),
        (
            "$(SHARD_INDEX)/8",
            "must be K/N, two whole numbers such as 0/4 for the first of four machines, not \"$(SHARD_INDEX)/8\"",
        ),
    ] {
        let run = Datametrics::new().args(["crypto", "--dry-run"]);
        run.clone().args(["--shard", shard]).stderr(format!("error: --shard: {problem}\n")).exit(2).check();
        let message = format!("error: DATAMETRICS_SHARD: {problem}\n");
        run.env("DATAMETRICS_SHARD", shard).stderr(message).exit(78).check();
    }
}

/// What is wrong with a list is found on every machine, whichever shard has the symbols, and in the same words.
#[test]
fn conflicts_of_symbols_are_found_in_every_shard() {
    const FEEDS: &str = "[graphite]\nnames = '{symbol}.{field}'\n[crypto]\nproviders = ['kraken']\n[stocks]\nsymbols = \
        ['BTC-USD', 'X']\n";
    for (config, args, problem) in [
        (
            "",
            "stocks ^A _A",
            "stocks.names: ^A and _A would be pushed under one name: leave one out, or choose other names",
        ),
        ("", "crypto BTC AB/CUSD ABC", "SYMBOL: AB/CUSD and ABC/USD are spelled the same for kraken: leave one out"),
        ("", "crypto BTC AB/CUSD A/BCUSD ABC", "SYMBOL: [..] are spelled the same for kraken: leave one out"),
        (
            "[graphite]\nnames = '{base}.{quote}.{field}'\n",
            "stocks MSFT",
            "stocks.names: makes MSFT..* of MSFT, in which a part is empty: leave {quote} out, as the symbol has none",
        ),
        (
            FEEDS,
            "all",
            "stocks.names: BTC/USD and BTC-USD would be pushed under one name: leave one out, or choose other names",
        ),
        (
            "",
            "crypto BTC BTCUSDT",
            "SYMBOL: symbol \"BTCUSDT\" is not BASE/QUOTE; did you mean \"BTC/USDT\"? `datametrics symbols BTC` lists others",
        ),
    ] {
        let run = Datametrics::new().config(config).args(args.split(' ')).args(["--dry-run"]);
        let code = if problem.starts_with("SYMBOL: symbol") { 2 } else { 78 };
        let run = run.stderr(format!("error: {problem}\n")).exit(code);
        run.clone().check();
        for index in 0..8 {
            run.clone().args(["--shard", &format!("{index}/8")]).check();
        }
    }
}

/// A symbol that is listed twice is no conflict, in its own shard and in others.
#[test]
fn symbols_that_are_listed_twice_are_fetched_once() {
    let server = provider(&[("A", "5"), ("B", "5"), ("C", "5")]);
    let run = run_without_symbols(&server, "").args(["--symbols", "A,B,A,C,B,B"]);
    let shards: Vec<_> =
        (0..4).flat_map(|index| symbols(&run.clone().args(["--shard", &format!("{index}/4")]))).collect();
    assert_eq!(shards.len(), 3, "{shards:?}");
}
