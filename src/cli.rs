//! The command line as text. Its values are parsed and checked in `settings`, together with those of the
//! variables and the config file, so that all of them go through the same checks.

use crate::secret::{MASK, looks_like_key};
use crate::util::sanitize::sanitize;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;

/// The command line.
#[derive(Debug)]
pub struct Cli {
    /// The subcommand, if there is one.
    pub(crate) command: Option<Command>,
    /// The flags that select feeds.
    pub(crate) feed_flags: FeedFlags,
    /// All other options.
    pub(crate) options: Options,
}

/// What stands beside the subcommand.
#[derive(Debug, Parser)]
#[command(
    name = "datametrics",
    version,
    about = "Fetches prices and other metrics from the internet and pushes them to Graphite, once.",
    after_help = "\
Examples:
  datametrics all --dry-run                what would be pushed, with nothing set up
  datametrics init                         a first config, and what comes next
  datametrics crypto BTC/USD ETH           these two instead of the configured ones
  datametrics symbols bitcoin              how providers spell it, and what to write here
  datametrics check                        is all that is needed there, and does it answer?

--help tells more: variables, defaults, exit codes, files.",
    after_long_help = concat!(include_str!("help.txt")),
    override_usage = "datametrics [OPTIONS] <all | crypto [SYMBOL]... | stocks [SYMBOL]...>\n       \
                      datametrics [OPTIONS] [--crypto] [--stocks] [--feed NAME]...\n       \
                      datametrics providers [NAME] [--reply FILE [SYMBOL]...]\n       \
                      datametrics symbols [TEXT]... [--provider NAME]\n       \
                      datametrics grafana <dashboard | alerts --datasource UID>\n       \
                      datametrics graphite schemas\n       \
                      datametrics check [--offline]\n       \
                      datametrics init [--graphite-url URL] [--user USER]",
    arg_required_else_help = true,
    max_term_width = 100
)]
struct Flags {
    #[command(flatten)]
    feed_flags: FeedFlags,
    #[command(flatten)]
    options: Options,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fetch and push crypto prices
    Crypto {
        /// Instead of the configured symbols, e.g. BTC/USD ETH; `-` reads them from standard input
        #[arg(id = "SYMBOL", value_name = "SYMBOL")]
        symbols: Vec<String>,
    },
    /// Fetch and push stock prices
    Stocks {
        /// Instead of the configured symbols, e.g. AAPL BRK.B; `-` reads them from standard input
        #[arg(id = "SYMBOL", value_name = "SYMBOL")]
        symbols: Vec<String>,
    },
    /// Fetch and push every feed that has symbols, the config's own too
    All,
    /// Say where each setting came from, and try the state directory, Graphite and each provider
    Check {
        /// Stop before the network: settings and state directory alone
        #[arg(long)]
        offline: bool,
    },
    /// Write a first config, where none is, and say what comes next
    Init {
        /// The user at Graphite: at Grafana Cloud the number of the Graphite instance. Variable GRAPHITE_USER
        #[arg(long, value_name = "USER")]
        user: Option<String>,
    },
    /// List the providers, or print the definition of one, to be pasted into a config
    Providers {
        /// Print the definition of this one
        name: Option<String>,
        /// With --reply: what the reply is about
        #[arg(id = "OF", value_name = "SYMBOL", requires = "reply")]
        symbols: Vec<String>,
        /// Try the definition on this saved reply, without a network; `-` is standard input. Of a provider
        /// that is not defined yet, print a definition to start from
        #[arg(long, value_name = "FILE", requires = "name")]
        reply: Option<String>,
    },
    /// Find how providers spell a symbol: all that have each TEXT in a spelling or in the name
    Symbols {
        /// A part of the symbol or of the name, in either case, e.g. bitcoin; none is all
        #[arg(id = "TEXT", value_name = "TEXT")]
        texts: Vec<String>,
    },
    /// Print a dashboard or alert rules for Grafana, made from the settings of `all`
    Grafana {
        /// Which of them
        #[command(subcommand)]
        export: GrafanaExport,
    },
    /// Print what your own Carbon must be told to keep the history, made from the settings of `all`
    Graphite {
        /// What to print
        #[command(subcommand)]
        export: GraphiteExport,
    },
}

/// The subcommands of `graphite`.
#[derive(Debug, Subcommand)]
pub(crate) enum GraphiteExport {
    /// Print sections for storage-schemas.conf and storage-aggregation.conf
    Schemas,
}

/// The subcommands of `grafana`.
#[derive(Debug, Subcommand)]
pub(crate) enum GrafanaExport {
    /// Print a dashboard to be imported
    Dashboard,
    /// Print alert rules
    Alerts {
        /// UID of the Graphite data source in Grafana; its page there has it in the address
        #[arg(long, value_name = "UID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        datasource: String,
        /// For whom: a provisioning file, or the HTTP API, which Grafana Cloud needs
        #[arg(long, value_parser = ["file", "api"], default_value = "file", hide_possible_values = true, value_name = "file|api")]
        format: String,
    },
}

/// The formats of alert rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AlertFormat {
    /// A file in Grafana's provisioning/alerting folder.
    File,
    /// The body of a `PUT` of one rule group.
    Api,
}

/// What a run prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputFormat {
    /// Tables for eyes.
    Table,
    /// What is sent.
    Wire,
    /// A report for scripts.
    Json,
}

/// The flags that select feeds. They can be combined.
#[derive(Debug, Args)]
#[group(id = "feeds", multiple = true)]
pub(crate) struct FeedFlags {
    /// Fetch and push crypto prices
    #[arg(long)]
    pub(crate) crypto: bool,
    /// Fetch and push stock prices
    #[arg(long)]
    pub(crate) stocks: bool,
    /// Fetch and push a feed of the config; may be repeated
    #[arg(long, value_name = "NAME", action = ArgAction::Append)]
    pub(crate) feed: Vec<String>,
}

/// The options, which may stand before or after the subcommand.
#[derive(Clone, Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Options {
    /// Read this config file
    ///
    /// Variable DATAMETRICS_CONFIG. Default: datametrics/config.toml in $XDG_CONFIG_HOME (or
    /// ~/.config), else /etc/datametrics/config.toml; none is fine.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<String>,
    /// Ask these providers, in this order; each feed takes those of its market
    ///
    /// Variable DATAMETRICS_PROVIDER. Default: the providers of each feed.
    #[arg(long, global = true, value_name = "NAME[,NAME]")]
    pub(crate) provider: Option<String>,
    /// Watch these symbols in the one feed named
    ///
    /// Variable DATAMETRICS_SYMBOLS. Default: the symbols of the feed. `-` reads them from
    /// standard input, one a line; # begins a comment.
    #[arg(long, global = true, value_name = "A,B")]
    pub(crate) symbols: Option<String>,
    /// Push these fields
    ///
    /// Variable DATAMETRICS_FIELDS. Default: the fields of each feed.
    #[arg(long, global = true, value_name = "A,B")]
    pub(crate) fields: Option<String>,
    /// Push to this Graphite
    ///
    /// Variable GRAPHITE_URL; graphite.url in the config. The user and password are never given on
    /// the command line: GRAPHITE_USER and GRAPHITE_PASSWORD, or GRAPHITE_PASSWORD_FILE.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) graphite_url: Option<String>,
    /// Put this before every metric name, joined by a dot
    ///
    /// Variable DATAMETRICS_PREFIX; graphite.prefix in the config. Default: nothing.
    #[arg(long, global = true, value_name = "P")]
    pub(crate) prefix: Option<String>,
    /// Seconds between two runs, as Graphite is told
    ///
    /// Variable DATAMETRICS_INTERVAL; graphite.interval in the config. Default: 60.
    #[arg(long, global = true, value_name = "SECS")]
    pub(crate) interval: Option<String>,
    /// Fetch stocks only while the New York exchange is open: any, regular or extended
    ///
    /// Variable DATAMETRICS_MARKET_HOURS; market_hours of a feed in the config. Default: any.
    #[arg(long, global = true, value_name = "HOURS")]
    pub(crate) market_hours: Option<String>,
    /// Give the whole run this many seconds
    ///
    /// Variable DATAMETRICS_TIMEOUT. Default: 30.
    #[arg(long, global = true, value_name = "SECS")]
    pub(crate) timeout: Option<String>,
    /// Try a failed request again up to this many times
    ///
    /// Variable DATAMETRICS_RETRIES. Default: 2.
    #[arg(long, global = true, value_name = "N")]
    pub(crate) retries: Option<String>,
    /// Watch only the symbols of shard K of N, K from 0: N machines share one list
    ///
    /// Variable DATAMETRICS_SHARD. Default: all symbols.
    #[arg(long, global = true, value_name = "K/N")]
    pub(crate) shard: Option<String>,
    /// Tell a monitor of the start and the end of the run (healthchecks.io's protocol)
    ///
    /// A URL with {status} (up or down), {code}, {message} or {duration} (milliseconds) is asked once,
    /// at the end.
    ///
    /// Variable DATAMETRICS_PING_URL, or DATAMETRICS_PING_URL_FILE names a file that holds it: others
    /// on the machine can read the command line. Default: none.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) ping_url: Option<String>,
    /// End with exit code 0 where something was pushed and something is missing; it is still said
    ///
    /// Variable DATAMETRICS_ACCEPT_PARTIAL, true or false. Default: exit code 1.
    #[arg(long, global = true)]
    pub(crate) accept_partial: bool,
    /// Print a table for eyes, what goes over the wire, or a report in JSON for scripts
    ///
    /// `table`, `wire` or `json`. Default: nothing; of a dry run a table at a terminal, else `wire`.
    // Alert rules have a `--format` too. Clap hands values between the two, so both are texts.
    #[arg(
        long,
        global = true,
        value_parser = ["table", "wire", "json"],
        hide_possible_values = true,
        value_name = "FORMAT"
    )]
    pub(crate) format: Option<String>,
    /// Print what was fetched instead of sending it; needs no Graphite
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
    /// Keep no journal: points that Graphite does not take are lost
    #[arg(long, global = true)]
    pub(crate) no_journal: bool,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say how each request went; twice: what was asked and read, too
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// The feeds that a command line selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FeedSelection {
    /// All feeds that have symbols.
    All,
    /// The feeds of these names, each once: `crypto`, `stocks`, then the others in the order of their flags.
    Named(Vec<String>),
}

impl Cli {
    /// Parses a command line. The first of `args` is the name of the program.
    ///
    /// # Errors
    /// When it is wrong, and when it asks for help or the version: clap's error holds the text to print.
    pub fn from_args(args: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Self, clap::Error> {
        Self::from_args_and(args, drop)
    }

    /// The same. `done_with` gets the descriptions of the command line that were used.
    pub(crate) fn from_args_and(
        args: impl IntoIterator<Item = impl Into<OsString>>,
        done_with: fn(clap::Command),
    ) -> Result<Self, clap::Error> {
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        // Clap gives each subcommand a copy of all options, which would be an eighth of what a short run costs.
        let typed = |subcommand: &clap::Command| args.iter().any(|arg| arg == subcommand.get_name());
        let subcommands = Command::augment_subcommands(clap::Command::default());
        let typed: Vec<clap::Command> = subcommands.get_subcommands().filter(|one| typed(one)).cloned().collect();
        let parse = |mut command| {
            let cli = Self::parse(&mut command, &args);
            done_with(command);
            cli
        };
        parse(Flags::command().subcommands(typed))
            // Help, and tips about what was meant, name all subcommands.
            .or_else(|_| parse(Self::command()))
            .map_err(|error| without_keys(with_feed_tip(error, &args)))
    }

    /// The description of the whole command line.
    pub fn command() -> clap::Command {
        // In this order, as each sets the description of the program, and that of the flags is meant.
        Flags::augment_args(Command::augment_subcommands(clap::Command::new(env!("CARGO_PKG_NAME"))))
    }

    fn parse(command: &mut clap::Command, args: &[OsString]) -> Result<Self, clap::Error> {
        let mut matches = command.try_get_matches_from_mut(args)?;
        let has_command = matches.subcommand_name().is_some();
        let subcommand = has_command.then(|| Command::from_arg_matches_mut(&mut matches)).transpose();
        let flags = Flags::from_arg_matches_mut(&mut matches);
        let cli = subcommand
            .and_then(|command| flags.map(|Flags { feed_flags, options }| Self { command, feed_flags, options }))
            .map_err(|error| error.format(command))?;
        match cli.conflict() {
            Some((kind, message)) => Err(command.error(kind, message)),
            None => Ok(cli),
        }
    }

    /// The selected feeds.
    pub(crate) fn selection(&self) -> FeedSelection {
        let named = |names: &[&str]| FeedSelection::Named(names.iter().map(ToString::to_string).collect());
        match &self.command {
            Some(Command::All | Command::Check { .. } | Command::Grafana { .. } | Command::Graphite { .. }) => {
                FeedSelection::All
            }
            Some(Command::Crypto { .. }) => named(&["crypto"]),
            Some(Command::Stocks { .. }) => named(&["stocks"]),
            Some(Command::Init { .. } | Command::Providers { .. } | Command::Symbols { .. }) => named(&[]),
            None => {
                let FeedFlags { crypto, stocks, feed } = &self.feed_flags;
                let mut names = Vec::new();
                for (name, flag) in [("crypto", *crypto), ("stocks", *stocks)] {
                    if flag || feed.iter().any(|feed| feed == name) {
                        names.push(name.to_owned());
                    }
                }
                for name in feed {
                    if !names.contains(name) {
                        names.push(name.clone());
                    }
                }
                FeedSelection::Named(names)
            }
        }
    }

    /// What a run is to print, if that was said.
    pub(crate) fn output_format(&self) -> Option<OutputFormat> {
        match self.options.format.as_deref() {
            Some("table") => Some(OutputFormat::Table),
            Some("wire") => Some(OutputFormat::Wire),
            Some("json") => Some(OutputFormat::Json),
            _ => None,
        }
    }

    /// Whether the command fetches, and pushes if it is no dry run.
    pub(crate) fn is_run(&self) -> bool {
        matches!(self.command, None | Some(Command::All | Command::Crypto { .. } | Command::Stocks { .. }))
    }

    /// The SYMBOL arguments.
    pub(crate) fn symbols(&self) -> &[String] {
        match &self.command {
            Some(Command::Crypto { symbols } | Command::Stocks { symbols }) => symbols,
            _ => &[],
        }
    }

    /// The error that clap does not find: feeds are selected in both forms, or in none.
    fn conflict(&self) -> Option<(ErrorKind, &'static str)> {
        let has_flag = self.feed_flags.crypto || self.feed_flags.stocks || !self.feed_flags.feed.is_empty();
        match (self.command.is_some(), has_flag) {
            (true, true) => {
                Some((ErrorKind::ArgumentConflict, "a subcommand and --crypto, --stocks or --feed: use one form"))
            }
            (false, false) => Some((
                ErrorKind::MissingRequiredArgument,
                "no feed is named: add `crypto`, `stocks`, or `all` for all that the config has",
            )),
            _ => self.format_conflict(),
        }
    }

    /// The format of one command is none of another.
    fn format_conflict(&self) -> Option<(ErrorKind, &'static str)> {
        match &self.command {
            Some(Command::Grafana { export: GrafanaExport::Alerts { format, .. } }) => {
                let is_known = AlertFormat::named(format).is_some();
                (!is_known).then_some((ErrorKind::InvalidValue, "the --format of alert rules is file or api"))
            }
            _ if self.options.format.is_some() && !self.is_run() => {
                Some((ErrorKind::ArgumentConflict, "--format is for runs: leave it out"))
            }
            _ => None,
        }
    }
}

impl AlertFormat {
    /// The format of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "file" => Some(Self::File),
            "api" => Some(Self::Api),
            _ => None,
        }
    }
}

/// Adds a tip to the error about an unknown subcommand. The word may be the name of a feed in the
/// config, which is not read yet.
fn with_feed_tip(mut error: clap::Error, args: &[OsString]) -> clap::Error {
    let has_suggestion = error.get(ContextKind::SuggestedSubcommand).is_some();
    let is_top_level = matches!(
        error.get(ContextKind::InvalidSubcommand),
        Some(ContextValue::String(word)) if is_subcommand(word, args)
    );
    if error.kind() == ErrorKind::InvalidSubcommand && is_top_level && !has_suggestion {
        let tip = "a feed of your own is named with '--feed <NAME>'";
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// Makes the words that an error quotes from the command line safe to show, and masks those that may be a key: it was
/// meant for a variable.
fn without_keys(mut error: clap::Error) -> clap::Error {
    let safe = |word: &String| if looks_like_key(word) { MASK.to_owned() } else { sanitize(word, usize::MAX) };
    let quoted = |(kind, value): (ContextKind, &ContextValue)| match value {
        ContextValue::String(word) => Some((kind, ContextValue::String(safe(word)))),
        ContextValue::Strings(words) => Some((kind, ContextValue::Strings(words.iter().map(safe).collect()))),
        _ => None,
    };
    for (kind, value) in error.context().filter_map(quoted).collect::<Vec<_>>() {
        let is_masked = matches!(&value, ContextValue::String(word) if word == MASK);
        error.insert(kind, value);
        if is_masked {
            // A tip repeats the word.
            error.remove(ContextKind::Suggested);
        }
    }
    error
}

/// Whether `word` stands where the program expects a subcommand, and not after `help`, `grafana` or `graphite`.
/// Clap's error does not say so. That is why the arguments are parsed again with a parser that
/// takes any word as a subcommand.
fn is_subcommand(word: &str, args: &[OsString]) -> bool {
    let parser = Cli::command().disable_help_subcommand(true).allow_external_subcommands(true);
    parser.try_get_matches_from(args).is_ok_and(|matches| matches.subcommand_name() == Some(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Cli {
        Cli::from_args(line.split(' ')).unwrap()
    }

    #[test]
    fn the_command_line_is_valid_for_clap() {
        Cli::command().debug_assert();
    }

    #[test]
    fn selected_feeds_have_a_fixed_order() {
        let selection = |line| parse(line).selection();
        let named = |names: &[&str]| FeedSelection::Named(names.iter().map(ToString::to_string).collect());
        assert_eq!(selection("datametrics --feed fx --stocks --crypto --feed fx"), named(&["crypto", "stocks", "fx"]));
        assert_eq!(selection("datametrics --feed stocks"), named(&["stocks"]));
        assert_eq!(selection("datametrics crypto BTC"), named(&["crypto"]));
        assert_eq!(selection("datametrics all"), FeedSelection::All);
    }

    #[test]
    fn options_may_stand_before_or_after_the_subcommand() {
        for line in ["datametrics --dry-run crypto", "datametrics crypto --dry-run"] {
            assert!(parse(line).options.dry_run, "{line}");
        }
        assert_eq!(parse("datametrics -vv all").options.verbose, 2);
    }

    #[test]
    fn a_command_line_selects_feeds_in_exactly_one_form() {
        let error = |line: &str| Cli::from_args(line.split(' ')).err().map(|error| error.kind());
        assert_eq!(error("datametrics"), Some(ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand));
        assert_eq!(error("datametrics --dry-run"), Some(ErrorKind::MissingRequiredArgument));
        assert_eq!(error("datametrics --crypto stocks"), Some(ErrorKind::ArgumentConflict));
        assert_eq!([error("datametrics --crypto --stocks"), error("datametrics check")], [None, None]);
    }

    #[test]
    fn symbol_arguments_and_the_symbols_option_are_kept_apart() {
        let cli = parse("datametrics crypto BTC ETH --symbols X");
        assert_eq!((cli.symbols().len(), cli.options.symbols.as_deref()), (2, Some("X")));
        assert_eq!(parse("datametrics crypto BTC").options.symbols, None);
    }

    fn message(line: &str) -> String {
        Cli::from_args(line.split(' ')).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_subcommand_gets_a_tip_about_feeds() {
        for line in ["datametrics fx", "datametrics --dry-run fx", "datametrics --config help fx"] {
            assert!(message(line).contains("a feed of your own is named with '--feed <NAME>'"), "{line}");
        }
    }

    #[test]
    fn an_error_shows_no_key_and_nothing_unsafe() {
        let key = "glc_eyJvIjoiMTIzNDU2";
        for line in [
            format!("datametrics {key}"),
            format!("datametrics --password={key}"),
            format!("datametrics --password {key}"),
            format!("datametrics --{key}"),
            format!("datametrics all {key}"),
            format!("datametrics grafana alerts --datasource uid --format {key}"),
            format!("datametrics grafana {key}"),
            format!("datametrics help {key}"),
        ] {
            assert!(!message(&line).contains("eyJ"), "{line}: {}", message(&line));
        }
        for line in ["datametrics \u{1b}[2J", "datametrics --\u{202e}x", "datametrics all \u{e0041}"] {
            let message = message(line);
            assert!(message.contains("\\u{") && message.chars().all(|c| c == '\n' || !c.is_control()), "{message:?}");
        }
    }

    #[test]
    fn no_tip_about_feeds_follows_help_or_grafana_or_a_similar_subcommand() {
        for line in [
            "datametrics stoks",
            "datametrics help fx",
            "datametrics grafana fx",
            "datametrics help grafana fx",
            "datametrics graphite fx",
        ] {
            assert!(!message(line).contains("--feed <NAME>'"), "{line}");
        }
    }
}
