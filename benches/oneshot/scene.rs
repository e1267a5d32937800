//! Runs over a network: what is asked of which server, by name or by address.

use super::hosts::{Network, addresses};
use super::{DATAMETRICS, backlog, folder::Folder, measure::Program};
use std::fs;

/// A run against the servers of [`super::hosts`].
pub(crate) struct Scene {
    pub(crate) title: String,
    config: String,
    args: Vec<&'static str>,
    /// How many symbols it reads from standard input.
    symbols: usize,
    /// The URL of the destination for which files wait in the journal.
    waiting: Option<String>,
    /// Whether each run is the first one, which remembers nothing.
    is_first: bool,
}

/// How a server is called.
#[derive(Clone, Copy)]
pub(crate) enum By {
    Name,
    Address(Network),
}

impl By {
    /// The scheme and the host of a URL.
    pub(crate) fn url(self, host: &str) -> String {
        match self {
            Self::Name => format!("https://{host}"),
            Self::Address(network) => {
                let (_, address) = addresses(network).find(|(name, _)| *name == host).expect("a host");
                format!("https://{address}")
            }
        }
    }
}

impl Scene {
    /// The run in this folder, which has the roots. It keeps a journal, as a run does by default.
    pub(crate) fn program(&self, folder: &Folder) -> Program {
        let symbols = (0..self.symbols).fold(String::new(), |text, index| text + &format!("S{index}\n"));
        folder.write("symbols", &symbols);
        folder.write("config.toml", &self.config);
        let program = Program::new(DATAMETRICS, &folder.0)
            .args(self.args.iter().copied())
            // Under valgrind a run is slow.
            .args(["--config", &folder.path("config.toml"), "--timeout", "280"])
            .roots(&folder.0.join("roots.pem"));
        if self.symbols == 0 { program } else { program.args(["--symbols", "-"]).stdin(&folder.0.join("symbols")) }
    }

    /// What has to be there before each run.
    pub(crate) fn prepare(&self, folder: &Folder) {
        if self.is_first {
            let state = folder.0.join(".local");
            assert!(!state.exists() || fs::remove_dir_all(state).is_ok(), "the state can be removed");
        }
        if let Some(url) = &self.waiting {
            backlog::plant(&folder.0, url);
        }
    }
}

/// Where all scenes push.
fn graphite(by: By) -> String {
    format!("[graphite]\nurl = '{}/metrics'\n", by.url("graphite.test"))
}

/// A feed with a provider of the same name, which is asked for so many symbols in a request.
fn feed(name: &str, url: &str, batch: u32) -> String {
    format!(
        "[feeds.{name}]\nproviders = ['{name}']\nsymbols = ['S1']\n\
         [providers.{name}]\nmarket = 'other'\nbase_url = '{url}'\nmax_concurrency = 4\n\
         [[providers.{name}.quote]]\npath = '/rows?of={{symbols}}'\nbatch = {batch}\nkey = '/symbol'\n\
         fields = {{ last = '/last' }}\n"
    )
}

/// One provider, asked for one symbol.
pub(crate) fn one_provider(by: By) -> Scene {
    let title = match by {
        By::Name => "one provider, by name",
        By::Address(_) => "one provider, by address",
    };
    let config = graphite(by) + &feed("a", &by.url("provider.test"), 1);
    Scene { title: title.to_owned(), config, args: vec!["--feed", "a"], symbols: 0, waiting: None, is_first: false }
}

/// The first run of all with one provider, by name.
pub(crate) fn first_run() -> Scene {
    Scene { title: "one provider, by name, first run".to_owned(), is_first: true, ..one_provider(By::Name) }
}

/// Two providers, each asked for one symbol.
pub(crate) fn two_providers(network: Network) -> Scene {
    let by = By::Address(network);
    let config = graphite(by) + &feed("a", &by.url("provider.test"), 1) + &feed("b", &by.url("other.test"), 1);
    let args = vec!["--feed", "a", "--feed", "b"];
    Scene { title: "two providers, by address".to_owned(), config, args, symbols: 0, waiting: None, is_first: false }
}

/// The built-in definition of Coinbase, which needs two requests a symbol for these fields.
pub(crate) fn coinbase() -> Scene {
    let url = By::Name.url("provider.test");
    let config = graphite(By::Name) + &format!("[providers.coinbase]\nbase_url = '{url}'\n");
    let args = vec!["crypto", "--provider", "coinbase", "--symbols", "BTC,ETH,SOL", "--fields", "last,bid,high"];
    Scene { title: "coinbase, 3 symbols, by name".to_owned(), config, args, symbols: 0, waiting: None, is_first: false }
}

/// So many symbols of one provider, four requests at once.
pub(crate) fn batches(symbols: usize, batch: u32) -> Scene {
    let config = graphite(By::Name) + &feed("a", &By::Name.url("provider.test"), batch);
    let title = format!("{symbols} symbols, {batch} a request, by name");
    Scene { title, config, args: vec!["--feed", "a"], symbols, waiting: None, is_first: false }
}

/// What waited for a day, by HTTPS or to Carbon.
pub(crate) fn waiting_files(is_carbon: bool) -> Scene {
    let (to, url) =
        if is_carbon { ("Carbon", "tcp://graphite.test:2003") } else { ("HTTPS", "https://graphite.test:443/metrics") };
    // Grafana Cloud takes nothing that is older than an hour, so that is the default.
    let config = format!("[graphite]\nurl = '{url}'\n[journal]\nmax_age = 172_800\n")
        + &feed("a", &By::Name.url("provider.test"), 1);
    let title = format!("1440 files of 24 points to {to}");
    Scene { title, config, args: vec!["--feed", "a"], symbols: 0, waiting: Some(url.to_owned()), is_first: false }
}
