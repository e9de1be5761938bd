//! Tests of the module `results`.

use super::*;
use crate::Context;
use crate::record::{Bars, Estimate, Image, ImageGrid, Mark, Matrix, Plot, Published, Table};

struct Named(&'static str);

impl Experiment for Named {
    fn id(&self) -> &'static str {
        self.0
    }
    fn title(&self) -> &'static str {
        "A name"
    }
    fn about(&self) -> &'static str {
        ""
    }
    fn run(&self, _: &mut Context) -> Result<()> {
        Ok(())
    }
}

fn registry() -> Vec<Box<dyn Experiment>> {
    vec![Box::new(Named("a/one")), Box::new(Named("a/two"))]
}

fn result(id: &str, value: f64) -> ExperimentResult {
    let metric = Metric {
        name: format!("{id}/loss"),
        unit: "mse".into(),
        estimate: Estimate::new(value, 0.1),
        seeds: vec![value.into()],
        published: vec![Published::new(0.67, "Finn et al. 2017")],
        usage: Some(Usage { wall_seconds: 1.5, cpu_seconds: None, peak_memory_mib: Some(20.0) }),
    };
    let mut table = Table::new("t", ["a", "b"]);
    table.row(["1", "2"]);
    let (mut bars, mut matrix) = (Bars::new("b", "%"), Matrix::new("m", "c", ["a"]));
    bars.bar("one", 0.5);
    matrix.row("one", vec![1.0]);
    let image = Image::new(&[0.5], [1, 1, 1], "a", Mark::Right).unwrap();
    ExperimentResult {
        id: id.into(),
        title: "A name".into(),
        about: "About".into(),
        status: Status::Failed { reason: "no".into() },
        run: Run::now(DeviceKind::Cpu, 2, Mode::Full, 3),
        usage: Usage::default(),
        metrics: vec![metric],
        blocks: vec![
            Block::Heading { text: "h".into() },
            Block::Table(table),
            Block::Plot(Plot::new("p", "x", "y").scatter("s", [(0.1, 1.0 / 3.0)])),
            Block::Images(ImageGrid::new("i").row("r", vec![image])),
            Block::Bars(bars),
            Block::Matrix(matrix),
        ],
    }
}

#[test]
fn results_survive_the_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = Store::new(folder.path());
    assert_eq!(store.load("a/one")?, None);
    let saved = result("a/one", 1.0 / 3.0);
    store.save(&saved)?;
    assert_eq!(store.load("a/one")?, Some(saved));
    Ok(())
}

#[test]
fn a_later_run_replaces_its_own_results_only() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = Store::new(folder.path());
    let run = Run::now(DeviceKind::Cpu, 2, Mode::Quick, 1);
    for (id, value) in [("a/two", 2.0), ("a/one", 1.0), ("a/two", 3.0)] {
        store.save(&result(id, value))?;
        store.publish(&run, &registry())?;
    }
    let read: Results = serde_json::from_slice(&fs::read(folder.path().join("results.json"))?)?;
    let values: Vec<_> = read.experiments.iter().map(|e| (e.id.as_str(), e.metrics[0].estimate.value)).collect();
    assert_eq!(values, [("a/one", 1.0), ("a/two", 3.0)]);
    Ok(())
}

#[test]
fn results_json_holds_tables_but_no_pictures() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = Store::new(folder.path());
    store.save(&result("a/one", 1.0))?;
    store.publish(&Run::now(DeviceKind::Cpu, 2, Mode::Quick, 1), &registry())?;
    let read: Results = serde_json::from_slice(&fs::read(folder.path().join("results.json"))?)?;
    let blocks = read.experiments[0].blocks.as_slice();
    assert!(matches!(blocks, [Block::Heading { .. }, Block::Table(_), Block::Matrix(_)]));
    assert!(fs::read_to_string(store.report())?.contains("data:image/png"));
    Ok(())
}

#[test]
fn a_broken_result_is_named_and_left_out() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = Store::new(folder.path());
    store.save(&result("a/one", 1.0))?;
    store.save(&result("a/two", 2.0))?;
    let broken = folder.path().join("a/one/result.json");
    fs::write(&broken, &fs::read(&broken)?[..40])?;
    let error = store.load("a/one").unwrap_err().to_string();
    assert!(error.contains("result.json") && error.contains("--fresh"), "{error}");
    let results = store.publish(&Run::now(DeviceKind::Cpu, 2, Mode::Quick, 1), &registry())?;
    assert_eq!(results.experiments.iter().map(|e| e.id.as_str()).collect::<Vec<_>>(), ["a/two"]);
    Ok(())
}

/// A folder stands where the file should go, so the rename fails as it would on a full disk: no part file is left.
#[test]
fn a_write_that_fails_leaves_nothing_behind() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let target = folder.path().join("results.json");
    fs::create_dir_all(target.join("inner"))?;
    assert!(write_whole(&target, b"{}").is_err());
    assert_eq!(fs::read_dir(folder.path())?.count(), 1);
    Ok(())
}

#[test]
fn forgetting_removes_one_experiment() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = Store::new(folder.path());
    store.save(&result("a/one", 1.0))?;
    store.save(&result("a/two", 2.0))?;
    store.forget("a/one")?;
    store.forget("a/one")?;
    assert!(store.load("a/one")?.is_none() && store.load("a/two")?.is_some());
    Ok(())
}
