//! Ways into Graphite in TLS, and the certificate by which a destination knows us.

use crate::support::{
    Carbon, Datametrics, Dialect, Ingest, Server, Tls,
    amqp::Broker,
    graphite,
    intermediary::{Intermediary, Program},
    journal::Journal,
    listener::Listener,
    prices,
    real_graphite::{self, RealGraphite},
    tls::Certificate,
};
use rustls::ServerConnection;
use std::{fs, io::Write as _, net::TcpStream, sync::Arc, thread, time::Duration};

fn provider() -> Server {
    prices::provider(&[("BTC", "64210.10")])
}

/// A run that pushes the price of BTC to this URL, and trusts these authorities.
fn run(provider: &Server, config: &str, url: &str, roots: &str) -> Datametrics {
    let run = prices::run(provider, config).env("GRAPHITE_URL", url);
    fs::write(run.home().join("roots.pem"), roots).expect("a file");
    run.env("SSL_CERT_FILE", "roots.pem")
}

/// HAProxy that ends TLS before a server. Where there is an authority it wants clients to have a certificate of it.
fn balancer(mode: &str, server: u16, client_authority: Option<&str>) -> (Intermediary, String) {
    let (certificate, roots) = Certificate::Good.make_pem();
    let balancer = Intermediary::start(Program::Haproxy, |port, folder| {
        fs::write(folder.join("front.pem"), &certificate).expect("a file");
        let verify = client_authority.map(|authority| {
            fs::write(folder.join("clients.pem"), authority).expect("a file");
            "ca-file clients.pem verify required"
        });
        format!(
            "defaults\n mode {mode}\n timeout connect 2s\n timeout client 20s\n timeout server 20s\n\
             frontend front\n bind 127.0.0.1:{port} ssl crt front.pem {}\n default_backend back\n\
             backend back\n server one 127.0.0.1:{server}\n",
            verify.unwrap_or_default()
        )
    });
    (balancer, roots)
}

#[test]
fn points_reach_a_real_carbon_behind_haproxy_in_tls() {
    if !Program::Haproxy.is_available() || !real_graphite::available() {
        return;
    }
    let (provider, graphite) = (provider(), RealGraphite::start());
    let (balancer, roots) = balancer("tcp", graphite.plaintext, None);
    let run = run(&provider, "", &format!("tls://{}", balancer.authority()), &roots);
    let output = run.run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    let series = graphite.wait_for_points("crypto.BTC-USD.last", "-10min");
    assert_eq!(series[0].points[0].1.to_string(), "64210.1");
    assert!(Journal::of(&run).files().is_empty());

    // Plaintext in the place of TLS is refused by the balancer, and nothing of it counts as taken.
    let output = run.env("GRAPHITE_URL", format!("tcp://{}", balancer.authority())).run();
    assert_eq!(output.code, Some(75), "{output}");
}

/// The points of a connection that ends without `close_notify` may have been cut off by anybody.
#[test]
fn a_close_without_close_notify_is_an_early_close() {
    let (provider, carbon) = (provider(), Carbon::start());
    let address = carbon.authority().parse().expect("an address");
    let honest = Tls::before(address, Certificate::Good);
    let output = run(&provider, "", &format!("tls://{}", honest.address()), honest.roots()).run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    let before = carbon.lines().len();
    assert!(before > 0);

    let cutting = Tls::cutting(address);
    let run = run(&provider, "", &format!("tls://{}", cutting.address()), cutting.roots());
    let output = run.run();
    assert_eq!(output.code, Some(75), "{output}");
    assert!(output.stderr.contains("the connection broke") && output.stderr.contains("close_notify"), "{output}");
    assert!(!Journal::of(&run).files().is_empty());
}

#[test]
fn a_carbon_that_is_not_trusted_gets_nothing() {
    let (provider, carbon) = (provider(), Carbon::start());
    let address = carbon.authority().parse().expect("an address");
    for (certificate, words) in [
        (Certificate::Expired, "its certificate has expired"),
        (Certificate::OfAnother, "its certificate is for another name"),
        (Certificate::SelfSigned, "its certificate is signed by no authority in the file of SSL_CERT_FILE"),
    ] {
        let tls = Tls::before(address, certificate);
        let roots = if certificate == Certificate::SelfSigned {
            Certificate::Good.make_pem().1
        } else {
            tls.roots().to_owned()
        };
        let output = run(&provider, "", &format!("tls://{}", tls.address()), &roots).run();
        assert_eq!(output.code, Some(75), "{output}");
        assert!(output.stderr.contains("TLS error: ") && output.stderr.contains(words), "{words}: {output}");
    }
    // Without TLS behind it nobody answers, and Carbon ends what is no line.
    let roots = Certificate::Good.make_pem().1;
    let output = run(&provider, "", &format!("tls://{}", carbon.authority()), &roots).args(["--timeout", "2"]).run();
    assert_eq!(output.code, Some(75), "{output}");
    assert!(output.stderr.contains("does it speak TLS there?"), "{output}");
    let received = carbon.connections();
    assert!(received.iter().all(|bytes| !String::from_utf8_lossy(bytes).contains("BTC-USD")), "{received:?}");
}

/// Each byte of such a peer renews the time of a read, but not that of the run.
#[test]
fn a_peer_that_drips_is_given_up_at_the_deadline() {
    let provider = provider();
    for scheme in ["tls", "amqps"] {
        // The beginning of a record of 16 kB, and then its bytes one by one.
        let in_handshake = Listener::start("127.0.0.1", |mut stream: TcpStream, _| {
            let _ = stream.write_all(&[22, 3, 3, 64, 0]);
            drip(&mut stream, &[0; 4_000]);
        });
        let roots = Certificate::Good.make_pem().1;
        let url = format!("{scheme}://{}", in_handshake.address());
        let run_at = |url: &str, roots: &str| {
            let run = run(&provider, "", url, roots).args(["--timeout", "2"]).timeout(Duration::from_secs(20));
            let output = run.run();
            assert_eq!(output.code, Some(75), "{scheme}: {output}");
        };
        run_at(&url, &roots);

        // The same after the handshake: TLS is agreed on, and then a record comes that does not end.
        let (config, roots) = Certificate::Good.make();
        let after_handshake = Listener::start("127.0.0.1", move |mut stream: TcpStream, _| {
            let mut session = ServerConnection::new(Arc::clone(&config)).expect("a session");
            while session.is_handshaking() {
                if session.complete_io(&mut stream).is_err() {
                    return;
                }
            }
            let mut record = Vec::new();
            session.writer().write_all(&[1; 8_000]).expect("room");
            session.write_tls(&mut record).expect("a record");
            drip(&mut stream, &record);
        });
        run_at(&format!("{scheme}://{}", after_handshake.address()), &roots);
    }
}

/// Sends a byte each 100 ms, as long as there is somebody.
fn drip(stream: &mut TcpStream, bytes: &[u8]) {
    for byte in bytes {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// It is shown to the destination, and to no provider.
#[test]
fn a_destination_that_wants_to_know_us_is_shown_our_certificate() {
    if !Program::Haproxy.is_available() {
        return;
    }
    let [certificate, key, authority] = Certificate::make_client_pem();
    let (carbon, broker) = (Carbon::start(), Broker::start());
    let ingest = Ingest::start(Dialect::WriteProxy);
    let port = |authority: &str| authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
    for (scheme, mode, server, path) in [
        ("tls", "tcp", port(&carbon.authority()), ""),
        ("amqps", "tcp", port(&broker.authority()), ""),
        ("https", "http", ingest.server().address().port(), "/graphite/metrics"),
    ] {
        let provider = provider();
        let (balancer, roots) = balancer(mode, server, Some(&authority));
        let url = format!("{scheme}://{}{path}", balancer.authority());
        let with = |config: &str| {
            let mut run = run(&provider, config, &url, &roots);
            if scheme == "https" {
                run = run.env("GRAPHITE_USER", graphite::USER).env("GRAPHITE_PASSWORD", graphite::PASSWORD);
            }
            fs::write(run.home().join("me.pem"), &certificate).expect("a file");
            fs::write(run.home().join("me.key"), &key).expect("a file");
            run
        };
        let known = "graphite = { client_cert = 'me.pem', client_key = 'me.key' }\n";
        let output = with(known).run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{scheme}: {output}");
        let output = with("").run();
        assert_eq!(output.code, Some(75), "{scheme}: {output}");
        // The balancer says why and closes at once. What it says may be lost with the connection.
        let words = [
            "for a Graphite set client_cert and client_key",
            "cut the connection",
            "the connection broke",
            "closed the connection",
        ];
        assert!(words.iter().any(|words| output.stderr.contains(words)), "{scheme}: {output}");
        let (of_provider, _) = self::balancer("http", provider.address().port(), Some(&authority));
        let output = with(known).env("DATAMETRICS_OWN_BASE_URL", format!("https://{}", of_provider.authority())).run();
        assert_eq!(output.code, Some(69), "{scheme}: {output}");
    }
    assert!(carbon.lines().iter().any(|line| line.contains("BTC-USD")));
    assert!(broker.points().iter().any(|point| point.name.contains("BTC-USD")));
    assert!(ingest.points().iter().any(|point| point.name.contains("BTC-USD")));
}
