//! Curricula help a student for whom each task rests on the one before it.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_transfer::curriculum::{Exploration, HandMade, Mixture, Naive, Online, Sampling, Teacher, Window};

use crate::common::Result;

const TASKS: usize = 8;
const MOST_STEPS: usize = 50_000;

/// Skills s from 0 to 1: training task k with a share p adds `0.05 p (1 − s_k) s_{k−1}²`, so that nothing is learned before
/// the task below is.
fn steps_to_mastery(mut teacher: impl Teacher, seed: u64) -> Result<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut skills = [0.0; TASKS];
    for step in 1..=MOST_STEPS {
        let shares = teacher.probabilities(&mut rng);
        let before = skills;
        for k in 0..TASKS {
            let base: f64 = if k == 0 { 1.0 } else { before[k - 1] };
            skills[k] += 0.05 * shares[k] * (1.0 - skills[k]) * base * base;
        }
        for (task, skill) in skills.iter().enumerate() {
            teacher.observe(task, *skill)?;
        }
        if skills[TASKS - 1] > 0.95 {
            return Ok(step);
        }
    }
    Ok(MOST_STEPS)
}

/// The last task alone is never learned; every teacher is faster than the random order, over five seeds each.
#[test]
fn teachers_are_faster_than_the_random_order() -> Result {
    let explore = Exploration::EpsilonGreedy(0.1);
    assert_eq!(steps_to_mastery(Mixture::only(TASKS - 1, TASKS)?, 0)?, MOST_STEPS);
    let random = steps_to_mastery(Mixture::uniform(TASKS)?, 0)?;
    for seed in 0..5 {
        let steps = [
            steps_to_mastery(HandMade::new(TASKS, 0.9, 0.0)?, seed)?,
            steps_to_mastery(Online::new(TASKS, 0.3, explore)?, seed)?,
            // It draws once in a round only, so it explores more in each.
            steps_to_mastery(Naive::new(TASKS, 0.5, 3, Exploration::EpsilonGreedy(0.4))?, seed)?,
            steps_to_mastery(Window::new(TASKS, 10, explore)?, seed)?,
            steps_to_mastery(Sampling::new(TASKS, 10, 0.1)?, seed)?,
        ];
        assert!(steps.iter().all(|&steps| steps < random), "{steps:?}, the random order {random}");
    }
    Ok(())
}
