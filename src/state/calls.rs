//! Which run was the last to ask a provider, written down before it asks.
//!
//! A call is an empty file `calls/PROVIDER.STARTED.RUN`: when the run started, in Unix seconds, and its random
//! number. A run claims the next call by renaming the file of the last one. Of runs side by side only one can
//! rename a file, whether or not the file system knows locks, and a run that is stopped or killed holds up
//! nobody.

use super::{State, file_name};
use std::io::{self, ErrorKind};
use std::path::PathBuf;

/// The file that the first of all calls renames.
const NO_CALL: Call = Call { started: 0, run: 0 };

/// How often a run tries, while other runs are faster.
const ATTEMPTS: usize = 5;

/// A call to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    /// When the run started, in Unix seconds.
    pub(crate) started: i64,
    /// The random number of the run.
    pub(crate) run: u64,
}

impl State<'_> {
    /// When runs started that asked this provider, in Unix seconds. Mostly there is one at most.
    pub(crate) fn last_calls(&self, provider: &str) -> Vec<i64> {
        let calls = file_name(provider).and_then(|stem| self.calls(&stem)).unwrap_or_default();
        calls.into_iter().filter(|call| *call != NO_CALL).map(|call| call.started).collect()
    }

    /// Claims the next call to a provider for the run `own`, all of whose threads may do so. `seconds_left` says
    /// how long the provider must rest after a run that started at this time. Returns that of another run that
    /// has the call; `None` if it is claimed.
    ///
    /// # Errors
    /// When nothing can be written down.
    pub(crate) fn claim_call(
        &self,
        provider: &str,
        own: Call,
        seconds_left: impl Fn(i64) -> Option<u64>,
    ) -> io::Result<Option<u64>> {
        let stem = file_name(provider)?;
        let path = |call: Call| self.calls_dir().join(format!("{stem}.{}.{:016x}", call.started, call.run));
        for _ in 0..ATTEMPTS {
            let mut others = match self.calls(&stem) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.disk.create_dir(&self.calls_dir())?;
                    Vec::new()
                }
                calls => calls?,
            };
            let count = others.len();
            others.retain(|call| *call != own);
            let resting = others.iter().filter(|call| **call != NO_CALL).filter_map(|call| seconds_left(call.started));
            if let Some(left) = resting.max() {
                return Ok(Some(left));
            }
            // Also after the renaming: where there was no call yet, two runs may have made and renamed a file.
            if others.len() < count {
                for call in others {
                    let _ = self.disk.remove_file(&path(call));
                }
                return Ok(None);
            }
            let (claimed, is_lost) = match others.iter().max() {
                Some(last) => (self.disk.rename(&path(*last), &path(own)), ErrorKind::NotFound),
                None => (self.disk.create_new(&path(NO_CALL)).map(drop), ErrorKind::AlreadyExists),
            };
            claimed.or_else(|error| if error.kind() == is_lost { Ok(()) } else { Err(error) })?;
        }
        Ok(seconds_left(own.started))
    }

    fn calls_dir(&self) -> PathBuf {
        self.dir.join("calls")
    }

    fn calls(&self, stem: &str) -> io::Result<Vec<Call>> {
        let call = |name: &str| {
            let (started, run) = name.strip_prefix(stem)?.strip_prefix('.')?.split_once('.')?;
            Some(Call { started: started.parse().ok()?, run: u64::from_str_radix(run, 16).ok()? })
        };
        let files = self.disk.list(&self.calls_dir())?;
        Ok(files.iter().filter(|file| file.is_file).filter_map(|file| call(&file.name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::disk::SystemDisk;
    use crate::system::random::Random;
    use std::fs;
    use std::sync::Barrier;
    use std::thread;

    const RUNS: u64 = 8;

    /// How many of several runs at once get the call.
    fn count_claims(state: &State<'_>, started: i64) -> usize {
        let barrier = Barrier::new(RUNS.try_into().unwrap());
        let claim = |run| {
            let seconds_left = |last| 60_u64.checked_sub(started.abs_diff(last));
            barrier.wait();
            state.claim_call("p", Call { started, run }, seconds_left).unwrap().is_none()
        };
        thread::scope(|scope| {
            let runs: Vec<_> = (1..=RUNS).map(|run| scope.spawn(move || claim(run))).collect();
            runs.into_iter().map(|run| run.join().unwrap()).filter(|claimed| *claimed).count()
        })
    }

    #[test]
    fn of_runs_side_by_side_exactly_one_claims_a_call() {
        let (folder, random) = (tempfile::tempdir().unwrap(), Random::seeded(1));
        let state = State::new(&SystemDisk, &random, folder.path());
        state.claim_call("p", Call { started: 1, run: 1 }, |_| None).unwrap();
        for started in (1_000..30_000).step_by(100) {
            assert_eq!(count_claims(&state, started), 1);
            assert_eq!(state.last_calls("p"), [started]);
        }
    }

    /// Of the first call of all it is enough that nobody asks beside another.
    #[test]
    fn the_first_call_of_all_is_claimed_once_at_most() {
        for _ in 0..200 {
            let (folder, random) = (tempfile::tempdir().unwrap(), Random::seeded(1));
            let state = State::new(&SystemDisk, &random, folder.path());
            assert!(count_claims(&state, 1_000) <= 1);
        }
    }

    #[test]
    fn calls_of_providers_with_similar_names_are_apart() {
        let (folder, random) = (tempfile::tempdir().unwrap(), Random::seeded(1));
        let state = State::new(&SystemDisk, &random, folder.path());
        for (started, provider) in [(5, "a"), (6, "ab"), (7, "a-0")] {
            assert_eq!(state.claim_call(provider, Call { started, run: 1 }, |_| None).unwrap(), None);
        }
        assert_eq!(["a", "ab", "a-0"].map(|provider| state.last_calls(provider)), [[5], [6], [7]]);
        // The form of earlier versions, and what somebody else put there.
        for name in ["b", "b.5", "b.x.1", ".b.5.1"] {
            fs::write(folder.path().join("calls").join(name), "5\n").unwrap();
        }
        assert!(state.last_calls("b").is_empty());
    }

    #[test]
    fn a_claim_in_a_folder_that_cannot_be_written_is_an_error() {
        let (folder, random) = (tempfile::tempdir().unwrap(), Random::seeded(1));
        fs::write(folder.path().join("calls"), "").unwrap();
        let state = State::new(&SystemDisk, &random, folder.path());
        assert!(state.claim_call("p", Call { started: 5, run: 1 }, |_| None).is_err());
    }
}
