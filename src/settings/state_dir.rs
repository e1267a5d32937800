//! The directory of the state and the journal.

use super::sources::{Sources, expand_home};
use crate::config::{ConfigValue, Origin};
use std::ffi::OsString;
use std::path::PathBuf;

/// The variables that determine the state directory. Each overrides those that follow.
const VARIABLES: [&str; 4] = ["DATAMETRICS_STATE_DIR", "STATE_DIRECTORY", "XDG_STATE_HOME", "HOME"];

/// Finds the state directory, and records it with the variable that determines it. `None` if no
/// variable does.
pub(super) fn read(sources: Sources<'_>) -> Option<PathBuf> {
    if sources.recorder.is_some() {
        // `check` shows which variable it was.
        let from_variable = |variable: &'static str| {
            state_dir(|name| (sources.env)(name).filter(|_| name == variable))?;
            let path = state_dir(sources.env)?;
            Some(ConfigValue::from_text(path.display().to_string(), Origin::Variable(variable.to_owned())))
        };
        sources.path_setting("DATAMETRICS_STATE_DIR", VARIABLES.into_iter().find_map(from_variable));
    }
    state_dir(sources.env)
}

/// The state directory: `$DATAMETRICS_STATE_DIR`; else systemd's `$STATE_DIRECTORY` (the first of
/// several); else `datametrics` in `$XDG_STATE_HOME` or in `~/.local/state`. An empty variable counts
/// as unset. `None` if none of these variables is set.
///
/// <https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#RuntimeDirectory=>,
/// <https://specifications.freedesktop.org/basedir-spec/latest/>
fn state_dir(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let var = |name| env(name).filter(|value| !value.is_empty());
    let systemd = || std::env::split_paths(&var("STATE_DIRECTORY")?).find(|path| !path.as_os_str().is_empty());
    // The specification says that relative paths are to be ignored.
    let xdg = || var("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || Some(PathBuf::from(var("HOME")?).join(".local/state"));
    let user = || Some(xdg().or_else(home)?.join("datametrics"));
    var("DATAMETRICS_STATE_DIR").map(|path| expand_home(&env, path)).or_else(systemd).or_else(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(variables: &[(&str, &str)]) -> Option<String> {
        let env =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        state_dir(env).map(|path| path.display().to_string())
    }

    #[test]
    fn state_dir_follows_the_first_variable_that_is_set() {
        let variables = [
            ("DATAMETRICS_STATE_DIR", "own"),
            ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"),
            ("XDG_STATE_HOME", "/xdg"),
            ("HOME", "/home/u"),
        ];
        let expected = ["own", "/var/lib/a", "/xdg/datametrics", "/home/u/.local/state/datametrics"];
        for (first, expected) in expected.into_iter().enumerate() {
            assert_eq!(find(&variables[first..]).as_deref(), Some(expected));
            let mut with_empty = variables;
            with_empty[..first].iter_mut().for_each(|(_, value)| *value = "");
            assert_eq!(find(&with_empty).as_deref(), Some(expected));
        }
        assert_eq!(find(&[]), None);
        for path in ["~/state", "$HOME/state"] {
            assert_eq!(find(&[("DATAMETRICS_STATE_DIR", path), ("HOME", "/h")]).as_deref(), Some("/h/state"));
            assert_eq!(find(&[("DATAMETRICS_STATE_DIR", path), ("HOME", "")]).as_deref(), Some(path));
        }
        assert_eq!(find(&[("XDG_STATE_HOME", "rel"), ("HOME", "/h")]).as_deref(), Some("/h/.local/state/datametrics"));
    }
}
