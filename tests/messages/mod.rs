//! Every message of the program. `README.md` lists them; this test makes the built program write each one. It
//! also fails if a text of the source is in no message, so the list is always complete.

mod checking;
mod command_line;
mod definitions;
mod fetching;
mod keeping;
mod listing;
mod pushing;
pub(crate) mod rendered;
mod scene;
mod settings;
mod source;

use crate::support::{Datametrics, graphite, in_parallel, leak, panic_text};
use scene::{Message, Observed, Scene};
use snapbox::{Assert, Data};
use std::{
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

const HEAD: &str = "\
# Messages

Every message about something that is wrong, and the exit code of the run. `cargo test --test integration messages`
compares this page with the messages of the built program. The test also fails when a text of `src` is in no message.
After an intended change, `SNAPSHOTS=overwrite cargo test --test integration messages` rewrites the page.

A message says what happened, where, and what to do if that is not obvious. It begins in lower case, ends without a
period, uses one word for one thing, and never contains a secret or more of a URL than its host.

The last section has the errors that no test can bring about, without the parts that a run adds before and after them.
";

/// The sections of the page.
const SECTIONS: &[(&str, &[Scene])] = &[
    ("Command line", command_line::SCENES),
    ("Values of flags", command_line::VALUES),
    ("Config file and variables", settings::SCENES),
    ("Secrets", settings::SECRETS),
    ("Symbols, fields and names", settings::WATCHED),
    ("Definitions", definitions::SCENES),
    ("Reaching a provider", fetching::WAYS),
    ("Statuses of a provider", fetching::STATUSES),
    ("Replies of a provider", fetching::REPLIES),
    ("`datametrics symbols`", listing::SCENES),
    ("Nothing due", fetching::SKIPPED),
    ("What `-vv` says of a reply", fetching::EXPLAINED),
    ("Graphite over HTTP", pushing::INGEST),
    ("Carbon", pushing::CARBON),
    ("AMQP", pushing::AMQP),
    ("Mirrors", pushing::MIRRORS),
    ("Journal and state", keeping::SCENES),
    ("Monitor", keeping::MONITOR),
    ("`datametrics check`", checking::SCENES),
    ("Standard output", checking::OUTPUT),
    ("Limits of the machine", checking::MACHINE),
    ("Not brought about", rendered::SCENES),
];

/// Texts of the source that no message has, with `…` for placeholders.
const NO_MESSAGES: &[&str] = &[
    // The lines of a file of the journal.
    "; datametrics journal ",
    "; name value time",
    "; name value time interval refusals",
    // The value of a header.
    "text/plain; charset=utf-8",
    "Proxy-Authorization: Basic … ",
    // Shown on a terminal only.
    " of … requests done",
    ", waiting for ",
    // The colours of a number there.
    "x1b[32m…x1b[0m",
    "x1b[31m…x1b[0m",
    // Names of days, which stand in brackets as the other reasons for which a market is closed do.
    "New Year's Day",
    "Martin Luther King Jr. Day",
    "Washington's Birthday",
    "Good Friday",
    "Memorial Day",
    "Independence Day",
    "Labor Day",
    // A number whose bounds were checked before.
    "is out of range",
    "is no HTTP status",
    // What the parser expects of a part of an ingest's reply, where the error says nothing but that it is none.
    "an object",
];

#[test]
fn every_message_is_in_the_readme_and_every_text_in_a_message() {
    let mut page = HEAD.to_owned();
    let mut messages = Vec::new();
    for (title, scenes) in SECTIONS {
        write!(page, "\n## {title}\n\n| what happens | exit | level | message |\n| --- | --- | --- | --- |\n")
            .expect("memory");
        let rows = in_parallel(scenes, |scene| {
            catch_unwind(AssertUnwindSafe(|| scene.play()))
                .unwrap_or_else(|panic| Observed::failed(panic_text(&*panic)))
        });
        for (scene, observed) in scenes.iter().zip(rows) {
            page += &observed.rows(&scene.what(), &messages);
            messages.extend(observed.messages);
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages/README.md");
    let assert = Assert::new().action_env("SNAPSHOTS").normalize_paths(false);
    assert.eq(Data::text(page).raw(), Data::read_from(&file, None).raw());
    let shows = |message: &Message, secret| message.line().contains(secret);
    let leak = messages.iter().find(|message| [leak::PART, graphite::PASSWORD].iter().any(|part| shows(message, part)));
    assert!(leak.is_none(), "{:?}", leak.map(Message::line));
    every_text_is_in(&messages);
}

/// Checks that every text of the source is in a message or in printed data.
fn every_text_is_in(messages: &[Message]) {
    let data = data();
    let is_known = |text: &source::Text| {
        messages.iter().any(|message| text.is_in(&message.line()))
            || data.iter().any(|data| text.is_in(data))
            || NO_MESSAGES.contains(&&*text.text())
    };
    let texts = source::texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let unknown = texts.iter().filter(|text| !is_known(text));
    let unknown: Vec<String> = unknown.map(|text| format!("{}: {}", text.location, text.text())).collect();
    assert!(unknown.is_empty(), "these can be said, and no scene of tests/messages has it:\n{}", unknown.join("\n"));
    for known in NO_MESSAGES {
        assert!(texts.iter().any(|text| text.text() == *known), "there is no {known:?} any more");
    }
}

/// The output of commands that print data.
fn data() -> Vec<String> {
    const CONFIG: &str = "
        [mirrors.cellar]
        url = 'tcp://127.0.0.1:19'
        [stocks]
        market_hours = 'regular'
        [feeds.fx]
        providers = ['own']
        symbols = ['EUR/USD', 'GBP/USD', 'CHF/USD']
        fields = ['last', 'bid', 'ask', 'volume', 'change', 'change_percent', 'age', 'depth']
        interval = 300
        [providers.own]
        market = 'other'
        remaining = { header = 'x-left', of = 60 }
        base_url = 'https://own.example'
        [[providers.own.quote]]
        path = '/all'
        batch = 0
        time = { at = '/t', unit = 's' }
        fields = { last = '/l', bid = '/b', ask = '/a', volume = '/v', change = '/c', change_percent = '/p', depth = '/d' }
        [[alert]]
        symbol = 'BTC/USD'
        above = 1
        below = 2
        change_percent_1h = 3
    ";
    let command_lines = [
        "--help",
        "-h",
        "providers",
        "grafana dashboard",
        "grafana alerts --datasource uid --format api",
        "graphite schemas",
        "check --offline",
        "check -v --retries=0 --graphite-url=tcp://127.0.0.1:9",
    ];
    let print = |line: &&str| {
        // A check asks the providers, and nobody is there.
        let providers = ["KRAKEN", "COINBASE", "YAHOO", "CNBC", "OWN"];
        let nobody = |run: Datametrics, name| run.env(format!("DATAMETRICS_{name}_BASE_URL"), "http://127.0.0.1:9");
        let run = providers.into_iter().fold(Datametrics::new().config(CONFIG), nobody);
        let printed = run.args(line.split(' ')).run().stdout;
        source::words(&printed.replace("\\\"", "\""))
    };
    let first = [
        "init",
        "init --user=1",
        "init --graphite-url=https://own.example/metrics",
        "init --graphite-url=tcp://127.0.0.1:9",
        "init --config=config.toml",
    ]
    .map(|line| {
        let run = Datametrics::new().args(line.split(' '));
        std::fs::write(run.home().join("graphite-password"), "").expect("a file");
        source::words(&run.run().stdout)
    });
    let many = format!("{{{}}}", (0..60).map(|n| format!("\"a{n}\":{n}")).collect::<Vec<_>>().join(","));
    let rows = r#"{"data":[{"name":"a","n":1},{"name":"b","n":2}]}"#;
    let begun = [r#"{"none":null}"#, rows, &many].map(|body| {
        let printed = Datametrics::new().args(["providers", "zzz", "--reply", "-"]).stdin(body).run().stdout;
        source::words(&printed)
    });
    command_lines.iter().map(print).chain(first).chain(begun).collect()
}
