//! The examples and the README name only commands, settings and variables that the program knows.

use crate::support::{self, Datametrics};
use datametrics::{Cli, Document, Settings};
use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const CONFIG: &str = include_str!("../examples/config.toml");

/// The example config with its settings uncommented; those without a default only if `all` is set.
fn uncommented(all: bool) -> String {
    let is_setting = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
    let bare = |line: &'static str| match line.strip_prefix('#').filter(is_setting) {
        Some(setting) if all || !setting.ends_with("# none") => setting,
        _ => line,
    };
    support::lines(CONFIG.lines().map(bare))
}

/// The keys of a section, as the error about an unknown key lists them.
fn known_keys(section: &str) -> BTreeSet<String> {
    let output = Datametrics::new().config(&format!("[{section}]\n'?' = 1\n")).args(["all", "--dry-run"]).run();
    let (_, list) = output.stderr.trim().split_once("known: ").expect("a list of keys");
    list.split(", ").map(str::to_owned).collect()
}

#[test]
fn example_config_has_every_key() {
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
fn example_config_states_the_defaults() {
    let run = Datametrics::new().env("HTTPS_PROXY", "http://127.0.0.1:9").args(["check", "-v", "--retries", "0"]);
    // Name and value of every setting, as `datametrics check` lists them.
    let settings = |text: &str| {
        let output = run.clone().config(text).run();
        let (table, _) = output.stdout.split_once("\n\n").unwrap_or_else(|| panic!("{output}"));
        let from = table.find("FROM").expect("a column");
        let rows = table.lines().map(|line| line[..from].split_whitespace().collect::<Vec<_>>().join(" "));
        let plain = |row: String| match row.as_str() {
            // A feed without names of its own has the names of all feeds.
            "crypto.names not set" | "stocks.names not set" => row.replace("not set", "{feed}.{symbol}.{field}"),
            // An empty text or table counts as none.
            _ => row.replace(" not set", " none").replace(", ", ","),
        };
        rows.map(plain).collect::<Vec<_>>()
    };
    let defaults = settings("");
    assert_eq!(settings(CONFIG), defaults);
    assert_eq!(settings(&uncommented(false)), defaults);
}

/// What says how to run the program, beside the examples.
const DOCUMENTS: [&str; 11] = [
    "README.md",
    "crontab.example",
    "docs/BENCHMARKS.md",
    "docs/GRAFANA.md",
    "docs/GRAPHITE.md",
    "docs/INSTALL.md",
    "docs/MANY-MACHINES.md",
    "docs/OPERATIONS.md",
    "docs/REPORT.md",
    "docs/SETTINGS.md",
    "docs/SYMBOLS.md",
];

/// What says how to run it, and every example that is a text, each with its name.
fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: Vec<PathBuf> = DOCUMENTS.map(|name| root.join(name)).into();
    let mut folders = vec![root.join("examples")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()) {
            let ending = entry.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            match ending {
                _ if entry.is_dir() => folders.push(entry),
                "rs" | "json" | "png" => {}
                _ => found.push(entry),
            }
        }
    }
    assert!(found.len() > 15, "{found:?}");
    let name = |path: &Path| path.strip_prefix(root).expect("below").display().to_string();
    found.iter().map(|path| (name(path), fs::read_to_string(path).expect("a text"))).collect()
}

/// The arguments of every command line in a text: in a job, a unit, a block of shell or between backquotes.
/// Prose that names the program is left out.
fn command_lines(text: &str) -> Vec<&str> {
    let begins = |before: &str| {
        before.is_empty()
            || ["`", "$ ", "; ", "| ", "/bin/", "ExecStart=", ": ", "  - ", "#   ", ":/state "]
                .iter()
                .any(|end| before.ends_with(end))
    };
    let mut all = Vec::new();
    for line in text.lines() {
        for (at, _) in line.match_indices("datametrics ") {
            let (before, args) = (&line[..at], &line[at + "datametrics ".len()..]);
            if begins(before) || before.chars().all(|c| c == ' ') {
                let args = args.split(['`', '>', '|', '#', ';', ')', '\\']).next().unwrap_or_default().trim();
                all.extend(Some(args).filter(|args| !args.is_empty()));
            }
        }
    }
    all
}

#[test]
fn command_lines_in_docs_and_examples_are_accepted() {
    let mut seen = BTreeSet::new();
    for (name, text) in texts() {
        for args in command_lines(&text) {
            let words = std::iter::once("datametrics").chain(args.split_whitespace());
            // Help is printed as data and counts as accepted.
            let is_taken = Cli::from_args(words).map_or_else(|error| !error.use_stderr(), |_| true);
            assert!(is_taken, "{name}: datametrics {args}");
            seen.insert(name.clone());
        }
    }
    for name in ["README.md", "crontab.example", "OPERATIONS.md"].into_iter().chain([
        "docker/Dockerfile",
        "feeds/fx.toml",
        "github/datametrics.yml",
        "heroku/heroku.yml",
        "systemd/datametrics.service",
    ]) {
        assert!(seen.iter().any(|seen| seen.ends_with(name)), "no command line in {name}");
    }
}

/// Every variable that the program reads.
fn known_variables() -> BTreeSet<String> {
    let listed = Datametrics::new().args(["providers"]).run().stdout;
    let names = listed.lines().skip(1).filter(|line| !line.starts_with(' '));
    let providers: Vec<&str> = names.map(|line| line.split(' ').next().unwrap_or_default()).collect();
    let read = RefCell::new(BTreeSet::new());
    let env = |name: &str| {
        read.borrow_mut().insert(name.to_owned());
        None
    };
    // A flag hides its variable, so the second command line alone would not do.
    for options in [[].as_slice(), &["--provider", &providers.join(",")]] {
        let cli = Cli::from_args(["datametrics", "check"].iter().chain(options)).expect("a command line");
        Settings::read(&cli, &env, std::io::empty()).expect("settings");
        let mirrors = "[mirrors.cellar]\nurl = 'tcp://a'\n[mirrors.NAME]\nurl = 'tcp://b'";
        let mirrors = Document::new("config.toml", mirrors);
        Settings::from_config(&cli, &env, &mirrors, std::io::empty()).expect("settings");
    }
    read.into_inner()
}

/// The variables that a text names. A word such as `_SYMBOLS` continues the variable before it.
fn named_variables(text: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for line in text.lines() {
        let mut before = "";
        for word in line.split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_') {
            let rest = word.trim_start_matches('_');
            let is_a_name = rest.starts_with(|c: char| c.is_ascii_uppercase()) && word.contains('_') && rest.len() > 3;
            match before.rsplit_once('_') {
                _ if !is_a_name || word.ends_with('_') => {}
                Some((prefix, _)) if word.starts_with('_') => drop(all.insert(format!("{prefix}{word}"))),
                None if word.starts_with('_') => {}
                _ => {
                    before = word;
                    all.insert(word.to_owned());
                }
            }
        }
    }
    all
}

#[test]
fn variables_in_docs_and_examples_are_read_by_the_program() {
    // Variables of others: of the logger, systemd, Kubernetes, Carbon; and those that an example sets itself.
    let foreign = [
        "RUST_LOG",
        "AF_INET",
        "AF_INET6",
        "AF_UNIX",
        "SHARD_INDEX",
        "JOB_COMPLETION_INDEX",
        "AMQP_METRIC_NAME_IN_BODY",
        "ENABLE_AMQP",
        "MAX_CREATES_PER_MINUTE",
    ];
    let own = ["IEX_TOKEN", "HOME_TOKEN", "COINGECKO_PRO_API_KEY", "MIMIR_TOKEN"];
    let known = known_variables();
    for (name, text) in texts() {
        let is_known = |variable: &String| {
            known.contains(variable)
                || foreign.contains(&&**variable)
                || (["feeds/", "config.toml", "GRAPHITE.md"].iter().any(|part| name.contains(part))
                    && own.contains(&&**variable))
        };
        let unknown: Vec<String> = named_variables(&text).into_iter().filter(|variable| !is_known(variable)).collect();
        assert!(unknown.is_empty(), "{name} names {unknown:?}, which the program does not read");
    }
    let service = include_str!("../examples/systemd/datametrics.service");
    let credentials = service.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix("LoadCredential="));
    let names: Vec<&str> = credentials.map(|line| line.split(':').next().unwrap_or_default()).collect();
    assert_eq!(names.len(), 2);
    for name in names {
        assert!(known.contains(&name.to_uppercase()) && name == name.to_lowercase(), "LoadCredential={name}");
    }
}

/// The five time fields of a line, if the line is a job.
fn times(line: &str) -> Option<Vec<&str>> {
    let fields: Vec<&str> = line.split_whitespace().take(5).collect();
    let is_time = |field: &&str| field.bytes().all(|b| b.is_ascii_digit() || b"*-/,".contains(&b));
    (fields.len() == 5 && fields.iter().all(is_time)).then_some(fields)
}

#[test]
fn crontab_example_has_only_variables_and_jobs() {
    let mut jobs = 0;
    for line in include_str!("../crontab.example").lines().filter(|line| !line.is_empty()) {
        // A job in a comment is meant to be uncommented.
        let bare = line.trim_start_matches(['#', ' ']);
        if times(bare).is_some() {
            assert_eq!(command_lines(bare).len(), 1, "{line}");
            assert!(!line.contains('%'), "cron ends the command at a percent sign: {line}");
            jobs += 1;
        } else if !line.starts_with('#') {
            let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("no variable and no job: {line}"));
            assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{line}");
            // cron does not expand values and takes them as they are.
            assert!(!value.contains(['$', '~', '#']), "cron expands nothing here: {line}");
        }
    }
    assert!(jobs >= 1, "{jobs} jobs");
}

/// A good run prints nothing, so nobody notices that cron's mails about bad ones go nowhere.
#[test]
fn crontab_example_says_what_cron_needs_to_mail() {
    let text = include_str!("../crontab.example");
    assert!(text.lines().any(|line| line.starts_with("MAILTO=")));
    assert!(["/usr/sbin/sendmail", "DATAMETRICS_PING_URL"].iter().all(|word| text.contains(word)), "{text}");
}

/// The option with which this machine's crontab only checks a file. Debian's and cronie's options differ.
fn dry_crontab() -> Option<&'static str> {
    let output = Command::new("crontab").arg("-h").env("LC_ALL", "C").output().ok()?;
    let usage = [output.stdout, output.stderr].concat();
    let usage = String::from_utf8_lossy(&usage);
    [("-n", "dry run"), ("-T", "-T")].into_iter().find(|(_, word)| usage.contains(word)).map(|(option, _)| option)
}

#[test]
fn cron_accepts_the_crontab_example() {
    let Some(option) = dry_crontab() else {
        let missing = "a crontab that can look at a file (of Debian's cron from 12 on, or of cronie) is needed";
        support::skip(missing);
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("crontab");
    let text = include_str!("../crontab.example");
    // The second text has its jobs uncommented.
    let bare = |line: &'static str| Some(line.trim_start_matches(['#', ' '])).filter(|line| times(line).is_some());
    let bare = text.lines().map(|line| bare(line).unwrap_or(line));
    for text in [text.to_owned(), support::lines(bare)] {
        fs::write(&file, text).expect("a file");
        let output = Command::new("crontab").arg(option).arg(&file).output().expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Kubernetes and Heroku's Scheduler start the program without its folder, so the images must have it in
/// PATH.
#[test]
fn docker_images_have_the_program_in_the_path() {
    for text in [include_str!("../examples/docker/Dockerfile"), include_str!("../examples/heroku/Dockerfile")] {
        let copy = text.lines().find(|line| line.starts_with("COPY --from=build") && line.contains("/datametrics "));
        assert!(copy.is_some_and(|line| line.ends_with(" /usr/local/bin/datametrics")), "{copy:?}");
        assert!(!text.contains("ENTRYPOINT") || text.contains("ENTRYPOINT [\"/usr/local/bin/datametrics\"]"), "{text}");
    }
}
