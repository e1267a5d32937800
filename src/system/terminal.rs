//! The terminal at standard output.

use std::io::IsTerminal;

/// The width of a terminal that does not tell it, and of what is no terminal.
const DEFAULT_WIDTH: usize = 80;

/// A terminal at standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// Characters in a line.
    pub(crate) width: usize,
    /// Whether it is to show colours.
    pub(crate) has_colour: bool,
    /// Whether standard error is at a terminal too.
    pub(crate) has_stderr: bool,
}

/// The width of the terminal of this process, in characters.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size().map_or(DEFAULT_WIDTH, |(width, _)| width.0.into())
}

impl Default for Terminal {
    fn default() -> Self {
        Self { width: DEFAULT_WIDTH, has_colour: false, has_stderr: false }
    }
}

impl Terminal {
    /// That at standard output. `None` if it is no terminal.
    pub(crate) fn of_stdout() -> Option<Self> {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        std::io::stdout().is_terminal().then(|| Self {
            width: width(),
            // <https://no-color.org>
            has_colour: !is_set("NO_COLOR") && !is_dumb,
            has_stderr: std::io::stderr().is_terminal(),
        })
    }
}
