//! What a teacher is.

use rand::{Rng, RngCore};

use crate::{Error, Result};

/// Somebody who chooses tasks for a student and sees how well it does.
///
/// [`probabilities`](Self::probabilities) begins a step; after the student has trained,
/// [`observe`](Self::observe) tells its score on the trained task, or on every task. Scores may have any scale on which more
/// is better; they should have the same one in all tasks.
///
/// ```
/// use rand::SeedableRng;
/// use rekindle_transfer::curriculum::{Exploration, Online, Teacher};
///
/// // A student that learns nothing but task 2: the teacher finds that out.
/// let mut teacher = Online::new(3, 0.3, Exploration::EpsilonGreedy(0.1))?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let mut score = 0.0;
/// for _ in 0..200 {
///     let task = teacher.choose(&mut rng)?;
///     score += if task == 2 { 0.01 } else { 0.0 };
///     teacher.observe(task, if task == 2 { score } else { 0.0 })?;
/// }
/// assert!(teacher.probabilities(&mut rng)[2] > 0.9);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
pub trait Teacher: std::fmt::Debug {
    /// The number of tasks.
    fn n_tasks(&self) -> usize;

    /// The share of each task in the next batch, one number a task, which sum to 1.
    fn probabilities(&mut self, rng: &mut dyn RngCore) -> Vec<f64>;

    /// The student's score on a task after it has trained.
    ///
    /// # Errors
    /// [`Error::UnknownTask`] for a task that does not exist; [`Error::Setting`] for a score that is not finite.
    fn observe(&mut self, task: usize, score: f64) -> Result<()>;

    /// One task, drawn with [`probabilities`](Self::probabilities).
    ///
    /// # Errors
    /// [`Error::UnknownTask`] from a teacher without tasks.
    fn choose(&mut self, rng: &mut dyn RngCore) -> Result<usize> {
        draw(&self.probabilities(rng), rng).ok_or(Error::UnknownTask { task: 0, available: 0 })
    }
}

/// A task with these probabilities; `None` where no task has any.
pub(super) fn draw(probabilities: &[f64], rng: &mut dyn RngCore) -> Option<usize> {
    let mut left = rng.random::<f64>();
    let picked = probabilities.iter().position(|p| {
        left -= p;
        left < 0.0
    });
    // Rounding may leave a rest: it falls to the last task that may come.
    picked.or_else(|| probabilities.iter().rposition(|&p| p > 0.0))
}

/// Refuses what cannot be observed.
pub(super) fn check_score(task: usize, score: f64, available: usize) -> Result<()> {
    if task >= available {
        return Err(Error::UnknownTask { task, available });
    }
    if score.is_finite() { Ok(()) } else { Err(Error::setting("score", score, "a finite number")) }
}

/// Refuses a curriculum without tasks.
pub(super) fn check_tasks(n_tasks: usize) -> Result<()> {
    if n_tasks == 0 { Err(Error::setting("n_tasks", n_tasks, "at least 1")) } else { Ok(()) }
}

/// Refuses a share that is none.
pub(super) fn check_share(name: &'static str, value: f64) -> Result<()> {
    if (0.0..=1.0).contains(&value) { Ok(()) } else { Err(Error::setting(name, value, "in [0, 1]")) }
}

/// Refuses a window in which no slope can be seen.
pub(super) fn check_window(name: &'static str, steps: usize) -> Result<()> {
    if steps >= 2 { Ok(()) } else { Err(Error::setting(name, steps, "at least 2: a slope needs two points")) }
}
