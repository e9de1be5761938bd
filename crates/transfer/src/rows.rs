//! In which order training sees its examples.

use candle_core::Tensor as Value;
use rand::seq::SliceRandom;
use rekindle_tasks::{Batch, batch_rng};

use crate::Result;

/// The numbers below `n` in random order. That of a pass depends on the seed and the pass alone, so that training can go on
/// in the middle.
pub(crate) fn shuffled(n: usize, seed: u64, pass: u64) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..n).map(|i| u32::try_from(i).expect("no data set has 2³² examples")).collect();
    rows.shuffle(&mut batch_rng(seed, pass));
    rows
}

/// Rows of a data set without end, each once before any comes again.
pub(crate) struct Rows {
    n: usize,
    seed: u64,
    pass: u64,
    /// What is left of the pass, the next row last.
    left: Vec<u32>,
}

impl Rows {
    pub(crate) fn new(n: usize, seed: u64) -> Self {
        Self { n, seed, pass: 0, left: Vec::new() }
    }

    /// The next row numbers, so many.
    pub(crate) fn next(&mut self, count: usize) -> Vec<u32> {
        let mut rows = Vec::with_capacity(count);
        while rows.len() < count && self.n > 0 {
            if self.left.is_empty() {
                self.left = shuffled(self.n, self.seed, self.pass);
                self.pass += 1;
            }
            rows.extend(self.left.pop());
        }
        rows
    }
}

/// Some rows of every task, of `[M, B, …]`.
pub(crate) fn rows_of(x: &Value, rows: &[u32]) -> Result<Value> {
    Ok(x.index_select(&Value::from_slice(rows, rows.len(), x.device())?, 1)?)
}

/// Some examples of every task.
pub(crate) fn take(data: &Batch, rows: &[u32]) -> Result<Batch> {
    Ok(Batch { x: rows_of(&data.x, rows)?, y: rows_of(&data.y, rows)? })
}
