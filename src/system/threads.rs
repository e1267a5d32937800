//! Threads: work side by side, and waiting for each other.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::Duration;

/// A piece of work for a thread of its own.
pub type Task<'a> = Box<dyn FnOnce() + Send + 'a>;

/// The threads of a machine.
pub trait Threads: Sync {
    /// Runs all tasks side by side, as far as there are threads for them, the first in the calling thread, and returns
    /// when the last of them has ended. If a task panics, the panic goes on in the calling thread after that.
    fn run_all(&self, tasks: Vec<Task<'_>>);

    /// Blocks until `signal` was raised after its generation was `seen`, or until `timeout` has
    /// passed.
    fn wait(&self, signal: &Signal, seen: u64, timeout: Duration);
}

/// Something that threads wait for. It counts how often it was raised, so that a thread that looks
/// first and waits later misses nothing in between.
#[derive(Debug, Default)]
pub struct Signal {
    generation: Mutex<u64>,
    raised: Condvar,
}

impl Signal {
    /// How often it was raised so far.
    pub fn generation(&self) -> u64 {
        *lock(&self.generation)
    }

    /// Wakes every thread that waits for it.
    pub fn raise(&self) {
        *lock(&self.generation) += 1;
        self.raised.notify_all();
    }

    fn wait_past(&self, seen: u64, timeout: Duration) {
        let is_unchanged = |generation: &mut u64| *generation == seen;
        // Whether it was raised or late, the caller looks again.
        drop(self.raised.wait_timeout_while(lock(&self.generation), timeout, is_unchanged));
    }
}

/// The threads of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemThreads;

impl Threads for SystemThreads {
    fn run_all(&self, tasks: Vec<Task<'_>>) {
        let width = tasks.len();
        let mut tasks = tasks.into_iter();
        let first = tasks.next();
        let queue = Mutex::new(tasks);
        let panicked = Mutex::new(None);
        let run = |task: Task<'_>| {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(task)) {
                lock(&panicked).get_or_insert(panic);
            }
        };
        let worker = || {
            loop {
                let next = lock(&queue).next();
                let Some(task) = next else { break };
                run(task);
            }
        };
        thread::scope(|scope| {
            // The calling thread is one of the workers, and does what no other thread takes. A task that
            // waits for another waits for one that has begun.
            let started = (1..width).try_for_each(|_| thread::Builder::new().spawn_scoped(scope, worker).map(drop));
            if let Err(cause) = started {
                warn_of_no_thread(&cause);
            }
            first.into_iter().for_each(run);
            worker();
        });
        if let Some(panic) = panicked.into_inner().unwrap_or_else(PoisonError::into_inner) {
            resume_unwind(panic);
        }
    }

    fn wait(&self, signal: &Signal, seen: u64, timeout: Duration) {
        signal.wait_past(seen, timeout);
    }
}

/// Says once that the machine gives no more threads, and why.
pub(crate) fn warn_of_no_thread(cause: &io::Error) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::warn!(
            "the machine gives no more threads ({cause}): the run goes on with those it has, and may take longer; \
             raise the limit (ulimit -u, pids.max, TasksMax of systemd)"
        );
    });
}

/// Applies `work` to every item, on at most `width` threads, and gives the results in the order of
/// the items. With one item, or a width of one, no thread is started.
pub(crate) fn parallel_map<'i, I: Sync, T: Send>(
    threads: &dyn Threads,
    width: usize,
    items: &'i [I],
    work: impl Fn(&'i I) -> T + Sync,
) -> Vec<T> {
    if items.len() <= 1 || width <= 1 {
        return items.iter().map(work).collect();
    }
    let queue = Mutex::new(items.iter().enumerate());
    let results = Mutex::new(items.iter().map(|_| None).collect::<Vec<_>>());
    let worker = || {
        loop {
            let next = lock(&queue).next();
            let Some((index, item)) = next else { break };
            let result = work(item);
            lock(&results)[index] = Some(result);
        }
    };
    let task = || Box::new(worker) as Task<'_>;
    threads.run_all((0..width.min(items.len())).map(|_| task()).collect());
    results.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect()
}

/// Locks a mutex even if a thread panicked while it held it. Every critical section here leaves
/// consistent data behind.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Instant;

    #[test]
    fn parallel_map_keeps_the_order_of_items() {
        let items: Vec<u32> = (0..100).collect();
        for width in [1, 2, 7, 200] {
            let doubled = parallel_map(&SystemThreads, width, &items, |item| item * 2);
            assert!(doubled.iter().copied().eq((0..100).map(|item| item * 2)), "{width}");
        }
        assert!(parallel_map(&SystemThreads, 4, &[] as &[u32], |item| *item).is_empty());
    }

    #[test]
    fn a_panic_of_a_task_goes_on_in_the_caller() {
        let items = [1, 2, 3];
        let done = Mutex::new(0);
        let result = catch_unwind(AssertUnwindSafe(|| {
            parallel_map(&SystemThreads, 3, &items, |item| {
                assert_ne!(*item, 2, "on purpose");
                *lock(&done) += 1;
            })
        }));
        assert!(result.is_err());
        assert_eq!(*lock(&done), 2, "the other tasks are run to their end");
    }

    #[test]
    fn a_signal_that_was_raised_before_the_wait_is_not_missed() {
        let signal = Signal::default();
        let seen = signal.generation();
        signal.raise();
        let begun = Instant::now();
        let waited = |seen, limit| {
            SystemThreads.wait(&signal, seen, limit);
            begun.elapsed()
        };
        let limit = Duration::from_secs(60);
        assert!(waited(seen, limit) < limit);
        // One that is not raised ends with the time.
        assert!(waited(seen + 1, Duration::from_millis(20)) >= Duration::from_millis(20));
    }
}
