//! The program. Everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    datametrics::command_line(std::env::args_os()).into()
}
