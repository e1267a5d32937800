//! A network that only the benchmark sees, by `unshare` of util-linux and `ip` of iproute2. Every port is free in
//! it, and names are asked of a server of the benchmark.

use super::folder::Folder;
use super::hosts::{self, Network};
use std::env;
use std::process::{Command, Stdio};

/// The variable inside that names the folder of the resolver's files.
pub(crate) const RESOLVER: &str = "BENCHMARK_RESOLVER";

/// Brings loopback up and runs the arguments. `$0` is the folder of the resolver's files. musl reads no nsswitch.conf.
const SCRIPT: &str = r#"ip link set lo up && mount --bind "$0/resolv.conf" /etc/resolv.conf || exit
if [ -e /etc/nsswitch.conf ]; then mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf || exit; fi
exec "$@""#;

/// Runs this program with arguments in a network of its own. Returns what it prints, if `stdout` is a pipe.
///
/// # Errors
/// If there is no such network here.
pub(crate) fn run(args: &[&str], network: Network, stdout: Stdio) -> Result<String, String> {
    let folder = Folder::new();
    hosts::write_resolver(network, &folder.0, "");
    let inside = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["-rmn", "sh", "-c", SCRIPT, &folder.path(""), program]).env(RESOLVER, &folder.0);
        command
    };
    let output = inside("true").output().map_err(|error| format!("unshare: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("there is no network of its own here (unshare -rmn, ip, mount): {}", said.trim()));
    }
    let this = env::current_exe().expect("the path of this program");
    let mut command = inside(this.to_str().expect("a path in UTF-8"));
    let output = command.args(args).stdout(stdout).stderr(Stdio::inherit()).output().expect("unshare starts");
    assert!(output.status.success(), "{args:?}: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
