//! Data sets for Meta-Dataset's episodes: all images at 28×28 in three channels, with the classes to learn from and those to
//! be judged on.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use rand::RngCore;
use rekindle_tasks::{
    ClassBatches, ClassDataset, ClassPool, DatasetSpec, LabelledImages, MetaDataset, MetaDatasetSampler, Omniglot,
    SpecSplit, Splits, Subset, TaskBatch, TaskSampler, sets,
};

use crate::{Context, Skip};

/// Height and width of all images.
const SIDE: usize = 28;

/// A data set and its class split.
pub(super) struct Source {
    /// Name in metrics.
    pub(super) name: &'static str,
    images: Arc<LabelledImages>,
    /// Classes to learn from; `None` where all are for the test.
    train: Option<ClassPool>,
    test: ClassPool,
}

impl Source {
    /// Whether there are classes to learn from.
    pub(super) fn trains(&self) -> bool {
        self.train.is_some()
    }

    /// Episodes of the classes to learn from, or of the test.
    pub(super) fn episodes(&self, train: bool, rule: &MetaDataset) -> Result<Arc<dyn TaskSampler>> {
        let pool = if train { self.train.as_ref().unwrap_or(&self.test) } else { &self.test };
        Ok(Arc::new(MetaDatasetSampler::new(self.images.clone(), pool, rule.clone())?))
    }

    /// Batches of all classes to learn from, numbered from `first`; and how many these are.
    pub(super) fn batches(&self, size: usize, first: usize) -> Result<(Arc<dyn TaskSampler>, usize)> {
        let classes = self.train.as_ref().map(ClassPool::classes).unwrap_or_default();
        let n = classes.len();
        let sampler = ClassBatches::new(Subset::new(self.images.clone(), classes)?, size)?;
        Ok((Arc::new(Numbered { sampler, first: u32::try_from(first)? }), n))
    }

    /// Classes to learn from, classes of the test, and images.
    pub(super) fn sizes(&self) -> [usize; 3] {
        let train = self.train.as_ref().map_or(0, |pool| pool.classes().len());
        [train, self.test.classes().len(), self.images.n_images()]
    }
}

/// A sampler whose classes are counted from `first`.
struct Numbered<S> {
    sampler: S,
    first: u32,
}

impl<S: TaskSampler> TaskSampler for Numbered<S> {
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> rekindle_tasks::Result<TaskBatch> {
        let mut tasks = self.sampler.sample(rng, n_tasks)?;
        for batch in [&mut tasks.support, &mut tasks.query] {
            let shift = candle_core::Tensor::full(self.first, batch.y.shape(), batch.y.device())?;
            batch.y = batch.y.add(&shift)?;
        }
        Ok(tasks)
    }
}

/// Name, folder, and how it is read.
type Reader = (&'static str, &'static str, fn(&Context, &Path) -> Result<Source>);

const READERS: [Reader; 6] = [
    ("omniglot", "omniglot", omniglot),
    ("quickdraw", "quickdraw", |_, folder| {
        let (images, splits) = sets::quickdraw(folder)?;
        split("quickdraw", &images, splits)
    }),
    ("flowers", "vgg_flower", |_, folder| {
        let splits = sets::flowers(folder)?.splits;
        split("flowers", &sets::Flowers::images64(folder)?, splits)
    }),
    ("cifar100", "cifar100", |_, folder| {
        let cifar = sets::cifar100(folder)?;
        split("cifar100", &cifar.images.merged()?, cifar.cifar_fs)
    }),
    ("gtsrb", "gtsrb", |_, folder| held_out("gtsrb", &sets::gtsrb(folder)?)),
    ("fashion", "fashion_mnist", |_, folder| held_out("fashion", &sets::fashion_mnist(folder)?)),
];

/// The data sets that are there; the report says which are not.
///
/// # Errors
/// A [`Skip`] where none is there that has classes to learn from.
pub(super) fn sources(ctx: &mut Context) -> Result<Vec<Source>> {
    ctx.data_dir()?;
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    let progress = ctx.progress("data sets", READERS.len() as u64);
    for (name, folder, read) in READERS {
        match ctx.data_set(folder).and_then(|folder| read(ctx, &folder)) {
            Ok(source) => found.push(source),
            Err(error) if error.is::<Skip>() => missing.push(name),
            Err(error) => return Err(error),
        }
        progress.inc(1);
    }
    if !missing.is_empty() {
        ctx.note(format!("Not found, and left out: {}.", missing.join(", ")));
    }
    ensure!(found.iter().any(Source::trains), Skip("no data set with classes to learn from".to_owned()));
    Ok(found)
}

/// Omniglot with Meta-Dataset's split: an episode's characters are of one alphabet.
fn omniglot(ctx: &Context, folder: &Path) -> Result<Source> {
    let spec = ctx.data_set("meta_dataset")?.join("dataset_specs/omniglot_dataset_spec.json");
    let (drawings, spec) = (Omniglot::open(folder)?, DatasetSpec::read(spec)?);
    let images = labelled(&drawings)?;
    let pool = |part| spec.pool_of(part, &images);
    let (train, test) = (Some(pool(SpecSplit::Train)?), pool(SpecSplit::Test)?);
    Ok(Source { name: "omniglot", images: common(&images)?, train, test })
}

fn split(name: &'static str, images: &LabelledImages, splits: Splits) -> Result<Source> {
    let (train, test) = (Some(ClassPool::Any(splits.train)), ClassPool::Any(splits.test));
    Ok(Source { name, images: common(images)?, train, test })
}

fn held_out(name: &'static str, images: &LabelledImages) -> Result<Source> {
    let images = common(images)?;
    Ok(Source { name, train: None, test: ClassPool::all(&images), images })
}

fn common(images: &LabelledImages) -> Result<Arc<LabelledImages>> {
    let images = if images.image_shape()[0] == SIDE { images.clone() } else { images.resized(SIDE, SIDE)? };
    Ok(Arc::new(images.color()))
}

/// Any data set as bytes.
fn labelled(data: &dyn ClassDataset) -> Result<LabelledImages> {
    let shape = data.image_shape();
    let mut image = vec![0f32; shape.iter().product()];
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for class in 0..data.n_classes() {
        for example in 0..data.n_examples(class) {
            data.write_example(class, example, &mut image)?;
            pixels.extend(image.iter().map(|v| (v * 255.0).round() as u8));
            labels.push(u32::try_from(class)?);
        }
    }
    Ok(LabelledImages::new(shape, pixels, labels)?.with_names((0..data.n_classes()).map(|c| data.class_name(c)))?)
}

#[cfg(test)]
mod tests {
    use rekindle_tasks::batch_rng;

    use super::*;

    /// Drawings become coloured bytes of the common size; classes of a batch are counted from the given number.
    #[test]
    fn batches_of_a_source_are_numbered_from_where_they_should() -> Result<()> {
        let glyphs = rekindle_tasks::Glyphs { n_classes: 9, n_examples: 4, size: 20, ..Default::default() };
        let splits = Splits { train: vec![5, 7, 2], val: vec![], test: vec![0, 1, 3, 4, 6] };
        let source = split("glyphs", &labelled(&glyphs)?, splits)?;
        assert_eq!(source.sizes(), [3, 5, 36]);
        let (sampler, n) = source.batches(40, 10)?;
        let tasks = sampler.sample(&mut batch_rng(0, 0), 1)?;
        assert_eq!(tasks.query.x.dims(), [1, 40, SIDE, SIDE, 3]);
        let labels = tasks.support.y.to_vec2::<u32>()?.concat();
        assert_eq!((n, labels.iter().min(), labels.iter().max()), (3, Some(&10), Some(&12)));
        Ok(())
    }
}
