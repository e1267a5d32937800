//! User and password of a destination.

use super::destination_reader::DestinationReader;
use super::mistaken_secret;
use super::sources::check_secret;
use crate::config::{ConfigError, ConfigValue, Origin};
use crate::http::url::Credentials;
use crate::secret::Secret;

/// A password, and where it is.
struct Password {
    secret: Secret,
    /// Where its text is.
    place: Origin,
    /// The setting that leads there.
    setting: Origin,
}

/// Reads user and password, and adds warnings about them to `warnings`. `user` is already found; `url` is where both
/// go.
///
/// # Errors
/// When only one of both is set, the password cannot be read, or one of them is plainly wrong.
pub(super) fn read<'a>(
    reader: &DestinationReader<'_, 'a>,
    user: Option<ConfigValue<'a>>,
    url: Option<&ConfigValue<'_>>,
    warnings: &mut Vec<String>,
) -> Result<Option<Credentials>, ConfigError> {
    let (sources, names) = (reader.sources, &reader.names);
    let user = sources.optional_setting(&names.key("user"), user);
    let (user, password) = match (user, read_password(reader, warnings)?) {
        (Some(user), Some(password)) => (user, password),
        (Some(user), None) => {
            let (variable, section) = (&names.password, names.of.section());
            let advice = sources.secret_advice(variable);
            return Err(user.invalid(format!(
                "is set, but no password: set {variable} or {variable}_FILE, or password_file in [{section}]{advice}"
            )));
        }
        (None, Some(password)) => {
            let variable = if names.user.contains('.') { String::new() } else { format!("{}, or ", names.user) };
            let section = names.of.section();
            let problem = format!("is set, but no user: set {variable}user in [{section}], or remove it");
            return Err(ConfigError::setting(password.setting, problem));
        }
        (None, None) => return Ok(None),
    };
    let name = user.text()?;
    if let Some(problem) = mistaken_secret::of_any(name, false) {
        return Err(user.invalid(problem));
    }
    match mistaken_secret::of_password(name, &password.secret, is_cloud(url)) {
        Some(problem) => Err(ConfigError::setting(password.place, problem)),
        None => Ok(Some(Credentials { user: name.to_owned(), password: password.secret })),
    }
}

/// Reads the password: that of the variable, else that of `password_file` or `password`.
fn read_password(
    reader: &DestinationReader<'_, '_>,
    warnings: &mut Vec<String>,
) -> Result<Option<Password>, ConfigError> {
    let DestinationReader { section, names, sources, .. } = reader;
    let value = section.get("password");
    let file = reader.path_setting("password_file");
    sources.hidden_setting(&names.key("password"), value.as_ref().map(ConfigValue::origin));
    let of_variable = sources.secret_and_origin(&names.password)?;
    sources.hidden_setting(&names.password, of_variable.as_ref().map(|(_, origin)| origin.clone()));
    if let Some((secret, origin)) = of_variable {
        return Ok(Some(Password { secret, place: origin.clone(), setting: origin }));
    }
    match (file, value) {
        (Some(_), Some(value)) => Err(value.invalid("is set, and password_file too: remove one")),
        (Some(file), None) => {
            let path = sources.path(&file)?;
            let secret = sources.secret_in(&path, file.origin())?;
            Ok(Some(Password { secret, place: Origin::File(path), setting: file.origin() }))
        }
        (None, Some(value)) => {
            let origin = value.origin();
            warnings.extend(permission_warning(&origin, "a password", "use password_file"));
            let secret = check_secret(value.text()?, origin.clone())?;
            Ok(Some(Password { secret, place: origin.clone(), setting: origin }))
        }
        (None, None) => Ok(None),
    }
}

/// Whether points go to Grafana Cloud, whose passwords are tokens.
fn is_cloud(url: Option<&ConfigValue<'_>>) -> bool {
    url.is_some_and(|url| url.text().is_ok_and(|url| url.contains(".grafana.net/")))
}

/// A warning if other users can read the config file that holds a secret.
pub(super) fn permission_warning(origin: &Origin, secret: &str, advice: &str) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let Origin::Line { file, .. } = origin else { return None };
    let mode = std::fs::metadata(file).ok()?.permissions().mode();
    let warning = || format!("{file} holds {secret} and others can read it: chmod 600 {file}, or {advice}");
    (mode & 0o077 != 0).then(warning)
}
