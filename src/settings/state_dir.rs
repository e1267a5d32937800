//! Where state and journal are kept.

use super::sources::Sources;
use crate::config::{ConfigValue, Origin};
use std::ffi::OsString;
use std::path::PathBuf;

/// The variables that say where the state directory is, the strongest first.
const VARIABLES: [&str; 4] = ["DATAMETRICS_STATE_DIR", "STATE_DIRECTORY", "XDG_STATE_HOME", "HOME"];

/// Where state and journal go. `datametrics check` is told which variable says so.
pub(super) fn read(sources: Sources<'_>) -> Option<PathBuf> {
    if sources.recorder.is_some() {
        let from = |only: &'static str| {
            let path = state_dir(|name| (sources.env)(name).filter(|_| name == only))?;
            Some(ConfigValue::text_from(path.display().to_string(), Origin::Variable(only.to_owned())))
        };
        sources.optional("DATAMETRICS_STATE_DIR", VARIABLES.into_iter().find_map(from));
    }
    state_dir(sources.env)
}

/// The state directory: `$DATAMETRICS_STATE_DIR`, else systemd's `$STATE_DIRECTORY` (the first of
/// several), else `datametrics` in `$XDG_STATE_HOME` or in `~/.local/state`. An empty variable counts
/// as unset. `None` if no variable says anything.
///
/// <https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#RuntimeDirectory=>,
/// <https://specifications.freedesktop.org/basedir-spec/latest/>
fn state_dir(var: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let var = |name| var(name).filter(|value| !value.is_empty());
    let systemd = || std::env::split_paths(&var("STATE_DIRECTORY")?).find(|path| !path.as_os_str().is_empty());
    // The specification has relative paths ignored.
    let xdg = || var("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || Some(PathBuf::from(var("HOME")?).join(".local/state"));
    let ours = || Some(xdg().or_else(home)?.join("datametrics"));
    var("DATAMETRICS_STATE_DIR").map(PathBuf::from).or_else(systemd).or_else(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(variables: &[(&str, &str)]) -> Option<String> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        state_dir(find).map(|path| path.display().to_string())
    }

    #[test]
    fn the_first_state_variable_that_is_set_wins() {
        let all = [
            ("DATAMETRICS_STATE_DIR", "own"),
            ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"),
            ("XDG_STATE_HOME", "/xdg"),
            ("HOME", "/home/u"),
        ];
        let expected = ["own", "/var/lib/a", "/xdg/datametrics", "/home/u/.local/state/datametrics"];
        for (first, expected) in expected.into_iter().enumerate() {
            assert_eq!(dir(&all[first..]).as_deref(), Some(expected));
            let mut empty = all;
            empty[..first].iter_mut().for_each(|(_, value)| *value = "");
            assert_eq!(dir(&empty).as_deref(), Some(expected));
        }
        assert_eq!(dir(&[]), None);
        assert_eq!(dir(&[("XDG_STATE_HOME", "rel"), ("HOME", "/h")]).as_deref(), Some("/h/.local/state/datametrics"));
    }
}
