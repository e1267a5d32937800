//! Writes the man pages, the completions for bash, zsh and fish, and the changelog in Debian's form into a
//! folder:
//!
//! `cargo run --example assets -- target/assets`

use clap_complete::{Shell, generate_to};
use datametrics::Cli;
use jiff::civil::Date;
use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let folder =
        env::args_os().nth(1).map(PathBuf::from).ok_or("which folder? cargo run --example assets -- FOLDER")?;
    fs::create_dir_all(&folder)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut Cli::command(), "datametrics", &folder)?;
    }
    clap_mangen::generate_to(Cli::command(), &folder)?;
    let page = folder.join("datametrics.1");
    let text = with_help_sections(&fs::read_to_string(&page)?).ok_or("unexpected structure of the man page")?;
    fs::write(&page, text)?;
    let changelog = debian_changelog(include_str!("../CHANGELOG.md")).ok_or("unexpected structure of CHANGELOG.md")?;
    fs::write(folder.join("changelog"), changelog)?;
    Ok(())
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
