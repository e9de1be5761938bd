//! Progress on standard error: a bar on a terminal, a line every ten seconds elsewhere.

use std::fmt;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

const LINE_EVERY: Duration = Duration::from_secs(10);

/// All bars of an experiment.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    bars: MultiProgress,
    terminal: bool,
}

impl Bars {
    pub(crate) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), terminal }
    }

    pub(crate) fn start(&self, label: &str, total: u64) -> Progress {
        let style =
            ProgressStyle::with_template("  {prefix:<24} {bar:32.cyan/dim} {pos}/{len} {rate:.dim} eta {eta} {msg}")
                .expect("the template is well formed")
                .with_key("rate", rate)
                .progress_chars("━╸─");
        let bar = self.bars.add(ProgressBar::new(total).with_style(style).with_prefix(label.to_owned()));
        let line = (!self.terminal).then(|| Arc::new(Mutex::new(Instant::now())));
        Progress { bar, line }
    }

    /// Prints while no bar is drawn, so that the text and the bars do not mix.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bars.suspend(print)
    }
}

fn rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    let _never_fails = write!(out, "{:.1}/s", state.per_sec());
}

/// A handle on one bar; clones move the same bar, from any thread. The bar goes when the last clone does.
#[derive(Clone, Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// When the last line was printed, if lines stand for the bar.
    line: Option<Arc<Mutex<Instant>>>,
}

impl Progress {
    /// Moves on by `n`.
    pub fn inc(&self, n: u64) {
        self.bar.inc(n);
        self.line_if_due();
    }

    /// Moves to `position`.
    pub fn set(&self, position: u64) {
        self.bar.set_position(position);
        self.line_if_due();
    }

    /// Shows a word or two behind the bar, such as the loss.
    pub fn message(&self, message: impl Into<String>) {
        self.bar.set_message(message.into());
    }

    fn line_if_due(&self) {
        let Some(last) = &self.line else { return };
        let Ok(mut last) = last.try_lock() else { return };
        if last.elapsed() < LINE_EVERY {
            return;
        }
        *last = Instant::now();
        let (done, total) = (self.bar.position(), self.bar.length().unwrap_or(0));
        eprintln!("  {} {done}/{total} {}", self.bar.prefix(), self.bar.message());
    }
}
