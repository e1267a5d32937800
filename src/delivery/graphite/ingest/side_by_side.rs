//! Requests that go side by side. A request takes as long as the way there and back, and a long list is many requests.
//!
//! Grafana Cloud takes the samples of a series in the order of their times. So only requests whose points all have one
//! time go side by side. None goes beside a request that may be refused, as bad points are looked for one by one.

use super::bisector::Bisector;
use super::json::{self, MAX_POINTS};
use super::verdict::Verdict;
use crate::http::stats::RequestStats;
use crate::metrics::batch::Batch;
use crate::system::threads::{Threads, lock, parallel_map};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Requests in flight at most. Only their bodies are in memory.
const MAX_WIDTH: usize = 4;

/// What came of a request.
pub(super) struct Sent {
    /// Its points.
    pub(super) part: Range<usize>,
    pub(super) verdict: Verdict,
    pub(super) stats: RequestStats,
}

/// Points that are sent request by request: by several threads, or one request of them alone.
pub(super) struct Queue<'a> {
    batch: &'a Batch,
    /// Requests that go side by side.
    width: usize,
    /// Points in a request at most, as far as the server has said it.
    max_points: usize,
    /// The end of the points that are sent.
    end: usize,
    rest: Mutex<Rest>,
}

struct Rest {
    /// All points that are not sent yet.
    points: Range<usize>,
    /// Whether another request may begin.
    is_open: bool,
}

impl<'a> Queue<'a> {
    /// The first points of `range`: those of one time that several requests hold, or those of one request.
    pub(super) fn new(batch: &'a Batch, range: Range<usize>, bisector: &Bisector) -> Self {
        let max_points = bisector.max_points();
        let most = max_points.min(MAX_POINTS);
        let end = json::end_of_group(batch, &range, most);
        let has_one_time = end <= batch.end_of_time(range.start);
        let can_split = has_one_time && !bisector.is_doubtful();
        let width = if can_split { (end - range.start).div_ceil(most).min(MAX_WIDTH) } else { 1 };
        Self { batch, width, max_points, end, rest: Mutex::new(Rest { points: range, is_open: true }) }
    }

    /// Sends requests with `post`, which is given a body and the number of its points, until one is not taken or
    /// nothing is left. Returns them in the order of their points.
    pub(super) fn send(
        &self,
        threads: &dyn Threads,
        post: impl Fn(Vec<u8>, usize) -> (Verdict, RequestStats) + Sync,
    ) -> Vec<Sent> {
        let worker = |(): &()| {
            let mut sent = Vec::new();
            while let Some((part, json)) = self.next() {
                let (verdict, stats) = post(json, part.len());
                if !matches!(verdict, Verdict::Taken(_)) {
                    lock(&self.rest).is_open = false;
                }
                sent.push(Sent { part, verdict, stats });
            }
            sent
        };
        let workers = &[(); MAX_WIDTH][..self.width];
        let mut sent: Vec<Sent> = parallel_map(threads, self.width, workers, worker).into_iter().flatten().collect();
        sent.sort_unstable_by_key(|sent| sent.part.start);
        sent
    }

    /// The points of the next request, and its body.
    fn next(&self) -> Option<(Range<usize>, Vec<u8>)> {
        let mut rest = lock(&self.rest);
        let start = rest.points.start;
        if !rest.is_open || start >= self.end {
            return None;
        }
        let end = self.end.min(start.saturating_add(self.max_points));
        let (json, count) = json::encode(self.batch, start..end);
        rest.points.start = start + count;
        rest.is_open = self.width > 1;
        Some((start..start + count, json))
    }

    /// The points that were not sent.
    pub(super) fn into_rest(self) -> Range<usize> {
        self.rest.into_inner().unwrap_or_else(PoisonError::into_inner).points
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::graphite::ingest::bisector::MAX_REFUSALS;
    use crate::delivery::graphite::ingest::json::Published;
    use crate::delivery::graphite::ingest::verdict::Refusal;
    use crate::market::number::Number;
    use crate::system::threads::{Signal, SystemThreads, Task};
    use std::fmt::Write;
    use std::sync::Condvar;
    use std::time::Duration;

    /// A batch of so many points of each time.
    fn batch(times: &[(i64, usize)]) -> Batch {
        let mut batch = Batch::new(60, vec![]);
        for (time, count) in times {
            for index in 0..*count {
                let value = Number::parse("1").unwrap();
                batch.push(|name| write!(name, "a.{index}").unwrap(), value, *time);
            }
        }
        batch
    }

    fn taken(count: usize) -> (Verdict, RequestStats) {
        (Verdict::Taken(Published { count, refused: vec![] }), RequestStats::default())
    }

    fn ranges(sent: &[Sent]) -> Vec<Range<usize>> {
        sent.iter().map(|sent| sent.part.clone()).collect()
    }

    /// A machine that gives one thread for all tasks, and counts them.
    #[derive(Default)]
    struct OneThread(Mutex<usize>);

    impl Threads for OneThread {
        fn run_all(&self, tasks: Vec<Task<'_>>) {
            *lock(&self.0) += tasks.len();
            for task in tasks {
                task();
            }
        }

        fn wait(&self, _: &Signal, _: u64, _: Duration) {}
    }

    #[test]
    fn requests_of_one_time_are_in_flight_at_once() {
        let batch = batch(&[(60, 19_000)]);
        let queue = Queue::new(&batch, 0..19_000, &Bisector::new(19_000, MAX_REFUSALS));
        let (in_flight, changed) = (Mutex::new(0), Condvar::new());
        // Nobody is answered before all four are there.
        let post = |_, count| {
            *lock(&in_flight) += 1;
            changed.notify_all();
            let limit = Duration::from_secs(60);
            let (all, _) = changed.wait_timeout_while(lock(&in_flight), limit, |all| *all < 4).unwrap();
            assert_eq!(*all, 4);
            taken(count)
        };
        let sent = queue.send(&SystemThreads, post);
        assert_eq!(ranges(&sent), [0..4_750, 4_750..9_500, 9_500..14_250, 14_250..19_000]);
        assert_eq!(queue.into_rest(), 19_000..19_000);
    }

    #[test]
    fn there_are_no_more_threads_than_requests_and_no_more_than_four() {
        for (points, requests, tasks) in [(5_000, 1, 0), (5_001, 2, 2), (12_000, 3, 3), (101_000, 21, 4)] {
            let batch = batch(&[(60, points)]);
            let queue = Queue::new(&batch, 0..points, &Bisector::new(points, MAX_REFUSALS));
            let threads = OneThread::default();
            let sent = queue.send(&threads, |_, count| taken(count));
            assert_eq!((sent.len(), *lock(&threads.0)), (requests, tasks), "{points} points");
            assert_eq!(queue.into_rest(), points..points);
        }
    }

    #[test]
    fn two_times_are_never_sent_side_by_side() {
        let batch = batch(&[(60, 11_000), (120, 14_000), (180, 3), (240, 9_000), (300, 4_000)]);
        let bisector = Bisector::new(batch.len(), MAX_REFUSALS);
        let (mut rest, mut rounds) = (0..batch.len(), Vec::new());
        while !rest.is_empty() {
            let queue = Queue::new(&batch, rest, &bisector);
            rounds.push(ranges(&queue.send(&OneThread::default(), |_, count| taken(count))));
            rest = queue.into_rest();
        }
        for round in rounds.iter().filter(|round| round.len() > 1) {
            let times: Vec<i64> = round.iter().cloned().flat_map(|part| batch.range(part)).map(|p| p.time).collect();
            assert!(times.iter().all(|time| *time == times[0]), "{rounds:?}");
        }
        assert_eq!(rounds.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1, 1, 1]);
        let sent: Vec<Range<usize>> = rounds.concat();
        assert!(sent.windows(2).all(|parts| parts[0].end == parts[1].start), "in their order: {sent:?}");
    }

    #[test]
    fn points_of_another_time_cost_no_request_where_there_are_two() {
        for (times, rounds) in [(vec![(60, 9_000)], vec![2]), (vec![(60, 9_000), (0, 2), (60, 2)], vec![1, 1])] {
            let batch = batch(&times);
            let (mut rest, mut lengths) = (0..batch.len(), Vec::new());
            while !rest.is_empty() {
                let queue = Queue::new(&batch, rest, &Bisector::new(batch.len(), MAX_REFUSALS));
                lengths.push(queue.send(&OneThread::default(), |_, count| taken(count)).len());
                rest = queue.into_rest();
            }
            assert_eq!(lengths, rounds);
        }
    }

    #[test]
    fn nothing_begins_after_a_request_that_was_not_taken() {
        let batch = batch(&[(60, 50_000)]);
        let queue = Queue::new(&batch, 0..50_000, &Bisector::new(50_000, MAX_REFUSALS));
        let refuse_second = |json: Vec<u8>, count| {
            let is_second = json.starts_with(b"[{\"name\":\"a.5000\"");
            if is_second {
                (Verdict::Refused(Refusal::OfPoints("bad".to_owned())), RequestStats::default())
            } else {
                taken(count)
            }
        };
        assert_eq!(ranges(&queue.send(&OneThread::default(), refuse_second)), [0..5_000, 5_000..10_000]);
        assert_eq!(queue.into_rest(), 10_000..50_000);
    }

    #[test]
    fn nothing_goes_beside_a_request_that_may_be_refused() {
        let batch = batch(&[(60, 50_000)]);
        let mut bisector = Bisector::new(50_000, MAX_REFUSALS);
        let width = |bisector: &Bisector| Queue::new(&batch, 5_000..50_000, bisector).width;
        assert_eq!(width(&bisector), 4);
        bisector.on_refused(0..5_000, Refusal::OfPoints("bad".to_owned()));
        assert_eq!(width(&bisector), 1);
        bisector.on_taken(&(0..2_500), 2_500);
        assert_eq!(width(&bisector), 4);
        bisector.on_too_large(2_500..5_000, "413".to_owned());
        assert_eq!(width(&bisector), 1);
        let queue = Queue::new(&batch, 2_500..50_000, &bisector);
        let sent = queue.send(&OneThread::default(), |_, count| taken(count));
        assert_eq!((sent.len(), sent[0].part.clone()), (1, 2_500..3_750));
        assert_eq!(queue.into_rest(), 3_750..50_000);
    }
}
