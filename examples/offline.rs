//! A whole run without the internet. One server on loopback answers like Kraken and Yahoo, another takes
//! points like Graphite's ingest, and the library fetches from the one and pushes to the other.
//!
//! `cargo run --release --example offline`

use datametrics::{Cli, Context, HttpClient, Outcome, Random, Settings, SystemDialer};
use std::error::Error;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

/// Recorded replies: the request line, the status line, the headers, a blank line, and the body.
const KRAKEN: &str = include_str!("../tests/providers/kraken/several/1.http");
const YAHOO: &str = include_str!("../tests/providers/yahoo/several/1.http");

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (sender, pushed) = mpsc::channel();
    let providers = serve(|path, _| body_of(if path.starts_with("/0/public/Ticker") { KRAKEN } else { YAHOO }))?;
    let graphite = serve(move |_, body| {
        let count = body.matches("\"name\":").count();
        sender.send(body).map(|()| format!("{{\"published\":{count}}}")).unwrap_or_default()
    })?;

    let variables = [
        ("DATAMETRICS_KRAKEN_BASE_URL", format!("http://{providers}")),
        ("DATAMETRICS_YAHOO_BASE_URL", format!("http://{providers}")),
        ("DATAMETRICS_CRYPTO_SYMBOLS", "BTC/USD,ETH/USD,BAT/USD,DOGE/USD".to_owned()),
        ("DATAMETRICS_STOCKS_SYMBOLS", "AAPL,MSFT,BRK.B".to_owned()),
        ("GRAPHITE_URL", format!("http://{graphite}/graphite/metrics")),
        ("GRAPHITE_USER", "123456".to_owned()),
        ("GRAPHITE_PASSWORD", "a-token".to_owned()),
    ];
    let env =
        |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| OsString::from(value));
    let cli = Cli::from_args(["datametrics", "all"])?;
    let settings = Settings::read(&cli, &env, std::io::empty())?;
    let (dialer, random) = (SystemDialer::default(), Random::seeded(1));
    let client = HttpClient::new(settings.network(), &dialer);
    let outcome = datametrics::run(&settings, Context::system(&client, &dialer, &random), &mut std::io::stdout());

    for body in pushed.try_iter() {
        println!("{}", body.replace("},{", "},\n {"));
    }
    println!("outcome: {outcome:?}");
    Ok(if outcome == Outcome::Success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The body of a recorded reply.
fn body_of(recorded: &str) -> String {
    recorded.split_once("\n\n").map_or(String::new(), |(_, body)| body.to_owned())
}

/// Starts a server on a free port of loopback. `reply` is given the path and the body of a request, and
/// returns JSON. The server runs until the process ends.
fn serve(reply: impl FnMut(&str, String) -> String + Send + 'static) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        let mut reply = reply;
        for stream in listener.incoming().flatten() {
            // A client that goes away early is no error of the server.
            let _ = answer(&stream, &mut reply);
        }
    });
    Ok(address)
}

/// Reads one request and answers it.
fn answer(mut stream: &TcpStream, reply: &mut impl FnMut(&str, String) -> String) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut request, mut length) = (String::new(), 0);
    reader.read_line(&mut request)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body)?;
    let json = reply(request.split(' ').nth(1).unwrap_or_default(), body);
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{json}", json.len())
}
