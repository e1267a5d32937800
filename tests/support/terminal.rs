//! The program at a terminal, which `script` of util-linux makes.

use super::Datametrics;
use std::{
    io::Read as _,
    process::{Command, Stdio},
};

/// What erases the rest of a line.
const ERASE: &str = "\u{1b}[K";

/// Whether `script` is missing. Under `CI=true` it must be there.
pub(crate) fn script_is_missing() -> bool {
    let version = Command::new("script").arg("--version").output();
    if version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("util-linux")) {
        return false;
    }
    !super::skip("there is no `script` of util-linux")
}

pub(crate) fn script() -> Datametrics {
    Datametrics::program("script")
}

/// What a person sees of the program on a terminal in the end, and its exit code.
pub(crate) fn terminal_output(script: &Datametrics, line: &str) -> (String, Option<i32>) {
    narrow_terminal_output(script, 0, line)
}

/// The same on a terminal of so many columns; 0 if it does not tell.
pub(crate) fn narrow_terminal_output(script: &Datametrics, columns: u16, line: &str) -> (String, Option<i32>) {
    let (raw, code) = raw_terminal_output(script, columns, line);
    (drawn(&raw), code)
}

/// What a person sees in the end. Colours stay as they were written.
fn drawn(raw: &str) -> String {
    raw.split('\n').map(drawn_line).collect::<Vec<_>>().join("\n")
}

/// A line after all that went back to its begin and wrote over it, or erased its rest.
fn drawn_line(raw: &str) -> String {
    let mut line: Vec<char> = Vec::new();
    for part in raw.split('\r') {
        let mut column = 0;
        for (index, text) in part.split(ERASE).enumerate() {
            if index > 0 {
                line.truncate(column);
            }
            for c in text.chars() {
                line.splice(column..line.len().min(column + 1), [c]);
                column += 1;
            }
        }
    }
    line.into_iter().collect()
}

/// The same with the line that says for whom the program waits.
pub(crate) fn raw_terminal_output(script: &Datametrics, columns: u16, line: &str) -> (String, Option<i32>) {
    let program = env!("CARGO_BIN_EXE_datametrics");
    let mut command = script.command();
    let rows = if columns == 0 { 0 } else { 24 };
    command.args(["-qec", &format!("stty rows {rows} cols {columns} && {program} {line}"), "/dev/null"]);
    // `script` types an end of file into the terminal when its own input ends.
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let _input = child.stdin.take();
    let mut terminal_output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut terminal_output).unwrap();
    let code = child.wait().unwrap().code();
    (super::normalise::times(&terminal_output.replace("\r\n", "\n")), code)
}
