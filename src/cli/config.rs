//! `--config`: flags that a project keeps in a file, in TOML.
//!
//! The file says nothing that flags don't: each key is a flag's name, and becomes that flag behind the command's name, unless the
//! command line has it, or one that it can't be together with. So a file means for each command what the flags would mean there.

use super::failure::{Failure, Result};
use super::files;
use super::flags::Flags;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use std::any::TypeId;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The flag itself, in all commands that have it.
const CONFIG: &str = "config";
/// What stands for the nearest file of this name.
const AUTO: &str = "auto";
const FILE_NAME: &str = "wasm-fork.toml";
/// Flags about code, which say nothing where none is written.
const FORMS: [&str; 3] = ["optimize", "cpu-profile", "no-multi-value"];
/// Flags that belong to a command line.
const NOT_IN_FILES: [&str; 3] = [CONFIG, "output", "help"];

/// The flags of a command line, with those of the file that it names.
///
/// # Errors
/// If that file can't be read, or says what no flag says. What is wrong with the command line leaves the process.
pub(super) fn parse(given: Vec<OsString>) -> Result<Flags> {
    let mut command = Flags::command();
    command.build();
    let matches = command.try_get_matches_from_mut(&given).unwrap_or_else(|error| error.exit());
    match more(&command, &matches)? {
        Some((name, flags)) => {
            let at = given.iter().position(|argument| *argument == *name).unwrap_or(0);
            let (before, after) = given.split_at(at + 1);
            let all = before.iter().cloned().chain(flags).chain(after.iter().cloned());
            let matches = Flags::command().get_matches_from(all);
            Ok(Flags::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
        }
        None => Ok(Flags::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())),
    }
}

/// The command's name, and the flags that a file adds to it.
fn more<'m>(
    command: &Command,
    matches: &'m ArgMatches,
) -> Result<Option<(&'m str, Vec<OsString>)>> {
    let Some((name, given)) = matches.subcommand() else { return Ok(None) };
    let Ok(Some(path)) = given.try_get_one::<PathBuf>(CONFIG) else { return Ok(None) };
    let path = if path.as_os_str() == AUTO { nearest(given)? } else { path.clone() };
    let file = File::read(path)?;
    let of_command = command.find_subcommand(name).expect("the command was parsed by these flags");
    let mut flags = Vec::new();
    for (key, value) in &file.table {
        if !is_known(command, key) {
            return Err(file.wrong(key, "is no flag that a file may have"));
        }
        let Some(arg) = of_command.get_arguments().find(|arg| has_name(arg, key)) else { continue };
        let is_idle = writes_no_code(name, given) && FORMS.contains(&key.as_str());
        if !is_idle && !is_overruled(of_command, arg, given) {
            file.flags(key, arg, value, &mut flags)?;
        }
    }
    Ok(Some((name, flags)))
}

fn writes_no_code(command: &str, given: &ArgMatches) -> bool {
    let is_set = |flag| given.try_get_one::<bool>(flag).is_ok_and(|set| set == Some(&true));
    (command == "analyze" && !is_set("stats")) || is_set("discover_only")
}

fn has_name(arg: &Arg, key: &str) -> bool {
    arg.get_long() == Some(key) && !NOT_IN_FILES.contains(&key)
}

/// Whether some command that takes a file has this flag.
fn is_known(command: &Command, key: &str) -> bool {
    let takes_file = |command: &&Command| command.get_arguments().any(|arg| arg.get_id() == CONFIG);
    let mut commands = command.get_subcommands().filter(takes_file);
    commands.any(|command| command.get_arguments().any(|arg| has_name(arg, key)))
}

/// Whether the command line has the flag, or one that it can't be together with.
fn is_overruled(command: &Command, arg: &Arg, given: &ArgMatches) -> bool {
    let is_given =
        |arg: &Arg| given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let conflicts = |one: &Arg, other: &Arg| {
        command.get_arg_conflicts_with(one).iter().any(|arg| arg.get_id() == other.get_id())
    };
    let mut given = command.get_arguments().filter(|other| is_given(other));
    given.any(|other| {
        other.get_id() == arg.get_id() || conflicts(arg, other) || conflicts(other, arg)
    })
}

/// The nearest file, from the folder of what the command is about upwards.
fn nearest(given: &ArgMatches) -> Result<PathBuf> {
    let input = match given.try_get_one::<PathBuf>("input") {
        Ok(Some(input)) if !files::is_dash(input) => input.clone(),
        _ => PathBuf::new(),
    };
    let folder = input.parent().unwrap_or(Path::new(""));
    let folder = std::path::absolute(folder.join(".")).map_err(files::failed("read", &"."))?;
    let mut candidates = folder.ancestors().map(|folder| folder.join(FILE_NAME));
    let found = candidates.find(|path| path.is_file());
    found.ok_or_else(|| Failure::NoConfig { name: FILE_NAME, folder: folder.display().to_string() })
}

struct File {
    path: PathBuf,
    table: Table,
}

impl File {
    fn read(path: PathBuf) -> Result<File> {
        let (origin, text) = files::read_text(&path)?;
        let table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            let what = format!("line {line}: {}", error.message());
            Failure::Config { path: origin, what }
        })?;
        Ok(File { path, table })
    }

    fn wrong(&self, key: &str, what: &str) -> Failure {
        let what = format!("`{key}` {what}; `wasm-fork instrument --help` lists the flags");
        Failure::Config { path: files::shown(&self.path), what }
    }

    /// Adds what `key = value` says.
    fn flags(&self, key: &str, arg: &Arg, value: &Value, flags: &mut Vec<OsString>) -> Result<()> {
        let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
        match value {
            Value::Boolean(on) if is_switch => flags.extend(on.then(|| format!("--{key}").into())),
            _ if is_switch => return Err(self.wrong(key, "is true or false")),
            Value::String(text) => flags.push(self.flag(key, arg, text)),
            Value::Integer(number) => flags.push(self.flag(key, arg, &number.to_string())),
            Value::Array(items) if matches!(arg.get_action(), ArgAction::Append) => {
                for item in items {
                    let text = item.as_str();
                    let text = text.ok_or_else(|| self.wrong(key, "is a list of texts"))?;
                    flags.push(self.flag(key, arg, text));
                }
            }
            _ if matches!(arg.get_action(), ArgAction::Append) => {
                return Err(self.wrong(key, "is a text, or a list of texts"));
            }
            _ => return Err(self.wrong(key, "is one text")),
        }
        Ok(())
    }

    /// A flag with its value. A file, or a list's, lies beside this one, unless its path is absolute.
    fn flag(&self, key: &str, arg: &Arg, text: &str) -> OsString {
        let beside = |path: &str| self.path.with_file_name("").join(path).into_os_string();
        let is_path = arg.get_value_parser().type_id() == TypeId::of::<PathBuf>();
        let value = match text.strip_prefix('@') {
            Some(list) => [OsString::from("@"), beside(list)].into_iter().collect(),
            None if is_path => beside(text),
            None => OsString::from(text),
        };
        [OsString::from(format!("--{key}=")), value].into_iter().collect()
    }
}
