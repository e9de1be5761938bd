//! Scratch Omniglot.
use std::sync::Arc;
use std::time::Instant;
use candle_core::{DType, Device};
use rand::SeedableRng;
use rekindle_meta::*;
use rekindle_nn::{Conv4, Conv4Config};
use rekindle_optim::{Adam, Schedule};
use rekindle_tasks::*;
#[global_allocator]
static ALLOC: mimalloc::MiMalloc = mimalloc::MiMalloc;
struct Log(Instant, f64, u64);
impl Observer for Log {
    fn iteration(&mut self, i: &Iteration) -> Result<bool> { self.1 += i.loss; self.2 += 1; Ok(true) }
    fn validation(&mut self, v: &Validation<'_>) -> Result<()> {
        println!("{:6} {:.0}s loss {:.4} val {:.4} ± {:.4}", v.iteration, self.0.elapsed().as_secs_f64(), self.1 / self.2 as f64, v.evaluation.mean, v.evaluation.ci95);
        self.1 = 0.0; self.2 = 0; Ok(())
    }
}
fn main() -> anyhow::Result<()> {
    let a: Vec<String> = std::env::args().collect();
    let (ways, shots, queries, iterations, lr): (usize, usize, usize, u64, f64) = (a[1].parse()?, a[2].parse()?, a[3].parse()?, a[4].parse()?, a[5].parse()?);
    let meta_batch: usize = a[6].parse()?;
    let threads: usize = a[7].parse()?;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let data = Arc::new(Omniglot::open(format!("{}/omniglot", std::env::var("REKINDLE_DATA")?))?);
    let splits = Splits::random(&mut rng, data.n_classes(), [1100, 100, 423])?;
    let [tr, va, te] = splits.subsets(&data)?;
    let shot = FewShot { ways, shots, queries, rotate: true };
    let eval_shot = FewShot { ways, shots, queries: shots, rotate: true };
    let cfg = if ways == 20 { MamlConfig::omniglot_20_way() } else { MamlConfig::omniglot() };
    let learner = Maml::new(Conv4::new(Conv4Config::omniglot(), ways)?, cfg)?;
    let params = learner.init(&mut rng, DType::F32, &Device::Cpu)?;
    let adam = Adam::new(Schedule::Cosine { start: lr, end: lr * 0.01, steps: iterations });
    let runner = Runner::with_threads(threads);
    let config = TrainConfig { iterations, meta_batch, seed: 0, validate_every: iterations / 10, validation: EvalConfig { n_tasks: 300, seed: 2, runner, ..Default::default() }, runner, ..Default::default() };
    let trainer = Trainer { learner: &learner, optimiser: &adam, config: &config };
    let val = FewShotSampler::new(va, eval_shot.clone())?;
    let out = trainer.run(&params, Arc::new(FewShotSampler::new(tr, shot)?), Some(&val), &mut Log(Instant::now(), 0.0, 0))?;
    let test = FewShotSampler::new(te, eval_shot)?;
    for (n, p) in [("best", &out.params), ("last", &out.last)] {
        for setting in [Setting::Transductive, Setting::Inductive] {
            let e = evaluate(&learner, p, &test, &EvalConfig { n_tasks: 600, seed: 1, setting, runner })?;
            println!("{n} {setting:?} {:.4} ± {:.4}", e.mean, e.ci95);
        }
    }
    Ok(())
}
