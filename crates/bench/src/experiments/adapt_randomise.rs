//! Domain randomisation: a policy for cart-poles of bodies that were never seen.

use anyhow::Result;
use rekindle_envs::{Action, CartPoleBody, Env, EnvFamily, RandomCartPoles, stream_rng};
use rekindle_rl::instances::Summary;
use rekindle_transfer::policy::{CrossEntropyConfig, cross_entropy};

use super::settings;
use crate::{Context, Experiment, Plot, Series};

pub(super) struct AdaptRandomise;

/// Bodies that a candidate plays, one episode each.
const BODIES: usize = 8;
const UNSEEN: usize = 500;
const SEEDS: u64 = 5;
/// Where a search with the real body begins.
const STARTS: [&str; 3] = ["one-body", "random-bodies", "nothing"];
/// Episodes that such a search has.
const EPISODES: [usize; 5] = [0, 20, 50, 100, 200];
const CANDIDATES: usize = 10;
/// Episodes of the real body in a test.
const TESTED: usize = 100;
/// At the ends of the ranges of [`RandomCartPoles`].
const REAL: CartPoleBody = CartPoleBody { half_length: 0.25, pole_mass: 0.3, cart_mass: 0.33, force: 30.0 };
/// Lengths of a pole, as multiples of the usual.
const LENGTHS: [f64; 9] = [0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0];

impl Experiment for AdaptRandomise {
    fn id(&self) -> &'static str {
        "adapt/randomise"
    }

    fn title(&self) -> &'static str {
        "Domain randomisation: cart-poles of any body"
    }

    fn about(&self) -> &'static str {
        "A linear policy for cart-pole is searched by the cross-entropy method, 20 iterations of 50 candidates with 8 episodes each: \
         with Gymnasium's body in all of them (*one body*), and with a body drawn for each (*random bodies*: masses and force from a \
         third to the triple, the pole's length from half to four times). The first figures are mean returns, of 500 at most, with 500 \
         bodies that neither has seen, and with the usual one.\n\n\
         Then a *real* one: a short, heavy pole on a light, strong cart, at the ends of those ranges. Policies play it as they are, and after \
         a search around them that has a few of its episodes, ten candidates an iteration; and so does one from nothing.\n\n\
         Source: the idea of Sadeghi & Levine 2017 (CAD²RL), who randomise pictures, and of Peng et al. 2018, who randomise \
         dynamics: what was trained on many domains works in a new one without training there."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let family = RandomCartPoles::default();
        let usual = CartPoleBody::default();
        let unseen = family.sample_tasks(&mut stream_rng(1_000, 0), UNSEEN)?;
        let mut lengths = Plot::new("Length of the pole", "length, of the usual", "mean return").log_x();
        let mut real = STARTS.map(|_| EPISODES.map(|_| Vec::new()));
        for seed in 0..ctx.seeds().end.max(SEEDS) {
            let one = search(|_| Ok(vec![usual; BODIES]), seed)?;
            let random = search(|i| Ok(family.sample_tasks(&mut stream_rng(seed, i as u64), BODIES)?), seed)?;
            for (name, policy) in [("one-body", &one), ("random-bodies", &random)] {
                for (on, bodies) in [("unseen", &unseen[..]), ("usual", &[usual; 100])] {
                    let returns = Summary::of(&returns(policy, bodies)?)?;
                    ctx.seed_metric(seed, &format!("{name}/{on}-return"), settings::estimate(&returns), "reward")?;
                }
                if seed == 0 {
                    let mean = |times: f64| -> Result<(f64, f64)> {
                        let body = CartPoleBody { half_length: usual.half_length * times, ..usual };
                        Ok((times, Summary::of(&returns(policy, &[body; 50])?)?.mean))
                    };
                    lengths = lengths.line(name, LENGTHS.into_iter().map(mean).collect::<Result<Vec<_>>>()?);
                }
            }
            for ((name, start), row) in STARTS.iter().zip([&one, &random, &vec![0.0; 4]]).zip(&mut real) {
                for (episodes, cell) in EPISODES.into_iter().zip(row) {
                    let tuned = fine_tune(start, episodes, seed)?;
                    let returns = Summary::of(&returns(&tuned, &[REAL; TESTED])?)?;
                    let name = format!("real/{name}/k{episodes}-return");
                    ctx.seed_metric(seed, &name, settings::estimate(&returns), "reward")?;
                    cell.push(returns.mean);
                }
            }
        }
        ctx.plot(lengths)?;
        ctx.plot(curves(&real)?)
    }
}

/// Mean returns on the real body against its episodes, with intervals over seeds.
fn curves(real: &[[Vec<f64>; EPISODES.len()]; STARTS.len()]) -> Result<Plot> {
    let mut plot = Plot::new("A real body", "its episodes in a search around the policy", "mean return");
    for (name, row) in STARTS.into_iter().zip(real) {
        let point = |(k, seeds): (usize, &Vec<f64>)| -> Result<(f64, f64, f64)> {
            let over_seeds = Summary::of(seeds)?;
            Ok((k as f64, over_seeds.mean, over_seeds.ci95()))
        };
        plot =
            plot.series(Series::with_ci(name, EPISODES.into_iter().zip(row).map(point).collect::<Result<Vec<_>>>()?));
    }
    Ok(plot)
}

fn search(bodies: impl Fn(usize) -> Result<Vec<CartPoleBody>>, seed: u64) -> Result<Vec<f64>> {
    let config = CrossEntropyConfig::default();
    let bodies = (0..config.iterations).map(bodies).collect::<Result<Vec<_>>>()?;
    let score = |iteration: usize, policy: &[f64]| -> rekindle_transfer::Result<f64> {
        let episodes = bodies[iteration].iter().enumerate();
        let totals = episodes.map(|(i, body)| play(policy, body, (BODIES * iteration + i) as u64));
        Ok(totals.sum::<rekindle_envs::Result<f64>>()? / BODIES as f64)
    };
    Ok(cross_entropy(&config, &[0.0; 4], score, &mut stream_rng(seed, 2_000))?)
}

/// A search around a policy with so many episodes of the real body, one a candidate. Its length does not matter to a policy,
/// and is 1 before, so that deviations mean the same to all.
fn fine_tune(policy: &[f64], episodes: usize, seed: u64) -> Result<Vec<f64>> {
    let length = policy.iter().map(|w| w * w).sum::<f64>().sqrt();
    if episodes == 0 {
        return Ok(policy.to_vec());
    }
    let (start, deviation): (Vec<f64>, _) =
        if length > 0.0 { (policy.iter().map(|w| w / length).collect(), 0.3) } else { (policy.to_vec(), 1.0) };
    let iterations = episodes / CANDIDATES;
    let config = CrossEntropyConfig { iterations, population: CANDIDATES, elite: 3, deviation, noise: 0.01 };
    let mut chances = 0..;
    let score = |_: usize, policy: &[f64]| Ok(play(policy, &REAL, 200_000 + chances.next().unwrap_or(0))?);
    Ok(cross_entropy(&config, &start, score, &mut stream_rng(seed, 3_000))?)
}

/// Returns of an episode with each body.
fn returns(policy: &[f64], bodies: &[CartPoleBody]) -> Result<Vec<f64>> {
    let each = bodies.iter().enumerate().map(|(i, body)| play(policy, body, 100_000 + i as u64));
    Ok(each.collect::<rekindle_envs::Result<Vec<_>>>()?)
}

/// Return of one episode, by the sign of a linear function of the observation.
fn play(policy: &[f64], body: &CartPoleBody, seed: u64) -> rekindle_envs::Result<f64> {
    let (mut env, mut obs, rng) = (RandomCartPoles::default().make(body)?, [0.0; 4], &mut stream_rng(seed, 0));
    env.reset(rng, &mut obs)?;
    let mut total = 0.0;
    loop {
        let push: f64 = policy.iter().zip(obs).map(|(w, x)| w * f64::from(x)).sum();
        let step = env.step(Action::Discrete(usize::from(push > 0.0)), rng, &mut obs)?;
        total += f64::from(step.reward);
        if step.done() {
            return Ok(total);
        }
    }
}
