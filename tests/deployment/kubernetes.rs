//! `examples/kubernetes/cronjob.yaml`: what Kubernetes says of it, and what its pods do with it.

use crate::{
    shard::symbols,
    support::{
        self, Datametrics,
        prices::{provider, run_without_symbols},
        real_graphite::PYTHON,
    },
};
use datametrics::Cli;
use std::{collections::BTreeSet, fs, process::Command};
use yaml_rust2::{Yaml, YamlLoader};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/kubernetes/cronjob.yaml");

/// How many seconds a run may take to tell its end to a monitor.
const MONITOR: i64 = 5;

/// The exit code of `SCHEMAS` where a part of it is not here.
const MISSING: i32 = 3;

/// Says what Kubernetes' own schemas find wrong, of the oldest version that the example is for and of a newer one.
const SCHEMAS: &str = r#"
import importlib.util, json, pathlib, sys
if not all(importlib.util.find_spec(module) for module in ["jsonschema", "kubernetes_validate", "yaml"]):
    sys.exit(3)
import jsonschema, yaml

package = importlib.util.find_spec("kubernetes_validate").submodule_search_locations[0]
with open(sys.argv[1]) as file:
    documents = list(yaml.safe_load_all(file))
for version in ["v1.29.0", "v1.37.0"]:
    folder = pathlib.Path(package) / "kubernetes-json-schema" / (version + "-local-strict")
    store = {"https://kubernetes.io/api/_definitions.json": json.loads((folder / "_definitions.json").read_text())}
    for document in documents:
        name = document["kind"].lower() + "-" + document["apiVersion"].replace("/", "-")
        schema = json.loads((folder / (name + ".json")).read_text())
        resolver = jsonschema.RefResolver("", schema, store)
        for error in jsonschema.Draft202012Validator(schema, resolver=resolver).iter_errors(document):
            print(version, name, "/".join(map(str, error.absolute_path)) + ":", error.message[:200])
"#;

/// What the schemas find wrong. `None`, and the test is skipped, if they are not here.
fn faults(file: &str) -> Option<String> {
    let output = Command::new(PYTHON).args(["-W", "ignore", "-c", SCHEMAS, file]).output();
    let Some(output) = output.ok().filter(|output| output.status.code() != Some(MISSING)) else {
        support::skip("Kubernetes' schemas are needed, and Debian's python3-jsonschema and python3-yaml: .ci/install");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn kubernetes_example_is_what_kubernetes_expects() {
    let Some(found) = faults(EXAMPLE) else { return };
    assert_eq!(found, "");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("misspelled.yaml");
    let text = fs::read_to_string(EXAMPLE).expect("a text");
    fs::write(&file, text.replace("maxFailedIndexes: 8", "maxFailedIndices: 8")).expect("a file");
    let found = faults(file.to_str().expect("UTF-8")).expect("schemas");
    assert_eq!(found.matches("'maxFailedIndices' was unexpected").count(), 2, "{found}");
}

/// The text without a key of YAML and all that is below it.
fn without(text: &str, key: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut removed = None;
    let keeps = |line: &&str| {
        let is_below = removed.is_some_and(|depth| line.is_empty() || indent(line) > depth);
        removed = if is_below || line.trim_start().starts_with(key) { removed.or(Some(indent(line))) } else { None };
        removed.is_none()
    };
    support::lines(text.lines().filter(keeps))
}

/// What the comment at the top says about a single pod.
#[test]
fn kubernetes_example_can_be_made_one_pod_as_it_says() {
    let text = fs::read_to_string(EXAMPLE).expect("a text");
    let (comment, _) = text.split_once("\n# Each key of the Secret").expect("a comment");
    let (_, steps) = comment.split_once("then remove ").expect("steps");
    let steps = steps.replace("\n#", "");
    let (keys, _) = steps.split_once(" and the two SHARD variables").expect("keys");
    let keys = keys.split(", ").chain(["- name: SHARD_INDEX", "- name: DATAMETRICS_SHARD"]);
    let one = keys.fold(text.clone(), |text, key| {
        let less = without(&text, key);
        assert!(less.len() < text.len(), "there is no {key}");
        less
    });
    let one = one.replace("/$(SHARD_INDEX)", "").replace("backoffLimitPerIndex:", "backoffLimit:");
    let documents = YamlLoader::load_from_str(&one).expect("YAML");
    let job = &documents[2]["spec"]["jobTemplate"]["spec"];
    assert_eq!(number(&job["backoffLimit"]), 0);
    // Those of an Indexed Job are refused without their limit.
    for key in ["completionMode", "completions", "parallelism", "maxFailedIndexes"] {
        assert!(job[key].is_badvalue(), "{key}");
    }
    let variables = environment(&job["template"]["spec"]["containers"][0], 0);
    assert!(variables.iter().all(|(name, value)| !name.contains("SHARD") && !value.contains("$(")), "{variables:?}");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("one.yaml");
    fs::write(&file, one).expect("a file");
    assert!(faults(file.to_str().expect("UTF-8")).is_none_or(|found| found.is_empty()));
}

/// A pod that fails leaves the others alone, is not started again, and nothing that is needed later goes with it.
#[test]
fn pods_of_the_kubernetes_example_do_not_depend_on_each_other() {
    let documents = documents();
    let [_, claim, cron] = &documents[..] else { panic!("{} documents", documents.len()) };
    let job = &cron["spec"]["jobTemplate"]["spec"];
    let pod = &job["template"]["spec"];
    let count = number(&job["completions"]);
    // With a backoffLimit the first pod that fails ends all others. The last two are rules of the API server.
    assert_eq!(number(&job["backoffLimitPerIndex"]), 0);
    assert!(job["backoffLimit"].is_badvalue());
    assert_eq!(number(&job["maxFailedIndexes"]), count);
    assert_eq!((text(&job["completionMode"]), text(&pod["restartPolicy"])), ("Indexed", "Never"));

    let spread = &pod["topologySpreadConstraints"][0];
    let labels = &job["template"]["metadata"]["labels"];
    assert_eq!(&spread["labelSelector"]["matchLabels"], labels);
    assert_eq!(text(&spread["whenUnsatisfiable"]), "ScheduleAnyway", "a cluster may have fewer nodes than pods");

    let container = &pod["containers"][0];
    let state = |index| environment(container, index).into_iter().find(|(name, _)| name == "DATAMETRICS_STATE_DIR");
    let folders: BTreeSet<_> = (0..8).map(|index| state(index).expect("a folder").1).collect();
    assert_eq!(folders.len(), 8);
    let mounts = container["volumeMounts"].as_vec().expect("a list");
    let mount = mounts.iter().find(|mount| folders.iter().all(|folder| folder.starts_with(text(&mount["mountPath"]))));
    let name = text(&mount.expect("a volume")["name"]);
    let volumes = pod["volumes"].as_vec().expect("a list");
    let volume = volumes.iter().find(|volume| text(&volume["name"]) == name).expect("a volume");
    assert_eq!(text(&volume["persistentVolumeClaim"]["claimName"]), text(&claim["metadata"]["name"]));
    assert_eq!(text(&claim["spec"]["accessModes"][0]), "ReadWriteMany");
}

/// Each index waits for a time of its own, and the longest of them with a whole run is over before the next minute, with
/// ten seconds for the start of the pod.
#[test]
fn pods_of_the_kubernetes_example_start_one_after_the_other() {
    let documents = documents();
    let job = &documents[2]["spec"]["jobTemplate"]["spec"];
    let pod = &job["template"]["spec"];
    let command = texts(&pod["initContainers"][0]["command"]);
    let [shell, option, script] = &command[..] else { panic!("{command:?}") };
    let delay = |index: i64| {
        let script = format!("sleep() {{ echo $1; }}; {script}");
        let output =
            Command::new(shell).args([option, &script]).env("JOB_COMPLETION_INDEX", index.to_string()).output();
        let output = String::from_utf8(output.expect("a shell").stdout).expect("UTF-8");
        output.trim().parse::<i64>().unwrap_or_else(|_| panic!("{output:?} for {script}"))
    };
    let delays: BTreeSet<i64> = (0..number(&job["completions"])).map(delay).collect();
    assert_eq!(delays.len(), 8);
    assert!(delays.iter().all(|delay| *delay > 0), "many others ask in the first second: {delays:?}");
    let longest = delays.last().expect("a delay") + timeout(&pod["containers"][0]) + MONITOR;
    assert!(longest + 10 < number(&job["activeDeadlineSeconds"]), "{longest} s");
}

fn number(yaml: &Yaml) -> i64 {
    yaml.as_i64().unwrap_or_else(|| panic!("{yaml:?} is no number"))
}

/// How long a run may take, in seconds.
fn timeout(container: &Yaml) -> i64 {
    let arguments = texts(&container["args"]);
    let value = arguments.iter().skip_while(|word| *word != "--timeout").nth(1).expect("--timeout");
    value.parse().expect("a number")
}

fn documents() -> Vec<Yaml> {
    YamlLoader::load_from_str(&fs::read_to_string(EXAMPLE).unwrap()).unwrap()
}

fn text(yaml: &Yaml) -> &str {
    yaml.as_str().unwrap_or_else(|| panic!("{yaml:?} is no text"))
}

fn texts(yaml: &Yaml) -> Vec<String> {
    yaml.as_vec().unwrap().iter().map(|one| text(one).to_owned()).collect()
}

/// The variables of a container as a kubelet sets them: `$(NAME)` is replaced if NAME is defined above.
fn environment(container: &Yaml, index: u32) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for variable in container["env"].as_vec().unwrap() {
        let name = text(&variable["name"]).to_owned();
        let field = &variable["valueFrom"]["fieldRef"]["fieldPath"];
        let value = match field.as_str() {
            Some("metadata.annotations['batch.kubernetes.io/job-completion-index']") => index.to_string(),
            Some(other) => panic!("{other}"),
            None => all.iter().fold(text(&variable["value"]).to_owned(), |value, (name, known)| {
                value.replace(&format!("$({name})"), known)
            }),
        };
        all.push((name, value));
    }
    all
}

/// The variables are known, the arguments are accepted, and all indexes together cover all shards.
#[test]
fn kubernetes_example_covers_every_symbol() {
    let documents = documents();
    let kinds: Vec<&str> = documents.iter().map(|document| text(&document["kind"])).collect();
    assert_eq!(kinds, ["ConfigMap", "PersistentVolumeClaim", "CronJob"]);
    let cron = &documents[2];
    let job = &cron["spec"]["jobTemplate"]["spec"];
    let pod = &job["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(text(&job["completionMode"]), "Indexed");
    let count = u32::try_from(job["completions"].as_i64().unwrap()).unwrap();
    assert_eq!(job["parallelism"].as_i64(), job["completions"].as_i64());

    let command = [texts(&container["command"]), texts(&container["args"])].concat();
    assert_eq!(command[0], "datametrics");
    Cli::from_args(&command).unwrap();

    let help = Datametrics::new().args(["--help"]).run().stdout;
    for (name, _) in environment(container, 0) {
        let variable = name.trim_end_matches("_FILE");
        assert!(name == "SHARD_INDEX" || help.contains(variable), "{name} is no variable of datametrics");
    }

    let mut all = BTreeSet::new();
    for index in 0..count {
        let list = "BTC,ETH,BAT,C1,C2,C3,C4,C5,C6,C7,C8,C9";
        let server = provider(&list.split(',').map(|name| (name, "5")).collect::<Vec<_>>());
        let shard = environment(container, index).into_iter().find(|(name, _)| name == "DATAMETRICS_SHARD");
        let run = run_without_symbols(&server, "").args(["--symbols", list]).env("DATAMETRICS_SHARD", shard.unwrap().1);
        all.extend(symbols(&run));
    }
    assert_eq!(all.len(), 12);
}

/// The whole example with its files in place: no setting is unknown or missing.
#[test]
fn kubernetes_example_settings_are_accepted() {
    let documents = documents();
    let container = &documents[2]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
    let mut run = Datametrics::new();
    let home = run.home().to_str().unwrap().to_owned();
    let folders = ["/etc/datametrics", "/run/secrets/datametrics", "/var/lib/datametrics"];
    let mounts: Vec<String> =
        container["volumeMounts"].as_vec().unwrap().iter().map(|mount| text(&mount["mountPath"]).to_owned()).collect();
    assert_eq!(mounts, folders);
    for folder in folders {
        fs::create_dir_all(format!("{home}{folder}")).unwrap();
    }
    fs::write(format!("{home}/etc/datametrics/config.toml"), text(&documents[0]["data"]["config.toml"])).unwrap();
    fs::write(format!("{home}/run/secrets/datametrics/graphite-password"), "glc_sesame\n").unwrap();
    fs::write(format!("{home}/run/secrets/datametrics/ping-url"), "https://hc-ping.com/sesame\n").unwrap();
    for (name, value) in environment(container, 3) {
        let value =
            if folders.iter().any(|folder| value.starts_with(folder)) { format!("{home}{value}") } else { value };
        run = run.env(name, value);
    }
    let output = run.env("HTTPS_PROXY", "http://127.0.0.1:9").args(["check", "--retries", "0"]).run();
    for (name, value, from) in [
        ("--shard", "3/8", "DATAMETRICS_SHARD"),
        ("--ping-url", "set", "DATAMETRICS_PING_URL_FILE"),
        ("GRAPHITE_PASSWORD", "set", "GRAPHITE_PASSWORD_FILE"),
        ("graphite.user", "123456", "config.toml:5"),
    ] {
        let row = output.stdout.lines().find(|line| line.split_whitespace().next() == Some(name));
        let row: Vec<&str> = row.unwrap_or_else(|| panic!("{output}")).split_whitespace().collect();
        assert!(row[1] == value && row[2].ends_with(from), "{row:?}");
    }
    assert!(output.stdout.contains("ok      state directory: "), "{output}");
}
