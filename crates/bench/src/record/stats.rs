//! Mean and confidence interval over seeds.

use super::Estimate;

/// Two-sided 95 % quantiles t_{0.975, ν} of Student's t for ν = 1, …, 30.
const T_975: [f64; 30] = [
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604, 2.1448,
    2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484,
    2.0452, 2.0423,
];

/// Mean over seeds with the half-width of its 95 % interval, `t_{0.975, n−1} · s / √n`.
///
/// Seeds are few, so the interval is Student's, not the normal one. One seed has the interval that it brought, if any.
pub(super) fn over_seeds(seeds: &[Estimate]) -> Estimate {
    let n = seeds.len() as f64;
    let mean = seeds.iter().map(|seed| seed.value).sum::<f64>() / n;
    let ci = match seeds {
        [only] => only.ci,
        _ => {
            let squares: f64 = seeds.iter().map(|seed| (seed.value - mean).powi(2)).sum();
            Some(t_975(seeds.len() - 1) * (squares / (n - 1.0)).sqrt() / n.sqrt())
        }
    };
    Estimate { value: mean, ci }
}

/// Beyond the table, the first terms of the Cornish–Fisher expansion around the normal quantile z, exact to 1e-4.
fn t_975(freedom: usize) -> f64 {
    const Z: f64 = 1.959_964;
    let nu = freedom as f64;
    let first = (Z.powi(3) + Z) / 4.0;
    let second = (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / 96.0;
    T_975.get(freedom - 1).copied().unwrap_or(Z + first / nu + second / (nu * nu))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles for ν = 31, 60 and 120 from printed tables of Student's t.
    #[test]
    fn quantiles_go_on_smoothly_beyond_the_table() {
        for (freedom, expected) in [(1, 12.706), (30, 2.042), (31, 2.040), (60, 2.000), (120, 1.980)] {
            assert!((t_975(freedom) - expected).abs() < 6e-4, "ν = {freedom}: {}", t_975(freedom));
        }
    }

    /// Worked by hand: 1, 2, 3 have mean 2 and s = 1, so the half-width is 4.3027 / √3.
    #[test]
    fn three_seeds_by_hand() {
        let three = over_seeds(&[1.0.into(), 2.0.into(), 3.0.into()]);
        assert!((three.value - 2.0).abs() < 1e-12);
        assert!((three.ci.unwrap() - 2.484_16).abs() < 1e-4);
    }

    #[test]
    fn one_seed_keeps_its_own_interval() {
        assert_eq!(over_seeds(&[Estimate::new(98.5, 0.4)]), Estimate::new(98.5, 0.4));
        assert_eq!(over_seeds(&[7.0.into()]).ci, None);
    }
}
