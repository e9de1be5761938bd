//! What a matching network looks at: the support set of an episode as each query sees it.

use anyhow::Result;
use candle_core::Device;
use rekindle_autodiff::Params;
use rekindle_meta::Setting;
use rekindle_meta::metric::{Matching, MetricLearner};
use rekindle_nn::Conv4Body;
use rekindle_tasks::{FewShot, FewShotSampler, TaskSampler, batch_rng};

use super::few_shot::Characters;
use super::training::TEST_SEED;
use crate::{Image, ImageGrid, Mark};

/// Two images of each of five classes, and one query of each.
const SHAPE: FewShot = FewShot { ways: 5, shots: 2, queries: 1, rotate: true };

/// One test episode: a row for each query, the query first, then the support set, each image as bright as the attention that
/// the query pays to it.
pub(super) fn episode(
    learner: &MetricLearner<Conv4Body, Matching>,
    params: &Params,
    data: &Characters,
    device: &Device,
) -> Result<ImageGrid> {
    let tasks = FewShotSampler::new(data.test.clone(), SHAPE)?.sample(&mut batch_rng(TEST_SEED, 0), 1)?;
    let tasks = tasks.to_device(device)?;
    let episode = learner.episode(params, &tasks.support, &tasks.query.x, Setting::Transductive)?;
    let attention = learner.head().attention(&params.below("head")?, &episode)?; // [1, Q, B]
    let attention = attention.value().to_device(&Device::Cpu)?.squeeze(0)?.to_vec2::<f32>()?;
    let classes = [&tasks.query.y, &tasks.support.y].map(|y| y.squeeze(0)?.to_vec1::<u32>());
    let [of_query, of_support] = classes;
    let (of_query, of_support) = (of_query?, of_support?);
    let mut grid = ImageGrid::new("Attention of a matching network").caption(
        "Each row: a query, then the support set, two images of each of five classes. An image is as bright as the attention \
         that it gets, relative to the largest of the row; below it the attention in per cent. Framed in green: the query's class.",
    );
    for (query, weights) in attention.iter().enumerate() {
        let largest = weights.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let image = |x: &candle_core::Tensor, row: usize| x.get(0)?.get(row);
        let mut row = vec![Image::from_tensor(&image(&tasks.query.x, query)?, "query", Mark::Plain)?];
        for (i, &weight) in weights.iter().enumerate() {
            let dimmed = image(&tasks.support.x, i)?.affine(f64::from(weight / largest), 0.0)?;
            let mark = if of_support[i] == of_query[query] { Mark::Right } else { Mark::Plain };
            row.push(Image::from_tensor(&dimmed, format!("{:.0}", 100.0 * weight), mark)?);
        }
        grid = grid.row("", row);
    }
    Ok(grid)
}
