//! What a run ran on: machine, revision, time.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs, thread};

use serde::{Deserialize, Serialize};

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Model name of the processor, or its architecture.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Main memory in GiB, where the system tells.
    pub memory_gib: Option<f64>,
    /// Operating system, kernel release and architecture.
    pub os: String,
}

impl Host {
    /// Reads this machine.
    pub fn detect() -> Self {
        Self {
            cpu: cpu_model().unwrap_or_else(|| env::consts::ARCH.to_owned()),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory_bytes().map(|bytes| bytes / f64::from(1 << 30)),
            os: os(),
        }
    }
}

/// The git revision of the sources, `+` appended if the working tree differs from it; none outside a checkout.
pub(crate) fn revision() -> Option<String> {
    let git = |args: &[&str]| output(Command::new("git").arg("-C").arg(env!("CARGO_MANIFEST_DIR")).args(args));
    let hash = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_none_or(|changes| !changes.is_empty());
    Some(if changed { hash + "+" } else { hash })
}

/// The command line, the program by its file name.
pub(crate) fn command_line() -> String {
    let mut args = env::args();
    let program = args.next().unwrap_or_default();
    let name = Path::new(&program).file_name().map_or(program.as_str().into(), |name| name.to_string_lossy());
    [name.into_owned()].into_iter().chain(args).collect::<Vec<_>>().join(" ")
}

/// The time now, as `2026-01-31 23:59:59 UTC`.
pub(crate) fn now_utc() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    utc(since.as_secs())
}

/// Civil time of a Unix time, by stepping through whole years and months of the Gregorian calendar.
fn utc(unix: u64) -> String {
    let (mut days, second) = (unix / 86_400, unix % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{:02} {h:02}:{m:02}:{s:02} UTC", days + 1)
}

fn cpu_model() -> Option<String> {
    let linux = || {
        let info = fs::read_to_string("/proc/cpuinfo").ok()?;
        let line = info.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    linux().or_else(|| output(Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"])))
}

fn memory_bytes() -> Option<f64> {
    let linux = || {
        let info = fs::read_to_string("/proc/meminfo").ok()?;
        let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024.0)
    };
    linux().or_else(|| output(Command::new("sysctl").args(["-n", "hw.memsize"]))?.parse().ok())
}

fn os() -> String {
    let release = output(Command::new("uname").arg("-r")).unwrap_or_default();
    [env::consts::OS, &release, env::consts::ARCH]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Standard output of a command that succeeded, trimmed.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against `date -u -d @…`.
    #[test]
    fn unix_times_are_civil_times() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(1_735_689_599), "2024-12-31 23:59:59 UTC");
        assert_eq!(utc(1_735_689_600), "2025-01-01 00:00:00 UTC");
        assert_eq!(utc(4_107_542_400), "2100-03-01 00:00:00 UTC");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_everything() {
        let host = Host::detect();
        assert!(!host.cpu.is_empty() && host.cores >= 1 && host.os.starts_with("linux "), "{host:?}");
        assert!(host.memory_gib.is_some_and(|gib| gib > 0.1), "{host:?}");
    }
}
