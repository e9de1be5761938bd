//! Glyphs that their attributes describe: what a class looks like follows from a vector of zeros and ones.
//!
//! Twelve attributes are pen strokes at fixed places (stems, bars, diagonals, rings, a cup, dots), two are manners: slanted,
//! thick. A class has two to five strokes, and two classes never have the same attributes; so a class that was never
//! seen can be recognised by its description, and by nothing else. Drawings vary as those of [`Glyphs`] do. The attributes
//! are our own.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::program::{Point, Stroke};
use super::{Glyphs, hand, raster};
use crate::dataset::{check_example, check_index};
use crate::{ClassDataset, Error, Result};

/// How far a slanted letter leans, in widths to its height.
const SLANT: f32 = 0.55;
/// How much wider a thick pen is.
const THICK: f32 = 2.2;
/// Strokes of a letter.
const STROKES: std::ops::RangeInclusive<u32> = 2..=5;

/// A data set of glyphs with a description of each class, [`ATTRIBUTES`](Self::ATTRIBUTES) zeros and ones.
///
/// ```
/// use rekindle_tasks::{AttributeGlyphs, ClassDataset, Glyphs};
///
/// let letters = AttributeGlyphs::new(Glyphs { n_classes: 60, ..Glyphs::default() })?;
/// let description = letters.description(0)?;
/// let names: Vec<_> = AttributeGlyphs::ATTRIBUTES.iter().zip(description).filter(|(_, has)| *has == 1.0).collect();
/// assert!(names.len() >= 2);
/// let mut image = [0.0; 28 * 28];
/// letters.write_example(0, 3, &mut image)?;
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeGlyphs {
    sheet: Glyphs,
    /// Bit a of a class's code is its attribute a.
    codes: Vec<u16>,
}

impl AttributeGlyphs {
    /// What each number of a description stands for.
    pub const ATTRIBUTES: [&str; 14] = [
        "stem on the left",
        "stem on the right",
        "bar at the top",
        "bar in the middle",
        "bar at the bottom",
        "rising diagonal",
        "falling diagonal",
        "ring above",
        "ring below",
        "cup",
        "dot above",
        "dot below",
        "slanted",
        "thick",
    ];

    /// The most classes that there can be: 2 to 5 of 12 strokes, in four manners.
    pub const MOST_CLASSES: usize = 4 * (66 + 220 + 495 + 792);

    /// Numbers, size and seed as in [`Glyphs`]; the seed chooses which attributes the classes have, too.
    ///
    /// # Errors
    /// [`Error::Config`] for more than [`MOST_CLASSES`](Self::MOST_CLASSES).
    pub fn new(sheet: Glyphs) -> Result<Self> {
        if sheet.n_classes > Self::MOST_CLASSES {
            let value = sheet.n_classes.to_string();
            return Err(Error::Config { field: "n_classes", value, expected: "at most 6292: attributes make no more" });
        }
        let strokes = |code: &u16| STROKES.contains(&(code & 0xfff).count_ones());
        let mut codes: Vec<u16> = (0..1 << 14).filter(strokes).collect();
        codes.shuffle(&mut ChaCha8Rng::seed_from_u64(sheet.seed));
        codes.truncate(sheet.n_classes);
        Ok(Self { sheet, codes })
    }

    /// The attributes of a class, 0 or 1 each.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a class that does not exist.
    pub fn description(&self, class: usize) -> Result<[f32; 14]> {
        check_index("class", class, self.codes.len())?;
        Ok(std::array::from_fn(|a| if has(self.codes[class], a) { 1.0 } else { 0.0 }))
    }
}

impl ClassDataset for AttributeGlyphs {
    fn n_classes(&self) -> usize {
        self.sheet.n_classes
    }

    fn n_examples(&self, class: usize) -> usize {
        self.sheet.n_examples(class)
    }

    fn smallest_class(&self) -> usize {
        0
    }

    fn image_shape(&self) -> [usize; 3] {
        self.sheet.image_shape()
    }

    fn class_name(&self, class: usize) -> String {
        self.codes.get(class).map_or_else(String::new, |code| format!("letter{code:05}"))
    }

    fn write_example(&self, class: usize, example: usize, out: &mut [f32]) -> Result<()> {
        check_example(self, class, example, out)?;
        let code = self.codes[class];
        let mut strokes: Vec<Stroke> = (0..12).filter(|&a| has(code, a)).map(stroke).collect();
        if has(code, 12) {
            let lean = |[x, y]: Point| [x - SLANT * y, y];
            strokes.iter_mut().flat_map(|s| &mut s.points).for_each(|point| *point = lean(*point));
        }
        let mut drawing = hand::perform(&strokes, self.sheet.size as f32, &mut self.sheet.rng(class, Some(example)));
        if has(code, 13) {
            drawing.radius *= THICK;
        }
        raster::ink(&drawing, self.sheet.size, out);
        Ok(())
    }
}

fn has(code: u16, attribute: usize) -> bool {
    code >> attribute & 1 == 1
}

/// The stroke of an attribute below 12, in the box [−1, 1]², y down.
fn stroke(attribute: usize) -> Stroke {
    let straight = |from: Point, to: Point| Stroke { points: vec![from, to], smooth: false };
    // Eight points around, and one more to close it.
    let ring = |y: f32| Stroke {
        points: (0..9)
            .map(|i| {
                let (sin, cos) = libm::sincosf(std::f32::consts::FRAC_PI_4 * i as f32);
                [0.38 * cos, y + 0.38 * sin]
            })
            .collect(),
        smooth: true,
    };
    match attribute {
        0 => straight([-0.8, -1.0], [-0.8, 1.0]),
        1 => straight([0.8, -1.0], [0.8, 1.0]),
        2 => straight([-0.9, -0.95], [0.9, -0.95]),
        3 => straight([-0.9, 0.0], [0.9, 0.0]),
        4 => straight([-0.9, 0.95], [0.9, 0.95]),
        5 => straight([-0.85, 0.9], [0.85, -0.9]),
        6 => straight([-0.85, -0.9], [0.85, 0.9]),
        7 => ring(-0.5),
        8 => ring(0.5),
        9 => Stroke { points: vec![[-0.6, 0.0], [-0.45, 0.6], [0.0, 0.8], [0.45, 0.6], [0.6, 0.0]], smooth: true },
        10 => straight([-0.05, -1.3], [0.05, -1.3]),
        _ => straight([-0.05, 1.3], [0.05, 1.3]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters() -> AttributeGlyphs {
        AttributeGlyphs::new(Glyphs { n_classes: 400, size: 28, ..Glyphs::default() }).unwrap()
    }

    fn draw(letters: &AttributeGlyphs, class: usize, example: usize) -> Vec<f32> {
        let mut out = vec![0.0; 28 * 28];
        letters.write_example(class, example, &mut out).unwrap();
        out
    }

    /// No two of all classes that there can be are described alike, and each has 2 to 5 strokes.
    #[test]
    fn every_class_has_a_description_of_its_own() -> Result<()> {
        let most = AttributeGlyphs::MOST_CLASSES;
        let all = AttributeGlyphs::new(Glyphs { n_classes: most, ..Glyphs::default() })?;
        let codes: std::collections::BTreeSet<u16> = all.codes.iter().copied().collect();
        assert_eq!((codes.len(), all.codes.len()), (most, most));
        for class in [0, 1, 77, most - 1] {
            let strokes: f32 = all.description(class)?[..12].iter().sum();
            assert!((2.0..=5.0).contains(&strokes));
        }
        Ok(())
    }

    /// A thick pen leaves more ink on every drawing than the same strokes of a thin one would: on average twice as much.
    #[test]
    fn thick_letters_have_more_ink() {
        let letters = letters();
        let ink = |thick: bool| {
            let of = (0..400).filter(|&class| has(letters.codes[class], 13) == thick);
            let inked: Vec<f32> = of.map(|class| draw(&letters, class, 0).iter().sum()).collect();
            inked.iter().sum::<f32>() / inked.len() as f32
        };
        assert!(ink(true) > 1.5 * ink(false), "{} and {}", ink(true), ink(false));
    }

    /// Where the stroke of an attribute lies, letters that have it are darker in the mean of all drawings than letters that
    /// do not: the left edge for a stem on the left, the right one for a stem on the right, and neither for the other.
    #[test]
    fn stems_are_seen_on_the_side_that_they_are_said_to_be_on() {
        let letters = letters();
        let ink = |attribute: usize, has_it: bool, columns: std::ops::Range<usize>| {
            let upright =
                |&class: &usize| !has(letters.codes[class], 12) && has(letters.codes[class], attribute) == has_it;
            let of = |class| {
                let image = draw(&letters, class, 1);
                (8..20)
                    .flat_map(|row| columns.clone().map(move |column| row * 28 + column))
                    .map(|i| image[i])
                    .sum::<f32>()
            };
            let inked: Vec<f32> = (0..400).filter(upright).map(of).collect();
            inked.iter().sum::<f32>() / inked.len() as f32
        };
        let (left, right) = (2..11, 17..26);
        for (attribute, own, other) in [(0, &left, &right), (1, &right, &left)] {
            let gain = |columns: &std::ops::Range<usize>| {
                ink(attribute, true, columns.clone()) - ink(attribute, false, columns.clone())
            };
            assert!(gain(own) > 5.0 && gain(other) < 3.0, "{attribute}: {} and {}", gain(own), gain(other));
        }
    }

    #[test]
    fn drawings_depend_on_seed_class_and_example_alone() {
        let letters = letters();
        assert_eq!(draw(&letters, 5, 2), draw(&letters, 5, 2));
        assert_ne!(draw(&letters, 5, 2), draw(&letters, 5, 3));
        let other = AttributeGlyphs::new(Glyphs { seed: 1, n_classes: 400, ..Glyphs::default() }).unwrap();
        assert_ne!(other.codes, letters.codes);
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        let too_many = Glyphs { n_classes: AttributeGlyphs::MOST_CLASSES + 1, ..Glyphs::default() };
        assert!(matches!(AttributeGlyphs::new(too_many), Err(Error::Config { field: "n_classes", .. })));
        let letters = letters();
        assert!(matches!(letters.description(400), Err(Error::OutOfRange { what: "class", index: 400, .. })));
        assert!(letters.write_example(0, 20, &mut [0.0; 784]).is_err());
    }
}
