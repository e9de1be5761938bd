//! Bandit agents: scores from a seed against published ones and closed forms.

use std::sync::Arc;

use anyhow::Result;
use rekindle_envs::{BernoulliBandits, EnvFamily, GaussianBandits, env_rng, stream_rng};
use rekindle_rl::bandit::{
    BanditAgent, BetaBelief, EpsilonGreedy, Gittins, GittinsTable, Greedy, NormalBelief, OptimisticThompson, RandomArm,
    Thompson, Ties, Ucb1, evaluate, play,
};
use rekindle_rl::instances::Summary;

fn score<A: BanditAgent>(make: impl Fn() -> A + Sync, pulls: usize, arms: usize) -> Result<Summary> {
    let instances = if pulls == 10 { 4000 } else { 1000 };
    Ok(evaluate(make, &BernoulliBandits::uniform(arms), pulls, instances, 5, 2)?)
}

/// Duan et al., *RL²*, 2016, Table 1: means over 1000 instances, printed to a tenth. Three standard errors of the
/// difference, with the spread that we measure, and half a tenth.
#[test]
fn scores_are_those_of_the_published_table() -> Result<()> {
    let indices = Arc::new(GittinsTable::new(BetaBelief::default(), 0.98, 100, 100)?);
    let rows: [(&str, Summary, f64); 10] = [
        ("random 10, 5", score(RandomArm::default, 10, 5)?, 5.0),
        ("greedy 10, 5", score(Greedy::default, 10, 5)?, 6.6),
        ("greedy 100, 5", score(Greedy::default, 100, 5)?, 74.8),
        ("greedy 100, 50", score(Greedy::default, 100, 50)?, 78.0),
        ("ε-greedy 100, 10", score(|| EpsilonGreedy::new(0.01), 100, 10)?, 77.4),
        ("Thompson 10, 10", score(Thompson::default, 10, 10)?, 5.5),
        ("Thompson 100, 10", score(Thompson::default, 100, 10)?, 76.7),
        ("UCB1 10, 5", score(Ucb1::default, 10, 5)?, 6.7),
        ("UCB1 100, 10", score(Ucb1::default, 100, 10)?, 82.4),
        ("Gittins 100, 10", score(|| Gittins::new(indices.clone()), 100, 10)?, 82.8),
    ];
    for (name, ours, published) in rows {
        let theirs = ours.deviation / 1000_f64.sqrt();
        let bound = 3.0 * ours.standard_error.hypot(theirs) + 0.05;
        assert!((ours.mean - published).abs() < bound, "{name}: {ours:?}, published {published}");
    }
    Ok(())
}

/// The published greedy agent is that of the first index: random ties are worth two points in 100 pulls.
#[test]
fn greedy_gains_from_random_ties() -> Result<()> {
    let first = score(Greedy::default, 100, 50)?;
    let random = score(|| Greedy::new(BetaBelief::default(), Ties::Random), 100, 50)?;
    assert!(random.mean > first.mean + 1.0, "{random:?} against {first:?}");
    Ok(())
}

/// Half of the pulls of a two-armed bandit with a sure arm and a worthless one pay a random agent.
#[test]
fn learners_find_the_only_arm_that_pays() -> Result<()> {
    let means: Arc<[f64]> = [0.0, 1.0].into();
    let mut bandit = BernoulliBandits::uniform(2).make(&means)?;
    let mut total = |agent: &mut dyn BanditAgent| {
        play(agent, &mut bandit, 100, &mut stream_rng(0, 0), &mut stream_rng(0, 1)).map_err(anyhow::Error::from)
    };
    // One or two failures teach that arm 0 is the worse one.
    assert!(total(&mut Greedy::default())? >= 98.0);
    assert!(total(&mut Ucb1::default())? >= 96.0);
    assert!(total(&mut Thompson::default())? >= 93.0);
    assert!(total(&mut OptimisticThompson::default())? >= 93.0);
    assert!((30.0..70.0).contains(&total(&mut RandomArm::default())?));
    Ok(())
}

/// Gaussian arms, N(0, 1) with noise 1: with 5 arms the best has mean 1.163 (expected maximum of five normals), and
/// Thompson sampling gets most of that in 200 pulls.
#[test]
fn gaussian_arms_have_their_own_belief() -> Result<()> {
    let family = GaussianBandits::default();
    let thompson = evaluate(|| Thompson::new(NormalBelief::default()), &family, 200, 400, 1, 2)?;
    assert!(thompson.mean / 200.0 > 0.9 && thompson.mean / 200.0 < 1.163 + 0.1, "{thompson:?}");
    let random = evaluate(RandomArm::default, &family, 200, 400, 1, 2)?;
    assert!((random.mean / 200.0).abs() < 4.0 * random.standard_error / 200.0 + 1e-9, "{random:?}");
    Ok(())
}

/// A seed is all: neither threads nor a second run change a bit, and another seed changes something.
#[test]
fn a_seed_decides_everything() -> Result<()> {
    let family = BernoulliBandits::uniform(5);
    let run = |seed, threads| evaluate(Thompson::default, &family, 50, 40, seed, threads);
    assert_eq!(run(3, 1)?, run(3, 3)?);
    assert_ne!(run(3, 1)?, run(4, 1)?);
    // A used agent begins anew.
    let mut agent = Ucb1::default();
    let mut bandit = family.make(&family.sample(&mut env_rng(9, 0, 0))?)?;
    let mut again = || play(&mut agent, &mut bandit, 60, &mut stream_rng(1, 0), &mut stream_rng(1, 1));
    assert_eq!(again()?, again()?);
    Ok(())
}
