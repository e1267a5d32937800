//! What the requests to a server came to.

use super::request::Response;
use std::time::Duration;

/// Statistics of the requests to one server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RequestStats {
    /// Requests sent, retries included.
    pub(crate) requests: u32,
    /// Retries.
    pub(crate) retries: u32,
    /// The time that the slowest request took.
    pub(crate) slowest: Duration,
    /// The worst HTTP status; `Some(0)` if a request had no HTTP answer, `None` if none was sent.
    pub(crate) worst_status: Option<u16>,
    /// The fewest requests that were left after one of these, if the server said it.
    pub(crate) remaining: Option<u64>,
}

impl RequestStats {
    /// Adds the requests of `other`.
    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.retries += other.retries;
        self.slowest = self.slowest.max(other.slowest);
        self.worst_status = worst_status(self.worst_status, other.worst_status);
        self.remaining = fewest(self.remaining, other.remaining);
    }

    /// Counts a reply as one with this status, whatever it said of itself.
    pub(crate) fn note_status(&mut self, status: u16) {
        self.worst_status = worst_status(self.worst_status, Some(status));
    }

    /// Counts replies with this status as good: the provider does not fail if it says that it does not know a symbol.
    pub(crate) fn excuse(&mut self, status: u16) {
        if self.worst_status == Some(status) {
            self.worst_status = Some(200);
        }
    }

    /// Adds a request. `response` is `None` if it had no HTTP answer.
    pub(super) fn count(&mut self, response: Option<&Response>, took: Duration) {
        self.requests += 1;
        self.slowest = self.slowest.max(took);
        let status = response.map_or(0, |response| response.status);
        self.worst_status = worst_status(self.worst_status, Some(status));
        self.remaining = fewest(self.remaining, response.and_then(|response| response.remaining));
    }
}

/// The worse of two statuses: no answer (0) is worse than any answer, and a higher status is worse
/// than a lower one.
pub(crate) fn worst_status(a: Option<u16>, b: Option<u16>) -> Option<u16> {
    match (a, b) {
        (Some(0), _) | (_, Some(0)) => Some(0),
        _ => a.max(b),
    }
}

fn fewest(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_an_answer_has_the_worst_status() {
        assert_eq!(worst_status(Some(0), Some(500)), Some(0));
        assert_eq!(worst_status(Some(200), Some(404)), Some(404));
        assert_eq!(worst_status(None, Some(200)), Some(200));
    }

    #[test]
    fn only_the_status_that_is_excused_counts_as_good() {
        for (worst, excused) in [(404, 200), (503, 503), (0, 0)] {
            let mut stats = RequestStats { worst_status: Some(worst), ..RequestStats::default() };
            stats.excuse(404);
            assert_eq!(stats.worst_status, Some(excused));
        }
    }

    #[test]
    fn an_answer_that_says_nothing_of_the_limit_changes_nothing() {
        assert_eq!([fewest(None, Some(3)), fewest(Some(3), None), fewest(None, None)], [Some(3), Some(3), None]);
        assert_eq!(fewest(Some(7), Some(3)), Some(3));
    }
}
