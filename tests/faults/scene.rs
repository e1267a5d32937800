//! Where a fault comes from, and what is looked at whatever comes of it.

use super::MOST_MEMORY;
use crate::support::{
    Behaviour, BlackHole, Carbon, Datametrics, Output, Received, Reply, Server, Tls,
    command::Running,
    graphite,
    leak::{self, Secret},
    normalise::{Normaliser, times},
    port,
    tls::Certificate,
};
use std::{any::Any, net::SocketAddr, time::Instant};

/// What must not be seen again.
const KEY: &str = "own/key+s3same=&\"x";
const TOKEN: &str = "own/token s3same=&?#%";
const USERINFO: &str = "user-info/s3same:@x";

/// All of them.
pub(crate) const SECRETS: [Secret; 4] =
    [("", KEY), ("", TOKEN), ("somebody", USERINFO), (graphite::USER, graphite::PASSWORD)];

/// A provider that has a key in a header, one in a parameter, and a password.
const CONFIG: &str = "
[providers.own]
market = 'crypto'
base_url = 'https://own.example'
limits = '60 requests a minute'
symbol = '{base}'
headers = { X-Key = '{secret:OWN_KEY}' }
[[providers.own.quote]]
path = '/quotes?of={symbols}&token={secret:OWN_TOKEN}'
rows = '/rows'
error = ['/error']
row_error = '/oops'
fields = { last = '/last' }
";

/// How somebody who is spoken to behaves.
pub(crate) enum Peer {
    /// He answers.
    Answers(fn(&Received) -> Reply),
    /// He answers over TLS, and is trusted or not.
    Tls(Certificate, Trusted),
    /// He is asked in TLS and answers in plain text.
    SpeaksPlain,
    /// Nobody listens.
    Refuses,
    /// Nothing comes back.
    Swallows,
    /// His name has no address.
    HasNoName,
    /// He has two addresses, and at the first nothing comes back.
    IsAtTheSecondAddress,
}

/// Whether `SSL_CERT_FILE` names the certificate that is to be trusted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trusted {
    Yes,
    No,
}

/// Somebody who is spoken to.
pub(crate) struct Scene {
    /// Scheme and what follows it.
    pub(crate) scheme: &'static str,
    pub(crate) authority: String,
    roots: Option<String>,
    hosts: Option<&'static str>,
    /// Who listens; gone with this.
    there: Vec<Box<dyn Any>>,
}

impl Scene {
    /// `well` is how he answers where he is reached at all.
    pub(crate) fn of(peer: &Peer, well: fn(&Received) -> Reply) -> Self {
        let plain = |address: SocketAddr, there: Box<dyn Any>| Self {
            scheme: "http",
            authority: address.to_string(),
            roots: None,
            hosts: None,
            there: vec![there],
        };
        match *peer {
            Peer::Answers(answer) => {
                let server = Server::with(answer);
                plain(server.address(), Box::new(server))
            }
            Peer::SpeaksPlain => {
                let server = Carbon::with(&[Behaviour::Answer]);
                let address = server.authority().parse().expect("an address");
                Self { scheme: "https", ..plain(address, Box::new(server)) }
            }
            Peer::Refuses => plain(SocketAddr::from(([127, 0, 0, 1], port::unused())), Box::new(())),
            Peer::Swallows => {
                let hole = BlackHole::start();
                plain(hole.address(), Box::new(hole))
            }
            Peer::HasNoName => Self {
                scheme: "https",
                authority: "no-such-host.invalid".to_owned(),
                roots: None,
                hosts: None,
                there: Vec::new(),
            },
            Peer::Tls(certificate, trusted) => {
                let server = Server::with(well);
                let tls = Tls::before(server.address(), certificate);
                let roots = (trusted == Trusted::Yes).then(|| tls.roots().to_owned());
                let scene = plain(tls.address(), Box::new(tls));
                let there = scene.there.into_iter().chain([Box::new(server) as Box<dyn Any>]).collect();
                Self { scheme: "https", roots, there, ..scene }
            }
            Peer::IsAtTheSecondAddress => {
                let server = Server::with(well);
                let tls = Tls::before(server.address(), Certificate::Good);
                let hole = BlackHole::at("127.0.0.2", tls.address().port());
                Self {
                    scheme: "https",
                    authority: format!("provider.test:{}", tls.address().port()),
                    roots: Some(tls.roots().to_owned()),
                    hosts: Some("127.0.0.2 provider.test\n127.0.0.1 provider.test\n"),
                    there: vec![Box::new(tls), Box::new(hole), Box::new(server)],
                }
            }
        }
    }

    /// Has a run find him.
    pub(crate) fn reached_by(&self, run: Datametrics) -> Datametrics {
        let run = match &self.roots {
            Some(roots) => {
                std::fs::write(run.home().join("roots.pem"), roots).expect("a file");
                run.env("SSL_CERT_FILE", "roots.pem")
            }
            None => run,
        };
        match self.hosts {
            Some(hosts) => run.hosts(hosts),
            None => run,
        }
    }
}

/// A run that asks `own` at this authority for BTC and ETH.
pub(crate) fn run(scheme: &str, authority: &str) -> Datametrics {
    let encode = |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
    Datametrics::new()
        .config(CONFIG)
        .args(["--crypto", "--fields", "last"])
        .env("DATAMETRICS_CRYPTO_PROVIDERS", "own")
        .env("DATAMETRICS_CRYPTO_SYMBOLS", "BTC,ETH")
        .env("DATAMETRICS_OWN_BASE_URL", format!("{scheme}://somebody:{}@{authority}", encode(USERINFO)))
        .env("OWN_KEY", KEY)
        .env("OWN_TOKEN", TOKEN)
}

/// A run that is over.
pub(crate) struct Played {
    pub(crate) output: Output,
    /// What was said, a line each, without what differs from run to run.
    pub(crate) said: String,
}

/// Runs it. `meanwhile` is given the run and may look at it before it ends; it gives the most memory
/// that was had.
#[track_caller]
pub(crate) fn play(run: &Datametrics, peer: &str, timeout: u64, meanwhile: impl FnOnce(&Running) -> u64) -> Played {
    let begun = Instant::now();
    let running = run.clone().args(["--timeout", &timeout.to_string()]).spawn();
    let peak = meanwhile(&running);
    let output = running.wait();
    let took = begun.elapsed();
    assert!(took.as_secs() < timeout + 2, "{took:?} where {timeout} s were given: {output}");
    assert!(peak < MOST_MEMORY, "{peak} KiB at the peak: {output}");
    assert!(!output.stderr.contains("panic") && !output.stderr.contains("a defect"), "{output}");
    assert_eq!(output.stdout, "");
    leak::look(&SECRETS, run, &output);
    let mut normaliser = Normaliser::default();
    normaliser.hide(peer, "HOST");
    let port = peer.rsplit_once(':').map_or("no port", |(_, port)| port);
    normaliser.hide(format!(":{port}"), ":PORT");
    for why in ["Name or service not known", "Temporary failure in name resolution"] {
        normaliser.hide(why, "<reason>");
    }
    let said = times(&normaliser.apply(&output.stderr));
    Played { output, said }
}

impl From<Played> for Output {
    /// With what was said instead of what was printed.
    fn from(played: Played) -> Self {
        Self { stderr: played.said, ..played.output }
    }
}
