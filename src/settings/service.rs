//! The service of systemd (`examples/systemd`) is given secrets and a state directory that a shell does not have. So
//! `sudo datametrics check` sees something else than the service, and says how to see the same.

use super::recorder::RecordedSetting;
use crate::config::{Origin, Section};
use crate::delivery::DestinationName;
use crate::provider::{built_in, built_in_names};
use std::path::Path;

/// The config file of the machine, which is that of the service.
pub(super) const CONFIG: &str = "/etc/datametrics/config.toml";

/// Where the service's credentials come from, each in a file that is called as its variable in lower case.
const CREDENTIALS: &str = "/etc/datametrics";

/// The service's state directory.
const STATE_DIR: &str = "/var/lib/datametrics";

/// Where its unit may be: that of the Debian package, or a copy.
const UNITS: [&str; 2] = ["/usr/lib/systemd/system/datametrics.service", "/etc/systemd/system/datametrics.service"];

/// What follows the message about a missing secret where the service has it: a file that root alone can read.
pub(super) fn secret_advice(variable: &str, config: &Section<'_>) -> String {
    let name = variable.to_lowercase();
    if !is_of_service(config) || !Path::new(CREDENTIALS).join(&name).exists() {
        return String::new();
    }
    format!("; {CREDENTIALS}/{name} is for datametrics.service: to check as it runs, {}", check_command(config))
}

/// What follows the state directory in a check that has the config of the service, and not its directory.
pub(super) fn state_dir_advice(recorded: &[RecordedSetting], config: &Section<'_>) -> String {
    let directory = recorded.iter().find(|setting| setting.name == "DATAMETRICS_STATE_DIR");
    let is_of_user = directory.is_some_and(
        |directory| matches!(&directory.origin, Origin::Variable(name) if name == "HOME" || name == "XDG_STATE_HOME"),
    );
    if !is_of_user || !is_of_service(config) {
        return String::new();
    }
    format!("; datametrics.service has its own, {STATE_DIR}: to check as it runs, {}", check_command(config))
}

/// Whether there is a service, and this is its config.
fn is_of_service(config: &Section<'_>) -> bool {
    let is_its_config = matches!(config.origin(), Origin::Line { file, .. } if file == CONFIG);
    is_its_config && UNITS.iter().any(|unit| Path::new(unit).exists())
}

/// The command of a check that has user, state directory and credentials of the service.
fn check_command(config: &Section<'_>) -> String {
    let load = |name: String| format!(" -p LoadCredential={name}:{CREDENTIALS}/{name}");
    let credentials: String = credentials(config).into_iter().map(load).collect();
    format!(
        "`sudo systemd-run --pipe --wait --collect -p DynamicUser=yes -p User=datametrics -p StateDirectory=datametrics\
         {credentials} datametrics check`"
    )
}

/// The credentials that are there, sorted. Other files may be those of other services.
fn credentials(config: &Section<'_>) -> Vec<String> {
    let files = Path::new(CREDENTIALS).read_dir().into_iter().flatten().flatten();
    let names = files.filter_map(|file| file.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| is_credential(name, config)).collect();
    names.sort_unstable();
    names
}

/// Whether a file of this name holds the value of a variable that is a secret with this config.
fn is_credential(name: &str, config: &Section<'_>) -> bool {
    let is_of = |variable: &str| variable.to_lowercase() == name;
    let is_in = |text: &str| {
        let placeholders =
            text.split("{secret").skip(1).filter_map(|rest| rest.trim_start_matches('?').strip_prefix(':'));
        placeholders.filter_map(|rest| rest.split([':', '}']).next()).any(is_of)
    };
    let mirrors = config.section("mirrors").and_then(|mirrors| mirrors.sections()).unwrap_or_default();
    let mirrors = mirrors.into_iter().map(|(name, _)| DestinationName::Mirror(name));
    is_of("DATAMETRICS_PING_URL")
        || std::iter::once(DestinationName::First).chain(mirrors).any(|to| is_of(&to.password_variable()))
        || built_in_names().filter_map(built_in).any(is_in)
        || config.texts().any(is_in)
}
