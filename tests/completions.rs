//! The completions that `cargo run --example assets` writes, in the shells themselves.

#[path = "../examples/assets.rs"]
#[allow(dead_code, reason = "the example writes more than completions")]
mod assets;

use crate::support::skip;
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// What is typed behind the name of the program, and what is offered then.
const CASES: &[(&str, &[&str])] = &[
    ("s", &["stocks", "symbols"]),
    ("a", &["all"]),
    ("c", &["check", "crypto"]),
    ("--provider k", &["kraken", "kucoin"]),
    ("crypto --provider coinb", &["coinbase"]),
    ("symbols --provider bit", &["bitfinex", "bitstamp", "bitvavo"]),
    ("providers coing", &["coingecko", "coingecko-ids"]),
    ("--market-hours ", &["any", "regular", "extended"]),
    ("stocks --market-hours ", &["any", "regular", "extended"]),
    ("--format ", &["table", "wire", "json"]),
    ("all --format t", &["table"]),
    ("grafana alerts --format ", &["file", "api"]),
    ("grafana ", &["alerts", "dashboard"]),
];

/// Calls the function that the completion registers, as bash does it.
const BASH: &str = r#"
source "$1/datametrics.bash"
read -ra words <<< "datametrics $2"
[[ "$2" == *" " || -z "$2" ]] && words+=("")
COMP_WORDS=("${words[@]}")
COMP_CWORD=$(( ${#words[@]} - 1 ))
_datametrics datametrics "${words[COMP_CWORD]}" "${words[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

const FISH: &str = r#"
source "$argv[1]/datametrics.fish"
complete -C "datametrics $argv[2]" | string replace -r '\t.*' ''
true
"#;

/// Types into a zsh at a terminal of its own, which writes there what is offered.
const ZSH: &str = r#"
zmodload zsh/zpty
export ZDOTDIR=$1
zpty -b shell zsh -d -i
until [[ $seen == *READY* ]]; do zpty -r shell part && seen+=$part; done
zpty -w -n shell "datametrics $2"$'\x14'
until [[ $seen == *SAID* ]]; do zpty -r shell part && seen+=$part; done
print -r -- "$seen" | grep -o 'HIT:[^[:cntrl:]]*' | cut -c5-
zpty -d shell
"#;

const ZSHRC: &str = r#"
PS1=
fpath=("$ZDOTDIR" $fpath)
autoload -Uz compinit
compinit -u -D
compadd() {
  local -a hits
  builtin compadd -O hits "$@"
  (( $#hits )) && print -rl -- HIT:$^hits > /dev/tty
}
complete-and-say() { zle complete-word; print -r -- SAID > /dev/tty }
zle -N complete-and-say
bindkey '^T' complete-and-say
zle-line-init() { print -r -- READY > /dev/tty }
zle -N zle-line-init
"#;

/// Whether a shell is missing. Under `CI=true` it must be there.
fn is_missing(shell: &str) -> bool {
    let version = Command::new(shell).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    !version.is_ok_and(|status| status.success()) && !skip(&format!("there is no {shell}"))
}

fn check(shell: &str, arguments: &[&str], script: &str) {
    if is_missing(shell) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    assets::write_completions(folder.path()).expect("the completions");
    fs::write(folder.path().join(".zshrc"), ZSHRC).expect("a file");
    // There are two `--format`, and zsh takes that of runs after `grafana alerts` too.
    let is_known = |typed: &str| shell == "zsh" && typed == "grafana alerts --format ";
    for (typed, expected) in CASES.iter().filter(|(typed, _)| !is_known(typed)) {
        let offered = offered(shell, arguments, script, folder.path(), typed);
        let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
        // Without a letter, bash offers options too.
        let offered: BTreeSet<String> =
            offered.into_iter().filter(|word| !word.starts_with('-') && word != "help").collect();
        assert_eq!(offered, expected, "{shell}: datametrics {typed}");
    }
}

/// What a shell offers in an empty folder for this line.
fn offered(shell: &str, arguments: &[&str], script: &str, completions: &Path, typed: &str) -> Vec<String> {
    let empty: TempDir = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(shell);
    command.args(arguments).arg(script);
    // The shells do not agree on what comes before the arguments of a script.
    command.args(if shell == "fish" { ["--"] } else { ["_"] }).arg(completions).arg(typed);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", empty.path());
    let output = command.current_dir(empty.path()).stdin(Stdio::null()).output().expect("the shell starts");
    assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

#[test]
fn bash_offers_values() {
    check("bash", &["--norc", "-c"], BASH);
}

#[test]
fn zsh_offers_values() {
    check("zsh", &["-f", "-c"], ZSH);
}

#[test]
fn fish_offers_values() {
    check("fish", &["--no-config", "-c"], FISH);
}

/// All providers are offered, also one that is new.
#[test]
fn every_built_in_provider_is_offered() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    assets::write_completions(folder.path()).expect("the completions");
    let offered: BTreeSet<String> =
        offered("bash", &["--norc", "-c"], BASH, folder.path(), "symbols --provider ").into_iter().collect();
    let builtin = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/builtin");
    let names = fs::read_dir(builtin).expect("a folder").map(|entry| entry.expect("an entry").path());
    let names: BTreeSet<String> =
        names.map(|path| path.file_stem().expect("a name").to_str().expect("UTF-8").to_owned()).collect();
    assert_eq!(offered, names);
}
