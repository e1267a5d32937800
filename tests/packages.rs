//! The Debian package with a stand-in for the program: installed, upgraded, removed and purged by dpkg in a
//! root folder of its own.

use crate::support;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// If this text changed, dpkg would ask everybody who has changed their config, with no one there to answer
/// where upgrades come by themselves.
const CONFIG: &str = r#"# The settings of datametrics.service, and of every user without a config of their own.
# /usr/share/doc/datametrics/examples/config.toml has every key, with its default and what it means.
# `datametrics check` says what is set, where, and whether it works.

[graphite]
#url = "https://graphite-prod-01-eu-west-0.grafana.net/graphite/metrics"
#user = "123456"
# The token is for /etc/datametrics/graphite_password, a file that only root can read.
"#;

/// What `systemctl enable` makes.
const ENABLED: &str = "etc/systemd/system/timers.target.wants/datametrics.timer";
const ENABLED_INSTANCE: &str = "etc/systemd/system/timers.target.wants/datametrics@cellar.timer";

/// What `.ci/dist` makes for the package.
const MADE: [&str; 7] = [
    "release/datametrics",
    "assets/datametrics.1",
    "assets/datametrics.bash",
    "assets/_datametrics",
    "assets/datametrics.fish",
    "assets/third-party-licences.txt",
    "assets/changelog",
];

/// Whether packages can be made and installed here.
fn can_package() -> bool {
    let starts = |program: &str| Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    (starts("cargo-deb") && starts("dpkg"))
        || support::skip("dpkg and cargo-deb are needed: cargo install --locked cargo-deb@3.8.0")
}

/// A folder with the sources, in which the package is made, and a root folder in which it is installed.
struct Packages {
    folder: tempfile::TempDir,
}

impl Packages {
    fn new() -> Self {
        let packages = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let sources = packages.path("sources");
        fs::create_dir_all(&sources).expect("a folder");
        for entry in fs::read_dir(env!("CARGO_MANIFEST_DIR")).expect("a folder") {
            let entry = entry.expect("an entry");
            if entry.file_name() != "target" {
                symlink(entry.path(), sources.join(entry.file_name())).expect("a link");
            }
        }
        for made in MADE {
            packages.write(&format!("sources/target/{made}"), "#!/bin/sh\n");
        }
        for folder in ["info", "updates"] {
            fs::create_dir_all(packages.path("root/var/lib/dpkg").join(folder)).expect("a folder");
        }
        packages.write("root/var/lib/dpkg/status", "");
        packages
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// Makes the package with this version, and returns its path.
    fn make(&self, version: &str) -> PathBuf {
        let package = self.path(&format!("{version}.deb"));
        let mut command = Command::new("cargo-deb");
        command.args(["--no-build", "--no-strip", "--fast", "--deb-version", version, "--output"]).arg(&package);
        command.env("CARGO_TARGET_DIR", self.path("sources/target")).current_dir(self.path("sources"));
        let output = command.output().expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        package
    }

    /// Runs dpkg in the root folder. There nobody can answer a question, and systemd does not seem to run.
    fn dpkg(&self, action: &str, argument: impl AsRef<Path>) {
        const SCRIPT: &str = r#"mount -t tmpfs none /run && exec dpkg --root="$0" --force-script-chrootless "$@""#;
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", SCRIPT]).arg(self.path("root")).arg(action).arg(argument.as_ref());
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C").stdin(Stdio::null());
        let output = command.output().expect("it starts");
        assert!(output.status.success(), "dpkg {action}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The files of the root folder that have the name of the program in their path, except for dpkg's.
    fn installed(&self) -> Vec<String> {
        let root = self.path("root");
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
                if entry.is_dir() && !entry.is_symlink() {
                    folders.push(entry.clone());
                }
                found.push(entry.strip_prefix(&root).expect("below").display().to_string());
            }
        }
        found.retain(|path| path.contains("datametrics") && !path.starts_with("var/lib/dpkg/"));
        found.sort();
        found
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path("root").join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

#[test]
fn config_of_the_package_is_as_in_every_version() {
    assert_eq!(include_str!("../.ci/debian/config.toml"), CONFIG);
    let output = support::Datametrics::new().config(CONFIG).args(["check", "--offline"]).run();
    assert!(!output.stderr.contains("config.toml"), "{output}");
}

#[test]
fn package_is_upgraded_without_a_question_and_purged_without_a_rest() {
    if !(can_package() && support::mount::can_mount()) {
        return;
    }
    let packages = Packages::new();
    packages.dpkg("--install", packages.make("1.0-1"));
    for path in [
        "usr/bin/datametrics",
        "usr/lib/systemd/system/datametrics.service",
        "usr/lib/systemd/system/datametrics.timer",
        "usr/lib/systemd/system/datametrics@.service",
        "usr/lib/systemd/system/datametrics@.timer",
        "usr/share/man/man1/datametrics.1.gz",
        "usr/share/doc/datametrics/changelog.Debian.gz",
        "usr/share/doc/datametrics/docs/INSTALL.md",
        "usr/share/doc/datametrics/examples/config.toml",
    ] {
        assert!(packages.installed().contains(&path.to_owned()), "{path}: {:#?}", packages.installed());
    }
    assert_eq!(packages.read("etc/datametrics/config.toml"), CONFIG);
    assert!(!packages.path("root").join(ENABLED).is_symlink(), "the timer is enabled");

    // What somebody sets up, and what runs of the service keep.
    packages.write("root/etc/datametrics/config.toml", "[graphite]\nuser = '1'\n");
    packages.write("root/etc/datametrics/graphite_password", "a-token");
    for folder in ["datametrics", "datametrics-cellar"] {
        packages.write(&format!("root/var/lib/private/{folder}/journal/1"), "");
        symlink(format!("private/{folder}"), packages.path("root/var/lib").join(folder)).expect("a link");
    }
    packages.write("root/etc/systemd/system/timers.target.wants/another.timer", "");
    for (unit, link) in [("datametrics.timer", ENABLED), ("datametrics@.timer", ENABLED_INSTANCE)] {
        symlink(format!("/usr/lib/systemd/system/{unit}"), packages.path("root").join(link)).expect("a link");
    }

    packages.dpkg("--install", packages.make("1.1-1"));
    assert_eq!(packages.read("etc/datametrics/config.toml"), "[graphite]\nuser = '1'\n");
    assert!(packages.path("root").join(ENABLED).is_symlink(), "the timer is enabled no more");

    packages.dpkg("--remove", "datametrics");
    let is_kept = |path: &String| path.starts_with("etc/") || path.starts_with("var/lib/");
    assert!(packages.installed().iter().all(is_kept), "{:#?}", packages.installed());
    assert_eq!(packages.read("etc/datametrics/graphite_password"), "a-token");
    for folder in ["datametrics", "datametrics-cellar"] {
        packages.read(&format!("var/lib/{folder}/journal/1"));
    }

    packages.dpkg("--purge", "datametrics");
    assert_eq!(packages.installed(), Vec::<String>::new());
}
