//! `examples/github/datametrics.yml`, a workflow that fetches from GitHub's machines.

use crate::support::Datametrics;
use yaml_rust2::YamlLoader;

const WORKFLOW: &str = include_str!("../../examples/github/datametrics.yml");

/// Those that refuse the addresses of GitHub's machines.
const REFUSES: [&str; 3] = ["yahoo", "binance", "bybit"];

/// Its command fetches both feeds, from providers that need no key and answer there. Here nobody answers.
#[test]
fn github_example_asks_only_providers_that_answer_there() {
    let workflow = &YamlLoader::load_from_str(WORKFLOW).expect("YAML")[0];
    let cron = workflow["on"]["schedule"][0]["cron"].as_str().expect("a schedule");
    assert_eq!(cron.split(' ').count(), 5);
    let steps = workflow["jobs"]["smoke"]["steps"].as_vec().expect("steps");
    let command = steps.last().expect("a step")["run"].as_str().expect("a command");
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!(words[0], "datametrics");
    assert!(words.contains(&"--dry-run"), "it has no Graphite: {command}");

    let run = Datametrics::new().args(&words[1..]).args(["--retries", "0"]).env("HTTPS_PROXY", "http://127.0.0.1:9");
    let output = run.run();
    assert_eq!(output.code, Some(69), "{output}");
    for feed in ["crypto: ", "stocks: "] {
        assert!(output.stderr.contains(feed), "{output}");
    }
    for name in REFUSES {
        assert!(!output.stderr.contains(name), "{name} is asked: {output}");
    }
}
