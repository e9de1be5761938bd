//! RL² on bandits and on tabular MDPs.

use anyhow::Result;
use rekindle_envs::{BernoulliBandits, TabularMdps};

use super::rl2_cells::{Cell, Memory, run};
use crate::{Context, Experiment, Mode};

pub(super) struct BanditsRl2;

pub(super) struct MdpRl2;

impl Experiment for BanditsRl2 {
    fn id(&self) -> &'static str {
        "bandits/rl2"
    }

    fn title(&self) -> &'static str {
        "RL² on bandits"
    }

    fn about(&self) -> &'static str {
        "Bandits of *k* arms with probabilities from U[0, 1], pulled *n* times, see *Classical bandit agents*. The quick run \
         trains briefly on one cell; by name, four cells are trained; `--full` has all nine.\n\n\
         - A GRU of 256 units whose memories span up to a trial at first (Tallec & Ollivier 2018), on one-hot vectors of observation and last action, the last \
         reward and the end of the last episode; its memory is kept for a whole trial. A second one gives the values.\n\
         - PPO in the place of the paper's TRPO: γ = 1, λ = 0.5 (the paper: 0.99 and 0.3), 25,000 steps an iteration (the paper: 250,000), two passes \
         in 32 batches of whole trials, the rate of Adam falling from `0.002` to `0.00004`, entropy bonus 0.001.\n\
         - The figure is the mean reward of a trial in 10,000 new tasks, actions drawn from the policy.\n\n\
         Source: Duan et al. 2016, section 3.1 and Table 1."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let published = [
            (10, [(5, 6.7), (10, 6.7), (50, 6.8)]),
            (100, [(5, 78.7), (10, 83.5), (50, 84.9)]),
            (500, [(5, 401.6), (10, 432.5), (50, 438.9)]),
        ];
        let mut cells = Vec::new();
        for (pulls, row) in published {
            for (arms, published) in row {
                let chosen = [pulls == 10 && arms == 5, pulls <= 100 && arms <= 10, true];
                if ctx.mode().of(chosen) {
                    let (iterations, scale) = if pulls == 10 { (300, 1.0) } else { (600, 0.1) };
                    let cell = Cell {
                        name: format!("n{pulls}k{arms}"),
                        episodes: pulls,
                        steps: pulls,
                        iterations: ctx.mode().of([20, iterations, 1000]),
                        memory: Memory::Gru { scale },
                        published,
                    };
                    cells.push((cell, BernoulliBandits::uniform(arms)));
                }
            }
        }
        run(ctx, &cells)
    }
}

impl Experiment for MdpRl2 {
    fn id(&self) -> &'static str {
        "mdp/rl2"
    }

    fn title(&self) -> &'static str {
        "RL² on tabular MDPs"
    }

    fn about(&self) -> &'static str {
        "MDPs of ten states and five actions, *n* episodes of ten steps, see *Classical agents for tabular MDPs*. The quick run \
         trains briefly on n = 10; by name, n = 10 and 25 are trained; `--full` has all columns, and n = 10 with the paper's GRU.\n\n\
         - A policy that attends to the steps of its trial (Mishra et al. 2018, here one layer without convolutions), which \
         knows the state before, too, with values as one more output.\n\
         - PPO, 10,000 steps an iteration (the paper: TRPO, 250,000), three passes in eight batches of whole trials, the rate of Adam \
         falling from `0.002` to `0.00004`, entropy bonus 0.001, γ = 0: an action is weighed by the reward that follows at once. So \
         the policy learns to remember, and to exploit what it remembers, but plans nothing.\n\
         - Differs from the paper in all of these. A GRU of 256 units as in *RL² on bandits* (`gru-n10`) ends where an agent does that does not tell \
         states apart.\n\n\
         Source: Duan et al. 2016, section 3.2 and Table 2."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let columns = [(10, 156.2), (25, 445.7), (50, 936.1), (75, 1428.8), (100, 1913.7)];
        let cell = |&(episodes, published): &(usize, f64)| {
            let cell = Cell {
                name: format!("n{episodes}"),
                episodes,
                steps: 10 * episodes,
                iterations: ctx.mode().of([20, 800, 2000]),
                memory: Memory::Attention,
                published,
            };
            (cell, TabularMdps::default())
        };
        let mut cells: Vec<_> = columns[..ctx.mode().of([1, 2, columns.len()])].iter().map(cell).collect();
        if ctx.mode() == Mode::Full {
            let (paper, family) = cell(&columns[0]);
            let memory = Memory::Gru { scale: 0.1 };
            cells.push((Cell { name: format!("gru-{}", paper.name), memory, ..paper }, family));
        }
        run(ctx, &cells)
    }
}
