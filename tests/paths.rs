//! Paths that begin with `~/` or `$HOME/`, which only a shell would expand.

use crate::support::{
    Datametrics, Dialect, Ingest, Server,
    graphite::{PASSWORD, USER},
    samples::{CRYPTO, kraken},
};
use std::fs;

#[test]
fn paths_of_a_push_begin_at_home() {
    for home in ["~", "$HOME"] {
        let (server, ingest) = (Server::with(|_| kraken(&CRYPTO[..1])), Ingest::start(Dialect::WriteProxy));
        let run = Datametrics::new().provider("kraken", &server).args(["crypto", "BTC/USD", "--provider", "kraken"]);
        let config = format!(
            "[graphite]\nurl = '{}'\nuser = '{USER}'\npassword_file = '{home}/token'\n[journal]\nmax_age = 60\n",
            ingest.url()
        );
        fs::create_dir(run.home().join("here")).expect("a folder");
        fs::write(run.home().join("here/config.toml"), config).expect("a config");
        fs::write(run.home().join("token"), PASSWORD).expect("a token");
        let run = run.env("DATAMETRICS_STATE_DIR", format!("{home}/here/state"));
        run.clone().env("DATAMETRICS_CONFIG", format!("{home}/here/config.toml")).check();
        assert!(run.home().join("here/state").is_dir() && !run.home().join(home).exists());
        fs::write(run.home().join("here/token"), format!("{PASSWORD}\n")).expect("a token");
        fs::remove_file(run.home().join("token")).expect("a token");
        let flag = format!("--config={home}/here/config.toml");
        let message = "error: <home>/here/config.toml:4: graphite.password_file: cannot read <home>/token: [..]\n";
        run.clone().args([&flag]).stderr(message).exit(74).check();
        let config = format!("[graphite]\nurl = '{}'\nuser = '{USER}'\n", ingest.url());
        fs::write(run.home().join("here/config.toml"), config).expect("a config");
        run.args([&flag]).env("GRAPHITE_PASSWORD_FILE", format!("{home}/here/token")).check();
    }
}

#[test]
fn paths_of_certificates_begin_at_home() {
    let [certificate, key, _] = crate::support::tls::Certificate::make_client_pem();
    let config = "[graphite]\nurl = 'tls://graphite.example'\nclient_cert = '~/me.pem'\nclient_key = '$HOME/me.key'\n";
    let run = Datametrics::new().config(config).args(["crypto", "--shard", "0/1000000", "--dry-run", "-q"]);
    fs::write(run.home().join("me.pem"), certificate).expect("a file");
    fs::write(run.home().join("me.key"), key).expect("a file");
    assert_eq!(run.run().code, Some(0), "{}", run.run());
    let message = "error: SSL_CERT_FILE: cannot read <home>/gone.pem: [..]\n";
    run.env("SSL_CERT_FILE", "~/gone.pem").stderr(message).exit(74).check();
}

#[test]
fn without_a_home_a_path_stays_as_it_is() {
    let run = Datametrics::new().env("HOME", "").args(["all", "--config", "~/gone.toml"]);
    run.stderr("error: --config: cannot read ~/gone.toml: [..]\n").exit(74).check();
}
