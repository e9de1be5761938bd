//! Domain randomisation: a policy for cart-poles of bodies that were never seen.

use anyhow::Result;
use rekindle_envs::{Action, CartPoleBody, Env, EnvFamily, RandomCartPoles, stream_rng};
use rekindle_rl::instances::Summary;
use rekindle_transfer::policy::{CrossEntropyConfig, cross_entropy};

use super::settings;
use crate::{Context, Experiment, Plot};

pub(super) struct TransferRandomised;

/// Bodies that a candidate plays, one episode each.
const BODIES: usize = 8;
const UNSEEN: usize = 500;
const SEEDS: u64 = 5;
/// Lengths of a pole, as multiples of the usual.
const LENGTHS: [f64; 9] = [0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0];

impl Experiment for TransferRandomised {
    fn id(&self) -> &'static str {
        "transfer/randomised"
    }

    fn title(&self) -> &'static str {
        "Domain randomisation: cart-poles of any body"
    }

    fn about(&self) -> &'static str {
        "A linear policy for cart-pole is searched by the cross-entropy method, 20 iterations of 50 candidates with 8 episodes each: \
         with Gymnasium's body in all of them (*one body*), and with a body drawn for each (*random bodies*: masses and force from a \
         third to the triple, the pole's length from half to four times). The figures are mean returns, of 500 at most, with 500 \
         bodies that neither has seen, and with the usual one.\n\n\
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
        let mut plot = Plot::new("Length of the pole", "length, of the usual", "mean return").log_x();
        for seed in 0..ctx.seeds().end.max(SEEDS) {
            let one = search(|_| Ok(vec![usual; BODIES]), seed)?;
            let random = search(|i| Ok(family.sample_tasks(&mut stream_rng(seed, i as u64), BODIES)?), seed)?;
            for (name, policy) in [("one-body", &one), ("random-bodies", &random)] {
                let returns = returns(policy, &unseen)?;
                ctx.seed_metric(
                    seed,
                    &format!("{name}/unseen-return"),
                    settings::estimate(&Summary::of(&returns)?),
                    "reward",
                )?;
                let returns = self::returns(policy, &[usual; 100])?;
                ctx.seed_metric(
                    seed,
                    &format!("{name}/usual-return"),
                    settings::estimate(&Summary::of(&returns)?),
                    "reward",
                )?;
                if seed == 0 {
                    let mean = |times: f64| -> Result<(f64, f64)> {
                        let body = CartPoleBody { half_length: usual.half_length * times, ..usual };
                        Ok((times, Summary::of(&self::returns(policy, &[body; 50])?)?.mean))
                    };
                    plot = plot.line(name, LENGTHS.into_iter().map(mean).collect::<Result<Vec<_>>>()?);
                }
            }
        }
        ctx.plot(plot)
    }
}

fn search(bodies: impl Fn(usize) -> Result<Vec<CartPoleBody>>, seed: u64) -> Result<Vec<f64>> {
    let config = CrossEntropyConfig::default();
    let bodies = (0..config.iterations).map(bodies).collect::<Result<Vec<_>>>()?;
    let score = |iteration: usize, policy: &[f64]| -> rekindle_transfer::Result<f64> {
        let episodes = bodies[iteration].iter().enumerate();
        let totals = episodes.map(|(i, body)| play(policy, body, (BODIES * iteration + i) as u64));
        Ok(totals.sum::<rekindle_envs::Result<f64>>()? / BODIES as f64)
    };
    Ok(cross_entropy(&config, 4, score, &mut stream_rng(seed, 2_000))?)
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
