//! How zero-shot learning is judged: every class counts as much as any other.
//!
//! ```text
//! accuracy = mean over classes of the share of its examples that are recognised      H = 2 s u / (s + u)
//! ```
//! Xian, Lampert, Schiele & Akata, *Zero-Shot Learning: A Comprehensive Evaluation of the Good, the Bad and the Ugly*,
//! TPAMI 2019, eqs. 23 and 24. In the generalised setting examples of seen and of unseen classes are both told among all
//! classes.

use rekindle_autodiff::Tensor;

use crate::{Error, Result};

/// Accuracies in the generalised setting, in `[0, 1]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Generalised {
    /// Of examples of seen classes, among all classes.
    pub seen: f64,
    /// Of examples of unseen classes, among all classes.
    pub unseen: f64,
}

impl Generalised {
    /// The harmonic mean: high only where both are. 0 where both are 0.
    #[must_use]
    pub fn harmonic(&self) -> f64 {
        let sum = self.seen + self.unseen;
        if sum > 0.0 { 2.0 * self.seen * self.unseen / sum } else { 0.0 }
    }
}

/// The class with the largest score among `candidates`, the first of equals, for each example of `[M, B, N]`, row-major.
///
/// # Errors
/// [`Error::Undescribed`] for a candidate without a column, or without candidates; [`Error::Shape`] for another rank.
pub fn best_class(scores: &Tensor, candidates: &[usize]) -> Result<Vec<usize>> {
    let &[_, _, n] = scores.dims() else { return Err(Error::shape("the scores", scores.dims(), "[M, B, N]")) };
    if let Some(&class) = candidates.iter().find(|&&class| class >= n) {
        return Err(Error::Undescribed { class, described: n });
    }
    let Some(&first) = candidates.first() else { return Err(Error::Undescribed { class: 0, described: 0 }) };
    let best =
        |row: &[f64]| candidates.iter().fold(first, |best, &class| if row[class] > row[best] { class } else { best });
    Ok(scores.to_vec_f64()?.chunks(n).map(best).collect())
}

/// The mean over the classes that occur in `labels` of the share of their examples that were recognised, in `[0, 1]`.
///
/// ```
/// use rekindle_transfer::zero_shot::per_class_accuracy;
/// // Class 0 is recognised in three of four examples, class 1 in its only one.
/// assert_eq!(per_class_accuracy(&[0, 0, 0, 1, 1], &[0, 0, 0, 0, 1])?, 0.875);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] if there are more or fewer predictions than labels, or no labels.
pub fn per_class_accuracy(predictions: &[usize], labels: &[usize]) -> Result<f64> {
    if predictions.len() != labels.len() || labels.is_empty() {
        return Err(Error::shape("the predictions", &[predictions.len()], format!("[{}], one a label", labels.len())));
    }
    let n = labels.iter().max().map_or(0, |&class| class + 1);
    let (mut right, mut all) = (vec![0.0; n], vec![0.0; n]);
    for (predicted, &label) in predictions.iter().zip(labels) {
        all[label] += 1.0;
        right[label] += f64::from(*predicted == label);
    }
    let shares: Vec<f64> = right.iter().zip(&all).filter(|(_, all)| **all > 0.0).map(|(r, n)| r / n).collect();
    Ok(shares.iter().sum::<f64>() / shares.len() as f64)
}
