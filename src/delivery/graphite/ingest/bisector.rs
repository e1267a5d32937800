//! Finds the points that make an ingest refuse a whole batch.
//!
//! The current ingest refuses a batch whole for one bad point, and does not name the point. So a
//! refused range is split in halves until the bad point is alone. But a refusal may also be the fault
//! of the server: a 500 is both its word for a point that is too old and everybody's word for an
//! outage, and a 403 or a cut connection may be the word of a gateway for a name or for a long body.
//! So a point that was refused alone is only a suspect until the server has taken something else
//! after it. When too many refusals come in a row, a probe asks for that: one point that was taken
//! before, or one that is probably good.
//!
//! The bisector sends nothing itself. It says what to send next, and is told what came of it.

use super::verdict::Refusal;
use std::ops::Range;

/// Refusals of one push after which the search is given up, where it may take its time.
pub(crate) const MAX_REFUSALS: usize = 200;

/// What to send next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// These points.
    Send(Range<usize>),
    /// One point alone, to see whether the server takes anything: the point at this index, which it
    /// took before, or one that is probably good if it has taken none.
    Probe(Option<usize>),
    /// Nothing more.
    Done,
}

/// Why points go on waiting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The server refuses everything, so no point is to blame.
    ServerFails(Refusal),
    /// More points are bad than one push can find. This was the last of them.
    TooManyRefusals(Refusal),
}

/// What the search came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Points that are refused alone, while others are taken: index and reason.
    pub(super) refused: Vec<(usize, Refusal)>,
    /// Points that were not taken and may be taken later, in order.
    pub(super) open: Vec<Range<usize>>,
    /// Why there are open points. After [`Bisector::abort`] the caller knows why, and this is `None` unless there were
    /// suspects.
    pub(super) stop: Option<Stop>,
}

/// The search through one batch.
#[derive(Debug)]
pub(super) struct Bisector {
    /// Ranges that are still to be sent, the next one last.
    pending: Vec<Range<usize>>,
    /// A refused range that waits for a probe, and why it was refused.
    awaiting_probe: Option<(Range<usize>, Refusal)>,
    /// Points that were refused alone, and why. Their fault is not proved yet.
    suspects: Vec<(usize, Refusal)>,
    /// A point that was taken.
    known_good: Option<usize>,
    /// How many more refusals are blamed on points before the next probe.
    refusals_until_probe: usize,
    /// The same after the server took something: enough to find one bad point, and some more.
    refusals_per_probe: usize,
    refusals: usize,
    /// Refusals after which the search is given up.
    max_refusals: usize,
    /// Points in a request at most, since the server said that a larger one is too large.
    max_points: usize,
    /// Whether the server has taken nothing since it refused something.
    is_doubtful: bool,
    refused: Vec<(usize, Refusal)>,
    stop: Option<Stop>,
    /// Whether the suspects were probed at the end.
    is_concluded: bool,
}

impl Bisector {
    /// The search through a batch of `len` points, which ends after `max_refusals` refusals.
    pub(super) fn new(len: usize, max_refusals: usize) -> Self {
        let refusals_per_probe = usize::try_from(len.max(1).ilog2()).unwrap_or(0) + 4;
        Self {
            pending: (len > 0).then_some(0..len).into_iter().collect(),
            awaiting_probe: None,
            suspects: Vec::new(),
            known_good: None,
            refusals_until_probe: refusals_per_probe,
            refusals_per_probe,
            refusals: 0,
            max_refusals,
            max_points: usize::MAX,
            is_doubtful: false,
            refused: Vec::new(),
            stop: None,
            is_concluded: false,
        }
    }

    /// Whether something was refused, so that a failed request is part of the search.
    pub(super) fn is_searching(&self) -> bool {
        self.refusals > 0
    }

    /// Whether the next request may be refused too, so that none goes beside it.
    pub(super) fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }

    /// What to send next. A part of a range may be sent; the rest is given back to [`Self::postpone`].
    pub(super) fn next(&mut self) -> Step {
        if self.awaiting_probe.is_some() {
            return Step::Probe(self.known_good);
        }
        if self.stop.is_none()
            && let Some(range) = self.pending.pop()
        {
            return Step::Send(range);
        }
        if !self.suspects.is_empty() && !self.is_concluded {
            self.is_concluded = true;
            return Step::Probe(self.known_good);
        }
        Step::Done
    }

    /// Points in a request at most, since the server said that a larger one is too large.
    pub(super) fn max_points(&self) -> usize {
        self.max_points
    }

    /// These points come next. They were not sent, or are to be sent once more.
    pub(super) fn postpone(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.pending.push(range);
        }
    }

    /// The server took `count` of the points of `part`.
    pub(super) fn on_taken(&mut self, part: &Range<usize>, count: usize) {
        if count == part.len() {
            // The last of them: a server that takes a series only in order refuses those before it from now on.
            self.known_good = part.clone().next_back();
        }
        if count > 0 {
            self.server_is_well();
        }
    }

    /// The server refused `part` for its size.
    pub(super) fn on_too_large(&mut self, part: Range<usize>, said: String) {
        if part.len() == 1 {
            return self.on_refused(part, Refusal::OfPoints(said));
        }
        self.is_doubtful = true;
        self.max_points = part.len() / 2;
        self.pending.push(part);
    }

    /// The server failed on `part`, which may be the fault of the points. If it is the first refusal,
    /// a probe comes before any point is blamed.
    pub(super) fn on_failed(&mut self, part: Range<usize>, reason: Refusal) {
        if self.refusals == 0 {
            self.refusals_until_probe = 0;
        }
        self.on_refused(part, reason);
    }

    /// The server refused `part` for what is in it.
    pub(super) fn on_refused(&mut self, part: Range<usize>, reason: Refusal) {
        self.refusals += 1;
        self.is_doubtful = true;
        if self.refusals_until_probe == 0 {
            self.awaiting_probe = Some((part, reason));
        } else {
            self.blame(part, reason);
        }
    }

    /// The answer to a probe: whether the server took the point.
    pub(super) fn on_probed(&mut self, is_taken: bool) {
        if is_taken {
            self.server_is_well();
        }
        match self.awaiting_probe.take() {
            Some((part, reason)) if is_taken => self.blame(part, reason),
            Some((part, reason)) => {
                self.pending.push(part);
                self.stop = Some(Stop::ServerFails(reason));
                self.is_concluded = true;
            }
            None => {}
        }
    }

    /// Gives the search up: `part` was not taken, for a reason that has nothing to do with points.
    pub(super) fn abort(&mut self, part: Range<usize>) {
        self.pending.push(part);
        self.is_concluded = true;
    }

    /// What the search came to. Suspects whose fault is not proved stay open.
    pub(super) fn findings(mut self) -> Findings {
        for (index, reason) in self.suspects {
            self.pending.push(index..index + 1);
            self.stop.get_or_insert(Stop::ServerFails(reason));
        }
        self.pending.sort_unstable_by_key(|range| range.start);
        Findings { refused: self.refused, open: self.pending, stop: self.stop }
    }

    /// The points of `part` are the reason that it was refused.
    fn blame(&mut self, part: Range<usize>, reason: Refusal) {
        // Where a refusal tells nothing new, a failure still may: half of a body that is too long for a gateway passes.
        let max_refusals = match reason {
            Refusal::OfPoints(_) => self.max_refusals,
            Refusal::Other(_) => self.max_refusals.max(MAX_REFUSALS),
        };
        if self.refusals > max_refusals {
            self.pending.push(part);
            self.stop = Some(Stop::TooManyRefusals(reason));
            return;
        }
        self.refusals_until_probe -= 1;
        if part.len() == 1 {
            self.suspects.push((part.start, reason));
        } else {
            let middle = part.start + part.len() / 2;
            self.pending.extend([middle..part.end, part.start..middle]);
        }
    }

    /// The server has just taken something, so what it refused before was refused for its points.
    fn server_is_well(&mut self) {
        self.is_doubtful = false;
        self.refusals_until_probe = self.refusals_per_probe;
        self.refused.append(&mut self.suspects);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(said: &str) -> Refusal {
        Refusal::OfPoints(said.to_owned())
    }

    /// What a server makes of the points of a request.
    enum Answer {
        Taken,
        Refused,
        Failed,
    }

    /// Lets the bisector and a server talk. Returns what came of it, and how many requests there were.
    fn search(len: usize, mut answer: impl FnMut(&[usize]) -> Answer) -> (Findings, usize) {
        let mut bisector = Bisector::new(len, MAX_REFUSALS);
        let mut requests = 0;
        loop {
            requests += 1;
            assert!(requests < 10_000, "there is no end of requests");
            match bisector.next() {
                Step::Send(range) => {
                    let end = range.end.min(range.start.saturating_add(bisector.max_points()));
                    bisector.postpone(end..range.end);
                    let part = range.start..end;
                    match answer(&part.clone().collect::<Vec<_>>()) {
                        Answer::Taken => bisector.on_taken(&part, part.len()),
                        Answer::Refused => bisector.on_refused(part, refusal("bad")),
                        Answer::Failed => bisector.on_failed(part, refusal("500")),
                    }
                }
                Step::Probe(point) => {
                    // The newest point of the run is the last one here.
                    let is_taken = matches!(answer(&[point.unwrap_or(len - 1)]), Answer::Taken);
                    bisector.on_probed(is_taken);
                }
                Step::Done => return (bisector.findings(), requests - 1),
            }
        }
    }

    fn points(ranges: &[Range<usize>]) -> Vec<usize> {
        ranges.iter().cloned().flatten().collect()
    }

    fn refused(findings: &Findings) -> Vec<usize> {
        let mut points: Vec<usize> = findings.refused.iter().map(|(index, _)| *index).collect();
        points.sort_unstable();
        points
    }

    #[test]
    fn a_batch_that_is_taken_is_one_request() {
        assert_eq!(search(100, |_| Answer::Taken), (Findings::default(), 1));
        assert_eq!(search(0, |_| Answer::Refused), (Findings::default(), 0));
    }

    #[test]
    fn bad_points_are_found_and_all_others_taken() {
        for bad in [vec![0], vec![99], vec![31, 32], vec![3, 50, 51, 97]] {
            let mut taken = vec![0; 100];
            let (findings, _) = search(100, |points| {
                if points.iter().any(|point| bad.contains(point)) {
                    return Answer::Refused;
                }
                for point in points {
                    taken[*point] += 1;
                }
                Answer::Taken
            });
            assert_eq!((refused(&findings), &findings.open, &findings.stop), (bad.clone(), &vec![], &None));
            assert!((0..100).all(|point| (taken[point] > 0) != bad.contains(&point)), "{bad:?}");
        }
    }

    #[test]
    fn no_point_is_blamed_while_the_server_fails() {
        let (findings, requests) = search(100, |_| Answer::Failed);
        assert_eq!(requests, 2, "the batch, and a probe");
        assert_eq!(findings.refused, []);
        assert_eq!(findings.stop, Some(Stop::ServerFails(refusal("500"))));
        assert_eq!(points(&findings.open), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_server_that_fails_for_one_point_is_probed_and_the_point_found() {
        let fails_at =
            |bad: usize| move |points: &[usize]| if points.contains(&bad) { Answer::Failed } else { Answer::Taken };
        let (findings, _) = search(100, fails_at(7));
        assert_eq!((refused(&findings), findings.open, findings.stop), (vec![7], vec![], None));
    }

    #[test]
    fn suspects_stay_open_if_the_server_fails_at_the_end() {
        // The last point is refused alone, and from then on nothing is taken.
        let mut is_down = false;
        let (findings, _) = search(4, |points| {
            is_down |= points == [3];
            if is_down || points.contains(&3) { Answer::Refused } else { Answer::Taken }
        });
        assert_eq!(findings.refused, []);
        assert_eq!(points(&findings.open), [3]);
        assert_eq!(findings.stop, Some(Stop::ServerFails(refusal("bad"))));
    }

    #[test]
    fn a_search_ends_after_a_bounded_number_of_refusals() {
        let (findings, requests) =
            search(
                1_000,
                |points| {
                    if points.iter().any(|point| point % 2 == 0) { Answer::Refused } else { Answer::Taken }
                },
            );
        assert_eq!(findings.stop, Some(Stop::TooManyRefusals(refusal("bad"))));
        assert!(requests < 2 * MAX_REFUSALS, "{requests}");
        assert!(findings.refused.iter().all(|(index, _)| index % 2 == 0) && !findings.refused.is_empty());
    }

    #[test]
    fn a_request_that_is_too_large_is_halved() {
        let mut bisector = Bisector::new(10, MAX_REFUSALS);
        assert_eq!(bisector.next(), Step::Send(0..10));
        bisector.on_too_large(0..10, "413".to_owned());
        let mut sent = Vec::new();
        while let Step::Send(range) = bisector.next() {
            let end = range.end.min(range.start + bisector.max_points());
            bisector.postpone(end..range.end);
            let part = range.start..end;
            sent.push(part.clone());
            bisector.on_taken(&part, part.len());
        }
        assert_eq!(sent, [0..5, 5..10]);
        assert_eq!(bisector.findings(), Findings::default());
        let mut bisector = Bisector::new(1, MAX_REFUSALS);
        assert_eq!(bisector.next(), Step::Send(0..1));
        bisector.on_too_large(0..1, "413".to_owned());
        assert_eq!(bisector.next(), Step::Probe(None), "one point that is too large is a suspect");
    }

    #[test]
    fn an_aborted_search_leaves_everything_open() {
        let mut bisector = Bisector::new(10, MAX_REFUSALS);
        assert_eq!(bisector.next(), Step::Send(0..10));
        bisector.on_refused(0..10, refusal("bad"));
        assert_eq!(bisector.next(), Step::Send(0..5));
        bisector.abort(0..5);
        let findings = bisector.findings();
        assert_eq!((findings.open, findings.stop), (vec![0..5, 5..10], None));
    }

    #[test]
    fn suspects_of_an_aborted_search_stay_open() {
        let mut bisector = Bisector::new(2, MAX_REFUSALS);
        for range in [0..2, 0..1] {
            assert_eq!(bisector.next(), Step::Send(range.clone()));
            bisector.on_refused(range, refusal("bad"));
        }
        assert_eq!(bisector.next(), Step::Send(1..2));
        bisector.abort(1..2);
        let Findings { refused, open, stop } = bisector.findings();
        assert_eq!((refused, open, stop), (vec![], vec![0..1, 1..2], Some(Stop::ServerFails(refusal("bad")))));
    }
}
