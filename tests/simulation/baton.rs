//! Threads and time of the simulation. The threads are real, but only the one that has the baton runs. Every
//! call to the world passes the baton on, the seed decides to whom, and time passes only when all wait. So
//! a seed always gives the same run.

use crate::support::{TIMEOUT, lock};
use datametrics::{Random, Signal, Task};
use std::{
    cell::Cell,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// Microseconds since the start of the simulation.
pub(super) type Micros = u64;

/// What a thread waits for.
enum Wait {
    /// Only for the baton.
    Baton,
    /// A time.
    Until(Micros),
    /// A change that others make: it looks again when others have gone on, and at this time.
    Progress { seen: u64, until: Micros },
    /// The end of so many other threads.
    Threads(usize),
}

struct Slot {
    wait: Wait,
    /// The thread that waits for the end of this one.
    parent: Option<usize>,
    process: usize,
    woken: Arc<Condvar>,
}

struct State {
    now: Micros,
    slots: BTreeMap<usize, Slot>,
    next_slot: usize,
    holder: usize,
    /// How often a thread went on that did not only look for a change.
    progress: u64,
    /// How often the baton was passed on.
    passes: u64,
}

pub(super) struct Baton {
    state: Mutex<State>,
    random: Random,
}

thread_local! {
    static SLOT: Cell<usize> = const { Cell::new(0) };
}

impl Baton {
    /// The calling thread has the baton.
    pub(super) fn new(seed: u64) -> Self {
        SLOT.set(0);
        let slot = Slot { wait: Wait::Baton, parent: None, process: usize::MAX, woken: Arc::default() };
        let slots = BTreeMap::from([(0, slot)]);
        let state = State { now: 0, slots, next_slot: 1, holder: 0, progress: 0, passes: 0 };
        Self { state: Mutex::new(state), random: Random::seeded(seed) }
    }

    pub(super) fn now(&self) -> Micros {
        lock(&self.state).now
    }

    /// How often the baton was passed on.
    pub(super) fn passes(&self) -> u64 {
        lock(&self.state).passes
    }

    /// Blocks the calling thread for so long; others go on meanwhile.
    pub(super) fn sleep(&self, span: Duration) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        self.pause(|state| Wait::Until(state.now.saturating_add(micros)));
    }

    /// Blocks the calling thread until the signal is past `seen`, the time is over, or `is_over` says so.
    pub(super) fn wait(&self, signal: &Signal, seen: u64, timeout: Duration, is_over: impl Fn() -> bool) {
        let until = self.now().saturating_add(u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX));
        while signal.generation() == seen && self.now() < until && !is_over() {
            self.pause(|state| Wait::Progress { seen: state.progress, until });
        }
    }

    /// Makes a slot for a new thread, which [`Self::enter`]s it.
    pub(super) fn add(&self, process: usize, parent: Option<usize>) -> usize {
        let mut state = lock(&self.state);
        let id = state.next_slot;
        state.next_slot += 1;
        state.slots.insert(id, Slot { wait: Wait::Baton, parent, process, woken: Arc::default() });
        id
    }

    /// The first act of a new thread: it waits for the baton.
    pub(super) fn enter(&self, id: usize) {
        SLOT.set(id);
        self.wait_for_turn(id);
    }

    /// The last act of a thread.
    pub(super) fn leave(&self) {
        let mut state = lock(&self.state);
        // It may have raised a signal since it last gave the baton away.
        state.progress += 1;
        let slot = state.slots.remove(&SLOT.get()).expect("a thread of the simulation");
        if let Some(parent) = slot.parent.and_then(|parent| state.slots.get_mut(&parent))
            && let Wait::Threads(count) = &mut parent.wait
        {
            *count -= 1;
        }
        self.pass_on(&mut state);
    }

    /// Runs all tasks side by side, and returns when the last of them has ended.
    pub(super) fn run_all(&self, process: usize, tasks: Vec<Task<'_>>, prepare: impl Fn() + Sync) {
        let parent = SLOT.get();
        let slots: Vec<usize> = tasks.iter().map(|_| self.add(process, Some(parent))).collect();
        let count = slots.len();
        let prepare = &prepare;
        let panic = thread::scope(|scope| {
            let run = |(task, id): (Task<'_>, usize)| {
                self.enter(id);
                prepare();
                let result = catch_unwind(AssertUnwindSafe(task));
                self.leave();
                result
            };
            let threads: Vec<_> = tasks.into_iter().zip(slots).map(|pair| scope.spawn(move || run(pair))).collect();
            self.pause(|_| Wait::Threads(count));
            threads.into_iter().find_map(|thread| thread.join().and_then(|result| result).err())
        });
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Wakes the sleeping threads of a process, which was killed.
    pub(super) fn wake(&self, process: usize) {
        for slot in lock(&self.state).slots.values_mut() {
            if slot.process == process && matches!(slot.wait, Wait::Until(_) | Wait::Progress { .. }) {
                slot.wait = Wait::Baton;
            }
        }
    }

    fn pause(&self, wait: impl FnOnce(&State) -> Wait) {
        let id = SLOT.get();
        let mut state = lock(&self.state);
        let wait = wait(&state);
        if !matches!(wait, Wait::Progress { .. }) {
            state.progress += 1;
        }
        state.slots.get_mut(&id).expect("a thread of the simulation").wait = wait;
        self.pass_on(&mut state);
        drop(state);
        self.wait_for_turn(id);
    }

    fn pass_on(&self, state: &mut State) {
        state.passes += 1;
        loop {
            let (now, progress) = (state.now, state.progress);
            let is_ready = |slot: &Slot| match slot.wait {
                Wait::Baton | Wait::Threads(0) => true,
                Wait::Threads(_) => false,
                Wait::Until(until) => until <= now,
                Wait::Progress { seen, until } => seen != progress || until <= now,
            };
            let ready: Vec<usize> = state.slots.iter().filter(|(_, slot)| is_ready(slot)).map(|(id, _)| *id).collect();
            if let [first, ..] = ready[..] {
                let nth = if ready.len() == 1 { 0 } else { self.below(ready.len() as u64) };
                state.holder = usize::try_from(nth).ok().and_then(|nth| ready.get(nth).copied()).unwrap_or(first);
                return state.slots[&state.holder].woken.notify_one();
            }
            let times = state.slots.values().filter_map(|slot| match slot.wait {
                Wait::Until(until) | Wait::Progress { until, .. } => Some(until),
                _ => None,
            });
            let Some(earliest) = times.min() else { return };
            state.now = earliest;
        }
    }

    fn wait_for_turn(&self, id: usize) {
        let mut state = lock(&self.state);
        let woken = Arc::clone(&state.slots[&id].woken);
        while state.holder != id {
            let seen = state.passes;
            let (guard, late) = woken.wait_timeout(state, TIMEOUT).unwrap_or_else(PoisonError::into_inner);
            let is_stuck = late.timed_out() && guard.passes == seen && guard.holder != id;
            assert!(!is_stuck, "a thread of the simulation blocks outside of it");
            state = guard;
        }
        state.slots.get_mut(&id).expect("a thread of the simulation").wait = Wait::Baton;
    }

    /// A random number below `bound`.
    pub(super) fn below(&self, bound: u64) -> u64 {
        self.random.next() % bound
    }

    /// Whether something happens that happens once in so many times; never, if that is 0.
    pub(super) fn one_in(&self, times: u64) -> bool {
        times > 0 && self.below(times) == 0
    }

    pub(super) fn pick<T: Copy>(&self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).expect("an index")]
    }
}
