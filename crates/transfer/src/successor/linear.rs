//! Several numbers for each action, linear in the features of a state.

/// `y(s, a) = Z_aᵀ x(s)`, K numbers for each of A actions: action values with K = 1, successor features with K = F.
/// Features that have never been met count as zero, so that tables may grow.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    actions: usize,
    numbers: usize,
    /// `[D, A, K]`, as far as features have been met.
    weights: Vec<f64>,
}

impl Linear {
    pub(crate) fn new(actions: usize, numbers: usize) -> Self {
        Self { actions, numbers, weights: Vec::new() }
    }

    /// Adds `y(s, ·)` to `out [A, K]`, which is zeroed first.
    pub(crate) fn values(&self, x: &[(usize, f64)], out: &mut [f64]) {
        out.fill(0.0);
        let width = self.actions * self.numbers;
        for (feature, value) in x {
            if let Some(row) = self.weights.get(feature * width..(feature + 1) * width) {
                out.iter_mut().zip(row).for_each(|(y, z)| *y += value * z);
            }
        }
    }

    /// One step of normalised least mean squares: `Z_a += rate · x errorᵀ/‖x‖²`, after which the error at x is `1 − rate` times
    /// what it was, for tables and for Gaussians alike.
    pub(crate) fn correct(&mut self, x: &[(usize, f64)], action: usize, error: &[f64], rate: f64) {
        let width = self.actions * self.numbers;
        let square: f64 = x.iter().map(|(_, value)| value * value).sum();
        let rate = if square > 0.0 { rate / square } else { 0.0 };
        for (feature, value) in x {
            let start = feature * width + action * self.numbers;
            if self.weights.len() < (feature + 1) * width {
                self.weights.resize((feature + 1) * width, 0.0);
            }
            let row = &mut self.weights[start..start + self.numbers];
            row.iter_mut().zip(error).for_each(|(z, error)| *z += rate * value * error);
        }
    }
}

/// Σ x y.
pub(crate) fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// Index and size of the largest value, the first of equals.
pub(crate) fn largest(values: impl IntoIterator<Item = f64>) -> (usize, f64) {
    let better = |best: (usize, f64), next: (usize, f64)| if next.1 > best.1 { next } else { best };
    values.into_iter().enumerate().fold((0, f64::NEG_INFINITY), better)
}
