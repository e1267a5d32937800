//! Real programs between a run and its servers, from Debian's packages haproxy, tinyproxy-bin and
//! carbon-c-relay.

use super::{mount::can_mount, port, real_graphite::Process, skip, wait_until};
use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// The names that these programs know, as `/etc/hosts`. A run that has a proxy would not use it for
/// loopback itself.
const HOSTS: &str = "127.0.0.1 provider.test graphite.test\n";

/// A kind of program.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    Haproxy,
    Tinyproxy,
    Relay,
}

impl Program {
    /// Name and package.
    fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::Haproxy => ("haproxy", "haproxy"),
            Self::Tinyproxy => ("tinyproxy", "tinyproxy-bin"),
            Self::Relay => ("carbon-c-relay", "carbon-c-relay"),
        }
    }

    /// Whether it can be started here. If not, the test is to be skipped; under `CI=true` this panics
    /// instead.
    pub(crate) fn is_available(self) -> bool {
        let (name, package) = self.name();
        let output = self.command().arg("-v").output();
        let is_there = output.is_ok_and(|output| output.status.success());
        can_mount() && (is_there || skip(&format!("no {name}: install the Debian package {package}")))
    }

    fn command(self) -> Command {
        // Some of them are where only root looks.
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("env");
        command.arg(format!("PATH={path}:/usr/sbin:/sbin")).arg(self.name().0);
        command.stdin(Stdio::null());
        command
    }

    /// Its arguments: the file `config`, and to stay in the foreground.
    const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Haproxy => &["-db", "-f", "config"],
            Self::Tinyproxy => &["-d", "-c", "config"],
            // Without statistics of its own.
            Self::Relay => &["-s", "-f", "config"],
        }
    }
}

/// A program that listens on loopback, and ends when this is dropped.
pub(crate) struct Intermediary {
    pub(crate) port: u16,
    _process: Process,
    _folder: TempDir,
}

impl Intermediary {
    /// Starts it with what `config` returns for its port and for a folder of its own, and waits until it
    /// accepts connections.
    pub(crate) fn start(program: Program, config: impl FnOnce(u16, &Path) -> String) -> Self {
        Self::start_at(port::unused(), program, config)
    }

    /// The same at a port where another one was before.
    pub(crate) fn start_at(port: u16, program: Program, config: impl FnOnce(u16, &Path) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = |name: &str| folder.path().join(name);
        fs::write(file("config"), config(port, folder.path())).expect("a file");
        fs::write(file("hosts"), HOSTS).expect("a file");
        let log = File::create(file("log")).expect("a file");
        // The mount ends with the program. `exec` keeps the process id.
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", "mount --bind hosts /etc/hosts && exec \"$@\"", "sh"]);
        let inner = program.command();
        command.arg(inner.get_program()).args(inner.get_args()).args(program.arguments());
        command.current_dir(folder.path()).stdin(Stdio::null());
        let mut child = command.stdout(log.try_clone().expect("a handle")).stderr(log).spawn().expect("unshare starts");
        wait_until(&format!("{program:?} accepts connections"), || {
            let log = || fs::read_to_string(file("log")).unwrap_or_default();
            assert!(child.try_wait().expect("a child of ours").is_none(), "{program:?} ended: {}", log());
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        });
        Self { port, _process: Process(child), _folder: folder }
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}
