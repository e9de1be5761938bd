//! Rotations by quarter turns as new classes.
//!
//! Santoro et al., *Meta-Learning with Memory-Augmented Neural Networks*, 2016, §4.1, make four Omniglot classes of
//! each character this way, and so does the split of Vinyals et al. 2016. MAML draws a rotation per class and episode
//! instead: see [`FewShot::rotate`](crate::FewShot::rotate).

use crate::{ClassDataset, Error, Result};

/// Four classes for each class of `D`: class 4·c + r is class c turned by r·90° counter-clockwise, and is called
/// `name/rot090` and so on, as in the published Omniglot split.
#[derive(Clone, Debug)]
pub struct Rotated<D> {
    data: D,
}

impl<D: ClassDataset> Rotated<D> {
    /// The four rotations of every class of `data`.
    ///
    /// # Errors
    /// [`Error::NotSquare`] when height and width differ.
    pub fn new(data: D) -> Result<Self> {
        check_square(data.image_shape())?;
        Ok(Self { data })
    }
}

impl<D: ClassDataset> ClassDataset for Rotated<D> {
    fn n_classes(&self) -> usize {
        self.data.n_classes().saturating_mul(4)
    }

    fn n_examples(&self, class: usize) -> usize {
        self.data.n_examples(class / 4)
    }

    fn smallest_class(&self) -> usize {
        self.data.smallest_class() * 4
    }

    fn image_shape(&self) -> [usize; 3] {
        self.data.image_shape()
    }

    fn class_name(&self, class: usize) -> String {
        format!("{}/rot{:03}", self.data.class_name(class / 4), class % 4 * 90)
    }

    fn write_example(&self, class: usize, example: usize, out: &mut [f32]) -> Result<()> {
        self.data.write_example(class / 4, example, out)?;
        rotate(out, self.data.image_shape(), class % 4);
        Ok(())
    }
}

/// Refuses images that a quarter turn would change in shape.
pub(crate) fn check_square([height, width, _]: [usize; 3]) -> Result<()> {
    if height == width { Ok(()) } else { Err(Error::NotSquare { height, width }) }
}

/// Turns a square image `[S, S, C]` in place by `quarter_turns`·90° counter-clockwise.
pub(crate) fn rotate(image: &mut [f32], [size, _, channels]: [usize; 3], quarter_turns: usize) {
    let last = size.wrapping_sub(1);
    let at = |row: usize, col: usize| (row * size + col) * channels;
    let swap = |image: &mut [f32], a: usize, b: usize| (0..channels).for_each(|c| image.swap(a + c, b + c));
    match quarter_turns % 4 {
        0 => {}
        // Half a turn reverses the order of the pixels.
        2 => (0..size * size / 2).for_each(|i| swap(image, i * channels, (size * size - 1 - i) * channels)),
        turns => {
            // A quarter turn is a transposition followed by a mirror: top to bottom for 90°, left to right for 270°.
            for row in 0..size {
                (0..row).for_each(|col| swap(image, at(row, col), at(col, row)));
            }
            for i in 0..size / 2 {
                for j in 0..size {
                    let (a, b) = if turns == 1 { (at(i, j), at(last - i, j)) } else { (at(j, i), at(j, last - i)) };
                    swap(image, a, b);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InMemory;

    /// Against literals: the 2×2 image [1 2; 3 4] turned counter-clockwise is [2 4; 1 3].
    #[test]
    fn quarter_turns_of_a_small_image() {
        let turned = |turns| {
            let mut image = [1.0, 2.0, 3.0, 4.0];
            rotate(&mut image, [2, 2, 1], turns);
            image
        };
        assert_eq!(turned(0), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(turned(1), [2.0, 4.0, 1.0, 3.0]);
        assert_eq!(turned(2), [4.0, 3.0, 2.0, 1.0]);
        assert_eq!(turned(3), [3.0, 1.0, 4.0, 2.0]);
    }

    /// Against the definition out[i, j] = in[j, S − 1 − i], on an odd size with channels; more turns by repetition.
    #[test]
    fn turns_follow_the_index_formula_and_move_channels_together() {
        let (size, channels) = (5, 3);
        let image: Vec<f32> = (0..size * size * channels).map(|v| v as f32).collect();
        let quarter = |image: &[f32]| -> Vec<f32> {
            let indices = (0..size).flat_map(|i| (0..size).flat_map(move |j| (0..channels).map(move |c| (i, j, c))));
            indices.map(|(i, j, c)| image[(j * size + size - 1 - i) * channels + c]).collect()
        };
        let mut expected = image.clone();
        for turns in 0..4 {
            let mut turned = image.clone();
            rotate(&mut turned, [size, size, channels], turns);
            assert_eq!(turned, expected, "{turns} quarter turns");
            expected = quarter(&expected);
        }
    }

    #[test]
    fn rotations_are_classes_of_their_own() -> Result<()> {
        let data = Rotated::new(InMemory::from_bytes(
            [2, 2, 1],
            [("a".into(), vec![0; 4]), ("b".into(), vec![255, 0, 0, 0])],
        )?)?;
        assert_eq!(data.n_classes(), 8);
        assert_eq!((data.class_name(3).as_str(), data.class_name(5).as_str()), ("a/rot270", "b/rot090"));
        let mut out = [0.0; 4];
        data.write_example(5, 0, &mut out)?;
        assert_eq!(out, [0.0, 0.0, 1.0, 0.0]);
        assert!(data.write_example(8, 0, &mut out).is_err());
        Ok(())
    }

    #[test]
    fn oblong_images_are_refused() -> Result<()> {
        let data = InMemory::from_bytes([2, 3, 1], [("a".into(), vec![0; 6])])?;
        assert!(matches!(Rotated::new(data), Err(Error::NotSquare { height: 2, width: 3 })));
        Ok(())
    }
}
