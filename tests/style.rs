//! Rules of the sources that a compiler doesn't check: small files, each opening with its duty.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of code in a file, blank lines and comments aside. The aim is 400; what lists instructions
/// one by one may run a little over.
const MAX_CODE_LINES: usize = 500;

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn each_source(check: impl Fn(&Path, &str) -> Option<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [sources(&root.join("src")), sources(&root.join("tests"))].concat();
    assert!(files.len() > 10);
    let complaint = |file: PathBuf| {
        let name = file.strip_prefix(root).unwrap();
        let fault = check(name, &fs::read_to_string(&file).unwrap())?;
        Some(format!("{}: {fault}", name.display()))
    };
    let complaints: Vec<_> = files.into_iter().filter_map(complaint).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_file_opens_with_its_duty() {
    each_source(|_, text| (!text.starts_with("//! ")).then(|| "no module documentation".into()));
}

#[test]
fn no_file_is_too_long_to_read() {
    each_source(|_, text| {
        let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//");
        let lines = text.lines().map(str::trim).filter(is_code).count();
        (lines > MAX_CODE_LINES).then(|| format!("{lines} lines of code"))
    });
}
