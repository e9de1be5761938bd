//! Tests of the module `context`.

use super::*;

fn context() -> (tempfile::TempDir, Context) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        mode: Mode::Quick,
        device: Device::Cpu,
        seeds: 3,
        threads: 1,
        data: None,
        out: folder.path().to_owned(),
    };
    let context = Context::new("a/b", &settings).unwrap();
    (folder, context)
}

#[test]
fn seeds_become_one_metric_whatever_their_order() -> Result<()> {
    let (_folder, mut ctx) = context();
    for seed in ctx.seeds().rev() {
        ctx.seed_metric(seed, "loss", seed as f64 + 1.0, "mse")?;
    }
    let (outcome, recorded) = ctx.finish(Ok(()));
    outcome?;
    let [metric] = recorded.metrics.as_slice() else { panic!("{:?}", recorded.metrics) };
    assert_eq!(metric.name, "a/b/loss");
    assert_eq!(metric.seeds.iter().map(|seed| seed.value).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
    // Mean 2, s = 1: half-width 4.3027 / √3.
    assert!((metric.estimate.value - 2.0).abs() < 1e-12 && (metric.estimate.ci.unwrap() - 2.484_16).abs() < 1e-4);
    Ok(())
}

#[test]
fn a_metric_is_recorded_once() -> Result<()> {
    let (_folder, mut ctx) = context();
    ctx.metric("loss", 1.0, "mse")?;
    ctx.seed_metric(0, "error", 1.0, "mse")?;
    assert!(ctx.metric("loss", 1.0, "mse").is_err());
    assert!(ctx.metric("error", 1.0, "mse").is_err());
    assert!(ctx.seed_metric(0, "loss", 1.0, "mse").is_err());
    assert!(ctx.seed_metric(0, "error", 1.0, "mse").is_err());
    assert!(ctx.seed_metric(1, "error", 1.0, "s").is_err());
    assert!(ctx.seed_metric(1, "error", f64::NAN, "mse").is_err());
    Ok(())
}

#[test]
fn metrics_of_a_section_carry_its_cost() -> Result<()> {
    let (_folder, mut ctx) = context();
    ctx.metric("before", 1.0, "1")?;
    ctx.section("Part", |ctx| {
        ctx.seed_metric(0, "inside", 1.0, "1")?;
        std::thread::sleep(std::time::Duration::from_millis(20));
        Ok(())
    })?;
    let (_, recorded) = ctx.finish(Ok(()));
    assert_eq!(recorded.metrics[0].usage, None);
    let part = recorded.metrics[1].usage.unwrap();
    assert!(
        part.wall_seconds >= 0.02 && part.wall_seconds <= recorded.usage.wall_seconds,
        "{part:?} {:?}",
        recorded.usage
    );
    Ok(())
}

#[test]
fn published_figures_find_their_metric_or_are_noted() -> Result<()> {
    let (_folder, mut ctx) = context();
    ctx.published("loss", Published::new(0.67, "Finn et al. 2017"));
    ctx.published("lost", Published::new(0.38, "Finn et al. 2017"));
    ctx.metric("loss", 0.6, "mse")?;
    let (_, recorded) = ctx.finish(Ok(()));
    assert_eq!(recorded.metrics[0].published, [Published::new(0.67, "Finn et al. 2017")]);
    let [Block::Note { text }] = recorded.blocks.as_slice() else { panic!("{:?}", recorded.blocks) };
    assert!(text.contains("a/b/lost") && text.contains("0.38"), "{text}");
    Ok(())
}

#[test]
fn what_is_recorded_before_an_error_is_kept() -> Result<()> {
    let (_folder, mut ctx) = context();
    ctx.seed_metric(0, "loss", 0.6, "mse")?;
    let (outcome, recorded) = ctx.finish(Err(anyhow::anyhow!("loss turned NaN at iteration 7")));
    assert_eq!(outcome.unwrap_err().to_string(), "loss turned NaN at iteration 7");
    assert_eq!(recorded.metrics.len(), 1);
    Ok(())
}

#[test]
fn missing_data_is_a_skip_that_names_the_way_out() {
    let (_folder, mut ctx) = context();
    let reason = |error: anyhow::Error| error.downcast::<Skip>().unwrap().0;
    assert!(reason(ctx.data_set("omniglot").unwrap_err()).contains("REKINDLE_DATA"));
    ctx.settings.data = Some(ctx.work_dir.clone());
    assert!(reason(ctx.data_set("omniglot").unwrap_err()).contains("cargo xtask data omniglot"));
}
