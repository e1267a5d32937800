//! Many replies at once, each as long as allowed.

use super::MOST_MEMORY;
use crate::support::{Datametrics, Dialect, Ingest, Latch, Reply, Server, Verdict};

/// Two feeds with a provider each; every symbol is requested alone, all at the same time.
const CONFIG: &str = "
[feeds.a]
providers = ['a']
symbols = ['A1', 'A2', 'A3']
[feeds.b]
providers = ['b']
symbols = ['B1', 'B2', 'B3']
[providers.a]
market = 'other'
base_url = 'http://127.0.0.1:9'
quote = [{ path = '/{symbol}', rows = '/rows', fields = { last = '/last' } }]
[providers.b]
market = 'other'
base_url = 'http://127.0.0.1:9'
quote = [{ path = '/{symbol}', rows = '/rows', fields = { last = '/last' } }]
";

/// A valid reply of 16 MiB, filled with a text of these bytes.
fn long(filling: &[u8]) -> Vec<u8> {
    let (before, after) = (br#"{"rows":{"last":5},"x":""#, br#""}"#);
    let length = (16 << 20) - before.len() - after.len();
    let mut body = before.to_vec();
    body.extend(filling.iter().cycle().take(length / filling.len() * filling.len()));
    body.extend(after);
    body
}

/// The peak memory of a run that gets these replies at the same time.
fn peak(fillings: [&'static [u8]; 3]) -> u64 {
    let (latch, pushed) = (Latch::new(), Latch::new());
    let opened = latch.clone();
    let server = || {
        let opened = opened.clone();
        Server::with(move |request| {
            let at = request.target.as_bytes()[2] - b'1';
            let reply = Reply::json(long(fillings[usize::from(at)])).after(&opened);
            // Half of the replies have no length in their header.
            if request.target.starts_with("/A") { reply.over(1) } else { reply }
        })
    };
    let (a, b) = (server(), server());
    let held = pushed.clone();
    let graphite = Ingest::deciding(Dialect::WriteProxy, move |_| {
        held.wait();
        Verdict::Take
    });
    let run =
        Datametrics::new().config(CONFIG).args(["--feed", "a", "--feed", "b", "--timeout", "40", "--retries", "0"]);
    let running = run.provider("a", &a).provider("b", &b).graphite(&graphite).spawn();
    a.wait_for(3);
    b.wait_for(3);
    latch.release();
    graphite.server().wait_for(1);
    let peak = running.peak_memory().expect("a process that waits");
    pushed.release();
    let output = running.wait();
    // On a busy machine some replies come too late, which costs no memory.
    let is_late = |line: &str| line.contains(" in time");
    assert!(output.stderr.lines().all(is_late), "{output}");
    assert!(graphite.values().len() > 9, "{output}");
    peak
}

#[test]
fn long_replies_at_once_stay_within_the_memory_limit() {
    for fillings in [[b"x".as_slice(), b" ", b"x"], [b"\xff", b"x", b"\xff"], [b"\\n", b"\\u0041\xc3", b"\xff"]] {
        let peak = peak(fillings);
        assert!(peak < MOST_MEMORY, "{peak} KiB with {fillings:?}");
    }
}
