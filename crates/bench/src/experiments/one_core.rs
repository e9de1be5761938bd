//! A thread tied to one core, with all that it starts.

/// Ties this thread to one core while it lives, on Linux.
pub(super) struct OneCore {
    #[cfg(target_os = "linux")]
    before: Option<rustix::thread::CpuSet>,
}

impl OneCore {
    /// To the last of its cores: the peers of JAX tie themselves to that one. Where the system refuses, it changes nothing.
    #[cfg(target_os = "linux")]
    pub(super) fn tie() -> Self {
        Self { before: tie_to_last().ok() }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn tie() -> Self {
        Self {}
    }
}

/// Answers with the cores that the thread had.
#[cfg(target_os = "linux")]
fn tie_to_last() -> rustix::io::Result<rustix::thread::CpuSet> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let before = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    if let Some(last) = (0..CpuSet::MAX_CPU).rev().find(|&core| before.is_set(core)) {
        one.set(last);
    }
    sched_setaffinity(None, &one)?;
    Ok(before)
}

#[cfg(target_os = "linux")]
impl Drop for OneCore {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // They were this thread's cores.
            let _restored = rustix::thread::sched_setaffinity(None, before);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use anyhow::{Context as _, Result};

    use super::*;

    fn cores_of(status: &str) -> Result<String> {
        let line = status.lines().find(|line| line.starts_with("Cpus_allowed_list")).context("no list of cores")?;
        Ok(line.replace("Cpus_allowed_list:", "").trim().to_owned())
    }

    fn mine() -> Result<String> {
        cores_of(&std::fs::read_to_string("/proc/thread-self/status")?)
    }

    #[test]
    fn a_thread_and_what_it_starts_are_on_one_core_until_it_is_let_go() -> Result<()> {
        let before = mine()?;
        let tied = OneCore::tie();
        let child = Command::new("cat").arg("/proc/self/status").output()?;
        let core = mine()?;
        assert!(core.parse::<usize>().is_ok(), "one core: {core}");
        assert_eq!(cores_of(&String::from_utf8(child.stdout)?)?, core);
        drop(tied);
        assert_eq!(mine()?, before);
        Ok(())
    }
}
