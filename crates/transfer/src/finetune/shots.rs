//! Few labels in the target domain: k of each class, and how far fine-tuning on them goes.

use std::ops::Range;

use candle_core::{Device, Tensor};
use rand::{RngCore, seq::index};
use rekindle_autodiff::Params;
use rekindle_tasks::{Batch, ClassDataset};

use super::fit::n_outputs;
use crate::{Error, Fit, Result, score};

/// All examples with these numbers of every class, in order: `x [1, B, H, W, C]`, and the classes as labels `y [1, B]`.
///
/// # Errors
/// [`Error::TooFew`] for a class that does not have them; those of the data set.
pub fn examples(data: &dyn ClassDataset, numbers: Range<usize>) -> Result<Batch> {
    check(data, &numbers, numbers.len())?;
    collect(data, 1, |_, _| Ok(numbers.clone().collect()))
}

/// For each of `n_draws` tasks, `shots` examples of every class, drawn without return from those with the given numbers:
/// `x [M, N·K, H, W, C]`, and the classes as labels `y [M, N·K]`. Unlike in an episode, a class has the same label in
/// every draw.
///
/// # Errors
/// [`Error::TooFew`] for a class without so many; those of the data set.
pub fn draw_shots(
    data: &dyn ClassDataset,
    numbers: Range<usize>,
    shots: usize,
    n_draws: usize,
    rng: &mut dyn RngCore,
) -> Result<Batch> {
    check(data, &numbers, shots)?;
    collect(data, n_draws, |_, _| {
        let chosen = index::sample(rng, numbers.len(), shots);
        Ok(chosen.into_iter().map(|i| numbers.start + i).collect())
    })
}

/// The score on `test` (`x [1, B, …]`) after fine-tuning from `params` `[1, …]` on `shots` labels of every class, for each
/// of `n_draws` draws of them, which are fine-tuned at once. With 0 shots it is the score without any fine-tuning: one
/// number.
///
/// # Errors
/// [`Error::Classes`] if the model has not one output for each class of the target; those of [`draw_shots`] and
/// [`Fit::train`].
pub fn k_shot(
    fit: &Fit<'_>,
    params: &Params,
    (target, numbers): (&dyn ClassDataset, Range<usize>),
    test: &Batch,
    shots: usize,
    n_draws: usize,
    rng: &mut dyn RngCore,
) -> Result<Vec<f64>> {
    if test.n_examples()? == 0 {
        return Err(Error::Empty { what: "test set" });
    }
    let (outputs, classes) = (n_outputs(fit.model, params, &test.x)?, target.n_classes());
    if outputs != classes {
        return Err(Error::Classes { outputs, classes });
    }
    if shots == 0 {
        return score(fit.model, params, test, fit.config.loss);
    }
    let tuned = fit.train(params, &draw_shots(target, numbers, shots, n_draws, rng)?)?;
    score(fit.model, &tuned, test, fit.config.loss)
}

fn check(data: &dyn ClassDataset, numbers: &Range<usize>, shots: usize) -> Result<()> {
    if data.n_classes() == 0 {
        return Err(Error::Empty { what: "target set" });
    }
    let class = data.smallest_class();
    let available = numbers.end.min(data.n_examples(class)).saturating_sub(numbers.start);
    if available < shots || numbers.end > data.n_examples(class) {
        return Err(Error::TooFew { class: data.class_name(class), available, shots });
    }
    Ok(())
}

/// `x [M, B, H, W, C]` and `y [M, B]` of the examples that `choose(task, class)` names, class after class.
fn collect(
    data: &dyn ClassDataset,
    n_tasks: usize,
    mut choose: impl FnMut(usize, usize) -> Result<Vec<usize>>,
) -> Result<Batch> {
    let [h, w, c] = data.image_shape();
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let mut image = vec![0f32; h * w * c];
    for task in 0..n_tasks {
        for class in 0..data.n_classes() {
            for example in choose(task, class)? {
                data.write_example(class, example, &mut image)?;
                pixels.extend_from_slice(&image);
                labels.push(u32::try_from(class).expect("there are fewer than 2³² classes"));
            }
        }
    }
    let b = labels.len() / n_tasks.max(1);
    let x = Tensor::from_vec(pixels, (n_tasks, b, h, w, c), &Device::Cpu)?;
    Ok(Batch { x, y: Tensor::from_vec(labels, (n_tasks, b), &Device::Cpu)? })
}
