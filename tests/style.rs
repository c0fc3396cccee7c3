//! Rules of the sources that a compiler doesn't check: small files, each opening with its duty; rooms that know only what
//! they may; no flag of the command in the library.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of code in a file, blank lines and comments aside. The aim is 400; what lists instructions
/// one by one may run a little over.
const MAX_CODE_LINES: usize = 500;

/// The most characters of a line. Code is narrower; this is for prose, and for traces in tests.
const MAX_WIDTH: usize = 150;

/// The rooms of the library, and which others each may use. A room may only use those above it, so that there are no circles.
/// The guide's picture of them is this table.
const ROOMS: [(&str, &[&str]); 19] = [
    ("text", &[]),
    ("work", &[]),
    ("index", &[]),
    ("pattern", &[]),
    ("limits", &[]),
    ("location", &["text"]),
    ("refusal", &["location", "text"]),
    ("error", &["limits", "location", "refusal", "text"]),
    ("profile", &["error"]),
    ("cpu_profile", &["error"]),
    ("read", &["error", "index", "limits", "location", "text", "work"]),
    ("abi", &["index", "read", "text"]),
    ("options", &["abi", "cpu_profile", "error", "pattern", "profile", "text"]),
    ("analyze", &["error", "index", "options", "pattern", "profile", "read", "text", "work"]),
    ("emit", &["error", "index", "limits", "read", "refusal", "text", "work"]),
    (
        "plan",
        &[
            "abi",
            "analyze",
            "cpu_profile",
            "error",
            "index",
            "limits",
            "options",
            "profile",
            "read",
            "refusal",
            "text",
            "work",
        ],
    ),
    ("rewrite", &["abi", "analyze", "emit", "error", "index", "options", "plan", "read", "work"]),
    ("verify", &["abi", "analyze", "error", "index", "options", "read", "text", "work"]),
    (
        "shim",
        &[
            "abi", "analyze", "emit", "error", "index", "limits", "options", "read", "refusal",
            "text", "work",
        ],
    ),
];

/// What people read stands above all of these, and `lib.rs` above that.
const ABOVE: [&str; 7] = ["report", "wasi", "host", "testing", "lib", "main", "cli"];

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

fn each_source(mut check: impl FnMut(&Path, &str) -> Option<String>) {
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

#[test]
fn lines_fit_a_screen() {
    each_source(|_, text| {
        let width = text.lines().map(|line| line.chars().count()).max()?;
        (width > MAX_WIDTH).then(|| format!("a line of {width} characters"))
    });
}

/// The room that a source file belongs to; `None` for tests, the guide, and what isn't the library's.
fn room(path: &Path) -> Option<&str> {
    let rest = path.strip_prefix("src").ok()?;
    let is_test = rest
        .iter()
        .any(|part| ["tests", "tests.rs", "scale", "scale.rs"].iter().any(|name| part == *name));
    let first = rest.iter().next()?.to_str()?;
    (!is_test && first != "guide").then(|| first.trim_end_matches(".rs"))
}

/// The code of a file, without comments and without the tests at its end.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let tests = text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..tests].lines().filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn rooms_use_only_what_they_may() {
    for (position, (room, used)) in ROOMS.iter().enumerate() {
        for name in *used {
            let above = ROOMS[..position].iter().any(|(other, _)| other == name);
            assert!(above, "{room} may use {name}, which is not above it");
        }
    }
    let mut seen = 0;
    each_source(|path, text| {
        let room = room(path).filter(|room| !ABOVE.contains(room))?;
        let Some((_, may)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            return path.starts_with("src").then(|| "it belongs to no room".into());
        };
        let uses = code(text).flat_map(|line| line.split("crate::").skip(1));
        let names =
            uses.map(|rest| rest.split(|c: char| !c.is_ascii_lowercase() && c != '_').next());
        let names: Vec<_> =
            names.flatten().filter(|name| !name.is_empty() && *name != room).collect();
        seen += names.len();
        let wrong = names.into_iter().find(|name| !may.contains(name))?;
        Some(format!("{room} uses {wrong}"))
    });
    assert!(seen > 100, "only {seen} uses were found");
}

/// The picture in the guide: a line for each room, with what it uses.
#[test]
fn the_guide_shows_the_rooms_as_they_are() {
    let picture: String = ROOMS
        .iter()
        .map(|(room, used)| format!("{room:<12} ← {}\n", used.join(", ")).replace(" ← \n", "\n"))
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide/architecture.md");
    let guide = fs::read_to_string(path).unwrap();
    assert!(guide.contains(&format!("```text\n{picture}")), "the guide lacks\n{picture}");
}

/// The library knows of no flag: what helps on the command line is said there. Other tools' flags are another matter.
#[test]
fn the_library_names_no_flag() {
    const OF_OTHERS: [&str; 4] = ["--emit-relocs", "--asyncify", "--translate-to-exnref", "--list"];
    each_source(|path, text| {
        room(path).filter(|room| !["main", "cli"].contains(room))?;
        let words = code(text).flat_map(|line| line.split([' ', '`', '"', '(', ')', ',', ';']));
        let mut flags = words.filter(|word| {
            word.strip_prefix("--")
                .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
        });
        let flag = flags.find(|flag| !OF_OTHERS.contains(flag))?;
        Some(format!("it names {flag}"))
    });
}
