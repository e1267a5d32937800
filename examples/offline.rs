//! A whole run without the internet. One server on loopback answers like Kraken and Yahoo, another takes
//! points like Graphite's ingest, by TLS, and the library fetches from the one and pushes to the other.
//!
//! `cargo run --release --example offline`
//!
//! With a command, that one runs instead of the library: a built program, or one for another processor.
//!
//! `cargo run --example offline -- qemu-aarch64-static target/aarch64-unknown-linux-musl/release/datametrics`

use datametrics::{Cli, Context, HttpClient, Outcome, Random, Settings, SystemDialer};
use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivatePkcs8KeyDer};
use std::error::Error;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, ExitCode};
use std::sync::{Arc, mpsc};
use std::{env, fs, thread};

/// Recorded replies: the request line, the status line, the headers, a blank line, and the body.
const KRAKEN: &str = include_str!("../tests/providers/kraken/several/1.http");
const YAHOO: &str = include_str!("../tests/providers/yahoo/several/1.http");

type Variables = [(&'static str, String)];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let roots = folder.path().join("roots.pem");
    fs::write(&roots, certified.cert.pem())?;
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()).into();
    let tls = ServerConfig::builder().with_no_client_auth();
    let tls = Arc::new(tls.with_single_cert(vec![certified.cert.der().clone()], key)?);

    let (sender, pushed) = mpsc::channel();
    let recorded = |path: &str, _| body_of(if path.starts_with("/0/public/Ticker") { KRAKEN } else { YAHOO });
    let take = move |_: &str, body: String| {
        let count = body.matches("\"name\":").count();
        sender.send(body).map(|()| format!("{{\"published\":{count}}}")).unwrap_or_default()
    };
    let providers = serve(None, recorded)?;
    let graphite = serve(Some(tls), take)?;

    let variables = [
        ("DATAMETRICS_KRAKEN_BASE_URL", format!("http://{providers}")),
        ("DATAMETRICS_YAHOO_BASE_URL", format!("http://{providers}")),
        ("DATAMETRICS_CRYPTO_SYMBOLS", "BTC/USD,ETH/USD,BAT/USD,DOGE/USD".to_owned()),
        ("DATAMETRICS_STOCKS_SYMBOLS", "AAPL,MSFT,BRK.B".to_owned()),
        ("DATAMETRICS_STATE_DIR", folder.path().join("state").display().to_string()),
        ("SSL_CERT_FILE", roots.display().to_string()),
        ("GRAPHITE_URL", format!("https://{graphite}/graphite/metrics")),
        ("GRAPHITE_USER", "123456".to_owned()),
        ("GRAPHITE_PASSWORD", "a-token".to_owned()),
    ];
    let command: Vec<OsString> = env::args_os().skip(1).collect();
    let code = match command.split_first() {
        Some((program, args)) => run_command(program, args, &variables)?,
        None => Some(i32::from(run_library(&variables)?.code())),
    };

    let bodies: Vec<String> = pushed.try_iter().collect();
    for body in &bodies {
        println!("{}", body.replace("},{", "},\n {"));
    }
    println!("exit code: {code:?}");
    let is_whole = ["crypto.BTC-USD.last", "stocks.AAPL.last"].iter().all(|name| bodies.concat().contains(name));
    Ok(if code == Some(0) && is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the library in this process, with these variables and no others.
fn run_library(variables: &Variables) -> Result<Outcome, Box<dyn Error>> {
    let env =
        |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| OsString::from(value));
    let cli = Cli::from_args(["datametrics", "all"])?;
    let settings = Settings::read(&cli, &env, std::io::empty())?;
    let (dialer, random) = (SystemDialer::default(), Random::seeded(1));
    let client = HttpClient::new(settings.network(), &dialer);
    Ok(datametrics::run(&settings, Context::system(&client, &dialer, &random), &mut std::io::stdout()))
}

/// Runs a program with these variables and no others. `None` if a signal ended it.
fn run_command(program: &OsString, args: &[OsString], variables: &Variables) -> std::io::Result<Option<i32>> {
    let mut command = Command::new(program);
    command.args(args).arg("all").env_clear().envs(variables.iter().map(|(name, value)| (name, value)));
    Ok(command.status()?.code())
}

/// The body of a recorded reply.
fn body_of(recorded: &str) -> String {
    recorded.split_once("\n\n").map_or(String::new(), |(_, body)| body.to_owned())
}

/// Starts a server on a free port of loopback. `reply` is given the path and the body of a request, and
/// returns JSON. The server runs until the process ends.
fn serve(
    tls: Option<Arc<ServerConfig>>,
    mut reply: impl FnMut(&str, String) -> String + Send + 'static,
) -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away early is no error of the server.
            let _ = accept(stream, tls.as_ref(), &mut reply);
        }
    });
    Ok(address)
}

/// Answers one request, by TLS where it is wanted.
fn accept(
    stream: TcpStream,
    tls: Option<&Arc<ServerConfig>>,
    reply: &mut impl FnMut(&str, String) -> String,
) -> Result<(), Box<dyn Error>> {
    let Some(tls) = tls else { return Ok(answer(stream, reply)?) };
    let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(tls))?, stream);
    answer(&mut stream, reply)?;
    stream.conn.send_close_notify();
    Ok(stream.flush()?)
}

/// Reads one request and answers it.
fn answer(mut stream: impl Read + Write, reply: &mut impl FnMut(&str, String) -> String) -> std::io::Result<()> {
    let mut reader = BufReader::new(&mut stream);
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
