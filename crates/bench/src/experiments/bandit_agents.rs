//! The agents of RL²'s bandit table, the settings that they choose from, and their published scores.

use std::sync::Arc;

use anyhow::Result;
use rekindle_rl::bandit::{
    BanditAgent, BetaBelief, EpsilonGreedy, Gittins, GittinsTable, Greedy, Optimism, OptimisticThompson, RandomArm,
    Thompson, Ucb1,
};
use rekindle_rl::instances::for_each;

use super::settings::{Row, Setting};

/// Steps of the grid on which Gittins indices are calibrated; 200 give them to about 1e-4, and scores that differ from
/// those of finer grids by less than their noise.
const GRID: usize = 200;

type Agents = Vec<Setting<dyn BanditAgent>>;

/// Every agent with its settings for a number of pulls; the published scores are those of the nine cells in their order.
pub(super) fn rows(pulls: usize, threads: usize) -> Result<Vec<Row<dyn BanditAgent>>> {
    let row = |name, settings, published| Row { name, settings, published };
    let widths = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5];
    let epsilons = [0.005, 0.01, 0.02, 0.05, 0.1];
    Ok(vec![
        row("random", one(RandomArm::default), &[5.0, 5.0, 5.1, 49.9, 49.9, 49.8, 249.8, 249.0, 249.6]),
        row("gittins", gittins(pulls, threads)?, &[6.6, 6.6, 6.5, 78.3, 82.8, 85.2, 405.8, 437.8, 463.7]),
        row("ts", one(Thompson::default), &[5.7, 5.5, 5.2, 74.7, 76.7, 64.5, 402.0, 429.5, 427.2]),
        row("ots", optimistic(), &[6.5, 6.2, 5.5, 77.9, 81.4, 67.7, 406.7, 438.9, 437.6]),
        row("ucb1", many("c", &widths, Ucb1::new), &[6.7, 6.7, 6.6, 78.0, 82.4, 84.3, 405.8, 437.1, 457.6]),
        row(
            "epsilon-greedy",
            many("ε", &epsilons, EpsilonGreedy::new),
            &[6.6, 6.6, 6.5, 75.4, 77.4, 78.3, 388.2, 408.0, 413.6],
        ),
        row("greedy", one(Greedy::default), &[6.6, 6.6, 6.5, 74.8, 77.1, 78.0, 380.6, 395.0, 402.8]),
    ])
}

/// An agent without a hyper-parameter.
fn one<A: BanditAgent + 'static>(make: fn() -> A) -> Agents {
    vec![Setting { name: String::new(), make: Box::new(move || Box::new(make())) }]
}

/// An agent with a number to choose.
fn many<A: BanditAgent + 'static>(symbol: &str, values: &[f64], make: fn(f64) -> A) -> Agents {
    let setting = |&value: &f64| Setting {
        name: format!("{symbol} = {value}"),
        make: Box::new(move || Box::new(make(value)) as Box<dyn BanditAgent>),
    };
    values.iter().map(setting).collect()
}

fn optimistic() -> Agents {
    let setting = |rule| Setting {
        name: format!("{rule:?}"),
        make: Box::new(move || Box::new(OptimisticThompson::new(BetaBelief::default(), rule)) as Box<dyn BanditAgent>),
    };
    [Optimism::AtLeastTheMean, Optimism::LargestOf(2), Optimism::LargestOf(5)].map(setting).into()
}

/// One table of indices a discount, shared by all agents that follow it.
fn gittins(pulls: usize, threads: usize) -> Result<Agents> {
    let discounts = match pulls {
        0..50 => [0.6, 0.7, 0.8, 0.9],
        50..300 => [0.95, 0.97, 0.98, 0.99],
        _ => [0.99, 0.995, 0.998, 0.999],
    };
    // The last takes longest, so it begins first.
    let tables = for_each(4, threads, |i| GittinsTable::new(BetaBelief::default(), discounts[3 - i], pulls, GRID))?;
    let setting = |(table, discount): (Arc<GittinsTable>, f64)| Setting {
        name: format!("γ = {discount}"),
        make: Box::new(move || Box::new(Gittins::new(table.clone())) as Box<dyn BanditAgent>),
    };
    Ok(tables.into_iter().rev().map(Arc::new).zip(discounts).map(setting).collect())
}
