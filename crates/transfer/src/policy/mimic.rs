//! One student of several teachers: Actor-Mimic, and plain distillation of policies.
//!
//! ```text
//! π_E(a | s) = exp(Q_E(s, a)/τ) / Σ_b exp(Q_E(s, b)/τ)
//! L_policy   = −Σ_a π_E(a | s) log π_S(a | s)                  over the actions of the game
//! L_feature  = ‖f_i(h_S(s)) − h_E(s)‖²                         f_i linear, one for each teacher
//! L          = mean over games (L_policy + β L_feature)
//! ```
//! Parisotto, Ba & Salakhutdinov, *Actor-Mimic*, ICLR 2016, eq. 2–5, with states from games that the student plays, ε-greedily.
//! Without features and with states from games that the teachers play it is the distillation of Rusu et al., *Policy
//! Distillation*, ICLR 2016 ([`MimicConfig::distillation`]).
//!
//! Differs from the papers: observations of different games have different sizes here, so that each game has inputs of its
//! own, the others being zero; and ‖·‖² is a mean over features.

use std::sync::Arc;

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NoRecord, NormStats, Params, Tensor};
use rekindle_envs::random::{below, unit_f64};
use rekindle_envs::{Actions, Env, VecEnv};
use rekindle_nn::{Init, Mlp, MlpConfig, Model};
use rekindle_optim::{Adam, State, Transform};
use rekindle_rl::{Finished, Net, Sequence};

use super::FeatureNet;
use crate::descent::descend;
use crate::error::{not_negative, positive, probability};
use crate::{Error, Result};

/// Who plays the games that are learned from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plays {
    /// The student, so that it learns what to do where it gets to.
    #[default]
    Student,
    /// The teachers.
    Teacher,
}

/// Settings of [`Mimic`]. Defaults: Parisotto et al. 2016, appendix.
#[derive(Clone, Debug)]
pub struct MimicConfig {
    /// Weight β of the regression on features, `>= 0`. Default 0.01.
    pub feature_weight: f64,
    /// Who plays. Default: the student.
    pub plays: Plays,
    /// Probability ε of a random action while playing, from 0 to 1. Default 0.1.
    pub epsilon: f64,
    /// Observations of each game in an update, `>= 1`. Default 32.
    pub batch: usize,
    /// Observations of each game that are remembered, `>= 1`. Default 100,000.
    pub capacity: usize,
    /// The optimiser. Default Adam with rate 1e-3.
    pub optimiser: Arc<dyn Transform>,
}

impl Default for MimicConfig {
    fn default() -> Self {
        Self {
            feature_weight: 0.01,
            plays: Plays::Student,
            epsilon: 0.1,
            batch: 32,
            capacity: 100_000,
            optimiser: Arc::new(Adam::new(1e-3)),
        }
    }
}

impl MimicConfig {
    /// Distillation of policies alone, in games that the teachers play.
    pub fn distillation() -> Self {
        Self { feature_weight: 0.0, plays: Plays::Teacher, ..Self::default() }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn validate(&self) -> Result<()> {
        not_negative("feature_weight", self.feature_weight)?;
        probability("epsilon", self.epsilon)?;
        match [("batch", self.batch), ("capacity", self.capacity)].into_iter().find(|(_, value)| *value == 0) {
            Some((name, value)) => Err(Error::setting(name, value, "at least 1")),
            None => Ok(()),
        }
    }
}

/// Somebody who plays one game well.
#[derive(Clone, Debug)]
pub struct Teacher {
    /// Estimates the value of every action.
    pub net: FeatureNet,
    /// Of the network, `[1, …]`.
    pub params: Params,
    /// Temperature τ of its policy, `> 0`, in units of its values: well below the differences that matter.
    pub temperature: f64,
}

/// A student and its teachers.
///
/// ```
/// use candle_core::{DType, Device};
/// use rekindle_envs::{CartPole, Catch, Env, VecEnv, stream_rng};
/// use rekindle_nn::Activation;
/// use rekindle_rl::Net;
/// use rekindle_transfer::policy::{FeatureNet, Mimic, MimicConfig, Teacher};
/// let rng = &mut stream_rng(0, 0);
/// let mut teacher = |inputs, actions| -> Result<Teacher, rekindle_transfer::Error> {
///     let net = FeatureNet::new(&[inputs, 16], actions, Activation::Relu)?;
///     Ok(Teacher { params: net.init(rng, DType::F32, &Device::Cpu)?, net, temperature: 0.1 })
/// };
/// let catch: Box<dyn Env + Send> = Box::new(Catch::default());
/// let pole: Box<dyn Env + Send> = Box::new(CartPole::v1());
/// let games = vec![(teacher(50, 3)?, VecEnv::new(vec![catch])?), (teacher(4, 2)?, VecEnv::new(vec![pole])?)];
/// // 54 inputs and 3 outputs: those of both games, and of the one with more actions.
/// let net = FeatureNet::new(&[54, 32], 3, Activation::Relu)?;
/// let mut mimic = Mimic::new(net, games, MimicConfig::default(), 1)?;
/// let rng = &mut stream_rng(0, 1);
/// let first = mimic.step(rng)?;
/// assert!(first.loss.is_finite() && mimic.params().contains("student.head.fc1.weight"));
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Debug)]
pub struct Mimic<E> {
    student: FeatureNet,
    games: Vec<Game<E>>,
    config: MimicConfig,
    params: Params,
    state: State,
}

/// A game, its teacher, and what was seen in it.
#[derive(Debug)]
struct Game<E> {
    teacher: Teacher,
    env: VecEnv<E>,
    /// The first of the student's inputs that belong to it.
    offset: usize,
    /// From the student's features to the teacher's.
    regression: Mlp,
    /// `[n, D]` of the game.
    seen: Vec<f32>,
    at: usize,
    progress: Vec<(f64, u32)>,
}

/// What one step did.
#[derive(Clone, Debug)]
pub struct MimicStep {
    /// Mean loss over the games, before the update.
    pub loss: f64,
    /// Episodes that came to an end, of each game.
    pub finished: Vec<Vec<Finished>>,
}

impl<E: Env + Send> Mimic<E> {
    /// A student with the inputs of all games, one after the other, and an output for each action of the game that has most,
    /// with fresh parameters drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range or without games; [`Error::Width`] where a network does not fit.
    pub fn new(student: FeatureNet, games: Vec<(Teacher, VecEnv<E>)>, config: MimicConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let sizes = games.iter().map(|(teacher, env)| check_teacher(teacher, env)).collect::<Result<Vec<_>>>()?;
        let inputs = sizes.iter().map(|size| size[0]).sum();
        let actions = sizes.iter().map(|size| size[1]).max();
        let Some(actions) = actions else { return Err(Error::setting("games", 0, "at least 1")) };
        fits("the inputs of the student", student.n_inputs(), inputs)?;
        fits("the outputs of the student", student.n_outputs(), actions)?;
        let rng = &mut rekindle_envs::stream_rng(seed, 0);
        let (dtype, device) = (DType::F32, Device::Cpu);
        let mut params = student.init(rng, dtype, &device)?.prefixed("student")?;
        let (mut made, mut offset) = (Vec::new(), 0);
        for (i, (teacher, mut env)) in games.into_iter().enumerate() {
            env.reset(seed.wrapping_add(i as u64))?;
            let shape = vec![student.n_features(), teacher.net.n_features()];
            let regression = Mlp::new(&MlpConfig { sizes: shape, weight: Init::FanInUniform, ..MlpConfig::default() })?;
            if config.feature_weight > 0.0 {
                let fresh = regression.init(rng, dtype, &device)?.prefixed(&format!("regression{i}"))?;
                params = params.merge(&fresh)?;
            }
            let (n, inputs) = (env.n_envs(), teacher.net.n_inputs());
            let (seen, progress) = (Vec::new(), vec![(0.0, 0); n]);
            made.push(Game { teacher, env, offset, regression, seen, at: 0, progress });
            offset += inputs;
        }
        let state = config.optimiser.init(&params)?;
        Ok(Self { student, games: made, config, params, state })
    }

    /// Parameters of the student, `student.…`, and of the regressions.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// One step in every environment of every game, and one update from what was seen.
    ///
    /// # Errors
    /// Those of the environments; if the loss is not finite.
    pub fn step(&mut self, rng: &mut dyn RngCore) -> Result<MimicStep> {
        let mut finished = Vec::new();
        for i in 0..self.games.len() {
            let logits = match self.config.plays {
                Plays::Student => self.student_logits(i)?,
                Plays::Teacher => self.games[i].teacher_values()?,
            };
            finished.push(self.games[i].play(&logits, self.config.epsilon, rng, Some(self.config.capacity))?);
        }
        let batches = self.games.iter().map(|game| game.batch(self.config.batch, rng)).collect::<Result<Vec<_>>>()?;
        let (params, state, loss) = descend(&*self.config.optimiser, &self.params, &self.state, |params| {
            let each = batches.iter().enumerate().map(|(i, batch)| self.loss(params, i, batch));
            let losses = each.collect::<Result<Vec<_>>>()?;
            Ok(Tensor::cat(&losses.iter().collect::<Vec<_>>(), 0)?.mean_keepdim(&[0])?)
        })?;
        (self.params, self.state) = (params, state);
        Ok(MimicStep { loss, finished })
    }

    /// Mean return of so many episodes at least of a game, by the best action of the student or of its teacher, from a reset
    /// with this seed on.
    ///
    /// # Errors
    /// [`Error::Setting`] for a game that does not exist or no episodes; those of the environments.
    pub fn test(&mut self, game: usize, who: Plays, episodes: usize, seed: u64) -> Result<f64> {
        if game >= self.games.len() || episodes == 0 {
            return Err(Error::setting("game", game, "the number of a game, with at least one episode"));
        }
        self.games[game].begin(seed)?;
        // Each environment gives as many of its first episodes as the others, so that short ones count no more.
        let n = self.games[game].env.n_envs();
        let wanted = episodes.div_ceil(n);
        let (mut counts, mut total) = (vec![0; n], 0.0);
        while counts.iter().any(|count| *count < wanted) {
            let logits = match who {
                Plays::Student => self.student_logits(game)?,
                Plays::Teacher => self.games[game].teacher_values()?,
            };
            let rng = &mut rekindle_envs::stream_rng(seed, 1);
            for done in self.games[game].play(&logits, 0.0, rng, None)? {
                if counts[done.row] < wanted {
                    counts[done.row] += 1;
                    total += done.total;
                }
            }
        }
        self.games[game].begin(seed.wrapping_add(1))?;
        Ok(total / (wanted * n) as f64)
    }

    /// Logits of the game's own actions at what its environments show, `[B, A]`.
    fn student_logits(&self, game: usize) -> Result<Vec<f64>> {
        let _scope = NoRecord::new();
        let Game { env, .. } = &self.games[game];
        let obs = features(env, env.obs());
        let x = self.place(game, &obs)?;
        let params = self.params.sub_params("student")?;
        self.logits(&params, game, &self.student.features(&params, &x)?)?.to_vec_f64().map_err(Error::from)
    }

    /// The student's inputs `[1, B, D]` from a game's `[B, D_i]`: its own, between zeros.
    fn place(&self, game: usize, obs: &[f32]) -> Result<Tensor> {
        let Game { offset, teacher, .. } = &self.games[game];
        let (d, inputs) = (self.student.n_inputs(), teacher.net.n_inputs());
        let mut x = vec![0.0; obs.len() / inputs * d];
        for (row, obs) in x.chunks_exact_mut(d).zip(obs.chunks_exact(inputs)) {
            row[*offset..offset + inputs].copy_from_slice(obs);
        }
        Ok(Tensor::from_vec(x, (1, obs.len() / inputs, d))?)
    }

    /// Logits `[1, B, A]` of the game's own actions, from features `[1, B, F]`.
    fn logits(&self, params: &Params, game: usize, features: &Tensor) -> Result<Tensor> {
        let n_actions = self.games[game].teacher.net.n_outputs();
        Ok(self.student.outputs(params, features)?.narrow(2, 0, n_actions)?.contiguous()?)
    }

    /// The loss `[1]` of one game.
    fn loss(&self, params: &Params, game: usize, batch: &Batch) -> Result<Tensor> {
        let student = params.sub_params("student")?;
        let features = self.student.features(&student, &self.place(game, &batch.obs)?)?;
        let log_probs = self.logits(&student, game, &features)?.log_softmax()?; // [1, B, A]
        let policy = batch.policy.mul(&log_probs)?.sum(&[2])?.mean(&[1])?.neg()?; // [1]
        if self.config.feature_weight == 0.0 {
            return Ok(policy);
        }
        let Game { regression, .. } = &self.games[game];
        let guess =
            regression.forward(&params.sub_params(&format!("regression{game}"))?, &features, NormStats::Batch)?;
        Ok(policy.add_scaled(&guess.sub(&batch.features)?.sqr()?.mean(&[1, 2])?, self.config.feature_weight)?)
    }
}

/// Observations, and what the teacher says of them.
struct Batch {
    /// `[B, D]`
    obs: Vec<f32>,
    /// π_E, `[1, B, A]`
    policy: Tensor,
    /// h_E, `[1, B, F]`
    features: Tensor,
}

impl<E: Env + Send> Game<E> {
    fn begin(&mut self, seed: u64) -> Result<()> {
        self.env.reset(seed)?;
        self.progress.fill((0.0, 0));
        Ok(())
    }

    /// Values by the teacher at what the environments show, `[B, A]`.
    fn teacher_values(&self) -> Result<Vec<f64>> {
        let _scope = NoRecord::new();
        let (net, params, n) = (&self.teacher.net, &self.teacher.params, self.env.n_envs());
        let obs = Tensor::from_vec(features(&self.env, self.env.obs()), (1, 1, n, net.n_inputs()))?;
        Ok(net.forward(params, Sequence { obs: &obs, starts: &vec![false; n] }, None)?.0.to_vec_f64()?)
    }

    /// The best of the logits, or with probability ε any action; what was seen is remembered up to a capacity.
    fn play(
        &mut self,
        logits: &[f64],
        epsilon: f64,
        rng: &mut dyn RngCore,
        capacity: Option<usize>,
    ) -> Result<Vec<Finished>> {
        if let Some(capacity) = capacity {
            self.remember(capacity);
        }
        let n = self.teacher.net.n_outputs();
        let best = |row: &[f64]| (1..n).fold(0, |best, a| if row[a] > row[best] { a } else { best });
        let choose = |row: &[f64]| (if unit_f64(rng) < epsilon { below(rng, n) } else { best(row) }) as u32;
        let actions: Vec<u32> = logits.chunks_exact(n).map(choose).collect();
        let step = self.env.step(Actions::Discrete(&actions))?;
        let mut finished = Vec::new();
        for (row, (total, length)) in self.progress.iter_mut().enumerate() {
            *total += f64::from(step.reward[row]);
            *length += 1;
            if step.done(row) {
                finished.push(Finished { row, total: *total, length: *length });
                (*total, *length) = (0.0, 0);
            }
        }
        Ok(finished)
    }

    fn remember(&mut self, capacity: usize) {
        let d = self.teacher.net.n_inputs();
        for obs in features(&self.env, self.env.obs()).chunks_exact(d) {
            if self.seen.len() < capacity * d {
                self.seen.extend_from_slice(obs);
            } else {
                self.seen[self.at * d..(self.at + 1) * d].copy_from_slice(obs);
            }
            self.at = (self.at + 1) % capacity;
        }
    }

    fn batch(&self, n: usize, rng: &mut dyn RngCore) -> Result<Batch> {
        let _scope = NoRecord::new();
        let Teacher { net, params, temperature } = &self.teacher;
        let d = net.n_inputs();
        let draw = |_| {
            let i = below(rng, self.seen.len() / d);
            &self.seen[i * d..(i + 1) * d]
        };
        let obs: Vec<f32> = (0..n).flat_map(draw).copied().collect();
        let features = net.features(params, &Tensor::from_vec(obs.clone(), (1, n, d))?)?;
        let policy = net.outputs(params, &features)?.scale(1.0 / temperature)?.softmax()?;
        Ok(Batch { obs, policy, features })
    }
}

/// The features of all observations of a batch.
fn features<E: Env + Send>(env: &VecEnv<E>, obs: &[f32]) -> Vec<f32> {
    let space = env.observation_space();
    let (size, n) = (space.size(), space.n_features());
    let mut features = vec![0.0; obs.len() / size * n];
    obs.chunks_exact(size)
        .zip(features.chunks_exact_mut(n))
        .for_each(|(obs, features)| space.write_features(obs, features));
    features
}

/// Inputs and actions of a game that its teacher fits.
fn check_teacher<E: Env + Send>(teacher: &Teacher, env: &VecEnv<E>) -> Result<[usize; 2]> {
    positive("temperature", teacher.temperature)?;
    let (inputs, actions) = (env.observation_space().n_features(), env.action_space().n_features());
    fits("the inputs of a teacher", teacher.net.n_inputs(), inputs)?;
    fits("the outputs of a teacher", teacher.net.n_outputs(), actions)?;
    Ok([inputs, actions])
}

fn fits(what: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::Width { what, found, expected }) }
}
