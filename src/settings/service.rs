//! The service of systemd (`examples/systemd`) is given secrets and a state directory that a shell does not have. So
//! `sudo datametrics check` sees something else than the service, and says how to see the same.

use super::config_file;
use super::recorder::RecordedSetting;
use crate::config::Origin;
use std::path::Path;

/// Where the service's credentials come from, each in a file that is called as its variable in lower case.
const CREDENTIALS: &str = "/etc/datametrics";

/// The service's state directory.
const STATE_DIR: &str = "/var/lib/datametrics";

/// Where its unit may be: that of the Debian package, or a copy.
const UNITS: [&str; 2] = ["/usr/lib/systemd/system/datametrics.service", "/etc/systemd/system/datametrics.service"];

/// What follows the message about a missing secret where the service has it: a file that root alone can read.
pub(super) fn secret_advice(variable: &str) -> String {
    let name = variable.to_lowercase();
    if !is_credential(&name) {
        return String::new();
    }
    format!("; {CREDENTIALS}/{name} is for datametrics.service: to check as it runs, {}", check_command(&name))
}

/// What follows the state directory in a check that has the config of the machine, and not the service's directory.
pub(crate) fn state_dir_advice(recorded: &[RecordedSetting]) -> String {
    let find = |name: &str| recorded.iter().find(|setting| setting.name == name);
    let has_config = find("--config").is_some_and(|config| config.value == config_file::OF_MACHINE);
    let is_of_user = find("DATAMETRICS_STATE_DIR").is_some_and(
        |directory| matches!(&directory.origin, Origin::Variable(name) if name == "HOME" || name == "XDG_STATE_HOME"),
    );
    if !(has_config && is_of_user && UNITS.iter().any(|unit| Path::new(unit).exists())) {
        return String::new();
    }
    format!(
        "; datametrics.service has its own, {STATE_DIR}: to check as it runs, {}",
        check_command("graphite_password")
    )
}

fn is_credential(name: &str) -> bool {
    Path::new(CREDENTIALS).join(name).exists()
}

/// The command of a check that has user, state directory and credentials of the service, `credential` among them.
fn check_command(credential: &str) -> String {
    let mut names = vec!["graphite_password", credential];
    names.dedup();
    let load = |name: &&str| format!(" -p LoadCredential={name}:{CREDENTIALS}/{name}");
    let credentials: String = names.iter().filter(|name| is_credential(name)).map(load).collect();
    format!(
        "`sudo systemd-run --pipe --wait --collect -p DynamicUser=yes -p User=datametrics -p StateDirectory=datametrics\
         {credentials} datametrics check`"
    )
}
