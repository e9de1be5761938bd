//! temporary
fn main() {
    #[global_allocator]
    static A: mimalloc::MiMalloc = mimalloc::MiMalloc;
    use rekindle_meta::*; use rekindle_nn::*; use rekindle_optim::*; use rekindle_tasks::*; use candle_core::*;
    use rand::SeedableRng;
    let steps: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let n: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let learner = Maml::new(Mlp::sinusoid(), MamlConfig { n_steps: steps, ..MamlConfig::sinusoid() }).unwrap();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let mut params = rekindle_meta::MetaLearner::init(&learner, &mut rng, DType::F32, &Device::Cpu).unwrap();
    let opt = Adam::new(1e-3); let mut state = opt.init(&params).unwrap();
    let dist = Sinusoid::maml(10);
    let tasks = dist.sample(&mut rng, 25).unwrap();
    let mut best = f64::MAX;
    for _ in 0..n { let t = std::time::Instant::now(); for k in 0..100 {
        let (_l, g) = Runner::default().meta_grad(&learner, &params, &tasks, k).unwrap();
        let _s = rekindle_autodiff::NoRecord::new();
        let (u, s) = opt.update(&g, &state, &params).unwrap(); params = apply_updates(&params, &u).unwrap(); state = s;
    } best = best.min(t.elapsed().as_secs_f64() / 100.); }
    println!("best {:.1} us, {:.0}/s", best * 1e6, 1. / best);
}
