//! Peak memory belongs to the whole process, so its test has a process of its own: nothing runs beside it.

#![allow(clippy::print_stderr, reason = "a test that cannot run says so")]

use std::hint::black_box;

use anyhow::Result;
use rekindle_bench::{Context, Mode, Settings};

const MIB: usize = 1 << 20;

/// The first part's peak holds its 200 MiB, which are gone when it ends; the second part's does not.
#[cfg(target_os = "linux")]
#[test]
fn each_part_has_its_own_peak_memory() -> Result<()> {
    let out = tempfile::tempdir()?;
    let settings = Settings {
        mode: Mode::Quick,
        device: candle_core::Device::Cpu,
        seeds: 1,
        threads: 1,
        data: None,
        out: out.path().to_owned(),
    };
    let mut ctx = Context::new("a/b", &settings)?;
    let mut peak = |mib: usize| -> Result<f64> {
        let work = |_: &mut Context| {
            drop(black_box(vec![1u8; mib * MIB]));
            Ok(())
        };
        Ok(ctx.metered(work)?.1.peak_memory_mib.expect("Linux tells the peak"))
    };
    let (large, small) = (peak(200)?, peak(0)?);
    assert!(large > 200.0, "{large}");
    if std::fs::write("/proc/self/clear_refs", "5").is_ok() {
        assert!(small < large - 150.0, "{large} {small}");
    } else {
        eprintln!("skipped: this system does not reset peaks");
    }
    Ok(())
}
