//! Two programs by turns: ours, and another process that goes on only while it has the turn.
//!
//! What else a machine does changes its speed within seconds, by a factor of two where others share its cores. One after
//! the other, two programs meet different machines; in turns of fifty milliseconds, and on the same core where the system
//! lets them be tied to one, they meet the same one, and the ratio of their medians holds. Processor time is what counts, and
//! a process that is stopped uses none.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::one_core::OneCore;
use crate::measure::best_and_median;
use crate::usage::Meter;
use crate::{Skip, Work};

/// The shortest turn: long beside the filling of caches (microseconds), short beside what changes on a machine (seconds).
const TURN: Duration = Duration::from_millis(50);

/// Another process, which stands still unless it has the turn, on a core that it shares with this thread. Dropped, it is
/// killed.
pub(super) struct Rival {
    process: Child,
    lines: Receiver<String>,
    _core: OneCore,
}

/// What we did in one turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    end: Instant,
    calls: usize,
    cpu_seconds: f64,
}

impl Rival {
    /// Starts a program; its standard output is what it says.
    ///
    /// # Errors
    /// If it cannot be run, and a [`Skip`] on a system that cannot stop a process.
    pub(super) fn start(mut command: Command) -> Result<Self> {
        // What a thread starts is tied to its cores.
        let _core = OneCore::tie();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        let output = process.stdout.take().context("a program without an output")?;
        let (said, lines) = channel();
        // It ends with the output, that is with the process, or when nobody listens any more.
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| said.send(line))
        });
        let rival = Self { process, lines, _core };
        rival.stop()?;
        Ok(rival)
    }

    /// Calls `work` and lets the other go on, in turns of equal length, until it says what `wanted` picks.
    ///
    /// A turn lasts one call at least. Answers with what was picked and with all turns of ours.
    ///
    /// # Errors
    /// With those of `work`, and if the other ends before it has said it.
    pub(super) fn in_turns<T>(
        &mut self,
        work: &mut Work,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> Result<(T, Vec<Turn>)> {
        let mut turns = Vec::new();
        loop {
            let begin = Instant::now();
            turns.push(turn(work)?);
            self.go_on()?;
            if let Some(found) = self.listen(Instant::now() + begin.elapsed(), &wanted)? {
                return Ok((found, turns));
            }
            self.stop()?;
        }
    }

    /// Hears what the other says until a moment, or until it is what is wanted.
    fn listen<T>(&mut self, until: Instant, wanted: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(found) = wanted(&line) {
                        return Ok(Some(found));
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the program ended with {} and did not say it", self.process.wait()?)
                }
            }
        }
    }

    #[cfg(unix)]
    fn stop(&self) -> Result<()> {
        self.send(rustix::process::Signal::STOP)
    }

    #[cfg(unix)]
    fn go_on(&self) -> Result<()> {
        self.send(rustix::process::Signal::CONT)
    }

    #[cfg(unix)]
    fn send(&self, signal: rustix::process::Signal) -> Result<()> {
        // It is not waited for before `listen` has heard its end: the number is its own.
        Ok(rustix::process::kill_process(rustix::process::Pid::from_child(&self.process), signal)?)
    }

    #[cfg(not(unix))]
    fn stop(&self) -> Result<()> {
        bail!(Skip("this system cannot stop a process for a while".into()))
    }

    #[cfg(not(unix))]
    fn go_on(&self) -> Result<()> {
        self.stop()
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        // Both fail only where it has ended and was waited for.
        let _ended = self.process.kill();
        let _ended = self.process.wait();
    }
}

fn turn(work: &mut Work) -> Result<Turn> {
    let meter = Meter::start();
    let mut calls = 0;
    while calls == 0 || meter.wall_seconds() < TURN.as_secs_f64() {
        (work.call)()?;
        calls += 1;
    }
    Ok(Turn { end: Instant::now(), calls, cpu_seconds: told(meter.cpu_seconds())? })
}

/// Processor seconds, or a [`Skip`] where the system does not tell them.
pub(super) fn told(cpu_seconds: Option<f64>) -> Result<f64> {
    cpu_seconds.ok_or_else(|| Skip("this system does not tell the processor time of a process".into()).into())
}

/// Processor seconds per call in the median of the last `repeats` stretches of `seconds` by the clock: ours beside a
/// program that has just ended as many repeats of that length.
///
/// # Errors
/// If there was no turn in that time.
pub(super) fn median(turns: &[Turn], repeats: usize, seconds: f64) -> Result<f64> {
    let mut sums = vec![(0usize, 0f64); repeats];
    let last = turns.last().context("no turn was taken")?.end;
    for turn in turns {
        let back = last.duration_since(turn.end).as_secs_f64() / seconds;
        if let Some((calls, cpu)) = sums.get_mut(back as usize) {
            *calls += turn.calls;
            *cpu += turn.cpu_seconds;
        }
    }
    // A call that is longer than a stretch leaves some empty.
    let costs: Vec<f64> = sums.iter().filter(|(calls, _)| *calls > 0).map(|&(calls, cpu)| cpu / calls as f64).collect();
    ensure!(seconds > 0.0 && !costs.is_empty(), "no turn in {repeats} times {seconds} s");
    Ok(best_and_median(costs).1)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Rival> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Rival::start(command)
    }

    fn nap() -> Work {
        Work::new(1, || {
            thread::sleep(Duration::from_millis(5));
            Ok(())
        })
    }

    #[test]
    fn the_other_stands_still_out_of_turn() -> Result<()> {
        let rival = shell("while :; do echo tick; done")?;
        rival.go_on()?;
        rival.lines.recv_timeout(Duration::from_secs(60))?;
        rival.stop()?;
        // What was on its way when it stopped.
        while rival.lines.recv_timeout(Duration::from_millis(200)).is_ok() {}
        assert_eq!(rival.lines.recv_timeout(Duration::from_millis(200)), Err(RecvTimeoutError::Timeout));
        rival.go_on()?;
        rival.lines.recv_timeout(Duration::from_secs(60))?;
        Ok(())
    }

    #[test]
    fn turns_go_on_until_the_word_is_said() -> Result<()> {
        let mut rival = shell("echo first; sleep 0.2; echo second; sleep 600")?;
        let (heard, turns) = rival.in_turns(&mut nap(), |line| (line == "second").then(|| line.to_owned()))?;
        assert_eq!(heard, "second");
        assert!(turns.len() > 1, "{turns:?}");
        assert!(turns.iter().all(|turn| (1..=10).contains(&turn.calls)), "{turns:?}");
        Ok(())
    }

    #[test]
    fn a_program_that_ends_without_a_word_and_one_that_is_not_there_are_errors() {
        let error = shell("echo other; exit 3").unwrap().in_turns(&mut nap(), |_| None::<()>).unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
        let error = Rival::start(Command::new("no-such-program")).err().unwrap();
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }

    #[test]
    fn the_median_is_of_the_last_stretches() -> Result<()> {
        let begin = Instant::now();
        let turn =
            |end: f64, calls, cpu_seconds| Turn { end: begin + Duration::from_secs_f64(end), calls, cpu_seconds };
        // Stretches of a second, from the back: 4 calls of 0.5, 1 of 3, none, 2 of 1; and one that is too old.
        let turns = [turn(0.1, 1, 90.0), turn(1.6, 2, 2.0), turn(3.2, 1, 3.0), turn(4.1, 3, 1.2), turn(5.0, 1, 0.8)];
        assert_eq!(median(&turns, 4, 1.0)?, 1.0);
        assert_eq!(median(&turns, 1, 1.0)?, 0.5);
        assert!(median(&[], 4, 1.0).is_err());
        Ok(())
    }
}
