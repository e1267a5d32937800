//! The outcome of a run, and its exit code.

use std::process::ExitCode;

/// The outcome of a run. Its exit code is that of sysexits.h if one fits
/// (<https://man.openbsd.org/sysexits>), but 2 for wrong arguments, as other programs have it. The variants are in
/// the order of their gravity: of several outcomes, the maximum counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Everything was fetched, by whichever provider, and taken by Graphite, or nothing was due.
    Success,
    /// Something was pushed, but a symbol, field, feed or point is missing.
    Partial,
    /// No quote could be fetched; health points were still pushed.
    NothingFetched,
    /// Graphite did not take the points, or a limit of the machine kept the run from its work.
    NotTaken,
    /// Graphite refused the credentials.
    NotAllowed,
    /// A defect in this program.
    Defect,
    /// A file that was named cannot be read, or standard output cannot be written.
    Io,
    /// A setting of a variable or a file is missing or wrong.
    Misconfigured,
    /// A flag or an argument is wrong.
    Usage,
}

impl Outcome {
    /// All outcomes, in the order of their exit codes.
    pub const ALL: [Self; 9] = [
        Self::Success,
        Self::Partial,
        Self::Usage,
        Self::NothingFetched,
        Self::Defect,
        Self::Io,
        Self::NotTaken,
        Self::NotAllowed,
        Self::Misconfigured,
    ];

    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Partial => 1,
            Self::Usage => 2,
            Self::NothingFetched => 69,
            Self::Defect => 70,
            Self::Io => 74,
            Self::NotTaken => 75,
            Self::NotAllowed => 77,
            Self::Misconfigured => 78,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_ordered_by_gravity() {
        use Outcome::{Defect, NotAllowed, NotTaken, NothingFetched, Partial, Success};
        let order = [Success, Partial, NothingFetched, NotTaken, NotAllowed, Defect];
        assert!(order.is_sorted());
        assert_eq!(order.map(Outcome::code), [0, 1, 69, 75, 77, 70]);
    }

    #[test]
    fn help_and_readme_list_exactly_the_exit_codes() {
        let codes = |text: &str, code_of: fn(&str) -> Option<&str>| -> Vec<u8> {
            text.lines().filter_map(|line| code_of(line)?.trim().parse().ok()).collect()
        };
        let expected = Outcome::ALL.map(Outcome::code);
        let readme = codes(include_str!("../README.md"), |line| line.strip_prefix("| ")?.split(" |").next());
        let help = codes(include_str!("help.txt"), |line| line.strip_prefix("  ")?.get(..2));
        assert_eq!((&readme[..], &help[..]), (&expected[..], &expected[..]));
    }

    #[test]
    fn exit_codes_are_unique_and_in_order() {
        assert!(Outcome::ALL.map(Outcome::code).is_sorted_by(|a, b| a < b));
    }
}
