//! Which steps a step looks at.

use candle_core::{DType, Device};
use rekindle_autodiff::Tensor;

use crate::{Error, Result};

/// What T new steps see of the S steps in the cache and of each other, and which positions they stand at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The steps follow each other: step t sees the cache, the new steps before it, and itself. Positions S, S + 1, ….
    Causal,
    /// The same but for the last n steps, each of which is the next one on its own: it sees what came before all of them, and
    /// itself. So a prompt is read and continued in n ways in one pass. [`Causal`](Self::Causal) is that with n = 1.
    Ends(usize),
    /// Each step is the next one on its own: it sees the cache and itself. All stand at position S. So a prompt is
    /// continued in T ways at once.
    Alone,
    /// Step t sees the first t steps of the cache and itself, as if the sequence had ended there, at position t. So all
    /// prompts that begin a sequence are continued at once.
    Prefixes,
}

impl Look {
    /// The first position, and how many there are; further steps stand at the last of them.
    pub(super) fn positions(self, seen: usize, steps: usize) -> (usize, usize) {
        match self {
            Self::Causal => (seen, steps),
            Self::Ends(ends) => (seen, steps + 1 - ends.clamp(1, steps)),
            Self::Alone => (seen, 1),
            Self::Prefixes => (0, steps),
        }
    }

    /// The last position.
    pub(super) fn last_position(self, seen: usize, steps: usize) -> Result<usize> {
        if self == Self::Prefixes && steps > seen + 1 {
            let expected = format!("at most {}: one for each beginning of the {seen} steps in the cache", seen + 1);
            return Err(Error::shape("the steps after their prefixes", &[steps], expected));
        }
        if let Self::Ends(ends) = self
            && ends > steps
        {
            return Err(Error::shape("the steps", &[steps], format!("at least the {ends} that end the sequence")));
        }
        let (start, len) = self.positions(seen, steps);
        Ok(start + len - 1)
    }

    /// Added to the scores, `[T, S + T]`: 0 where a step looks, −∞ where it does not.
    pub(super) fn mask(self, seen: usize, steps: usize, dtype: DType, device: &Device) -> Result<Tensor> {
        let looks = |t: usize, s: usize| match (s.checked_sub(seen), self) {
            (None, Self::Prefixes) => s < t,
            (None, _) => true,
            (Some(new), Self::Causal) => new <= t,
            (Some(new), Self::Ends(ends)) => new == t || new < t.min(steps - ends),
            (Some(new), _) => new == t,
        };
        let all = seen + steps;
        let entry = |i: usize| if looks(i / all, i % all) { 0.0 } else { f32::NEG_INFINITY };
        let values: Vec<f32> = (0..steps * all).map(entry).collect();
        Ok(Tensor::from_vec(values, (steps, all))?.to_dtype(dtype)?.to_device(device)?)
    }
}
