//! Flowers that are known by a text alone.

use anyhow::Result;
use candle_core::{DType, Device, Tensor as Value};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Params, Tensor};
use rekindle_nn::{Conv4Body, Conv4Config, Downsampling, Init, Mlp, MlpConfig, Model, Sequential};
use rekindle_optim::{AdamW, Schedule};
use rekindle_tasks::sets::{self, Flowers};
use rekindle_tasks::{Batch, ClassDataset, LabelledImages};
use rekindle_transfer::zero_shot::{
    DescriptionPrototypes, Descriptions, Eszsl, EszslConfig, best_class, per_class_accuracy,
};

use super::descent::descend;
use crate::{Context, Experiment, Image, ImageGrid, Mark};

pub(super) struct ZslFlowers;

/// Levels of a colour channel in the histogram.
const LEVELS: usize = 8;
const BINS: usize = LEVELS * LEVELS * LEVELS;

/// Seen classes that the baseline's settings are chosen on, and what they are chosen from.
const HELD_OUT: usize = 20;
const SETTINGS: [f64; 3] = [0.1, 1.0, 10.0];

/// Channels of the net, and its features.
const CHANNELS: usize = 32;
const FEATURES: usize = 64;

const BATCH: usize = 64;

/// Images of the report.
const SHOWN: usize = 12;

impl Experiment for ZslFlowers {
    fn id(&self) -> &'static str {
        "zsl/flowers"
    }

    fn title(&self) -> &'static str {
        "Zero-shot recognition of flowers by a text"
    }

    fn about(&self) -> &'static str {
        "The 102 flowers of Oxford, each described by the embedding of a text (Reed et al. 2016). Images of 82 classes are seen in \
         training; the images of 20 others are told apart by their texts alone (chance: 5 %). Figures are means over classes.\n\n\
         - `unseen/accuracy`: a prototypical network whose prototypes are embedded texts (Snell et al. 2017, section 2.7), with a net of \
         four convolutional blocks that begins from nothing.\n\
         - `histogram/accuracy`: ESZSL (Romera-Paredes & Torr 2015) on the root of a histogram of 512 colours, centred about the mean \
         of the training images, since a form without a constant would else explain what all histograms share; \
         its two settings are chosen on 20 seen classes held out.\n\n\
         Embeddings are centred about the mean of the seen classes, and of unit length. The quick run sees 20 images of 32×32 of each \
         class, the others all 8,189 of 64×64. Published figures use features of a net that was trained on ImageNet, with which \
         these do not compare."
    }

    fn needs_data(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let folder = ctx.data_set("vgg_flower")?;
        let flowers = sets::flowers(&folder)?;
        let images = match ctx.mode().of([None, Some(()), Some(())]) {
            None => flowers.images.clone(),
            Some(()) => Flowers::images64(&folder)?,
        };
        let world = World::new(&flowers, &images)?;
        ctx.metric("histogram/accuracy", world.histogram()?, "%")?;
        for seed in ctx.seeds() {
            run(ctx, &world, seed)?;
        }
        Ok(())
    }
}

/// Images with their classes, and texts: seen classes are numbered first, then the unseen ones.
struct World<'a> {
    images: &'a LabelledImages,
    /// Class numbers of the data set in our order.
    order: Vec<usize>,
    n_seen: usize,
    texts: Descriptions,
}

impl<'a> World<'a> {
    fn new(flowers: &Flowers, images: &'a LabelledImages) -> Result<Self> {
        let order = [flowers.seen.as_slice(), &flowers.unseen].concat();
        let rows: Vec<Vec<f64>> = flowers.embeddings.to_dtype(DType::F64)?.to_vec2()?;
        let n_seen = flowers.seen.len();
        let texts = Descriptions::new(order.iter().map(|&class| rows[class].clone()).collect())?;
        let texts = texts.centred(&texts.select(&(0..n_seen).collect::<Vec<_>>())?)?.normalised();
        Ok(Self { images, order, n_seen, texts })
    }

    fn seen(&self) -> Result<Descriptions> {
        Ok(self.texts.select(&(0..self.n_seen).collect::<Vec<_>>())?)
    }

    /// Images and classes, in our numbers, of a range of classes.
    fn members(&self, classes: std::ops::Range<usize>) -> Vec<(usize, usize)> {
        let of = |class: usize| self.images.members(self.order[class]).iter().map(move |&image| (image, class));
        classes.flat_map(of).collect()
    }

    /// `x [1, B, H, W, 3]` from −0.5 to 0.5, `y [1, B]` in our numbers.
    fn batch(&self, ctx: &Context, members: &[(usize, usize)]) -> Result<(Tensor, Value)> {
        let Batch { x, .. } = self.images.batch(&members.iter().map(|&(image, _)| image).collect::<Vec<_>>())?;
        let y: Vec<u32> = members.iter().map(|&(_, class)| class as u32).collect();
        let y = Value::from_vec(y, (1, members.len()), ctx.device())?;
        Ok((Tensor::new((x - 0.5)?.to_device(ctx.device())?), y))
    }

    /// Per cent of the unseen classes, from scores of all their images in order.
    fn judge(&self, scores: &[Tensor]) -> Result<(f64, Vec<usize>)> {
        let unseen: Vec<usize> = (self.n_seen..self.order.len()).collect();
        let guesses = scores.iter().map(|scores| best_class(scores, &unseen)).collect::<Result<Vec<_>, _>>()?.concat();
        let labels: Vec<usize> = self.members(self.n_seen..self.order.len()).iter().map(|&(_, class)| class).collect();
        Ok((100.0 * per_class_accuracy(&guesses, &labels)?, guesses))
    }

    /// The baseline: a bilinear form between colours and texts, its two settings chosen on seen classes held out.
    fn histogram(&self) -> Result<f64> {
        let kept = self.n_seen - HELD_OUT;
        let (train, validation) = (self.colours(0..kept)?, self.colours(kept..self.n_seen)?);
        let mut best = (f64::NEG_INFINITY, EszslConfig::default());
        for (gamma, lambda) in SETTINGS.into_iter().flat_map(|gamma| SETTINGS.map(|lambda| (gamma, lambda))) {
            let config = EszslConfig { gamma, lambda };
            let accuracy = self.told_by_colours(&train, &validation, (kept, config))?;
            if accuracy > best.0 {
                best = (accuracy, config);
            }
        }
        let (train, test) = (self.colours(0..self.n_seen)?, self.colours(self.n_seen..self.order.len())?);
        self.told_by_colours(&train, &test, (self.n_seen, best.1))
    }

    /// Per cent of the classes of `test`, told among themselves by a form that was fitted on the first `n_train` classes.
    fn told_by_colours(&self, train: &Colours, test: &Colours, (n_train, config): (usize, EszslConfig)) -> Result<f64> {
        let y: Vec<u32> = train.classes.iter().map(|&class| class as u32).collect();
        let y = Value::from_vec(y, (1, train.classes.len()), &Device::Cpu)?;
        let seen = self.texts.select(&(0..n_train).collect::<Vec<_>>())?;
        let mean = train.x.mean_keepdim(&[1])?; // [1, 1, 512]
        let scores = Eszsl::fit(&train.x.sub(&mean)?, &y, &seen, config)?.scores(&test.x.sub(&mean)?, &self.texts)?;
        let mut candidates = test.classes.clone();
        candidates.dedup();
        Ok(100.0 * per_class_accuracy(&best_class(&scores, &candidates)?, &test.classes)?)
    }

    /// Histograms of all images of a range of classes.
    fn colours(&self, classes: std::ops::Range<usize>) -> Result<Colours> {
        let (images, classes): (Vec<usize>, Vec<usize>) = self.members(classes).into_iter().unzip();
        let mut x = Vec::with_capacity(images.len() * BINS);
        for chunk in images.chunks(256) {
            for pixels in self.images.batch(chunk)?.x.get(0)?.flatten_from(1)?.to_vec2::<f32>()? {
                x.extend(histogram(&pixels));
            }
        }
        Ok(Colours { x: Tensor::from_vec(x, (1, images.len(), BINS))?, classes })
    }
}

/// Histograms `[1, B, 512]` and the class of each.
struct Colours {
    x: Tensor,
    classes: Vec<usize>,
}

/// The roots of the shares of 512 colours: of unit length.
fn histogram(pixels: &[f32]) -> Vec<f64> {
    let mut counts = vec![0.0; BINS];
    for rgb in pixels.chunks_exact(3) {
        let level = |v: f32| ((v * LEVELS as f32) as usize).min(LEVELS - 1);
        counts[(level(rgb[0]) * LEVELS + level(rgb[1])) * LEVELS + level(rgb[2])] += 1.0;
    }
    let n = (pixels.len() / 3).max(1) as f64;
    counts.into_iter().map(|count: f64| (count / n).sqrt()).collect()
}

fn mlp(sizes: &[usize]) -> Result<Mlp> {
    Ok(Mlp::new(&MlpConfig { sizes: sizes.to_vec(), weight: Init::HeNormal, ..MlpConfig::default() })?)
}

fn net(side: usize, attributes: usize) -> Result<DescriptionPrototypes> {
    let config = Conv4Config {
        downsampling: Downsampling::MaxPool,
        image: (side, side),
        in_channels: 3,
        channels: CHANNELS,
        norm_eps: None,
        conv: Init::HeNormal,
        ..Conv4Config::omniglot()
    };
    let head = mlp(&[config.features(), FEATURES])?;
    let parts: [(String, Box<dyn Model>); 2] =
        [("body".to_owned(), Box::new(Conv4Body::new(config)?)), ("head".to_owned(), Box::new(head))];
    Ok(DescriptionPrototypes::new(Box::new(Sequential::new(parts)?), Box::new(mlp(&[attributes, FEATURES])?)))
}

fn run(ctx: &mut Context, world: &World<'_>, seed: u64) -> Result<()> {
    let net = net(world.images.image_shape()[0], world.texts.n_attributes())?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let initial = net.init(&mut rng, DType::F32, ctx.device())?;
    let steps = ctx.mode().of([300, 1_500, 10_000]);
    let optimiser = AdamW::new(Schedule::cosine(2e-3, steps), 1e-2);
    let (seen, mut members) = (world.seen()?, world.members(0..world.n_seen));
    let name = format!("prototypes-{steps}-seed{seed}");
    let params: Params = descend(ctx, &name, &initial, (&optimiser, steps), &mut |params, _| {
        let (picked, _) = members.partial_shuffle(&mut rng, BATCH);
        let (x, y) = world.batch(ctx, picked)?;
        // A flower in a mirror is the same flower.
        let x = if rng.random::<bool>() { x.flip(3)? } else { x };
        Ok(net.loss(params, &x, &y, &seen)?)
    })?;
    let test = world.members(world.n_seen..world.order.len());
    let scores = |chunk: &[(usize, usize)]| Ok(net.scores(&params, &world.batch(ctx, chunk)?.0, &world.texts)?);
    let (accuracy, guesses) = world.judge(&test.chunks(128).map(scores).collect::<Result<Vec<_>>>()?)?;
    ctx.seed_metric(seed, "unseen/accuracy", accuracy, "%")?;
    if seed == 0 {
        let mut shown: Vec<usize> = (0..test.len()).collect();
        shown.shuffle(&mut rng);
        let images = shown[..SHOWN].iter().map(|&i| {
            let (image, class) = test[i];
            let name = |class: usize| world.images.class_name(world.order[class]);
            let right = guesses[i] == class;
            let caption = if right { name(class) } else { format!("{}, not {}", name(guesses[i]), name(class)) };
            let x = world.images.batch(&[image])?.x.get(0)?.get(0)?;
            Image::from_tensor(&x, caption, if right { Mark::Right } else { Mark::Wrong })
        });
        ctx.images(ImageGrid::new("Flowers never seen").row("", images.collect::<Result<_>>()?));
    }
    Ok(())
}
