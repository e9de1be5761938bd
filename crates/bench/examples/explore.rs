//! Scratch.
#![allow(clippy::print_stdout, reason = "scratch")]
use candle_core::{DType, Device};
use rand::SeedableRng;
use rekindle_meta::*;
use rekindle_nn::*;
use rekindle_optim::*;
use rekindle_tasks::*;
use std::sync::Arc;
#[global_allocator]
static ALLOC: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn env(n: &str, d: &str) -> String {
    std::env::var(n).unwrap_or(d.into())
}
fn main() -> anyhow::Result<()> {
    let k: usize = env("K", "5").parse()?;
    let iters: u64 = env("N", "70000").parse()?;
    let sched = env("S", "const");
    let init = env("I", "trunc");
    let seed: u64 = env("SEED", "0").parse()?;
    let lr: f64 = env("LR", "1e-3").parse()?;
    let q: usize = env("Q", &k.to_string()).parse()?;
    let steps: usize = env("STEPS", "1").parse()?;
    let ilr: f64 = env("ILR", "0.01").parse()?;
    let clip: f64 = env("CLIP", "0").parse()?;
    let cfg = match init.as_str() {
        "torch" => MlpConfig { weight: Init::FanInUniform, bias: Init::FanInUniform, ..Default::default() },
        "he" => MlpConfig { weight: Init::HeNormal, ..Default::default() },
        "glorot" => MlpConfig { weight: Init::GlorotUniform, ..Default::default() },
        _ => MlpConfig::default(),
    };
    let learner = Maml::new(Mlp::new(&cfg)?, MamlConfig { inner_lr: ilr, n_steps: steps, ..MamlConfig::sinusoid() })?;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let params = learner.init(&mut rng, DType::F32, &Device::Cpu)?;
    let adam = Adam::new(match sched.as_str() {
        "cos" => Schedule::cosine(lr, iters),
        "lin" => Schedule::Linear { start: lr, end: 0.0, steps: iters },
        "step" => Schedule::StepDecay { start: lr, factor: 0.1, every: iters * 3 / 4 },
        _ => Schedule::Constant(lr),
    });
    let opt: Box<dyn Transform> = if clip > 0.0 {
        Box::new(chain(vec![Box::new(ClipNorm::new(clip)) as Box<dyn Transform>, Box::new(adam)]))
    } else {
        Box::new(adam)
    };
    let config = TrainConfig { iterations: iters, meta_batch: 25, seed, ..Default::default() };
    let t = std::time::Instant::now();
    let out = Trainer { learner: &learner, optimiser: &opt, config: &config }.run(
        &params,
        Arc::new(Sinusoid { queries: q, ..Sinusoid::maml(k) }),
        None,
        &mut (),
    )?;
    let secs = t.elapsed().as_secs_f64();
    print!("k{k} q{q} {iters} {sched} {init} s{seed} lr{lr} ilr{ilr} st{steps} clip{clip} {secs:.0}s:");
    for k in [5, 10, 20] {
        let e = evaluate_steps(
            &learner,
            &out.last,
            &Sinusoid { queries: 20, ..Sinusoid::maml(k) },
            10,
            &EvalConfig { n_tasks: 3000, seed: 1 << 40, ..Default::default() },
        )?;
        print!(
            " | k{k} {:.3} {:.3}±{:.3} {:.3}±{:.3} {:.3}",
            e[0].mean, e[1].mean, e[1].ci95, e[5].mean, e[5].ci95, e[10].mean
        );
    }
    println!();
    Ok(())
}
