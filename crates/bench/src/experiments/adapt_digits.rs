//! Digits whose labels are known in one style only.

use anyhow::Result;
use candle_core::{DType, Tensor as Value};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Params, Tensor};
use rekindle_nn::{Init, Mlp, MlpConfig};
use rekindle_optim::Momentum;
use rekindle_rl::instances::for_each;
use rekindle_tasks::sets::{self, TrainTest};
use rekindle_tasks::{Batch, LabelledImages};
use rekindle_transfer::domain::{AdaptConfig, Alignment, DomainNet, adapt, annealed_rate, principal_components};

use super::descent::finished;
use super::lenet::LeNet;
use crate::{Context, Estimate, Experiment, Image, ImageGrid, Mark, Plot, Published};

pub(super) struct AdaptDigits;

/// Height and width of all images.
const SIDE: usize = 28;

/// Units of the hidden layers of both heads.
const UNITS: usize = 100;

/// The first rate.
const RATE: f64 = 0.01;

/// Points of each domain in the plots.
const POINTS: usize = 250;

/// Images of a domain in the report.
const SHOWN: usize = 10;

impl Experiment for AdaptDigits {
    fn id(&self) -> &'static str {
        "adapt/digits"
    }

    fn title(&self) -> &'static str {
        "Domain adaptation of digits"
    }

    fn about(&self) -> &'static str {
        "Digits of MNIST have labels; those of the target domain have none. A classifier is trained on the source alone, then with a \
         gradient that is reversed behind a classifier of domains (DANN; Ganin et al. 2016, section 5.2), and, as a bound, on the \
         target's own labels. The figure is the accuracy on test images of the target.\n\n\
         - `mnist-mnistm`: MNIST-M, the same digits blended with photographs.\n\
         - `mnist-usps`: USPS, digits of envelopes, 16×16 enlarged to 28×28.\n\n\
         Net as in the paper, Figure 4a: 5×5 convolutions of 32 and 48 channels with ReLU and pooling; a head 100–100–10 and a domain \
         classifier 100–1 on the same features. Batches of 128, half from each domain, the paper's momentum, rate and growth of λ. \
         The adapted net normalises its convolutions with each domain's own statistics (Li et al. 2018), in the test those of 250 \
         images; `source-only-normalised` is the same net without the reversed gradient.\n\n\
         Differs from the paper: that normalisation (63.0 % on MNIST-M without it, 66.3 % with it); 10,000 images of MNIST and 3,000 \
         of MNIST-M instead of 60,000 and 59,001; the domain classifier's loss is half of the paper's, a mean of both domains and \
         not their sum (twice as much gives 66.1 %); 300 steps in the quick run, 8,000 in a standard one, 30,000 with `--full`: the \
         paper tells no number."
    }

    fn needs_data(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let source = sets::mnist(ctx.data_set("mnist")?)?.map(|part| Ok(part.color()))?;
        let usps = sets::usps(ctx.data_set("usps")?)?.map(|part| Ok(part.resized(SIDE, SIDE)?.color()))?;
        let mnist_m = sets::mnist_m(ctx.data_set("mnist_m")?)?.map(|part| part.resized(SIDE, SIDE))?;
        pair(ctx, "mnist-mnistm", &source, &mnist_m)?;
        let ganin = "Ganin et al. 2016, Table 2";
        for (name, accuracy) in [("source-only", 52.25), ("adapted", 76.66), ("target-trained", 95.96)] {
            ctx.published(&format!("mnist-mnistm/{name}"), Published::new(accuracy, ganin));
        }
        pair(ctx, "mnist-usps", &source, &usps)
    }
}

/// One target domain: three trainings, their accuracies, pictures and components.
fn pair(ctx: &mut Context, name: &str, source: &TrainTest, target: &TrainTest) -> Result<()> {
    ctx.section(name, |ctx| {
        ctx.images(pictures(source, target)?);
        for seed in ctx.seeds() {
            let domains = Domains { source: some(&source.train, 10_000)?, target: some(&target.train, 10_000)? };
            let test = some(&target.test, 2_000)?;
            let adversary = Alignment::Adversarial(mlp(&[features()?, UNITS, 1])?);
            let trainings = [
                ("source-only", net(false, Alignment::None)?, &domains.source),
                ("source-only-normalised", net(true, Alignment::None)?, &domains.source),
                ("adapted", net(true, adversary)?, &domains.source),
                ("target-trained", net(false, Alignment::None)?, &domains.target),
            ];
            let shared = &*ctx;
            let train = |i: usize| {
                let (training, net, labelled) = &trainings[i];
                let run = format!("{name}-{training}-{}-seed{seed}", steps(shared));
                trained(shared, &run, net, (labelled, &domains.target.x), seed)
            };
            let ends = for_each(trainings.len(), shared.threads(), train)?;
            for ((training, net, _), params) in trainings.iter().zip(&ends) {
                ctx.seed_metric(seed, &format!("{name}/{training}"), accuracy(net, params, &test)?, "%")?;
                if seed == 0 && *training != "target-trained" {
                    let plot = components(net, params, &domains, training)?;
                    ctx.plot(plot)?;
                }
            }
        }
        Ok(())
    })
}

/// Images of both domains, centred about 0: `[1, B, 28, 28, 3]`.
struct Domains {
    source: Batch,
    target: Batch,
}

fn encoder(normalised: bool) -> Result<LeNet> {
    Ok(LeNet::new(SIDE, 3, &[32, 48], normalised)?)
}

fn features() -> Result<usize> {
    Ok(encoder(false)?.features())
}

fn mlp(sizes: &[usize]) -> Result<Box<Mlp>> {
    Ok(Box::new(Mlp::new(&MlpConfig { sizes: sizes.to_vec(), weight: Init::HeNormal, ..MlpConfig::default() })?))
}

fn net(normalised: bool, alignment: Alignment) -> Result<DomainNet> {
    let head = mlp(&[features()?, UNITS, UNITS, 10])?;
    Ok(DomainNet::new(Box::new(encoder(normalised)?), head, alignment)?)
}

fn steps(ctx: &Context) -> u64 {
    ctx.mode().of([300, 8_000, 30_000])
}

fn trained(
    ctx: &Context,
    name: &str,
    net: &DomainNet,
    (labelled, target): (&Batch, &Value),
    seed: u64,
) -> Result<Params> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let initial = net.init(&mut rng, DType::F32, ctx.device())?;
    let config = AdaptConfig { steps: steps(ctx), ..AdaptConfig::default() };
    finished(ctx, name, &initial, || {
        let optimiser = Momentum::new(annealed_rate(RATE, config.steps));
        let bar = ctx.progress(name, config.steps);
        let labelled = labelled.to_device(ctx.device())?;
        let target = target.to_device(ctx.device())?;
        let params = adapt(net, &initial, (&labelled, &target), &optimiser, &config, &mut rng, &mut |at| {
            bar.message(format!("labels {:.3}, domains {:.3}", at.label, at.alignment));
            bar.inc(1);
            Ok(true)
        })?;
        Ok(params)
    })
}

/// At most `n` images, evenly spaced, with pixels from −0.5 to 0.5.
fn some(images: &LabelledImages, n: usize) -> Result<Batch> {
    let all = images.n_images();
    let n = n.min(all);
    let Batch { x, y } = images.batch(&(0..n).map(|i| i * all / n).collect::<Vec<_>>())?;
    Ok(Batch { x: (x - 0.5)?, y })
}

/// Per cent, with the binomial 95 % interval.
fn accuracy(net: &DomainNet, params: &Params, test: &Batch) -> Result<Estimate> {
    let device = params.leaves()[0].device();
    let n = test.n_examples()?;
    let mut right = 0.0;
    for start in (0..n).step_by(250) {
        let len = 250.min(n - start);
        let x = Tensor::new(test.x.narrow(1, start, len)?.to_device(device)?);
        let guesses = net.predict(&params.detach(), &x)?.into_value().argmax(2)?.to_device(test.y.device())?;
        right += guesses.eq(&test.y.narrow(1, start, len)?)?.to_dtype(DType::F64)?.sum_all()?.to_scalar::<f64>()?;
    }
    let share = right / n as f64;
    Ok(Estimate::new(100.0 * share, 196.0 * (share * (1.0 - share) / n as f64).sqrt()))
}

/// Features of both domains in the plane of their first two principal components.
fn components(net: &DomainNet, params: &Params, domains: &Domains, training: &str) -> Result<Plot> {
    let first = |x: &Value| -> Result<Value> { Ok(x.narrow(1, 0, POINTS)?.to_device(params.leaves()[0].device())?) };
    let x = Value::cat(&[first(&domains.source.x)?, first(&domains.target.x)?], 1)?;
    let plane = principal_components(&net.features(params, &Tensor::new(x))?, 2)?.to_vec_f64()?;
    let points: Vec<(f64, f64)> = plane.chunks_exact(2).map(|at| (at[0], at[1])).collect();
    let (source, target) = points.split_at(POINTS);
    Ok(Plot::new(format!("Features, {training}"), "first component", "second component")
        .scatter("source", source.iter().copied())
        .scatter("target", target.iter().copied()))
}

/// A few images of each domain.
fn pictures(source: &TrainTest, target: &TrainTest) -> Result<ImageGrid> {
    let row = |images: &LabelledImages| -> Result<Vec<Image>> {
        let Batch { x, y } = images.batch(&(0..SHOWN).collect::<Vec<_>>())?;
        let (x, labels) = (x.get(0)?, y.get(0)?.to_vec1::<u32>()?);
        let image = |(i, label): (usize, u32)| Image::from_tensor(&x.get(i)?, label.to_string(), Mark::Plain);
        labels.into_iter().enumerate().map(image).collect()
    };
    let (from, to) = (row(&source.train)?, row(&target.train)?);
    Ok(ImageGrid::new("The domains").row("source", from).row("target", to))
}
