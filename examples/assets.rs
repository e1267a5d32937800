//! Writes the man page and the completions for bash, zsh and fish into a folder.
//!
//! `cargo run --example assets -- target/assets`

use clap::CommandFactory;
use clap_complete::{Shell, generate_to};
use datametrics::Cli;
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
    fs::write(&page, as_it_stands(&fs::read_to_string(&page)?).ok_or("the man page has another form")?)?;
    Ok(())
}

/// The end of the help has lines that are not to be filled: each part of it becomes a section of the
/// man page.
fn as_it_stands(page: &str) -> Option<String> {
    let (before, rest) = page.split_once(".SH EXTRA\n")?;
    let (help, after) = rest.split_once(".SH VERSION\n")?;
    let section = |part: &str| {
        let (heading, lines) = part.split_once(":\n")?;
        Some(format!(".SH {}\n.nf\n{lines}\n.fi\n", heading.to_uppercase()))
    };
    let sections: String = help.trim_end().split("\n\n").map(section).collect::<Option<_>>()?;
    Some(format!("{before}{sections}.SH VERSION\n{after}"))
}
