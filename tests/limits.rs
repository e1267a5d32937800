//! What a run owes to a provider, for all feeds together: the limit on requests in flight, and the stop
//! after a refusal. The run gets a transport and threads of the test, so that nothing here depends on how
//! long anything takes.

use crate::support::{Datametrics, Latch, Reply, Server, TIMEOUT};
use datametrics::{
    Cli, Context, Deadline, Document, Outcome, Random, Request, Response, Settings, Signal, SystemDialer,
    SystemThreads, Task, Threads, Transport, TransportError,
};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Two feeds with two symbols each, all of one provider that is asked for one symbol at a time.
const CONFIG: &str = "
[feeds.a]
providers = ['own']
symbols = ['A', 'B']
[feeds.b]
providers = ['own']
symbols = ['C', 'D']
[providers.own]
market = 'other'
base_url = 'https://own.example'
max_concurrency = 1
[[providers.own.quote]]
path = '/{symbol}'
fields = { last = '/last' }
";

/// A dry run of these feeds.
fn dry_run(feeds: &[&str], transport: &dyn Transport, threads: &dyn Threads) -> Outcome {
    dry_run_with(CONFIG, feeds, transport, threads)
}

fn dry_run_with(config: &str, feeds: &[&str], transport: &dyn Transport, threads: &dyn Threads) -> Outcome {
    dry_run_within(30, config, feeds, transport, threads)
}

fn dry_run_within(
    seconds: u64,
    config: &str,
    feeds: &[&str],
    transport: &dyn Transport,
    threads: &dyn Threads,
) -> Outcome {
    let flags = feeds.iter().map(|feed| format!("--feed={feed}"));
    let args = ["datametrics", "--dry-run", "--retries=0", &format!("--timeout={seconds}")].map(str::to_owned);
    let cli = Cli::from_args(args.into_iter().chain(flags)).expect("a command line");
    let document = Document::new("config.toml", config);
    let settings = Settings::from_config(&cli, &|_| None, &document, std::io::empty()).expect("good settings");
    let (dialer, random) = (SystemDialer::default(), Random::seeded(1));
    let context = Context { threads, ..Context::system(transport, &dialer, &random) };
    datametrics::run(&settings, context, &mut Vec::new())
}

fn reply(status: u16, body: &str) -> Response {
    Response { status, retry_after: None, remaining: None, redirect: None, body: body.as_bytes().to_vec().into() }
}

/// The threads of this machine. It counts how often one of them waits for another.
#[derive(Default)]
struct CountingThreads {
    waits: AtomicUsize,
}

impl Threads for CountingThreads {
    fn run_all(&self, tasks: Vec<Task<'_>>) {
        SystemThreads.run_all(tasks);
    }

    fn wait(&self, signal: &Signal, seen: u64, timeout: Duration) {
        self.waits.fetch_add(1, Ordering::SeqCst);
        SystemThreads.wait(signal, seen, timeout);
    }
}

/// A provider that answers a request only when another one is in flight too, or waits for its turn.
struct Crossing<'a> {
    threads: &'a CountingThreads,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl Transport for Crossing<'_> {
    fn send(&self, _: &Request, _: Deadline<'_>) -> Result<Response, TransportError> {
        let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(in_flight, Ordering::SeqCst);
        let begun = Instant::now();
        while self.threads.waits.load(Ordering::SeqCst) == 0 && self.most_in_flight.load(Ordering::SeqCst) < 2 {
            assert!(begun.elapsed() < TIMEOUT, "no second request comes, and none waits");
            thread::yield_now();
        }
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        Ok(reply(200, r#"{"last":1}"#))
    }
}

#[test]
fn max_concurrency_holds_across_feeds() {
    let threads = CountingThreads::default();
    let provider = Crossing { threads: &threads, in_flight: AtomicUsize::new(0), most_in_flight: AtomicUsize::new(0) };
    let outcome = dry_run(&["a", "b"], &provider, &threads);
    assert_eq!(outcome, Outcome::Success);
    assert_eq!(provider.most_in_flight.into_inner(), 1);
}

/// Each reply waits until all requests are there. Of requests that are spaced, only the first would come in time.
#[test]
fn coinbase_is_asked_for_three_symbols_at_once() {
    let latch = Latch::new();
    let held = latch.clone();
    let body = r#"{"price":"65601.5","bid":"65601","last":"65601.5","open":"64000"}"#;
    let provider = Server::with(move |_| Reply::json(body).after(&held));
    let run = Datametrics::new().provider("coinbase", &provider).config("[providers.coinbase]\nper_second = 0.001");
    let args = ["crypto", "BTC", "ETH", "SOL", "--provider", "coinbase", "--fields", "last,bid,open", "--dry-run"];
    let running = run.args(args).args(["--retries", "0"]).spawn();
    provider.wait_for(6);
    latch.release();
    let output = running.wait();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    assert_eq!(output.stdout.matches("{\"name\":\"crypto.").count(), 9, "{output}");
}

/// A provider that answers when the time for fetching is over, and counts.
struct Late(AtomicUsize);

impl Transport for Late {
    fn send(&self, _: &Request, deadline: Deadline<'_>) -> Result<Response, TransportError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        thread::sleep(deadline.remaining());
        Ok(reply(200, r#"{"last":1}"#))
    }
}

/// A request that waits for its turn until the deadline would be counted, and could bring nothing.
#[test]
fn a_request_whose_turn_does_not_come_in_time_is_not_sent() {
    let provider = Late(AtomicUsize::new(0));
    let outcome = dry_run_within(1, CONFIG, &["a", "b"], &provider, &SystemThreads);
    assert_eq!(outcome, Outcome::Partial);
    assert_eq!(provider.0.into_inner(), 1);
}

/// A provider that answers everything with one status, and counts.
struct Refusing {
    status: u16,
    requests: AtomicUsize,
}

impl Transport for Refusing {
    fn send(&self, _: &Request, _: Deadline<'_>) -> Result<Response, TransportError> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        Ok(reply(self.status, ""))
    }
}

/// A 403 may be about one symbol, so several are asked for.
#[test]
fn a_refusal_of_everything_stops_further_requests_of_all_feeds() {
    for (status, expected) in [(401, 1), (403, 3), (418, 1), (429, 1), (451, 1), (404, 4), (500, 4)] {
        let provider = Refusing { status, requests: AtomicUsize::new(0) };
        let outcome = dry_run(&["a", "b"], &provider, &SystemThreads);
        assert_eq!(outcome, Outcome::NothingFetched, "{status}");
        assert_eq!(provider.requests.into_inner(), expected, "requests after a {status}");
    }
}

/// A provider that forbids all symbols but one.
struct ForbiddingAllBut(&'static str);

impl Transport for ForbiddingAllBut {
    fn send(&self, request: &Request, _: Deadline<'_>) -> Result<Response, TransportError> {
        Ok(if request.about == self.0 { reply(200, r#"{"last":1}"#) } else { reply(403, "not in your plan") })
    }
}

#[test]
fn a_symbol_is_fetched_beside_others_that_are_forbidden() {
    for symbol in ["A", "B", "C", "D"] {
        let feed = if "AB".contains(symbol) { "a" } else { "b" };
        assert_eq!(dry_run(&[feed], &ForbiddingAllBut(symbol), &SystemThreads), Outcome::Partial, "{symbol}");
    }
}

/// A provider that answers every request with all symbols, in replies of this many bytes at least.
struct HavingAll {
    bytes: usize,
    status: u16,
    requests: AtomicUsize,
}

impl Transport for HavingAll {
    fn send(&self, _: &Request, _: Deadline<'_>) -> Result<Response, TransportError> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        // A bare NaN, so that the reply is read twice.
        let rows = r#""A":{"last":1},"B":{"last":2},"C":{"last":3},"D":{"last":4},"E":{"last":NaN}"#;
        Ok(reply(self.status, &format!("{{{rows}}}{}", " ".repeat(self.bytes))))
    }
}

/// A reply that is too long to be kept is requested once more.
#[test]
fn requests_that_are_alike_are_one_request() {
    let all = CONFIG.replace("path = '/{symbol}'", "path = '/all'\nbatch = 0");
    for (bytes, requests) in [(0, 1), (2 << 20, 1), (4 << 20, 2)] {
        let provider = HavingAll { bytes, status: 200, requests: AtomicUsize::new(0) };
        assert_eq!(dry_run_with(&all, &["a", "b"], &provider, &SystemThreads), Outcome::Success);
        assert_eq!(provider.requests.into_inner(), requests, "{bytes} bytes");
    }
    // A failure is one request too.
    let provider = HavingAll { bytes: 0, status: 500, requests: AtomicUsize::new(0) };
    assert_eq!(dry_run_with(&all, &["a", "b"], &provider, &SystemThreads), Outcome::NothingFetched);
    assert_eq!(provider.requests.into_inner(), 1);
}

/// A provider that answers so many requests at once, refuses those after them, and counts.
struct Prompt {
    answered: usize,
    requests: AtomicUsize,
}

impl Transport for Prompt {
    fn send(&self, _: &Request, _: Deadline<'_>) -> Result<Response, TransportError> {
        let before = self.requests.fetch_add(1, Ordering::SeqCst);
        Ok(if before < self.answered { reply(200, r#"{"last":1}"#) } else { reply(429, "") })
    }
}

/// It does not hold up requests that were before it and have their turn in time.
#[test]
fn a_request_too_many_takes_no_other_its_turn() {
    let symbols: Vec<String> = (0..12).map(|symbol| format!("'S{symbol}'")).collect();
    let config = CONFIG
        .replace("['A', 'B']", &format!("[{}]", symbols.join(",")))
        .replace("max_concurrency = 1", "max_concurrency = 8\nper_second = 2");
    let requests = |answered| {
        let provider = Prompt { answered, requests: AtomicUsize::new(0) };
        assert_eq!(dry_run_within(3, &config, &["a"], &provider, &SystemThreads), Outcome::Partial);
        provider.requests.into_inner()
    };
    // In two or three seconds there are at most six turns, and some of them come too late on a slow machine.
    let turns = requests(usize::MAX);
    assert!((3..=6).contains(&turns), "{turns} requests");
    // A refusal still stops them.
    assert_eq!(requests(1), 2);
}

/// Replies that are kept for other feeds stay in use for long. The next long reply of the server does not wait
/// for that.
#[test]
fn long_replies_that_are_kept_hold_up_no_other() {
    let server = Server::with(|_| Reply::json(r#"{"last":1}"#.to_owned() + &" ".repeat(300 << 10)));
    let run = Datametrics::new().config(CONFIG).args(["--feed", "a", "--feed", "b", "--dry-run"]);
    let begun = Instant::now();
    run.provider("own", &server).stdout("...").check();
    assert!(begun.elapsed() < Duration::from_secs(15), "a reply was waited for until the deadline");
}
