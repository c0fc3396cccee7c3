//! `wasm-opt`: stands in for Binaryen's, and does the pass `--asyncify` itself.
//!
//! ```text
//! passes before ──► wasm-opt ──► wasm-fork instrument --abi asyncify ──► wasm-opt ◄── passes behind
//! ```
//!
//! What wasm-opt's command line says of Asyncify is said in wasm-fork's flags; all else goes to the real wasm-opt, which isn't run
//! where no pass is left for it. Without `--asyncify` it gets the whole command line as it is.

use super::console::Console;
use super::failure::{Failure, Result};
use super::flags::{Command as Flagged, Global};
use super::{Source, config, files, given, lists, resolve, usage};
use clap::Args;
use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use wasm_fork::{EntryPattern, ImportNames};

#[derive(Args, Debug)]
pub(super) struct WasmOpt {
    /// What wasm-opt takes
    #[arg(last = true, value_name = "ARG")]
    pub(super) args: Vec<OsString>,
}

/// The real wasm-opt, and whatever arguments come first.
pub(super) const WASM_OPT: &str = "WASM_OPT";
/// Flags of `instrument` that go with every `--asyncify`.
const FLAGS: &str = "WASM_FORK_FLAGS";
const ASYNCIFY: &str = "--asyncify";

/// Options whose value is the next argument, unless it stands behind a `=`.
const WITH_VALUE: [&str; 26] = [
    "-o",
    "--output",
    "-pa",
    "--pass-arg",
    "-ism",
    "--input-source-map",
    "-osm",
    "--output-source-map",
    "-osu",
    "--output-source-map-url",
    "-ol",
    "--optimize-level",
    "-s",
    "--shrink-level",
    "-sp",
    "--skip-pass",
    "-aimfs",
    "--always-inline-max-function-size",
    "-fimfs",
    "--flexible-inline-max-function-size",
    "-ocimfs",
    "--one-caller-inline-max-function-size",
    "-pii",
    "--partial-inlining-ifs",
    "-if",
    "--initial-fuzz",
];

/// Options that say how all is done, and are no passes.
const OF_BOTH: [&str; 34] = [
    "--all-features",
    "-all",
    "--mvp-features",
    "-mvp",
    "--detect-features",
    "--quiet",
    "-q",
    "--no-validation",
    "-n",
    "--debuginfo",
    "-g",
    "--emit-text",
    "-S",
    "--debug",
    "-d",
    "--ignore-implicit-traps",
    "-iit",
    "--traps-never-happen",
    "-tnh",
    "--low-memory-unused",
    "-lmu",
    "--zero-filled-memory",
    "-uim",
    "--fast-math",
    "-ffm",
    "--closed-world",
    "-cw",
    "--pedantic",
    "--preserve-type-order",
    "--no-stack-ir",
    "--inline-functions-with-loops",
    "-ifwl",
    "--converge",
    "-c",
];

/// A command line of wasm-opt.
#[derive(Debug, Default, PartialEq)]
struct Task {
    input: Option<PathBuf>,
    output: Option<PathBuf>,
    /// What is said of all passes.
    of_both: Vec<OsString>,
    before: Vec<OsString>,
    behind: Vec<OsString>,
    /// What is said to Asyncify, by the names behind `asyncify-`.
    asyncify: Vec<(String, String)>,
    has_asyncify: bool,
    source_map: bool,
}

impl Task {
    fn of(args: &[OsString]) -> Task {
        let mut task = Task::default();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            let text = arg.to_string_lossy();
            let (name, value) = match text.split_once('=') {
                Some((name, value)) if text.starts_with('-') => (name, Some(value.into())),
                _ => (&*text, None),
            };
            if WITH_VALUE.contains(&name) {
                let value = value.or_else(|| rest.next().cloned());
                task.option(name, value.unwrap_or_default());
            } else if text == ASYNCIFY {
                task.has_asyncify = true;
            } else if !text.starts_with('-') || text == "-" {
                task.input = Some(arg.into());
            } else if OF_BOTH.contains(&name) || is_feature(name) {
                task.of_both.push(arg.clone());
            } else if task.has_asyncify {
                task.behind.push(arg.clone());
            } else {
                task.before.push(arg.clone());
            }
        }
        task
    }

    /// Whether functions are spoken of by their names, and these are not to be in the output.
    fn has_names(&self) -> bool {
        let speaks = |name: &str| name.ends_with("list") || name == "verbose";
        let is_kept = self.of_both.iter().any(|option| NAMES.iter().any(|name| option == name));
        !is_kept && self.asyncify.iter().any(|(name, _)| speaks(name))
    }

    fn option(&mut self, name: &str, value: OsString) {
        let text = value.to_string_lossy();
        match name {
            "-o" | "--output" => self.output = Some(value.into()),
            "-pa" | "--pass-arg" if text.starts_with("asyncify-") => {
                let said = &text["asyncify-".len()..];
                let (name, value) = said.split_once('@').unwrap_or((said, ""));
                self.asyncify.push((name.into(), value.into()));
            }
            _ => {
                self.source_map |= name.ends_with("source-map") || name.ends_with("sm");
                self.of_both.extend([name.into(), value]);
            }
        }
    }
}

/// How wasm-opt is told to write names.
const NAMES: [&str; 2] = ["-g", "--debuginfo"];

/// Whether what comes behind reads functions with several results, as far as the features say that are named.
fn knows_multi_value(features: &[OsString]) -> Option<bool> {
    features.iter().fold(None, |known, feature| match &*feature.to_string_lossy() {
        "--mvp-features" | "-mvp" | "--disable-multivalue" => Some(false),
        "--all-features" | "-all" | "--enable-multivalue" => Some(true),
        _ => known,
    })
}

fn is_feature(name: &str) -> bool {
    name.starts_with("--enable-") || name.starts_with("--disable-")
}

/// Does what wasm-opt would.
///
/// # Errors
/// As `instrument`; if there is no wasm-opt where one is needed, or Asyncify is told what wasm-fork can't do.
pub(super) fn wasm_opt(args: &WasmOpt, global: &Global) -> Result<ExitCode> {
    let task = Task::of(&args.args);
    if !task.has_asyncify {
        return run(&args.args);
    }
    let wrong = |what: &str| Failure::WasmOpt(what.into());
    let input = task.input.clone().ok_or_else(|| wrong("it names no input"))?;
    let output = task.output.clone().ok_or_else(|| wrong("it names no output (-o FILE)"))?;
    let mut console = Console::without_progress(global);
    if task.source_map {
        console.warning("the source map is that of the input: it doesn't follow what is added");
    }
    let folder = tempfile::tempdir().map_err(files::failed("write", &"a temporary folder"))?;
    let [first, second] = ["first.wasm", "second.wasm"].map(|name| folder.path().join(name));
    let mut current = input;
    // The real one leaves names out of what it writes, unless it is told otherwise.
    let keeps_names = task.has_names() && !task.before.is_empty();
    if !task.before.is_empty() {
        let names = keeps_names.then(|| OsString::from(NAMES[0]));
        let options: Vec<_> = task.of_both.iter().cloned().chain(names).collect();
        let status = passes(&current, &options, &task.before, &first)?;
        if status != ExitCode::SUCCESS {
            return Ok(status);
        }
        current = first;
    }
    let is_last = task.behind.is_empty() && !keeps_names;
    let last = if is_last { &output } else { &second };
    instrument(&task, &current, last, &mut console)?;
    if is_last {
        return Ok(ExitCode::SUCCESS);
    }
    passes(&second, &task.of_both, &task.behind, &output)
}

fn passes(
    input: &Path,
    options: &[OsString],
    passes: &[OsString],
    output: &Path,
) -> Result<ExitCode> {
    let files = [input.into(), "-o".into(), output.into()];
    run(&[options, passes, &files].concat())
}

/// Runs the real wasm-opt.
fn run(args: &[OsString]) -> Result<ExitCode> {
    let missing = || Failure::NoWasmOpt { variable: WASM_OPT };
    let command = given::other_program(WASM_OPT, None, &["wasm-opt"]).ok_or_else(missing)?;
    let (program, first) = command.split_first().ok_or_else(missing)?;
    let status = Command::new(program).args(first).args(args).status();
    let status = status.map_err(files::failed("run", &program.display()))?;
    Ok(ExitCode::from(super::link::code(status)))
}

/// Instruments the module with what Asyncify was told.
fn instrument(task: &Task, input: &Path, output: &Path, console: &mut Console) -> Result<()> {
    let mut command: Vec<OsString> =
        ["wasm-fork", "instrument", "--abi", "asyncify"].into_iter().map(OsString::from).collect();
    command.extend([input.into(), "-o".into(), output.into()]);
    if knows_multi_value(&task.of_both) == Some(false) {
        command.push("--no-multi-value".into());
    }
    let flags = super::words::split(&env::var(FLAGS).unwrap_or_default());
    command.extend(flags.into_iter().map(OsString::from));
    let module = files::read(input)?;
    let imports = wasm_fork::import_names(&module.bytes)?;
    command.extend(flags_of(&task.asyncify, &imports, console)?.into_iter().map(OsString::from));
    let flags = config::parse(command)?;
    usage::check(&flags.command);
    resolve::limit_threads(&flags.global)?;
    let Flagged::Instrument(args) = &flags.command else { unreachable!("it is said above") };
    let mut of_it = Console::start(&flags.global);
    let options = resolve::rewriting(&args.rewriting, "instrument", &mut of_it)?;
    let source = Source::Read(module);
    let report = super::rewrite(source, output, &args.rewriting, &options, &mut of_it)?;
    if task.asyncify.iter().any(|(name, _)| name == "verbose") {
        for func in report.closure.iter().filter(|func| func.frames) {
            console.note(&format!("[asyncify] {func} is instrumented"));
        }
    }
    Ok(())
}

/// The flags for what Asyncify was told.
fn flags_of(
    said: &[(String, String)],
    imports: &ImportNames,
    console: &mut Console,
) -> Result<Vec<String>> {
    let mut flags = Vec::new();
    let mut listed = None;
    for (name, value) in said {
        let mut each = |flag: &str| -> Result<()> {
            let items = lists::items(value)?;
            flags.extend(items.iter().map(|item| format!("{flag}={item}")));
            Ok(())
        };
        match name.as_str() {
            "imports" => listed.get_or_insert_with(Vec::new).extend(lists::items(value)?),
            "onlylist" | "whitelist" => each("--only")?,
            "removelist" | "blacklist" => each("--assume-no-fork")?,
            "addlist" => each("--keep")?,
            "ignore-indirect" => flags.push("--assume-no-indirect".into()),
            // The callers of what is kept are, too. What isn't guarded is proved. And verbose is what is told in the end.
            "propagate-addlist" | "asserts" | "verbose" => {}
            "ignore-imports" => listed = Some(Vec::new()),
            "export-globals" => flags.push("--shared-state=export".into()),
            "import-globals" | "relocatable" => flags.push("--shared-state=import".into()),
            "memory" => flags.push(format!("--memory={value}")),
            "in-secondary-memory" => flags.push("--own-memory".into()),
            // It says nothing without that.
            "secondary-memory-size"
                if !said.iter().any(|(name, _)| name == "in-secondary-memory") => {}
            "secondary-memory-size" => flags.push(format!("--own-memory-pages={value}")),
            name => {
                let what = format!("wasm-fork has nothing for asyncify-{name}");
                return Err(Failure::WasmOpt(what));
            }
        }
    }
    // Without, any import may pause.
    let listed = listed.unwrap_or_else(|| vec!["*".into()]);
    flags.extend(entries(&listed, imports, console));
    Ok(flags)
}

/// The flags for the entries that a list of imports means.
fn entries(listed: &[String], imports: &ImportNames, console: &mut Console) -> Vec<String> {
    // Those of the protocol begin unwinds whatever lists say.
    let is_own = |module: &str| module == "asyncify";
    let drives_itself = imports.names.iter().any(|(module, _)| is_own(module));
    let is_emscriptens = listed.iter().any(|text| text == OF_EMSCRIPTEN);
    let mut known = BTreeSet::new();
    for text in listed {
        // Binaryen compares the whole of it: where the module's name ends doesn't matter.
        let pattern = EntryPattern::of_module("", text);
        let of_list = imports.names.iter().filter(|(module, name)| {
            !is_own(module) && pattern.matches("", &format!("{module}.{name}"))
        });
        let of_list: Vec<_> = of_list.map(|(module, name)| entry(module, name)).collect();
        if of_list.is_empty() && text != "*" {
            let (module, name) = text.rsplit_once('.').unwrap_or(("*", text));
            if !is_emscriptens {
                // An error, or a warning, with names like it.
                let module = if module == "*" { "*" } else { &*format!("\"{module}\"") };
                known.insert(format!("{module}.{name}"));
            } else if !is_listed_always(module, name) {
                let near = imports.near(text);
                let near = near.iter().map(|name| format!("; did you mean {name}?"));
                let near = near.take(1).collect::<String>();
                console.warning(&format!("no import is called {text}{near}"));
            }
        }
        known.extend(of_list);
    }
    let mut flags = Vec::new();
    if known.is_empty() && !drives_itself {
        console.warning("no import may pause: the output is the input, without asyncify_*");
        // Of this module it imports nothing; without a name, the default would be looked for.
        flags = ["--allow-missing-entry", "--entry", "asyncify.none"].map(String::from).into();
    }
    flags.extend(known.into_iter().map(|entry| format!("--entry={entry}")));
    flags
}

/// In each list of imports that Emscripten makes.
const OF_EMSCRIPTEN: &str = "env.emscripten_sleep";

/// Whether an import is one that Emscripten lists for all programs, most of which don't have it: those of its own libraries.
fn is_listed_always(module: &str, name: &str) -> bool {
    let starts = ["emscripten_", "invoke_", "_", "SDL_", "fd_", "dlopen_"];
    module.starts_with("wasi_")
        || module == "env" && starts.iter().any(|start| name.starts_with(start))
}

/// An import, as `--entry` takes it: the name of its module is quoted, for it may have dots.
fn entry(module: &str, name: &str) -> String {
    format!("\"{module}\".{}", name.replace('*', "\\*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(command: &str) -> Task {
        Task::of(&command.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn passes_are_done_before_and_behind_it_with_the_same_options() {
        let task = task(
            "--strip-dwarf -O2 --asyncify --pass-arg=asyncify-imports@env.a,env.b -pa asyncify-asserts \
             in.wasm -o out.wasm --mvp-features --enable-bulk-memory -g --post-emscripten --pass-arg legal@1",
        );
        assert!(task.has_asyncify);
        assert_eq!(task.input.as_deref(), Some(Path::new("in.wasm")));
        assert_eq!(task.output.as_deref(), Some(Path::new("out.wasm")));
        assert_eq!(task.before, words("--strip-dwarf -O2"));
        assert_eq!(task.behind, words("--post-emscripten"));
        let options = "--mvp-features --enable-bulk-memory -g --pass-arg legal@1";
        assert_eq!(task.of_both, words(options));
        let said = [("imports", "env.a,env.b"), ("asserts", "")];
        assert_eq!(task.asyncify, said.map(|(name, value)| (name.into(), value.into())));
    }

    #[test]
    fn the_last_word_on_features_counts() {
        for (options, known) in [
            ("-g --enable-bulk-memory", None),
            ("--mvp-features --enable-exception-handling", Some(false)),
            ("--mvp-features --enable-multivalue", Some(true)),
            ("-all --disable-multivalue", Some(false)),
        ] {
            assert_eq!(knows_multi_value(&words(options)), known, "{options}");
        }
    }

    #[test]
    fn a_value_is_no_input() {
        let task = task("-ol 2 --shrink-level 1 -o out.wasm --output-source-map x.map in.wasm");
        assert_eq!(task.input.as_deref(), Some(Path::new("in.wasm")));
        assert!(task.before.is_empty() && task.source_map && !task.has_asyncify);
    }

    #[test]
    fn modules_with_dots_in_their_names_are_quoted() {
        let entry = entry("./a.js", "f*");
        let pattern = EntryPattern::parse(&entry).unwrap();
        assert!(pattern.matches("./a.js", "f*") && !pattern.matches("./a.js", "fg"));
    }
}
