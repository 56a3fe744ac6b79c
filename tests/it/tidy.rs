//! The house rules that a compiler does not hold. Each says why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Files under version control, or about to be.
fn files(extension: &str) -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    let names = String::from_utf8(listed.stdout).unwrap();
    let paths = names.lines().map(|name| root().join(name));
    paths.filter(|path| path.exists() && path.extension().is_some_and(|e| e == extension)).collect()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// Who knows whom: what `cargo metadata` says of the workspace's own crates.
fn edges() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap().to_owned();
    let own: BTreeSet<String> = packages.iter().map(name).collect();
    let edges = packages.iter().map(|package| {
        let dependencies = package["dependencies"].as_array().unwrap().iter().map(name);
        (name(package), dependencies.filter(|name| own.contains(name)).collect())
    });
    edges.collect()
}

/// The domain knows nobody, the two sides do not know each other, and only the api knows both: this
/// is what makes each of them possible to read, test and replace alone.
#[test]
fn crates_know_only_whom_they_should() {
    let edges = edges();
    let expected = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(edges["domain"], expected(&[]));
    assert_eq!(edges["commands"], expected(&["domain"]));
    assert_eq!(edges["projections"], expected(&["domain"]));
    assert_eq!(edges["replay"], expected(&["domain", "projections"]));
    assert_eq!(edges["api"], expected(&["commands", "domain", "projections"]));
}

/// Decisions are replayed and simulated: time, chance and the world come in from outside.
#[test]
fn the_domain_does_no_input_or_output() {
    for path in files("rs").iter().filter(|path| relative(path).starts_with("domain/src")) {
        let text = std::fs::read_to_string(path).unwrap();
        for banned in ["async fn", ".await", "std::fs", "std::net", "tokio", "Utc::now", "rand::"] {
            assert!(!text.contains(banned), "{}: {banned}", relative(path));
        }
    }
}

/// One file knows the aggregate trait of cqrs-es, so that the framework can change in one place.
#[test]
fn one_file_implements_the_frameworks_aggregate() {
    let knows =
        |path: &&PathBuf| std::fs::read_to_string(path).unwrap().contains("cqrs_es::Aggregate for");
    let found: Vec<String> = files("rs").iter().filter(knows).map(|path| relative(path)).collect();
    let found: Vec<_> = found.iter().filter(|path| !path.starts_with("tests/")).collect();
    assert_eq!(found, ["commands/src/sourced.rs"]);
}

/// A name that could mean anything ends up containing everything.
#[test]
fn names_say_what_is_in_them() {
    let banned = ["utils", "util", "common", "shared", "core", "helpers", "misc", "mod"];
    for path in files("rs") {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(!banned.contains(&stem), "{}", relative(&path));
    }
}

/// A file that does not fit a reader's head is two files.
#[test]
fn files_are_short() {
    for path in files("rs").iter().chain(&files("ts")).chain(&files("tsx")) {
        let text = std::fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let lines = code.lines().count();
        let generated = relative(path).ends_with(".schema.ts");
        assert!(generated || lines <= LONGEST_FILE, "{} has {lines} lines", relative(path));
    }
}

/// Lines before a file's own tests.
const LONGEST_FILE: usize = 600;

/// What stands here is read by strangers, on machines of their own.
#[test]
fn nothing_names_a_machine() {
    let extensions = ["rs", "md", "toml", "yml", "yaml", "sql", "sh", "ts", "tsx", "json"];
    for path in extensions.iter().flat_map(|extension| files(extension)) {
        let text = std::fs::read_to_string(&path).unwrap();
        let banned = ["/work/".to_owned() + "main", "/root".to_owned() + "/.cargo"];
        for banned in banned {
            assert!(!text.contains(&banned), "{}: {banned}", relative(&path));
        }
    }
}

/// Every message that people or machines read starts small and ends without a full stop, so that
/// it can be put into another.
#[test]
fn error_messages_are_lowercase_without_a_full_stop() {
    for path in files("rs").iter().filter(|path| !relative(path).starts_with("tests/")) {
        let text = std::fs::read_to_string(path).unwrap();
        for (line, number) in text.lines().zip(1..) {
            let Some((_, message)) = line.trim().split_once("#[error(\"") else { continue };
            let Some((message, _)) = message.rsplit_once("\")]") else { continue };
            let place = format!("{}:{number}: {message}", relative(path));
            assert!(!message.ends_with('.'), "{place}");
            let first = message.chars().next().unwrap();
            assert!(
                !first.is_uppercase()
                    || message.starts_with(char::is_uppercase)
                        && message.split(' ').next().unwrap().chars().all(|c| !c.is_lowercase()),
                "{place}"
            );
        }
    }
}

/// Applied migrations are never edited: each is a number, a name and a reason.
#[test]
fn migrations_are_numbered_and_explained() {
    let mut folders: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for path in files("sql").into_iter().filter(|path| relative(path).starts_with("migrations/")) {
        folders.entry(path.parent().unwrap().to_path_buf()).or_default().push(path);
    }
    for paths in folders.values_mut() {
        paths.sort();
    }
    let numbered = folders.values().flat_map(|paths| paths.iter().zip(1..));
    for (path, number) in numbered {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&format!("{number:04}_")), "{name}");
        assert!(
            std::fs::read_to_string(path).unwrap().starts_with("-- "),
            "{name} explains nothing"
        );
    }
}
