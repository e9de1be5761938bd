//! The classical agents of RL²'s table of tabular MDPs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use rekindle_envs::{EnvFamily as _, TabularMdps, env_rng};
use rekindle_rl::instances::{Summary, for_each};
use rekindle_rl::tabular::{Model, TabularAgent, backward_induction, evaluate};

use super::mdp_agents::rows;
use super::settings::{Row, best, cell, estimate, standard_errors};
use crate::{Context, Experiment, Plot, Published, Table};

pub(super) struct MdpBaselines;

/// Numbers of episodes n, in the order of the paper.
const EPISODES: [usize; 5] = [10, 25, 50, 75, 100];

/// Seeds of the MDPs that settings are chosen on, and of those that agents are judged on.
const TUNING: u64 = 1 << 32;
const TEST: u64 = 2 << 32;

impl Experiment for MdpBaselines {
    fn id(&self) -> &'static str {
        "mdp/baselines"
    }

    fn title(&self) -> &'static str {
        "Classical agents for tabular MDPs"
    }

    fn about(&self) -> &'static str {
        "MDPs of 10 states and 5 actions with flat Dirichlet transitions, mean rewards from N(1, 1) and rewards with \
         deviation 1 around them; *n* episodes of 10 steps: total reward, averaged over MDPs, ± 95 %. The paper averages \
         over 1000.\n\n\
         - Agents without a suffix reproduce the paper, with the priors of TabulaRL (Osband), whose mean reward is 0. That \
         these are the paper's is inferred from the match.\n\
         - Agents ending in `-right` believe at first what is true: mean rewards are N(1, 1), transitions flat Dirichlet. \
         Greedy alone then gets about what RL² gets in 10 and 25 episodes (156.2 and 445.7): most of its lead over the \
         published baselines there is knowledge of the distribution.\n\
         - *UCRL2* carries the slack of transitions from step to step of its backward induction, as TabulaRL does; \
         `ucrl2-fresh` does not, and misses the published column.\n\
         - *Known MDP* is the optimum of whoever is told the tables: an upper bound.\n\
         - Hyper-parameters are chosen for each *n*, on other MDPs than those of the test.\n\n\
         Source: Duan et al. 2016, section 3.2 and Table 2."
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        for seed in ctx.seeds() {
            let rows = rows();
            let bar = ctx.progress("agents", rows.len() as u64 + 1);
            let optimum = optimum(ctx, seed)?;
            let mut scores = vec![("known-mdp", EPISODES.map(|n| (String::new(), optimum.times(n))).to_vec(), &[][..])];
            bar.inc(1);
            for row in &rows {
                scores.push((row.name, tuned(ctx, row, seed)?, row.published));
                bar.inc(1);
            }
            for (name, columns, published) in &scores {
                record(ctx, seed, name, columns, published)?;
            }
            if seed == 0 {
                show(ctx, &scores)?;
            }
        }
        Ok(())
    }
}

/// Name in metrics; setting and score for every number of episodes; published scores.
type Scores<'a> = (&'a str, Vec<(String, Summary)>, &'a [f64]);

fn instances(ctx: &Context) -> usize {
    ctx.mode().pick(1000, 4000)
}

/// The value of an episode in a known MDP.
fn optimum(ctx: &Context, seed: u64) -> Result<Summary> {
    let family = TabularMdps::default();
    let values = for_each(instances(ctx), ctx.threads(), |i| -> Result<_> {
        let mdp = family.sample(&mut env_rng(TEST + seed, i, 0))?;
        Ok(backward_induction(&Model::of(&mdp), mdp.horizon())?.value(0, 0))
    })?;
    Ok(Summary::of(&values)?)
}

/// For every number of episodes the best setting, and its score on other MDPs.
fn tuned(ctx: &Context, row: &Row<dyn TabularAgent>, seed: u64) -> Result<Vec<(String, Summary)>> {
    let score = |setting: usize, seed, n| {
        let make = || (row.settings[setting].make)();
        evaluate(make, &TabularMdps::default(), &EPISODES, n, seed, ctx.threads())
    };
    let chosen = if row.settings.len() == 1 {
        [0; EPISODES.len()]
    } else {
        let all = (0..row.settings.len()).map(|i| score(i, TUNING + seed, instances(ctx) / 2));
        let all = all.collect::<Result<Vec<_>, _>>()?;
        std::array::from_fn(|column| best(all.iter().map(|scores| scores[column].mean)))
    };
    // A setting that is best for several numbers of episodes plays once.
    let distinct: BTreeSet<usize> = chosen.into();
    let play = |setting| Ok((setting, score(setting, TEST + seed, instances(ctx))?));
    let played = distinct.into_iter().map(play).collect::<Result<BTreeMap<usize, Vec<Summary>>>>()?;
    let column = |(column, setting): (usize, &usize)| (row.settings[*setting].name.clone(), played[setting][column]);
    Ok(chosen.iter().enumerate().map(column).collect())
}

fn record(ctx: &mut Context, seed: u64, agent: &str, columns: &[(String, Summary)], published: &[f64]) -> Result<()> {
    for (i, (n, (_, score))) in EPISODES.into_iter().zip(columns).enumerate() {
        let name = format!("{agent}/n{n}");
        ctx.seed_metric(seed, &name, estimate(score), "reward")?;
        if let Some(&value) = published.get(i).filter(|_| seed == 0) {
            ctx.published(&name, Published::new(value, "Duan et al. 2016, Table 2"));
        }
    }
    Ok(())
}

fn show(ctx: &mut Context, scores: &[Scores<'_>]) -> Result<()> {
    for (title, right) in [("As published", false), ("With the right prior", true)] {
        let mut plot = Plot::new(title, "episodes", "reward per episode");
        let kind = |name: &str| name == "known-mdp" || name.ends_with("-right") == right;
        for (name, columns, _) in scores.iter().filter(|row| kind(row.0)) {
            let points = EPISODES.into_iter().zip(columns);
            plot = plot.line(*name, points.map(|(n, (_, score))| (n as f64, score.mean / n as f64)));
        }
        let rl2 = EPISODES.into_iter().zip([156.2, 445.7, 936.1, 1428.8, 1913.7]);
        let rl2 = rl2.map(|(n, total)| (n as f64, total / n as f64));
        ctx.plot(plot.scatter("RL², published", rl2).caption("Total reward of n episodes over n."))?;
    }
    let columns = ["agent", "n", "setting", "ours ± standard error", "published", "standard errors apart"];
    let mut table = Table::new("Beside the published table", columns);
    for (name, columns, published) in scores {
        for (i, (n, (setting, score))) in EPISODES.into_iter().zip(columns).enumerate() {
            let theirs = published.get(i);
            let distance = theirs.map_or_else(String::new, |&theirs| format!("{:+.1}", standard_errors(score, theirs)));
            let theirs = theirs.map_or_else(String::new, f64::to_string);
            table.row([(*name).to_owned(), n.to_string(), setting.clone(), cell(score), theirs, distance]);
        }
    }
    table.caption = "The distance counts our error, that of 1000 instances and the printed decimal.".into();
    ctx.table(table)
}
