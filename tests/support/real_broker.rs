//! A real RabbitMQ on loopback, from Debian's package rabbitmq-server, with the user `guest` and no exchange of
//! Graphite until a Carbon makes it.

use super::{TIMEOUT, port, real_graphite, real_graphite::Process, skip, wait_until};
use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// Where Debian keeps the programs as they come from RabbitMQ. Those in `PATH` want to be started by root.
const LIBRARY: &str = "/usr/lib/rabbitmq/lib";

/// Whether a RabbitMQ can be started here, with a real Graphite whose Carbon reads from it. If not, the test is to be
/// skipped; under `CI=true` this panics instead.
pub(crate) fn available() -> bool {
    if server().is_none() {
        return skip("no real broker: install the Debian package rabbitmq-server");
    }
    let has_client = Command::new(real_graphite::PYTHON).args(["-c", "import txamqp"]).stderr(Stdio::null()).status();
    if !has_client.is_ok_and(|status| status.success()) {
        return skip("Carbon cannot read from a broker: install txAMQP as .ci/install does");
    }
    real_graphite::available()
}

fn server() -> Option<PathBuf> {
    let versions = fs::read_dir(LIBRARY).ok()?.flatten();
    versions.map(|version| version.path().join("sbin/rabbitmq-server")).find(|server| server.exists())
}

/// A RabbitMQ that ends when this is dropped.
pub(crate) struct RealBroker {
    /// Its port.
    pub(crate) port: u16,
    /// The port of the process that tells Erlang's nodes where the others are.
    names: u16,
    process: Option<Process>,
    folder: TempDir,
}

impl RealBroker {
    /// Starts it and waits until it accepts connections, which takes some seconds.
    pub(crate) fn start() -> Self {
        let [port, names, nodes] = [(); 3].map(|()| port::unused());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        fs::write(root.join("rabbitmq.conf"), format!("listeners.tcp.default = 127.0.0.1:{port}\n")).expect("a file");
        fs::write(root.join("plugins"), "[].\n").expect("a file");
        let log = File::create(root.join("out")).expect("a file");
        let mut command = Command::new(server().expect("available() was asked"));
        command
            .env("HOME", root)
            .env("RABBITMQ_NODENAME", format!("datametrics{port}@localhost"))
            .env("RABBITMQ_CONFIG_FILE", root.join("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", root.join("none"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", root.join("plugins"))
            .env("RABBITMQ_MNESIA_BASE", root.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", root.join("log"))
            .env("RABBITMQ_DIST_PORT", nodes.to_string())
            .env("ERL_EPMD_PORT", names.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            // It stays one process, which a kill ends.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        let process = Process(command.spawn().expect("RabbitMQ starts"));
        let mut broker = Self { port, names, process: Some(process), folder };
        broker.wait();
        broker
    }

    fn wait(&mut self) {
        let begun = std::time::Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let log = || fs::read_to_string(self.folder.path().join("out")).unwrap_or_default();
            let ended =
                self.process.as_mut().is_some_and(|process| process.0.try_wait().is_ok_and(|end| end.is_some()));
            assert!(!ended && begun.elapsed() < TIMEOUT, "no broker:\n{}", log());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// A URL of it: `user` ends in `@` or is empty, `rest` begins with `/` or `?`.
    pub(crate) fn url(&self, user: &str, rest: &str) -> String {
        format!("amqp://{user}127.0.0.1:{}{rest}", self.port)
    }
}

impl Drop for RealBroker {
    fn drop(&mut self) {
        drop(self.process.take());
        // It was started by RabbitMQ and goes on without it. It ends only when no node is left.
        let end = || {
            let mut command = Command::new("epmd");
            command.args(["-port", &self.names.to_string(), "-kill"]).stdout(Stdio::null()).stderr(Stdio::null());
            let _ = command.env("ERL_EPMD_ADDRESS", "127.0.0.1").status();
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.names)).is_err()
        };
        wait_until("the end of epmd", end);
    }
}
