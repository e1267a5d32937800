//! Runs whose time is nearly all waiting. They show whether requests that can be made at the same time
//! are.

use super::{DATAMETRICS, folder::Folder, measure, measure::Program, server, server::Server};
use std::fmt::Write as _;

const QUOTE: &str = "key = '/symbol'\nfields = { last = '/last' }\n";

/// Prints how long such runs take, and the least time that they can take.
pub(crate) fn print_table() {
    println!("\n{:<70}{:>8}{:>8}{:>8}", "wall in ms", "median", "minimum", "least");
    let server = Server::start(20);
    let url = server.url();
    let provider = |name: &str, wait: u32| {
        format!(
            "[feeds.{name}]\nproviders = ['{name}']\nsymbols = ['{}']\n\
             [providers.{name}]\nmarket = 'other'\nbase_url = '{url}/{wait}'\n\
             [[providers.{name}.quote]]\npath = '/ticker'\nbatch = 0\n{QUOTE}",
            server::symbol(0)
        )
    };
    let two_providers = format!("[graphite]\nurl = '{url}/100/metrics'\n{}{}", provider("a", 300), provider("b", 500));
    print_line(
        "providers that answer after 300 and 500 ms, a Graphite after 100 ms",
        600,
        &two_providers,
        &["--feed", "a", "--feed", "b"],
    );

    let mut symbols = String::new();
    for index in 0..20 {
        write!(symbols, "'{}',", server::symbol(index)).expect("a string can be written");
    }
    let batches = format!(
        "[graphite]\nurl = '{url}/metrics'\n[feeds.a]\nproviders = ['a']\nsymbols = [{symbols}]\n\
         [providers.a]\nmarket = 'other'\nbase_url = '{url}/100'\nmax_concurrency = 4\n\
         [[providers.a.quote]]\npath = '/ticker?of={{symbols}}'\nbatch = 1\n{QUOTE}"
    );
    print_line("twenty batches of a provider that answers after 100 ms, four at once", 500, &batches, &["--feed", "a"]);
}

/// Measures runs with this config and prints a line. `least` is in milliseconds.
fn print_line(title: &str, least: u32, config: &str, args: &[&str]) {
    let folder = Folder::new();
    folder.write("config.toml", config);
    let config = folder.path("config.toml");
    let program = Program::new(DATAMETRICS, &folder.0).args(args.iter().copied());
    let (median, minimum) = measure::wall_times(&program.args(["--no-journal", "--config", &config]));
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    println!("{title:<70}{:>8.1}{:>8.1}{least:>8}", ms(median), ms(minimum));
}
