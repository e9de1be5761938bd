//! A memory-augmented neural network: an LSTM that writes what it sees into a memory, and finds it there again.
//!
//! ```text
//! (h_t, c_t) = LSTM(x_t, y_{t−1}, r_{t−1})                                    controller
//! w^r_t = softmax_i cos(k_t, M_{t−1}(i))      r_t = Σᵢ w^r_t(i) M_{t−1}(i)    reading, for each head
//! w^w_t = σ(α) w^r_{t−1} + (1 − σ(α)) w^lu_{t−1}                              writing where was read, or where was least used
//! M_t(i) = M̃_{t−1}(i) + w^w_t(i) k_t                                          the least used place was set to zero before
//! w^u_t = γ w^u_{t−1} + Σ w^r_t + Σ w^w_t                                     usage
//! ŷ_t = [h_t, r_t] W + b
//! ```
//! with `k_t = tanh(h_t W_k + b_k)` of each head, and `w^lu` one on the least used places, one for each head. Santoro,
//! Bartunov, Botvinick, Wierstra & Lillicrap, *Meta-Learning with Memory-Augmented Neural Networks*, 2016, section 3. Where
//! the paper leaves it open: reading comes before writing; α is one number for each head, learned; which place a head takes
//! of the least used ones goes by usage, and by their order among equals. Usage decides where to write;
//! no gradient flows through that choice.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{Params, Tensor, Transpose};
use rekindle_nn::{Builder, Fans, Init, Layer, Linear, Lstm, LstmConfig, LstmState};

use super::cosine::cosines;
use super::{BlackBox, Examples, Prequential, Targets, at_least_one, check_scale, over_all};
use crate::{Error, Loss, Result};

/// Shape of a [`Mann`]. Default sizes: those of Santoro et al. 2016.
#[derive(Clone, Copy, Debug)]
pub struct MannConfig {
    /// Features F of an example, `≥ 1`.
    pub inputs: usize,
    /// What is learned.
    pub targets: Targets,
    /// Units H of the controller, `≥ 1`. Default 200.
    pub units: usize,
    /// Places of the memory, at least as many as heads. Default 128.
    pub places: usize,
    /// Numbers W in a place, `≥ 1`. Default 40.
    pub width: usize,
    /// Heads R that read, and write, `≥ 1`. Default 4.
    pub heads: usize,
    /// What targets are multiplied by before they are read, as in [`RecurrentConfig`](crate::RecurrentConfig). Default 1.
    pub target_scale: f64,
    /// Decay γ of the usage, in `[0, 1]`. Default 0.99.
    pub usage_decay: f64,
    /// Whether training counts the answers for the support examples, too. Default: yes, as in the paper.
    pub every_step: bool,
}

impl MannConfig {
    /// The paper's sizes.
    #[must_use]
    pub fn new(inputs: usize, targets: Targets) -> Self {
        Self {
            inputs,
            targets,
            units: 200,
            places: 128,
            width: 40,
            heads: 4,
            target_scale: 1.0,
            usage_decay: 0.99,
            every_step: true,
        }
    }

    /// Checks the fields.
    ///
    /// # Errors
    /// Naming what is out of range.
    pub fn validate(&self) -> Result<()> {
        at_least_one(&[("inputs", self.inputs), ("units", self.units), ("width", self.width), ("heads", self.heads)])?;
        if self.places < self.heads {
            return Err(Error::setting("places", &self.places, "at least one for each head"));
        }
        if !(0.0..=1.0).contains(&self.usage_decay) {
            return Err(Error::setting("usage_decay", &self.usage_decay, "between 0 and 1"));
        }
        check_scale(self.target_scale)?;
        self.targets.validate()
    }
}

/// A memory-augmented network; [`BlackBoxLearner`](crate::BlackBoxLearner) makes a meta-learner of it.
///
/// Parameters: `controller.…` as those of [`Lstm`], `keys.weight [M, H, R·W]`, `keys.bias`, `gate [M, R]`,
/// `head.weight [M, H + R·W, O]`, `head.bias`.
#[derive(Clone, Debug)]
pub struct Mann {
    config: MannConfig,
    controller: Lstm,
    keys: Linear,
    head: Linear,
}

/// What is carried from step to step.
#[derive(Clone)]
struct State {
    controller: LstmState,
    /// `[M, B, P, W]`
    memory: Tensor,
    /// What was read, `[M, B, R·W]`.
    read: Tensor,
    /// Where, `[M, B, R, P]`.
    read_weights: Tensor,
    /// `[M, B, P]`
    usage: Tensor,
    /// The last target, `[M, B, O]`.
    y: Tensor,
}

impl Mann {
    /// A network of this shape.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(config: MannConfig) -> Result<Self> {
        config.validate()?;
        let MannConfig { inputs, targets, units, width, heads, .. } = config;
        let read = heads * width;
        let lstm = LstmConfig { inputs: inputs + targets.size() + read, units, forget_bias: 1.0 };
        let linear = |name, from, to| Linear::new(name, from, to, Init::GlorotUniform, Some(Init::Zeros));
        Ok(Self {
            controller: Lstm::new("controller", lstm)?,
            keys: linear("keys", units, read)?,
            head: linear("head", units + read, targets.size())?,
            config,
        })
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &MannConfig {
        &self.config
    }

    /// Nothing seen yet; an empty memory, none of whose places was used.
    fn start(&self, m: usize, like: &Tensor) -> Result<State> {
        let MannConfig { units, places, width, heads, targets, .. } = self.config;
        let zeros = |dims: &[usize]| Tensor::zeros([&[m, 1], dims].concat(), like.dtype(), like.device());
        Ok(State {
            controller: LstmState { h: zeros(&[units])?, c: zeros(&[units])? },
            memory: zeros(&[places, width])?,
            read: zeros(&[heads * width])?,
            read_weights: zeros(&[heads, places])?,
            usage: zeros(&[places])?,
            y: zeros(&[targets.size()])?,
        })
    }

    /// Answers `[M, B, O]` to `x [M, B, F]`, and the state after it but for the target of x.
    fn step(&self, params: &Params, state: &State, x: &Tensor) -> Result<(Tensor, State)> {
        let MannConfig { heads, width, .. } = self.config;
        let inputs = Tensor::cat(&[x, &state.y, &state.read], 2)?;
        let controller = self.controller.step(params, &inputs, &state.controller)?;
        let &[m, b, _] = x.dims() else { unreachable!("the features have been checked") };
        let keys = self.keys.forward(params, &controller.h)?.tanh()?.reshape((m, b, heads, width))?;

        let read_weights = cosines(&keys, &state.memory)?.softmax()?; // [M, B, R, P]
        let read = read_weights.matmul(&state.memory)?.reshape((m, b, heads * width))?;
        let outputs = self.head.forward(params, &Tensor::cat(&[&controller.h, &read], 2)?)?;

        let (least_used, erased) = least_used(&state.usage, heads)?;
        let gate = params.get("gate")?;
        let gate = gate.sigmoid()?.reshape((gate.dim(0)?, 1, heads, 1))?;
        // σ(α) w^r + (1 − σ(α)) w^lu, as w^lu + σ(α) (w^r − w^lu).
        let write = least_used.add(&gate.mul(&state.read_weights.sub(&least_used)?)?)?; // [M, B, R, P]
        let memory = state.memory.mul(&erased)?.add(&write.product(Transpose::Yes, &keys, Transpose::No)?)?;
        // Usage is a matter of bookkeeping: nothing is differentiated through it.
        let used = read_weights.detach().add(&write.detach())?.sum(&[2])?;
        let usage = state.usage.scale(self.config.usage_decay)?.add(&used)?;
        Ok((outputs, State { controller, memory, read, read_weights, usage, y: state.y.clone() }))
    }

    /// Outputs `[M, T, O]` on the way through a sequence, and the state after it.
    fn run(&self, params: &Params, sequence: Examples<'_>) -> Result<(Tensor, State)> {
        let y = self.config.targets.encode(sequence.y, sequence.x)?.scale(self.config.target_scale)?;
        let (m, steps) = (y.dim(0)?, y.dim(1)?);
        if steps == 0 {
            return Err(Error::Batch { message: "a sequence learner needs at least one support example".into() });
        }
        let mut state = self.start(m, sequence.x)?;
        let mut outputs = Vec::with_capacity(steps);
        for t in 0..steps {
            let (output, next) = self.step(params, &state, &sequence.x.narrow(1, t, 1)?)?;
            state = State { y: y.narrow(1, t, 1)?, ..next };
            outputs.push(output);
        }
        Ok((Tensor::cat(&outputs.iter().collect::<Vec<_>>(), 1)?, state))
    }

    /// One more step for each query.
    fn next(&self, params: &Params, state: &State, x: &Tensor) -> Result<Tensor> {
        let &[_, b, _] = x.dims() else {
            return Err(Error::Batch { message: format!("queries {:?}, but they are [M, B, F]", x.dims()) });
        };
        let repeat = |t: &Tensor| {
            let mut dims = t.dims().to_vec();
            dims[1] = b;
            t.broadcast_to(dims)
        };
        let state = State {
            controller: LstmState { h: repeat(&state.controller.h)?, c: repeat(&state.controller.c)? },
            memory: repeat(&state.memory)?,
            read: repeat(&state.read)?,
            read_weights: repeat(&state.read_weights)?,
            usage: repeat(&state.usage)?,
            y: repeat(&state.y)?,
        };
        Ok(self.step(params, &state, x)?.0)
    }
}

/// For a usage `[M, B, P]`: the place of each head, one-hot `[M, B, R, P]`, head 0 having the least used one; and
/// `[M, B, P, 1]`, zero at the least used place and one elsewhere.
fn least_used(usage: &Tensor, heads: usize) -> Result<(Tensor, Tensor)> {
    let &[m, b, places] = usage.dims() else { unreachable!("usage has three axes") };
    let (mut chosen, mut erased) = (vec![0.0f32; m * b * heads * places], vec![1.0f32; m * b * places]);
    for (row, usage) in usage.to_vec_f64()?.chunks(places).enumerate() {
        let order = least(usage, heads);
        for (head, &place) in order.iter().enumerate() {
            chosen[(row * heads + head) * places + place] = 1.0;
        }
        erased[row * places + order[0]] = 0.0;
    }
    let tensor = |values, shape: &[usize]| -> Result<Tensor> {
        let value = Value::from_vec(values, shape, &Device::Cpu)?;
        Ok(Tensor::new(value.to_dtype(usage.dtype())?.to_device(usage.device())?))
    };
    Ok((tensor(chosen, &[m, b, heads, places])?, tensor(erased, &[m, b, places, 1])?))
}

/// The `n` least used places. Places that were never written to have the same usage but for rounding, which must not
/// decide: of those that are as good as equal, the first is taken.
fn least(usage: &[f64], n: usize) -> Vec<usize> {
    const EQUAL: f64 = 1e-5;
    let mut left: Vec<usize> = (0..usage.len()).collect();
    let take = |_| {
        let least = left.iter().map(|&place| usage[place]).fold(f64::INFINITY, f64::min);
        // A NaN is never least; any place will do then, since training stops.
        let first = left.iter().position(|&place| usage[place] <= least + EQUAL).unwrap_or(0);
        left.remove(first)
    };
    (0..n).map(take).collect()
}

impl BlackBox for Mann {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        self.controller.draw(&mut builder)?;
        self.keys.draw(&mut builder)?;
        let dims = [self.config.heads];
        builder.draw("gate", &dims, Init::Zeros, Fans::of(&dims))?;
        self.head.draw(&mut builder)?;
        Ok(builder.finish()?)
    }

    fn observe(&self, params: &Params, support: Examples<'_>) -> Result<Params> {
        let State { controller: LstmState { h, c }, memory, read, read_weights, usage, y } =
            self.run(params, support)?.1;
        let leaves = [
            ("h", h),
            ("c", c),
            ("memory", memory),
            ("read", read),
            ("where", read_weights),
            ("usage", usage),
            ("y", y),
        ];
        Ok(Params::new(leaves.map(|(name, leaf)| (name.to_owned(), leaf)))?)
    }

    fn answer(&self, params: &Params, state: &Params, x: &Tensor) -> Result<Tensor> {
        let leaf = |name| state.get(name).cloned();
        let state = State {
            controller: LstmState { h: leaf("h")?, c: leaf("c")? },
            memory: leaf("memory")?,
            read: leaf("read")?,
            read_weights: leaf("where")?,
            usage: leaf("usage")?,
            y: leaf("y")?,
        };
        self.next(params, &state, x)
    }

    fn loss(&self) -> Loss {
        self.config.targets.loss()
    }

    fn objective(&self, params: &Params, support: Examples<'_>, query: Examples<'_>) -> Result<Tensor> {
        let (outputs, state) = self.run(params, support)?;
        let asked = self.loss().per_task(&self.next(params, &state, query.x)?, query.y)?;
        if !self.config.every_step {
            return Ok(asked);
        }
        let on_the_way = self.loss().per_task(&outputs, support.y)?;
        over_all((&on_the_way, support.x.dim(1)?), (&asked, query.x.dim(1)?))
    }
}

impl Prequential for Mann {
    fn outputs(&self, params: &Params, sequence: Examples<'_>) -> Result<Tensor> {
        Ok(self.run(params, sequence)?.0)
    }
}
