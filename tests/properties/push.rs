//! The replies of an ingest to a push. Whatever they are, each point is afterwards taken, refused or
//! still to be sent, and the number of requests is bounded.
//!
//! Input: a line with the number of points; then the replies in their order, with a line `--` between
//! two of them. A reply is a line with the HTTP status, and the body. The last reply is repeated for
//! every further request.

use super::{SECRET, assert_safe_to_print, split_first_line};
use crate::context::Context;
use crate::delivery::graphite::{
    Destination, ExtraHeaders, IngestTarget, MAX_REFUSALS, OpenConnection, Search, SettingNames, Way,
};
use crate::http::request::{Request, Response};
use crate::http::retry::RetryPolicy;
use crate::http::transport::{Transport, TransportError};
use crate::http::url::{Credentials, Url};
use crate::market::number::Number;
use crate::metrics::batch::Batch;
use crate::secret::Secret;
use crate::system::clock::SystemClock;
use crate::system::deadline::Deadline;
use crate::system::dialer::SystemDialer;
use crate::system::random::Random;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(super) fn check(data: &[u8]) {
    let (points, replies) = split_first_line(data);
    let points = points.trim().parse::<usize>().unwrap_or(3).clamp(1, 40);
    let ingest = ScriptedIngest { replies: parse_replies(replies), requests: AtomicUsize::new(0) };
    let mut batch = Batch::new(60, vec!["env=home".to_owned()]);
    for index in 0..points {
        let value = Number::parse("0E-7").expect("valid");
        batch.push(|name| name.extend(["a.b", &index.to_string()]), value, 1_785_182_401);
    }
    let credentials = Some(Credentials { user: "1".to_owned(), password: Secret::new(SECRET) });
    let url = Url::parse("https://graphite.example/graphite/metrics").expect("valid");
    let (headers, settings) = (ExtraHeaders::default(), SettingNames::default());
    let destination =
        Destination::Ingest(Box::new(IngestTarget { url, credentials, headers, identity: None, settings }));
    let (dialer, random) = (SystemDialer::default(), Random::seeded(1));
    let deadline = Deadline::after(&SystemClock, Duration::from_secs(60));
    let policy = RetryPolicy::new(0, deadline, &random);
    let context = Context::system(&ingest, &dialer, &random);
    let probes = [(&batch, points - 1..points)];
    let search = Search { max_refusals: MAX_REFUSALS, probes: &probes, has_begun: false };
    let way = Way { destination: &destination, opening: &OpenConnection::default(), context, policy };
    let push = way.push(&batch, search);

    let mut open = vec![0; points];
    push.open.iter().cloned().flatten().for_each(|index| open[index] += 1);
    assert!(open.iter().all(|count| *count <= 1), "a point is open twice: {:?}", push.open);
    let open: usize = open.iter().sum();
    assert_eq!(push.taken + push.refused.len() + open, points, "{push:?}");
    assert_eq!(push.error.is_some(), open > 0, "{push:?}");
    assert!(push.refused.iter().all(|(index, _)| *index < batch.len()));
    let alone = push.refused_alone.iter().map(|(index, _)| index).chain(&push.failed_alone);
    assert!(alone.into_iter().all(|index| push.open.contains(&(*index..index + 1))), "{push:?}");
    push.refused.iter().for_each(|(_, reason)| assert_safe_to_print(reason));
    push.error.iter().for_each(|error| assert_safe_to_print(&error.to_string()));
}

/// Status and body of each reply.
fn parse_replies(replies: &[u8]) -> Vec<(u16, String)> {
    let text = String::from_utf8_lossy(replies);
    let reply = |text: &str| {
        let (status, body) = text.split_once('\n').unwrap_or((text, ""));
        (status.trim().parse().unwrap_or(200), body.to_owned())
    };
    text.split("\n--\n").map(reply).collect()
}

/// An ingest with these replies.
struct ScriptedIngest {
    replies: Vec<(u16, String)>,
    /// How many requests it got.
    requests: AtomicUsize,
}

impl Transport for ScriptedIngest {
    fn send(&self, request: &Request, _: Deadline<'_>) -> Result<Response, TransportError> {
        let index = self.requests.fetch_add(1, Ordering::Relaxed);
        assert!(index < 1_000, "too many requests");
        let body: serde_json::Value =
            serde_json::from_slice(request.body.as_deref().unwrap_or_default()).expect("JSON");
        assert!(body.as_array().is_some_and(|points| !points.is_empty()));
        let (status, body) = &self.replies[index.min(self.replies.len() - 1)];
        let body = body.clone().into_bytes().into();
        Ok(Response { status: *status, retry_after: None, remaining: None, redirect: None, body })
    }
}
