//! Networks for successor features: targets by hand, gradients, and transfer without training.

use anyhow::Result;
use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{Params, Tensor};
use rekindle_envs::{Action, Env, LinearReward, Space, TimeLimit, Transition, VecEnv, stream_rng};
use rekindle_nn::Activation;
use rekindle_optim::{Adam, Sgd};
use rekindle_rl::{FeedForward, Recurrent};
use rekindle_transfer::Error;
use rekindle_transfer::successor::{
    Follows, SuccessorBuffer, SuccessorCollector, SuccessorConfig, SuccessorLearner, SuccessorState,
};

/// One number in, two actions with two features each out, no hidden layer.
fn linear(follows: Follows) -> Result<SuccessorLearner> {
    let net = FeedForward::value_mlp(&[1, 4], Activation::Tanh)?;
    let tasks = vec![vec![1.0, 0.0], vec![0.0, 1.0]];
    let optimiser = std::sync::Arc::new(Sgd::new(1.0));
    let config = SuccessorConfig { gamma: 0.5, batch: 1, copy_every: 2, follows, optimiser };
    Ok(SuccessorLearner::new(net, 2, tasks, config)?)
}

/// ψ_i(x) = x · row i of the weights, plus row i of the biases; both `[M, A·F]`.
fn params(weight: [[f64; 4]; 2], bias: [[f64; 4]; 2]) -> Result<Params> {
    Ok(Params::new([
        ("fc1.weight".to_owned(), Tensor::from_vec(weight.concat(), (2, 1, 4))?),
        ("fc1.bias".to_owned(), Tensor::from_vec(bias.concat(), (2, 4))?),
    ])?)
}

/// One transition from x = 1 by action 1 with φ = (1, 2) to x = 2, where the copies have, action by action,
///
/// ```text
/// ψ̄_1 = (4, 0), (2, 6)        ψ̄_2 = (8, 2), (10, 4)
/// ```
/// For w_1 = (1, 0) the best of all is action 1 (10 of policy 2), policy 1's own best is action 0 (4). For w_2 = (0, 1) both
/// are action 1: 6 of policy 1, 4 of policy 2. With γ = ½ the targets of policy 1 are (1, 2) + ½ (2, 6) or ½ (4, 0); those of
/// policy 2 (1, 2) + ½ (10, 4). With zero weights the loss is the mean of their squares, and one step of gradient descent with
/// rate 1 moves the biases of action 1 by the target (half the mean of two squares has that gradient).
#[test]
fn targets_are_their_definition() -> Result<()> {
    for (follows, first) in [(Follows::All, [2.0, 5.0]), (Follows::Own, [3.0, 2.0])] {
        for terminated in [false, true] {
            let learner = linear(follows)?;
            let mut buffer = SuccessorBuffer::new(1, [1, 2])?;
            buffer.push(&[1.0], 1, &[1.0, 2.0], &[2.0], terminated)?;
            let rng = &mut stream_rng(0, 0);
            let state = learner.init(rng, DType::F64, &Device::Cpu)?;
            let target = params([[2.0, 0.0, 1.0, 3.0], [4.0, 1.0, 5.0, 2.0]], [[0.0; 4]; 2])?;
            let state = SuccessorState { params: params([[0.0; 4]; 2], [[0.0; 4]; 2])?, target, ..state };
            let goals = if terminated { [[1.0, 2.0]; 2] } else { [first, [6.0, 4.0]] };
            let (next, loss) = learner.update(&state, &buffer, rng)?;
            let expected = goals.as_flattened().iter().map(|goal| goal * goal).sum::<f64>() / 4.0;
            assert!((loss - expected).abs() < 1e-9, "{follows:?}: {loss}, not {expected}");
            let bias = next.params.get("fc1.bias")?.to_vec_f64()?;
            let moved = [[0.0, 0.0, goals[0][0], goals[0][1]], [0.0, 0.0, goals[1][0], goals[1][1]]].concat();
            assert_eq!(bias, moved, "{follows:?}");
            // Copies are renewed at every second update.
            assert_eq!(next.target.get("fc1.weight")?.to_vec_f64()?[0], 2.0);
            let (after, _) = learner.update(&next, &buffer, rng)?;
            assert_eq!(after.target.get("fc1.bias")?.to_vec_f64()?, after.params.get("fc1.bias")?.to_vec_f64()?);
        }
    }
    Ok(())
}

/// Values of a batch are those of its rows alone, each the largest of its policies.
#[test]
fn values_are_the_best_of_the_policies_row_by_row() -> Result<()> {
    let learner = linear(Follows::All)?;
    let params = params([[1.0, 0.0, 0.0, 1.0], [0.5, -1.0, 2.0, 0.0]], [[0.1; 4], [0.0; 4]])?;
    let obs = Tensor::from_vec(vec![1.0, -2.0, 3.0], (3, 1))?;
    let weights = [1.0, 0.0, 0.5, 0.5, -1.0, 2.0];
    let values = learner.values(&params, &obs, &weights)?;
    for (row, w) in weights.chunks_exact(2).enumerate() {
        let x = [1.0, -2.0, 3.0][row];
        let psi = [[x + 0.1, 0.1, 0.1, x + 0.1], [0.5 * x, -x, 2.0 * x, 0.0]];
        for action in 0..2 {
            let q = |psi: &[f64; 4]| psi[2 * action] * w[0] + psi[2 * action + 1] * w[1];
            let expected = q(&psi[0]).max(q(&psi[1]));
            assert!((values[2 * row + action] - expected).abs() < 1e-12);
        }
    }
    Ok(())
}

/// A cross of four arms of length 3; φ is one-hot in the end that is reached, which ends the episode.
#[derive(Clone, Debug)]
struct Cross {
    at: [i32; 2],
    weights: [f32; 4],
    features: [f32; 4],
}

impl Cross {
    fn new(weights: [f32; 4]) -> rekindle_envs::Result<TimeLimit<Self>> {
        TimeLimit::new(Self { at: [0; 2], weights, features: [0.0; 4] }, 20)
    }
}

impl Env for Cross {
    fn observation_space(&self) -> Space {
        Space::boxed(-1.0, 1.0, &[2])
    }

    fn action_space(&self) -> Space {
        Space::discrete(4)
    }

    fn reset(&mut self, _rng: &mut dyn RngCore, obs: &mut [f32]) -> rekindle_envs::Result<()> {
        self.at = [0; 2];
        obs.fill(0.0);
        Ok(())
    }

    fn step(
        &mut self,
        action: Action<'_>,
        _rng: &mut dyn RngCore,
        obs: &mut [f32],
    ) -> rekindle_envs::Result<Transition> {
        let [dx, dy] = [[-1, 0], [1, 0], [0, 1], [0, -1]][action.index(4)?];
        let to = [self.at[0] + dx, self.at[1] + dy];
        if to[0] == 0 || to[1] == 0 {
            self.at = to;
        }
        let [x, y] = self.at;
        self.features = [x == -3, x == 3, y == 3, y == -3].map(|end| f32::from(u8::from(end)));
        obs.copy_from_slice(&self.at.map(|x| x as f32 / 3.0));
        let reward = self.features.iter().zip(self.weights).map(|(phi, w)| phi * w).sum();
        Ok(Transition::new(reward, self.features.contains(&1.0)))
    }
}

impl LinearReward for Cross {
    fn weights(&self) -> &[f32] {
        &self.weights
    }

    fn features(&self) -> &[f32] {
        &self.features
    }
}

/// Trained on the four ends one by one, the agent reaches the best end of any mixture without training on it: the third of
/// rewards (−1, 0.6, 0.2, −1), say.
#[test]
fn mixtures_of_tasks_are_solved_without_training() -> Result<()> {
    let one_hot = |end: usize| -> [f32; 4] { std::array::from_fn(|i| f32::from(u8::from(i == end))) };
    let tasks: Vec<Vec<f64>> = (0..4).map(|end| one_hot(end).map(f64::from).to_vec()).collect();
    let net = FeedForward::value_mlp(&[2, 32, 32, 16], Activation::Tanh)?;
    let optimiser = std::sync::Arc::new(Adam::new(3e-3));
    let config = SuccessorConfig { copy_every: 50, optimiser, ..SuccessorConfig::default() };
    let learner = SuccessorLearner::new(net, 4, tasks, config)?;
    let rng = &mut stream_rng(1, 0);
    let mut state = learner.init(rng, DType::F32, &Device::Cpu)?;
    let envs = (0..4).map(|end| Cross::new(one_hot(end))).collect::<rekindle_envs::Result<Vec<_>>>()?;
    let mut collector = SuccessorCollector::new(VecEnv::new(envs)?, 2)?;
    let mut buffer = SuccessorBuffer::new(5000, [2, 4])?;
    for step in 0..1200 {
        collector.step(&learner, &state.params, if step < 600 { 0.5 } else { 0.1 }, Some(&mut buffer))?;
        state = learner.update(&state, &buffer, rng)?.0;
    }
    for weights in [[-1.0, 0.6, 0.2, -1.0], [0.3, -1.0, -1.0, 0.9], [-0.5, -0.5, 0.7, 0.1], [1.0, 0.2, 0.2, 0.2]] {
        let best = weights.iter().fold(f32::NEG_INFINITY, |best, w| best.max(*w));
        let mut test = SuccessorCollector::new(VecEnv::new(vec![Cross::new(weights)?])?, 3)?;
        let done = (0..3)
            .map(|_| test.step(&learner, &state.params, 0.0, None))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let done = &done[2];
        assert!(done.len() == 1 && (done[0].total - f64::from(best)).abs() < 1e-6, "{weights:?}: {done:?}");
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let net = || FeedForward::value_mlp(&[2, 8], Activation::Tanh);
    let config = SuccessorConfig::default();
    let make = |n_actions, tasks: &[&[f64]]| {
        let tasks = tasks.iter().map(|task| task.to_vec()).collect();
        SuccessorLearner::new(net().unwrap(), n_actions, tasks, config.clone()).unwrap_err()
    };
    let wrong = [
        (make(4, &[&[1.0, 0.0], &[1.0]]).to_string(), "the weights of a task has 1 numbers, but 2 are expected"),
        (make(4, &[&[1.0, 0.0, 0.0]]).to_string(), "actions × features, has 8 numbers, but 12 are expected"),
        (make(4, &[]).to_string(), "`tasks` is []"),
    ];
    for (found, expected) in wrong {
        assert!(found.contains(expected), "{found}");
    }
    let tasks = vec![vec![1.0, 0.0]];
    let memory = SuccessorLearner::new(Recurrent::new(2, 4, 8)?, 4, tasks.clone(), config.clone());
    assert!(memory.unwrap_err().to_string().contains("without"));
    for config in [
        SuccessorConfig { gamma: 1.0, ..config.clone() },
        SuccessorConfig { batch: 0, ..config.clone() },
        SuccessorConfig { copy_every: 0, ..config.clone() },
    ] {
        assert!(SuccessorLearner::new(net()?, 4, tasks.clone(), config).is_err());
    }
    // The cross has four features, this learner two; and rows are told their weights one by one.
    let learner = SuccessorLearner::new(net()?, 4, tasks, config)?;
    let state = learner.init(&mut stream_rng(0, 0), DType::F32, &Device::Cpu)?;
    let mut collector = SuccessorCollector::new(VecEnv::new(vec![Cross::new([1.0; 4])?])?, 0)?;
    let error = collector.step(&learner, &state.params, 0.0, None).unwrap_err();
    assert!(matches!(error, Error::Width { found: 4, expected: 2, .. }), "{error}");
    let obs = Tensor::ones((3, 2), DType::F32, &Device::Cpu)?;
    assert!(matches!(learner.values(&state.params, &obs, &[1.0; 5]), Err(Error::Width { found: 5, expected: 6, .. })));
    assert!(learner.act(&state.params, &obs, &[1.0; 6], 0.0, &mut []).is_err());
    let mut buffer = SuccessorBuffer::new(2, [2, 2])?;
    assert!(learner.update(&state, &buffer, &mut stream_rng(0, 0)).is_err());
    assert!(matches!(buffer.push(&[0.0; 2], 0, &[0.0; 3], &[0.0; 2], false), Err(Error::Width { found: 3, .. })));
    assert!(SuccessorBuffer::new(0, [2, 2]).is_err());
    Ok(())
}
