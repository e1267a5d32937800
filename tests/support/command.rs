//! The built program in a clean environment: no variable, no file and no terminal of this machine reaches it.

use super::{
    Broker, Carbon, Ingest, Server, TIMEOUT, graphite,
    journal_format::DestinationId,
    normalise::{Normaliser, times},
};
use snapbox::{Assert, Data, IntoData};
use std::{
    ffi::{OsStr, OsString},
    fs::{self, OpenOptions},
    io::{Read, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tempfile::TempDir;

/// A run of the program and its expected output.
///
/// A clone has the same home, so that one run finds what another left there.
#[derive(Clone)]
pub(crate) struct Datametrics {
    program: OsString,
    /// The program that starts it, with its arguments.
    starter: Vec<OsString>,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    stdin: Option<Vec<u8>>,
    home: Arc<TempDir>,
    /// Files in its home that it sees in `/etc`.
    etc: Vec<String>,
    timeout: Duration,
    normaliser: Normaliser,
    expected: Option<Expected>,
}

/// What a test does not state is expected to be empty, or 0.
#[derive(Clone, Default)]
struct Expected {
    stdout: Data,
    stderr: Data,
    code: i32,
}

/// Output and exit code of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
}

impl Datametrics {
    /// The program without arguments, in a new and empty home that is also its working directory.
    pub(crate) fn new() -> Self {
        Self::program(env!("CARGO_BIN_EXE_datametrics"))
    }

    /// Another program under the same conditions, for tests of this harness.
    pub(crate) fn program(program: impl Into<OsString>) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let mut normaliser = Normaliser::default();
        normaliser.hide(home.path().to_str().expect("a path in UTF-8"), "<home>");
        Self {
            program: program.into(),
            starter: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            stdin: None,
            home: Arc::new(home),
            etc: Vec::new(),
            timeout: TIMEOUT,
            normaliser,
            expected: None,
        }
    }

    /// Adds arguments.
    pub(crate) fn args<I: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = I>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the standard input, which is null otherwise.
    pub(crate) fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// Writes `config.toml` into the home, with permissions for the owner only, and passes it.
    pub(crate) fn config(self, text: &str) -> Self {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options
            .open(self.home().join("config.toml"))
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .expect("a config file");
        self.args(["--config", "config.toml"])
    }

    /// Shows the program these lines as `/etc/hosts`. Check [`super::mount::can_mount`] first.
    pub(crate) fn hosts(self, lines: &str) -> Self {
        self.etc("hosts", lines)
    }

    /// Shows the program this text as a file of `/etc`. Check [`super::mount::can_mount`] first.
    pub(crate) fn etc(mut self, name: &str, text: &str) -> Self {
        fs::write(self.home().join(name), text).expect("a file");
        self.etc.push(name.to_owned());
        self
    }

    /// Starts it by another program, which gets the program and its arguments after these words.
    pub(crate) fn started_by<I: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = I>) -> Self {
        self.starter.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Its home and working directory, which is removed with the last clone.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Its default state directory.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.home().join(".local/state/datametrics")
    }

    /// The place in a folder of its state for the runs to its Graphite. `names` are those around the hash.
    pub(crate) fn state_file(&self, folder: &str, names: (&str, &str)) -> PathBuf {
        let url = self.env.iter().rfind(|(name, _)| name == "GRAPHITE_URL").expect("a Graphite");
        // The hash of what stands in the names of its files in the journal.
        let destination = DestinationId::of(url.1.to_str().expect("a URL")).hash;
        let hash = DestinationId::of(&destination).hash;
        self.state_dir().join(folder).join(format!("{}-{hash}{}", names.0, names.1))
    }

    /// Sends a provider's requests to `server`. Checked output shows the address as the upper-cased name.
    pub(crate) fn provider(self, name: &str, server: &Server) -> Self {
        let node = name.replace('-', "_").to_uppercase();
        self.env(format!("DATAMETRICS_{node}_BASE_URL"), server.url()).hide(server.address().to_string(), &node)
    }

    /// Sends the points to `ingest`. Checked output shows the address as `GRAPHITE`.
    pub(crate) fn graphite(self, ingest: &Ingest) -> Self {
        self.env("GRAPHITE_URL", ingest.url())
            .env("GRAPHITE_USER", graphite::USER)
            .env("GRAPHITE_PASSWORD", graphite::PASSWORD)
            .hide(ingest.server().address().to_string(), "GRAPHITE")
    }

    /// Sends the points to `carbon` as plaintext. Checked output shows the address as `CARBON`.
    pub(crate) fn carbon(self, carbon: &Carbon) -> Self {
        self.env("GRAPHITE_URL", carbon.url()).hide(carbon.authority(), "CARBON")
    }

    /// Sends the points to `broker`. Checked output shows the address as `BROKER`.
    pub(crate) fn broker(self, broker: &Broker) -> Self {
        self.env("GRAPHITE_URL", broker.url()).hide(broker.authority(), "BROKER")
    }

    /// Makes [`Self::check`] see `word` instead of `text`.
    pub(crate) fn hide(mut self, text: impl Into<String>, word: &str) -> Self {
        self.normaliser.hide(text, word);
        self
    }

    /// Sets the time after which the run is killed and the test fails.
    pub(crate) fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Expects this standard output, in snapbox's notation (`[..]`, a line of `...`).
    pub(crate) fn stdout(mut self, text: impl IntoData) -> Self {
        self.expected().stdout = text.into_data();
        self
    }

    /// Expects this standard error, with `<time>` for every duration.
    pub(crate) fn stderr(mut self, text: impl IntoData) -> Self {
        self.expected().stderr = text.into_data();
        self
    }

    /// Expects this exit code.
    pub(crate) fn exit(mut self, code: i32) -> Self {
        self.expected().code = code;
        self
    }

    fn expected(&mut self) -> &mut Expected {
        self.expected.get_or_insert_default()
    }

    /// Runs it and compares output and exit code with what is expected.
    #[track_caller]
    pub(crate) fn check(mut self) -> Output {
        let expected = self.expected.take().unwrap_or_default();
        let output = self.run();
        let printed = format!("{output}");
        // Data may hold backslashes, which are not paths here.
        let assert = Assert::new().action_env("SNAPSHOTS").normalize_paths(false);
        let shown = self.normalise(&output);
        assert.eq(shown.stderr, expected.stderr);
        assert.eq(shown.stdout, expected.stdout);
        assert_eq!(output.code, Some(expected.code), "the exit code of\n{printed}");
        output
    }

    /// The output without the parts that differ from run to run, as [`Self::check`] sees it.
    pub(crate) fn normalise(&self, output: &Output) -> Output {
        let stderr = times(&self.normaliser.apply(&output.stderr));
        Output { stderr, stdout: self.normaliser.apply(&output.stdout), code: output.code }
    }

    /// Runs it.
    ///
    /// # Panics
    /// When an expectation was stated, which only [`Self::check`] compares, and when the run does not end.
    #[track_caller]
    pub(crate) fn run(&self) -> Output {
        self.spawn().wait()
    }

    /// Starts it without waiting.
    #[track_caller]
    pub(crate) fn spawn(&self) -> Running {
        assert!(self.expected.is_none(), "what is expected is for `check`");
        let mut child = self.command().spawn().expect("the program starts");
        if let Some(text) = self.stdin.clone() {
            let mut stdin = child.stdin.take().expect("a pipe");
            // In a thread, as the program may print before it reads; it may also end without
            // reading.
            thread::spawn(move || stdin.write_all(&text));
        }
        Running { printed: Some(Printed::by(&mut child)), child, timeout: self.timeout, _home: Arc::clone(&self.home) }
    }

    /// The command itself, for tests that change it.
    pub(crate) fn command(&self) -> Command {
        // The mounts end with the program. `exec` keeps the process id.
        let mounts: Vec<_> = self.etc.iter().map(|name| format!("mount --bind {name} /etc/{name}")).collect();
        let script = format!("{} && exec \"$@\"", mounts.join(" && "));
        let mount = ["unshare", "-rm", "sh", "-c", &script, "sh"].into_iter().filter(|_| !self.etc.is_empty());
        let mut words = mount.map(OsStr::new).chain(self.starter.iter().map(OsStr::new)).chain([&*self.program]);
        let mut command = Command::new(words.next().expect("a program"));
        command
            .args(words)
            .args(&self.args)
            .env_clear()
            .env("HOME", self.home())
            .current_dir(self.home())
            .stdin(self.stdin.as_ref().map_or_else(Stdio::null, |_| Stdio::piped()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stdout, stderr, code } = self;
        write!(f, "exit code {code:?}\n--- stdout\n{stdout}--- stderr\n{stderr}---")
    }
}

/// A run that may still be going on. Dropping it kills the run.
pub(crate) struct Running {
    pub(crate) child: Child,
    printed: Option<Printed>,
    timeout: Duration,
    /// Keeps the home as long as the program may use it.
    _home: Arc<TempDir>,
}

impl Running {
    /// Kills it with SIGKILL.
    pub(crate) fn kill(mut self) -> Output {
        self.child.kill().expect("a child of ours");
        self.wait()
    }

    /// Its peak memory so far in KiB, where the system provides it. The run must be blocked by something,
    /// such as a reply behind a latch: a process that ended has no memory to read.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time: it is killed then.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Output {
        let printed = self.printed.take().expect("nobody else takes it");
        let stuck = !printed.is_complete_within(self.timeout);
        if stuck {
            self.child.kill().expect("a child of ours");
        }
        let status = self.child.wait().expect("a child of ours");
        let output = printed.with(status);
        assert!(!stuck, "killed after {:?}: {output}", self.timeout);
        output
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The output of a program, read by threads from the start, so that no full pipe blocks it.
struct Printed {
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<Vec<u8>>,
    /// Disconnected when both streams have ended; nothing is ever sent.
    ends: Receiver<()>,
}

impl Printed {
    fn by(child: &mut Child) -> Self {
        let (reading, ends) = mpsc::channel();
        Self {
            stdout: read(child.stdout.take().expect("a pipe"), reading.clone()),
            stderr: read(child.stderr.take().expect("a pipe"), reading),
            ends,
        }
    }

    fn is_complete_within(&self, limit: Duration) -> bool {
        self.ends.recv_timeout(limit) == Err(RecvTimeoutError::Disconnected)
    }

    fn with(self, status: ExitStatus) -> Output {
        let text = |reader: JoinHandle<Vec<u8>>| String::from_utf8(reader.join().expect("a reader")).expect("UTF-8");
        Output { stdout: text(self.stdout), stderr: text(self.stderr), code: status.code() }
    }
}

fn read(mut pipe: impl Read + Send + 'static, reading: Sender<()>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut printed = Vec::new();
        pipe.read_to_end(&mut printed).expect("a pipe to read from");
        drop(reading);
        printed
    })
}
