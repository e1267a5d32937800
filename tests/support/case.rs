//! A folder that is a test case: the replies of a provider's API and the expected output of a run.
//!
//! - `case.toml`: `args`, and if needed `env`, `config` and `exit`;
//! - `1.http`, `2.http`, ...: one exchange each: `> METHOD target`, `> Header: value` for required headers,
//!   then the raw reply without its `Content-Length`;
//! - `expected.out` and `expected.err`: the expected output. A missing file means no output.
//!
//! `SNAPSHOTS=overwrite` rewrites the expected files.

use super::{
    command::{Datametrics, Output},
    normalise::times,
    reply::Reply,
    server::Server,
};
use snapbox::{
    Assert, Data, IntoData as _,
    assert::{Action, DEFAULT_ACTION_ENV},
    report::Palette,
};
use std::{
    collections::BTreeMap,
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};
use toml::de::{DeTable, DeValue};

/// A case as its folder describes it.
pub(crate) struct Case {
    folder: PathBuf,
    /// The provider whose definition is tested.
    provider: String,
    /// The name of the provider in the run.
    alias: String,
    settings: Settings,
    exchanges: Vec<Exchange>,
}

/// The content of `case.toml`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) config: Option<String>,
    pub(crate) exit: i32,
}

/// The content of an `.http` file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// `METHOD target`
    pub(crate) line: String,
    /// Headers that the request must have.
    pub(crate) required_headers: Vec<(String, String)>,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Case {
    /// Reads the case of `provider` in this folder.
    ///
    /// # Errors
    /// Says what is wrong with which file.
    pub(crate) fn read(provider: &str, folder: &Path) -> Result<Self, String> {
        let file = folder.join("case.toml");
        Ok(Self {
            folder: folder.to_owned(),
            provider: provider.to_owned(),
            alias: provider.to_owned(),
            settings: Settings::parse(&read(&file)?).map_err(at(&file))?,
            exchanges: exchanges(folder)?,
        })
    }

    /// The same case with the definition that the program prints, pasted into a config under another name, before
    /// the feeds that the case has.
    /// The output must be the same.
    pub(crate) fn pasted(mut self) -> Self {
        let command = Datametrics::new().args(["providers", &self.provider]);
        let printed = self.with_config(command).run();
        assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""), "{}", self.provider);
        "pasted".clone_into(&mut self.alias);
        let [from, to] = [&self.provider, &self.alias].map(|name| format!("providers.{name}"));
        let config = self.settings.config.unwrap_or_default();
        let feeds = config.find("[feeds.").map_or("", |at| &config[at..]);
        self.settings.config = Some(format!("{}\n{feeds}", printed.stdout.replace(&from, &to)));
        self
    }

    /// Runs it.
    ///
    /// # Errors
    /// Lists every difference from what is expected.
    pub(crate) fn run(self) -> Result<(), String> {
        let server = Server::start();
        let host = server.address().to_string();
        let command = self.command(&server);
        for exchange in self.exchanges {
            exchange.script(&server);
        }
        let before = now();
        let output = command.run();
        let mut failures = server.into_complaints();
        let is_run = self.settings.args[0] != "symbols";
        let points = if is_run { plain_lines(&output.stdout, before..=now()) } else { Ok(output.stdout.clone()) };
        let stdout = points.unwrap_or_else(|why| {
            failures.push(why);
            output.stdout.clone()
        });
        if output.code != Some(self.settings.exit) {
            failures.push(format!("exit code {:?} instead of {}", output.code, self.settings.exit));
        }
        let stderr = times(&output.stderr);
        for (name, actual) in [("expected.out", stdout), ("expected.err", stderr)] {
            let actual = actual.replace(&host, "HOST").replace(&self.alias, &self.provider);
            let compared = compare(&self.folder.join(name), actual);
            failures.extend(compared.err());
        }
        verdict(&failures, &output)
    }

    fn command(&self, server: &Server) -> Datametrics {
        let Settings { args, env, .. } = &self.settings;
        let command = Datametrics::new()
            .args(args)
            .args(["--provider", &self.alias, "--retries", "0", "--dry-run"])
            // Nothing is sent there; the URL makes the output plaintext.
            .args(["--graphite-url", "tcp://127.0.0.1:9"])
            .provider(&self.alias, server);
        self.with_config(env.iter().fold(command, |command, (name, value)| command.env(name, value)))
    }

    fn with_config(&self, command: Datametrics) -> Datametrics {
        match &self.settings.config {
            Some(text) => command.config(text),
            None => command,
        }
    }
}

fn verdict(failures: &[String], output: &Output) -> Result<(), String> {
    if failures.is_empty() {
        return Ok(());
    }
    Err(format!("{}\n\n{output}", failures.join("\n\n")))
}

impl Settings {
    /// Reads `case.toml`.
    ///
    /// # Errors
    /// Names the key that is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let table = DeTable::parse(text).map_err(|error| error.to_string())?;
        let mut settings = Self::default();
        for (key, value) in table.get_ref() {
            let key: &str = key.get_ref();
            let value = value.get_ref();
            settings.set(key, value).ok_or_else(|| format!("`{key}` is wrong or unknown"))?;
        }
        if settings.args.is_empty() {
            return Err("`args` is missing".to_owned());
        }
        Ok(settings)
    }

    fn set(&mut self, key: &str, value: &DeValue) -> Option<()> {
        match key {
            "args" => {
                let args = value.as_array()?.iter();
                self.args = args.map(|arg| text(arg.get_ref())).collect::<Option<_>>()?;
            }
            "env" => {
                let env = value.as_table()?.iter();
                self.env = env
                    .map(|(name, value)| Some((name.get_ref().to_string(), text(value.get_ref())?)))
                    .collect::<Option<_>>()?;
            }
            "config" => self.config = Some(text(value)?),
            "exit" => self.exit = value.as_integer()?.as_str().parse().ok()?,
            _ => return None,
        }
        Some(())
    }
}

fn text(value: &DeValue) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// `1.http` and so on.
fn exchanges(folder: &Path) -> Result<Vec<Exchange>, String> {
    let mut exchanges = Vec::new();
    for number in 1.. {
        let file = folder.join(format!("{number}.http"));
        if !file.exists() {
            break;
        }
        exchanges.push(Exchange::parse(&read(&file)?).map_err(at(&file))?);
    }
    let known = |name: &str| {
        let numbered = (1..=exchanges.len()).any(|number| name == format!("{number}.http"));
        numbered || ["case.toml", "expected.out", "expected.err"].contains(&name)
    };
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let name = entry.map_err(at(folder))?.file_name();
        if !name.to_str().is_some_and(known) {
            return Err(format!("{}: what is {}?", folder.display(), name.display()));
        }
    }
    Ok(exchanges)
}

impl Exchange {
    /// Reads an `.http` file.
    ///
    /// # Errors
    /// Quotes the line that is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
        let mut lines = head.lines().peekable();
        let mut request = Vec::new();
        while let Some(line) = lines.peek().and_then(|line| line.strip_prefix("> ")) {
            request.push(line.to_owned());
            lines.next();
        }
        let status_line = lines.next().unwrap_or_default();
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.split(' ').next()?.parse().ok())
            .ok_or_else(|| format!("no status line: {status_line:?}"))?;
        let (line, required_headers) = request.split_first().ok_or("no line `> METHOD target`")?;
        Ok(Self {
            line: line.clone(),
            required_headers: required_headers.iter().map(|line| header(line)).collect::<Result<_, _>>()?,
            status,
            headers: lines.map(header).collect::<Result<_, _>>()?,
            body: body.to_owned(),
        })
    }

    fn script(self, server: &Server) {
        let on = server.on(&self.line);
        let on = self.required_headers.iter().fold(on, |on, (name, value)| on.header(name, value));
        let reply = Reply::status(self.status).body(self.body);
        let headers = self.headers.iter();
        on.reply(headers.fold(reply, |reply, (name, value)| reply.header(name, value)));
    }
}

fn header(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(": ").ok_or_else(|| format!("no header: {line:?}"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Plaintext lines without times and durations.
///
/// # Errors
/// When a line is not `name value time`, or the lines differ in their times, or the time is not `within` the
/// run.
pub(crate) fn plain_lines(printed: &str, within: std::ops::RangeInclusive<u64>) -> Result<String, String> {
    let mut plain = String::new();
    let mut times = Vec::new();
    for line in printed.lines() {
        let [path, value, time] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("not `name value time`: {line:?}"));
        };
        times.push(time);
        plain.extend([path, " ", without_duration(path, value), "\n"]);
    }
    times.dedup();
    match times[..] {
        [] => Ok(plain),
        [time] if time.parse().is_ok_and(|time| within.contains(&time)) => Ok(plain),
        _ => Err(format!("the times {times:?}, and not one within {within:?}")),
    }
}

fn without_duration<'a>(path: &str, value: &'a str) -> &'a str {
    let name = path.split(';').next().unwrap_or_default();
    let ends = |end| name.ends_with(end);
    if ends(".response.time") || ends(".duration") {
        "<seconds>"
    } else if ends(".age") {
        "<age>"
    } else {
        value
    }
}

/// Compares with the file, or rewrites it. Empty output has no file.
fn compare(file: &Path, actual: String) -> Result<(), String> {
    let overwriting = Action::with_env_var(DEFAULT_ACTION_ENV) == Some(Action::Overwrite);
    match (file.exists(), actual.is_empty()) {
        (false, true) => return Ok(()),
        (false, false) if overwriting => return fs::write(file, actual).map_err(at(file)),
        (true, true) if overwriting => return fs::remove_file(file).map_err(at(file)),
        _ => {}
    }
    let expected = if file.exists() { Data::try_read_from(file, None).map_err(at(file))? } else { Data::new() };
    Assert::new()
        .action_env(DEFAULT_ACTION_ENV)
        .palette(Palette::plain())
        // The files contain no patterns.
        .try_eq(Some(&file.display()), actual.into_data(), expected.raw())
        .map_err(|error| error.to_string().trim().to_owned())
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(at(file))
}

/// Adds the name of the file to an error.
fn at<E: Display>(file: &Path) -> impl Fn(E) -> String {
    move |error| format!("{}: {error}", file.display())
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock after 1970").as_secs()
}
