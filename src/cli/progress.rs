//! What stderr shows while the library works: its log for `-v`, else a status line once the work
//! takes long.
//!
//! A stage announces itself by an event of the target `wasm_fork::stage` whose message is its name.
//! The status line appears only on a terminal that can erase it, and is gone when the work is done.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

const LIBRARY: &str = "wasm_fork";
const STAGE: &str = "wasm_fork::stage";
/// Work that is done by then shows no status.
const PATIENCE: Duration = Duration::from_secs(2);
const REFRESH: Duration = Duration::from_millis(250);
const ERASE_LINE: &str = "\r\x1b[K";

/// Shows progress until it is dropped.
pub(super) struct Progress {
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Starts logging or watching; `verbose` counts the `-v` flags.
    pub(super) fn start(verbose: u8) -> Progress {
        if verbose > 0 {
            log(verbose);
            return Progress { ticker: None };
        }
        if !io::stderr().is_terminal() || std::env::var_os("TERM").is_some_and(|t| t == "dumb") {
            return Progress { ticker: None };
        }
        let stage = Arc::new(Mutex::new(String::new()));
        let watcher = StageWatcher { stage: Arc::clone(&stage) };
        let only_stages = Targets::new().with_target(STAGE, LevelFilter::INFO);
        tracing_subscriber::registry().with(watcher.with_filter(only_stages)).init();
        let (done, until_done) = mpsc::channel();
        let ticker = std::thread::spawn(move || {
            let started = Instant::now();
            let mut patience = PATIENCE;
            while until_done.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                patience = REFRESH;
                draw(&stage, started);
            }
            if patience == REFRESH {
                to_stderr(ERASE_LINE);
            }
        });
        Progress { ticker: Some((done, ticker)) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((done, ticker)) = self.ticker.take() {
            drop(done);
            // The ticker only draws: if it failed, the work is none the worse for it.
            let _ = ticker.join();
        }
    }
}

fn log(verbose: u8) {
    let level = match verbose {
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(is_colourful())
        .with_target(false)
        .with_timer(Elapsed(Instant::now()));
    let of_the_library = Targets::new().with_target(LIBRARY, level);
    tracing_subscriber::registry().with(lines.with_filter(of_the_library)).init();
}

/// Shows the time since the work began.
struct Elapsed(Instant);

impl FormatTime for Elapsed {
    fn format_time(&self, line: &mut Writer<'_>) -> fmt::Result {
        write!(line, "{:7.3} s", self.0.elapsed().as_secs_f64())
    }
}

fn draw(stage: &Mutex<String>, started: Instant) {
    let Ok(stage) = stage.lock() else { return };
    let name = if stage.is_empty() { "working" } else { stage.as_str() };
    let seconds = started.elapsed().as_secs();
    let line = format!("wasm-fork: {name} … {seconds} s");
    to_stderr(&format!("{ERASE_LINE}{}", fitting(&line, columns())));
}

/// How many columns the terminal has.
fn columns() -> usize {
    terminal_size::terminal_size_of(io::stderr()).map_or(80, |(width, _)| usize::from(width.0))
}

/// As much of a line as can be erased again: one that reaches the last column may go on in the next line. What is left out
/// is the middle, for the time is at the end.
fn fitting(line: &str, columns: usize) -> String {
    let (chars, room) = (line.chars().count(), columns.saturating_sub(1));
    if chars <= room {
        return line.into();
    }
    let tail = room / 3;
    let start: String = line.chars().take((room - tail).saturating_sub(1)).collect();
    format!("{start}…{}", line.chars().skip(chars - tail).collect::<String>())
}

/// Whether a terminal is to show colours.
fn is_colourful() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !no_color
}

fn to_stderr(text: &str) {
    let mut stderr = io::stderr().lock();
    // A terminal that went away is no reason to stop the work.
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Remembers the message of the last event that reaches it.
struct StageWatcher {
    stage: Arc<Mutex<String>>,
}

impl<S: tracing::Subscriber> Layer<S> for StageWatcher {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        if let Ok(mut stage) = self.stage.lock() {
            *stage = message.0;
        }
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn a_status_never_fills_its_line() {
        let line =
            "wasm-fork: unwinding at entry call 12 of 345, rewinding in a fresh instance … 7 s";
        assert_eq!(fitting(line, 200), line);
        for columns in [1, 2, 3, 20, 60, 80, 81] {
            let shown = fitting(line, columns).chars().count();
            assert!(shown < columns || columns < 2, "{columns}: {shown}");
        }
        let short = fitting(line, 60);
        assert!(short.starts_with("wasm-fork: unwinding") && short.ends_with(" … 7 s"), "{short}");
    }
}
