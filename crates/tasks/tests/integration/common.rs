//! What the tests share.

use std::path::PathBuf;

use candle_core::Tensor;
use rekindle_tasks::{ClassDataset, FewShot, FewShotSampler, TaskSampler, batch_rng};

pub(crate) type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Where the real data sets are, if they are anywhere.
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
pub(crate) fn real_data(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("REKINDLE_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: {test} needs REKINDLE_DATA");
    }
    folder
}

pub(crate) fn image(data: &dyn ClassDataset, class: usize, example: usize) -> Vec<f32> {
    let mut out = vec![0.0; data.image_shape().iter().product()];
    data.write_example(class, example, &mut out).expect("the class and the example exist");
    out
}

/// Share of queries whose nearest support image, by the cosine of the pixels, is of their class; `n_tasks` 1-shot
/// episodes.
pub(crate) fn nearest_neighbour_accuracy<D: ClassDataset>(data: D, ways: usize, n_tasks: usize) -> Result<f64> {
    let sampler = FewShotSampler::new(data, FewShot { ways, ..FewShot::default() })?;
    let tasks = sampler.sample(&mut batch_rng(0, 0), n_tasks)?;
    let unit = |x: &Tensor| -> candle_core::Result<Tensor> {
        let x = x.flatten_from(2)?; // [M, N, H·W·C]
        x.broadcast_div(&x.sqr()?.sum_keepdim(2)?.sqrt()?)
    };
    let cosines = unit(&tasks.query.x)?.matmul(&unit(&tasks.support.x)?.transpose(1, 2)?.contiguous()?)?; // [M, N, N]
    let right = cosines.argmax(2)?.eq(&tasks.query.y)?;
    Ok(right.to_dtype(candle_core::DType::F64)?.mean_all()?.to_scalar()?)
}
