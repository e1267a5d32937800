//! Limits of the machine for one run, by `prlimit` and `setpriv` of util-linux; and pipes in the place of files.

use super::{Datametrics, skip};
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// Whether limits can be set here. If not, the test is to be skipped; under `CI=true` this panics instead.
pub(crate) fn can_limit() -> bool {
    let can = |program: &str| {
        let mut command = Command::new(program);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    (can("prlimit") && can("setpriv"))
        || skip("no limits can be set here: prlimit and setpriv (of util-linux) are needed")
}

/// Makes a pipe, and the folder for it. Until somebody writes into it, it keeps a reader waiting.
pub(crate) fn make_pipe(path: &Path) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo starts").success());
}

/// A run that may have so many open files, the standard streams among them.
pub(crate) fn with_open_files(run: Datametrics, count: u32) -> Datametrics {
    // Those that the test has from whoever started it would count too.
    let script = "exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-; exec \"$0\" \"$@\"";
    run.started_by(["sh", "-c", script, "prlimit", &format!("--nofile={count}")])
}

/// A run that may write so many bytes into a file.
pub(crate) fn with_file_size(run: Datametrics, bytes: u32) -> Datametrics {
    run.started_by(["prlimit", &format!("--fsize={bytes}")])
}

/// A run that may have so many threads. The limit holds for all processes of a user, and not for root.
pub(crate) fn with_threads(run: Datametrics, count: u32) -> Datametrics {
    as_other_user(run, &["prlimit", &format!("--nproc={count}")])
}

/// If the test is root, for whom many limits do not hold, the run gets a user of its own, and with it its home with
/// all that is there, and a copy of the program. It is started by these words.
pub(crate) fn as_other_user(run: Datametrics, words: &[&str]) -> Datametrics {
    static USERS: AtomicU32 = AtomicU32::new(61_000);
    if fs::metadata("/proc/self").expect("a process").uid() != 0 {
        return run.started_by(words);
    }
    let user = USERS.fetch_add(1, Ordering::Relaxed);
    let copy = run.home().join("datametrics");
    // By a process of its own: a program cannot be started while a file is open to write it, and a test that
    // starts another process at this moment hands that on.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_datametrics")).arg(&copy).status();
    assert!(copied.is_ok_and(|status| status.success()), "a copy of the program");
    let owned = Command::new("chown").args(["-R", &format!("{user}:{user}")]).arg(run.home()).status();
    assert!(owned.is_ok_and(|status| status.success()), "a change of the owner");
    let (uid, gid) = (format!("--reuid={user}"), format!("--regid={user}"));
    let script = "exec ./datametrics \"$@\"";
    let user = ["setpriv", &uid, &gid, "--clear-groups"];
    run.started_by(user.into_iter().chain(words.iter().copied()).chain(["sh", "-c", script]))
}
