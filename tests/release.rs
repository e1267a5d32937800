//! What is released: the workflow, the script that builds the files, and the page that names them agree.

use crate::support;
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};
use yaml_rust2::{Yaml, YamlLoader};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn workflow(name: &str) -> Yaml {
    let text = fs::read_to_string(root().join(".github/workflows").join(name)).expect(name);
    YamlLoader::load_from_str(&text).expect("YAML").remove(0)
}

/// The steps of all jobs.
fn steps(workflow: &Yaml) -> Vec<&Yaml> {
    let jobs = workflow["jobs"].as_hash().expect("jobs");
    jobs.values().flat_map(|job| job["steps"].as_vec().expect("steps")).collect()
}

/// What `.ci/dist` prints with this option for the targets of a release.
fn dist(option: &str) -> String {
    let release = workflow("release.yml");
    let targets = release["env"]["TARGETS"].as_str().expect("targets").split(' ');
    let output = Command::new(root().join(".ci/dist")).arg(option).args(targets).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn workflows_run_scripts_that_exist_and_actions_of_one_content() {
    for name in ["ci.yml", "release.yml"] {
        let workflow = workflow(name);
        for step in steps(&workflow) {
            let is_hash = |hash: &str| hash.len() == 40 && hash.bytes().all(|b| b.is_ascii_hexdigit());
            let action = step["uses"].as_str();
            assert!(
                action.is_none_or(|action| action.split_once('@').is_some_and(|(_, hash)| is_hash(hash))),
                "{step:?}"
            );
            let command = step["run"].as_str().unwrap_or_default();
            for script in command.split([' ', '\n', '(']).filter(|word| word.starts_with(".ci/")) {
                let file = fs::metadata(root().join(script)).unwrap_or_else(|error| panic!("{script}: {error}"));
                assert!(script.ends_with("Dockerfile") || file.permissions().mode() & 0o111 != 0, "{script}");
            }
        }
    }
}

/// What a release needs is asked before the first target is built.
#[test]
fn script_of_a_release_refuses_a_target_that_it_does_not_know() {
    let script = root().join(".ci/dist");
    let output = Command::new(&script).args(["--list", "x86_64-unknown-linux-musl", "mips-unknown"]).output();
    let output = output.expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*stderr), (Some(1), "mips-unknown: no such target is known here\n"));
    assert!(output.stdout.is_empty(), "{output:?}");
}

/// The README links to them.
#[test]
fn pages_go_with_the_program() {
    assert!(include_str!("../.ci/dist").contains(" \"$folder/docs\" docs/*.md\n"));
}

#[test]
fn page_about_installing_names_what_the_script_needs() {
    let page = include_str!("../docs/INSTALL.md");
    let line = page.lines().find(|line| line.contains("qemu-user-static")).expect("a command");
    let (_, needs) = line.split_once(" install ").expect("packages");
    assert!(include_str!("../.ci/dist").contains(&format!(" {needs}.\n")), "{needs}");
}

#[test]
fn release_publishes_and_attests_what_the_script_builds() {
    let release = workflow("release.yml");
    assert_eq!(release["on"]["push"]["tags"][0].as_str(), Some("v*"));
    let steps = steps(&release);
    let commands = support::lines(steps.iter().filter_map(|step| step["run"].as_str()));
    for part in [".ci/dist $TARGETS\n", " --push target/container\n"] {
        assert!(commands.contains(part), "{part}: {commands}");
    }
    // Who publishes the draft takes all else for done.
    let last = steps.last().and_then(|step| step["run"].as_str()).expect("a command");
    assert!(last.contains(" --draft ") && last.ends_with(" target/dist/*"), "{last}");
    let checksums = steps.iter().find_map(|step| step["with"]["subject-checksums"].as_str()).expect("an attestation");
    assert!(dist("--list").lines().any(|file| format!("target/dist/{file}") == checksums), "{checksums}");
    assert_eq!(dist("--platforms"), "linux/amd64,linux/arm64,linux/arm/v7\n");
}

/// The dependencies and their build scripts run where nothing can be published or attested.
#[test]
fn job_that_builds_a_release_may_only_read() {
    let release = workflow("release.yml");
    assert!(release["permissions"].as_hash().expect("none").is_empty());
    let jobs = release["jobs"].as_hash().expect("jobs");
    let builds = |job: &Yaml| {
        let steps = job["steps"].as_vec().expect("steps");
        steps
            .iter()
            .filter_map(|step| step["run"].as_str())
            .any(|run| run.contains("cargo") || run == ".ci/dist $TARGETS")
    };
    let (building, publishing): (Vec<&Yaml>, Vec<&Yaml>) = jobs.values().partition(|job| builds(job));
    assert_eq!((building.len(), publishing.len()), (1, 1));
    let permissions = building[0]["permissions"].as_hash().expect("permissions");
    let permissions: Vec<_> = permissions.iter().map(|(name, access)| (name.as_str(), access.as_str())).collect();
    assert_eq!(permissions, [(Some("contents"), Some("read"))]);
    assert_eq!(publishing[0]["permissions"]["id-token"].as_str(), Some("write"));
    // What one job uploads is what the other takes.
    let artifact = |job: &Yaml, action: &str| {
        let steps = job["steps"].as_vec().expect("steps");
        let is_it = |step: &&Yaml| step["uses"].as_str().is_some_and(|uses| uses.starts_with(action));
        steps.iter().find(is_it).expect("a step")["with"]["name"].as_str().map(str::to_owned)
    };
    let (up, down) =
        (artifact(building[0], "actions/upload-artifact@"), artifact(publishing[0], "actions/download-artifact@"));
    assert!(up.is_some() && up == down, "{up:?} {down:?}");
}

/// The Dockerfile takes what the script puts beside it, by the names of Docker's platforms.
#[test]
fn image_of_a_release_has_the_program_in_the_path() {
    let dockerfile = include_str!("../.ci/Dockerfile");
    let script = include_str!("../.ci/dist");
    assert!(dockerfile.contains("\nCOPY $TARGETPLATFORM/datametrics /usr/local/bin/datametrics\n"), "{dockerfile}");
    assert!(dockerfile.contains("\nENTRYPOINT [\"/usr/local/bin/datametrics\"]\n"), "{dockerfile}");
    assert!(script.contains(" \"target/container/$(platform_of \"$target\")/datametrics\"\n"));
    assert!(dockerfile.contains(" state /state\n") && script.contains("mkdir target/container/state\n"));
}

#[test]
fn files_in_the_page_about_installing_are_released() {
    let page = include_str!("../docs/INSTALL.md");
    let files = dist("--list");
    let is_file = |word: &&str| [".tar.gz", ".deb", ".cdx.json"].iter().any(|end| word.ends_with(end));
    let words = page.split(|c: char| c.is_whitespace() || "`()/,".contains(c));
    let named: Vec<&str> = words.filter(|word| word.starts_with("datametrics")).filter(is_file).collect();
    let unknown: Vec<&&str> = named.iter().filter(|name| !files.lines().any(|file| file == **name)).collect();
    assert!(named.len() > 5 && unknown.is_empty(), "{unknown:?} of {named:?} are not in {files}");
}
