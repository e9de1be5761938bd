//! What the best possible agent gets from a bandit.

use anyhow::Result;
use rekindle_rl::bandit::{BetaBelief, OptimalPolicy};

use crate::{Context, Experiment, Published, Table};

pub(super) struct BanditsOptimal;

/// Pulls, arms, and the value that was computed independently of this program.
const KNOWN: [(usize, usize, f64); 6] =
    [(10, 2, 6.0218), (10, 5, 6.6600), (10, 10, 6.7140), (10, 50, 6.7140), (15, 5, 10.4315), (20, 2, 12.4313)];

/// More than any of these needs.
const MAX_STATES: usize = 1 << 20;

impl Experiment for BanditsOptimal {
    fn id(&self) -> &'static str {
        "bandits/optimal"
    }

    fn title(&self) -> &'static str {
        "Optimal play of short bandits"
    }

    fn about(&self) -> &'static str {
        "The expected total reward of Bayes-optimal play, by dynamic programming over all that can be known of the arms, which \
         pay 0 or 1 with probabilities from U[0, 1]. No agent is better on average: where RL²'s table prints 6.8 for 10 \
         pulls of 50 arms, that is chance (its standard error is 0.07). Since no more than *n* arms can be tried, more arms \
         than pulls change nothing."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let mut table = Table::new("Optimal play", ["pulls", "arms", "expected reward", "states of knowledge"]);
        for (pulls, arms, known) in KNOWN {
            let policy = OptimalPolicy::solve(BetaBelief::default(), arms, pulls, MAX_STATES)?;
            let name = format!("n{pulls}k{arms}");
            ctx.metric(&name, policy.value(), "reward")?;
            ctx.published(&name, Published::new(known, "independent dynamic program"));
            let value = format!("{:.4}", policy.value());
            table.row([pulls.to_string(), arms.to_string(), value, policy.n_states().to_string()]);
        }
        ctx.table(table)
    }
}
