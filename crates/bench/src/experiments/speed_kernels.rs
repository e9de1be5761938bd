//! The kernels against what the processor can do.

use anyhow::{Context as _, Result};
use rekindle_kernels::conv::{Form, conv_by};
use rekindle_kernels::{
    After, ConvShape, Level, Operand, Product, conv, conv_t, conv_w, math, multiply_adds, product, sum,
};

use crate::{Context, Experiment, Measure, Plot, Table};

pub(super) struct SpeedKernels;

/// Numbers that no cache holds.
const LARGE: usize = 1 << 25;

impl Experiment for SpeedKernels {
    fn id(&self) -> &'static str {
        "speed/kernels"
    }

    fn title(&self) -> &'static str {
        "Speed of the CPU kernels"
    }

    fn about(&self) -> &'static str {
        "Every kernel at every instruction level of this machine, on one thread, beside the multiply-add peak of the same \
         level and the speed at which memory is read, both measured in the same run.\n\n\
         - A multiply-add counts as two operations. Convolutions count the operations of the direct form, so Winograd's, \
         which needs fewer, can pass the peak.\n\
         - The *roofline* (Williams, Waterman & Patterson 2009) bounds a kernel by the peak and by its operations a byte \
         times the bandwidth of main memory. Kernels whose data lie in a cache pass the slanted part."
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let data: Vec<f32> = (0..LARGE).map(|i| (i % 1021) as f32 * 1e-3 - 0.5).collect();
        let bandwidth = bandwidth(ctx, &data)?;
        ctx.metric("memory/gigabytes-per-second", bandwidth, "GB/s")?;
        let mut table = Table::new("GFLOP/s on one thread", ["kernel", "level", "GFLOP/s", "of the peak"]);
        for level in Level::available() {
            let mut peak = 0.0f64;
            let mut points = Vec::new();
            let mut results = Vec::new();
            for work in workloads() {
                // The peak again before each kernel: a busy machine slows both.
                peak = peak.max(measured_peak(ctx, level)?);
                let seconds = best(ctx, || (work.run)(level, &data))?;
                results.push((work.name, work.operations / seconds / 1e9));
                points.push((work.operations / work.bytes, work.operations / seconds / 1e9));
            }
            for (name, rate) in results {
                ctx.metric(&format!("{name}/{}/gflops", level.name()), rate, "GFLOP/s")?;
                table.row([name.into(), level.name().into(), format!("{rate:.1}"), format!("{:.2}", rate / peak)]);
            }
            ctx.metric(&format!("peak/{}/gflops", level.name()), peak, "GFLOP/s")?;
            let ridge = peak / bandwidth;
            ctx.plot(
                Plot::new(format!("Roofline, {}", level.name()), "operations a byte", "GFLOP/s")
                    .log_x()
                    .log_y()
                    .dashed("bounds", [(0.05, 0.05 * bandwidth), (ridge, peak), (1e3, peak)])
                    .scatter("kernels", points),
            )?;
            if Some(&level) == Level::available().last() {
                ctx.metric("peak/gflops", peak, "GFLOP/s")?;
            }
        }
        ctx.table(table)
    }
}

/// One call at a level, on the data.
type Call = Box<dyn Fn(Level, &[f32]) -> Result<()>>;

/// A call of one kernel.
struct Work {
    name: &'static str,
    operations: f64,
    /// Bytes read and written, each once.
    bytes: f64,
    run: Call,
}

fn workloads() -> Vec<Work> {
    let mut all = vec![
        dense("dense/250x40x40", [1, 250, 40, 40], false),
        dense("dense/25-tasks-10x40x40", [25, 10, 40, 40], false),
        dense("dense/250x64x64", [1, 250, 64, 64], false),
        dense("dense/250x256x768", [1, 250, 256, 768], false),
        dense("dense/gradient-sum-25-tasks", [25, 40, 10, 40], true),
    ];
    for (size, images) in [(28, 5), (14, 5), (14, 75), (7, 75)] {
        let shape = ConvShape { images, height: size, width: size, inputs: 64, outputs: 64, stride: 1 };
        all.extend(convolutions(shape));
    }
    all.extend([
        elementwise("exp", 1.0, math::exp),
        elementwise("tanh", 1.0, math::tanh),
        elementwise("sigmoid", 1.0, math::sigmoid),
        elementwise("sum-over-rows", 1.0, |level, x, out| {
            sum(level, x, [1, x.len() / 64, 64], out).expect("the sizes fit");
        }),
    ]);
    all
}

/// `[M, rows, inner] @ [M, inner, cols]`; with `sum` the left side is read transposed and the tasks are added up.
fn dense(name: &'static str, [tasks, rows, inner, cols]: [usize; 4], sum: bool) -> Work {
    let run = move |level, data: &[f32]| {
        let (row, col) = if sum { (1, rows) } else { (inner, 1) };
        let p = Product {
            tasks,
            rows,
            inner,
            cols,
            a: Operand { data, task: rows * inner, row, col },
            b: Operand { data, task: inner * cols, row: cols, col: 1 },
            base: None,
            alpha: 1.0,
            after: After::Keep,
            sum,
        };
        let mut out = Vec::new();
        product(level, &p, &mut out)?;
        std::hint::black_box(&out);
        Ok(())
    };
    let output = rows * cols * if sum { 1 } else { tasks };
    Work {
        name,
        operations: 2.0 * (tasks * rows * inner * cols) as f64,
        bytes: 4.0 * (tasks * (rows * inner + inner * cols) + output) as f64,
        run: Box::new(run),
    }
}

fn convolutions(shape: ConvShape) -> Vec<Work> {
    let pixels = shape.images * shape.height * shape.width;
    let (input, output, weight) = (pixels * shape.inputs, pixels * shape.outputs, 9 * shape.inputs * shape.outputs);
    let form = |form: &'static str, run: Call| Work {
        name: Box::leak(format!("{form}/{}x{}x{}", shape.images, shape.height, shape.width).into_boxed_str()),
        operations: 2.0 * (pixels * weight) as f64,
        bytes: 4.0 * (input + output + weight) as f64,
        run,
    };
    vec![
        form(
            "conv-direct",
            Box::new(move |level, d| {
                appended(|out| conv_by(Form::Direct, level, &d[..input], &d[..weight], &shape, out))
            }),
        ),
        form("conv", Box::new(move |level, d| appended(|out| conv(level, &d[..input], &d[..weight], &shape, out)))),
        form(
            "conv-t",
            Box::new(move |level, d| appended(|out| conv_t(level, &d[..output], &d[..weight], &shape, out))),
        ),
        form("conv-w", Box::new(move |level, d| appended(|out| conv_w(level, &d[..input], &d[..output], &shape, out)))),
    ]
}

/// Runs a kernel that appends to a vector.
fn appended(run: impl FnOnce(&mut Vec<f32>) -> rekindle_kernels::Result<()>) -> Result<()> {
    let mut out = Vec::new();
    run(&mut out)?;
    std::hint::black_box(&out);
    Ok(())
}

/// A function of 64 × 1024 numbers; `operations` for each, by convention one.
fn elementwise(name: &'static str, operations: f64, f: impl Fn(Level, &[f32], &mut Vec<f32>) + 'static) -> Work {
    const N: usize = 1 << 16;
    let run = move |level, data: &[f32]| {
        let mut out = Vec::new();
        f(level, &data[..N], &mut out);
        std::hint::black_box(&out);
        Ok(())
    };
    Work { name, operations: operations * N as f64, bytes: 8.0 * N as f64, run: Box::new(run) }
}

fn best(ctx: &Context, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let measure = Measure { warmup: 2, repeats: ctx.mode().pick(8, 20), seconds: 0.02 };
    Ok(measure.run(&mut work)?.wall_best)
}

fn measured_peak(ctx: &Context, level: Level) -> Result<f64> {
    let (operations, _) = multiply_adds(level, 10_000);
    let seconds = best(ctx, || {
        std::hint::black_box(multiply_adds(level, std::hint::black_box(10_000)));
        Ok(())
    })?;
    Ok(operations / seconds / 1e9)
}

/// Gigabytes that one thread reads a second.
fn bandwidth(ctx: &Context, data: &[f32]) -> Result<f64> {
    let level = *Level::available().last().context("the portable level is always there")?;
    let seconds = best(ctx, || appended(|out| sum(level, data, [1, data.len() / 64, 64], out)))?;
    Ok(4.0 * data.len() as f64 / seconds / 1e9)
}
