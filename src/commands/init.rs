//! `datametrics init`: a first config, and what comes next.

use crate::cli::Options;
use crate::config::{ConfigError, Document, Origin, Section};
use crate::delivery::graphite::Destination;
use crate::outcome::Outcome;
use crate::output::print;
use crate::provider::to_toml::quoted;
use crate::settings::{Env, FirstGraphite, default_symbols, first_graphite, place_of_first, read_deadline};
use crate::system::limit::Limit;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The first config, with placeholders.
const CONFIG: &str = include_str!("init.toml");

/// What Grafana Cloud's ingest looks like.
const EXAMPLE_URL: &str = "https://graphite-prod-01-eu-west-0.grafana.net/graphite/metrics";

/// Why there is no first config.
#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("{path} is there already, and nothing was changed: edit it, or name another file with --config")]
    Exists { path: String },
    #[error("cannot write {path}: {cause}; name another file with --config")]
    Unwritable { path: String, cause: io::Error },
    #[error("the path of the config is not UTF-8, so it cannot be written into the config: name another with --config")]
    NotUtf8,
    #[error(transparent)]
    Setting(#[from] ConfigError),
}

impl InitError {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Exists { .. } | Self::NotUtf8 => Outcome::Misconfigured,
            Self::Unwritable { .. } => Outcome::Io,
            Self::Setting(error) => error.outcome(),
        }
    }
}

/// Writes a first config where it is looked for, and an empty file for the token. Prints what comes next. A dry run only
/// prints the config.
pub(super) fn init(options: &Options, env: Env<'_>, user: Option<&str>, out: &mut dyn Write) -> Outcome {
    let write = |setup: Setup| if options.dry_run { Ok(setup.config_text()) } else { setup.write() };
    match Setup::read(options, env, user).and_then(write) {
        Ok(text) => print(out, &text),
        Err(error) => {
            log::error!("{error}");
            if let InitError::Exists { path } = &error
                && let Some(setup) = Setup::of_config(options, env, Path::new(path))
            {
                print(out, &setup.next_steps(setup.token_is_empty()));
            }
            error.outcome()
        }
    }
}

/// What is to be written, and where.
struct Setup {
    graphite: FirstGraphite,
    config: String,
    /// The file for the token. `None` if there is none where the points go.
    token: Option<String>,
    /// What says where the config is.
    origin: Origin,
    /// This program, as a shell finds it, and as cron does.
    program: [String; 2],
}

impl Setup {
    fn read(options: &Options, env: Env<'_>, user: Option<&str>) -> Result<Self, InitError> {
        let (path, origin) = place_of_first(options, env)?;
        let path = std::path::absolute(&path).unwrap_or(path);
        let graphite = first_graphite(options, env, user, read_deadline(options, env)?)?;
        let text = |path: PathBuf| path.into_os_string().into_string().map_err(|_| InitError::NotUtf8);
        let has_token = match graphite.destination {
            None | Some(Destination::Ingest(_)) => true,
            Some(Destination::Amqp(_)) => graphite.user.is_some(),
            Some(Destination::Carbon { .. }) => false,
        };
        let token = has_token.then(|| text(path.with_file_name("graphite-password"))).transpose()?;
        Ok(Self { graphite, config: text(path)?, token, origin, program: program(env) })
    }

    /// What a config that is there already has set up. `None` if it does not tell.
    fn of_config(options: &Options, env: Env<'_>, path: &Path) -> Option<Self> {
        let document = Document::read(path, Origin::Flag("--config"), read_deadline(options, env).ok()?).ok()?;
        let table = document.parse().ok()?;
        let graphite = Section::root(&document, &table).section("graphite").ok()?;
        let key = |name| Some(graphite.get(name)?.text().ok()?.to_owned());
        let options = Options { graphite_url: key("url"), ..options.clone() };
        Self::read(&options, env, key("user").as_deref()).ok()
    }

    /// Whether the file for the token is there, and nothing is in it.
    fn token_is_empty(&self) -> bool {
        self.token.as_ref().is_some_and(|token| Path::new(token).metadata().is_ok_and(|file| file.len() == 0))
    }

    /// Writes the files. Returns what comes next.
    fn write(&self) -> Result<String, InitError> {
        let unwritable = |path: &str| {
            let path = path.to_owned();
            move |cause| InitError::Unwritable { path, cause: Limit::name_in(cause) }
        };
        if Path::new(&self.config).symlink_metadata().is_ok() {
            return Err(InitError::Exists { path: self.config.clone() });
        }
        if let Some(folder) = Path::new(&self.config).parent() {
            let folder_path = folder.display().to_string();
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unwritable(&folder_path))?;
        }
        let mut text = String::new();
        let mut needs_token = self.token.is_some();
        if let Some(token) = &self.token {
            let said = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(token) {
                Ok(_) => format!("wrote {token}, for the token; only you can read it\n"),
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                    needs_token = self.token_is_empty();
                    format!("left {token} as it was\n")
                }
                Err(cause) => return Err(unwritable(token)(cause)),
            };
            text.push_str(&said);
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).open(&self.config).map_err(unwritable(&self.config))?;
        if let Err(cause) = file.write_all(self.config_text().as_bytes()) {
            // Half a config would keep the next try from writing a whole one.
            let _ = fs::remove_file(&self.config);
            return Err(unwritable(&self.config)(cause));
        }
        Ok(format!("wrote {}\n{text}{}", self.config, self.next_steps(needs_token)))
    }

    fn config_text(&self) -> String {
        let list = |symbols: &[&str]| format!("{symbols:?}");
        let [crypto, stocks] = default_symbols();
        CONFIG
            .replace("{crypto}", &list(&crypto))
            .replace("{stocks}", &list(&stocks))
            // The last one, as a URL may hold braces.
            .replace("{graphite}", &self.graphite_text())
    }

    /// The keys of `[graphite]`. Those that are not known yet are comments.
    fn graphite_text(&self) -> String {
        let key = |name: &str, value: Option<&str>, example: &str, is_known: bool| {
            let mark = if is_known { "" } else { "#" };
            format!("{mark}{name} = {}", quoted(value.unwrap_or(example)))
        };
        let FirstGraphite { url, user, .. } = &self.graphite;
        let mut lines = vec![key("url", url.as_deref(), EXAMPLE_URL, url.is_some())];
        if let Some(token) = &self.token {
            let has_user = user.is_some();
            lines.push(key("user", user.as_deref(), "123456", has_user));
            lines.push(key("password_file", Some(token), "", has_user));
        }
        lines.join("\n")
    }

    fn next_steps(&self, needs_token: bool) -> String {
        let FirstGraphite { url, user, destination } = &self.graphite;
        let [program, cron_program] = &self.program;
        let config = format!(" --config {}", for_shell(&self.config));
        let with = |is_needed: bool| if is_needed { config.as_str() } else { "" };
        let typed = with(matches!(self.origin, Origin::Flag(_)));
        // Of these variables cron has only HOME.
        let in_cron = with(!matches!(&self.origin, Origin::Variable(name) if name == "HOME"));
        let mut steps = Vec::new();
        let needs_user = self.token.is_some() && user.is_none();
        let missing = match (url.is_none(), needs_user) {
            (true, true) => {
                "put in URL and user, and remove the # before them and\n   before password_file. Grafana Cloud shows \
                 both in the Graphite details of your stack."
            }
            (true, false) => {
                "put in the URL, and remove the # before it.\n   Grafana Cloud shows it in the Graphite details of your \
                 stack."
            }
            (false, _) => {
                "put in the user, and remove the # before it and\n   before password_file. Grafana Cloud shows it in the \
                 Graphite details of your stack."
            }
        };
        if url.is_none() || needs_user {
            let carbon = "\n   For a Carbon of your own, url = \"tcp://HOST:2003\" is enough.";
            let carbon = if url.is_none() { carbon } else { "" };
            steps.push(format!("Edit {}: {missing}{carbon}", self.config));
        }
        if let Some(token) = self.token.as_deref().filter(|_| needs_token) {
            let token = for_shell(token);
            steps.push(format!(
                "Put the token into its file; at Grafana Cloud, one of an access policy with the scope\n   \
                 metrics:write. Paste it after this command, then Enter and Ctrl-D:\n     cat > {token}"
            ));
        }
        steps.push(format!("Try everything, and push nothing:\n     {program} check{typed}"));
        if destination.as_ref().is_some_and(Destination::is_carbon) {
            steps.push(format!(
                "Tell Carbon to keep the history; it is printed what its files need:\n     {program} graphite \
                 schemas{typed}"
            ));
        }
        steps.push(format!("Push once:\n     {program} all{typed}"));
        steps.push(format!(
            "Push every minute: `crontab -e`, and this line. cron mails only what is wrong.\n     * * * * * sleep 23; \
             {}",
            format!("{cron_program} all{in_cron}").replace('%', "\\%")
        ));
        steps.push(format!(
            "Make a dashboard, and import it in Grafana (Dashboards, New, Import):\n     {program} grafana \
             dashboard{typed} > dashboard.json"
        ));
        let mut text = "\nWhat comes next:\n\n".to_owned();
        for (index, step) in steps.iter().enumerate() {
            let _ = writeln!(text, "{}. {step}", index + 1);
        }
        text
    }
}

/// This program, as a shell finds it, and as cron does, whose `PATH` is short.
fn program(env: Env<'_>) -> [String; 2] {
    let name = "datametrics".to_owned();
    let Ok(path) = std::env::current_exe() else { return [name.clone(), name] };
    let in_path = |folder: &Path| env("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir == folder));
    let absolute = for_shell(&path.display().to_string());
    [if path.parent().is_some_and(in_path) { name } else { absolute.clone() }, absolute]
}

/// A word as a shell reads it.
fn for_shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}
