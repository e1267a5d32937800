//! What happens, and what is said of it.

use crate::support::{Datametrics, Output, normalise::times};
use std::process::Command;

/// What happens.
pub(crate) enum Scene {
    /// This is typed behind the name of the program, variables before it, as in a shell.
    Typed(&'static str),
    /// This stands in the config file of a dry run of all feeds, one line after the other.
    Config(&'static str),
    /// This is typed, and that stands in the config file.
    Both(&'static str, &'static str),
    /// This stands in the definition of a provider, beside what is needed at least. What belongs to
    /// its quote comes behind `[[quote]]`.
    Definition(&'static str),
    /// Anything else.
    Played(&'static str, fn() -> Said),
    /// No test can bring it about: what happens, the exit code, and the message.
    Rendered(&'static str, i32, &'static str),
}

/// What was said of it.
pub(crate) struct Said {
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
    /// As it stands in the output, a number in the place of every time.
    pub(crate) fn line(&self) -> String {
        format!("{}: {}", self.level, self.text.replace("<time>", "0 s"))
    }
}

impl Scene {
    /// What happens, in words or as it is typed.
    pub(crate) fn what(&self) -> String {
        let config = |text: &str| text.trim().lines().map(str::trim).collect::<Vec<_>>().join(" ⏎ ");
        match self {
            Self::Typed(line) => format!("`{line}`"),
            Self::Config(text) | Self::Definition(text) => format!("`{}`", config(text)),
            Self::Both(line, text) => format!("`{line}`, `{}`", config(text)),
            Self::Played(what, _) | Self::Rendered(what, ..) => (*what).to_owned(),
        }
    }

    /// Has it happen.
    pub(crate) fn play(&self) -> Said {
        match self {
            Self::Typed(line) => Said::by(&typed(Datametrics::new(), line)),
            Self::Config(text) => Said::by(&Datametrics::new().config(text).args(["all", "--dry-run"])),
            Self::Definition(text) => {
                Said::by(&Datametrics::new().config(&definition(text)).args(["--feed", "x", "--dry-run"]))
            }
            Self::Both(line, text) => Said::by(&typed(Datametrics::new().config(text), line)),
            Self::Played(_, play) => play(),
            Self::Rendered(_, code, text) => {
                Said { code: Some(*code), messages: vec![Message { level: "error", text: (*text).to_owned() }] }
            }
        }
    }
}

/// A config with a feed and its provider, of which the text says what is special.
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

/// The run of such a line. A word with a space in it stands between quotes.
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

impl Said {
    /// What a run says.
    ///
    /// # Panics
    /// When it says nothing.
    pub(crate) fn by(run: &Datametrics) -> Self {
        Self::of(&run.normalise(&run.run()))
    }

    /// The same of its command, with something special done to it.
    pub(crate) fn of_command(run: &Datametrics, mut command: Command) -> Self {
        let output = command.output().expect("the program starts");
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
        Self::of(&run.normalise(&Output { stdout, stderr, code: output.status.code() }))
    }

    /// What was said in an output that is normalised already.
    pub(crate) fn of(output: &Output) -> Self {
        let findings = output.stdout.lines().filter_map(finding);
        let messages: Vec<Message> = messages(&output.stderr).into_iter().chain(findings).collect();
        assert!(!messages.is_empty(), "nothing is said: {output}");
        Self { code: output.code, messages }
    }

    /// The same where threads have their say: what they said when is chance.
    #[must_use]
    pub(crate) fn sorted(mut self) -> Self {
        self.messages.sort_by_key(Message::line);
        self.messages.dedup();
        self
    }

    /// The same with a few of many.
    #[must_use]
    pub(crate) fn ends(mut self) -> Self {
        let last = self.messages.len().saturating_sub(2);
        self.messages.drain(1..last);
        self
    }

    /// That a scene could not be played.
    pub(crate) fn failed(why: &str) -> Self {
        let why = why.lines().next().unwrap_or_default().to_owned();
        Self { code: None, messages: vec![Message { level: "not played", text: why }] }
    }

    /// The rows of the page. What is well, or no more than told, stands there once.
    pub(crate) fn rows(&self, what: &str, before: &[Message]) -> String {
        let what = cell(what);
        let code = self.code.map_or("signal".to_owned(), |code| code.to_string());
        let row = |Message { level, text }: &Message| format!("| {what} | {code} | {level} | {} |\n", cell(text));
        let is_new = |message: &&Message| !matches!(message.level, "ok" | "info") || !before.contains(message);
        self.messages.iter().filter(is_new).map(row).collect()
    }
}

/// A text as it stands in a cell. Of a character that comes again and again a few are enough.
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

/// The messages on standard error. What clap says has several lines, and the usage at its end.
fn messages(stderr: &str) -> Vec<Message> {
    let said = stderr.split("\n\nUsage: ").next().unwrap_or_default();
    let said = said.split("\n\nFor more information").next().unwrap_or_default();
    let mut messages: Vec<Message> = Vec::new();
    for line in said.lines().filter(|line| !line.is_empty()) {
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
    // A run in the second of the one before has two points less.
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
