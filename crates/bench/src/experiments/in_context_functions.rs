//! A transformer for each class of functions: sparse, trees, networks, sine waves.

use std::sync::Arc;

use anyhow::Result;
use rekindle_meta::Baseline;
use rekindle_nn::TransformerConfig;
use rekindle_tasks::{FunctionClass, FunctionTasks, Sinusoid, TaskSampler};

use super::prompts::{Study, estimated, learned, points, points_with_ci, prompts, tiny};
use crate::{Context, Estimate, Experiment, Plot, Published, Series};

pub(super) struct InContextFunctions;

impl Experiment for InContextFunctions {
    fn id(&self) -> &'static str {
        "in-context/functions"
    }

    fn title(&self) -> &'static str {
        "Other functions in context"
    }

    fn about(&self) -> &'static str {
        "As `in-context/linear`, one transformer for each class of functions:\n\n\
         - `sparse`: linear functions whose weights are zero but for 3 (1 of 3 in the quick run, 2 of 5 in the standard one).\n\
         - `tree`: decision trees of depth 4 (2, 3) on the signs of the inputs.\n\
         - `network`: networks with one layer of 100 (10, 20) ReLU units.\n\
         - `sinusoid`: MAML's sine waves, a single input.\n\n\
         Inputs have 20 dimensions in the full run, with prompts of 100 examples (10 and 20 for `sparse` and `sinusoid`), and 3 or 5 \
         in the others. `<class>/error-k` is after the longest prompt and after half of it, `<class>/least-squares-k` and \
         `<class>/neighbours-k` beside it are those of least squares and of the 3 nearest neighbours.\n\n\
         Source: Garg, Tsipras, Liang & Valiant 2022, section 4. The sine waves are those of Finn, Abbeel & Levine 2017."
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        for class in classes(ctx) {
            ctx.section(class.title, |ctx| {
                for seed in ctx.seeds() {
                    class.run(ctx, seed)?;
                }
                if let Some((examples, error)) = class.published.filter(|_| class.study.inputs == 20) {
                    let source = "Garg et al. 2022, section 4, with 12 layers";
                    ctx.published(&format!("{}/error-{examples}", class.name), Published::new(error, source));
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// A class of functions, and how it is learned.
struct Class {
    name: &'static str,
    title: &'static str,
    tasks: Tasks,
    study: Study,
    /// Examples and error.
    published: Option<(usize, f64)>,
}

enum Tasks {
    Functions(FunctionTasks),
    Waves(Sinusoid),
}

impl Class {
    fn run(&self, ctx: &mut Context, seed: u64) -> Result<()> {
        let (learner, shots) = (self.study.learner()?, self.study.shots);
        let (training, test, scale): (Arc<dyn TaskSampler>, Arc<dyn TaskSampler>, f64) = match &self.tasks {
            Tasks::Functions(tasks) => {
                let curriculum = Some(self.study.curriculum(shots.div_ceil(4).max(10)));
                let scale = tasks.class.mean_square(tasks.dims);
                (Arc::new(FunctionTasks { curriculum, ..*tasks }), Arc::new(*tasks), scale)
            }
            // E A²/2 for an amplitude from 0.1 to 5.
            Tasks::Waves(waves) => (Arc::new(waves.clone()), Arc::new(waves.clone()), 4.252),
        };
        let (params, curves) = self.study.train(ctx, &learner, training, seed)?;
        let prompts = prompts(&*test)?;
        let transformer = learned(ctx, &learner, &params, &prompts, scale)?;
        let squares = estimated(Baseline::LeastSquares, &prompts, scale)?;
        let neighbours = estimated(Baseline::Neighbours(3), &prompts, scale)?;
        for k in [shots / 2, shots] {
            for (name, errors) in [("error", &transformer), ("least-squares", &squares), ("neighbours", &neighbours)] {
                let (mean, ci) = errors[k];
                let name = format!("{}/{name}-{k}", self.name);
                ctx.seed_metric(seed, &name, Estimate::new(mean, ci), "relative-error")?;
            }
        }
        if seed > 0 {
            return Ok(());
        }
        let below = |point: &(f64, f64)| point.1 < 2.0;
        let plot = Plot::new(self.title, "examples in the prompt", "squared error over that of zero")
            .series(Series::with_ci("transformer", points_with_ci(&transformer)))
            .dashed("least squares", points(&squares).filter(below))
            .dashed("3 nearest neighbours", points(&neighbours).filter(below));
        ctx.plot(plot)?;
        ctx.plot(Plot::new("Training", "iteration", "squared error").log_y().series(curves.loss_series("all prefixes")))
    }
}

fn classes(ctx: &Context) -> Vec<Class> {
    let mode = ctx.mode();
    let dims = mode.of([3, 5, 20]);
    let study = |name: &str, inputs, shots, iterations: [u64; 3]| Study {
        name: format!("{name}-{inputs}"),
        inputs,
        shots,
        transformer: mode.of([
            TransformerConfig { width: 32, layers: 2, hidden: 64, ..tiny() },
            tiny(),
            TransformerConfig::small(),
        ]),
        iterations: mode.of(iterations),
        rates: mode.of([[3e-3, 1e-4], [1e-3, 1e-5], [1e-4, 1e-4]]),
    };
    let functions = |class, shots| Tasks::Functions(FunctionTasks { class, ..FunctionTasks::linear(dims, shots) });
    let long = mode.of([12, 30, 100]);
    let sparse = mode.of([4, 10, 20]);
    let standard = 10_000;
    vec![
        Class {
            name: "sparse",
            title: "Sparse linear functions",
            tasks: functions(FunctionClass::Sparse(mode.of([1, 2, 3])), sparse),
            study: study("sparse", dims, sparse, [500, standard, 500_000]),
            published: Some((10, 0.09)),
        },
        Class {
            name: "tree",
            title: "Decision trees",
            tasks: functions(FunctionClass::Tree(mode.of([2, 3, 4])), long),
            study: study("tree", dims, long, [300, standard, 500_000]),
            published: Some((100, 0.12)),
        },
        Class {
            name: "network",
            title: "Networks with one layer",
            tasks: functions(FunctionClass::Network(mode.of([10, 20, 100])), long),
            study: study("network", dims, long, [300, standard, 500_000]),
            published: Some((100, 0.17)),
        },
        Class {
            name: "sinusoid",
            title: "Sine waves",
            tasks: Tasks::Waves(Sinusoid { queries: 1, ..Sinusoid::maml(10) }),
            study: study("sinusoid", 1, 10, [600, standard, 100_000]),
            published: None,
        },
    ]
}
