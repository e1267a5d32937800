//! The units in `examples/systemd`: what systemd says of them, and that a run has enough within their limits.

use crate::support::{
    self, Datametrics, Dialect, Ingest, Reply, Server,
    limit::{can_limit, with_threads},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

/// The files, and the names by which systemd is asked about them. Of a template it is asked for an instance.
const UNITS: [(&str, &str); 4] = [
    ("datametrics.service", "datametrics.service"),
    ("datametrics.timer", "datametrics.timer"),
    ("datametrics@.service", "datametrics@home.service"),
    ("datametrics@.timer", "datametrics@home.timer"),
];

/// What differs between datametrics.service and its template, beside the comments.
const OF_INSTANCE: [(&str, &str); 4] = [
    ("and push them to Graphite, once", "and push them to Graphite, once, by %i.toml"),
    ("ExecStart=datametrics all", "ExecStart=datametrics all --config /etc/datametrics/%i.toml"),
    ("/etc/datametrics/graphite_password", "/etc/datametrics/%i_graphite_password"),
    ("StateDirectory=datametrics", "StateDirectory=datametrics-%i"),
];

fn text(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/systemd").join(file)).expect(file)
}

/// The settings of a unit, without comments.
fn settings(file: &str) -> Vec<String> {
    text(file).lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// The value of a setting of the service.
fn setting(name: &str) -> String {
    let settings = settings("datametrics.service");
    let value = settings.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("{name} is not set")).to_owned()
}

/// The units in a folder of their own, with the built program, as systemd requires that it is there. `None` if there is
/// no systemd.
fn units() -> Option<TempDir> {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        support::skip("systemd-analyze (of systemd) is needed to check the units");
        return None;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (file, _) in UNITS {
        let text = text(file).replace("=datametrics all", concat!("=", env!("CARGO_BIN_EXE_datametrics"), " all"));
        fs::write(folder.path().join(file), text).expect("a unit");
    }
    Some(folder)
}

fn analyze(arguments: &[&str], units: &[PathBuf]) -> Output {
    Command::new("systemd-analyze").args(arguments).args(units).output().expect("it starts")
}

#[test]
fn every_unit_is_known_to_these_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/systemd");
    let mut files: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("a file").file_name().into_string().expect("UTF-8"))
        .collect();
    files.sort();
    assert_eq!(files, UNITS.map(|(file, _)| file));
}

#[test]
fn systemd_accepts_the_example_units() {
    let Some(folder) = units() else { return };
    let output = analyze(&["verify", "--man=no"], &UNITS.map(|(_, name)| folder.path().join(name)));
    let message = String::from_utf8_lossy(&output.stderr);
    // systemd also reports about the units of this machine.
    let ours: Vec<&str> = message.lines().filter(|line| line.contains("datametrics")).collect();
    assert!(output.status.success() && ours.is_empty(), "{message}");
}

/// The exposure that docs/OPERATIONS.md names is 1.2; other versions of systemd count a little differently.
#[test]
fn systemd_finds_the_services_well_protected() {
    let Some(folder) = units() else { return };
    for (_, name) in UNITS.iter().filter(|(file, _)| file.ends_with(".service")) {
        let output = analyze(&["security", "--offline=true", "--threshold=15"], &[folder.path().join(name)]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn a_template_unit_differs_from_the_single_one_by_its_instance_alone() {
    for (single, template) in
        [("datametrics.service", "datametrics@.service"), ("datametrics.timer", "datametrics@.timer")]
    {
        let of_instance = |line: String| {
            let change = OF_INSTANCE.iter().find(|(end, _)| line.ends_with(end));
            change.map_or(line.clone(), |(end, new)| line.replace(end, new))
        };
        let expected: Vec<String> = settings(single).into_iter().map(of_instance).collect();
        let expected = expected.join("\n").replace("every minute\n", "every minute, by %i.toml\n");
        assert_eq!(settings(template).join("\n"), expected, "{template}");
    }
}

/// Ten feeds of which each asks as much as it may at a time. They need no names, so the threads that connect while names
/// are looked up are not among them.
#[test]
fn limits_of_the_service_are_enough_for_a_run() {
    let megabytes: u32 = setting("MemoryMax").trim_end_matches('M').parse().expect("a number of megabytes");
    // Of replies, and of a list of 100,000 symbols with five fields.
    assert!(megabytes > 64 + 58, "{megabytes}");
    assert_eq!(setting("LimitCORE"), "0");
    if !can_limit() {
        return;
    }
    let tasks = setting("TasksMax").parse().expect("a number");
    let server = Server::with(|_| Reply::json(r#"{"last":5}"#));
    let ingest = Ingest::start(Dialect::WriteProxy);
    let names: Vec<String> = (0..10).map(|index| format!("f{index}")).collect();
    let feed = |name: &String| {
        format!(
            "[feeds.{name}]\nproviders = ['{name}']\nsymbols = ['a', 'b', 'c', 'd', 'e', 'f']\nfields = ['last']\n\
             [providers.{name}]\nmarket = 'other'\nbase_url = '{}'\n\
             quote = [{{ path = '/{{symbol}}', fields = {{ last = '/last' }} }}]\n",
            server.url()
        )
    };
    let feeds = names.iter().flat_map(|name| ["--feed".to_owned(), name.clone()]);
    let run = Datametrics::new().config(&names.iter().map(feed).collect::<String>()).graphite(&ingest);
    let run = run.args(feeds.collect::<Vec<_>>());
    let output = with_threads(run, tasks).run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
}
