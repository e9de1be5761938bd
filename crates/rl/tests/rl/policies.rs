//! Policies: sequences equal steps, batches of tasks equal loops, memory is cleared where it should be.

use candle_core::{DType, Device, Tensor as Value};
use rekindle_autodiff::{Check, NoRecord, Order, Params, Tensor, check_gradients};
use rekindle_envs::Space;
use rekindle_rl::{Experience, FeedForward, Memory, Net, Policy, Result, Sequence, mean_kl, ratio_loss};

use crate::common::{
    assert_close, attentive, elements, feed_forward, init, noise_tensor, on_tape, per_task, recurrent, rng, shared,
};

const D: usize = 3;

fn spaces() -> [Space; 2] {
    [Space::discrete(3), Space::unbounded(2)]
}

fn policies() -> Vec<Policy> {
    spaces()
        .iter()
        .flat_map(|space| [feed_forward(D, space), recurrent(D, space), shared(D, space), attentive(D, space)])
        .collect()
}

/// Rows begin anew at different steps; some twice, some never.
fn starts([t, m, b]: [usize; 3]) -> Vec<bool> {
    (0..t * m * b).map(|i| i % 7 == 3 || i % 11 == 0).collect()
}

#[test]
fn a_sequence_is_its_steps_one_after_another() -> Result<()> {
    let dims @ [t, m, b] = [6, 2, 3];
    let obs = noise_tensor(&[t, m, b, D], 1);
    let starts = starts(dims);
    for policy in policies() {
        for params in [init(&policy, 2, DType::F64), per_task(&policy, m, DType::F64)] {
            let before = policy.memory([m, b], DType::F64, obs.device())?;
            let whole = policy.forward(&params, Sequence { obs: &obs, starts: &starts }, &before)?;
            let mut memory = before;
            for step in 0..t {
                let now = obs.narrow(0, step, 1)?;
                let marks = &starts[step * m * b..(step + 1) * m * b];
                let outputs = policy.forward(&params, Sequence { obs: &now, starts: marks }, &memory)?;
                let values = whole.values.as_ref().unwrap().narrow(0, step, 1)?.to_vec_f64()?;
                assert_close(&outputs.values.as_ref().unwrap().to_vec_f64()?, &values, 1e-12);
                let entropy = whole.distribution.entropy()?.narrow(0, step, 1)?.to_vec_f64()?;
                assert_close(&outputs.distribution.entropy()?.to_vec_f64()?, &entropy, 1e-12);
                memory = outputs.memory;
            }
            for (a, b) in [(&memory.actor, &whole.memory.actor), (&memory.critic, &whole.memory.critic)] {
                assert_eq!(a.is_some(), b.is_some());
                if let (Some(a), Some(b)) = (a, b) {
                    assert_close(&a.to_vec_f64()?, &b.to_vec_f64()?, 1e-12);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_batch_of_tasks_is_a_loop_over_them() -> Result<()> {
    let dims @ [t, m, b] = [4, 3, 2];
    let obs = noise_tensor(&[t, m, b, D], 3);
    let starts = starts(dims);
    for policy in policies() {
        let params = per_task(&policy, m, DType::F64);
        let memory = policy.memory([m, b], DType::F64, obs.device())?;
        let all = policy.forward(&params, Sequence { obs: &obs, starts: &starts }, &memory)?;
        for task in 0..m {
            let marks: Vec<bool> = starts.chunks(b).skip(task).step_by(m).flatten().copied().collect();
            let one = obs.narrow(1, task, 1)?.contiguous()?;
            let memory = policy.memory([1, b], DType::F64, obs.device())?;
            let xs = Sequence { obs: &one, starts: &marks };
            let alone = policy.forward(&params.narrow_tasks(task, 1)?, xs, &memory)?;
            let values = all.values.as_ref().unwrap().narrow(1, task, 1)?.contiguous()?.to_vec_f64()?;
            assert_close(&alone.values.as_ref().unwrap().to_vec_f64()?, &values, 1e-12);
            let entropy = all.distribution.entropy()?.narrow(1, task, 1)?.contiguous()?.to_vec_f64()?;
            assert_close(&alone.distribution.entropy()?.to_vec_f64()?, &entropy, 1e-12);
        }
    }
    Ok(())
}

/// What a row sees before its start does not matter after it; what it sees since then does.
#[test]
fn a_start_forgets_and_nothing_else_does() -> Result<()> {
    let policy = recurrent(D, &Space::discrete(3));
    let params = init(&policy, 4, DType::F64);
    let run = |obs: &Tensor, start: usize| -> Result<Vec<f64>> {
        let mut starts = vec![false; 5];
        starts[start] = true;
        let memory = policy.memory([1, 1], DType::F64, obs.device())?;
        let outputs = policy.forward(&params, Sequence { obs, starts: &starts }, &memory)?;
        outputs.values.unwrap().to_vec_f64().map_err(Into::into)
    };
    let obs = noise_tensor(&[5, 1, 1, D], 5);
    let other = Tensor::cat(&[&noise_tensor(&[1, 1, 1, D], 6), &obs.narrow(0, 1, 4)?], 0)?;
    let (a, b) = (run(&obs, 2)?, run(&other, 2)?);
    assert!(a[1] != b[1] && a[2..] == b[2..], "{a:?} {b:?}");
    let (a, b) = (run(&obs, 0)?, run(&other, 0)?);
    assert!(a.iter().zip(&b).all(|(a, b)| a != b), "{a:?} {b:?}");
    Ok(())
}

/// Experience whose policy is near, but not at, the parameters that are tested.
fn experience(policy: &Policy, params: &Params, dims @ [t, m, b]: [usize; 3]) -> Result<(Experience, Tensor)> {
    let obs = noise_tensor(&[t, m, b, D], 7);
    let starts = starts(dims);
    let memory = policy.memory([m, b], DType::F64, obs.device())?;
    let memory = Memory { actor: memory.actor.map(|h| h.shift(0.1)).transpose()?, critic: memory.critic };
    let distribution = policy.distribution(&params.scale(0.9)?, Sequence { obs: &obs, starts: &starts }, &memory)?;
    let actions = match policy.action_space() {
        Space::Discrete { n } => {
            Value::from_vec((0..t * m * b).map(|i| (i * 5 % n) as u32).collect::<Vec<_>>(), (t, m, b), obs.device())?
        }
        Space::Box { low, .. } => noise_tensor(&[t, m, b, low.len()], 8).into_value(),
    };
    let log_probs = distribution.log_prob(&actions)?;
    let advantages = noise_tensor(&dims, 9);
    Ok((Experience { obs, actions, starts, memory, log_probs, distribution, weights: None }, advantages))
}

/// First and second derivatives of TRPO's loss and divergence with respect to every parameter: the second ones are what
/// its conjugate gradients multiply by.
#[test]
fn losses_of_all_policies_match_finite_differences_to_second_order() -> Result<()> {
    for policy in policies() {
        let params = init(&policy, 10, DType::F64);
        let (experience, advantages) = experience(&policy, &params, [3, 2, 2])?;
        let (actor, _) = params.partition(|name| name.starts_with("actor."));
        let f = |leaves: &[Tensor]| -> Result<Tensor> {
            let params = actor.with_leaves(leaves.to_vec())?;
            let loss = ratio_loss(&policy, &params, &experience, &advantages)?;
            Ok(loss.add(&mean_kl(&policy, &params, &experience)?.scale(3.0)?)?)
        };
        check_gradients(|x| on_tape(f(x)), actor.leaves(), Check { order: 2, tolerance: 1e-6, ..Check::default() })?;
    }
    Ok(())
}

/// The gradient of the summed losses is each task's own.
#[test]
fn gradients_of_tasks_do_not_mix() -> Result<()> {
    for policy in policies() {
        let params = per_task(&policy, 2, DType::F64);
        let (experience, advantages) = experience(&policy, &params, [3, 2, 2])?;
        let (actor, _) = params.partition(|name| name.starts_with("actor."));
        let theta = actor.leaf();
        let losses = ratio_loss(&policy, &theta, &experience, &advantages)?;
        let both = theta.grad(&losses.sum_all()?, Order::First)?;
        for task in 0..2 {
            let own = theta.grad(&losses.narrow(0, task, 1)?.sum_all()?, Order::First)?;
            assert_close(&elements(&own.narrow_tasks(task, 1)?), &elements(&both.narrow_tasks(task, 1)?), 1e-12);
            assert!(elements(&own.narrow_tasks(1 - task, 1)?).iter().all(|&g| g == 0.0));
        }
    }
    Ok(())
}

#[test]
fn parts_of_experience_are_what_they_say() -> Result<()> {
    let policy = recurrent(D, &Space::unbounded(2));
    let params = init(&policy, 11, DType::F64);
    let (all, advantages) = experience(&policy, &params, [4, 2, 3])?;
    let _scope = NoRecord::new();
    let part = all.select(&[2, 0])?;
    assert_eq!(part.dims(), [4, 2, 2]);
    let outputs = |x: &Experience| policy.forward(&params, x.sequence(), &x.memory);
    let ids = Value::new(&[2u32, 0], all.obs.device())?;
    let expected = outputs(&all)?.values.unwrap().index_select(2, &ids)?.to_vec_f64()?;
    assert_close(&outputs(&part)?.values.unwrap().to_vec_f64()?, &expected, 1e-12);
    assert_eq!(part.log_probs.to_vec_f64()?, all.log_probs.index_select(2, &ids)?.to_vec_f64()?);

    let policy = feed_forward(D, &Space::unbounded(2));
    let params = init(&policy, 11, DType::F64);
    let (all, _) = experience(&policy, &params, [4, 2, 3])?;
    let flat = all.flatten()?;
    assert_eq!(flat.dims(), [1, 2, 12]);
    let loss =
        |x: &Experience, a: &Tensor| ratio_loss(&policy, &params, x, a)?.to_vec_f64().map_err(rekindle_rl::Error::from);
    let flat_advantages = advantages.transpose(0, 1)?.contiguous()?.reshape((1, 2, 12))?;
    assert_close(&loss(&flat, &flat_advantages)?, &loss(&all, &advantages)?, 1e-12);
    Ok(())
}

/// Each feature against a plain sum over windows of windows, for tasks with weights of their own; and what stands behind
/// the picture passes by as it is.
#[test]
fn an_eye_is_two_convolutions_and_a_layer() -> Result<()> {
    let ([h, w, c], rest, features, [m, b]) = ([13, 15, 2], 3, 4, [2, 2]);
    let eye = FeedForward::picture([h, w, c], rest, features)?;
    assert_eq!((eye.n_inputs(), eye.n_outputs()), (h * w * c + rest, features + rest));
    let drawn = |seed| eye.init(&mut rng(seed), DType::F64, &Device::Cpu).unwrap();
    let params = Params::cat_tasks(&[drawn(1), drawn(2)])?;
    let xs = noise_tensor(&[1, m, b, h * w * c + rest], 3);
    let starts = vec![false; m * b];
    let outputs = eye.forward(&params, Sequence { obs: &xs, starts: &starts }, None)?.0.to_vec_f64()?;

    let leaf = |name: &str, task: usize| params.get(name).unwrap().narrow(0, task, 1).unwrap().to_vec_f64().unwrap();
    let inputs = xs.to_vec_f64()?;
    for (row, x) in inputs.chunks(h * w * c + rest).enumerate() {
        let leaf = |name| leaf(name, row / b);
        let first = convolve(&x[..h * w * c], [h, w, c], &leaf("conv1.weight"), &leaf("conv1.bias"));
        let second = convolve(&first, [5, 6, 16], &leaf("conv2.weight"), &leaf("conv2.bias"));
        let (weight, bias) = (leaf("fc.weight"), leaf("fc.bias"));
        let feature =
            |o: usize| bias[o] + second.iter().enumerate().map(|(i, x)| x * weight[i * features + o]).sum::<f64>();
        let expected: Vec<f64> =
            (0..features).map(|o| feature(o).max(0.0)).chain(x[h * w * c..].iter().copied()).collect();
        assert_close(&outputs[row * (features + rest)..][..features + rest], &expected, 1e-12);
    }
    assert!(FeedForward::picture([12, 40, 3], 0, 8).unwrap_err().to_string().contains("[12, 40, 3]"));
    Ok(())
}

/// ReLU of a convolution with kernels `[5, 5, C, 16]` and stride 2, `[H, W, C]` to `[H', W', 16]`.
fn convolve(x: &[f64], [h, w, c]: [usize; 3], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let mut y = Vec::new();
    for (top, left) in (0..h - 4).step_by(2).flat_map(|top| (0..w - 4).step_by(2).map(move |left| (top, left))) {
        for (o, bias) in bias.iter().enumerate() {
            let tap = |i: usize| (i / (5 * c), i / c % 5, i % c);
            let at = |i: usize| x[((top + tap(i).0) * w + left + tap(i).1) * c + tap(i).2];
            y.push((bias + (0..25 * c).map(|i| at(i) * weight[i * 16 + o]).sum::<f64>()).max(0.0));
        }
    }
    y
}
