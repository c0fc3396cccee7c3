//! What the README and the guide claim and can go stale: the host they show, the flags they name, the
//! checks that they list, and where their links lead.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The README and every chapter of the guide, with their text.
pub(super) fn pages() -> Vec<(PathBuf, String)> {
    let chapters = fs::read_dir(root().join("src/guide")).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> =
        chapters.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    files.push(root().join("README.md"));
    files.sort();
    assert!(files.len() > 10);
    files.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn the_host_in_the_guide_is_the_one_that_runs() {
    let host = include_str!("../../scripts/demo/host.mjs");
    let chapter = include_str!("../../src/guide/host.md");
    assert!(chapter.contains(&format!("```js\n{host}```\n")));
}

#[test]
fn only_flags_that_exist_are_named() {
    let sandbox = Sandbox::new();
    let mut help = String::new();
    for command in [
        &["instrument"][..],
        &["analyze"],
        &["explain"],
        &["imports"],
        &["plan"],
        &["shim"],
        &["storm"],
        &["run"],
        &["verify"],
        &["link"],
        &["profile", "merge"],
        &["profile", "from-frames"],
        &["profile", "show"],
        &["profile", "diff"],
    ] {
        help += &text(&sandbox.run(&[command, &["--help"]].concat()).stdout);
    }
    let is_flag = |word: &&str| word.starts_with("--") && !word.trim_matches('-').is_empty();
    for (page, text) in pages() {
        let text = without_other_tools(&text);
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        for flag in words.filter(is_flag) {
            let known = help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n"));
            assert!(known || BINARYENS.contains(&flag), "{}: {flag}", page.display());
        }
    }
}

/// Binaryen's: the way to call functions by other types, which figures compare with, and what `wasm-opt` takes in its place.
const BINARYENS: [&str; 3] = ["--fpcast-emu", "--asyncify", "--pass-arg"];

/// A page without the commands of other tools: lines of examples, and code in sentences.
fn without_other_tools(text: &str) -> String {
    let is_other = |line: &&str| line.starts_with("$ ") && !line.starts_with("$ wasm-fork ");
    // Behind ` -- ` are the arguments of a linker, or of a program that is run.
    let own = |line| match line {
        line if str::starts_with(line, "$ wasm-fork ") => line.split(" -- ").next().unwrap_or(line),
        line => line,
    };
    // Files of other tools.
    let mut is_of_other = false;
    let mut in_others = |line: &&str| {
        if let Some(language) = line.strip_prefix("```") {
            is_of_other = ["make", "cmake"].contains(&language);
        }
        is_of_other
    };
    let lines = text.lines().filter(|line| !is_other(line));
    let lines: Vec<_> = lines.filter(|line| !in_others(line)).map(own).collect();
    let is_other = |code: &&str| {
        ["cargo ", "clang ", "node ", "scripts/"]
            .iter()
            .any(|start| code.trim_start_matches("BLESS=1 ").starts_with(start))
    };
    let parts: Vec<_> = lines.iter().flat_map(|line| line.split('`')).collect();
    parts.into_iter().filter(|part| !is_other(part)).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_readme_is_a_front_door() {
    let lines = include_str!("../../README.md").lines().count();
    assert!(lines <= 200, "{lines} lines; what takes longer to say belongs to the guide");
}

/// The commands of `scripts/check` that no list names would be run by no one.
#[test]
fn every_check_is_listed() {
    let lists =
        [("scripts/README.md", "`check/"), ("src/guide/contributing.md", "`scripts/check/")];
    let files =
        fs::read_dir(root().join("scripts/check")).unwrap().map(|file| file.unwrap().path());
    let checks: Vec<_> = files.filter(|path| path.is_file()).collect();
    assert!(checks.len() > 5);
    for (list, prefix) in lists {
        let text = fs::read_to_string(root().join(list)).unwrap();
        for check in &checks {
            let name = check.file_name().unwrap().to_str().unwrap();
            let named = [" ", "`"].iter().any(|end| text.contains(&format!("{prefix}{name}{end}")));
            assert!(named, "{list} doesn't name {name}");
        }
    }
}

/// Where a page's links lead: `](TARGET)`, and the labels that it defines.
fn links(text: &str) -> Vec<&str> {
    let inline = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let defined = text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: "));
    inline.chain(defined.map(|(_, target)| target)).collect()
}

/// A heading's anchor, as forges and rustdoc make it.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_leads_somewhere() {
    for (page, text) in pages() {
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            assert!(target.exists(), "{}: {link}", page.display());
            if fragment.is_empty() {
                continue;
            }
            let headings = fs::read_to_string(target).unwrap();
            let found = headings.lines().any(|l| l.starts_with('#') && anchor(l) == fragment);
            assert!(found, "{}: {link}", page.display());
        }
    }
}

/// A label's definition at the end of a chapter, and the one that counts in rendered documentation, are
/// one place.
#[test]
fn labels_mean_the_same_in_files_and_in_rustdoc() {
    let rendered: Vec<_> = include_str!("../../src/guide/links.txt").lines().collect();
    for (page, text) in pages() {
        let labels = text.lines().filter(|line| line.starts_with('[') && line.contains("]: "));
        for label in labels {
            let (name, target) = label.split_once("]: ").unwrap();
            let line = format!("{name}]: crate::guide::{}", target.replacen(".md", "", 1));
            assert!(rendered.contains(&&*line), "{}: {label}", page.display());
        }
    }
}

/// The chapter's lists of directives are those of the code that reads them, and its fixture is one that runs.
#[test]
fn the_fixture_language_is_told_as_it_is() {
    let chapter = include_str!("../../src/guide/contributing.md");
    let readers = [
        include_str!("../suite/fixtures/directives.rs"),
        include_str!("../suite/fixtures/shim.rs"),
    ];
    let rows = readers.iter().flat_map(|text| text.lines().filter_map(|l| l.strip_prefix("//! |")));
    assert!(rows.clone().count() > 20);
    for row in rows {
        assert!(chapter.contains(&format!("\n|{row}\n")), "not in the chapter: {row}");
    }
    let fixture = include_str!("../../wat-fixtures/run/loop_with_site.wat");
    assert!(chapter.contains(&format!("```wat\n{fixture}```\n")));
}

/// Each cell of the tables of what is supported names fixtures, or tests, that are there.
#[test]
fn every_fixture_that_the_tables_of_what_is_supported_name_is_there() {
    let chapter = include_str!("../../src/guide/limits.md");
    let mut named = 0;
    for header in ["| construct |", "| reference |"] {
        let start = chapter.find(header).unwrap_or_else(|| panic!("no table {header}"));
        let rows = chapter[start..].lines().take_while(|line| line.starts_with('|')).skip(2);
        for row in rows {
            let cells: Vec<_> = row.trim_matches('|').split('|').collect();
            let mut in_row = 0;
            // The first cell names instructions, and cells speak of flags and types.
            for name in cells[1..].iter().flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
                if name.starts_with("--") || ["call_ref", "table.get"].contains(&name) {
                    continue;
                }
                let places = [
                    format!("wat-fixtures/run/{name}.wat"),
                    format!("wat-fixtures/{name}.wat"),
                    name.to_owned(),
                ];
                let exists = places.iter().any(|place| root().join(place).exists());
                assert!(exists, "{name}, in the row {row}");
                in_row += 1;
            }
            assert!(in_row > 0, "no fixture in the row {row}");
            named += in_row;
        }
    }
    assert!(named > 40, "{named}");
}
