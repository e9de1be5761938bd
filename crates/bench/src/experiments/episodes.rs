//! Trials played by a trained policy, episode by episode.

use anyhow::{Result, ensure};
use rekindle_autodiff::Params;
use rekindle_envs::{Augment, EnvFamily, Trial, VecEnv};
use rekindle_rl::{Collector, Policy, Rollout};

/// Steps between two looks at whether all trials are over: what was seen before is forgotten, so that trials with
/// pictures fit into memory.
const PIECE: usize = 20;

/// An episode of a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Episode {
    /// Undiscounted.
    pub(super) total: f64,
    /// Steps.
    pub(super) length: usize,
    /// The reward of the last step.
    pub(super) last: f32,
}

/// How a trial is played.
#[derive(Clone, Copy, Debug)]
pub(super) struct Play {
    /// Episodes of a trial.
    pub(super) episodes: usize,
    /// The most probable action instead of one that is drawn.
    pub(super) greedy: bool,
    pub(super) seed: u64,
}

/// One environment of a task as a recurrent agent sees it.
pub(super) type Seen<F> = Augment<Trial<<F as EnvFamily>::Env>>;

impl Play {
    /// The player of one trial in each task.
    pub(super) fn player<F: EnvFamily>(&self, family: &F, tasks: &[F::Task]) -> Result<Collector<Seen<F>>> {
        let trials = family.trials(self.episodes).wrap(|env| Ok(Augment::new(env)));
        let collector = Collector::new(VecEnv::stack(&trials, tasks, 1)?, self.seed)?;
        Ok(if self.greedy { collector.greedy() } else { collector })
    }

    /// The episodes of one trial in each task, `[tasks][episodes]`. `steps` is the length of the longest trial.
    pub(super) fn trials<F: EnvFamily>(
        &self,
        family: &F,
        tasks: &[F::Task],
        (policy, params): (&Policy, &Params),
        steps: usize,
    ) -> Result<Vec<Vec<Episode>>> {
        let mut player = self.player(family, tasks)?;
        let mut book = Book::new(tasks.len(), self.episodes);
        let mut played = 0;
        while played < steps && !book.is_full() {
            book.write(&player.collect(policy, params, PIECE)?);
            played += PIECE;
        }
        book.finish(steps)
    }
}

/// Episodes of rows that are played side by side.
struct Book {
    wanted: usize,
    done: Vec<Vec<Episode>>,
    now: Vec<Episode>,
}

impl Book {
    fn new(rows: usize, wanted: usize) -> Self {
        Self { wanted, done: vec![Vec::new(); rows], now: vec![Episode::default(); rows] }
    }

    fn is_full(&self) -> bool {
        self.done.iter().all(|row| row.len() >= self.wanted)
    }

    fn write(&mut self, rollout: &Rollout) {
        let rows = self.now.len();
        for (i, (&reward, &ended)) in rollout.rewards.iter().zip(&rollout.episode_ended).enumerate() {
            let now = &mut self.now[i % rows];
            (now.total, now.length, now.last) = (now.total + f64::from(reward), now.length + 1, reward);
            if ended {
                self.done[i % rows].push(std::mem::take(now));
            }
        }
    }

    fn finish(mut self, steps: usize) -> Result<Vec<Vec<Episode>>> {
        ensure!(self.is_full(), "some trials of {} episodes did not end within {steps} steps", self.wanted);
        // A row goes on with the same task again until the last one is through.
        self.done.iter_mut().for_each(|row| row.truncate(self.wanted));
        Ok(self.done)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use rekindle_envs::{Space, SymbolicMazes, stream_rng};
    use rekindle_nn::Activation;
    use rekindle_rl::{ActionHead, Deviation, FeedForward};

    use super::*;

    /// A maze's episode costs 0.04 a step and a little at walls, ends after seven at the latest, and sooner at the goal.
    #[test]
    fn episodes_have_the_lengths_and_totals_of_their_rules() -> Result<()> {
        let family = SymbolicMazes { cells: 2, horizon: 7 };
        let tasks = family.sample_tasks(&mut stream_rng(1, 0), 30)?;
        let head = ActionHead::new(&Space::discrete(3), Deviation::default())?;
        let policy = Policy::new(FeedForward::mlp(&[11, 3], Activation::Tanh)?, head)?;
        let params = policy.init(&mut stream_rng(2, 0), DType::F32, &Device::Cpu)?;
        let play = Play { episodes: 3, greedy: false, seed: 4 };
        let trials = play.trials(&family, &tasks, (&policy, &params), 21)?;
        assert!(trials.len() == 30 && trials.iter().all(|trial| trial.len() == 3));
        let found = |episode: &Episode| episode.last > 0.0;
        for episode in trials.iter().flatten() {
            let least = f64::from(u8::from(found(episode))) - 0.041 * episode.length as f64;
            assert!(episode.total > least - 1e-4 && episode.total < least + 0.001 * episode.length as f64 + 1e-4);
            assert!(episode.length == 7 || (episode.length < 7 && found(episode)), "{episode:?}");
        }
        assert!(trials.iter().flatten().any(found), "a random agent finds some of them");
        assert!(Play { episodes: 30, ..play }.trials(&family, &tasks, (&policy, &params), 21).is_err());
        Ok(())
    }
}
