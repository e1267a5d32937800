//! `datametrics init`: from nothing to the first push.

use crate::messages::rendered::CONFIG_OF_MACHINE;
use crate::support::{
    Carbon, Datametrics, Dialect, Ingest, Server,
    graphite::{PASSWORD, USER},
    mount,
    samples::{CRYPTO, kraken},
};
use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

const INGEST: [&str; 4] = ["--graphite-url", "https://graphite.grafana.net/graphite/metrics", "--user", "123456"];

fn init<const N: usize>(args: [&str; N]) -> Datametrics {
    Datametrics::new().args(["init"]).args(args).hide(env!("CARGO_BIN_EXE_datametrics"), "<program>")
}

/// Where a config is looked for first.
fn folder(run: &Datametrics) -> PathBuf {
    run.home().join(".config/datametrics")
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).expect("a file")
}

/// A run in the same home that fetches one price and finds the config by itself.
fn first_run(run: &Datametrics, server: &Server) -> Datametrics {
    let again = Datametrics::new().env("HOME", run.home()).provider("kraken", server);
    again.args(["crypto", "BTC/USD", "--provider", "kraken"])
}

#[test]
fn init_prints_what_comes_next() {
    let run = init(INGEST);
    let next = "\
wrote <home>/.config/datametrics/config.toml
wrote <home>/.config/datametrics/graphite-password, for the token; only you can read it

What comes next:

1. Put the token into its file; at Grafana Cloud, one of an access policy with the scope
   metrics:write. Paste it after this command, then Enter and Ctrl-D:
     cat > <home>/.config/datametrics/graphite-password
2. Try everything, and push nothing:
     <program> check
3. Push once:
     <program> all
4. Push every minute: `crontab -e`, and this line. cron mails only what is wrong.
     * * * * * sleep 23; <program> all
5. Make a dashboard, and import it in Grafana (Dashboards, New, Import):
     <program> grafana dashboard > dashboard.json
";
    run.clone().stdout(next).check();
    let password = fs::metadata(folder(&run).join("graphite-password")).expect("a file");
    assert_eq!((password.len(), password.permissions().mode() & 0o777), (0, 0o600));
    assert_eq!(fs::metadata(folder(&run)).expect("a folder").permissions().mode() & 0o777, 0o700);
}

#[test]
fn dry_run_prints_the_config_and_writes_nothing() {
    let (dry, written) = (init(INGEST).args(["--dry-run"]), init(INGEST));
    let output = dry.run();
    written.run();
    let config = read(folder(&written).join("config.toml"));
    let config = config.replace(&written.home().display().to_string(), &dry.home().display().to_string());
    assert_eq!((output.code, output.stdout, output.stderr), (Some(0), config, String::new()));
    assert!(!folder(&dry).exists());
}

/// The command of the first step, `cat > FILE`, leaves the file private.
#[test]
fn written_config_and_a_token_are_all_that_a_push_needs() {
    let (server, ingest) = (Server::with(|_| kraken(&CRYPTO[..1])), Ingest::start(Dialect::WriteProxy));
    let run = init(["--graphite-url", &ingest.url(), "--user", USER]);
    assert_eq!(run.run().code, Some(0));
    fs::write(folder(&run).join("graphite-password"), format!("{PASSWORD}\n")).expect("a token");
    first_run(&run, &server).check();
    assert!(ingest.value("crypto.BTC-USD.last").is_some());
}

#[test]
fn written_config_of_a_carbon_needs_no_token() {
    let (server, carbon) = (Server::with(|_| kraken(&CRYPTO[..1])), Carbon::start());
    let run = init(["--graphite-url", &carbon.url()]);
    let output = run.run();
    assert!(!output.stdout.contains("token") && output.stdout.contains("graphite schemas"), "{output}");
    assert!(!folder(&run).join("graphite-password").exists());
    first_run(&run, &server).check();
    assert!(carbon.lines().iter().any(|line| line.starts_with("crypto.BTC-USD.last ")));
}

/// Without a URL the config is complete once the marks are removed from its first lines.
#[test]
fn config_without_a_url_says_what_to_fill_in() {
    let run = init([]);
    let output = run.run();
    assert!(output.stdout.contains("\n1. Edit "), "{output}");
    let path = folder(&run).join("config.toml");
    let server = Server::with(|_| kraken(&CRYPTO[..1]));
    let dry = first_run(&run, &server).args(["--dry-run", "-q"]);
    assert_eq!(dry.run().code, Some(0));
    let text = read(&path);
    let filled = text.replacen("#url", "url", 1).replacen("#user", "user", 1).replacen("#password", "password", 1);
    fs::write(&path, filled).expect("a config");
    // A dry run needs no token.
    assert_eq!(dry.run().code, Some(0));
    let output = first_run(&run, &server).run();
    assert!(output.code == Some(78) && output.stderr.contains("graphite-password: is empty"), "{output}");
    fs::write(folder(&run).join("graphite-password"), PASSWORD).expect("a token");
    assert_eq!(dry.run().code, Some(0));
    // The defaults that it shows are those of the program.
    let marked: Vec<&str> = text.lines().filter(|line| line.starts_with("#symbols = [")).collect();
    assert_eq!(marked, [r#"#symbols = ["BTC/USD", "ETH/USD", "BAT/USD"]"#, r#"#symbols = ["AMZN", "NFLX", "AAPL"]"#]);
}

#[test]
fn only_what_is_missing_is_to_be_filled_in() {
    let [_, url, _, user] = INGEST;
    let (no_user, no_url) = (init(["--graphite-url", url]), init(["--user", user]));
    let edit = |run: &Datametrics| {
        let stdout = run.run().stdout;
        let steps = stdout.split_once("\n1. Edit ").unwrap_or_else(|| panic!("{stdout}")).1;
        let step = steps.split("\n2. ").next().unwrap_or_default();
        step.split_once(": ").expect("a step").1.replace("\n  ", "")
    };
    let cloud = "Grafana Cloud shows it in the Graphite details of your stack.";
    let (user, url) = (
        format!("put in the user, and remove the # before it and before password_file. {cloud}"),
        format!(
            "put in the URL, and remove the # before it. {cloud} For a Carbon of your own, url = \"tcp://HOST:2003\" is \
             enough."
        ),
    );
    assert_eq!((edit(&no_user), edit(&no_url)), (user.clone(), url.clone()));
    // The second one finds the config, and the same is missing.
    assert_eq!((edit(&no_user), edit(&no_url)), (user, url));
}

#[test]
fn token_is_no_user() {
    let message =
        "error: --user: looks like a token: the user is a number, and the token comes into a file of its own\n";
    init(["--user", "glc_eyJvs3same"]).stderr(message).exit(2).check();
}

#[test]
fn init_overwrites_nothing() {
    let run = init(INGEST);
    fs::create_dir_all(folder(&run)).expect("a folder");
    let (config, token) = (folder(&run).join("config.toml"), folder(&run).join("graphite-password"));
    fs::write(&token, "t0ken").expect("a token");
    let output = run.run();
    assert_eq!(output.code, Some(0), "{output}");
    assert!(output.stdout.contains("graphite-password as it was\n") && !output.stdout.contains("cat >"), "{output}");
    let before = (read(&config), fs::metadata(&config).expect("a file").ino());
    let message = "error: <home>/.config/datametrics/config.toml is there already, and nothing was changed: \
                   edit it, or name another file with --config\n";
    // What comes next is said again, of what the config has.
    let again = init([]).env("HOME", run.home()).run();
    assert!(again.stdout.starts_with("\nWhat comes next:\n\n1. Try everything") && again.code == Some(78), "{again}");
    let output = run.normalise(&run.run());
    assert_eq!((output.stderr.as_str(), output.code), (message, Some(78)));
    assert_eq!((read(&config), fs::metadata(&config).expect("a file").ino()), before);
    assert_eq!(read(&token), "t0ken");
    fs::remove_file(&config).expect("a file");
    std::os::unix::fs::symlink("nowhere", &config).expect("a link");
    run.stderr(message).exit(78).check();
}

#[test]
fn init_takes_no_place_of_a_config_of_the_machine() {
    if !mount::can_mount() {
        return;
    }
    let script = "mount -t tmpfs none /etc && mkdir /etc/datametrics && touch /etc/datametrics/config.toml && \"$@\"";
    let run = init(INGEST);
    let output = mount::run_script(&run, script);
    assert_eq!((output.code, output.stderr), (Some(78), format!("error: {CONFIG_OF_MACHINE}\n")));
    assert!(!run.home().join(".config").exists());
    assert_eq!(mount::run_script(&run.args(["--config", "x.toml"]), script).code, Some(0));
}

#[test]
fn config_where_none_is_looked_for_is_named() {
    const CONFIG: &str = "[graphite]\nurl = 'tcp://127.0.0.1:9'\n";
    for (path, named) in [
        ("config.toml", "./config.toml"),
        ("datametrics.toml", "./datametrics.toml"),
        (".datametrics.toml", "<home>/.datametrics.toml"),
        (".datametrics/config.toml", "<home>/.datametrics/config.toml"),
        (".config/datametrics.toml", "<home>/.config/datametrics.toml"),
        (".config/datametrics/datametrics.toml", "<home>/.config/datametrics/datametrics.toml"),
    ] {
        let run = Datametrics::new().args(["all"]);
        let path = run.home().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, CONFIG).expect("a config");
        let message = format!(
            "error: GRAPHITE_URL: is not set, so the points have nowhere to go: no config is looked for in {named}: move \
             it to <home>/.config/datametrics/config.toml, or name it with --config; --dry-run prints them instead\n"
        );
        run.clone().stderr(message).exit(78).check();
        // That of another program is none.
        fs::write(&path, "[package]\n").expect("a config");
        assert!(run.run().stderr.contains(": `datametrics init` writes a first config; "), "{}", path.display());
    }
    let xdg = Datametrics::new().args(["all"]).env("XDG_CONFIG_HOME", "/nowhere");
    fs::create_dir_all(folder(&xdg)).expect("a folder");
    fs::write(folder(&xdg).join("config.toml"), CONFIG).expect("a config");
    assert!(
        xdg.run().stderr.contains("/.config/datametrics/config.toml: move it to /nowhere/datametrics/config.toml, or ")
    );
}

/// Cron has only HOME, so that its line names every other place.
#[test]
fn config_is_written_where_it_is_looked_for() {
    let line = |output: &str, what: &str| {
        let found = output.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{output}"));
        found.trim().to_owned()
    };
    for (run, path, typed, in_cron) in [
        (init(INGEST), ".config/datametrics/config.toml", "", ""),
        (init(INGEST).env("XDG_CONFIG_HOME", "relative"), ".config/datametrics/config.toml", "", ""),
        (init(INGEST).env("DATAMETRICS_CONFIG", "a/b.toml"), "a/b.toml", "", " --config <home>/a/b.toml"),
        (
            init(INGEST).args(["--config", "50% 'x'.toml"]),
            "50% 'x'.toml",
            r" --config '<home>/50% '\''x'\''.toml'",
            r" --config '<home>/50\% '\''x'\''.toml'",
        ),
    ] {
        let stdout = run.normalise(&run.run()).stdout;
        assert!(run.home().join(path).exists(), "{path}: {stdout}");
        assert_eq!(line(&stdout, " check"), format!("<program> check{typed}"));
        assert_eq!(line(&stdout, "* * *"), format!("* * * * * sleep 23; <program> all{in_cron}"));
    }
    let xdg = init(INGEST);
    let folder = xdg.home().join("xdg");
    let xdg = xdg.env("XDG_CONFIG_HOME", &folder);
    let stdout = xdg.normalise(&xdg.run()).stdout;
    assert_eq!(line(&stdout, " check"), "<program> check");
    assert!(line(&stdout, "* * *").ends_with(" --config <home>/xdg/datametrics/config.toml"), "{stdout}");
}

/// A name is enough where a shell finds the program by it.
#[test]
fn program_is_named_as_a_shell_finds_it() {
    let program = Path::new(env!("CARGO_BIN_EXE_datametrics"));
    let path = std::env::join_paths([Path::new("/usr/bin"), program.parent().expect("a folder")]).expect("a PATH");
    let stdout = init(INGEST).env("PATH", path).run().stdout;
    assert!(stdout.contains("     datametrics check\n"), "{stdout}");
    assert!(stdout.contains(&format!("; {} all\n", program.display())), "{stdout}");
}

#[test]
fn what_would_be_wrong_in_a_run_is_said_before_anything_is_written() {
    for (args, code, message) in [
        (&["--graphite-url", "https://h.example/x"][..], 2, "--graphite-url: must end in /metrics"),
        (&["--graphite-url", "tcp://h", "--user", "1"], 2, "--user: is for nobody, as Carbon knows no users"),
        (&["--graphite-url", "https://u:p@h/metrics"], 2, "--graphite-url: holds a user or a password"),
        (&["--graphite-url", "http://h.example/metrics", "--user", "1"], 2, "--graphite-url: would send the password"),
    ] {
        let run = init([]).args(args);
        let output = run.run();
        assert!(output.code == Some(code) && output.stderr.contains(message), "{args:?}: {output}");
        assert!(!run.home().join(".config").exists());
    }
    let output = init([]).env("HOME", "").run();
    assert!(output.code == Some(78) && output.stderr.contains("HOME: is not set"), "{output}");
    let output = init(["--config", "/proc/x/y.toml"]).run();
    assert!(output.code == Some(74) && output.stderr.contains("cannot write /proc/x: "), "{output}");
}
