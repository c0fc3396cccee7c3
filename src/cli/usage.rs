//! Usage errors that clap doesn't find: flags that would have no effect, and a second use of the standard
//! input, where nothing would be left to read.

use super::files::is_dash;
use super::flags::{
    Command, DebugFlags, Flags, Forms, Merge, ModuleFlags, OptimizeFlag, Profile, Rewriting, Shim,
    ShimFirst,
};
use clap::CommandFactory;
use clap::error::ErrorKind;
use std::path::{Path, PathBuf};
use wasm_fork::text::escape;

/// Leaves the process if the flags of the command make no sense together.
pub(super) fn check(command: &Command) {
    match command {
        Command::Instrument(args) if args.discover_only => {
            forms_are_used("instrument", &args.rewriting.forms, "--discover-only writes no code");
        }
        Command::Instrument(args) => {
            let output = args.output.as_deref();
            outputs_are_used("instrument", output.unwrap_or(Path::new("")), &args.rewriting);
        }
        Command::Link(args) => {
            let output = args.output.as_deref();
            outputs_are_used("link", output.unwrap_or(Path::new("")), &args.rewriting);
        }
        Command::Analyze(args) if !args.stats => {
            forms_are_used("analyze", &args.forms, "only --stats looks at code that is written");
        }
        _ => {}
    }
    stdin_is_read_once(command);
}

/// The command with these names, one below the other.
pub(super) fn named<'f>(
    flags: &'f mut clap::Command,
    names: &[&str],
) -> Option<&'f mut clap::Command> {
    names.iter().try_fold(flags, |flags, name| flags.find_subcommand_mut(name))
}

/// Leaves the process as clap does when flags of a command make no sense.
pub(super) fn error(command: &[&str], message: &str) -> ! {
    let mut flags = Flags::command();
    flags.build();
    let named = named(&mut flags, command).expect("the command was parsed by these flags");
    named.error(ErrorKind::ValueValidation, escape(message)).exit()
}

fn forms_are_used(command: &str, flags: &Forms, reason: &str) {
    let given = [
        ("--optimize", flags.optimize.is_some()),
        ("--cpu-profile", flags.cpu_profile.is_some()),
        ("--no-multi-value", flags.no_multi_value),
    ];
    if let Some((flag, _)) = given.iter().find(|(_, given)| *given) {
        error(&[command], &format!("{flag} would have no effect: {reason}"));
    }
}

/// That two files are written to one place is found out when that is known to be one.
fn outputs_are_used(command: &str, output: &Path, flags: &Rewriting) {
    let error = |message: &str| error(&[command], message);
    if let (Some(_), Some(OptimizeFlag::Size)) = (&flags.resume_module, flags.forms.optimize) {
        error("--resume-module would have no effect: --optimize size puts no function apart");
    }
    let outputs = [
        ("--output", Some(output)),
        ("--resume-module", flags.resume_module.as_deref()),
        ("--report", flags.report.as_deref()),
        ("--depfile", flags.depfile.as_deref()),
    ];
    let mut users = outputs.iter().filter(|(_, path)| path.is_some_and(is_dash));
    if let (Some((first, _)), Some((second, _))) = (users.next(), users.next()) {
        error(&format!(
            "the standard output can be written once, and {first} and {second} both name it"
        ));
    }
}

/// The arguments that mean the standard input, as the user knows them.
#[derive(Default)]
struct Users(Vec<&'static str>);

fn stdin_is_read_once(command: &Command) {
    let mut users = Users::default();
    let name: &[&str] = match command {
        Command::Instrument(args) => {
            users.file("IN", &args.input);
            users.rewriting(&args.rewriting);
            &["instrument"]
        }
        Command::Link(args) => {
            users.rewriting(&args.rewriting);
            &["link"]
        }
        // What it reads is the real tool's, or the program's.
        Command::WasmOpt(_) | Command::Run(_) => return,
        Command::Analyze(args) => {
            users.file("IN", &args.input);
            users.module(&args.module);
            users.forms(&args.forms);
            &["analyze"]
        }
        Command::Explain(args) => {
            users.file("IN", &args.input);
            users.module(&args.module);
            &["explain"]
        }
        Command::Plan(args) => {
            users.file("IN", &args.input);
            users.module(&args.module);
            users.forms(&args.forms);
            &["plan"]
        }
        Command::Verify(args) => {
            users.file("IN", &args.input);
            users.module(&args.module);
            users.file("INSTRUMENTED", &args.instrumented);
            args.resume_module.iter().for_each(|file| users.file("--resume-module", file));
            &["verify"]
        }
        Command::Imports(_) | Command::Completions(_) | Command::Man(_) => {
            return;
        }
        Command::Shim(args) => {
            users.shim(args);
            users.debug(&args.debug);
            &["shim"]
        }
        #[cfg(feature = "testing")]
        Command::Storm(args) => {
            users.file("IN", &args.input);
            users.module(&args.module);
            users.forms(&args.forms);
            args.stdin.iter().for_each(|path| users.file("--stdin", path));
            &["storm"]
        }
        #[cfg(not(feature = "testing"))]
        Command::Storm(_) => return,
        Command::Profile(Profile::Merge(Merge { inputs, module, .. })) => {
            users.files("IN", inputs);
            module.iter().for_each(|path| users.file("--module", path));
            &["profile", "merge"]
        }
        Command::Profile(Profile::FromFrames(args)) => {
            users.files("BUFFER", &args.buffers);
            users.file("--module", &args.module);
            &["profile", "from-frames"]
        }
        Command::Profile(Profile::Show(args)) => {
            users.file("IN", &args.input);
            args.module.iter().for_each(|path| users.file("--module", path));
            &["profile", "show"]
        }
        Command::Profile(Profile::Diff(args)) => {
            users.file("OLD", &args.old);
            users.file("NEW", &args.new);
            &["profile", "diff"]
        }
    };
    if let [first, second, ..] = users.0[..] {
        let users = if first == second {
            format!("{first} names it twice")
        } else {
            format!("{first} and {second} both name it")
        };
        error(name, &format!("the standard input can be read once, and {users}"));
    }
}

impl Users {
    fn debug(&mut self, flags: &DebugFlags) {
        flags.source_map.iter().take(1).for_each(|map| self.file("--source-map", map));
        flags.debug_file.iter().take(1).for_each(|file| self.file("--debug-file", file));
    }

    fn file(&mut self, argument: &'static str, path: &Path) {
        if is_dash(path) {
            self.0.push(argument);
        }
    }

    fn files(&mut self, argument: &'static str, paths: &[PathBuf]) {
        paths.iter().for_each(|path| self.file(argument, path));
    }

    fn lists(&mut self, argument: &'static str, items: &[String]) {
        let lists = items.iter().filter(|item| *item == "@-");
        self.0.extend(lists.map(|_| argument));
    }

    fn rewriting(&mut self, flags: &Rewriting) {
        self.module(&flags.module);
        self.forms(&flags.forms);
        self.shim_first(&flags.shim);
        self.debug(&flags.debug);
    }

    fn module(&mut self, flags: &ModuleFlags) {
        flags.config.iter().for_each(|path| self.file("--config", path));
        self.lists("--only", &flags.only);
        self.files("--profile", &flags.profiles);
    }

    fn forms(&mut self, flags: &Forms) {
        flags.cpu_profile.iter().for_each(|path| self.file("--cpu-profile", path));
    }

    fn shim(&mut self, flags: &Shim) {
        self.file("IN", &flags.input);
        self.lists("--site", &flags.sites);
        self.files("--from-trap", &flags.from_trap);
    }

    fn shim_first(&mut self, flags: &ShimFirst) {
        self.lists("--shim-site", &flags.shim_site);
        self.files("--shim-from-trap", &flags.shim_from_trap);
    }
}
