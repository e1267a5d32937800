//! A run on a file system without locks. Hardly a machine has one, so the run takes place in the test itself.

use crate::support::{Datametrics, log_capture::Messages};
use datametrics::{
    Cli, Context, DirEntry, Disk, Document, HttpClient, LockGuard, NewFile, Outcome, Random, Settings, SystemDialer,
    SystemDisk,
};
use log::{Level, LevelFilter};
use std::{
    fs,
    io::{self, Read},
    path::Path,
};

/// The disk of this machine, with this error in the place of a lock.
struct WithoutLocks(i32);

impl Disk for WithoutLocks {
    fn try_lock(&self, _: &Path) -> io::Result<Option<Box<dyn LockGuard>>> {
        Err(io::Error::from_raw_os_error(self.0))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        SystemDisk.create_dir(path)
    }

    fn is_dir(&self, path: &Path) -> bool {
        SystemDisk.is_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        SystemDisk.list(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        SystemDisk.create_new(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        SystemDisk.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        SystemDisk.sync_dir(path)
    }
}

/// The same run where every lock is this error: what came of it, and what it said.
pub(super) fn run_without_locks(run: &Datametrics, error: i32) -> (Outcome, Vec<(Level, String)>) {
    let command = run.command();
    let args = command.get_args().map(|arg| arg.to_str().expect("UTF-8").to_owned());
    let cli = Cli::from_args(["datametrics".to_owned()].into_iter().chain(args)).expect("a command line");
    let env =
        |name: &str| command.get_envs().filter(|(key, _)| *key == name).find_map(|(_, value)| value.map(Into::into));
    let config = fs::read_to_string(run.home().join("config.toml")).expect("a config file");
    let document = Document::new("config.toml", &config);
    let settings = Settings::from_config(&cli, &env, &document, io::empty()).expect("good settings");
    let (dialer, random) = (SystemDialer::default(), Random::seeded(1));
    let client = HttpClient::new(settings.network(), &dialer);
    let context = Context { disk: &WithoutLocks(error), ..Context::system(&client, &dialer, &random) };
    let messages = Messages::new(LevelFilter::Warn);
    messages.capture();
    let outcome = datametrics::run(&settings, context, &mut Vec::new());
    (outcome, messages.take())
}
