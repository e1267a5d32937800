//! A defect of the program costs as little as it can. A panic stands for it.

use datametrics::{
    Cli, Context, Deadline, Document, Outcome, Random, Request, Response, Settings, SystemDialer, Transport,
    TransportError,
};

const CONFIG: &str = "
[feeds.a]
providers = ['own']
symbols = ['A']
[feeds.b]
providers = ['own']
symbols = ['B']
[providers.own]
market = 'other'
base_url = 'https://own.example'
quote = [{ path = '/{symbol}', fields = { last = '/last' } }]
";

/// Everything that asks for `A` is a defect.
struct Defective;

impl Transport for Defective {
    fn send(&self, request: &Request, _: Deadline<'_>) -> Result<Response, TransportError> {
        assert_ne!(request.about, "A", "on purpose");
        let body = br#"{"last":5}"#.to_vec().into();
        Ok(Response { status: 200, retry_after: None, remaining: None, redirect: None, body })
    }
}

#[test]
fn a_defect_in_one_feed_leaves_the_points_of_the_others() {
    let cli = Cli::from_args(["datametrics", "--feed=a", "--feed=b", "--dry-run"]).expect("a command line");
    let document = Document::new("config.toml", CONFIG);
    let settings = Settings::from_config(&cli, &|_| None, &document, std::io::empty()).expect("good settings");
    let (dialer, random, mut printed) = (SystemDialer::default(), Random::seeded(1), Vec::new());
    let outcome = datametrics::run(&settings, Context::system(&Defective, &dialer, &random), &mut printed);
    assert_eq!(outcome, Outcome::Defect);
    let printed = String::from_utf8(printed).expect("UTF-8");
    assert!(printed.contains("b.B.last") && !printed.contains("a.A.last"), "{printed}");
}
