//! Who gets most out of a bandit? Classical agents, and the optimum where it can be computed.
//!
//! ```text
//! cargo run --release -p rekindle-rl --example bandit_agents
//! ```

#![allow(clippy::print_stdout, reason = "examples talk to the terminal")]

use std::sync::Arc;

use rekindle_envs::BernoulliBandits;
use rekindle_rl::Result;
use rekindle_rl::bandit::{
    BanditAgent, BayesOptimal, BetaBelief, EpsilonGreedy, Gittins, GittinsTable, Greedy, OptimalPolicy, RandomArm,
    Thompson, Ucb1, evaluate,
};

/// Arms of a bandit; their probabilities come from U[0, 1].
const ARMS: usize = 5;

fn main() -> Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let prior = BetaBelief::default();
    println!("{ARMS} arms, total reward ± standard error over 2000 bandits\n");
    for pulls in [10, 100] {
        println!("{pulls} pulls");
        // A discount of 0.8 looks about 5 pulls ahead, 0.98 about 50.
        let discount = if pulls == 10 { 0.8 } else { 0.98 };
        let indices = Arc::new(GittinsTable::new(prior, discount, pulls, 200)?);
        let row = |name: &str, make: &(dyn Fn() -> Box<dyn BanditAgent> + Sync)| -> Result<()> {
            let score = evaluate(make, &BernoulliBandits::uniform(ARMS), pulls, 2000, 0, threads)?;
            println!("  {name:<12}{:6.2} ± {:.2}", score.mean, score.standard_error);
            Ok(())
        };
        row("random", &|| Box::new(RandomArm::default()))?;
        row("greedy", &|| Box::new(Greedy::default()))?;
        row("ε-greedy", &|| Box::new(EpsilonGreedy::new(0.02)))?;
        row("Thompson", &|| Box::new(Thompson::default()))?;
        row("UCB1", &|| Box::new(Ucb1::default()))?;
        row("Gittins", &|| Box::new(Gittins::new(indices.clone())))?;
        if pulls == 10 {
            let policy = Arc::new(OptimalPolicy::solve(prior, ARMS, pulls, 100_000)?);
            row("optimal", &|| Box::new(BayesOptimal::new(policy.clone())))?;
            println!("  {:<12}{:6.2} exactly", "", policy.value());
        }
        println!();
    }
    Ok(())
}
