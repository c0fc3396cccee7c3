//! Hands the commit's hash to `--version` as `WASM_FORK_GIT_HASH`: `unknown` outside a checkout of
//! this repository. Nothing else of the machine or the time goes into the binary.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let hash = commit().unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env=WASM_FORK_GIT_HASH={hash}");
}

fn commit() -> Option<String> {
    // A copy of the sources inside another project's repository must not claim that one's commit.
    let top = git(&["rev-parse", "--show-toplevel"])?;
    let package = std::env::var("CARGO_MANIFEST_DIR").ok()?;
    if Path::new(&top).canonicalize().ok()? != Path::new(&package).canonicalize().ok()? {
        return None;
    }
    for path in ["HEAD", "refs/heads", "packed-refs"] {
        let path = git(&["rev-parse", "--git-path", path])?;
        // A missing file would count as changed at every build.
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    // A fixed length: the shortest unique prefix depends on what else a clone holds.
    git(&["rev-parse", "--short=10", "HEAD"])
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim_end().to_owned())
}
