//! `datametrics graphite schemas`, and the Carbon that is told what it prints.

use crate::support::{
    Datametrics, TIMEOUT,
    real_graphite::{self, RealGraphite},
};
use std::io::Write;
use std::net::TcpStream;
use std::time::SystemTime;

/// Both parts of what is printed.
fn parts(printed: &str) -> [String; 2] {
    let (schemas, aggregation) = printed.split_once("# storage-aggregation.conf").expect("two parts");
    [schemas.to_owned(), aggregation.to_owned()]
}

fn print(config: &str) -> String {
    let output = Datametrics::new().config(config).args(["graphite", "schemas"]).run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    output.stdout
}

/// A feed with an interval of its own, names that do not tell the feed, and a prefix with a character that is special in
/// a pattern.
const CONFIG: &str = "
[graphite]
url = 'https://graphite.example/graphite/metrics'
user = 'needs no password'
prefix = 'home.a+b'
interval = 10
[crypto]
names = 'coins/{base}.{quote}.{field}'
fields = ['last', 'high']
interval = 86400
[stocks]
interval = 300
";

#[test]
fn sections_follow_the_interval_and_the_names_of_each_feed() {
    let expected = r"# What Carbon needs, by the settings of `datametrics all`. Put each of the two parts at the beginning of the file that it
# names: Carbon takes the first section that matches, and reads both files anew each minute. A metric that has a file
# already keeps its form: whisper-resize gives it another.

# storage-schemas.conf

[datametrics]
pattern = ^home\.a\+b\.metrics\.
retentions = 10s:1d,5m:90d,1h:5y

[datametrics stocks]
pattern = ^home\.a\+b\.stocks\.
retentions = 5m:90d,1h:5y

[datametrics crypto]
pattern = ^home\.a\+b\.coins/[^.;]+\.[^.;]+\.(last|high)(;|$)
retentions = 1d:5y

# storage-aggregation.conf

[datametrics]
pattern = ^(home\.a\+b\.metrics\.|home\.a\+b\.stocks\.|home\.a\+b\.coins/[^.;]+\.[^.;]+\.(last|high)(;|$))
xFilesFactor = 0
aggregationMethod = last
";
    assert_eq!(print(CONFIG), expected);
}

#[test]
fn many_new_files_are_more_than_carbon_creates_in_a_minute() {
    let symbols: Vec<String> = (0..11).map(|number| format!("'C{number}'")).collect();
    let config = format!("[crypto]\nsymbols = [{}]\n[stocks]\nsymbols = []\n", symbols.join(","));
    let printed = print(&config);
    assert!(printed.contains("There are 55 values and more"), "{printed}");
    assert!(printed.contains("MAX_CREATES_PER_MINUTE"), "{printed}");
    assert!(!print("").contains("MAX_CREATES_PER_MINUTE"));
}

/// What Debian's packages bring.
const DEFAULT_SCHEMAS: &str = "[default]\npattern = .*\nretentions = 60s:1d,5m:30d,1h:3y\n";
const DEFAULT_AGGREGATION: &str = "[default]\npattern = .*\nxFilesFactor = 0.5\naggregationMethod = average\n";

/// Sends a value each 60 and each 300 seconds for so long, with tags and without, and waits until Carbon has stored
/// them.
fn fill(graphite: &RealGraphite, [begin, end]: [i64; 2]) {
    let every = |step: i64| (begin..end).filter(move |time| time % step == 0);
    let minutes = every(60).map(|time| format!("metrics.all.duration 0.5 {time}\n"));
    let lines: String = minutes.chain(every(300).map(|time| format!("crypto.BTC-USD.last {time} {time}\n"))).collect();
    let mut carbon = TcpStream::connect(("127.0.0.1", graphite.plaintext)).expect("Carbon");
    carbon.set_write_timeout(Some(TIMEOUT)).expect("a socket option");
    carbon.write_all(lines.as_bytes()).expect("Carbon reads");
    let last = (end - 1) / 300 * 300;
    graphite.wait_for("stored points", || {
        let is_stored = |metric| graphite.stored(metric, [last - 1, end - 1, end]).1 > 0;
        (graphite.files() >= 2 && ["metrics.all.duration", "crypto.BTC-USD.last"].into_iter().all(is_stored))
            .then_some(())
    });
}

/// Carbon makes the values of the longer archives when it writes those of the first one. What it has stored is read as
/// it will be read one, 30 and 300 days later.
#[test]
fn real_carbon_keeps_the_history_with_these_sections_and_loses_it_without() {
    if !real_graphite::available() {
        return;
    }
    let hour = 3_600;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970");
    let end = i64::try_from(now.as_secs()).expect("a time") / hour * hour;
    let [schemas, aggregation] = parts(&print("[crypto]\ninterval = 300\n[stocks]\nsymbols = []\n"));
    let with =
        RealGraphite::with_conf(&format!("{schemas}{DEFAULT_SCHEMAS}"), &format!("{aggregation}{DEFAULT_AGGREGATION}"));
    let without = RealGraphite::with_conf(DEFAULT_SCHEMAS, DEFAULT_AGGREGATION);
    // A day, as the first of Debian's archives has no more.
    let begin = end - 22 * hour;
    for graphite in [&with, &without] {
        fill(graphite, [begin, end]);
    }
    let known = |graphite: &RealGraphite, metric, days_later| {
        graphite.stored(metric, [begin - 1, end - 1, end + hour * 24 * days_later])
    };
    for metric in ["metrics.all.duration", "crypto.BTC-USD.last"] {
        let (minutes, hours) = (22 * 12, 22);
        assert_eq!(known(&with, metric, 30), (minutes, minutes), "{metric}: a value each five minutes");
        assert_eq!(known(&with, metric, 300), (hours, hours), "{metric}: a value each hour");
    }
    assert_eq!(known(&with, "metrics.all.duration", 0), (22 * 60, 22 * 60));
    // This is why the sections are needed.
    assert_eq!(known(&without, "crypto.BTC-USD.last", 0), (22 * 60, 22 * 12));
    assert_eq!(known(&without, "crypto.BTC-USD.last", 2), (22 * 12, 0));
    assert_eq!(known(&without, "crypto.BTC-USD.last", 300), (22, 0));
}
