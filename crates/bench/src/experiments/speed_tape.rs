//! What the tape costs beside the arithmetic: graphs of operations on single numbers.

use anyhow::Result;
use candle_core::{Device, Tensor as Value};
use rekindle_autodiff::{Order, Tensor, grad};

use crate::{Context, Experiment, Table, Usage};

pub(super) struct SpeedTape;

/// Repeats of the small graphs, of which the cheapest counts.
const REPEATS: usize = 7;

/// Nodes of the small chain.
const CHAIN: usize = 100_000;

/// Branches of the wide graph.
const WIDTH: usize = 50_000;

/// Nodes of the long chain.
const MILLION: usize = 1_000_000;

impl Experiment for SpeedTape {
    fn id(&self) -> &'static str {
        "speed/tape"
    }

    fn title(&self) -> &'static str {
        "Speed of the tape"
    }

    fn about(&self) -> &'static str {
        "Records graphs of operations on single numbers, takes the gradient, and drops them. The arithmetic is next to \
         nothing, so the time is that of the tape and of candle's tensors.\n\n\
         - *Chain*: 100,000 operations one after the other, products and sines in turn.\n\
         - *Wide*: 50,000 branches of a product and a sine from one number, added up in pairs.\n\
         - *Million*: the chain with 1,000,000 operations, once.\n\n\
         A node's time is processor time in the cheapest of seven repeats; *nodes-per-second* is the wall time of all three phases."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let mut table = Table::new("Nanoseconds a node", ["graph", "nodes", "record", "gradient", "drop"]);
        let wide_nodes = 3 * WIDTH - 1;
        for (name, prefix, nodes, repeats, graph) in [
            ("chain", "", CHAIN, REPEATS, &chain as &dyn Fn(&Tensor, usize) -> Result<Tensor>),
            ("wide", "wide/", wide_nodes, REPEATS, &wide),
            ("million", "million/", MILLION, 1, &chain),
        ] {
            let phases = Phases::best_of(ctx, repeats, |x| graph(x, nodes))?;
            let each = |seconds: f64| seconds / nodes as f64 * 1e9;
            ctx.metric(&format!("{prefix}nodes-per-second"), nodes as f64 / phases.wall, "1/s")?;
            ctx.metric(&format!("{prefix}record-ns-per-node"), each(phases.record), "ns")?;
            ctx.metric(&format!("{prefix}grad-ns-per-node"), each(phases.gradient), "ns")?;
            ctx.metric(&format!("{prefix}drop-ns-per-node"), each(phases.drop), "ns")?;
            let cells = [phases.record, phases.gradient, phases.drop].map(|seconds| format!("{:.0}", each(seconds)));
            table.row([name.to_owned(), nodes.to_string()].into_iter().chain(cells));
            if nodes == MILLION {
                ctx.metric("million/seconds", phases.wall, "s")?;
            }
        }
        ctx.table(table)
    }
}

/// `y ← sin(y · x)`, two nodes at a time.
fn chain(x: &Tensor, nodes: usize) -> Result<Tensor> {
    let mut y = x.clone();
    for _ in 0..nodes / 2 {
        y = y.mul(x)?.sin()?;
    }
    Ok(y)
}

/// `Σᵢ sin(cᵢ x)` with a balanced sum: a third of the nodes each for products, sines and additions.
fn wide(x: &Tensor, nodes: usize) -> Result<Tensor> {
    let width = nodes.div_ceil(3);
    let branch = |i: usize| Ok(x.scale(i as f64 / width as f64)?.sin()?);
    let mut level = (0..width).map(branch).collect::<Result<Vec<_>>>()?;
    while level.len() > 1 {
        let add = |pair: &[Tensor]| match pair {
            [a, b] => Ok(a.add(b)?),
            _ => Ok(pair[0].clone()),
        };
        level = level.chunks(2).map(add).collect::<Result<_>>()?;
    }
    Ok(level.remove(0))
}

/// Seconds of the processor for each phase, and seconds of the wall clock for all.
struct Phases {
    record: f64,
    gradient: f64,
    drop: f64,
    wall: f64,
}

impl Phases {
    /// Each figure from the repeat where it was smallest.
    fn best_of(ctx: &mut Context, repeats: usize, graph: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        let mut best =
            Self { record: f64::INFINITY, gradient: f64::INFINITY, drop: f64::INFINITY, wall: f64::INFINITY };
        for _ in 0..repeats {
            let [record, gradient, drop] = phases(ctx, &graph)?;
            let cost = |usage: Usage| usage.cpu_seconds.unwrap_or(usage.wall_seconds);
            best.record = best.record.min(cost(record));
            best.gradient = best.gradient.min(cost(gradient));
            best.drop = best.drop.min(cost(drop));
            best.wall = best.wall.min(record.wall_seconds + gradient.wall_seconds + drop.wall_seconds);
        }
        Ok(best)
    }
}

fn phases(ctx: &mut Context, graph: impl Fn(&Tensor) -> Result<Tensor>) -> Result<[Usage; 3]> {
    let device = ctx.device().clone();
    let x = Tensor::new(Value::new(0.9f32, &Device::Cpu)?.to_device(&device)?).leaf();
    let (y, record) = ctx.metered(|_| {
        let y = graph(&x)?;
        device.synchronize()?;
        Ok(y)
    })?;
    let (_, gradient) = ctx.metered(|_| {
        let gradient = grad(&y, &[&x], Order::First)?;
        device.synchronize()?;
        Ok(gradient)
    })?;
    let ((), dropped) = ctx.metered(|_| {
        drop(y);
        Ok(())
    })?;
    Ok([record, gradient, dropped])
}
