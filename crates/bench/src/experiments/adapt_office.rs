//! Objects from four cameras, by features that are aligned in closed form.

use anyhow::Result;
use rekindle_autodiff::Tensor;
use rekindle_tasks::sets::{self, Domain};
use rekindle_transfer::domain::{Coral, Covariance, standardise};
use rekindle_transfer::zero_shot::{Descriptions, Eszsl, EszslConfig, best_class};

use crate::{Context, Experiment, Published, Table};

pub(super) struct AdaptOffice;

const CLASSES: usize = 10;

/// Added to the covariances, as in the paper.
const CORAL_RIDGE: f64 = 1.0;

/// Of the least squares, on features of unit variance.
const CLASSIFIER_RIDGE: f64 = 1000.0;

impl Experiment for AdaptOffice {
    fn id(&self) -> &'static str {
        "adapt/office"
    }

    fn title(&self) -> &'static str {
        "CORAL on Office-Caltech"
    }

    fn about(&self) -> &'static str {
        "Ten objects in four domains (Amazon, Caltech, DSLR, webcam), 800 visual words of SURF features: each of the 12 pairs of a source \
         with labels and a target without. Each image's counts sum to 1, then each feature has mean 0 and variance 1 in its domain. \
         CORAL gives the source's features the covariance of the target's (Sun, Feng & Saenko 2016); a classifier is trained on \
         them and judged on all images of the target.\n\n\
         - `mean/…`: the nearest neighbour in the source, which has no setting that would have to be chosen.\n\
         - `mean-linear/…`: least squares on the ten classes with a ridge of 1000.\n\n\
         Differs from the paper: all images of the source are used, not 20 (8 of DSLR and webcam) a class in 20 random draws; other \
         classifiers than its support vector machine. No step is random, so there is one figure."
    }

    fn needs_data(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let domains = sets::office_caltech_surf(ctx.data_set("office_caltech10")?)?;
        let bar = ctx.progress("domains and pairs", 16);
        let prepared = domains.iter().map(|domain| {
            let domain = Prepared::of(domain);
            bar.inc(1);
            domain
        });
        let prepared = prepared.collect::<Result<Vec<_>>>()?;
        let mut table =
            Table::new("Accuracy, %", ["source", "target", "none", "CORAL", "none, linear", "CORAL, linear"]);
        let mut sums = [0.0; 4];
        for source in &prepared {
            for target in prepared.iter().filter(|target| target.name != source.name) {
                let recoloured = Coral::between(&source.covariance, &target.covariance)?.apply(&source.x)?;
                let mut found = [0.0; 4];
                for (i, x) in [&source.x, &recoloured].into_iter().enumerate() {
                    found[i] = nearest(x, &source.labels, target)?;
                    found[2 + i] = least_squares(x, &source.labels, target)?;
                }
                sums.iter_mut().zip(found).for_each(|(sum, accuracy)| *sum += accuracy / 12.0);
                let cells = found.map(|accuracy| format!("{accuracy:.1}"));
                table.row([source.name.to_owned(), target.name.to_owned()].into_iter().chain(cells));
                bar.inc(1);
            }
        }
        for (name, mean) in ["mean/none", "mean/coral", "mean-linear/none", "mean-linear/coral"].into_iter().zip(sums) {
            ctx.metric(name, mean, "%")?;
        }
        let source = "Sun, Feng & Saenko 2016, Table 1 (support vector machine)";
        ctx.published("mean-linear/none", Published::new(37.8, source));
        ctx.published("mean-linear/coral", Published::new(46.7, source));
        ctx.table(table)
    }
}

/// A domain with normalised features `[1, B, 800]`.
struct Prepared {
    name: &'static str,
    x: Tensor,
    labels: Vec<u32>,
    covariance: Covariance,
}

impl Prepared {
    fn of(domain: &Domain) -> Result<Self> {
        let counts = Tensor::new(domain.x.clone()).unsqueeze(0)?;
        let sums = counts.sum_keepdim(&[2])?.clamp(1.0, f64::MAX)?;
        let x = standardise(&counts.div(&sums)?)?;
        let covariance = Covariance::of(&x, CORAL_RIDGE)?;
        Ok(Self { name: domain.name, x, labels: domain.y.to_vec1()?, covariance })
    }
}

/// Per cent of the target that is recognised.
fn accuracy(guesses: impl Iterator<Item = usize>, target: &Prepared) -> f64 {
    let right = guesses.zip(&target.labels).filter(|(guess, label)| *guess == **label as usize).count();
    100.0 * right as f64 / target.labels.len() as f64
}

/// Least squares on signs of the classes: ESZSL whose descriptions are the classes themselves.
fn least_squares(x: &Tensor, labels: &[u32], target: &Prepared) -> Result<f64> {
    let one_hot = |class: usize| (0..CLASSES).map(|c| f64::from(u8::from(c == class))).collect();
    let classes = Descriptions::new((0..CLASSES).map(one_hot).collect())?;
    let y = candle_core::Tensor::from_slice(labels, (1, labels.len()), x.device())?;
    let config = EszslConfig { gamma: CLASSIFIER_RIDGE, lambda: 1.0 };
    let scores = Eszsl::fit(x, &y, &classes, config)?.scores(&target.x, &classes)?;
    Ok(accuracy(best_class(&scores, &(0..CLASSES).collect::<Vec<_>>())?.into_iter(), target))
}

/// The label of the nearest source image, by Euclidean distance.
fn nearest(x: &Tensor, labels: &[u32], target: &Prepared) -> Result<f64> {
    // ‖x‖² − 2 x·t orders as the distance does: [1, T, B].
    let cross = target.x.matmul(&x.transpose(1, 2)?.contiguous()?)?.scale(-2.0)?;
    let distances = cross.add(&x.sqr()?.sum(&[2])?.unsqueeze(1)?)?;
    let nearest = distances.value().argmin(2)?.flatten_all()?.to_vec1::<u32>()?;
    Ok(accuracy(nearest.into_iter().map(|i| labels[i as usize] as usize), target))
}
