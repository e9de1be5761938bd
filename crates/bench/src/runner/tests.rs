//! Tests of the module `runner`.

use clap::Parser as _;

use super::*;

/// Ends as its last field says, after recording one metric.
struct Ends(&'static str, fn() -> Result<()>);

impl Experiment for Ends {
    fn id(&self) -> &'static str {
        self.0
    }
    fn title(&self) -> &'static str {
        "Ends"
    }
    fn about(&self) -> &'static str {
        ""
    }
    fn run(&self, ctx: &mut Context) -> Result<()> {
        ctx.metric("loss", 1.0, "mse")?;
        (self.1)()
    }
}

fn skip() -> Result<()> {
    Err(Skip("no data".into()).into())
}

fn bench(out: &std::path::Path, args: &[&str], registry: &Registry) -> Result<ExitCode> {
    let fixed = ["bench", "--out", out.to_str().unwrap()];
    run(&Cli::parse_from(fixed.iter().chain(args)), 1, registry)
}

fn state(out: &std::path::Path, id: &str) -> Status {
    Store::new(out).load(id).unwrap().unwrap().status
}

#[test]
fn failures_and_panics_do_not_stop_the_others() -> Result<()> {
    let out = tempfile::tempdir()?;
    let registry: [Box<dyn Experiment>; 4] = [
        Box::new(Ends("x/fails", || Err(anyhow!("inner").context("outer")))),
        Box::new(Ends("x/panics", || panic!("at {}", 7))),
        Box::new(Ends("x/skips", skip)),
        Box::new(Ends("x/works", || Ok(()))),
    ];
    assert_eq!(bench(out.path(), &["x"], &registry)?, ExitCode::FAILURE);
    assert_eq!(state(out.path(), "x/fails"), Status::Failed { reason: "outer: inner".into() });
    assert_eq!(state(out.path(), "x/panics"), Status::Failed { reason: "panicked: at 7".into() });
    assert_eq!(state(out.path(), "x/skips"), Status::Skipped { reason: "no data".into() });
    assert_eq!(state(out.path(), "x/works"), Status::Done);
    assert_eq!(Store::new(out.path()).load("x/fails")?.unwrap().metrics.len(), 1);
    assert_eq!(bench(out.path(), &["x/skips", "x/works"], &registry)?, ExitCode::SUCCESS);
    Ok(())
}

#[test]
fn a_skip_does_not_replace_what_was_measured() -> Result<()> {
    let out = tempfile::tempdir()?;
    bench(out.path(), &["x"], &[Box::new(Ends("x/y", || Ok(())))])?;
    bench(out.path(), &["x"], &[Box::new(Ends("x/y", skip))])?;
    assert_eq!(state(out.path(), "x/y"), Status::Done);
    bench(out.path(), &["x", "--fresh"], &[Box::new(Ends("x/y", skip))])?;
    assert_eq!(state(out.path(), "x/y"), Status::Skipped { reason: "no data".into() });
    Ok(())
}
