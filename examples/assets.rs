//! Writes the man page, and the completions for bash, zsh and fish, into a folder:
//!
//! `cargo run --example assets -- target/assets`

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
    let text = with_help_sections(&fs::read_to_string(&page)?).ok_or("unexpected structure of the man page")?;
    fs::write(&page, text)?;
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
