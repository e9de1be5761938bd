//! The classical agents of RL²'s bandit table.

use anyhow::{Context as _, Result};
use rekindle_envs::BernoulliBandits;
use rekindle_rl::bandit::{BanditAgent, evaluate};
use rekindle_rl::instances::Summary;

use super::bandit_agents::rows;
use super::settings::{Row, Setting, best, cell, estimate, standard_errors};
use crate::{Context, Experiment, Plot, Published, Table};

pub(super) struct BanditsBaselines;

/// Numbers of pulls n and of arms k, in the order of the paper.
const PULLS: [usize; 3] = [10, 100, 500];
const ARMS: [usize; 3] = [5, 10, 50];

/// Seeds of the bandits that settings are chosen on, and of those that agents are judged on.
const TUNING: u64 = 1 << 32;
const TEST: u64 = 2 << 32;

impl Experiment for BanditsBaselines {
    fn id(&self) -> &'static str {
        "bandits/baselines"
    }

    fn title(&self) -> &'static str {
        "Classical bandit agents"
    }

    fn about(&self) -> &'static str {
        "Bandits of *k* arms that pay 0 or 1, with probabilities from U[0, 1], pulled *n* times: total reward, averaged over \
         bandits, ± 95 %. The paper averages over 1000.\n\n\
         - All agents count one success and one failure of every arm before the first pull, and pull the first of arms \
         that look equally good. With random ties greedy gains up to 12 in 500 pulls, and is no longer the published one.\n\
         - Hyper-parameters are chosen for each *n* and *k*, here on other bandits than those of the test.\n\
         - *Gittins* follows the exact index for a discount that is chosen; the paper takes the best of three \
         approximations.\n\
         - *OTS* is Thompson sampling in which no draw counts less than its mean (May et al. 2012), or the largest of \
         several draws, whichever is better. The paper's own rule is not known and none that we tried gives its column.\n\n\
         Source: Duan et al. 2016, section 3.1 and Table 1."
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        for seed in ctx.seeds() {
            let bar = ctx.progress("cells", (PULLS.len() * ARMS.len()) as u64);
            let mut report = Report::new();
            for (i, pulls) in PULLS.into_iter().enumerate() {
                let rows = rows(pulls, ctx.threads())?;
                for (j, arms) in ARMS.into_iter().enumerate() {
                    for row in &rows {
                        let trial = Trial { pulls, arms, seed };
                        let (setting, score) = trial.tuned(ctx, row)?;
                        let name = format!("{}/n{pulls}k{arms}", row.name);
                        ctx.seed_metric(seed, &name, estimate(&score), "reward")?;
                        let published = row.published[ARMS.len() * i + j];
                        if seed == 0 {
                            ctx.published(&name, Published::new(published, "Duan et al. 2016, Table 1"));
                        }
                        report.add(row.name, trial, setting, score, published);
                    }
                    bar.inc(1);
                }
            }
            if seed == 0 {
                report.show(ctx)?;
            }
        }
        Ok(())
    }
}

/// One cell of the table.
#[derive(Clone, Copy)]
struct Trial {
    pulls: usize,
    arms: usize,
    seed: u64,
}

impl Trial {
    /// The best setting of an agent, by name, and its score on other bandits.
    fn tuned(&self, ctx: &Context, row: &Row<dyn BanditAgent>) -> Result<(String, Summary)> {
        let instances = match self.pulls {
            10 => ctx.mode().pick(20_000, 100_000),
            100 => ctx.mode().pick(10_000, 50_000),
            _ => ctx.mode().pick(2000, 10_000),
        };
        let chosen = match row.settings.len() {
            1 => 0,
            _ => {
                let score = |setting| Ok(self.score(ctx, setting, TUNING, instances / 4)?.mean);
                best(row.settings.iter().map(score).collect::<Result<Vec<f64>>>()?)
            }
        };
        let setting = row.settings.get(chosen).context("every agent has a setting")?;
        Ok((setting.name.clone(), self.score(ctx, setting, TEST, instances)?))
    }

    fn score(&self, ctx: &Context, setting: &Setting<dyn BanditAgent>, seed: u64, n: usize) -> Result<Summary> {
        let family = BernoulliBandits::uniform(self.arms);
        Ok(evaluate(|| (setting.make)(), &family, self.pulls, n, seed + self.seed, ctx.threads())?)
    }
}

/// The scores as a table, and as curves over the number of arms.
struct Report {
    table: Table,
    scores: Vec<(&'static str, Trial, Summary, f64)>,
}

impl Report {
    fn new() -> Self {
        let columns = ["n", "k", "agent", "setting", "ours ± standard error", "published", "standard errors apart"];
        Self { table: Table::new("Beside the published table", columns), scores: Vec::new() }
    }

    fn add(&mut self, name: &'static str, trial: Trial, setting: String, score: Summary, published: f64) {
        let distance = format!("{:+.1}", standard_errors(&score, published));
        let [pulls, arms] = [trial.pulls, trial.arms].map(|n| n.to_string());
        self.table.row([pulls, arms, name.to_owned(), setting, cell(&score), published.to_string(), distance]);
        self.scores.push((name, trial, score, published));
    }

    fn show(mut self, ctx: &mut Context) -> Result<()> {
        for pulls in PULLS {
            let mut plot = Plot::new(format!("{pulls} pulls"), "arms", "total reward").log_x();
            let here: Vec<_> = self.scores.iter().filter(|score| score.1.pulls == pulls).collect();
            for first in here.iter().filter(|score| score.1.arms == ARMS[0]) {
                let points = here.iter().filter(|score| score.0 == first.0);
                plot = plot.line(first.0, points.map(|score| (score.1.arms as f64, score.2.mean)));
            }
            let published = here.iter().map(|score| (score.1.arms as f64, score.3));
            ctx.plot(plot.scatter("published", published).caption("Dots: all published scores, without names."))?;
        }
        self.table.caption = "The distance counts our error, that of 1000 instances and the printed decimal.".into();
        ctx.table(self.table)
    }
}
