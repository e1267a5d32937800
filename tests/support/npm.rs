//! Node, and the packages of `tests/grafana-js`.

use super::skip;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Whether node and the packages are here; installs the packages where they are missing. If not, the test
/// is to be skipped; under `CI=true` this panics instead.
pub(crate) fn available() -> bool {
    static PROBLEM: OnceLock<Option<String>> = OnceLock::new();
    // Only the first test installs, and the others wait for it.
    PROBLEM.get_or_init(|| install().err()).as_ref().is_none_or(|problem| skip(problem))
}

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "grafana-js"].iter().collect()
}

fn install() -> Result<(), String> {
    for program in ["node", "npm"] {
        let version = Command::new(program).arg("--version").stdout(Stdio::null()).status();
        if !version.is_ok_and(|status| status.success()) {
            return Err(format!("no {program}: install the Debian packages nodejs and npm"));
        }
    }
    // The copy tells for which lock file the packages were installed.
    let read = |name: &str| fs::read_to_string(folder().join(name)).unwrap_or_default();
    if read("package-lock.json") == read("node_modules/.installed") {
        return Ok(());
    }
    let options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps", "--loglevel=error"];
    let output = Command::new("npm").args(options).current_dir(folder()).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("npm ci in tests/grafana-js failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    fs::write(folder().join("node_modules/.installed"), read("package-lock.json")).map_err(|error| error.to_string())
}

/// What a script of `tests/grafana-js` prints as its last line.
pub(crate) fn node(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("node");
    command.args(arguments).current_dir(folder()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "node {arguments:?}: {out}{err}");
    out.trim_end().lines().next_back().unwrap_or_default().to_owned()
}
