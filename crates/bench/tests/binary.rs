//! The program itself, from its command line to the files that it leaves.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::Result;
use rekindle_bench::{Results, Status, experiments};

fn bench(args: &[&str], out: &Path) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekindle-bench"));
    command.args(args).arg("--out").arg(out).env_remove("REKINDLE_DATA").env_remove("RAYON_NUM_THREADS");
    Ok(command.output()?)
}

#[test]
fn a_run_prints_metrics_and_leaves_results_and_a_report() -> Result<()> {
    let out = tempfile::tempdir()?;
    let output = bench(&["speed/tape", "--seeds", "2", "--threads", "1"], out.path())?;
    let (stdout, stderr) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    assert!(output.status.success(), "{stderr}");
    let words: Vec<Vec<_>> = stdout.lines().map(|line| line.split(' ').collect()).collect();
    assert!(words.iter().all(|w| w.len() == 4 && w[0] == "METRIC" && w[2].parse::<f64>().is_ok()), "{stdout}");
    assert!(stdout.starts_with("METRIC speed/tape/nodes-per-second "), "{stdout}");

    let results: Results = serde_json::from_slice(&std::fs::read(out.path().join("results.json"))?)?;
    let [tape] = results.experiments.as_slice() else { panic!("{results:?}") };
    assert_eq!((tape.id.as_str(), &tape.status), ("speed/tape", &Status::Done));
    assert_eq!((tape.run.seeds, tape.run.threads), (2, 1));
    assert_eq!(tape.metrics.len(), words.len());

    let report = std::fs::read_to_string(out.path().join("report.html"))?;
    assert!(report.starts_with("<!DOCTYPE html>") && report.ends_with("</html>"));
    assert_eq!(report.matches("<section").count(), 2);
    Ok(())
}

#[test]
fn an_unknown_id_ends_with_code_2_and_names_the_known_ones() -> Result<()> {
    let out = tempfile::tempdir()?;
    let output = bench(&["no/such"], out.path())?;
    let stderr = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    for experiment in experiments::all() {
        assert!(stderr.contains(experiment.id()), "{stderr}");
    }
    assert_eq!(std::fs::read_dir(out.path())?.count(), 0);
    Ok(())
}

#[test]
fn the_list_names_every_experiment() -> Result<()> {
    let output = bench(&["--list"], Path::new("unused"))?;
    let stdout = String::from_utf8(output.stdout)?;
    assert!(output.status.success());
    assert_eq!(stdout.lines().count(), 1 + experiments::all().len(), "{stdout}");
    Ok(())
}
