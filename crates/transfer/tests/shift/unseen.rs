//! Zero-shot methods learn: on a made world where inputs are a smooth function of attributes.

use candle_core::{DType, Device, Tensor as Value};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Order, Params, Tensor};
use rekindle_nn::{Activation, Init, Mlp, MlpConfig};
use rekindle_optim::{Adam, Transform, apply_updates};
use rekindle_transfer::zero_shot::{
    Compatibility, Dap, DescriptionPrototypes, Descriptions, Eszsl, EszslConfig, RankingLoss, best_class,
    per_class_accuracy,
};

use crate::common::{Result, gaussian, normal};

const ATTRIBUTES: usize = 6;
const SEEN: usize = 24;
const CLASSES: usize = 32;
const INPUTS: usize = 16;

/// 32 of the 64 classes that 6 attributes make, the first 24 of them seen; `x = tanh(A P) + noise`.
struct World {
    classes: Descriptions,
    mixing: Vec<f64>,
}

impl World {
    fn new() -> Result<Self> {
        // Steps of 23 visit all residues of 64, in no simple order.
        let row = |class: usize| (0..ATTRIBUTES).map(|a| (((class * 23 + 5) % 64) >> a & 1) as f64).collect();
        let classes = Descriptions::new((0..CLASSES).map(row).collect())?;
        Ok(Self { classes, mixing: normal(&[ATTRIBUTES, INPUTS], 7).to_vec_f64()? })
    }

    /// Attributes as −1 and 1.
    fn signs(&self) -> Result<Descriptions> {
        let row = |class| Ok(self.classes.of(class)?.iter().map(|v| 2.0 * v - 1.0).collect());
        Ok(Descriptions::new((0..CLASSES).map(row).collect::<Result<_>>()?)?)
    }

    /// `n` examples of some classes, `[1, n, 16]` and `[1, n]`.
    fn draw(&self, classes: std::ops::Range<usize>, n: usize, seed: u64) -> Result<(Tensor, Value)> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let class = rng.random_range(classes.clone());
            let row = self.classes.of(class)?;
            for d in 0..INPUTS {
                let sum: f64 = row.iter().enumerate().map(|(a, v)| (2.0 * v - 1.0) * self.mixing[a * INPUTS + d]).sum();
                x.push((0.5 * sum).tanh() + 0.1 * gaussian(&mut rng));
            }
            y.push(class as u32);
        }
        Ok((Tensor::from_vec(x, (1, n, INPUTS))?, Value::from_vec(y, (1, n), &Device::Cpu)?))
    }

    /// Mean accuracy of the unseen classes, told among themselves.
    fn judge(&self, scores: impl Fn(&Tensor) -> rekindle_transfer::Result<Tensor>) -> Result<f64> {
        let (x, y) = self.draw(SEEN..CLASSES, 300, 99)?;
        let guesses = best_class(&scores(&x)?, &(SEEN..CLASSES).collect::<Vec<_>>())?;
        let labels: Vec<usize> = y.flatten_all()?.to_vec1::<u32>()?.into_iter().map(|class| class as usize).collect();
        Ok(per_class_accuracy(&guesses, &labels)?)
    }
}

fn mlp(sizes: &[usize]) -> Result<Box<Mlp>> {
    let config = MlpConfig {
        sizes: sizes.to_vec(),
        activation: Activation::Tanh,
        weight: Init::GlorotUniform,
        ..MlpConfig::default()
    };
    Ok(Box::new(Mlp::new(&config)?))
}

fn descend(
    mut params: Params,
    steps: usize,
    loss: &dyn Fn(&Params, usize) -> rekindle_transfer::Result<Tensor>,
) -> Result<Params> {
    let adam = Adam::new(5e-3);
    let mut state = adam.init(&params)?;
    for step in 0..steps {
        let leaves = params.leaf();
        let grads = leaves.grad(&loss(&leaves, step)?.sum_all()?, Order::First)?;
        let (updates, next) = adam.update(&grads, &state, &params)?;
        (params, state) = (apply_updates(&params, &updates)?, next);
    }
    Ok(params)
}

/// Eight unseen classes, so 12.5 % by chance; every method reaches 80 %, from seed 0.
#[test]
fn unseen_classes_are_recognised_by_their_descriptions() -> Result {
    let world = World::new()?;
    let seen = world.classes.select(&(0..SEEN).collect::<Vec<_>>())?;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut reached = Vec::new();

    let (x, y) = world.draw(0..SEEN, 600, 1)?;
    // Absent is −1 here, so that all descriptions are equally long and none scores high whatever the input.
    let signs = world.signs()?;
    let eszsl = Eszsl::fit(&x, &y, &signs.select(&(0..SEEN).collect::<Vec<_>>())?, EszslConfig::default())?;
    reached.push(("ESZSL", world.judge(|x| eszsl.scores(x, &signs))?));

    let batch = |step: usize| world.draw(0..SEEN, 64, 1000 + step as u64).expect("described");
    let dap = Dap::new(mlp(&[INPUTS, 32, ATTRIBUTES])?, &seen)?;
    let params = dap.init(&mut rng, DType::F64, &Device::Cpu)?;
    let params = descend(params, 200, &|p, step| {
        let (x, y) = batch(step);
        dap.loss(p, &x, &y, &seen)
    })?;
    reached.push(("DAP", world.judge(|x| dap.scores(&params, x, &world.classes))?));

    for (name, loss) in [("DeViSE", RankingLoss::DEVISE), ("SJE", RankingLoss::SJE), ("ALE", RankingLoss::ALE)] {
        let unit = (seen.normalised(), world.classes.normalised());
        let form = Compatibility::new(Some(mlp(&[INPUTS, 32])?), 32, ATTRIBUTES, loss)?;
        let params = form.init(&mut rng, DType::F64, &Device::Cpu)?;
        let params = descend(params, 300, &|p, step| {
            let (x, y) = batch(step);
            form.loss(p, &x, &y, &unit.0)
        })?;
        reached.push((name, world.judge(|x| form.scores(&params, x, &unit.1))?));
    }

    let net = DescriptionPrototypes::new(mlp(&[INPUTS, 32, 16])?, mlp(&[ATTRIBUTES, 16])?);
    let params = net.init(&mut rng, DType::F64, &Device::Cpu)?;
    let params = descend(params, 300, &|p, step| {
        let (x, y) = batch(step);
        net.loss(p, &x, &y, &seen)
    })?;
    reached.push(("prototypes", world.judge(|x| net.scores(&params, x, &world.classes))?));

    assert!(reached.iter().all(|(_, accuracy)| *accuracy >= 0.8), "{reached:?}");
    Ok(())
}
