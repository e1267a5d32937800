//! A clock that is wrong. Points of such a run have wrong times, so they must not be pushed as if they were right.

use crate::messages::rendered::WRONG_CLOCK;
use crate::support::{Dialect, Ingest, journal::Journal, log_capture::Messages, prices};
use datametrics::{
    Cli, Clock, Context, Deadline, Document, Outcome, Random, Request, Response, Settings, SystemClock, SystemDialer,
    Transport, TransportError,
};
use log::{Level, LevelFilter};
use std::time::{Duration, Instant};

/// A clock without a battery, after the power was cut.
struct ClockOf1970;

impl Clock for ClockOf1970 {
    fn unix_time(&self) -> Duration {
        Duration::from_secs(100)
    }

    fn now(&self) -> Instant {
        SystemClock.now()
    }

    fn sleep(&self, _: Duration) {
        panic!("a wait of a run whose clock is wrong");
    }
}

/// Nobody may be asked.
struct NoTransport;

impl Transport for NoTransport {
    fn send(&self, _: &Request, _: Deadline<'_>) -> Result<Response, TransportError> {
        panic!("a request of a run whose clock is wrong");
    }
}

/// A run at that time: what came of it, what it said, and how many files it left.
pub(crate) fn run_in_1970() -> (Outcome, Vec<(Level, String)>, usize) {
    let state = tempfile::tempdir().expect("a folder");
    let env = |name: &str| match name {
        "GRAPHITE_URL" => Some("http://127.0.0.1:1/metrics".into()),
        "DATAMETRICS_STATE_DIR" => Some(state.path().into()),
        _ => None,
    };
    let cli = Cli::from_args(["datametrics", "crypto"].map(str::to_owned)).expect("a command line");
    let document = Document::new("config.toml", "");
    let settings = Settings::from_config(&cli, &env, &document, std::io::empty()).expect("good settings");
    let random = Random::seeded(1);
    let dialer = SystemDialer::default();
    let context = Context { clock: &ClockOf1970, ..Context::system(&NoTransport, &dialer, &random) };
    let messages = Messages::new(LevelFilter::Warn);
    messages.capture();
    let outcome = datametrics::run(&settings, context, &mut Vec::new());
    (outcome, messages.take(), std::fs::read_dir(state.path()).expect("a folder").count())
}

#[test]
fn clock_before_the_release_ends_the_run_before_any_request() {
    assert_eq!(run_in_1970(), (Outcome::NotTaken, vec![(Level::Error, WRONG_CLOCK.to_owned())], 0));
}

#[test]
fn file_that_lies_ahead_of_the_clock_is_put_aside() {
    let (provider, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
    let run = prices::run(&provider, "").graphite(&ingest);
    // Two clocks differ by less than ten minutes, as those of two machines that share a folder.
    Journal::of(&run).plant(-500, &["near"]);
    let far = [-700, -100_000_000].map(|age| Journal::of(&run).plant(age, &["far"]).name);
    let message = "error: journal: 2 points of 2 runs that lie up to 16666[..] minutes ahead of this machine's clock were \
                   not sent, and their files are put aside in <home>/.local/state/datametrics/damaged; if their times are \
                   right, move them back\n";
    run.clone().stderr(message).exit(1).check();
    let names: Vec<String> = ingest.points().into_iter().map(|point| point.name).collect();
    assert!(names.contains(&"near".to_owned()) && !names.contains(&"far".to_owned()), "{names:?}");
    assert_eq!(Journal::of(&run).file_names(), [""; 0]);
    let aside = far.map(|name| run.state_dir().join("damaged").join(name).exists());
    assert_eq!(aside, [true, true]);
    run.check();
}
