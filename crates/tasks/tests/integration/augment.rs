//! Random changes of images.

use candle_core::{DType, Device, Tensor};
use rekindle_tasks::{Augment, Error, batch_rng};

use crate::common::Result;

const NOTHING: Augment = Augment { padding: 0, flip: false, brightness: 0.0, contrast: 0.0, saturation: 0.0 };

/// `n` copies of an image `[h, w, c]`, changed: one list of pixels each.
fn changed(augment: &Augment, seed: u64, n: usize, shape: [usize; 3], image: &[f32]) -> Result<Vec<Vec<f32>>> {
    let [h, w, c] = shape;
    let images = Tensor::from_vec(image.repeat(n), (1, n, h, w, c), &Device::Cpu)?;
    let pixels = augment.apply(&mut batch_rng(seed, 0), &images)?.flatten_all()?.to_vec1::<f32>()?;
    Ok(pixels.chunks(h * w * c).map(<[f32]>::to_vec).collect())
}

/// Oracle: every crop of the padded image, listed; each is drawn about equally often.
#[test]
fn crops_are_all_the_parts_of_the_padded_image() -> Result<()> {
    let (h, w, p) = (3, 2, 1);
    let image: Vec<f32> = (1..=6).map(|v| v as f32 / 8.0).collect();
    let padded = |row: usize, column: usize| match (row.checked_sub(p), column.checked_sub(p)) {
        (Some(row), Some(column)) if row < h && column < w => image[row * w + column],
        _ => 0.0,
    };
    let crop =
        |down: usize, right: usize| -> Vec<f32> { (0..h * w).map(|i| padded(down + i / w, right + i % w)).collect() };
    let crops: Vec<Vec<f32>> = (0..9).map(|i| crop(i / 3, i % 3)).collect();
    assert_eq!(crops[4], image);
    let mut counts = [0; 9];
    for found in changed(&Augment { padding: p, ..NOTHING }, 1, 900, [h, w, 1], &image)? {
        counts[crops.iter().position(|crop| *crop == found).ok_or("no part of the padded image")?] += 1;
    }
    // 100 each, standard deviation 9.4.
    assert!(counts.iter().all(|n| (60..145).contains(n)), "{counts:?}");
    Ok(())
}

#[test]
fn flips_mirror_half_of_the_images() -> Result<()> {
    let image = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
    let found = changed(&Augment { flip: true, ..NOTHING }, 2, 400, [1, 2, 3], &image)?;
    let mirrored = [0.4, 0.5, 0.6, 0.1, 0.2, 0.3];
    let n = found.iter().filter(|found| **found == mirrored).count();
    assert!(found.iter().all(|found| *found == mirrored || *found == image));
    assert!((160..240).contains(&n), "{n}");
    Ok(())
}

/// Oracle: what each change keeps. Brightness keeps ratios; contrast the mean luma; saturation every pixel's luma.
#[test]
fn colours_change_in_the_right_directions() -> Result<()> {
    let image = [0.30, 0.45, 0.60, 0.50, 0.35, 0.40];
    let luma = |pixel: &[f32]| 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
    let spread = |values: Vec<f32>| {
        values.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b)) - values.iter().fold(f32::INFINITY, |a, &b| a.min(b))
    };
    let of = |augment, seed| changed(&augment, seed, 200, [1, 2, 3], &image);
    let mut factors = Vec::new();
    for found in of(Augment { brightness: 0.4, ..NOTHING }, 3)? {
        let factor = found[0] / image[0];
        assert!(found.iter().zip(&image).all(|(a, b)| (a / b - factor).abs() < 1e-5));
        factors.push(factor);
    }
    assert!(factors.iter().all(|f| (0.6..=1.4).contains(f)) && spread(factors) > 0.75);
    let mut factors = Vec::new();
    for found in of(Augment { contrast: 0.4, ..NOTHING }, 4)? {
        let mean = |image: &[f32]| (luma(&image[..3]) + luma(&image[3..])) / 2.0;
        assert!((mean(&found) - mean(&image)).abs() < 1e-5);
        factors.push((found[0] - found[3]) / (image[0] - image[3]));
    }
    assert!(factors.iter().all(|f| (0.6..=1.4).contains(f)) && spread(factors) > 0.75);
    let mut factors = Vec::new();
    for found in of(Augment { saturation: 0.4, ..NOTHING }, 5)? {
        assert!(found.chunks(3).zip(image.chunks(3)).all(|(a, b)| (luma(a) - luma(b)).abs() < 1e-5));
        factors.push((found[0] - found[2]) / (image[0] - image[2]));
    }
    assert!(factors.iter().all(|f| (0.6..=1.4).contains(f)) && spread(factors) > 0.75);
    let grey = changed(&Augment { saturation: 1.0, ..NOTHING }, 6, 20, [1, 2, 1], &[0.2, 0.7])?;
    assert!(grey.iter().flatten().zip([0.2, 0.7].repeat(20)).all(|(a, b)| (a - b).abs() < 1e-6));
    Ok(())
}

#[test]
fn a_seed_means_the_same_changes_and_values_stay_in_range() -> Result<()> {
    let all = Augment { padding: 2, flip: true, brightness: 1.0, contrast: 1.0, saturation: 1.0 };
    let image: Vec<f32> = (0..48).map(|v| v as f32 / 47.0).collect();
    let of = |seed| changed(&all, seed, 50, [4, 4, 3], &image);
    assert_eq!(of(7)?, of(7)?);
    assert_ne!(of(7)?, of(8)?);
    assert!(of(7)?.iter().flatten().all(|v| (0.0..=1.0).contains(v)));
    assert_eq!(changed(&NOTHING, 9, 1, [4, 4, 3], &image)?, [image]);
    Ok(())
}

#[test]
fn wrong_images_and_ranges_are_refused() -> Result<()> {
    let apply = |augment: &Augment, dims: &[usize], dtype| {
        let images = Tensor::zeros(dims, dtype, &Device::Cpu).unwrap();
        augment.apply(&mut batch_rng(0, 0), &images).unwrap_err()
    };
    let fine = Augment::default();
    assert!(matches!(apply(&fine, &[4, 4, 2], DType::F32), Error::Shape { what: "images", .. }));
    assert!(matches!(apply(&fine, &[4, 3], DType::F32), Error::Shape { what: "images", .. }));
    assert!(matches!(apply(&fine, &[4, 4, 3], DType::F64), Error::Candle(_)));
    for (augment, field) in [
        (Augment { brightness: -0.1, ..NOTHING }, "brightness"),
        (Augment { contrast: 1.1, ..NOTHING }, "contrast"),
        (Augment { saturation: f64::NAN, ..NOTHING }, "saturation"),
    ] {
        let error = apply(&augment, &[4, 4, 3], DType::F32);
        assert!(matches!(error, Error::Config { field: named, .. } if named == field), "{error}");
    }
    Ok(())
}
