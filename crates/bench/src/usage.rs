//! What a stretch of work costs: wall time, processor time, peak memory.

use std::fs;
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// Cost of a stretch of work by the whole process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Wall-clock seconds.
    pub wall_seconds: f64,
    /// User and system seconds of all threads, where the system tells (Unix).
    pub cpu_seconds: Option<f64>,
    /// Largest resident memory in MiB, where the system tells (Linux).
    ///
    /// It includes what the allocator still held from earlier work in the same process.
    pub peak_memory_mib: Option<f64>,
}

/// A stopwatch for [`Usage`].
#[derive(Debug)]
pub(crate) struct Meter {
    wall: Instant,
    cpu: Option<f64>,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu_seconds() }
    }

    pub(crate) fn wall_seconds(&self) -> f64 {
        self.wall.elapsed().as_secs_f64()
    }

    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        Some(cpu_seconds()? - self.cpu?)
    }
}

/// User and system seconds of all threads since the process began.
#[cfg(unix)]
fn cpu_seconds() -> Option<f64> {
    use rustix::time::{ClockId, clock_gettime};
    let t = clock_gettime(ClockId::ProcessCPUTime);
    Some(t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9)
}

#[cfg(not(unix))]
fn cpu_seconds() -> Option<f64> {
    None
}

/// Largest resident memory in MiB since the process began or [`reset_peak_memory`] last worked.
pub(crate) fn peak_memory_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// Sets the peak back to what is resident now. Where the system refuses, peaks count from the start of the process.
pub(crate) fn reset_peak_memory() {
    // 5 is the request to reset the high-water mark: proc_pid_clear_refs(5).
    let _refused = fs::write("/proc/self/clear_refs", "5");
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[cfg(unix)]
    #[test]
    fn busy_work_costs_processor_time() {
        let busy = Meter::start();
        while busy.wall_seconds() < 0.03 {
            black_box(0);
        }
        assert!(busy.cpu_seconds().unwrap() > 0.001);
    }
}
