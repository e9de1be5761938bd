//! Successor features and generalised policy improvement: four rooms and the reacher.

use anyhow::Result;

use super::{successor_reacher, successor_rooms};
use crate::{Context, Experiment};

pub(super) struct TransferSuccessor;

impl Experiment for TransferSuccessor {
    fn id(&self) -> &'static str {
        "transfer/successor"
    }

    fn title(&self) -> &'static str {
        "Successor features: old policies in new tasks"
    }

    fn about(&self) -> &'static str {
        "Tasks differ in what they pay for features φ of a transition, `r = φᵀw`, in one world.\n\n\
         - *Four rooms*, in the plane: 20 tasks of 20,000 transitions (`--full` has the paper's 250, a quick run 12), rewards of \
         the three classes of objects drawn anew for each task, γ = 0.95, ε = 0.15. Linear functions of 10 × 10 Gaussians, the \
         inventory, and their products, α = 0.3. `sfql` knows φ and begins each task with weights of 1, `sfql-learned` learned \
         eight features from a Q-learner's samples in five other tasks; `prql` reuses policies with η = 0.3, τ = 10; `ql` begins \
         every task from nothing. The figure is the sum of rewards in a task, in the mean over tasks and seeds.\n\
         - *Four rooms on a grid* of 13 × 13, the same with tables and α = 0.5.\n\
         - *Reacher*: networks for four training targets, then eight other targets by generalised policy improvement without \
         any training on them, against a DQN for each. Returns are normalised: 0 is a random policy, 1 the DQN. In a quick run \
         the DQNs have not learned all there is, and to be as good as they are says little.\n\n\
         Source: Barreto, Dabney, Munos, Hunt, Schaul, van Hasselt & Silver 2017, §4. The paper shows curves only: SFQL more \
         than doubles PRQL, which about doubles QL; on test targets SFDQN is near specialists. Walls and objects lie in other \
         places than there, the arm has other masses, episodes in the rooms end after 200 steps, and products with the inventory and \
         hopeful weights are ours: without them, SFQL earned no more than QL in as few tasks."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        ctx.section("Four rooms", successor_rooms::in_the_plane)?;
        ctx.section("Four rooms on a grid", successor_rooms::on_a_grid)?;
        ctx.section("Reacher", successor_reacher::run)
    }
}
