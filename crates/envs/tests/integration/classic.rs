//! Traces of Gymnasium: those kept here, and fresh ones where a Python with Gymnasium is named.

use std::path::PathBuf;
use std::process::Command;

use rekindle_envs::{
    Action, ActionBuffer, CartPole, Catch, Env, MountainCar, MountainCarContinuous, Pendulum, Transition, stream_rng,
};
use serde_json::Value;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Names a Python that can import gymnasium, for the live comparison.
const PYTHON: &str = "REKINDLE_GYMNASIUM_PYTHON";

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

/// The environment of a trace in the trace's first state.
fn started(name: &str, start: &[f64]) -> Result<Box<dyn Env>> {
    Ok(match name {
        "CartPole-v1" => {
            let mut env = CartPole::default();
            env.set_state(start.try_into()?);
            Box::new(env)
        }
        "Pendulum-v1" => {
            let mut env = Pendulum::default();
            env.set_state(start.try_into()?);
            Box::new(env)
        }
        "MountainCar-v0" => {
            let mut env = MountainCar::default();
            env.set_state(start.try_into()?);
            Box::new(env)
        }
        "MountainCarContinuous-v0" => {
            let mut env = MountainCarContinuous::default();
            env.set_start(start[0]);
            Box::new(env)
        }
        other => return Err(format!("no environment {other}").into()),
    })
}

/// Plays a trace and answers how many of its numbers differ at all, and how many there are. Sines and cosines may differ
/// in their last bit between numerical libraries, and then f32 numbers may too.
fn replay(trace: &Value) -> Result<(usize, usize)> {
    let name = trace["env"].as_str().ok_or("a trace has a name")?;
    let mut env = started(name, &numbers(&trace["start"]))?;
    let mut obs = vec![0.0; env.observation_space().size()];
    let actions = trace["actions"].as_array().ok_or("a trace has actions")?;
    let (mut differ, mut all) = (0, 0);
    for (t, action) in actions.iter().enumerate() {
        let values: Vec<f32> = numbers(action).iter().map(|x| *x as f32).collect();
        let action = action.as_u64().map_or(Action::Continuous(&values), |index| Action::Discrete(index as usize));
        let step = env.step(action, &mut stream_rng(0, 0), &mut obs)?;
        assert_eq!(Some(step.terminated), trace["terminated"][t].as_bool(), "{name}, step {t}");
        let expected = numbers(&trace["obs"][t]).into_iter().chain(trace["rewards"][t].as_f64());
        for (found, expected) in obs.iter().chain([&step.reward]).zip(expected) {
            let near = (f64::from(*found) - expected).abs() <= 2e-6 * expected.abs().max(0.1);
            assert!(near, "{name}, step {t}: {found}, not {expected}");
            differ += usize::from(*found != expected as f32);
            all += 1;
        }
    }
    Ok((differ, all))
}

fn replay_all(json: &[u8]) -> Result<(usize, usize)> {
    let traces: Value = serde_json::from_slice(json)?;
    let mut total = (0, 0);
    for trace in traces.as_array().ok_or("an array of traces")? {
        let (differ, all) = replay(trace)?;
        total = (total.0 + differ, total.1 + all);
    }
    Ok(total)
}

#[test]
fn dynamics_are_gymnasium_s() -> Result<()> {
    let (differ, all) = replay_all(&std::fs::read(golden().join("classic.json"))?)?;
    // Both sides are the same on every machine, so the last bit counts.
    assert!(all > 1000 && differ == 0, "{differ} of {all} numbers differ in their last bits");
    Ok(())
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
fn dynamics_are_those_of_the_installed_gymnasium() -> Result<()> {
    let Some(python) = std::env::var_os(PYTHON) else {
        eprintln!("skipped: dynamics_are_those_of_the_installed_gymnasium needs {PYTHON}");
        return Ok(());
    };
    let output = Command::new(python).arg(golden().join("gymnasium_traces.py")).args(["2", "20", "300"]).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (differ, all) = replay_all(&output.stdout)?;
    assert!(all > 30_000 && differ * 100 < all, "{differ} of {all} numbers differ in their last bits");
    Ok(())
}

/// Plays with a rule until the end; the last step, and how many there were.
fn play(env: &mut impl Env, rule: impl Fn(&[f32]) -> ActionBuffer) -> Result<(Transition, usize)> {
    let (space, mut obs) = (env.action_space(), vec![0.0; env.observation_space().size()]);
    let mut rng = stream_rng(0, 0);
    env.reset(&mut rng, &mut obs)?;
    for t in 1.. {
        let step = env.step(rule(&obs).view().get(0, space.size()), &mut rng, &mut obs)?;
        if step.done() {
            return Ok((step, t));
        }
    }
    Err("the loop ends above".into())
}

#[test]
fn known_rules_solve_the_problems() -> Result<()> {
    // Lean against the fall: holds the pole for all 500 steps.
    let lean = |obs: &[f32]| ActionBuffer::Discrete(vec![u32::from(obs[2] + 0.3 * obs[3] + 0.02 * obs[0] > 0.0)]);
    let (last, steps) = play(&mut CartPole::v1(), lean)?;
    assert!(last.truncated && !last.terminated && steps == 500);
    // Push in the direction of motion: pumps the car out of the valley.
    let pump = |obs: &[f32]| ActionBuffer::Discrete(vec![if obs[1] < 0.0 { 0 } else { 2 }]);
    assert!(play(&mut MountainCar::v0(), pump)?.0.terminated);
    let pump = |obs: &[f32]| ActionBuffer::Continuous(vec![if obs[1] < 0.0 { -1.0 } else { 1.0 }]);
    let (last, _) = play(&mut MountainCarContinuous::v0(), pump)?;
    assert!(last.terminated && (last.reward - 99.9).abs() < 1e-5);
    // Move under the ball: always caught, in nine steps.
    let chase = |obs: &[f32]| {
        let column = |rows: &[f32]| rows.iter().position(|x| *x == 1.0).unwrap_or(0) % 5;
        let (ball, paddle) = (column(&obs[..45]), column(&obs[45..]));
        ActionBuffer::Discrete(vec![1 + u32::from(paddle < ball) - u32::from(paddle > ball)])
    };
    let (last, steps) = play(&mut Catch::default(), chase)?;
    assert_eq!((last.reward, steps), (1.0, 9));
    Ok(())
}
