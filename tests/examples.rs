//! The files to copy: what they say must be what the program knows.

mod support;

use clap::Parser as _;
use datametrics::{Settings, cli::Cli};
use std::{collections::BTreeSet, fs, path::Path, process::Command};
use support::Datametrics;

const CONFIG: &str = include_str!("../examples/config.toml");

/// The config with the lines of settings taken out of their comments, those without a default only
/// where they are asked for.
fn uncommented(all: bool) -> String {
    let is_setting = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
    let bare = |line: &'static str| match line.strip_prefix('#').filter(is_setting) {
        Some(setting) if all || !setting.ends_with("# none") => setting,
        _ => line,
    };
    support::lines(CONFIG.lines().map(bare))
}

/// What the program says are the keys of a section: an unknown one makes it list them.
fn known_keys(section: &str) -> BTreeSet<String> {
    let output = Datametrics::new().config(&format!("[{section}]\n'?' = 1\n")).args(["all", "--dry-run"]).run();
    let (_, list) = output.stderr.trim().split_once("known: ").expect("a list of keys");
    list.split(", ").map(str::to_owned).collect()
}

#[test]
fn the_config_has_every_key() {
    let text = uncommented(true);
    for section in ["graphite", "journal", "crypto", "stocks"] {
        let (_, rest) = text.split_once(&format!("\n[{section}]\n")).expect("a section");
        let body = rest.split("\n[").next().unwrap_or_default();
        let key =
            |line: &str| line.split_once(" = ").filter(|(key, _)| !key.starts_with('#')).map(|(k, _)| k.to_owned());
        assert_eq!(body.lines().filter_map(key).collect::<BTreeSet<_>>(), known_keys(section), "[{section}]");
    }
}

#[test]
fn the_config_says_the_defaults() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let settings = |text: &str| {
        let file = home.path().join("config.toml");
        fs::write(&file, text).expect("a config file");
        let cli = Cli::parse_from(["datametrics", "all", "--dry-run", "--config", file.to_str().expect("UTF-8")]);
        let settings = Settings::read(&cli, &|_| None, std::io::empty()).expect("settings");
        // Only that makes a difference: a field that is named is missed.
        format!("{settings:#?}").replace("fields_are_named: true", "fields_are_named: false")
    };
    let defaults = settings("");
    assert_eq!(settings(CONFIG), defaults);
    assert_eq!(settings(&uncommented(false)), defaults);
}

#[test]
fn command_lines_are_ones_that_the_program_takes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for name in [
        "crontab.example",
        "examples/systemd/datametrics.service",
        "examples/heroku/heroku.yml",
        "examples/github/datametrics.yml",
        "examples/docker/Dockerfile",
    ] {
        let text = fs::read_to_string(root.join(name)).expect(name);
        for line in text.lines() {
            let Some((before, args)) = line.split_once("datametrics ") else { continue };
            let before = before.trim_start_matches('#').trim();
            let is_command = ["", "-", "- run:", "run:"].contains(&before)
                || [";", "/bin/", ":/state"].iter().any(|end| before.ends_with(end));
            if is_command {
                let words = std::iter::once("datametrics").chain(args.split_whitespace());
                assert!(Cli::try_parse_from(words).is_ok(), "{name}: {line}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 7, "{seen} command lines were found");
}

#[test]
fn the_crontab_has_variables_and_jobs_only() {
    let text = include_str!("../crontab.example");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let is_variable =
            line.split_once('=').is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
        let fields: Vec<&str> = line.split_whitespace().take(5).collect();
        let is_time = |field: &&str| field.bytes().all(|b| b.is_ascii_digit() || b"*-/,".contains(&b));
        assert!(is_variable || (fields.len() == 5 && fields.iter().all(is_time)), "{line}");
        assert!(!line.contains('%'), "cron ends the command at a percent sign: {line}");
    }
}

#[test]
fn systemd_takes_the_units() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        let missing = "systemd-analyze (of systemd) is needed to check the units";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        println!("skipped: {missing}");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/systemd");
    let units = ["datametrics.service", "datametrics.timer"].map(|name| {
        let text = fs::read_to_string(source.join(name)).expect(name);
        let unit = folder.path().join(name);
        // It is there to be started only where it is installed.
        fs::write(&unit, text.replace("/usr/bin/datametrics", env!("CARGO_BIN_EXE_datametrics"))).expect("a unit");
        unit
    });
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&units).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    // Units of the machine are looked at too.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("datametrics.")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}
