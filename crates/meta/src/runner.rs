//! How many tasks run at once, and on how many threads: choices of speed and memory that change no result.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rekindle_autodiff::{NoRecord, Params, Tensor};
use rekindle_tasks::TaskBatch;

use crate::{Error, MetaGrad, MetaLearner, Result};

/// How a meta-batch is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runner {
    /// Tasks that run at once on a thread; `None`: by the size of a task ([`Runner::chunk_for`]).
    pub chunk: Option<usize>,
    /// Threads, `≥ 1`.
    pub threads: usize,
}

impl Default for Runner {
    fn default() -> Self {
        Self { chunk: None, threads: 1 }
    }
}

/// Bytes that the tasks of one chunk should work on: about what a core's second-level cache holds.
const WORKING_SET: usize = 4 << 20;

/// A network's activations and gradients, in sizes of its input.
const ACTIVATIONS: usize = 64;

/// Most tasks of a chunk. Sums over fewer rows than this are taken one after another, whatever the split.
const MAX_CHUNK: usize = 256;

impl Runner {
    /// One thread, all by size.
    #[must_use]
    pub fn with_threads(threads: usize) -> Self {
        Self { chunk: None, threads }
    }

    /// Tasks at once: small tasks together, since each operation has a fixed cost; large ones one at a time, since they
    /// stay in the cache so (measured in `speed/maml-sinusoid` and `speed/maml-conv4`). On a GPU all at once.
    #[must_use]
    pub fn chunk_for(&self, tasks: &TaskBatch) -> usize {
        let m = tasks.support.x.dims().first().copied().unwrap_or(1).max(1);
        if let Some(chunk) = self.chunk {
            return chunk.clamp(1, MAX_CHUNK);
        }
        if !tasks.support.x.device().is_cpu() {
            return m.min(MAX_CHUNK);
        }
        let elements = (tasks.support.x.elem_count() + tasks.query.x.elem_count()) / m;
        let task = elements * tasks.support.x.dtype().size_in_bytes() * ACTIVATIONS;
        (WORKING_SET / task.max(1)).clamp(1, m.min(MAX_CHUNK))
    }

    /// The loss of every task, and the mean of their meta-gradients, leaves `[1, …]`.
    ///
    /// The gradients are added up task by task in their order, so that chunks and threads change no bit.
    ///
    /// # Errors
    /// Those of the learner; if a thread panics.
    pub fn meta_grad(
        &self,
        learner: &dyn MetaLearner,
        meta: &Params,
        tasks: &TaskBatch,
        iteration: u64,
    ) -> Result<(Vec<f64>, Params)> {
        let m = tasks.support.x.dim(0)?;
        if m > 0 && self.chunk_for(tasks) >= m && self.threads > 0 {
            let MetaGrad { losses, grads } = learner.meta_grad_sum(meta, tasks, iteration)?;
            let _scope = NoRecord::new();
            return Ok((losses.to_vec_f64()?, grads.scale(1.0 / m as f64)?));
        }
        let fold = Mutex::new(Fold::default());
        self.for_chunks(tasks, |index, chunk| {
            let one = learner.meta_grad(meta, chunk, iteration)?;
            let losses = one.losses.to_vec_f64()?;
            fold.lock().map_err(|_| Error::Panic("while adding gradients up".into()))?.push(index, losses, one.grads)
        })?;
        let fold = fold.into_inner().map_err(|_| Error::Panic("while adding gradients up".into()))?;
        let sum = fold.sum.ok_or_else(|| Error::Batch { message: "a meta-batch has at least one task".into() })?;
        let _scope = NoRecord::new();
        Ok((fold.losses, sum.scale(1.0 / m as f64)?))
    }

    /// Calls `work(chunk number, tasks)` for every chunk, on the runner's threads. Chunks are handed out in order.
    ///
    /// # Errors
    /// The error of the first chunk that has one; if a thread panics.
    pub fn for_chunks(&self, tasks: &TaskBatch, work: impl Fn(usize, &TaskBatch) -> Result<()> + Sync) -> Result<()> {
        if self.threads == 0 {
            return Err(Error::setting("threads", &0, "at least 1"));
        }
        let m = tasks.support.x.dim(0)?;
        let chunk = self.chunk_for(tasks);
        let n_chunks = m.div_ceil(chunk);
        let one = |index: usize| {
            let start = index * chunk;
            work(index, &tasks.narrow(start, chunk.min(m - start))?)
        };
        if self.threads == 1 || n_chunks == 1 {
            return (0..n_chunks).try_for_each(one);
        }
        let next = AtomicUsize::new(0);
        let failed: Mutex<BTreeMap<usize, Error>> = Mutex::default();
        let worker = || {
            while let Some(index) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&i| i < n_chunks) {
                let result = catch_unwind(AssertUnwindSafe(|| one(index)));
                if let Err(error) = result.unwrap_or_else(|panic| Err(Error::Panic(message(&*panic)))) {
                    // After a failure no new chunk is worth its time.
                    next.store(n_chunks, Ordering::Relaxed);
                    failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(index, error);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.threads.min(n_chunks) {
                scope.spawn(worker);
            }
            worker();
        });
        let mut failed = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        failed.pop_first().map_or(Ok(()), |(_, error)| Err(error))
    }
}

/// Adds chunks up in their order, however they arrive.
#[derive(Default)]
struct Fold {
    waiting: BTreeMap<usize, (Vec<f64>, Params)>,
    next: usize,
    losses: Vec<f64>,
    sum: Option<Params>,
}

impl Fold {
    fn push(&mut self, index: usize, losses: Vec<f64>, grads: Params) -> Result<()> {
        self.waiting.insert(index, (losses, grads));
        let _scope = NoRecord::new();
        while let Some((losses, grads)) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.losses.extend(losses);
            self.sum = Some(match self.sum.take() {
                None => grads.sum_tasks()?,
                // The running sum as one more task before the others: then the additions are those of one long sum.
                Some(sum) => sum.zip(&grads, |sum, g| Tensor::cat(&[sum, g], 0)?.sum_keepdim(&[0]))?,
            });
        }
        Ok(())
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "of unknown cause".to_owned())
}
