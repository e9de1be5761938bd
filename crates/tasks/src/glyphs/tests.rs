//! Tests of the module `glyphs`.

use super::raster::ink;
use super::*;

fn draw(glyphs: &Glyphs, class: usize, example: usize) -> Vec<f32> {
    let mut out = vec![0.0; glyphs.size * glyphs.size];
    glyphs.write_example(class, example, &mut out).unwrap();
    out
}

/// A pen of radius r along a segment of length L covers 2rL + πr², whatever the slope.
#[test]
fn ink_has_the_area_of_the_pens_path() {
    for (from, to, radius) in
        [([6.0, 7.0], [21.0, 7.0], 0.8), ([5.2, 20.1], [17.9, 6.3], 1.5), ([14.3, 9.8], [14.3, 9.8], 3.0)]
    {
        let drawing = hand::Drawing { lines: vec![vec![from, to]], radius };
        let mut out = vec![0.0; 28 * 28];
        ink(&drawing, 28, &mut out);
        let length = f32::hypot(to[0] - from[0], to[1] - from[1]);
        let area = 2.0 * radius * length + std::f32::consts::PI * radius * radius;
        let inked: f32 = out.iter().sum();
        assert!((inked - area).abs() < 0.05 * area, "{inked} pixels of ink on an area of {area}");
    }
}

#[test]
fn lines_that_leave_the_sheet_are_cut_off() {
    let drawing =
        hand::Drawing { lines: vec![vec![[-50.0, 3.5], [50.0, 3.5]], vec![[-9.0, -9.0], [-5.0, -2.0]]], radius: 0.5 };
    let mut out = vec![0.0; 8 * 8];
    ink(&drawing, 8, &mut out);
    for (i, row) in out.chunks(8).enumerate() {
        let expected = if i == 3 { 1.0 } else { 0.0 };
        assert!(row.iter().all(|v| (v - expected).abs() < 1e-5), "row {i}: {row:?}");
    }
}

#[test]
fn programs_fill_the_unit_box_and_stay_finite() {
    let glyphs = Glyphs::default();
    for class in 0..2000 {
        let strokes = program::compose(&mut glyphs.rng(class, None));
        assert!((1..=4).contains(&strokes.len()));
        let coordinates = || strokes.iter().flat_map(|s| &s.points).flatten().copied();
        assert!(coordinates().all(|v| v.abs() <= 1.0001));
        assert!(coordinates().any(|v| v > 0.9999) && coordinates().any(|v| v < -0.9999));
    }
}

/// Drawings are made when asked for, and always alike; another example, class or alphabet is another drawing.
#[test]
fn drawings_depend_on_seed_class_and_example_alone() {
    let glyphs = Glyphs::default();
    let first = draw(&glyphs, 3, 5);
    draw(&glyphs, 900, 0);
    assert_eq!(first, draw(&glyphs, 3, 5));
    assert_eq!(first, draw(&Glyphs { n_classes: 4, n_examples: 6, ..glyphs.clone() }, 3, 5));
    for other in [draw(&glyphs, 3, 6), draw(&glyphs, 4, 5), draw(&Glyphs { seed: 1, ..glyphs.clone() }, 3, 5)] {
        assert_ne!(first, other);
    }
}

/// The promise that every machine draws the same: the bits of 200 drawings, hashed, against the value recorded when
/// the generator was written. A change of this value changes every result that was obtained on glyphs.
#[test]
fn bits_of_the_default_alphabet() {
    let glyphs = Glyphs::default();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64; // FNV-1a
    for class in 0..200 {
        for value in draw(&glyphs, class * 8, class % 20) {
            hash = (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0100_0000_01b3);
        }
    }
    assert_eq!(format!("{hash:016x}"), "b4fb62a404185798");
}

#[test]
fn an_endless_alphabet_costs_nothing_until_it_is_drawn() -> Result<()> {
    use crate::{FewShot, FewShotSampler, TaskSampler, batch_rng};
    let glyphs = Glyphs { n_classes: usize::MAX, n_examples: usize::MAX, size: 35, seed: 9 };
    let tasks = FewShotSampler::new(glyphs, FewShot::default())?.sample(&mut batch_rng(0, 0), 2)?;
    assert_eq!(tasks.query.x.dims(), [2, 5, 35, 35, 1]);
    Ok(())
}
