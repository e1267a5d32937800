//! A file of the journal by its name, which tells all that must be known before the file is read.

/// What the names of the journal's files end in.
pub(super) const SUFFIX: &str = ".points";

/// A file of the journal, as far as its name and size tell. Nothing of it was read.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// When the run started that wrote it, in Unix seconds.
    pub(crate) started: i64,
    /// The name of the file. Names sort like the times of their runs.
    pub(crate) name: String,
    /// How many points were written.
    pub(crate) points: usize,
    /// Size of the file.
    pub(crate) bytes: u64,
    /// The hash of the destination to which the points belong. `None` in files of the first version, which
    /// belong to the first destination.
    pub(crate) destination: Option<String>,
}

impl Entry {
    /// Reads the name of a file, `STARTED-WRITTEN-UNIQUE-POINTS-DESTINATION.points`. The first version had no
    /// destination.
    pub(super) fn from_name(name: &str, bytes: u64) -> Option<Self> {
        let mut parts = name.strip_suffix(SUFFIX)?.split('-');
        let (started, _written, _unique) = (parts.next()?, parts.next()?, parts.next()?);
        let (points, destination) = (parts.next()?, parts.next());
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let is_hash = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if parts.next().is_some() || !is_number(started) || !is_number(points) || !destination.is_none_or(is_hash) {
            return None;
        }
        // The sum over all files must fit into a `usize`, which has 32 bits on some machines.
        let points = usize::try_from(points.parse::<u32>().ok()?).ok().filter(|points| *points <= usize::MAX >> 8)?;
        let (started, destination) = (started.parse().ok()?, destination.map(str::to_owned));
        Some(Self { started, name: name.to_owned(), points, bytes, destination })
    }

    /// The part of the name that all files of the same points share: `STARTED-WRITTEN-UNIQUE`.
    pub(super) fn run(&self) -> Option<&str> {
        let (third, _) = self.name.match_indices('-').nth(2)?;
        self.name.get(..third)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_entry_tells_what_is_in_it() {
        let first = Entry::from_name("000000000005-0000000000000006-0000000000000007-3.points", 9).unwrap();
        assert_eq!((first.started, first.points, first.bytes, first.destination.as_deref()), (5, 3, 9, None));
        assert_eq!(first.run(), Some("000000000005-0000000000000006-0000000000000007"));
        let current = Entry::from_name("5-6-7-3-0123456789abcdef.points", 9).unwrap();
        assert_eq!((current.destination.as_deref(), current.run()), (Some("0123456789abcdef"), Some("5-6-7")));
    }

    #[test]
    fn a_file_of_another_name_is_no_entry() {
        for name in [
            "5-6-7-3-nohash.points",
            "5-6-7-3-0123.points",
            "5-6-7-3-0123456789abcdeg.points",
            "5-6-7-3-0123456789abcdef-1.points",
            "+5-6-7-3-0123456789abcdef.points",
            "5-6-7-+3-0123456789abcdef.points",
            "5-6-7-4294967296.points",
            "5-6-7.points",
            "5-6-7-3",
        ] {
            assert_eq!(Entry::from_name(name, 9), None, "{name}");
        }
    }
}
