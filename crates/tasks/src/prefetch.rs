//! Batches drawn ahead of the learner on a background thread.
//!
//! Batch i comes from a generator that depends on the seed and on i alone, so prefetching changes no result, and a
//! run that resumes at iteration i sees the tasks that it would have seen without the interruption.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::{Error, Result, TaskBatch, TaskSampler};

/// The generator of batch `iteration`: ChaCha8 with key from `seed` and stream number `iteration`, so that batches
/// are independent.
pub fn batch_rng(seed: u64, iteration: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(iteration);
    rng
}

/// A thread that keeps a few batches ready.
#[derive(Debug)]
pub struct Prefetch {
    /// `None` only while dropping.
    batches: Option<Receiver<Result<TaskBatch>>>,
    thread: Option<JoinHandle<()>>,
}

impl Prefetch {
    /// Starts to draw batches `first_iteration`, `first_iteration + 1`, … of `n_tasks` tasks each, at most `depth` of
    /// them ahead (and one more in the making).
    ///
    /// # Errors
    /// [`Error::Thread`] when the system refuses a thread.
    pub fn new(
        sampler: Arc<dyn TaskSampler>,
        seed: u64,
        n_tasks: usize,
        first_iteration: u64,
        depth: usize,
    ) -> Result<Self> {
        let (sender, receiver) = sync_channel(depth);
        let work = move || draw_all(&*sampler, seed, n_tasks, first_iteration, &sender);
        let thread = Builder::new().name("rekindle-prefetch".into()).spawn(work).map_err(Error::Thread)?;
        Ok(Self { batches: Some(receiver), thread: Some(thread) })
    }

    /// The next batch; waits for it if need be. It equals `sampler.sample_at(&mut batch_rng(seed, i), n_tasks, i)`.
    ///
    /// # Errors
    /// The sampler's own error, or [`Error::SamplerPanicked`]; after either, [`Error::PrefetchEnded`].
    pub fn next(&self) -> Result<TaskBatch> {
        let batches = self.batches.as_ref().expect("the receiver leaves only in drop");
        batches.recv().unwrap_or(Err(Error::PrefetchEnded))
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        // Closing the channel first lets a thread that waits to send come to its end.
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // The thread catches the sampler's panics, so there is nothing to report.
            let _ = thread.join();
        }
    }
}

/// Sends batches until the receiver is gone or one fails.
fn draw_all(sampler: &dyn TaskSampler, seed: u64, n_tasks: usize, first: u64, batches: &SyncSender<Result<TaskBatch>>) {
    for iteration in first.. {
        let draw = || sampler.sample_at(&mut batch_rng(seed, iteration), n_tasks, iteration);
        let batch = catch_unwind(AssertUnwindSafe(draw))
            .unwrap_or_else(|panic| Err(Error::SamplerPanicked { iteration, message: panic_message(&*panic) }));
        let failed = batch.is_err();
        if batches.send(batch).is_err() || failed {
            return;
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rand::RngCore;

    use super::*;
    use crate::Sinusoid;

    fn inputs(batch: &TaskBatch) -> Vec<f32> {
        batch.support.x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn a_resumed_prefetcher_gives_the_batches_of_the_plain_loop() -> Result<()> {
        let sampler = Sinusoid::maml(3);
        let whole = Prefetch::new(Arc::new(sampler.clone()), 7, 2, 0, 4)?;
        let resumed = Prefetch::new(Arc::new(sampler.clone()), 7, 2, 3, 0)?;
        let mut seen = Vec::new();
        for iteration in 0..6 {
            let expected = inputs(&sampler.sample(&mut batch_rng(7, iteration), 2)?);
            assert_eq!(inputs(&whole.next()?), expected);
            if iteration >= 3 {
                assert_eq!(inputs(&resumed.next()?), expected);
            }
            assert!(!seen.contains(&expected), "batches differ from one another");
            seen.push(expected);
        }
        Ok(())
    }

    #[test]
    fn errors_arrive_and_end_the_stream() -> Result<()> {
        let batches = Prefetch::new(Arc::new(Sinusoid::maml(0)), 1, 2, 0, 2)?;
        assert!(matches!(batches.next(), Err(Error::Config { field: "shots", .. })));
        assert!(matches!(batches.next(), Err(Error::PrefetchEnded)));
        Ok(())
    }

    /// Counts its calls and panics at the third.
    struct Fragile(AtomicUsize);

    impl TaskSampler for Fragile {
        fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<TaskBatch> {
            assert!(self.0.fetch_add(1, Ordering::SeqCst) < 2, "the well is dry");
            Sinusoid::maml(1).sample(rng, n_tasks)
        }
    }

    #[test]
    fn panics_arrive_as_errors_with_their_message() -> Result<()> {
        let batches = Prefetch::new(Arc::new(Fragile(AtomicUsize::new(0))), 1, 1, 10, 1)?;
        batches.next()?;
        batches.next()?;
        match batches.next() {
            Err(Error::SamplerPanicked { iteration: 12, message }) => assert!(message.contains("the well is dry")),
            other => panic!("{other:?}"),
        }
        Ok(())
    }

    #[test]
    fn dropping_ends_the_thread_and_bounds_the_work() -> Result<()> {
        let sampler = Arc::new(Sinusoid::maml(1));
        let batches = Prefetch::new(sampler.clone(), 1, 1, 0, 1)?;
        batches.next()?;
        drop(batches);
        // The thread held the second reference; it is gone once drop has returned.
        assert_eq!(Arc::strong_count(&sampler), 1);
        Ok(())
    }
}
