//! Tests of the test doubles. A double that accepts too much makes every test that uses it worthless.

use crate::support::{
    Behaviour, Carbon, Datametrics, Dialect, Ingest, Latch, Reply, Server, Verdict,
    case::{Case, Exchange, Settings, plain_lines},
    graphite::Push,
    journal::{self, DestinationId, JournalPoint},
    normalise::{Normaliser, times},
    panic_text,
    pickle::{self, Pickled},
};
use arbtest::arbtest;
use std::{
    fs::File,
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::Command,
    time::Duration,
};

/// The reply that a client gets that sends these bytes and reads to the end.
fn exchange(address: impl std::net::ToSocketAddrs, sent: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(sent)?;
    let mut got = Vec::new();
    stream.read_to_end(&mut got)?;
    Ok(String::from_utf8(got).expect("UTF-8"))
}

fn get(server: &Server, target: &str) -> std::io::Result<String> {
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    exchange(server.address(), request.as_bytes())
}

/// The text of the panic of `act`.
fn complaint(act: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(act)).expect_err("a panic");
    panic_text(panic.as_ref()).to_owned()
}

#[test]
fn server_double_answers_as_scripted_and_records_requests() {
    for server in [Server::start(), Server::start_v6()] {
        server.on("GET /a?b=c%2Fd").reply(Reply::json("{}"));
        let got = get(&server, "/a?b=c%2Fd").unwrap();
        assert_eq!(got, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
        let requests = server.requests();
        assert_eq!(requests[0].line(), "GET /a?b=c%2Fd");
        assert_eq!(requests[0].headers[0], ("Host".to_owned(), "x".to_owned()));
    }
}

#[test]
fn server_double_answers_one_target_in_order_on_one_connection() {
    let server = Server::start();
    server.on("GET /a").reply(Reply::status(429));
    server.on("GET /a").reply(Reply::text(200, "x").chunked());
    let twice = b"GET /a HTTP/1.1\r\n\r\nGET /a HTTP/1.1\r\nConnection: close\r\n\r\n";
    let got = exchange(server.address(), twice).unwrap();
    assert!(got.starts_with("HTTP/1.1 429 "), "{got}");
    assert!(got.ends_with("\r\n\r\n1\r\nx\r\n0\r\n\r\n"), "{got}");
    assert_eq!(server.requests().iter().map(|r| r.connection).max(), Some(1));
}

#[test]
fn server_double_reads_bodies_with_length_and_with_chunks() {
    let server = Server::with(|request| Reply::text(200, request.body.clone()));
    for sent in [
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
         2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    ] {
        let got = exchange(server.address(), sent.as_bytes()).unwrap();
        assert!(got.ends_with("\r\n\r\nhello"), "{got}");
    }
}

#[test]
fn server_double_fails_when_a_scripted_request_is_missing() {
    let why = complaint(|| Server::start().on("GET /a").reply(Reply::json("{}")));
    assert_eq!(why, "the scripted server:\n  missing request: GET /a");
}

#[test]
fn server_double_fails_on_an_unexpected_request() {
    let why = complaint(|| {
        let server = Server::start();
        let got = get(&server, "/b").unwrap();
        assert!(got.starts_with("HTTP/1.1 599 ") && got.ends_with("unexpected: GET /b"));
    });
    assert_eq!(why, "the scripted server:\n  unexpected: GET /b");
}

#[test]
fn server_double_fails_when_a_header_is_missing() {
    let server = Server::start();
    server.on("GET /a").header("Host", "y").reply(Reply::json("{}"));
    assert!(get(&server, "/a").unwrap().starts_with("HTTP/1.1 599 "));
    let why = r#"GET /a: Host should be "y" and is Some("x")"#;
    assert_eq!(server.into_complaints(), [why]);
}

#[test]
fn server_double_fails_when_a_handler_panics() {
    let server = Server::with(|_| panic!("no idea"));
    assert!(get(&server, "/a").unwrap().starts_with("HTTP/1.1 599 "));
    assert_eq!(server.into_complaints(), ["the handler panicked at GET /a: no idea"]);
}

#[test]
fn server_double_fails_on_a_request_that_is_not_http() {
    let server = Server::start();
    exchange(server.address(), b"hello\r\n\r\n").expect_err("a reset, as that was not read");
    assert_eq!(server.into_complaints(), [r#"not HTTP/1.1: the request line "hello""#]);
}

#[test]
fn server_double_misbehaves_as_told() {
    let server = Server::start();
    server.on("GET /close").reply(Reply::close());
    assert_eq!(get(&server, "/close").unwrap(), "");
    server.on("GET /reset").reply(Reply::reset());
    let error = get(&server, "/reset").expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    server.on("GET /raw").reply(Reply::raw("SSH-2.0\r\n"));
    assert_eq!(get(&server, "/raw").unwrap(), "SSH-2.0\r\n");
    server.on("GET /cut").reply(Reply::text(200, "hello").cut_after(2));
    let got = get(&server, "/cut").unwrap();
    assert!(got.ends_with("Content-Length: 5\r\n\r\nhe"), "{got}");
    let drip = Reply::text(200, "hello").drip(Duration::from_millis(1));
    server.on("GET /drip").reply(drip);
    assert!(get(&server, "/drip").unwrap().ends_with("\r\n\r\nhello"));
}

#[test]
fn server_double_resets_a_request_with_a_body() {
    for body in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] {
        let server = Server::with(|_| Reply::reset());
        let error = exchange(server.address(), format!("POST / HTTP/1.1\r\n{body}").as_bytes());
        assert_eq!(error.expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn server_double_hangs_until_the_client_leaves_or_the_test_ends() {
    let server = Server::with(|_| Reply::hang());
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    server.wait_for(1);
    drop(stream);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    server.wait_for(2);
    drop(server);
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn server_double_holds_replies_until_the_latch_is_released() {
    let server = Server::start();
    let latch = Latch::new();
    for target in ["/a", "/b"] {
        let reply = Reply::text(200, target).after(&latch);
        server.on(&format!("GET {target}")).reply(reply);
    }
    std::thread::scope(|scope| {
        let both = ["/a", "/b"].map(|target| {
            let server = &server;
            scope.spawn(move || get(server, target).unwrap())
        });
        server.wait_for(2);
        assert!(both.iter().all(|client| !client.is_finished()));
        latch.release();
        for client in both {
            assert!(client.join().unwrap().starts_with("HTTP/1.1 200 "));
        }
    });
}

#[test]
fn server_double_releases_latches_of_a_failed_test() {
    let latch = Latch::new();
    let server = Server::start();
    server.on("GET /").reply(Reply::json("{}").after(&latch));
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    server.wait_for(1);
}

const POINT: &str = r#"{"name":"a.b","value":0E-7,"time":1767225600,"interval":60}"#;

fn push(ingest: &Ingest, body: &str) -> String {
    let request = format!(
        "POST /graphite/metrics HTTP/1.1\r\nAuthorization: Basic MTIzNDU2OmdsY19zZXNhbWU=\r\n\
         Content-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(ingest.server().address(), request.as_bytes()).unwrap()
}

#[test]
fn ingest_double_stores_exact_digits_in_both_dialects() {
    for (dialect, reply) in [
        (Dialect::Gateway, r#"{"Invalid":0,"Published":1,"ValidationErrors":{}}"#),
        (Dialect::WriteProxy, r#"{"published":1}"#),
    ] {
        let ingest = Ingest::start(dialect);
        let got = push(&ingest, &format!("[{POINT}]"));
        assert!(got.starts_with("HTTP/1.1 200 ") && got.ends_with(reply), "{got}");
        assert_eq!(ingest.value("a.b").as_deref(), Some("0E-7"));
        assert!(push(&ingest, "[]").contains("ublished\":0"));
    }
}

#[test]
fn ingest_double_refuses_with_statuses_first() {
    let ingest = Ingest::refusing(Dialect::WriteProxy, [503, 429]);
    let statuses = [(); 3].map(|()| push(&ingest, &format!("[{POINT}]"))[9..12].to_owned());
    assert_eq!(statuses, ["503", "429", "200"]);
    assert_eq!(ingest.points().len(), 1);
}

#[test]
fn ingest_double_rejects_invalid_points_as_each_dialect_does() {
    let both = format!("[{POINT},{}]", POINT.replace("a.b", "c"));
    let invalid = |_: &Push| Verdict::Invalid(vec![0], "too odd");
    let ingest = Ingest::deciding(Dialect::Gateway, invalid);
    let got = push(&ingest, &both);
    let errors = r#"{"too odd":{"Count":1,"ExampleIds":[0]}}"#;
    let reply = format!(r#"{{"Invalid":1,"Published":1,"ValidationErrors":{errors}}}"#);
    assert!(got.ends_with(&reply), "{got}");
    assert_eq!(ingest.values().into_keys().collect::<Vec<_>>(), ["c"]);
    let ingest = Ingest::deciding(Dialect::WriteProxy, invalid);
    assert!(push(&ingest, &both).starts_with("HTTP/1.1 400 "));
    assert_eq!(ingest.points(), []);
}

#[test]
fn ingest_double_fails_on_points_that_the_real_one_misreads() {
    for (wrong, why) in [
        (POINT.replace("0E-7", "\"1\""), "finite"),
        (POINT.replace("0E-7", "null"), "finite"),
        (POINT.replace("0E-7", "1e999"), "finite"),
        (POINT.replace("60}", "60.5}"), "invalid type"),
        (POINT.replace("60}", "0}"), "interval"),
        (POINT.replace("1767225600", "1767225600000"), "seconds"),
        (POINT.replace("a.b", "a..b"), "node"),
        (POINT.replace("\"value\":0E-7,", ""), "missing field"),
        (POINT.replace("60}", "60,\"metric\":\"a\"}"), "unknown field"),
        (POINT.replace("60}", "60,\"tags\":[\"a\"]}"), "tag"),
        (format!("{POINT},{POINT}"), "twice"),
    ] {
        let ingest = Ingest::start(Dialect::WriteProxy);
        assert!(push(&ingest, &format!("[{wrong}]")).starts_with("HTTP/1.1 599 "));
        let complaints = ingest.into_complaints();
        assert!(complaints[0].contains(why), "{wrong}: {complaints:?}");
    }
}

#[test]
fn ingest_double_requires_credentials() {
    let ingest = Ingest::start(Dialect::Gateway);
    let request = b"POST /graphite/metrics HTTP/1.1\r\nConnection: close\r\n\r\n";
    let got = exchange(ingest.server().address(), request).unwrap();
    assert!(got.starts_with("HTTP/1.1 401 "), "{got}");
}

fn send(carbon: &Carbon, bytes: &[u8]) -> std::io::Result<usize> {
    let mut stream = TcpStream::connect(carbon.authority())?;
    stream.write_all(bytes)?;
    stream.shutdown(Shutdown::Write)?;
    stream.read(&mut [0])
}

#[test]
fn carbon_double_records_plaintext_lines() {
    for carbon in [Carbon::start(), Carbon::start_v6()] {
        assert_eq!(send(&carbon, b"a.b 1.50 1767225600\na.c;x=y 2 1767225600\n").unwrap(), 0);
        assert_eq!(carbon.lines().len(), 2);
        let point = carbon.points().pop().unwrap();
        assert_eq!((point.name.as_str(), point.value.as_str()), ("a.c", "2"));
        assert_eq!(point.tags, ["x=y"]);
    }
}

#[test]
fn carbon_double_fails_on_a_last_line_without_newline() {
    let carbon = Carbon::start();
    send(&carbon, b"a.b 1 1767225600").unwrap();
    let why = complaint(|| drop(carbon.lines()));
    assert!(why.starts_with("no newline"), "{why}");
}

#[test]
fn carbon_double_misbehaves_as_told() {
    let carbon = Carbon::with(&[Behaviour::CloseEarly, Behaviour::Reset, Behaviour::NeverRead]);
    let mut stream = TcpStream::connect(carbon.authority()).unwrap();
    stream.write_all(b"a").unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    let reset = send(&carbon, b"a.b 1 1767225600\n").map_err(|error| error.kind());
    // A connection that was reset before answers a shutdown with the second error.
    let kinds = [ErrorKind::ConnectionReset, ErrorKind::NotConnected];
    assert!(kinds.contains(&reset.expect_err("a reset")));
    let mut stream = TcpStream::connect(carbon.authority()).unwrap();
    stream.write_all(b"a.b 1 1767225600\n").unwrap();
    assert!(carbon.lines().is_empty());
}

#[test]
fn carbon_double_records_pickled_points() {
    let carbon = Carbon::start();
    let frame = b"\x80\x02]q\x00X\x03\0\0\0a.bq\x01J\x00\xb9\x55\x69G?\xf8\0\0\0\0\0\0\x86\x86a.";
    let length = u8::try_from(frame.len()).unwrap();
    send(&carbon, &[&[0, 0, 0, length], frame.as_slice()].concat()).unwrap();
    let name = "a.b".to_owned();
    let (time, value) = (1_767_225_600, 1.5);
    assert_eq!(carbon.pickled(), [Pickled { name, time, value }]);
}

/// The output of `pickle.dumps([("a", (1, 1.0)), ("b", (-2, 0.5))], 2)` in Python, and the same with a time
/// of more than 31 bits.
#[test]
fn pickle_reader_reads_what_python_writes() {
    let python = b"\x80\x02]q\x00(X\x01\0\0\0aq\x01K\x01G?\xf0\0\0\0\0\0\0\x86q\x02\x86q\x03\
        X\x01\0\0\0bq\x04J\xfe\xff\xff\xffG?\xe0\0\0\0\0\0\0\x86q\x05\x86q\x06e.";
    let points = pickle::points(python).unwrap();
    let read: Vec<_> = points.iter().map(|p| (p.name.as_str(), p.time, p.value)).collect();
    assert_eq!(read, [("a", 1, 1.0), ("b", -2, 0.5)]);
    let late = b"\x80\x02](X\x01\0\0\0a\x8a\x05\0\0\0\0\x01G?\xf0\0\0\0\0\0\0\x86\x86e.";
    assert_eq!(pickle::points(late).unwrap()[0].time, 1 << 32);
}

#[test]
fn pickle_reader_refuses_frames_that_carbon_refuses() {
    for (frame, why) in [
        (&b"\x80\x04]."[..], "not protocol 2"),
        (b"\x80\x02]K\x01a.", "not (name, (time, value)): Int(1)"),
        (b"\x80\x02K\x01.", "0 bytes left over, [Int(1)]"),
        (b"\x80\x02].x", "1 bytes left over, [List([])]"),
        (b"\x80\x02]", "an early end"),
        (b"\x80\x02cos\nsystem\n.", "an instruction 0x63"),
    ] {
        assert_eq!(pickle::points(frame).unwrap_err(), why);
    }
    assert!(pickle::frames(&[0, 0, 0, 2, 1]).is_err());
    assert!(pickle::frames(&[0, 32, 0, 0]).is_err());
}

#[test]
fn pickle_reader_survives_any_bytes() {
    arbtest(|u| {
        let frame: Vec<u8> = [&b"\x80\x02"[..], &u.arbitrary::<Vec<u8>>()?].concat();
        let _ = pickle::points(&frame);
        let _ = pickle::frames(&frame);
        Ok(())
    });
}

#[test]
fn journal_double_reads_and_writes_the_documented_examples() {
    let (name, value) = ("crypto.BTC-USD.last".to_owned(), "61000.5".to_owned());
    let points = [JournalPoint { name, value, time: 1_785_182_401, interval: 60, refusals: 0 }];
    let text = "; datametrics journal 2 38bbd3d9\n; destination ce947e01b492890e tcp://carbon.example:2003 47e8deb4\n\
                ; tag env=home 8c20985a\n; name value time interval refusals aa6ac467\n\
                crypto.BTC-USD.last 61000.5 1785182401 60 0 452112df\n; end 1 bf667e5f\n";
    let destination = DestinationId::of("tcp://carbon.example:2003");
    assert_eq!(journal::encode(Some(&destination), &["env=home"], &points), text);
    assert_eq!(journal::decode(text), Ok((Some(destination), points.to_vec())));

    let text = "; datametrics journal 1 b26cd3d9\n; interval 60 76b45d12\n; tag env=home 8c20985a\n\
                ; name value time 31a08f83\ncrypto.BTC-USD.last 61000.5 1785182401 07bc7794\n; end 1 bf667e5f\n";
    assert_eq!(journal::encode(None, &["env=home"], &points), text);
    assert_eq!(journal::decode(text), Ok((None, points.to_vec())));
}

#[test]
fn journal_double_refuses_damaged_files() {
    let destination = DestinationId::of("http://graphite.example:60/graphite/metrics");
    assert_eq!(destination.label, "http://graphite.example:60/graphite/metrics");
    assert_eq!(DestinationId::of("http://graphite.example:60/key").label, "http://graphite.example:60");
    for destination in [None, Some(destination)] {
        let whole = journal::encode(destination.as_ref(), &[], &[]);
        assert_eq!(journal::decode(&whole), Ok((destination, Vec::new())));
        let lines: Vec<&str> = whole.split_inclusive('\n').collect();
        let [first, second, columns, end] = lines[..] else { panic!("{whole}") };
        let swapped = [second, first, columns, end].concat();
        let without_end = [first, second, columns].concat();
        let without_columns = [first, second, end].concat();
        let changed = whole.replace("60", "61");
        for wrong in [String::new(), changed, swapped, without_end, without_columns, whole.trim_end().to_owned()] {
            assert!(journal::decode(&wrong).is_err(), "{wrong}");
        }
    }
}

#[test]
fn normalise_replaces_durations() {
    for (text, plain) in [
        ("in 0.123 s, 12 ms", "in <time>, <time>"),
        ("(5µs) 1.5s.", "(<time>) <time>."),
        ("5 symbols, v1.2 s2, BTC2s, 3 sec, 1.2.3 s", "5 symbols, v1.2 s2, BTC2s, 3 sec, 1.2.3 s"),
        ("7", "7"),
    ] {
        assert_eq!(times(text), plain);
    }
}

#[test]
fn normalise_replaces_the_longest_hidden_text_first() {
    let mut normaliser = Normaliser::default();
    normaliser.hide("127.0.0.1:80", "SHORT");
    normaliser.hide("127.0.0.1:8080", "LONG");
    assert_eq!(normaliser.apply("127.0.0.1:8080 127.0.0.1:80"), "LONG SHORT");
}

fn shell(script: &str) -> Datametrics {
    Datametrics::program("sh").args(["-c", script])
}

#[test]
fn command_check_fails_on_unexpected_output() {
    shell("true").check();
    shell("echo out; echo took 3 ms >&2; exit 3").stdout("out\n").stderr("took <time>\n").exit(3).check();
    for unstated in ["echo out", "echo err >&2", "exit 1", "kill -9 $$"] {
        let check = || {
            shell(unstated).check();
        };
        assert_ne!(complaint(check), "", "{unstated}");
    }
}

#[test]
fn command_environment_has_nothing_of_this_machine() {
    shell("env | grep -v ^PATH= | grep -v ^_= | grep -v ^SHLVL= | sort; pwd; cat")
        .stdout("HOME=<home>\nPWD=<home>\n<home>\n")
        .check();
}

#[test]
fn command_passes_config_environment_and_input() {
    let run =
        shell("echo $X; cat; cat config.toml; echo $0 $1; touch seen").config("a = 1\n").env("X", "y").stdin("typed\n");
    run.clone().stdout("y\ntyped\na = 1\n--config config.toml\n").check();
    assert!(run.home().join("seen").exists());
}

#[test]
fn command_kills_a_program_that_does_not_end() {
    let stuck = shell("echo so far; exec cat /dev/zero >/dev/null").timeout(Duration::ZERO);
    let why = complaint(|| drop(stuck.run()));
    assert!(why.starts_with("killed after 0ns: exit code None"), "{why}");
}

#[test]
fn command_can_be_killed_by_the_test() {
    let run = Datametrics::program("sh").args(["-c", "test -p pipe && exec cat pipe"]);
    let mkfifo = Command::new("mkfifo").arg(run.home().join("pipe")).status();
    assert!(mkfifo.unwrap().success());
    let running = run.spawn();
    // Opening a pipe waits until its other end is open; nothing will be written into it.
    let mut write = File::options();
    let pipe = write.write(true).open(run.home().join("pipe")).unwrap();
    assert!(running.peak_memory().is_none_or(|kib| kib > 100));
    assert_eq!(running.kill().code, None);
    drop(pipe);
}

#[test]
fn case_settings_are_parsed() {
    let text = "args = ['crypto']\nenv = { A = 'b' }\nconfig = '''\nx = 1\n'''\nexit = 69\n";
    let settings = Settings::parse(text).unwrap();
    assert_eq!(settings.args, ["crypto"]);
    assert_eq!(settings.env["A"], "b");
    assert_eq!(settings.config.as_deref(), Some("x = 1\n"));
    assert_eq!(settings.exit, 69);
    for wrong in ["", "args = 1", "args = ['a']\nexi = 1", "args = ['a']\nexit = '1'"] {
        assert!(Settings::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn case_exchange_is_parsed() {
    let text = "> GET /a?b\n> Accept: */*\nHTTP/1.1 200 OK\nX: y: z\n\n{\n\n}\n";
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = Exchange {
        line: "GET /a?b".to_owned(),
        required_headers: vec![pair("Accept", "*/*")],
        status: 200,
        headers: vec![pair("X", "y: z")],
        body: "{\n\n}\n".to_owned(),
    };
    assert_eq!(Exchange::parse(text), Ok(expected));
    for wrong in ["", "> GET /\n", "HTTP/1.1 200 OK\n", "> GET /\nHTTP/1.1 OK\n"] {
        assert!(Exchange::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn case_output_lines_hide_durations_and_check_times() {
    let printed = "a.last 1.50 7\nm.response.time 0.2 7\nm.duration;k=v 3 7\na.age 4 7\n";
    let plain = "a.last 1.50\nm.response.time <seconds>\nm.duration;k=v <seconds>\na.age <age>\n";
    assert_eq!(plain_lines(printed, 6..=8).as_deref(), Ok(plain));
    assert!(plain_lines(printed, 8..=9).is_err());
    assert!(plain_lines("a 1 7\nb 1 8\n", 6..=8).is_err());
    assert!(plain_lines("a 1\n", 6..=8).is_err());
    assert_eq!(plain_lines("", 6..=8).as_deref(), Ok(""));
}

#[test]
fn case_folder_reports_missing_and_unknown_files() {
    let folder = tempfile::tempdir().unwrap();
    let read = || Case::read("kraken", folder.path()).err().unwrap_or_default();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    assert!(read().contains("case.toml: No such file"));
    write("case.toml", "args = ['crypto']");
    assert_eq!(read(), "");
    write("2.http", "");
    assert!(read().ends_with("what is 2.http?"));
    write("1.http", "hello");
    assert!(read().ends_with(r#"1.http: no status line: "hello""#));
    assert!(Path::new(&read()).starts_with(folder.path()));
}
