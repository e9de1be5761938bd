//! Columns about their means, alone and where windows were pooled, against plain sums in f64.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_kernels::Level;
use rekindle_kernels::centred::{Pooled, covariance, covariance_put, put, scale, take};

fn random(rng: &mut ChaCha8Rng, n: usize, offset: f32) -> Vec<f32> {
    (0..n).map(|_| offset + rng.random_range(-1.0..1.0)).collect()
}

/// Numbers less the mean of their column.
fn centred(a: &[f64], channels: usize) -> Vec<f64> {
    let rows = (a.len() / channels).max(1) as f64;
    let mean: Vec<f64> = (0..channels).map(|c| a.iter().skip(c).step_by(channels).sum::<f64>() / rows).collect();
    a.iter().enumerate().map(|(i, a)| a - mean[i % channels]).collect()
}

fn sums(a: &[f64], b: &[f64], channels: usize) -> Vec<f64> {
    let of = |c: usize| a.iter().zip(b).skip(c).step_by(channels).map(|(a, b)| a * b).sum();
    (0..channels).map(of).collect()
}

fn times(k: &[f32], a: &[f64]) -> Vec<f64> {
    a.iter().enumerate().map(|(i, a)| f64::from(k[i % k.len()]) * a).collect()
}

fn wide(a: &[f32]) -> Vec<f64> {
    a.iter().map(|&a| f64::from(a)).collect()
}

/// Within a bound for each element.
fn close(what: &str, found: &[f32], expected: &[f64], bound: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(found) - expected).abs() <= bound, "{what}: {found} for {expected} at {i}");
    }
}

fn appended(f: impl FnOnce(&mut Vec<f32>) -> rekindle_kernels::Result<()>) -> Vec<f32> {
    let mut out = vec![7.0];
    f(&mut out).unwrap();
    assert_eq!(out.remove(0), 7.0);
    out
}

#[test]
fn maps_of_columns_agree_with_sums_in_f64() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for case in 0..60 {
        let (rows, channels) = (rng.random_range(0..600), rng.random_range(1..90));
        let offset = if case % 3 == 0 { 10.0 } else { 0.0 };
        let (a, b) = (random(&mut rng, rows * channels, offset), random(&mut rng, rows * channels, -offset));
        let k = random(&mut rng, channels, 0.0);
        let (a_wide, b_wide) = (centred(&wide(&a), channels), centred(&wide(&b), channels));
        let unit = 2f64.powi(-24) * f64::from(offset + 4.0);
        for level in Level::available() {
            let what = |form: &str| format!("{form} of {rows} rows, {channels} channels on {}", level.name());
            let found = appended(|out| scale(level, &k, &a, out));
            // The mean is a sum over blocks of 32 rows: half of them times a rounding.
            close(&what("scale"), &found, &times(&k, &a_wide), 16.0 * unit);
            let found = appended(|out| covariance(level, channels, &a, &b, out));
            close(&what("covariance"), &found, &sums(&a_wide, &b_wide, channels), 8.0 * unit * (rows + 1) as f64);
            let found = appended(|out| covariance(level, channels, &a, &a, out));
            close(&what("squares"), &found, &sums(&a_wide, &a_wide, channels), 8.0 * unit * (rows + 1) as f64);
        }
    }
}

#[test]
fn maps_of_windows_agree_with_those_of_whole_images() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for _ in 0..60 {
        let shape = Pooled {
            images: rng.random_range(0..4),
            height: rng.random_range(0..9),
            width: rng.random_range(0..9),
            channels: rng.random_range(1..70),
        };
        let Pooled { images, height, width, channels } = shape;
        let windows = images * (height / 2) * (width / 2);
        let (y, v) =
            (random(&mut rng, images * height * width * channels, 1.0), random(&mut rng, windows * channels, 0.0));
        let k = random(&mut rng, channels, 0.0);
        let places: Vec<u8> = (0..v.len()).map(|_| rng.random_range(0..4)).collect();
        // Where in the images each number stands.
        let stands = |i: usize| {
            let (window, c, place) = (i / channels, i % channels, usize::from(places[i]));
            let (line, column) = (window / (width / 2), window % (width / 2));
            let (image, row) = (line / (height / 2), line % (height / 2));
            ((image * height + 2 * row + place / 2) * width + 2 * column + place % 2) * channels + c
        };
        let mut among_zeros = vec![0f64; y.len()];
        (0..v.len()).for_each(|i| among_zeros[stands(i)] = f64::from(v[i]));
        let (y_wide, z_wide) = (centred(&wide(&y), channels), centred(&among_zeros, channels));
        let scaled = times(&k, &y_wide);
        let taken: Vec<f64> = (0..v.len()).map(|i| scaled[stands(i)]).collect();
        for level in Level::available() {
            let what = |form: &str| format!("{form} of {shape:?} on {}", level.name());
            let bound = 2f64.powi(-20);
            close(&what("take"), &appended(|out| take(level, &shape, &k, &y, &places, out)), &taken, bound);
            close(&what("put"), &appended(|out| put(level, &shape, &k, &v, &places, out)), &times(&k, &z_wide), bound);
            let found = appended(|out| covariance_put(level, &shape, &v, &y, &places, out));
            close(&what("covariance"), &found, &sums(&z_wide, &y_wide, channels), bound * (windows + 1) as f64);
        }
    }
}

#[test]
fn a_nan_stays_one() {
    let shape = Pooled { images: 1, height: 2, width: 2, channels: 20 };
    let (mut y, k, v, places) = (vec![1.0; 80], vec![1.0; 20], vec![1.0; 20], vec![0; 20]);
    y[60..].fill(f32::NAN);
    for level in Level::available() {
        let mut out = Vec::new();
        scale(level, &k, &y, &mut out).unwrap();
        covariance(level, 20, &y, &y, &mut out).unwrap();
        take(level, &shape, &k, &y, &places, &mut out).unwrap();
        put(level, &shape, &k, &y[60..], &places, &mut out).unwrap();
        covariance_put(level, &shape, &v, &y, &places, &mut out).unwrap();
        assert!(out.len() == 80 + 20 + 20 + 80 + 20 && out.iter().all(|x| x.is_nan()), "{}", level.name());
    }
}

#[test]
fn wrong_sizes_are_refused() {
    let shape = Pooled { images: 2, height: 5, width: 4, channels: 3 };
    let (y, v, k, places) = (vec![0.0; 120], vec![0.0; 24], vec![0.0; 3], vec![0; 24]);
    let huge = Pooled { images: usize::MAX, height: 1, width: 1, channels: 3 };
    let level = Level::current();
    let mut out = Vec::new();
    assert!(scale(level, &k, &y[1..], &mut out).is_err());
    assert!(scale(level, &[], &y, &mut out).is_err());
    assert!(covariance(level, 3, &y, &y[3..], &mut out).is_err());
    assert!(covariance(level, 0, &y, &y, &mut out).is_err());
    assert!(take(level, &shape, &k, &y[1..], &places, &mut out).is_err());
    assert!(take(level, &shape, &k[1..], &y, &places, &mut out).is_err());
    assert!(take(level, &shape, &k, &y, &places[1..], &mut out).is_err());
    assert!(put(level, &shape, &k, &v[1..], &places, &mut out).is_err());
    assert!(put(level, &huge, &k, &[], &[], &mut out).is_err());
    assert!(covariance_put(level, &shape, &v[1..], &y, &places, &mut out).is_err());
    assert!(out.is_empty());
}
