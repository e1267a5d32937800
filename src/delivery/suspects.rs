//! Names of which points were refused alone. A server that is over its limit of series refuses the same ones in every
//! run, and to find each of them among the points of a run takes hundreds of requests.

use super::graphite::Push;
use crate::metrics::batch::Batch;
use crate::util::hash::hash_of;
use rustc_hash::FxHashSet;

/// Names of which points were refused alone, in this run or the one before.
#[derive(Default)]
pub(super) struct Suspects {
    /// Hashes of the names: a clash only sends a good point in another request.
    names: FxHashSet<u64>,
}

impl Suspects {
    /// Notes the names of points that were refused alone.
    pub(super) fn note(&mut self, batch: &Batch, push: &Push) {
        let refused = push.refused.iter().map(|(index, _)| *index);
        let open = push.open.iter().cloned().flatten();
        // What was refused before was sent alone now, or waits for that.
        let before = refused.chain(open).filter(|index| batch.refusals(*index) > 0);
        let names = before.chain(push.refused_alone.iter().copied()).map(|index| hash_of(&batch.point(index).name));
        self.names.extend(names);
    }

    /// The points of a batch apart: those of other names, and those of these names. `None` if there are none of these,
    /// and of points that were refused before, as each of them is to be sent alone.
    pub(super) fn split(&self, batch: &Batch) -> Option<[Vec<usize>; 2]> {
        if self.names.is_empty() || batch.has_refusals() {
            return None;
        }
        let is_suspect = |index: &usize| self.names.contains(&hash_of(&batch.point(*index).name));
        let (suspects, others): (Vec<usize>, Vec<usize>) = (0..batch.len()).partition(is_suspect);
        (!suspects.is_empty()).then_some([others, suspects])
    }
}
