//! The steps in `examples/heroku/heroku.yml`, done as they are written, with a Heroku that is a folder.

use crate::support;
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};
use yaml_rust2::YamlLoader;

const MANIFEST: &str = include_str!("../../examples/heroku/heroku.yml");

/// `heroku create` makes the repository to which is pushed. The other commands change nothing in it.
const HEROKU: &str = "#!/bin/sh
[ \"$1\" != create ] || { git init --quiet --bare ../pushed && git remote add heroku ../pushed; }
";

/// Runs a shell script in a folder, where `bin` beside it has a program, and returns what it prints.
fn shell(script: &str, folder: &Path) -> String {
    let path = std::env::var("PATH").expect("a PATH");
    let mut command = Command::new("sh");
    command.args(["-euc", script]).current_dir(folder).env("HOME", folder);
    command.env("PATH", format!("{}:{path}", folder.join("../bin").display()));
    for name in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"] {
        command.env(name, "you@example.com");
    }
    let output = command.output().expect("a shell");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Heroku gives a Dockerfile the folder in which it is, and nothing above it:
/// <https://devcenter.heroku.com/articles/build-docker-images-heroku-yml#known-issues-and-limitations>
#[test]
fn heroku_finds_the_source_beside_the_dockerfile() {
    if Command::new("git").arg("--version").output().is_err() {
        support::skip("git is needed to push to Heroku");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (clone, bin) = (folder.path().join("clone"), folder.path().join("bin"));
    fs::create_dir_all(&bin).expect("a folder");
    fs::write(bin.join("heroku"), HEROKU).expect("a program");
    fs::set_permissions(bin.join("heroku"), fs::Permissions::from_mode(0o755)).expect("a mode");
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["Cargo.toml", "Cargo.lock", "src/main.rs", "examples/heroku/Dockerfile", "examples/heroku/heroku.yml"]
    {
        let copy = clone.join(file);
        fs::create_dir_all(copy.parent().expect("a folder")).expect("a folder");
        fs::copy(source.join(file), copy).expect(file);
    }
    shell("git init --quiet --initial-branch=mine && git add . && git commit --quiet -m source", &clone);

    // What follows is done in a browser.
    let (steps, _) = MANIFEST.split_once("\n# and add a job").expect("steps");
    let steps: Vec<&str> = steps.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
    shell(&steps.join("\n"), &clone);

    let pushed = shell("git --git-dir=../pushed ls-tree -r --name-only main", &clone);
    let pushed: Vec<&str> = pushed.lines().collect();
    let manifest = &YamlLoader::load_from_str(MANIFEST).expect("YAML")[0];
    let dockerfile = Path::new(manifest["build"]["docker"]["web"].as_str().expect("a path"));
    let context = dockerfile.parent().expect("a folder");
    assert!(pushed.contains(&"heroku.yml"), "{pushed:?}");
    for file in ["Dockerfile", "Cargo.toml", "Cargo.lock", "src/main.rs"] {
        let path = context.join(file);
        assert!(pushed.iter().any(|pushed| Path::new(pushed) == path), "{file} is not in {context:?}: {pushed:?}");
    }
}
