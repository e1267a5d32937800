//! Writes the man page and the completions for bash, zsh and fish into a folder.
//!
//! `cargo run --example assets -- target/assets`

use clap::CommandFactory;
use clap_complete::{Shell, generate_to};
use datametrics::cli::Cli;
use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let folder =
        env::args_os().nth(1).map(PathBuf::from).ok_or("which folder? cargo run --example assets -- FOLDER")?;
    fs::create_dir_all(&folder)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut Cli::command(), "datametrics", &folder)?;
    }
    clap_mangen::generate_to(Cli::command(), &folder)?;
    Ok(())
}
