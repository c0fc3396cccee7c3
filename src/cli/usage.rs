//! Usage errors that clap doesn't find: flags that would have no effect, and a second use of the standard
//! input, where nothing would be left to read.

use super::files::is_dash;
use super::flags::{
    Command, Flags, Forms, Instrument, Merge, ModuleFlags, OptimizeFlag, Profile, Shim, ShimFirst,
};
use clap::CommandFactory;
use clap::error::ErrorKind;
use std::path::{Path, PathBuf};
use wasm_fork::text::escape;

/// Leaves the process if the flags of the command make no sense together.
pub(super) fn check(command: &Command) {
    match command {
        Command::Instrument(args) if args.discover_only => {
            forms_are_used("instrument", &args.forms, "--discover-only writes no code");
        }
        Command::Instrument(args) => resume_module_is_used(args),
        Command::Analyze(args) if !args.stats => {
            forms_are_used("analyze", &args.forms, "only --stats looks at code that is written");
        }
        _ => {}
    }
    stdin_is_read_once(command);
}

/// Leaves the process as clap does when flags of a command make no sense.
pub(super) fn error(command: &[&str], message: &str) -> ! {
    let mut flags = Flags::command();
    flags.build();
    let named = command.iter().fold(&mut flags, |flags, name| {
        flags.find_subcommand_mut(name).expect("the command was parsed by these flags")
    });
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
fn resume_module_is_used(args: &Instrument) {
    let (Some(output), Some(resumes)) = (&args.output, &args.resume_module) else { return };
    let error = |message: &str| error(&["instrument"], message);
    if let Some(OptimizeFlag::Size) = args.forms.optimize {
        error("--resume-module would have no effect: --optimize size puts no function apart");
    }
    if is_dash(output) && is_dash(resumes) {
        error(
            "the standard output can be written once, and --output and --resume-module both name it",
        );
    }
}

/// The arguments that mean the standard input, as the user knows them.
#[derive(Default)]
struct Users(Vec<&'static str>);

fn stdin_is_read_once(command: &Command) {
    let mut users = Users::default();
    let name: &[&str] = match command {
        Command::Instrument(args) => {
            users.module(&args.module);
            users.forms(&args.forms);
            users.shim_first(&args.shim);
            &["instrument"]
        }
        Command::Analyze(args) => {
            users.module(&args.module);
            users.forms(&args.forms);
            &["analyze"]
        }
        Command::Explain(args) => {
            users.module(&args.module);
            &["explain"]
        }
        Command::Plan(args) => {
            users.module(&args.module);
            users.forms(&args.forms);
            &["plan"]
        }
        Command::Verify(args) => {
            users.module(&args.module);
            users.file("INSTRUMENTED", &args.instrumented);
            args.resume_module.iter().for_each(|file| users.file("--resume-module", file));
            &["verify"]
        }
        Command::Imports(_) => return,
        Command::Shim(args) => {
            users.shim(args);
            &["shim"]
        }
        #[cfg(feature = "testing")]
        Command::Storm(args) => {
            users.module(&args.module);
            users.forms(&args.forms);
            args.stdin.iter().for_each(|path| users.file("--stdin", path));
            &["storm"]
        }
        #[cfg(not(feature = "testing"))]
        Command::Storm(_) => return,
        Command::Profile(Profile::Merge(Merge { inputs, .. })) => {
            users.files("IN", inputs);
            &["profile", "merge"]
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

    fn module(&mut self, flags: &ModuleFlags) {
        self.file("IN", &flags.input);
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
