//! Decimal addition as a sequence: the student of the curricula.
//!
//! Two numbers of k digits are read pair by pair, the highest first and blanks before them; then the digits of the sum are
//! answered, the lowest first. Task k − 1 is k digits; all tasks have the same length in time.

use anyhow::Result;
use candle_core::{DType, Device, Tensor as Value};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Params, Tensor};
use rekindle_nn::{Builder, Gru, Init, Layer, Linear};

/// A digit or a blank of each number, and whether it is time to answer.
const INPUTS: usize = 11 + 11 + 1;

const BLANK: usize = 10;

/// Sums to learn from: inputs `[T, 1, B, 23]` and digits `[1, B, L + 1]`.
pub(super) struct Sums {
    x: Tensor,
    y: Value,
    /// How many digits of each example are asked about, `k + 1`.
    digits: Vec<usize>,
}

/// A gated recurrent net that adds.
#[derive(Debug)]
pub(super) struct Adder {
    /// The longest numbers, L.
    pub(super) longest: usize,
    gru: Gru,
    head: Linear,
}

impl Adder {
    pub(super) fn new(longest: usize, units: usize) -> Result<Self> {
        let head = Linear::new("head", units, 10, Init::GlorotUniform, Some(Init::Zeros))?;
        Ok(Self { longest, gru: Gru::new("gru", INPUTS, units)?, head })
    }

    pub(super) fn init(&self, rng: &mut ChaCha8Rng, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, DType::F32, device);
        self.gru.draw(&mut builder)?;
        self.head.draw(&mut builder)?;
        Ok(builder.finish()?)
    }

    /// One example of each listed task.
    pub(super) fn draw(&self, tasks: &[usize], rng: &mut ChaCha8Rng, device: &Device) -> Result<Sums> {
        let (length, n) = (self.longest, tasks.len());
        let steps = 2 * length + 1;
        let mut x = vec![0f32; steps * n * INPUTS];
        let mut y = vec![0u32; n * (length + 1)];
        for (b, &task) in tasks.iter().enumerate() {
            let (first, second) = (number(task + 1, rng), number(task + 1, rng));
            for t in 0..steps {
                let at = &mut x[(t * n + b) * INPUTS..][..INPUTS];
                // Place of the pair that is read now, the units' being 0.
                let place = (t < length).then(|| length - 1 - t).filter(|&place| place <= task);
                for (offset, number) in [(0, first), (11, second)] {
                    at[offset + place.map_or(BLANK, |place| digit(number, place))] = 1.0;
                }
                at[INPUTS - 1] = if t < length { 0.0 } else { 1.0 };
            }
            for (place, target) in y[b * (length + 1)..][..length + 1].iter_mut().enumerate() {
                *target = digit(first + second, place) as u32;
            }
        }
        Ok(Sums {
            x: Tensor::new(Value::from_vec(x, (steps, 1, n, INPUTS), device)?),
            y: Value::from_vec(y, (1, n, length + 1), device)?,
            digits: tasks.iter().map(|task| task + 2).collect(),
        })
    }

    /// Logits of the digits, `[1, B, L + 1, 10]`.
    fn logits(&self, params: &Params, sums: &Sums) -> Result<Tensor> {
        let (steps, n) = (sums.x.dim(0)?, sums.x.dim(2)?);
        let start = Tensor::zeros((1, n, self.gru.units()), sums.x.dtype(), sums.x.device())?;
        let states = self.gru.sequence(params, &sums.x, &start)?; // [T, 1, B, H]
        let answers = states.narrow(0, self.longest, steps - self.longest)?.permute(&[1, 2, 0, 3])?.contiguous()?;
        Ok(self.head.forward(params, &answers)?)
    }

    /// Cross-entropy of all digits, `[1]`.
    pub(super) fn loss(&self, params: &Params, sums: &Sums) -> Result<Tensor> {
        Ok(self.logits(params, sums)?.cross_entropy(&sums.y)?)
    }

    /// The shares of right digits, and of sums that are right in all digits; leading zeros do not count as digits.
    pub(super) fn scores(&self, params: &Params, sums: &Sums) -> Result<(f64, f64)> {
        let guesses = self.logits(params, sums)?.into_value().argmax(3)?.squeeze(0)?.to_vec2::<u32>()?;
        let (mut digits, mut right, mut whole) = (0, 0, 0);
        for ((guess, truth), &n) in guesses.iter().zip(sums.y.squeeze(0)?.to_vec2::<u32>()?).zip(&sums.digits) {
            let correct = guess[..n].iter().zip(&truth[..n]).filter(|(a, b)| a == b).count();
            (digits, right) = (digits + n, right + correct);
            whole += usize::from(correct == n);
        }
        Ok((right as f64 / digits.max(1) as f64, whole as f64 / guesses.len().max(1) as f64))
    }
}

/// A number of exactly `digits` digits; a single one may be 0.
fn number(digits: usize, rng: &mut ChaCha8Rng) -> u64 {
    let low = if digits == 1 { 0 } else { 10u64.pow(digits as u32 - 1) };
    rng.random_range(low..10u64.pow(digits as u32))
}

fn digit(number: u64, place: usize) -> usize {
    (number / 10u64.pow(place as u32) % 10) as usize
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    /// What is read and what is asked belong together, in every task.
    #[test]
    fn the_digits_asked_for_are_those_of_the_sum() -> Result<()> {
        let adder = Adder::new(3, 4)?;
        let tasks = [0, 1, 2, 2];
        let sums = adder.draw(&tasks, &mut ChaCha8Rng::seed_from_u64(0), &Device::Cpu)?;
        let (x, y) = (sums.x.to_vec_f64()?, sums.y.squeeze(0)?.to_vec2::<u32>()?);
        for (b, task) in tasks.into_iter().enumerate() {
            let read = |offset: usize| {
                let at = |t: usize| &x[(t * 4 + b) * INPUTS + offset..][..11];
                (0..3).fold(0, |number, t| match at(t).iter().position(|&v| v == 1.0) {
                    Some(digit) if digit < BLANK => 10 * number + digit as u32,
                    _ => number,
                })
            };
            let sum = y[b].iter().rev().fold(0, |number, &digit| 10 * number + digit);
            assert_eq!(read(0) + read(11), sum);
            assert_eq!(read(0).to_string().len(), task + 1);
        }
        Ok(())
    }
}
