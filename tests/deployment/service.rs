//! `sudo datametrics check` where the service of `examples/systemd` is installed: it has neither the password nor the state
//! directory of the service, and says the command that has both.

use crate::{
    messages::rendered::{DIRECTORY_OF_SERVICE, PASSWORD_OF_SERVICE},
    support::{Datametrics, Output, mount},
};
use std::fs;

const INGEST: &str = "[graphite]\nurl = 'https://h.invalid/metrics'\nuser = 'u'\n";
const CARBON: &str = "[graphite]\nurl = 'tcp://h.invalid'\n";
const UNIT: &str = "systemd/system/datametrics.service";
const PASSWORD: &str = "datametrics/graphite_password";

/// The output of a check by root on a machine with this config and these files in /etc.
fn check(config: &str, files: &[&str], run: Datametrics) -> Output {
    let run = run.args(["check", "--offline"]);
    fs::write(run.home().join("machine.toml"), config).expect("a config");
    let script = format!(
        "mount -t tmpfs none /etc && mkdir -p /etc/datametrics /etc/systemd/system && \
         cp machine.toml /etc/datametrics/config.toml && (cd /etc && touch . {}) && \"$@\"",
        files.join(" ")
    );
    run.normalise(&mount::run_script(&run, &script))
}

#[test]
fn missing_password_that_the_service_has_is_told_with_the_command_that_has_it() {
    if !mount::can_mount() {
        return;
    }
    let message = format!("error: {PASSWORD_OF_SERVICE}\n");
    let output = check(INGEST, &[PASSWORD, UNIT], Datametrics::new());
    assert_eq!((output.code, &output.stderr), (Some(78), &message));
    // Where there is no such file or no service, and in a service that lacks the credential.
    let (plain, _) = message.split_once("; /etc").expect("an advice");
    for (files, run) in [
        (&[UNIT][..], Datametrics::new()),
        (&[PASSWORD], Datametrics::new()),
        (&[PASSWORD, UNIT], Datametrics::new().env("CREDENTIALS_DIRECTORY", "/nowhere")),
    ] {
        assert_eq!(check(INGEST, files, run).stderr, format!("{plain}\n"));
    }
    // A config of another service of the same machine.
    let other = check(INGEST, &[PASSWORD, UNIT], Datametrics::new().config(INGEST));
    assert!(
        other.stderr.ends_with("set GRAPHITE_PASSWORD or GRAPHITE_PASSWORD_FILE, or password_file in [graphite]\n"),
        "{other}"
    );
}

#[test]
fn missing_secret_is_told_with_the_command_that_has_all_that_the_service_has() {
    if !mount::can_mount() {
        return;
    }
    let own = "[providers.own]\nbase_url = 'https://own.invalid'\nheaders = { A = '{secret?:OWN_KEY:base64} {secret:OWN_TOKEN}' }\n\
               [[providers.own.quote]]\npath = '/{symbols}'\nfields = { last = '/last' }\n";
    let config =
        format!("{CARBON}[mirrors.in-cellar]\nurl = 'tcp://m.invalid'\n[stocks]\nproviders = ['finnhub']\n{own}");
    let names =
        ["datametrics_mirror_in_cellar_password", "finnhub_api_key", "graphite_password", "own_key", "own_token"];
    // What belongs to other services is not loaded.
    let others = ["home_graphite_password", "datametrics_mirror_attic_password", "home.toml", "own"];
    let files: Vec<String> = names.iter().chain(&others).map(|name| format!("datametrics/{name}")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).chain([UNIT]).collect();
    let output = check(&config, &files, Datametrics::new());
    let loads = names.map(|name| format!(" -p LoadCredential={name}:/etc/datametrics/{name}")).concat();
    for begin in ["FAILED  finnhub: ", "ok      state directory: "] {
        let line = output.stdout.lines().find(|line| line.starts_with(begin)).expect("a finding");
        assert!(line.ends_with(&format!("-p StateDirectory=datametrics{loads} datametrics check`")), "{line}");
    }
}

#[test]
fn other_state_directory_than_that_of_the_service_is_told() {
    if !mount::can_mount() {
        return;
    }
    let told = format!("ok      {DIRECTORY_OF_SERVICE}\n");
    let output = check(CARBON, &[UNIT], Datametrics::new());
    assert!(output.stdout.contains(&told), "{output}");
    for (files, run) in [
        (&[][..], Datametrics::new()),
        (&[UNIT], Datametrics::new().env("STATE_DIRECTORY", "state")),
        (&[UNIT], Datametrics::new().config(CARBON)),
    ] {
        let output = check(CARBON, files, run);
        assert!(output.stdout.contains("can be written; 0 points in the journal\n"), "{output}");
    }
}

/// What the command sets is what the unit sets.
#[test]
fn command_that_checks_as_the_service_has_the_settings_of_the_unit() {
    let unit = include_str!("../../examples/systemd/datametrics.service");
    let (_, command) = PASSWORD_OF_SERVICE.split_once('`').expect("a command");
    let properties: Vec<&str> = command.split(" -p ").skip(1).filter_map(|rest| rest.split(' ').next()).collect();
    assert_eq!(properties.len(), 4);
    for property in properties {
        // Units of one dynamic user share what belongs to it. That of the service has its name.
        assert!(property == "User=datametrics" || unit.lines().any(|line| line == property), "{property}");
    }
}
