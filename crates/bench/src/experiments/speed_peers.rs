//! Our speed and that of other libraries on the same work, one after the other in one run.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use rekindle_meta::{MamlConfig, Runner};
use serde_json::Value;

use super::{
    speed_envs, speed_gru, speed_maml_conv4, speed_maml_sinusoid, speed_point_maml, speed_proto_conv4, speed_rl2,
};
use crate::{Context, Experiment, Skip, Table};

pub(super) struct SpeedPeers;

/// The folder of the peers' programs, the virtual environment that they run in, and that of those that need gymnasium.
const PROGRAMS: &str = "REKINDLE_PEERS";
const ENVIRONMENT: &str = "REKINDLE_PEERS_VENV";
const GYMNASIUM: &str = "REKINDLE_PEERS_GYM_VENV";

/// What was measured before, in the programs' folder: for peers that need environments of their own.
const RECORDED: &str = "results.json";

/// One workload: our rate a processor second on one thread, and the peers that do the same.
struct Row {
    name: &'static str,
    ours: fn(&mut Context) -> Result<Option<f64>>,
    /// Program and arguments, the program being [`RECORDED`] where the figure is one that was measured before; the
    /// peers; the workload in the program's output, and the figure.
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
    Row {
        name: "bandit-rollout",
        ours: speed_rl2::rollout_rate,
        arguments: &["c_rl2.py", "--k", "5", "--n", "10"],
        peers: &["jax", "torch", "torch_seq"],
        workload: "rl2_rollout",
        figure: "env_steps_per_cpu_s",
    },
    Row {
        name: "rl2-update",
        ours: speed_rl2::update_rate,
        arguments: &["c_rl2.py", "--k", "5", "--n", "10"],
        peers: &["torch_seq", "torch", "jax"],
        workload: "rl2_ppo",
        figure: "steps_per_cpu_s",
    },
    Row {
        name: "point-rollout",
        ours: speed_point_maml::rollout_rate,
        arguments: &["d_maml_trpo.py"],
        peers: &["torch_bmm", "jax"],
        workload: "nav2d_rollout",
        figure: "env_steps_per_cpu_s",
    },
    Row {
        name: "point-maml-trpo",
        ours: speed_point_maml::rate,
        arguments: &["d_maml_trpo.py"],
        peers: &["torch_bmm", "torch_loop", "jax"],
        workload: "maml_trpo_iter",
        figure: "per_cpu_s",
    },
    Row {
        name: "point-maml-trpo-reference",
        ours: speed_point_maml::rate,
        arguments: &[RECORDED],
        peers: &["learn2learn_example"],
        workload: "maml_trpo_iter",
        figure: "per_cpu_s",
    },
    Row {
        name: "pendulum",
        ours: |ctx| speed_envs::rate(ctx, "pendulum"),
        arguments: &["f_envs.py", "--env", "Pendulum-v1"],
        peers: &["gymnasium", "gymnasium_sync8"],
        workload: "env_Pendulum",
        figure: "env_steps_per_cpu_s",
    },
    Row {
        name: "mountain-car-continuous",
        ours: |ctx| speed_envs::rate(ctx, "mountain-car-continuous"),
        arguments: &["f_envs.py", "--env", "MountainCarContinuous-v0"],
        peers: &["gymnasium", "gymnasium_sync8"],
        workload: "env_MountainCarContinuous",
        figure: "env_steps_per_cpu_s",
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
         in (`venv` in that folder where it is not set), `REKINDLE_PEERS_GYM_VENV` one with gymnasium for the environments, if \
         that is another one. learn2learn's own program of MAML with TRPO needs an environment of its own: its figure is the one \
         that `results.json` in that folder holds, measured before on a machine of this kind, its main process alone."
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let mut peers = Peers::find()?;
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
    gymnasium: PathBuf,
    /// What the programs have said, by their arguments: one run of a program has the figures of several rows.
    said: HashMap<Vec<String>, Vec<Value>>,
}

impl Peers {
    fn find() -> Result<Self> {
        let Some(programs) = std::env::var_os(PROGRAMS).map(PathBuf::from) else {
            bail!(Skip(format!("needs the peers' programs: set {PROGRAMS} to their folder")));
        };
        let environment = std::env::var_os(ENVIRONMENT).map_or_else(|| programs.join("venv"), PathBuf::from);
        let gymnasium = std::env::var_os(GYMNASIUM).map_or_else(|| environment.clone(), PathBuf::from);
        let python = |environment: PathBuf, name: &str| {
            let python = environment.join("bin/python");
            if !python.exists() {
                let way_out = format!("set {name} to the peers' virtual environment");
                bail!(Skip(format!("no Python at {}: {way_out}", python.display())));
            }
            // A relative path would be taken from the programs' folder.
            Ok(std::path::absolute(python)?)
        };
        Ok(Self {
            programs: std::path::absolute(programs)?,
            python: python(environment, ENVIRONMENT)?,
            gymnasium: python(gymnasium, GYMNASIUM)?,
            said: HashMap::new(),
        })
    }

    /// The figure of one peer.
    fn measure(&mut self, row: &Row, peer: &str) -> Result<f64> {
        let figure = self.lines(row, peer)?.iter().find_map(|line| {
            let ours = line["workload"].as_str().is_some_and(|name| name.starts_with(row.workload));
            line[row.figure].as_f64().filter(|_| ours && line["peer"].as_str() == Some(peer))
        });
        figure.with_context(|| format!("{:?} of {peer} gave no {} of {}", row.arguments, row.figure, row.workload))
    }

    /// What a program says of a peer, one measurement a line.
    fn lines(&mut self, row: &Row, peer: &str) -> Result<&[Value]> {
        let arguments = [row.arguments, &["--peer", peer, "--threads", "1"]].concat();
        let key: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        if !self.said.contains_key(&key) {
            let lines = if row.arguments == [RECORDED] { self.recorded()? } else { self.run(&arguments)? };
            self.said.insert(key.clone(), lines);
        }
        Ok(&self.said[&key])
    }

    fn recorded(&self) -> Result<Vec<Value>> {
        let path = self.programs.join(RECORDED);
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let all: Value = serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
        Ok(all["rows"].as_array().cloned().unwrap_or_default())
    }

    fn run(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let gymnasium = arguments.first() == Some(&"f_envs.py");
        let mut command = Command::new(if gymnasium { &self.gymnasium } else { &self.python });
        command.current_dir(&self.programs).args(arguments);
        let output = command.stderr(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if lines.is_empty() {
            bail!("{command:?} ended with {} and said nothing", output.status);
        }
        Ok(lines)
    }
}
