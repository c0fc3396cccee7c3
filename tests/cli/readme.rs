//! The README's claims that can go stale: the host it shows, and the flags it names.

use super::*;

const README: &str = include_str!("../../README.md");

#[test]
fn the_host_in_the_readme_is_the_one_that_runs() {
    let host = include_str!("../../scripts/demo/host.mjs");
    assert!(README.contains(&format!("```js\n{host}```\n")));
}

#[test]
fn the_readme_names_only_flags_that_exist() {
    let sandbox = Sandbox::new();
    let mut help = String::new();
    for command in [
        &["instrument"][..],
        &["analyze"],
        &["explain"],
        &["plan"],
        &["shim"],
        &["profile", "merge"],
    ] {
        help += &text(&sandbox.run(&[command, &["--help"]].concat()).stdout);
    }
    let others = ["--release", "--import", "--fpcast-emu", "--no-liftoff"];
    let words = README.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let is_flag = |word: &&str| word.starts_with("--") && !word.trim_matches('-').is_empty();
    for flag in words.filter(is_flag) {
        let known = help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n"));
        assert!(known || others.contains(&flag), "{flag}");
    }
}
