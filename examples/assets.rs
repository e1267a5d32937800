//! Writes the man pages, the completions for bash, zsh and fish, and the changelog in Debian's form into a
//! folder:
//!
//! `cargo run --example assets -- target/assets`

use clap::{Arg, Command, ValueHint, builder::PossibleValuesParser};
use clap_complete::{Shell, generate_to};
use datametrics::Cli;
use jiff::civil::Date;
use std::{env, error::Error, fs, io, path::Path, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let folder =
        env::args_os().nth(1).map(PathBuf::from).ok_or("which folder? cargo run --example assets -- FOLDER")?;
    fs::create_dir_all(&folder)?;
    write_completions(&folder)?;
    clap_mangen::generate_to(Cli::command(), &folder)?;
    let page = folder.join("datametrics.1");
    let text = with_help_sections(&fs::read_to_string(&page)?).ok_or("unexpected structure of the man page")?;
    fs::write(&page, text)?;
    let changelog = debian_changelog(include_str!("../CHANGELOG.md")).ok_or("unexpected structure of CHANGELOG.md")?;
    fs::write(folder.join("changelog"), changelog)?;
    Ok(())
}

/// Writes the completions for bash, zsh and fish. Cargo.toml says where they belong.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn write_completions(folder: &Path) -> io::Result<()> {
    let providers = built_in_providers()?;
    let command = with_values(Cli::command(), &providers);
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command.clone(), "datametrics", folder)?;
    }
    let fish = folder.join("datametrics.fish");
    let text = with_fish_values(&fs::read_to_string(&fish)?, &providers);
    fs::write(&fish, text.ok_or_else(|| io::Error::other("unexpected structure of the completions for fish"))?)
}

/// Completes what clap writes for fish: values of options before the subcommand, where the option still lacks its
/// value, and values of arguments. `None` if the text has not the structure that is expected.
fn with_fish_values(text: &str, providers: &[&str]) -> Option<String> {
    const FAILED: &str = "-- $cmd 2>/dev/null\n    or return\n";
    let (before, after) = text.split_once(FAILED)?;
    let names = providers.join(" ");
    Some(format!(
        "{before}-- $cmd 2>/dev/null\n    or return 0\n{after}complete -c datametrics -n \
         \"__fish_datametrics_using_subcommand providers\" -f -a \"{names}\"\n"
    ))
}

/// The command line with the values that a shell is to offer. The program itself takes others too, such as providers
/// of the config, and says more of a wrong one.
fn with_values(command: Command, providers: &[&'static str]) -> Command {
    let one_of = |values: &[&'static str]| PossibleValuesParser::new(values.to_vec());
    let with_value = |arg: Arg| match arg.get_id().as_str() {
        "provider" => arg.value_parser(one_of(providers)),
        "market_hours" => arg.value_parser(one_of(&["any", "regular", "extended"])),
        "config" | "reply" => arg.value_hint(ValueHint::FilePath),
        _ => arg,
    };
    let of_listing =
        |arg: Arg| if arg.get_id() == "name" { arg.value_parser(one_of(providers)) } else { with_value(arg) };
    command.mut_args(with_value).mut_subcommand("providers", |command| command.mut_args(of_listing))
}

/// The names of the built-in providers, sorted: a definition is a file.
fn built_in_providers() -> io::Result<Vec<&'static str>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/builtin");
    let name = |entry: io::Result<fs::DirEntry>| {
        let name = entry?.path().file_stem().unwrap_or_default().display().to_string();
        // Clap wants names that stay, and this program ends at once.
        Ok(&*name.leak())
    };
    let mut names = fs::read_dir(folder)?.map(name).collect::<io::Result<Vec<_>>>()?;
    names.sort_unstable();
    Ok(names)
}

/// Turns each paragraph of the text after the options (src/help.txt) into a section of the man page, and
/// keeps its line breaks. `None` if `page` has not the structure that clap_mangen gives it.
fn with_help_sections(page: &str) -> Option<String> {
    let (before, page) = page.split_once(".SH EXTRA\n")?;
    let (help, after) = page.split_once(".SH VERSION\n")?;
    let section = |paragraph: &str| {
        let (heading, lines) = paragraph.split_once(":\n")?;
        Some(format!(".SH {}\n.nf\n{lines}\n.fi\n", heading.to_uppercase()))
    };
    let sections: String = help.trim_end().split("\n\n").map(section).collect::<Option<_>>()?;
    Some(format!("{before}{sections}.SH VERSION\n{after}"))
}

/// An entry for each section of the changelog. Its heading is `VERSION (DATE)`, or `Unreleased (since
/// DATE)` for the version that is being made. `None` if it is anything else.
fn debian_changelog(text: &str) -> Option<String> {
    let entry = |section: &str| {
        let (heading, body) = section.split_once('\n')?;
        let (version, date) = heading.strip_suffix(')')?.split_once(" (")?;
        let version = if version == "Unreleased" { env!("CARGO_PKG_VERSION") } else { version };
        let date: Date = date.trim_start_matches("since ").parse().ok()?;
        let lines: Vec<String> = body.lines().map(debian_line).filter(|line| !line.is_empty()).collect();
        Some(format!(
            "datametrics ({version}-1) unstable; urgency=medium\n\n{}\n\n -- {MAINTAINER}  {}\n",
            lines.join("\n"),
            date.strftime("%a, %d %b %Y 00:00:00 +0000")
        ))
    };
    let entries: Vec<String> = text.split("\n## ").skip(1).map(entry).collect::<Option<_>>()?;
    Some(entries.join("\n"))
}

/// As package.metadata.deb in Cargo.toml says.
const MAINTAINER: &str = "The datametrics authors <mateuszklimek@users.noreply.github.com>";

/// A change begins with two spaces and a star, its further lines with four spaces, as does prose.
fn debian_line(line: &str) -> String {
    match line.strip_prefix("- ") {
        Some(change) => format!("  * {change}"),
        None if line.trim().is_empty() => String::new(),
        None => format!("    {}", line.trim_start()),
    }
}
