//! Scratch timing.
use std::time::Instant;
use candle_core::{DType, Device};
use rand::SeedableRng;
use rekindle_meta::{Maml, MamlConfig, MetaLearner, Runner};
use rekindle_nn::{Conv4, Conv4Config, Mlp};
use rekindle_optim::{Adam, Transform, apply_updates};
use rekindle_tasks::{Sinusoid, TaskSampler, batch_rng, Batch, TaskBatch};
#[global_allocator]
static ALLOC: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let learner = Maml::new(Mlp::sinusoid(), MamlConfig::sinusoid())?;
    let mut params = learner.init(&mut rng, DType::F32, &Device::Cpu)?;
    let adam = Adam::new(1e-3);
    let mut state = adam.init(&params)?;
    let s = Sinusoid::maml(10);
    let runner = Runner::default();
    for n in [500, 2000, 2000] {
        let t = Instant::now();
        let mut l = 0.0;
        for i in 0..n {
            let tasks = s.sample(&mut batch_rng(0, i), 25)?;
            let (losses, g) = runner.meta_grad(&learner, &params, &tasks, i)?;
            let _s = rekindle_autodiff::NoRecord::new();
            let (u, st) = adam.update(&g, &state, &params)?;
            state = st;
            params = apply_updates(&params, &u)?;
            l += losses.iter().sum::<f64>() / 25.0;
        }
        println!("sin {:.0} it/s loss {:.3}", n as f64 / t.elapsed().as_secs_f64(), l / n as f64);
    }
    for (cfg, q) in [(Conv4Config::omniglot(), 1), (Conv4Config { downsampling: rekindle_nn::Downsampling::MaxPool, ..Conv4Config::omniglot() }, 15)] {
        let learner = Maml::new(Conv4::new(cfg, 5)?, MamlConfig::omniglot())?;
        let params = learner.init(&mut rng, DType::F32, &Device::Cpu)?;
        let m = 8;
        let img = |b: usize| candle_core::Tensor::rand(0f32, 1., (m, b, 28, 28, 1), &Device::Cpu);
        let lab = |k: u32| candle_core::Tensor::from_vec((0..m as u32 * 5 * k).map(|i| i / k % 5).collect(), (m, 5 * k as usize), &Device::Cpu);
        let tasks = TaskBatch { support: Batch { x: img(5)?, y: lab(1)? }, query: Batch { x: img(5 * q)?, y: lab(q as u32)? } };
        for chunk in [1, 2, 8] {
            let runner = Runner { chunk: Some(chunk), threads: 1 };
            for _ in 0..2 {
                let t = Instant::now();
                runner.meta_grad(&learner, &params, &tasks, 0)?;
                println!("conv q{q} chunk {chunk}: {:.1} tasks/s", m as f64 / t.elapsed().as_secs_f64());
            }
        }
    }
    Ok(())
}
