//! Scenes, and the messages that they bring about.

use crate::support::{Datametrics, Output, normalise::times};
use std::process::Command;

/// A way to bring about messages.
pub(crate) enum Scene {
    /// A command line behind the name of the program, with variables before it, as in a shell.
    Typed(&'static str),
    /// A config file, one line after the other, for a dry run of all feeds.
    Config(&'static str),
    /// A command line and a config file.
    Both(&'static str, &'static str),
    /// Lines of a provider's definition, beside the required ones. Lines of its quote come after `[[quote]]`.
    Definition(&'static str),
    /// Anything else.
    Played(&'static str, fn() -> Observed),
    /// Something that no test can bring about: a description, the exit code, and the message.
    Rendered(&'static str, i32, &'static str),
}

/// What was observed: exit code and messages.
pub(crate) struct Observed {
    code: Option<i32>,
    pub(crate) messages: Vec<Message>,
}

/// A message.
#[derive(PartialEq)]
pub(crate) struct Message {
    level: &'static str,
    text: String,
}

impl Message {
    /// The message as in the output, with a number instead of `<time>`.
    pub(crate) fn line(&self) -> String {
        format!("{}: {}", self.level, self.text.replace("<time>", "0 s"))
    }
}

impl Scene {
    /// The description, or the command line or config.
    pub(crate) fn what(&self) -> String {
        let config = |text: &str| text.trim().lines().map(str::trim).collect::<Vec<_>>().join(" ⏎ ");
        match self {
            Self::Typed(line) => format!("`{line}`"),
            Self::Config(text) | Self::Definition(text) => format!("`{}`", config(text)),
            Self::Both(line, text) => format!("`{line}`, `{}`", config(text)),
            Self::Played(what, _) | Self::Rendered(what, ..) => (*what).to_owned(),
        }
    }

    /// Brings it about.
    pub(crate) fn play(&self) -> Observed {
        match self {
            Self::Typed(line) => Observed::of_run(&typed(Datametrics::new(), line)),
            Self::Config(text) => Observed::of_run(&Datametrics::new().config(text).args(["all", "--dry-run"])),
            Self::Definition(text) => {
                Observed::of_run(&Datametrics::new().config(&definition(text)).args(["--feed", "x", "--dry-run"]))
            }
            Self::Both(line, text) => Observed::of_run(&typed(Datametrics::new().config(text), line)),
            Self::Played(_, play) => play(),
            Self::Rendered(_, code, text) => {
                Observed { code: Some(*code), messages: vec![Message { level: "error", text: (*text).to_owned() }] }
            }
        }
    }
}

/// A config with a feed and its provider, with these lines in the definition.
fn definition(text: &str) -> String {
    let (head, quote) = text.split_once("[[quote]]").unwrap_or((text, ""));
    let with = |text: &str, least: &[(&str, &str)]| {
        let missing = least.iter().filter(|(key, _)| !text.contains(&format!("{key} =")));
        crate::support::lines(missing.map(|(key, value)| format!("{key} = {value}"))) + text
    };
    let head = with(head, &[("market", "'other'"), ("base_url", "'https://own.example'")]);
    let quote = with(quote, &[("path", "'/{symbol}'"), ("fields", "{ last = '/last' }")]);
    let feed = "[feeds.x]\nproviders = ['own']\nsymbols = ['A']\n";
    format!("[providers.own]\n{head}\n[[providers.own.quote]]\n{quote}\n{feed}")
}

/// A run with such a command line. Words with spaces stand between quotes.
pub(crate) fn typed(run: Datametrics, line: &str) -> Datametrics {
    if line.is_empty() {
        return run;
    }
    let mut is_quoted = false;
    let mut words = vec![String::new()];
    for c in line.chars() {
        match c {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            _ => words.last_mut().expect("a word").push(c),
        }
    }
    let is_variable = |word: &&String| word.split_once('=').is_some_and(|(name, _)| is_name(name));
    let variables = words.iter().take_while(is_variable);
    let run = variables.filter_map(|word| word.split_once('=')).fold(run, |run, (name, value)| run.env(name, value));
    run.args(words.iter().skip_while(is_variable))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

impl Observed {
    /// Runs it.
    ///
    /// # Panics
    /// When there is no message.
    pub(crate) fn of_run(run: &Datametrics) -> Self {
        Self::of_output(&run.normalise(&run.run()))
    }

    /// The same for a command that the test changed.
    pub(crate) fn of_command(run: &Datametrics, mut command: Command) -> Self {
        let output = command.output().expect("the program starts");
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
        Self::of_output(&run.normalise(&Output { stdout, stderr, code: output.status.code() }))
    }

    /// The messages in a normalised output.
    pub(crate) fn of_output(output: &Output) -> Self {
        let findings = output.stdout.lines().filter_map(finding);
        let messages: Vec<Message> = messages(&output.stderr).into_iter().chain(findings).collect();
        assert!(!messages.is_empty(), "nothing is said: {output}");
        Self { code: output.code, messages }
    }

    /// The same, sorted, where the order of messages varies because of threads.
    #[must_use]
    pub(crate) fn sorted(mut self) -> Self {
        self.messages.sort_by_key(Message::line);
        self.messages.dedup();
        self
    }

    /// The first message and the last two.
    #[must_use]
    pub(crate) fn ends(mut self) -> Self {
        let last = self.messages.len().saturating_sub(2);
        self.messages.drain(1..last);
        self
    }

    /// A scene that panicked.
    pub(crate) fn failed(why: &str) -> Self {
        let why = why.lines().next().unwrap_or_default().to_owned();
        Self { code: None, messages: vec![Message { level: "not played", text: why }] }
    }

    /// The rows of the page. Messages of level `ok` and `info` are listed once.
    pub(crate) fn rows(&self, what: &str, before: &[Message]) -> String {
        let what = cell(what);
        let code = self.code.map_or("signal".to_owned(), |code| code.to_string());
        let row = |Message { level, text }: &Message| format!("| {what} | {code} | {level} | {} |\n", cell(text));
        let is_new = |message: &&Message| !matches!(message.level, "ok" | "info") || !before.contains(message);
        self.messages.iter().filter(is_new).map(row).collect()
    }
}

/// A text for a cell of a table. Long repetitions of a character are shortened.
fn cell(text: &str) -> String {
    let mut out = String::new();
    let (mut last, mut times) = (None, 0);
    for c in text.chars() {
        times = if last == Some(c) { times + 1 } else { 1 };
        last = Some(c);
        match times {
            1..=6 => out.push(c),
            7 => out.push('…'),
            _ => {}
        }
    }
    out.replace('|', "\\|").replace('<', "\\<")
}

/// The messages on standard error. An error of clap has several lines, with the usage at its end.
fn messages(stderr: &str) -> Vec<Message> {
    let observed = stderr.split("\n\nUsage: ").next().unwrap_or_default();
    let observed = observed.split("\n\nFor more information").next().unwrap_or_default();
    let mut messages: Vec<Message> = Vec::new();
    for line in observed.lines().filter(|line| !line.is_empty()) {
        match messages.last_mut() {
            Some(message) if line.starts_with("  ") => message.text.extend(["; ", line.trim()]),
            _ => messages.push(message(line)),
        }
    }
    messages
}

fn message(line: &str) -> Message {
    for (word, level) in [("error: ", "error"), ("warning: ", "warning")] {
        if let Some(text) = line.strip_prefix(word) {
            return Message { level, text: text.to_owned() };
        }
    }
    // The second run within a second has two points less.
    let mut words: Vec<&str> = line.split(' ').collect();
    for at in 1..words.len() {
        if matches!(words[at], "point" | "points") {
            (words[at - 1], words[at]) = ("N", "points");
        }
    }
    Message { level: "info", text: words.join(" ") }
}

/// A finding of a check.
fn finding(line: &str) -> Option<Message> {
    for (word, level) in [("ok      ", "ok"), ("FAILED  ", "FAILED")] {
        if let Some(text) = line.strip_prefix(word) {
            return Some(Message { level, text: times(text) });
        }
    }
    None
}
