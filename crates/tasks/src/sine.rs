//! The sine with libm's bits, without libm's branches.
//!
//! `sinf` reduces its argument by a multiple of π/2 that it finds in a tree of branches, and evaluates one of two
//! polynomials. A processor guesses wrong at every other random argument. Here both polynomials are evaluated and one is
//! chosen; the bounds, the order of operations and the coefficients (FreeBSD's msun) are those of libm.

use std::f64::consts::FRAC_PI_2;

/// Bits of the largest `x` below π/4, 3π/4, 5π/4, 7π/4 and 9π/4.
const BOUNDS: [u32; 5] = [0x3f49_0fda, 0x4016_cbe3, 0x407b_53d1, 0x40af_eddf, 0x40e2_31d5];

const SIGN: u32 = 1 << 31;

/// `x ← sin x` for all of them, with the bits of `libm::sinf`.
pub(crate) fn sines(xs: &mut [f32]) {
    // Known to be near zero, all go through in one loop without branches, several at a time.
    if xs.iter().all(|x| x.to_bits() & !SIGN <= BOUNDS[4]) {
        xs.iter_mut().for_each(|x| *x = near(*x));
    } else {
        xs.iter_mut().for_each(|x| *x = libm::sinf(*x));
    }
}

/// `sin x` for `|x|` up to 9π/4.
fn near(x: f32) -> f32 {
    let size = x.to_bits() & !SIGN;
    let n: u32 = BOUNDS[..4].iter().map(|&bound| u32::from(size > bound)).sum();
    let y = f64::from(f32::from_bits(size)) - f64::from(n) * FRAC_PI_2;
    let value = std::hint::select_unpredictable(n % 2 == 1, near_one(y), near_zero(y));
    // The sine is odd, and the second and third quarter-turns bring it below zero.
    f32::from_bits((value as f32).to_bits() ^ (x.to_bits() & SIGN) ^ ((n & 2) << 30))
}

/// `sin y` for `|y| ≤ π/4`.
fn near_zero(y: f64) -> f64 {
    let z = y * y;
    let (high, cube) = (-0.00019839334836096632 + z * 0.000002718311493989822, z * y);
    (y + cube * (-0.16666666641626524 + z * 0.008333329385889463)) + cube * (z * z) * high
}

/// `cos y` for `|y| ≤ π/4`.
fn near_one(y: f64) -> f64 {
    let z = y * y;
    let high = -0.001388676377460993 + z * 0.00002439044879627741;
    ((1.0 + z * -0.499999997251031) + (z * z) * 0.04166662332373906) + ((z * z) * z) * high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(x: f32) -> f32 {
        let mut xs = [x];
        sines(&mut xs);
        xs[0]
    }

    #[test]
    fn has_the_bits_of_libm() {
        let edges = BOUNDS.iter().flat_map(|&bound| bound - 2..bound + 3);
        let all = (0..=f32::INFINITY.to_bits()).step_by(1009);
        for bits in edges.chain(all) {
            for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
                assert_eq!(sine(x).to_bits(), libm::sinf(x).to_bits(), "at {x:e}");
            }
        }
        assert!(sine(f32::NAN).is_nan());
        let mut mixed = [1.0, 1e6, -2.0];
        sines(&mut mixed);
        assert_eq!(mixed, [1.0, 1e6, -2.0].map(libm::sinf));
    }
}
