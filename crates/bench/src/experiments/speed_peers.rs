//! Our speed and that of other libraries on the same work, one after the other in one run.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use rekindle_meta::{MamlConfig, Runner};

use super::{speed_gru, speed_maml_conv4, speed_maml_sinusoid, speed_proto_conv4};
use crate::{Context, Experiment, Skip, Table};

pub(super) struct SpeedPeers;

/// The folder of the peers' programs, and the virtual environment that they run in.
const PROGRAMS: &str = "REKINDLE_PEERS";
const ENVIRONMENT: &str = "REKINDLE_PEERS_VENV";

/// One workload: our rate a processor second on one thread, and the peers that do the same.
struct Row {
    name: &'static str,
    ours: fn(&mut Context) -> Result<Option<f64>>,
    /// Program and arguments; the peers; the workload in the program's output, and the figure.
    arguments: &'static [&'static str],
    peers: &'static [&'static str],
    workload: &'static str,
    figure: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        name: "maml-sinusoid",
        ours: |ctx| sinusoid(ctx, 1),
        arguments: &["a_maml_sine.py", "--steps", "1"],
        peers: &["jax_scan", "torch_bmm"],
        workload: "maml_sine",
        figure: "per_cpu_s",
    },
    Row {
        name: "maml-sinusoid-5",
        ours: |ctx| sinusoid(ctx, 5),
        arguments: &["a_maml_sine.py", "--steps", "5"],
        peers: &["jax_scan"],
        workload: "maml_sine",
        figure: "per_cpu_s",
    },
    Row {
        name: "maml-conv4",
        ours: speed_maml_conv4::rate,
        arguments: &["b_conv.py", "--steps", "1"],
        peers: &["torch_loop", "jax_im2col"],
        workload: "maml_conv4",
        figure: "tasks_per_cpu_s",
    },
    Row {
        name: "proto-conv4-5w",
        ours: |ctx| speed_proto_conv4::rate(ctx, 5),
        arguments: &["b_conv.py", "--task", "proto", "--ways", "5"],
        peers: &["torch_loop", "jax_im2col"],
        workload: "proto_conv4",
        figure: "images_per_cpu_s",
    },
    Row {
        name: "proto-conv4-60w",
        ours: |ctx| speed_proto_conv4::rate(ctx, 60),
        arguments: &["b_conv.py", "--task", "proto", "--ways", "60"],
        peers: &["torch_loop", "jax_im2col"],
        workload: "proto_conv4",
        figure: "images_per_cpu_s",
    },
    Row {
        name: "gru-rollout",
        ours: speed_gru::rollout_rate,
        arguments: &["c_rl2.py", "--k", "5", "--n", "10"],
        peers: &["jax", "torch"],
        workload: "rl2_rollout",
        figure: "env_steps_per_cpu_s",
    },
    Row {
        name: "gru-gradient",
        ours: speed_gru::gradient_rate,
        arguments: &["c_rl2.py", "--k", "5", "--n", "10"],
        peers: &["torch", "jax"],
        workload: "rl2_grad",
        figure: "steps_per_cpu_s",
    },
];

fn sinusoid(ctx: &mut Context, n_steps: usize) -> Result<Option<f64>> {
    let config = MamlConfig { n_steps, ..MamlConfig::sinusoid() };
    Ok(speed_maml_sinusoid::measure(ctx, &config, speed_maml_sinusoid::TASKS, Runner::default())?.per_cpu_second())
}

impl Experiment for SpeedPeers {
    fn id(&self) -> &'static str {
        "speed/peers"
    }

    fn title(&self) -> &'static str {
        "Speed beside other libraries"
    }

    fn about(&self) -> &'static str {
        "The workloads of the speed experiments, each measured here and then in PyTorch or JAX, in the same minutes, on one \
         thread, a processor second. Above one, ours is faster.\n\n\
         `REKINDLE_PEERS` names the folder of the peers' programs, `REKINDLE_PEERS_VENV` the virtual environment they run \
         in (`venv` in that folder where it is not set)."
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let peers = Peers::find()?;
        let mut table = Table::new("A processor second, one thread", ["workload", "ours", "peer", "theirs", "ratio"]);
        for row in ROWS {
            let Some(ours) = (row.ours)(ctx)? else {
                bail!(Skip("this system does not tell the processor time of a process".into()));
            };
            let mut best = 0.0f64;
            for peer in row.peers {
                let theirs = peers.measure(row, peer)?;
                best = best.max(theirs);
                ctx.metric(&format!("{}/{peer}/ratio", row.name), ours / theirs, "ratio")?;
                let cells = [row.name.to_owned(), format!("{ours:.1}"), (*peer).to_owned(), format!("{theirs:.1}")];
                table.row(cells.into_iter().chain([format!("{:.2}", ours / theirs)]));
            }
            ctx.metric(&format!("{}/best-peer/ratio", row.name), ours / best, "ratio")?;
        }
        ctx.table(table)
    }
}

struct Peers {
    programs: PathBuf,
    python: PathBuf,
}

impl Peers {
    fn find() -> Result<Self> {
        let Some(programs) = std::env::var_os(PROGRAMS).map(PathBuf::from) else {
            bail!(Skip(format!("needs the peers' programs: set {PROGRAMS} to their folder")));
        };
        let environment = std::env::var_os(ENVIRONMENT).map_or_else(|| programs.join("venv"), PathBuf::from);
        let python = environment.join("bin/python");
        if !python.exists() {
            let way_out = format!("set {ENVIRONMENT} to the peers' virtual environment");
            bail!(Skip(format!("no Python at {}: {way_out}", python.display())));
        }
        // A relative path would be taken from the programs' folder.
        Ok(Self { programs: std::path::absolute(programs)?, python: std::path::absolute(python)? })
    }

    /// The figure of one peer.
    fn measure(&self, row: &Row, peer: &str) -> Result<f64> {
        let mut command = Command::new(&self.python);
        command.current_dir(&self.programs).args(row.arguments).args(["--peer", peer, "--threads", "1"]);
        let output = command.stderr(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let figure =
            text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()).find_map(|r| {
                let ours = r["workload"].as_str().is_some_and(|name| name.starts_with(row.workload));
                r[row.figure].as_f64().filter(|_| ours)
            });
        figure.with_context(|| format!("{command:?} ended with {} and gave no {}", output.status, row.figure))
    }
}
