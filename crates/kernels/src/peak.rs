//! The most multiply-adds that one core can do: what the speed of every other kernel is measured against.

use crate::level::{Kernel, Level};
use crate::simd::Simd;

/// Chains that do not wait for each other: more than a multiply-add's latency times the number of its units.
const CHAINS: usize = 12;

/// Does `rounds` rounds of independent multiply-adds in registers.
///
/// Answers the number of floating-point operations (two to a multiply-add), and a value that depends on all of them,
/// so that no compiler leaves them out.
#[must_use]
pub fn multiply_adds(level: Level, rounds: usize) -> (f64, f32) {
    level.run(Peak { rounds })
}

struct Peak {
    rounds: usize,
}

impl Kernel for Peak {
    type Output = (f64, f32);

    fn portable(self) -> (f64, f32) {
        // As the vector form with one lane; a compiler may widen it, as it may widen every portable kernel.
        let mut chains = [0.1f32; CHAINS];
        for _ in 0..self.rounds {
            chains.iter_mut().for_each(|x| *x = *x * 0.999 + 1e-3);
        }
        ((2 * CHAINS * self.rounds) as f64, chains.iter().sum())
    }

    #[inline(always)]
    fn simd<S: Simd>(self, simd: S) -> (f64, f32) {
        let (shrink, shift) = (simd.splat(0.999), simd.splat(1e-3));
        let mut chains = [simd.splat(0.1); CHAINS];
        for _ in 0..self.rounds {
            for x in &mut chains {
                *x = simd.fma(*x, shrink, shift);
            }
        }
        let sum = chains.into_iter().fold(simd.splat(0.0), |sum, x| simd.add(sum, x));
        ((2 * CHAINS * S::LANES * self.rounds) as f64, simd.first_lane(sum))
    }
}
