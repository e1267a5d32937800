//! Small tools that know nothing of the job.

pub(crate) mod group_by;
pub(crate) mod hash;
pub(crate) mod placeholder;
pub(crate) mod sanitize;
pub(crate) mod suggest;
