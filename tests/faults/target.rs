//! The server with a fault, and the checks that hold for every fault.

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
use std::{any::Any, net::SocketAddr};

/// The secrets.
pub(crate) const KEY: &str = "own/key+s3same=&\"x";
const TOKEN: &str = "own/token s3same=&?#%";
pub(crate) const USERINFO: &str = "user-info/s3same:@x";

/// All secrets.
pub(crate) const SECRETS: [Secret; 4] =
    [("", KEY), ("", TOKEN), ("somebody", USERINFO), (graphite::USER, graphite::PASSWORD)];

/// A provider with a key in a header, one in a parameter, and a password.
pub(crate) const CONFIG: &str = "
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

/// The behaviour of a server.
pub(crate) enum Peer {
    /// It replies.
    Answers(fn(&Received) -> Reply),
    /// It replies over TLS, with a certificate that is trusted or not.
    Tls(Certificate, Trusted),
    /// It gets a TLS handshake and replies in plain text.
    SpeaksPlain,
    /// Nobody listens.
    Refuses,
    /// Connection attempts get no answer.
    Swallows,
    /// Its name does not resolve.
    HasNoName,
    /// Only a proxy knows it, and the proxy replies like this.
    IsBehindProxy(fn(&Received) -> Reply),
    /// Its name has two addresses, and the first one does not answer.
    IsAtTheSecondAddress,
}

/// Whether `SSL_CERT_FILE` names the certificate that has to be trusted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trusted {
    Yes,
    No,
    /// It names another certificate.
    Another,
}

/// A server with a fault, and how a run reaches it.
pub(crate) struct Target {
    /// The scheme of its URL.
    pub(crate) scheme: &'static str,
    pub(crate) authority: String,
    roots: Option<String>,
    hosts: Option<&'static str>,
    proxy: Option<String>,
    /// The listeners, which end with this value.
    listeners: Vec<Box<dyn Any>>,
}

impl Target {
    /// Where the server can be reached, it replies with `healthy`.
    pub(crate) fn of(peer: &Peer, healthy: fn(&Received) -> Reply) -> Self {
        let plain = |address: SocketAddr, listeners: Box<dyn Any>| Self {
            scheme: "http",
            authority: address.to_string(),
            roots: None,
            hosts: None,
            proxy: None,
            listeners: vec![listeners],
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
                proxy: None,
                listeners: Vec::new(),
            },
            Peer::IsBehindProxy(answer) => {
                let proxy = Server::with(answer);
                Self {
                    scheme: "https",
                    // The same port, so that it is hidden in messages.
                    authority: format!("own.test:{}", proxy.address().port()),
                    roots: None,
                    hosts: None,
                    proxy: Some(proxy.url()),
                    listeners: vec![Box::new(proxy)],
                }
            }
            Peer::Tls(certificate, trusted) => {
                let server = Server::with(healthy);
                let tls = Tls::before(server.address(), certificate);
                let roots = match trusted {
                    Trusted::Yes => Some(tls.roots().to_owned()),
                    Trusted::No => None,
                    Trusted::Another => Some(Certificate::Good.make_pem().1),
                };
                let target = plain(tls.address(), Box::new(tls));
                let listeners = target.listeners.into_iter().chain([Box::new(server) as Box<dyn Any>]).collect();
                Self { scheme: "https", roots, listeners, ..target }
            }
            Peer::IsAtTheSecondAddress => {
                let server = Server::with(healthy);
                // The resolver puts 127.0.0.1 first, wherever it stands: it is nearest to the machine's own address.
                let tls = Tls::on("127.0.0.3", server.address(), Certificate::Good);
                let hole = BlackHole::at("127.0.0.2", tls.address().port());
                Self {
                    scheme: "https",
                    authority: format!("provider.test:{}", tls.address().port()),
                    roots: Some(tls.roots().to_owned()),
                    hosts: Some("127.0.0.2 provider.test\n127.0.0.3 provider.test\n"),
                    proxy: None,
                    listeners: vec![Box::new(tls), Box::new(hole), Box::new(server)],
                }
            }
        }
    }

    /// Adds to a run what it needs to reach the server.
    pub(crate) fn reached_by(&self, run: Datametrics) -> Datametrics {
        let run = match &self.roots {
            Some(roots) => {
                std::fs::write(run.home().join("roots.pem"), roots).expect("a file");
                run.env("SSL_CERT_FILE", "roots.pem")
            }
            None => run,
        };
        let run = match &self.proxy {
            Some(proxy) => run.env("HTTPS_PROXY", proxy),
            None => run,
        };
        match self.hosts {
            Some(hosts) => run.hosts(hosts),
            None => run,
        }
    }
}

/// A run that requests BTC and ETH from `own` at this authority.
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

/// A run that has ended.
pub(crate) struct Finished {
    pub(crate) output: Output,
    /// Standard error without the parts that differ from run to run.
    pub(crate) message: String,
}

/// Runs it. `meanwhile` looks at the run before it ends and returns its peak memory.
#[track_caller]
pub(crate) fn play(run: &Datametrics, peer: &str, timeout: u64, meanwhile: impl FnOnce(&Running) -> u64) -> Finished {
    let running = run.clone().args(["--timeout", &timeout.to_string()]).spawn();
    let peak = meanwhile(&running);
    let output = running.wait();
    assert!(peak < MOST_MEMORY, "{peak} KiB at the peak: {output}");
    assert!(!output.stderr.contains("panic") && !output.stderr.contains("a defect"), "{output}");
    assert_eq!(output.stdout, "");
    leak::assert_none_in_run(&SECRETS, run, &output);
    let mut normaliser = Normaliser::default();
    normaliser.hide(peer, "HOST");
    let port = peer.rsplit_once(':').map_or("no port", |(_, port)| port);
    normaliser.hide(format!(":{port}"), ":PORT");
    for why in ["Name or service not known", "Temporary failure in name resolution"] {
        normaliser.hide(why, "<reason>");
    }
    let message = times(&normaliser.apply(&output.stderr));
    Finished { output, message }
}

impl From<Finished> for Output {
    /// With the normalised messages as standard error.
    fn from(finished: Finished) -> Self {
        Self { stderr: finished.message, ..finished.output }
    }
}
