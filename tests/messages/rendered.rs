//! Errors that no test can bring about: what they would say.

use super::scene::Scene;
use Scene::Rendered;
use datametrics::{
    graphite::{CarbonError, PushError, Trouble},
    http::TransportError,
    state::State,
};
use std::path::Path;

fn late(what: &'static str) -> String {
    TransportError::Timeout { host: "HOST".to_owned(), what }.to_string()
}

fn connect(reason: &str) -> String {
    TransportError::Connect { host: "HOST".to_owned(), reason: reason.to_owned() }.to_string()
}

fn crowded(reason: &str) -> String {
    TransportError::Crowded { host: "HOST".to_owned(), reason: reason.to_owned() }.to_string()
}

fn protocol(reason: &str) -> String {
    TransportError::Protocol { host: "HOST".to_owned(), reason: reason.to_owned() }.to_string()
}

fn carbon(trouble: Trouble) -> String {
    PushError::from(CarbonError { server: "HOST:2003".to_owned(), trouble }).to_string()
}

pub(crate) const SCENES: &[Scene] = &[
    Rendered("the network takes too long", 69, || late("the network")),
    Rendered("the resolver takes too long", 69, || late("resolving its name")),
    Rendered("the time is over before it is asked", 69, || late("the time of the run is over")),
    Rendered("no connection, for a reason that nobody says", 69, || connect("it failed")),
    Rendered("a proxy whose URL the library does not take", 69, || connect("the proxy's URL is wrong")),
    Rendered("a long reply of another symbol is still there", 69, || {
        crowded("a long reply of its own was not read in time")
    }),
    Rendered("too many long replies", 69, || crowded("the replies of this run take all the memory there is for them")),
    Rendered("a header that cannot be sent", 69, || protocol("a header or the path cannot be sent")),
    Rendered("an error that the library has not had yet", 69, || protocol("an error of an unknown kind")),
    Rendered("TLS fails in another way", 69, || {
        TransportError::Tls { host: "HOST".to_owned(), reason: "TLS failed (its words)".to_owned() }.to_string()
    }),
    Rendered("the name of Carbon's host takes too long", 75, || carbon(Trouble::LookupLate)),
    Rendered("the time is over before Carbon's second address is tried", 75, || {
        carbon(Trouble::Connect("ADDRESS: connection timed out, no time was left".to_owned()))
    }),
    Rendered("the name of Carbon's host has no address", 75, || {
        carbon(Trouble::Connect("the host has no address".to_owned()))
    }),
    Rendered("Carbon closes before everything was sent", 75, || carbon(Trouble::Closed)),
    Rendered("Carbon takes too long", 75, || carbon(Trouble::Late { sent: 1, len: 2 })),
    Rendered("a defect in asking a provider, in a check", 70, || "a defect in datametrics, see above".to_owned()),
    Rendered("a provider whose name is no name of a file", 0, || {
        State::new(Path::new("")).set_last_call("../x", 0).expect_err("no name").to_string()
    }),
];
