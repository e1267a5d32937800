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

#[test]
fn release_publishes_and_attests_what_the_script_builds() {
    let release = workflow("release.yml");
    assert_eq!(release["on"]["push"]["tags"][0].as_str(), Some("v*"));
    let steps = steps(&release);
    let commands = support::lines(steps.iter().filter_map(|step| step["run"].as_str()));
    for part in [".ci/dist $TARGETS\n", " --draft ", " target/dist/*\n", " --push target/container\n"] {
        assert!(commands.contains(part), "{part}: {commands}");
    }
    let checksums = steps.iter().find_map(|step| step["with"]["subject-checksums"].as_str()).expect("an attestation");
    assert!(dist("--list").lines().any(|file| format!("target/dist/{file}") == checksums), "{checksums}");
    assert_eq!(dist("--platforms"), "linux/amd64,linux/arm64,linux/arm/v7\n");
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
