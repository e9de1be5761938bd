//! The portable form: direct convolution in plain loops, without any transform, so that it can judge the other form.

/// Calls `f` with each pixel, each tap and the pixel that the tap falls on, where an image has one.
fn for_taps([images, height, width]: [usize; 3], mut f: impl FnMut(usize, usize, usize)) {
    for image in 0..images {
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            for (i, j) in (0..3).flat_map(|i| (0..3).map(move |j| (i, j))) {
                // Tap (1, 1) is the middle one.
                let inside = (1..=height).contains(&(y + i)) && (1..=width).contains(&(x + j));
                if inside {
                    let pixel = |y, x| (image * height + y) * width + x;
                    f(pixel(y, x), 3 * i + j, pixel(y + i - 1, x + j - 1));
                }
            }
        }
    }
}

/// Adds the convolution of `x` with `w`, `[9][inputs][outputs]`, to `out`.
pub(super) fn convolve(x: &[f32], sizes: [usize; 3], w: &[f32], [inputs, outputs]: [usize; 2], out: &mut [f32]) {
    for_taps(sizes, |to, tap, from| {
        let out = &mut out[to * outputs..][..outputs];
        for (input, &x) in x[from * inputs..][..inputs].iter().enumerate() {
            let w = &w[(tap * inputs + input) * outputs..][..outputs];
            out.iter_mut().zip(w).for_each(|(out, w)| *out += x * w);
        }
    });
}

/// Adds the adjoint of the convolution in its weights, at `u`, to `out`.
pub(super) fn weight_grad(x: &[f32], u: &[f32], sizes: [usize; 3], [inputs, outputs]: [usize; 2], out: &mut [f32]) {
    for_taps(sizes, |at, tap, from| {
        let u = &u[at * outputs..][..outputs];
        for (input, &x) in x[from * inputs..][..inputs].iter().enumerate() {
            let out = &mut out[(tap * inputs + input) * outputs..][..outputs];
            out.iter_mut().zip(u).for_each(|(out, u)| *out += x * u);
        }
    });
}

/// The weights of the adjoint: taps turned round, channels transposed.
pub(super) fn turn(w: &[f32], [inputs, outputs]: [usize; 2], out: &mut [f32]) {
    for (tap, input) in (0..9).flat_map(|tap| (0..inputs).map(move |input| (tap, input))) {
        for output in 0..outputs {
            out[((8 - tap) * outputs + output) * inputs + input] = w[(tap * inputs + input) * outputs + output];
        }
    }
}
