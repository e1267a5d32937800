//! File systems and files that only one run sees, by `unshare` of util-linux.

use super::{Datametrics, Output, skip};
use std::process::{Command, Stdio};

/// Whether a test can mount something that only a run sees. If not, the test is to be skipped; under
/// `CI=true` this panics instead.
pub(crate) fn can_mount() -> bool {
    let mut command = Command::new("unshare");
    command.args(["-rm", "mount", "-t", "tmpfs", "none", "/tmp"]).stdout(Stdio::null()).stderr(Stdio::null());
    let can = command.status().is_ok_and(|status| status.success());
    can || skip("nothing can be mounted here: unshare (of util-linux) and user namespaces are needed")
}

/// Runs a shell script in the home of a run, with the command line of the run as its arguments. What the
/// script mounts is gone when it ends.
pub(crate) fn run_script(run: &Datametrics, script: &str) -> Output {
    let inner = run.command();
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script, "sh"]).arg(inner.get_program()).args(inner.get_args());
    command.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.current_dir(run.home()).stdin(Stdio::null()).output().expect("unshare starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Output { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code() }
}
