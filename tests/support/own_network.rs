//! A network that only one test sees, by `unshare` of util-linux and `ip` of iproute2.

use super::{mount::can_mount, skip};
use std::process::Command;

/// Set in the process that is in the network.
const IS_INSIDE: &str = "DATAMETRICS_TEST_IS_IN_OWN_NETWORK";
/// Brings loopback up and runs the arguments.
const SCRIPT: &str = "ip link set lo up && exec \"$@\"";

/// Runs the test of this name once more, in a process with a network of its own, which has nothing but
/// loopback, and in which every port is free for it. Returns true in that process alone: there the test goes
/// on.
#[track_caller]
pub(crate) fn is_in_own_network(test: &str) -> bool {
    if is_inside() {
        return true;
    }
    run_in_own_network(test);
    false
}

/// Whether this process is in such a network.
pub(crate) fn is_inside() -> bool {
    std::env::var_os(IS_INSIDE).is_some()
}

/// Runs the test of this name in such a process, and returns what it prints. `None` if there is no such network here;
/// under `CI=true` this panics instead.
#[track_caller]
pub(crate) fn run_in_own_network(test: &str) -> Option<String> {
    let inside = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["-rmn", "sh", "-c", SCRIPT, "sh", program]);
        command
    };
    if !can_mount() || !inside("true").output().is_ok_and(|output| output.status.success()) {
        skip("no network of its own here: unshare (of util-linux), ip (of iproute2) and user namespaces are needed");
        return None;
    }
    let this = std::env::current_exe().expect("the path of this program");
    let mut command = inside(this.to_str().expect("a path in UTF-8"));
    let output = command.args(["--exact", test, "--nocapture"]).env(IS_INSIDE, "1").output().expect("unshare starts");
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    // Without a test of this name nothing fails either.
    assert!(output.status.success() && stdout.contains("1 passed"), "{test}:\n{stdout}\n{stderr}");
    Some(stdout.into_owned())
}
