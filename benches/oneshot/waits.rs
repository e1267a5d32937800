//! Whether what can wait side by side does so.

use super::{DATAMETRICS, Folder, measure, measure::Program, serve, serve::Server};
use std::fmt::Write as _;

const QUOTE: &str = "key = '/symbol'\nfields = { last = '/last' }\n";

/// Prints how long a run takes where nearly all of it is waiting, and the least that it can take.
pub(crate) fn table() {
    println!("\n{:<70}{:>8}{:>8}{:>8}", "wall in ms", "median", "minimum", "least");
    let server = Server::start(20);
    let url = server.url();
    let provider = |name: &str, wait: u32| {
        format!(
            "[feeds.{name}]\nproviders = ['{name}']\nsymbols = ['{}']\n\
             [providers.{name}]\nmarket = 'other'\nbase_url = '{url}/{wait}'\n\
             [[providers.{name}.quote]]\npath = '/ticker'\nbatch = 0\n{QUOTE}",
            serve::symbol(0)
        )
    };
    let two = format!("[graphite]\nurl = '{url}/100/metrics'\n{}{}", provider("a", 300), provider("b", 500));
    line(
        "providers that answer after 300 and 500 ms, a Graphite after 100 ms",
        600,
        &two,
        &["--feed", "a", "--feed", "b"],
    );

    let mut symbols = String::new();
    for at in 0..20 {
        write!(symbols, "'{}',", serve::symbol(at)).expect("memory takes all");
    }
    let batches = format!(
        "[graphite]\nurl = '{url}/metrics'\n[feeds.a]\nproviders = ['a']\nsymbols = [{symbols}]\n\
         [providers.a]\nmarket = 'other'\nbase_url = '{url}/100'\nmax_concurrency = 4\n\
         [[providers.a.quote]]\npath = '/ticker?of={{symbols}}'\nbatch = 1\n{QUOTE}"
    );
    line("twenty batches of a provider that answers after 100 ms, four at once", 500, &batches, &["--feed", "a"]);
}

fn line(what: &str, least: u32, config: &str, args: &[&str]) {
    let folder = Folder::new();
    folder.write("config.toml", config);
    let config = folder.path("config.toml");
    let program = Program::new(DATAMETRICS, &folder.0).args(args.iter().copied());
    let (median, minimum) = measure::wall(&program.args(["--no-journal", "--config", &config]));
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    println!("{what:<70}{:>8.1}{:>8.1}{least:>8}", ms(median), ms(minimum));
}
