//! Our speed and that of other libraries on the same work, in turns.

use anyhow::Result;
use rekindle_meta::{MamlConfig, Runner};

use super::peers::{Figure, Peers};
use super::{
    speed_envs, speed_gru, speed_maml_conv4, speed_maml_sinusoid, speed_point_maml, speed_proto_conv4, speed_rl2, turns,
};
use crate::record::format_number;
use crate::{Context, Experiment, Measure, Table, Work};

pub(super) struct SpeedPeers;

/// One workload: ours on one thread, and the peers that do the same.
struct Row {
    name: &'static str,
    ours: fn(&Context) -> Result<Work>,
    /// The peers' program and its arguments; none where its figure was measured before, in an environment of its own.
    program: &'static [&'static str],
    peers: &'static [&'static str],
    figure: Figure,
    /// The programs' repeats, of [`SECONDS`] each or of one call, if that is longer.
    repeats: usize,
}

/// Length of a repeat by the clock, half of which the peer's program has.
const SECONDS: f64 = 1.0;

/// Repeats where a call takes microseconds or milliseconds, and where it takes seconds.
const MANY: usize = 12;
const FEW: usize = 5;

const ROWS: &[Row] = &[
    Row {
        name: "maml-sinusoid",
        ours: |ctx| sinusoid(ctx, 1),
        program: &["a_maml_sine.py", "--steps", "1"],
        peers: &["jax_scan", "torch_bmm"],
        figure: Figure { workload: "maml_sine", field: "per_cpu_s" },
        repeats: MANY,
    },
    Row {
        name: "maml-sinusoid-5",
        ours: |ctx| sinusoid(ctx, 5),
        program: &["a_maml_sine.py", "--steps", "5"],
        peers: &["jax_scan"],
        figure: Figure { workload: "maml_sine", field: "per_cpu_s" },
        repeats: MANY,
    },
    Row {
        name: "maml-conv4",
        ours: |ctx| speed_maml_conv4::training(ctx, 1),
        program: &["b_conv.py", "--steps", "1"],
        peers: &["torch_loop", "jax_im2col"],
        figure: Figure { workload: "maml_conv4", field: "tasks_per_cpu_s" },
        repeats: FEW,
    },
    Row {
        name: "proto-conv4-5w",
        ours: |ctx| speed_proto_conv4::training(ctx, 5),
        program: &["b_conv.py", "--task", "proto", "--ways", "5"],
        peers: &["torch_loop", "jax_im2col"],
        figure: Figure { workload: "proto_conv4", field: "images_per_cpu_s" },
        repeats: MANY,
    },
    Row {
        name: "proto-conv4-60w",
        ours: |ctx| speed_proto_conv4::training(ctx, 60),
        program: &["b_conv.py", "--task", "proto", "--ways", "60"],
        peers: &["torch_loop", "jax_im2col"],
        figure: Figure { workload: "proto_conv4", field: "images_per_cpu_s" },
        repeats: MANY,
    },
    Row {
        name: "gru-rollout",
        ours: |_| speed_gru::rollout(speed_gru::MAIN, 1),
        program: &["c_rl2.py", "--k", "5", "--n", "10"],
        peers: &["jax", "torch"],
        figure: Figure { workload: "rl2_rollout", field: "env_steps_per_cpu_s" },
        repeats: MANY,
    },
    Row {
        name: "gru-gradient",
        ours: |_| speed_gru::gradient(speed_gru::MAIN, 1),
        program: &["c_rl2.py", "--k", "5", "--n", "10"],
        peers: &["torch", "jax"],
        figure: Figure { workload: "rl2_grad", field: "steps_per_cpu_s" },
        repeats: FEW,
    },
    Row {
        name: "bandit-rollout",
        ours: |_| speed_rl2::rollout(speed_gru::MAIN),
        program: &["c_rl2.py", "--k", "5", "--n", "10"],
        peers: &["jax", "torch", "torch_seq"],
        figure: Figure { workload: "rl2_rollout", field: "env_steps_per_cpu_s" },
        repeats: MANY,
    },
    Row {
        name: "rl2-update",
        ours: |_| speed_rl2::update(speed_gru::MAIN),
        program: &["c_rl2.py", "--k", "5", "--n", "10"],
        peers: &["torch_seq", "torch", "jax"],
        figure: Figure { workload: "rl2_ppo", field: "steps_per_cpu_s" },
        repeats: FEW,
    },
    Row {
        name: "point-rollout",
        ours: |_| speed_point_maml::rollouts(),
        program: &["d_maml_trpo.py"],
        peers: &["torch_bmm", "jax"],
        figure: Figure { workload: "nav2d_rollout", field: "env_steps_per_cpu_s" },
        repeats: MANY,
    },
    Row {
        name: "point-maml-trpo",
        ours: |ctx| speed_point_maml::iterations(ctx, 1),
        program: &["d_maml_trpo.py"],
        peers: &["torch_bmm", "torch_loop", "jax"],
        figure: Figure { workload: "maml_trpo_iter", field: "per_cpu_s" },
        repeats: FEW,
    },
    Row {
        name: "point-maml-trpo-reference",
        ours: |ctx| speed_point_maml::iterations(ctx, 1),
        program: &[],
        peers: &["learn2learn_example"],
        figure: Figure { workload: "maml_trpo_iter", field: "per_cpu_s" },
        repeats: FEW,
    },
    Row {
        name: "pendulum",
        ours: |_| speed_envs::playing("pendulum"),
        program: &["f_envs.py", "--env", "Pendulum-v1"],
        peers: &["gymnasium", "gymnasium_sync8"],
        figure: Figure { workload: "env_Pendulum", field: "env_steps_per_cpu_s" },
        repeats: MANY,
    },
    Row {
        name: "mountain-car-continuous",
        ours: |_| speed_envs::playing("mountain-car-continuous"),
        program: &["f_envs.py", "--env", "MountainCarContinuous-v0"],
        peers: &["gymnasium", "gymnasium_sync8"],
        figure: Figure { workload: "env_MountainCarContinuous", field: "env_steps_per_cpu_s" },
        repeats: MANY,
    },
];

fn sinusoid(ctx: &Context, n_steps: usize) -> Result<Work> {
    let config = MamlConfig { n_steps, ..MamlConfig::sinusoid() };
    speed_maml_sinusoid::training(ctx, &config, speed_maml_sinusoid::TASKS, Runner::default())
}

impl Row {
    /// Units a processor second of the median repeat, ours and a peer's.
    fn compare(&self, ctx: &Context, peers: &Peers, peer: &str) -> Result<[f64; 2]> {
        let mut work = (self.ours)(ctx)?;
        if self.program.is_empty() {
            let timing = Measure { repeats: self.repeats, ..Measure::default() }.run(work.call)?;
            return Ok([work.units / turns::told(timing.cpu_median)?, peers.recorded(self.figure, peer)?.rate]);
        }
        let (seconds, repeats) = (SECONDS.to_string(), self.repeats.to_string());
        let settings = ["--peer", peer, "--threads", "1", "--seconds", &seconds, "--repeats", &repeats];
        let arguments = [self.program, &settings].concat();
        let (theirs, turns) = peers.in_turns(&arguments, (self.figure, peer), &mut work)?;
        Ok([work.units / turns::median(&turns, self.repeats, theirs.repeat.max(SECONDS))?, theirs.rate])
    }
}

impl Experiment for SpeedPeers {
    fn id(&self) -> &'static str {
        "speed/peers"
    }

    fn title(&self) -> &'static str {
        "Speed beside other libraries"
    }

    fn about(&self) -> &'static str {
        "The workloads of the speed experiments here and in PyTorch or JAX, on one thread, a processor second, by the median \
         of several repeats. Above one, ours is faster.\n\n\
         Both programs take turns of 50 milliseconds (or of one call of ours, if that is longer) on one core: while one works, the \
         other is stopped, so that both meet the same machine, whatever else it does. Ours is rated over the time of the peer's repeats.\n\n\
         `REKINDLE_PEERS` names the folder of the peers' programs, `REKINDLE_PEERS_VENV` the virtual environment they run \
         in (`venv` in that folder where it is not set), `REKINDLE_PEERS_GYM_VENV` one with gymnasium for the environments, if \
         that is another one. learn2learn's own program of MAML with TRPO needs an environment of its own: its figure is the one \
         that `results.json` in that folder holds, measured before on a machine of this kind, its main process alone."
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let peers = Peers::find()?;
        let mut table = Table::new("A processor second, one thread", ["workload", "ours", "peer", "theirs", "ratio"]);
        for row in ROWS {
            let mut least = f64::INFINITY;
            for peer in row.peers {
                let [ours, theirs] = row.compare(ctx, &peers, peer)?;
                least = least.min(ours / theirs);
                ctx.metric(&format!("{}/{peer}/ratio", row.name), ours / theirs, "ratio")?;
                let [ratio, ours, theirs] = [ours / theirs, ours, theirs].map(|rate| format_number(rate, 4));
                table.row([row.name.to_owned(), ours, (*peer).to_owned(), theirs, ratio]);
            }
            ctx.metric(&format!("{}/best-peer/ratio", row.name), least, "ratio")?;
        }
        ctx.table(table)
    }
}
