//! GRU and LSTM cells.

use candle_core::{DType, Device};
use rekindle_autodiff::{Order, Params, Tensor, Transpose};
use rekindle_nn::{Gru, Init, Layer, Lstm, LstmConfig, LstmState, Result};

use crate::common::{Apply, assert_close, assert_gradients, assert_tasks_are_independent, per_task, random, rng};

const D: usize = 2;
const H: usize = 3;

fn lstm(forget_bias: f64) -> Lstm {
    Lstm::new("cell", LstmConfig { inputs: D, units: H, forget_bias }).unwrap()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `v W`, by the definition.
fn product(v: &[f64], w: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).map(|j| v.iter().enumerate().map(|(i, v)| v * w[i * columns + j]).sum()).collect()
}

/// Oracle: the gate equations for one task and one example, number by number.
#[test]
fn gru_agrees_with_a_scalar_loop() -> Result<()> {
    let cell = Gru::new("cell", D, H)?;
    let params = per_task(&cell.init(&mut rng(1), DType::F64, &Device::Cpu)?, 1, &mut rng(2));
    let leaf = |name: &str| params.get(&format!("cell.{name}")).unwrap().to_vec_f64().unwrap();
    let (w, b) = (leaf("input.weight"), leaf("input.bias"));
    let (u, c) = (leaf("hidden.weight"), leaf("hidden.bias"));
    let xs = random(&mut rng(3), &[5, 1, 1, D]);
    let h0 = random(&mut rng(4), &[1, 1, H]);
    let (mut h, mut expected) = (h0.to_vec_f64()?, Vec::<f64>::new());
    for x in xs.to_vec_f64()?.chunks(D) {
        let (a, k) = (product(x, &w, 3 * H), product(&h, &u, 3 * H));
        let gate = |g: usize, j: usize| (a[g * H + j] + b[g * H + j], k[g * H + j] + c[g * H + j]);
        h = (0..H)
            .map(|j| {
                let r = sigmoid(gate(0, j).0 + gate(0, j).1);
                let z = sigmoid(gate(1, j).0 + gate(1, j).1);
                let n = (gate(2, j).0 + r * gate(2, j).1).tanh();
                (1.0 - z) * n + z * h[j]
            })
            .collect();
        expected.extend(&h);
    }
    assert_close(&cell.sequence(&params, &xs, &h0)?, &Tensor::from_vec(expected, (5, 1, 1, H))?, 1e-12);
    Ok(())
}

/// Oracle: as above.
#[test]
fn lstm_agrees_with_a_scalar_loop() -> Result<()> {
    let cell = lstm(1.0);
    let params = per_task(&cell.init(&mut rng(5), DType::F64, &Device::Cpu)?, 1, &mut rng(6));
    let leaf = |name: &str| params.get(&format!("cell.{name}")).unwrap().to_vec_f64().unwrap();
    let (w, u, b) = (leaf("input.weight"), leaf("hidden.weight"), leaf("input.bias"));
    let xs = random(&mut rng(7), &[5, 1, 1, D]);
    let start = LstmState { h: random(&mut rng(8), &[1, 1, H]), c: random(&mut rng(9), &[1, 1, H]) };
    let (mut h, mut c, mut expected) = (start.h.to_vec_f64()?, start.c.to_vec_f64()?, Vec::<f64>::new());
    for x in xs.to_vec_f64()?.chunks(D) {
        let (a, k) = (product(x, &w, 4 * H), product(&h, &u, 4 * H));
        for j in 0..H {
            let gate = |g: usize| a[g * H + j] + k[g * H + j] + b[g * H + j];
            c[j] = sigmoid(gate(1)) * c[j] + sigmoid(gate(0)) * gate(2).tanh();
            h[j] = sigmoid(gate(3)) * c[j].tanh();
        }
        expected.extend(&h);
    }
    let (outputs, last) = cell.sequence(&params, &xs, &start)?;
    assert_close(&outputs, &Tensor::from_vec(expected, (5, 1, 1, H))?, 1e-12);
    assert_close(&last.c, &Tensor::from_vec(c, (1, 1, H))?, 1e-12);
    Ok(())
}

/// The checks take the task axis first, a sequence has it second.
fn over_time(sequence: impl Fn(&Params, &Tensor) -> Result<Tensor>) -> impl Fn(&Params, &Tensor) -> Result<Tensor> {
    move |params, x| Ok(sequence(params, &x.transpose(0, 1)?)?.transpose(0, 1)?)
}

#[test]
fn tasks_are_independent_and_gradients_agree_with_finite_differences() -> Result<()> {
    let (gru, lstm) = (Gru::new("cell", D, H)?, lstm(1.0));
    let state = random(&mut rng(10), &[1, 2, H]);
    let begin = LstmState { h: state.clone(), c: state.scale(-0.5)? };
    let run_gru = over_time(|params, xs| gru.sequence(params, xs, &state));
    let run_lstm = over_time(|params, xs| Ok(lstm.sequence(params, xs, &begin)?.0));
    let x = random(&mut rng(11), &[2, 3, 2, D]); // [M, T, B, D]
    for (layer, apply) in [(&gru as &dyn Layer, &run_gru as Apply<'_>), (&lstm, &run_lstm)] {
        let fresh = layer.init(&mut rng(12), DType::F64, &Device::Cpu)?;
        assert_tasks_are_independent(apply, &fresh, &x, 13)?;
        assert_gradients(apply, &fresh, &x, 1, 14)?;
    }
    Ok(())
}

#[test]
fn a_sequence_is_its_steps() -> Result<()> {
    let (gru, lstm) = (Gru::new("cell", D, H)?, lstm(0.0));
    let xs = random(&mut rng(15), &[7, 2, 2, D]);
    let zero = Tensor::zeros((2, 2, H), DType::F64, &Device::Cpu)?;

    let params = per_task(&gru.init(&mut rng(16), DType::F64, &Device::Cpu)?, 2, &mut rng(17));
    let (states, mut h) = (gru.sequence(&params, &xs, &zero)?, zero.clone());
    for t in 0..7 {
        h = gru.step(&params, &xs.narrow(0, t, 1)?.squeeze(0)?, &h)?;
        assert_close(&states.narrow(0, t, 1)?.squeeze(0)?, &h, 1e-12);
    }

    let params = per_task(&lstm.init(&mut rng(18), DType::F64, &Device::Cpu)?, 2, &mut rng(19));
    let mut state = LstmState { h: zero.clone(), c: zero };
    let (outputs, _) = lstm.sequence(&params, &xs, &state)?;
    for t in 0..7 {
        state = lstm.step(&params, &xs.narrow(0, t, 1)?.squeeze(0)?, &state)?;
        assert_close(&outputs.narrow(0, t, 1)?.squeeze(0)?, &state.h, 1e-12);
    }
    Ok(())
}

#[test]
fn the_forget_bias_is_added_to_the_forget_gate_alone() -> Result<()> {
    let bias = |forget| -> Result<Vec<f64>> {
        let params = lstm(forget).init(&mut rng(20), DType::F64, &Device::Cpu)?;
        Ok(params.get("cell.input.bias")?.to_vec_f64()?)
    };
    let shift: Vec<f64> = bias(1.0)?.iter().zip(bias(0.0)?).map(|(a, b)| a - b).collect();
    for (i, shift) in shift.into_iter().enumerate() {
        let expected = if (H..2 * H).contains(&i) { 1.0 } else { 0.0 };
        assert!((shift - expected).abs() < 1e-15, "element {i} moved by {shift}");
    }
    Ok(())
}

/// Forward, gradient and drop of 10,000 steps on a 2 MiB stack; the gradient at the first input is finite, and not zero
/// only because the cell was told to forget nothing.
#[test]
fn ten_thousand_steps_fit_on_a_small_stack() {
    let run = || -> Result<f64> {
        let (steps, cell) = (10_000, Gru::new("cell", D, H)?);
        let fresh = cell.init(&mut rng(21), DType::F64, &Device::Cpu)?;
        // An update gate near one carries the state on.
        let carry = |name: &str, leaf: &Tensor| {
            let gate: Vec<f64> = (0..3 * H).map(|j| if (H..2 * H).contains(&j) { 12.0 } else { 0.0 }).collect();
            if name == "cell.input.bias" { leaf.add(&Tensor::from_vec(gate, (1, 3 * H))?) } else { Ok(leaf.clone()) }
        };
        let params = fresh.map_named(carry)?.leaf();
        let xs = random(&mut rng(22), &[steps, 1, 1, D]).leaf();
        let h0 = Tensor::zeros((1, 1, H), DType::F64, &Device::Cpu)?.leaf();
        let last = cell.sequence(&params, &xs, &h0)?.narrow(0, steps - 1, 1)?.sum_all()?;
        let grads = rekindle_autodiff::grad(&last, &[&h0, &xs], Order::First)?;
        assert!(grads[1].to_vec_f64()?.iter().all(|g| g.is_finite()));
        Ok(grads[0].sqr()?.sum_all()?.to_f64()?)
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread starts");
    let square = thread.join().expect("the stack holds").expect("shapes fit");
    assert!(square.is_finite() && square > 1e-3, "{square}");
}

#[test]
fn an_empty_or_misshapen_sequence_is_refused() -> Result<()> {
    let cell = Gru::new("cell", D, H)?;
    let params = cell.init(&mut rng(23), DType::F64, &Device::Cpu)?;
    let h0 = Tensor::zeros((1, 1, H), DType::F64, &Device::Cpu)?;
    for dims in [&[0, 1, 1, D][..], &[4, 1, 1, D + 1], &[4, 1, D]] {
        let error = cell.sequence(&params, &random(&mut rng(24), dims), &h0).unwrap_err();
        assert!(error.to_string().contains("[T, M, B, 2] with T ≥ 1"), "{error}");
    }
    Ok(())
}

/// Without input a unit keeps `σ(b_z)` of itself in a step: half of it by default, and at a horizon of T for 2 to T − 1 steps.
#[test]
fn a_remembering_gru_starts_with_long_memories() -> Result<()> {
    let bias = |cell: &Gru| -> Result<Vec<f64>> {
        Ok(cell.init(&mut rng(40), DType::F64, &Device::Cpu)?.get("cell.input.bias")?.to_vec_f64()?)
    };
    let (plain, long) = (Gru::new("cell", D, 300)?, Gru::new("cell", D, 300)?.remembering(50)?);
    let (plain, long) = (bias(&plain)?, bias(&long)?);
    assert_eq!(plain[..300], long[..300]);
    // The time in which a unit forgets is 1/(1 − σ(b)) = 1 + eᵇ.
    let times: Vec<f64> = long[300..600].iter().map(|b| 1.0 + b.exp()).collect();
    assert!(times.iter().all(|t| (2.0..50.0).contains(t)), "{times:?}");
    let mean = times.iter().sum::<f64>() / 300.0;
    assert!((mean - 26.0).abs() < 3.0, "U(2, 50) has the mean 26, not {mean}");
    assert!(plain[300..600].iter().all(|b| b.abs() < 0.06));
    assert!(Gru::new("cell", D, 3)?.remembering(1).is_err());
    Ok(())
}

/// The state's matrix is orthogonal in each gate, the input's has the variance asked for, biases are zero.
#[test]
fn a_gru_starts_gate_by_gate() -> Result<()> {
    let cell = Gru::new("cell", 60, 20)?.starting(Init::LeCunNormal, Init::Orthogonal { gain: 1.0 });
    let params = cell.init(&mut rng(41), DType::F64, &Device::Cpu)?;
    let hidden = params.get("cell.hidden.weight")?;
    for gate in 0..3 {
        let u = hidden.narrow(2, 20 * gate, 20)?.contiguous()?;
        let squares = u.product(Transpose::Yes, &u, Transpose::No)?.to_vec_f64()?;
        for (i, entry) in squares.iter().enumerate() {
            assert!((entry - f64::from(u8::from(i % 21 == 0))).abs() < 1e-9, "gate {gate}, {i}: {entry}");
        }
    }
    let input = params.get("cell.input.weight")?.to_vec_f64()?;
    let variance = input.iter().map(|w| w * w).sum::<f64>() / input.len() as f64;
    assert!((60.0 * variance - 1.0).abs() < 0.1, "1/D is the variance, not {variance}");
    for bias in ["cell.input.bias", "cell.hidden.bias"] {
        assert!(params.get(bias)?.to_vec_f64()?.iter().all(|&b| b == 0.0));
    }
    Ok(())
}
