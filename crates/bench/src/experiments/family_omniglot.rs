//! The MAML family side by side.

use std::sync::Arc;

use anyhow::Result;
use rekindle_optim::{Schedule, Sgd};
use rekindle_tasks::FewShot;

use super::few_shot::{Characters, Protocol, adam, train_and_test};
use super::learners::{self, Named, Net};
use super::training::per_cent;
use crate::{Context, Experiment, Plot, Published, Table};

pub(super) struct FamilyOmniglot;

/// One member: how it learns, and how it is trained where that differs from MAML.
struct Member {
    learner: Named,
    protocol: Protocol,
    published: Option<(f64, Option<f64>, &'static str)>,
}

impl Experiment for FamilyOmniglot {
    fn id(&self) -> &'static str {
        "family/omniglot"
    }

    fn title(&self) -> &'static str {
        "The MAML family on Omniglot"
    }

    fn about(&self) -> &'static str {
        "MAML, FOMAML, ANIL, Meta-SGD, MAML++, iMAML and Reptile on Omniglot, 5-way 1-shot: the same net, the same split, \
         the same test tasks, each learner with its own paper's inner loop.\n\n\
         - Meta-batch 32, Adam from 4e-3 along a cosine, for iMAML from 1e-3, since 4e-3 makes it diverge; Reptile as in \
           its paper: meta-batch 5, ten shots, plain steps from ε = 1 to 0.\n\
         - The quick run gives each member the same few meta-iterations; the full one as many as fit a night.\n\n\
         The published figures come from full-length runs."
    }

    fn needs_data(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let iterations = ctx.mode().pick(1_000, 20_000);
        let mut table = Table::new(
            "5-way 1-shot, 600 tasks",
            ["learner", "transductive", "inductive", "training, s", "ms a meta-iteration"],
        );
        let mut plot = Plot::new("Accuracy on validation characters", "meta-iteration", "%");
        for member in members(iterations)? {
            let Named { name, title, learner } = &member.learner;
            ctx.section(title, |ctx| {
                for seed in ctx.seeds() {
                    let data = Characters::omniglot(ctx, seed)?;
                    let (outcome, usage) =
                        ctx.metered(|ctx| train_and_test(ctx, &**learner, &data, &member.protocol, seed))?;
                    let results = [("accuracy", &outcome.transductive), ("accuracy-inductive", &outcome.inductive)];
                    for (kind, result) in results {
                        ctx.seed_metric(seed, &format!("{name}/{kind}"), per_cent(result), "%")?;
                    }
                    if seed == 0 {
                        let [transductive, inductive] = results.map(|(_, result)| per_cent(result).to_string());
                        let each = 1e3 * usage.wall_seconds / member.protocol.iterations as f64;
                        let seconds = format!("{:.0}", usage.wall_seconds);
                        table.row([(*title).to_owned(), transductive, inductive, seconds, format!("{each:.0}")]);
                        let points = outcome.curves.validations.iter().map(|&(i, mean, _)| (i, 100.0 * mean));
                        plot = std::mem::replace(&mut plot, Plot::new("", "", "")).line(*title, points);
                    }
                }
                if let Some((accuracy, ci, source)) = member.published {
                    let published = Published::new(accuracy, source);
                    let published = match ci {
                        Some(ci) => published.with_ci(ci),
                        None => published,
                    };
                    ctx.published(&format!("{name}/accuracy"), published);
                }
                Ok(())
            })?;
        }
        ctx.section("Side by side", |ctx| {
            ctx.table(table)?;
            ctx.plot(plot)
        })
    }
}

fn members(iterations: u64) -> Result<Vec<Member>> {
    let member = |learner: Named| {
        let protocol = Protocol::new(learner.name, 5, 1, iterations, 32);
        // The paper's ε falls from 1 to 0; five tasks a step, ten shots to draw minibatches from.
        let protocol = match learner.name {
            "reptile" => Protocol {
                train: FewShot { ways: 5, shots: 10, queries: 1, rotate: true },
                optimiser: Arc::new(Sgd::new(Schedule::Linear { start: 1.0, end: 1e-3, steps: iterations })),
                meta_batch: 5,
                ..protocol
            },
            // The common rate makes it diverge.
            "imaml" => Protocol { optimiser: Arc::new(adam(1e-3, iterations)), ..protocol },
            _ => protocol,
        };
        Member { published: published(learner.name), protocol, learner }
    };
    Ok(learners::family(Net::OMNIGLOT, iterations)?.into_iter().map(member).collect())
}

fn published(name: &str) -> Option<(f64, Option<f64>, &'static str)> {
    match name {
        "maml" => Some((98.7, Some(0.4), "Finn et al. 2017, Table 1")),
        "fomaml" => Some((98.3, Some(0.5), "Nichol et al. 2018, Table 2")),
        "meta-sgd" => Some((99.53, Some(0.26), "Li et al. 2017")),
        "maml-plus-plus" => Some((99.47, None, "Antoniou et al. 2019")),
        "reptile" => Some((97.68, Some(0.04), "Nichol et al. 2018, Table 2, with transduction")),
        _ => None,
    }
}
