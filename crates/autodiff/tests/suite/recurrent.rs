//! Recurrent cells: the composite against finite differences in `f64`, the kernel in `f32` against the composite.

use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{ComposedScope, GruWeights, LstmWeights, Order, Result, Tensor, hvp, vjp};

use crate::support::{assert_close, assert_gradients, f32s, rng, uniform};

/// Inputs of a cell, in the order of its arguments.
type Cell = fn(&[Tensor]) -> Result<Tensor>;

fn gru(x: &[Tensor]) -> Result<Tensor> {
    x[0].gru(&x[1], GruWeights { input: &x[2], bias: &x[3], hidden: &x[4], hidden_bias: &x[5] })
}

/// Outputs and the last memory cells, so that both are differentiated.
fn lstm(x: &[Tensor]) -> Result<Tensor> {
    let (outputs, c) = x[0].lstm(&x[1], &x[2], LstmWeights { input: &x[3], bias: &x[4], hidden: &x[5] })?;
    Tensor::cat(&[&outputs, &c.unsqueeze(0)?.scale(0.5)?], 0)
}

/// Tasks of x, of the states, of the input's weights and of the others.
type Tasks = [usize; 4];

const TASKS: [Tasks; 4] = [[2, 2, 1, 1], [2, 2, 2, 2], [1, 2, 1, 2], [2, 1, 2, 1]];

/// T, B, D, H
type Sizes = [usize; 4];

fn cells([t, b, d, h]: Sizes, [mx, ms, mi, mw]: Tasks, rng: &mut ChaCha8Rng) -> Vec<(&'static str, Cell, Vec<Tensor>)> {
    let mut draw = |dims: &[&[usize]]| -> Vec<Tensor> { dims.iter().map(|dims| uniform(dims, rng)).collect() };
    let (x, s) = ([t, mx, b, d], [ms, b, h]);
    let of_gru = draw(&[&x, &s, &[mi, d, 3 * h], &[mi, 3 * h], &[mw, h, 3 * h], &[mw, 3 * h]]);
    let of_lstm = draw(&[&x, &s, &s, &[mi, d, 4 * h], &[mi, 4 * h], &[mw, h, 4 * h]]);
    vec![("gru", gru, of_gru), ("lstm", lstm, of_lstm)]
}

#[test]
fn gradients_agree_with_finite_differences() {
    for tasks in TASKS {
        for (name, cell, inputs) in cells([2, 2, 2, 2], tasks, &mut rng(1)) {
            assert_gradients(name, 2, &inputs, cell);
        }
    }
}

fn first_gradients(cell: Cell, inputs: &[Tensor], seed: &Tensor) -> Result<Vec<Tensor>> {
    let leaves: Vec<Tensor> = inputs.iter().map(Tensor::leaf).collect();
    let y = cell(&leaves)?;
    let mut all = vjp(&[(&y, seed)], &leaves.iter().collect::<Vec<_>>(), Order::First)?;
    all.push(y);
    Ok(all)
}

/// Bound: a hundred units in the last place of sums whose terms are below 1.
#[test]
fn the_kernel_agrees_with_the_composite() -> Result<()> {
    for (sizes, tasks) in [[1, 1, 1, 1], [1, 3, 2, 5], [4, 3, 3, 16], [5, 31, 7, 33]]
        .into_iter()
        .flat_map(|sizes| TASKS.map(|tasks| (sizes, tasks)))
    {
        for (name, cell, inputs) in cells(sizes, tasks, &mut rng(2)) {
            // Small weights, as cells have them: the composite's own error would grow with the states otherwise.
            let inputs: Vec<Tensor> = inputs.iter().map(|x| f32s(&x.scale(0.5).expect("scaled"))).collect();
            let seed = f32s(&uniform(cell(&inputs)?.dims(), &mut rng(3)));
            let direct = first_gradients(cell, &inputs, &seed)?;
            let _scope = ComposedScope::new();
            for (i, (direct, composed)) in direct.iter().zip(first_gradients(cell, &inputs, &seed)?).enumerate() {
                assert_close(&format!("{name} {sizes:?} {tasks:?} {i}"), direct, &composed, 2e-5);
            }
        }
    }
    Ok(())
}

#[test]
fn second_derivatives_of_the_kernel_are_those_of_the_composite() -> Result<()> {
    let products = |cell: Cell, inputs: &[Tensor]| -> Result<Vec<Tensor>> {
        let leaves: Vec<Tensor> = inputs.iter().map(Tensor::leaf).collect();
        let leaves: Vec<&Tensor> = leaves.iter().collect();
        let y = cell(inputs)?;
        let owned: Vec<Tensor> = leaves.iter().map(|&x| x.clone()).collect();
        assert!(!y.is_tracked());
        let loss = cell(&owned)?.sqr()?.sum_all()?;
        let directions: Vec<&Tensor> = inputs.iter().collect();
        hvp(&loss, &leaves, &directions, Order::First)
    };
    for (name, cell, inputs) in cells([3, 2, 3, 5], [2, 2, 1, 2], &mut rng(4)) {
        let inputs: Vec<Tensor> = inputs.iter().map(f32s).collect();
        let direct = products(cell, &inputs)?;
        let _scope = ComposedScope::new();
        for (direct, composed) in direct.iter().zip(products(cell, &inputs)?) {
            assert_close(name, direct, &composed, 1e-4);
        }
    }
    Ok(())
}

/// A task's bits do not depend on the tasks beside it, nor a step's on the sequence it is in.
#[test]
fn tasks_and_steps_are_computed_alone() -> Result<()> {
    let sizes @ [t, ..] = [3, 30, 3, 17];
    for tasks in [[2, 2, 2, 2], [2, 2, 1, 1]] {
        let [(_, _, of_gru), (name, cell, of_lstm)] =
            <[_; 2]>::try_from(cells(sizes, tasks, &mut rng(5))).expect("two");
        for (name, cell, inputs) in [("gru", gru as Cell, of_gru), (name, cell, of_lstm)] {
            let inputs: Vec<Tensor> = inputs.iter().map(f32s).collect();
            let seed = f32s(&uniform(cell(&inputs)?.dims(), &mut rng(6)));
            let whole = first_gradients(cell, &inputs, &seed)?;
            for task in 0..2 {
                let one = |x: &Tensor| {
                    let axis = usize::from(x.rank() == 4);
                    if x.dims()[axis] == 1 { Ok(x.clone()) } else { x.narrow(axis, task, 1)?.contiguous() }
                };
                let alone: Vec<Tensor> = inputs.iter().map(one).collect::<Result<_>>()?;
                let alone = first_gradients(cell, &alone, &one(&seed)?)?;
                for (i, (alone, whole)) in alone.iter().zip(&whole).enumerate() {
                    let shared = i < inputs.len() && inputs[i].rank() < 4 && inputs[i].dims()[0] == 1;
                    if !shared {
                        assert_close(&format!("{name} {i}"), alone, &one(whole)?, 0.0);
                    }
                }
            }
            if name == "gru" {
                let mut h = inputs[1].clone();
                for step in 0..t {
                    let mut inputs = inputs.clone();
                    (inputs[0], inputs[1]) = (inputs[0].narrow(0, step, 1)?, h);
                    h = cell(&inputs)?.squeeze(0)?;
                    let states = &whole[inputs.len()];
                    assert_close("step", &h, &states.narrow(0, step, 1)?.squeeze(0)?.contiguous()?, 0.0);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn no_step_and_no_row_are_answered() -> Result<()> {
    for sizes in [[0, 2, 3, 4], [2, 0, 3, 4], [2, 2, 0, 4]] {
        for (name, cell, inputs) in cells(sizes, [2, 2, 1, 1], &mut rng(7)) {
            let inputs: Vec<Tensor> = inputs.iter().map(f32s).collect();
            let direct = cell(&inputs)?;
            assert_eq!(direct.dims(), [sizes[0] + usize::from(name == "lstm"), 2, sizes[1], 4]);
            let gradients = first_gradients(cell, &inputs, &direct.ones_like()?)?;
            assert!(gradients.iter().zip(&inputs).all(|(g, x)| g.dims() == x.dims()));
        }
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() {
    for (_, cell, inputs) in cells([2, 2, 3, 4], [2, 2, 2, 2], &mut rng(8)) {
        for i in 0..inputs.len() {
            let mut wrong = inputs.clone();
            let rank = wrong[i].rank();
            wrong[i] = wrong[i].narrow(rank - 1, 0, 2).expect("there are two");
            let error = cell(&wrong).expect_err("refused").to_string();
            assert!(error.contains("weights [M, D, "), "{error}");
        }
    }
}
