//! Letters that are known by their attributes alone.

use anyhow::Result;
use candle_core::{DType, Tensor as Value};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Params, Tensor};
use rekindle_nn::{Conv4Body, Conv4Config, Downsampling, Init, Mlp, MlpConfig, Model, Sequential};
use rekindle_optim::{Adam, Schedule};
use rekindle_tasks::{AttributeGlyphs, Batch, ClassDataset, Glyphs};
use rekindle_transfer::zero_shot::{
    Compatibility, Dap, DescriptionPrototypes, Descriptions, Eszsl, EszslConfig, Generalised, RankingLoss, best_class,
    per_class_accuracy,
};

use super::descent::descend;
use crate::{Context, Experiment, Image, ImageGrid, Mark, Table};

pub(super) struct ZslGlyphs;

const SIDE: usize = 20;
const ATTRIBUTES: usize = AttributeGlyphs::ATTRIBUTES.len();

/// Classes of the training, and those of the test.
const SEEN: usize = 200;
const UNSEEN: usize = 50;

/// Drawings of a class for the training; the test draws others.
const DRAWINGS: usize = 40;
const TEST_DRAWINGS: usize = 10;

const BATCH: usize = 64;

/// Channels of the net, which are its features.
const CHANNELS: usize = 32;

impl Experiment for ZslGlyphs {
    fn id(&self) -> &'static str {
        "zsl/glyphs"
    }

    fn title(&self) -> &'static str {
        "Zero-shot recognition of letters by their attributes"
    }

    fn about(&self) -> &'static str {
        "Generated letters of 20×20 pixels, each described by 14 attributes: which strokes it has, whether it is slanted or thick. \
         Drawings of 200 letters are seen in training; 50 others are known by their descriptions alone, and told apart among \
         themselves (chance: 2 %). Figures are means over classes.\n\n\
         - `dap`: direct attribute prediction, a net with a logit for each attribute.\n\
         - `eszsl`: a bilinear form in closed form, on the attribute logits of that net.\n\
         - `ale`: attribute label embedding, a net and a bilinear form trained by ranking.\n\
         - `prototypes`: a prototypical network on embedded descriptions.\n\n\
         `unseen/accuracy` is the figure of `dap`, named beforehand. `generalised` judges seen and unseen letters among all 250: \
         `harmonic` is the harmonic mean of both accuracies. The net has four convolutional blocks of 32 channels.\n\n\
         Source of the methods: Lampert et al. 2014; Romera-Paredes & Torr 2015; Akata et al. 2016; Snell et al. 2017. The letters are \
         ours, so there are no published figures."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        for seed in ctx.seeds() {
            run(ctx, seed)?;
        }
        Ok(())
    }
}

/// Letters, and what is known of them.
struct World {
    letters: AttributeGlyphs,
    classes: Descriptions,
    seen: Descriptions,
    /// The same about the mean of the seen classes, of unit length, for bilinear forms, which know no constant.
    centred: Descriptions,
}

impl World {
    fn new(seed: u64) -> Result<Self> {
        let sheet = Glyphs { n_classes: SEEN + UNSEEN, n_examples: DRAWINGS + TEST_DRAWINGS, size: SIDE, seed };
        let letters = AttributeGlyphs::new(sheet)?;
        let row = |class| Ok(letters.description(class)?.map(f64::from).to_vec());
        let classes = Descriptions::new((0..SEEN + UNSEEN).map(row).collect::<Result<_>>()?)?;
        let seen = classes.select(&(0..SEEN).collect::<Vec<_>>())?;
        let centred = classes.centred(&seen)?.normalised();
        Ok(Self { seen, centred, letters, classes })
    }

    /// Drawings `[1, B, 20, 20, 1]` with the numbers of their classes `[1, B]`.
    fn draw(&self, ctx: &Context, examples: &[(usize, usize)]) -> Result<Batch> {
        let size = SIDE * SIDE;
        let mut x = vec![0f32; examples.len() * size];
        for (&(class, example), image) in examples.iter().zip(x.chunks_mut(size)) {
            self.letters.write_example(class, example, image)?;
        }
        let y: Vec<u32> = examples.iter().map(|&(class, _)| class as u32).collect();
        let device = ctx.device();
        Ok(Batch {
            x: Value::from_vec(x, (1, examples.len(), SIDE, SIDE, 1), device)?,
            y: Value::from_vec(y, (1, examples.len()), device)?,
        })
    }

    /// A batch of the training.
    fn batch(&self, ctx: &Context, rng: &mut ChaCha8Rng) -> Result<(Tensor, Value)> {
        let examples = [(); BATCH].map(|()| (rng.random_range(0..SEEN), rng.random_range(0..DRAWINGS)));
        let Batch { x, y } = self.draw(ctx, &examples)?;
        Ok((Tensor::new(x), y))
    }

    /// The test drawings of some classes, as one batch.
    fn test(&self, ctx: &Context, classes: std::ops::Range<usize>) -> Result<Tensor> {
        let drawings = |class| (DRAWINGS..DRAWINGS + TEST_DRAWINGS).map(move |example| (class, example));
        Ok(Tensor::new(self.draw(ctx, &classes.flat_map(drawings).collect::<Vec<_>>())?.x))
    }
}

/// Accuracies of a method, in per cent.
struct Judged {
    unseen: f64,
    generalised: Generalised,
}

fn judge(ctx: &Context, world: &World, scores: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<Judged> {
    let all: Vec<usize> = (0..SEEN + UNSEEN).collect();
    let labels =
        |classes: std::ops::Range<usize>| -> Vec<usize> { classes.flat_map(|class| [class; TEST_DRAWINGS]).collect() };
    let of_unseen = scores(&world.test(ctx, SEEN..SEEN + UNSEEN)?)?;
    let of_seen = scores(&world.test(ctx, 0..SEEN)?)?;
    let unseen_labels = labels(SEEN..SEEN + UNSEEN);
    let unseen = per_class_accuracy(&best_class(&of_unseen, &all[SEEN..])?, &unseen_labels)?;
    let generalised = Generalised {
        seen: per_class_accuracy(&best_class(&of_seen, &all)?, &labels(0..SEEN))?,
        unseen: per_class_accuracy(&best_class(&of_unseen, &all)?, &unseen_labels)?,
    };
    Ok(Judged { unseen: 100.0 * unseen, generalised })
}

fn body() -> Result<Conv4Body> {
    Ok(Conv4Body::new(Conv4Config {
        downsampling: Downsampling::MaxPool,
        image: (SIDE, SIDE),
        channels: CHANNELS,
        norm_eps: None,
        conv: Init::HeNormal,
        ..Conv4Config::omniglot()
    })?)
}

fn mlp(sizes: &[usize]) -> Result<Mlp> {
    Ok(Mlp::new(&MlpConfig { sizes: sizes.to_vec(), weight: Init::HeNormal, ..MlpConfig::default() })?)
}

/// The body with a perceptron on its features.
fn with_head(sizes: &[usize]) -> Result<Box<dyn Model>> {
    let parts: [(String, Box<dyn Model>); 2] =
        [("body".to_owned(), Box::new(body()?)), ("head".to_owned(), Box::new(mlp(sizes)?))];
    Ok(Box::new(Sequential::new(parts)?))
}

fn run(ctx: &mut Context, seed: u64) -> Result<()> {
    let world = World::new(seed)?;
    let steps = ctx.mode().of([350, 2_000, 10_000]);
    let adam = Adam::new(Schedule::cosine(3e-3, steps));
    let train = |ctx: &Context,
                 name: &str,
                 initial: Params,
                 loss: &dyn Fn(&Params, &Tensor, &Value) -> rekindle_transfer::Result<Tensor>| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        descend(ctx, &format!("{name}-{steps}-seed{seed}"), &initial, (&adam, steps), &mut |params, _| {
            let (x, y) = world.batch(ctx, &mut rng)?;
            Ok(loss(params, &x, &y)?)
        })
    };
    let init = || ChaCha8Rng::seed_from_u64(seed);
    let (dtype, device) = (DType::F32, ctx.device().clone());
    let mut judged = Vec::new();

    let dap = Dap::new(with_head(&[CHANNELS, ATTRIBUTES])?, &world.seen)?;
    let initial = dap.init(&mut init(), dtype, &device)?;
    let params = train(ctx, "dap", initial, &|p, x, y| dap.loss(p, x, y, &world.seen))?;
    judged.push(("dap", judge(ctx, &world, &|x| Ok(dap.scores(&params, x, &world.classes)?))?));
    if seed == 0 {
        ctx.images(pictures(ctx, &world, &dap.scores(&params, &world.test(ctx, SEEN..SEEN + 10)?, &world.classes)?)?);
    }

    let examples: Vec<_> = (0..SEEN).flat_map(|class| (0..5).map(move |example| (class, example))).collect();
    let Batch { x, y } = world.draw(ctx, &examples)?;
    let logits = |x: &Tensor| dap.attributes(&params, x);
    let seen_centred = world.centred.select(&(0..SEEN).collect::<Vec<_>>())?;
    let eszsl = Eszsl::fit(&logits(&Tensor::new(x))?, &y, &seen_centred, EszslConfig::default())?;
    judged.push(("eszsl", judge(ctx, &world, &|x| Ok(eszsl.scores(&logits(x)?, &world.centred)?))?));

    let ale = Compatibility::new(Some(with_head(&[CHANNELS, CHANNELS])?), CHANNELS, ATTRIBUTES, RankingLoss::ALE)?;
    let initial = ale.init(&mut init(), dtype, &device)?;
    let params = train(ctx, "ale", initial, &|p, x, y| ale.loss(p, x, y, &seen_centred))?;
    judged.push(("ale", judge(ctx, &world, &|x| Ok(ale.scores(&params, x, &world.centred)?))?));

    let prototypes = DescriptionPrototypes::new(with_head(&[CHANNELS, 32])?, Box::new(mlp(&[ATTRIBUTES, 32])?));
    let initial = prototypes.init(&mut init(), dtype, &device)?;
    let params = train(ctx, "prototypes", initial, &|p, x, y| prototypes.loss(p, x, y, &world.seen))?;
    judged.push(("prototypes", judge(ctx, &world, &|x| Ok(prototypes.scores(&params, x, &world.classes)?))?));

    record(ctx, seed, &judged)
}

fn record(ctx: &mut Context, seed: u64, judged: &[(&str, Judged)]) -> Result<()> {
    let mut table = Table::new(
        "Mean accuracy of classes, %",
        ["method", "unseen among unseen", "seen among all", "unseen among all", "harmonic mean"],
    );
    for (name, Judged { unseen, generalised }) in judged {
        let all = [*unseen, 100.0 * generalised.seen, 100.0 * generalised.unseen, 100.0 * generalised.harmonic()];
        table.row([(*name).to_owned()].into_iter().chain(all.map(|x| format!("{x:.1}"))));
        if *name == "dap" {
            ctx.seed_metric(seed, "unseen/accuracy", *unseen, "%")?;
        }
        ctx.seed_metric(seed, &format!("{name}/unseen"), *unseen, "%")?;
        ctx.seed_metric(seed, &format!("{name}/harmonic"), 100.0 * generalised.harmonic(), "%")?;
    }
    if seed == 0 { ctx.table(table) } else { Ok(()) }
}

/// The first drawing of ten unseen letters, and whether it was recognised.
fn pictures(ctx: &Context, world: &World, scores: &Tensor) -> Result<ImageGrid> {
    let candidates: Vec<usize> = (SEEN..SEEN + UNSEEN).collect();
    let guesses = best_class(scores, &candidates)?;
    let images = (0..10).map(|i| {
        let class = SEEN + i;
        let x = world.draw(ctx, &[(class, DRAWINGS)])?.x.get(0)?.get(0)?;
        let right = guesses[i * TEST_DRAWINGS] == class;
        let has = world.letters.description(class)?;
        let names = AttributeGlyphs::ATTRIBUTES.iter().zip(has).filter(|(_, has)| *has > 0.0);
        let caption = names.map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        Image::from_tensor(&x, caption, if right { Mark::Right } else { Mark::Wrong })
    });
    Ok(ImageGrid::new("Letters never seen")
        .row("", images.collect::<Result<_>>()?)
        .caption("Green: recognised by DAP."))
}
