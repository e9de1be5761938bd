//! MAML on characters: Omniglot, and the generated glyphs that need no download.

use anyhow::Result;
use rekindle_meta::{Maml, MamlConfig};
use rekindle_nn::{Conv4, Conv4Config, Init};

use super::few_shot::{Characters, Protocol, episode, train_and_test};
use super::training::per_cent;
use crate::{Context, Experiment, Plot, Published};

pub(super) struct MamlOmniglot;

pub(super) struct MamlGlyphs;

/// One column of the paper's table.
struct Column {
    ways: usize,
    shots: usize,
    iterations: u64,
    meta_batch: usize,
    maml: MamlConfig,
    /// Accuracy and interval in per cent, of MAML as published.
    published: Option<(f64, f64)>,
}

/// 5-way 1-shot. α = 2 is the paper's 0.4 of a sum over five classes.
fn five_way_one_shot(iterations: u64) -> Column {
    let maml = MamlConfig { inner_lr: 2.0, ..MamlConfig::omniglot() };
    Column { ways: 5, shots: 1, iterations, meta_batch: 32, maml, published: None }
}

impl Experiment for MamlOmniglot {
    fn id(&self) -> &'static str {
        "maml/omniglot"
    }

    fn title(&self) -> &'static str {
        "MAML on Omniglot"
    }

    fn about(&self) -> &'static str {
        "Few-shot recognition of characters from alphabets never seen, after Finn, Abbeel & Levine 2017, section 5.2.\n\n\
         - Data: all 1623 characters at 28×28, 1100 for training, 100 for validation, 423 for the test; each class is \
           turned by a random multiple of 90° in each episode.\n\
         - Net: four blocks of 3×3 convolution with stride 2, batch normalisation and ReLU, 64 channels; the mean over \
           the grid; a linear head.\n\
         - 5-way: one inner step in training, three in the test, meta-batch 32; α = 2 with one shot, 0.4 with five. 20-way: \
           five steps with α = 2, meta-batch 16. K queries a class. Second-order gradients.\n\
         - α is that of the mean over the support set. The paper's code sums over the classes, so that its 0.4 and 0.1 are \
           2 in all columns.\n\
         - Differs from the paper: the head starts from zeros and not from N(0, 1), which needs hundreds of iterations to get \
           over; 3 000 to 5 000 meta-iterations and not 60 000, for which Adam's rate falls from 4e-3 along a cosine instead \
           of being 1e-3 throughout; the parameters of the best of ten validations are tested; 5-shot keeps α = 0.4. 20-way \
           belongs to the full run.\n\n\
         Accuracy is the mean over 600 test tasks. *Transductive*, as in the paper: batch normalisation sees a task's \
         queries together. *Inductive*: its statistics come from the support set alone."
    }

    fn needs_data(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let one = Column { published: Some((98.7, 0.4)), ..five_way_one_shot(5_000) };
        // With five shots α = 2 learns slower: 90.0 % of the test after 400 iterations; 0.4 has 97.5 % after 300.
        let (maml, published) = (MamlConfig::omniglot(), Some((99.9, 0.1)));
        let five = Column { ways: 5, shots: 5, iterations: 4_000, meta_batch: 32, maml, published };
        // Twenty ways cost some seven times as much an iteration: the standard run leaves them out, and a full run after it
        // goes on from its trainings.
        let (maml, published) = (MamlConfig::omniglot_20_way(), Some((95.8, 0.3)));
        let twenty = Column { ways: 20, shots: 1, iterations: 3_000, meta_batch: 16, maml, published };
        let columns = [one, five].into_iter().chain(ctx.mode().pick(None, Some(twenty)));
        columns.into_iter().try_for_each(|column| run(ctx, &column, &|seed, ctx| Characters::omniglot(ctx, seed)))
    }
}

impl Experiment for MamlGlyphs {
    fn id(&self) -> &'static str {
        "maml/glyphs"
    }

    fn title(&self) -> &'static str {
        "MAML on generated characters"
    }

    fn about(&self) -> &'static str {
        "The protocol of `maml/omniglot`, 5-way 1-shot, on characters that are generated: stroke programs with jitter, \
         affine and pen noise, as many classes and drawings as Omniglot has. No data set is needed.\n\n\
         The quick run is short: it shows that learning works, not how far it goes."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let iterations = ctx.mode().pick(400, 60_000);
        run(ctx, &five_way_one_shot(iterations), &|seed, _| Characters::glyphs(seed))
    }
}

fn run(ctx: &mut Context, column: &Column, data: &dyn Fn(u64, &Context) -> Result<Characters>) -> Result<()> {
    let &Column { ways, shots, iterations, meta_batch, ref maml, published } = column;
    let tag = format!("{ways}w{shots}s");
    ctx.section(&format!("{ways}-way {shots}-shot"), |ctx| {
        for seed in ctx.seeds() {
            let data = data(seed, ctx)?;
            let net = Conv4Config { head: Init::Zeros, ..Conv4Config::omniglot() };
            let learner = Maml::new(Conv4::new(net, ways)?, maml.clone())?;
            let protocol = Protocol::new("maml", ways, shots, iterations, meta_batch);
            let outcome = train_and_test(ctx, &learner, &data, &protocol, seed)?;
            for (name, result) in [("accuracy", &outcome.transductive), ("accuracy-inductive", &outcome.inductive)] {
                ctx.seed_metric(seed, &format!("{tag}/{name}"), per_cent(result), "%")?;
            }
            if seed == 0 {
                ctx.plot(
                    Plot::new("Loss after adaptation", "meta-iteration", "cross-entropy")
                        .log_y()
                        .series(outcome.curves.loss_series("training")),
                )?;
                let validations = outcome.curves.validations.iter().map(|&(i, mean, ci)| (i, 100.0 * mean, 100.0 * ci));
                ctx.plot(
                    Plot::new("Accuracy on validation characters", "meta-iteration", "%")
                        .series(crate::Series::with_ci("300 tasks", validations)),
                )?;
                ctx.images(episode(ctx, &learner, &outcome.trained.params, &data, &protocol.test)?);
            }
        }
        if let Some((accuracy, ci)) = published {
            let source = "Finn, Abbeel & Levine 2017, Table 1";
            ctx.published(&format!("{tag}/accuracy"), Published::new(accuracy, source).with_ci(ci));
        }
        Ok(())
    })
}
