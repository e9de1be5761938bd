//! A row of checks: each is announced and timed, the first failure ends the row, and a summary closes it.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// One check.
pub(crate) struct Step {
    name: String,
    action: Box<dyn Fn() -> Result<()>>,
}

impl Step {
    /// A check with the name under which it is announced.
    pub(crate) fn new(name: impl Into<String>, action: impl Fn() -> Result<()> + 'static) -> Self {
        Self { name: name.into(), action: Box::new(action) }
    }
}

/// Runs the steps in order up to the first that fails, and prints the summary.
pub(crate) fn run(steps: &[Step]) -> Result<()> {
    let start = Instant::now();
    let mut times = Vec::new();
    let mut failure = None;
    for step in steps {
        println!("==> {}", step.name);
        let begin = Instant::now();
        let result = (step.action)();
        times.push(begin.elapsed());
        if let Err(error) = result {
            failure = Some((step.name.as_str(), error));
            break;
        }
    }
    println!("\n{}", summary(steps, &times, failure.is_some()));
    println!("{:>8}  in all", seconds(start.elapsed()));
    match failure {
        Some((name, error)) => bail!("{name}:\n{error:#}"),
        None => Ok(()),
    }
}

/// One line a step: its time, its name and how it ended.
fn summary(steps: &[Step], times: &[Duration], failed: bool) -> String {
    let lines = steps.iter().enumerate().map(|(i, step)| match times.get(i) {
        Some(time) if failed && i + 1 == times.len() => format!("{:>8}  FAILED   {}", seconds(*time), step.name),
        Some(time) => format!("{:>8}  ok       {}", seconds(*time), step.name),
        None => format!("{:>8}  not run  {}", "-", step.name),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn the_first_failure_ends_the_row_and_is_named() {
        let ran = Rc::new(Cell::new(0));
        let count = |result: fn() -> Result<()>| {
            let ran = Rc::clone(&ran);
            move || {
                ran.set(ran.get() + 1);
                result()
            }
        };
        let steps = [
            Step::new("first", count(|| Ok(()))),
            Step::new("second", count(|| bail!("the reason"))),
            Step::new("third", count(|| Ok(()))),
        ];
        let error = run(&steps).expect_err("the second step fails");
        assert_eq!(error.to_string(), "second:\nthe reason");
        assert_eq!(ran.get(), 2);
    }

    #[test]
    fn the_summary_says_what_ran_and_what_did_not() {
        let steps = ["a", "b", "c"].map(|name| Step::new(name, || Ok(())));
        let times = [Duration::from_millis(1500), Duration::from_secs(20)];
        assert_eq!(summary(&steps, &times, true), "   1.5 s  ok       a\n  20.0 s  FAILED   b\n       -  not run  c");
    }
}
