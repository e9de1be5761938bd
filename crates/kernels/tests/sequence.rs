//! Sequences of every level against f64: values by the formulas, gradients by central differences.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_kernels::Level;
use rekindle_kernels::recurrent::{Saved, Sequence, SequenceCell, SequenceGrads, Wanted, sequence, sequence_backward};

const CELLS: [SequenceCell; 2] = [SequenceCell::Gru, SequenceCell::Lstm];

/// M, T, B, D, H
type Sizes = [usize; 5];

/// x, h, c, input, bias, hidden, hidden_bias
#[derive(Clone)]
struct Data<F>([Vec<F>; 7]);

fn gates(cell: SequenceCell) -> usize {
    if cell == SequenceCell::Gru { 3 } else { 4 }
}

fn draw(rng: &mut ChaCha8Rng, cell: SequenceCell, [m, t, b, d, h]: Sizes, zero: bool) -> Data<f32> {
    let (g, lstm) = (gates(cell), cell == SequenceCell::Lstm);
    let sizes = [t * m * b * d, m * b * h, if lstm { m * b * h } else { 0 }, m * d * g * h, m * g * h, m * h * g * h];
    let scale = 1.0 / (h.max(1) as f32).sqrt();
    let mut one = |n: usize, size: f32| (0..n).map(|_| size * rng.random_range(-1.0..1.0)).collect::<Vec<f32>>();
    Data([
        one(sizes[0], 1.0),
        if zero { vec![0.0; sizes[1]] } else { one(sizes[1], 1.0) },
        one(sizes[2], 1.0),
        one(sizes[3], 1.0),
        one(sizes[4], 1.0),
        one(sizes[5], scale),
        one(if lstm { 0 } else { sizes[4] }, 1.0),
    ])
}

fn view<'a>(cell: SequenceCell, [tasks, steps, rows, inputs, units]: Sizes, data: &'a Data<f32>) -> Sequence<'a> {
    let [x, h, c, input, bias, hidden, hidden_bias] = &data.0;
    Sequence { cell, tasks, steps, rows, inputs, units, x, h, c, input, bias, hidden, hidden_bias }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `[T, M, B, H]`, and the last memory cells behind them.
fn exact(cell: SequenceCell, [m, t, b, d, h]: Sizes, data: &Data<f64>) -> Vec<f64> {
    let [x, h0, c0, input, bias, hidden, hidden_bias] = &data.0;
    let (g, mut state, mut c, mut out) = (gates(cell), h0.clone(), c0.clone(), vec![]);
    for t in 0..t {
        let mut next = vec![];
        for row in 0..m * b {
            for i in 0..h {
                let task = row / b;
                let a = |gate: usize| {
                    let sum = (0..d).map(|k| x[(t * m * b + row) * d + k] * input[((task * d + k) * g + gate) * h + i]);
                    sum.sum::<f64>() + bias[(task * g + gate) * h + i]
                };
                let k = |gate: usize| {
                    let sum = (0..h).map(|k| state[row * h + k] * hidden[((task * h + k) * g + gate) * h + i]);
                    sum.sum::<f64>() + hidden_bias.get((task * g + gate) * h + i).unwrap_or(&0.0)
                };
                if cell == SequenceCell::Gru {
                    let (r, z) = (sigmoid(a(0) + k(0)), sigmoid(a(1) + k(1)));
                    let n = (a(2) + r * k(2)).tanh();
                    next.push((1.0 - z) * n + z * state[row * h + i]);
                } else {
                    let sum = |gate| a(gate) + k(gate);
                    let at = row * h + i;
                    c[at] = sigmoid(sum(1)) * c[at] + sigmoid(sum(0)) * sum(2).tanh();
                    next.push(sigmoid(sum(3)) * c[at].tanh());
                }
            }
        }
        out.extend(&next);
        state = next;
    }
    out.extend(c);
    out
}

fn run(level: Level, s: &Sequence<'_>, u: &[f32], wanted: Wanted) -> (Vec<f32>, SequenceGrads) {
    let (mut out, mut plain, mut saved, mut grads) = (vec![], vec![7.0], Saved::new(), SequenceGrads::default());
    sequence(level, s, &mut out, Some(&mut saved)).unwrap();
    sequence(level, s, &mut plain, None).unwrap();
    assert_eq!(plain[1..], out, "saving changes nothing");
    sequence_backward(s, &saved, &out, u, wanted, &mut grads).unwrap();
    (out, grads)
}

fn lists(grads: &SequenceGrads) -> [&[f32]; 7] {
    [&grads.x, &grads.h, &grads.c, &grads.input, &grads.bias, &grads.hidden, &grads.hidden_bias]
}

fn close(found: &[f32], exact: &[f64], bound: f64, what: &str) {
    assert_eq!(found.len(), exact.len(), "{what}");
    for (i, (&found, &exact)) in found.iter().zip(exact).enumerate() {
        assert!((f64::from(found) - exact).abs() <= bound * exact.abs().max(1.0), "{what} {i}: {found} is not {exact}");
    }
}

fn weights(rng: &mut ChaCha8Rng, n: usize) -> Vec<f32> {
    (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
}

const BOTH: Wanted = Wanted { x: true, start: true };

/// The bound is a hundred units in the last place for each of the few steps' sums.
#[test]
fn every_level_agrees_with_the_formulas_and_their_differences() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let sizes = [[1, 1, 1, 1, 1], [2, 3, 2, 2, 3], [1, 4, 3, 1, 9], [3, 2, 5, 4, 2]];
    for (sizes, cell) in sizes.into_iter().flat_map(|sizes| CELLS.map(|cell| (sizes, cell))) {
        let data = draw(&mut rng, cell, sizes, false);
        let wide = Data(data.0.clone().map(|list| list.into_iter().map(f64::from).collect()));
        let expected = exact(cell, sizes, &wide);
        let u = weights(&mut rng, expected.len());
        let loss =
            |data: &Data<f64>| -> f64 { exact(cell, sizes, data).iter().zip(&u).map(|(y, &u)| y * f64::from(u)).sum() };
        let slopes: Vec<Vec<f64>> = (0..7)
            .map(|list| {
                let slope = |i: usize| {
                    let mut ends = [wide.clone(), wide.clone()];
                    ends[0].0[list][i] -= 1e-5;
                    ends[1].0[list][i] += 1e-5;
                    (loss(&ends[1]) - loss(&ends[0])) / 2e-5
                };
                (0..wide.0[list].len()).map(slope).collect()
            })
            .collect();
        for level in Level::available() {
            let (out, grads) = run(level, &view(cell, sizes, &data), &u, BOTH);
            close(&out, &expected, 1e-5, "out");
            for (i, (grad, slopes)) in lists(&grads).into_iter().zip(&slopes).enumerate() {
                close(grad, slopes, 1e-5, &format!("{cell:?} {} {sizes:?} gradient {i}", level.name()));
            }
        }
    }
}

/// Larger sizes, whole panels and odd ones, long sequences, states of zeros, and nothing. Relative to the largest number of
/// a list, since gradients are sums.
#[test]
fn every_level_agrees_with_the_portable_one() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let sizes = [
        [1, 3, 30, 7, 32],
        [2, 7, 29, 5, 33],
        [1, 150, 2, 3, 16],
        [1, 2, 61, 40, 20],
        [1, 1, 57, 33, 64],
        [0, 2, 3, 4, 5],
        [2, 0, 3, 4, 5],
        [2, 2, 0, 4, 5],
        [2, 2, 3, 0, 5],
        [2, 2, 3, 4, 0],
    ];
    for (sizes, cell) in sizes.into_iter().flat_map(|sizes| CELLS.map(|cell| (sizes, cell))) {
        for zero in [false, true] {
            let data = draw(&mut rng, cell, sizes, zero);
            let s = view(cell, sizes, &data);
            let u = {
                let mut out = vec![];
                sequence(Level::PORTABLE, &s, &mut out, None).unwrap();
                weights(&mut rng, out.len())
            };
            let (expected, by_portable) = run(Level::PORTABLE, &s, &u, BOTH);
            for level in Level::available() {
                let (out, grads) = run(level, &s, &u, BOTH);
                let pairs = lists(&grads).into_iter().zip(lists(&by_portable));
                for (i, (found, expected)) in pairs.chain([(&out[..], &expected[..])]).enumerate() {
                    assert_eq!(found.len(), expected.len(), "{i}");
                    let most = expected.iter().fold(1f32, |most, v| most.max(v.abs()));
                    for (found, expected) in found.iter().zip(expected) {
                        let name = level.name();
                        assert!(
                            (found - expected).abs() <= 2e-5 * most,
                            "{cell:?} {name} {sizes:?} {i}: {found} {expected}"
                        );
                    }
                }
                let (_, fewer) = run(level, &s, &u, Wanted { x: false, start: false });
                assert!(fewer.x.is_empty() && fewer.h.is_empty() && fewer.c.is_empty());
                assert_eq!(fewer.hidden, grads.hidden);
            }
        }
    }
}

/// A row's bits, and a task's, do not depend on what runs beside it.
#[test]
fn rows_and_tasks_are_computed_alone() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let sizes @ [m, t, b, d, h] = [2, 3, 41, 3, 20];
    for cell in CELLS {
        let data = draw(&mut rng, cell, sizes, false);
        let s = view(cell, sizes, &data);
        for level in Level::available() {
            let mut whole = vec![];
            sequence(level, &s, &mut whole, None).unwrap();
            let u = weights(&mut rng, whole.len());
            let (_, whole_grads) = run(level, &s, &u, BOTH);
            for task in 0..m {
                let steps = whole.len() / (m * b * h);
                let part = |list: &[f32], steps: usize, n: usize| -> Vec<f32> {
                    (0..steps).flat_map(|t| list[(t * m + task) * n..][..n].to_vec()).collect()
                };
                let alone = Data([
                    part(s.x, t, b * d),
                    part(s.h, 1, b * h),
                    part(s.c, 1, s.c.len() / m),
                    part(s.input, 1, s.input.len() / m),
                    part(s.bias, 1, s.bias.len() / m),
                    part(s.hidden, 1, s.hidden.len() / m),
                    part(s.hidden_bias, 1, s.hidden_bias.len() / m),
                ]);
                let (out, grads) = run(level, &view(cell, [1, t, b, d, h], &alone), &part(&u, steps, b * h), BOTH);
                assert_eq!(out, part(&whole, steps, b * h));
                for (i, (alone, whole)) in lists(&grads).into_iter().zip(lists(&whole_grads)).enumerate() {
                    let steps = if i == 0 { t } else { 1 };
                    assert_eq!(alone, part(whole, steps, whole.len() / (m * steps)), "gradient {i}");
                }
                // One row of the task, without the others.
                let row = b / 2;
                let pick = |list: &[f32], n: usize| -> Vec<f32> {
                    list.chunks_exact(b * n).flat_map(|rows| rows[row * n..][..n].to_vec()).collect()
                };
                let [x, h0, c, ..] = &alone.0;
                let mut one = alone.clone();
                (one.0[0], one.0[1], one.0[2]) = (pick(x, d), pick(h0, h), pick(c, h));
                let mut single = vec![];
                sequence(level, &view(cell, [1, t, 1, d, h], &one), &mut single, None).unwrap();
                assert_eq!(single, pick(&out, h));
            }
        }
    }
}

/// Zeros are skipped only where that changes nothing.
#[test]
fn weights_that_are_no_numbers_show_behind_a_state_of_zeros() {
    let sizes = [1, 1, 2, 1, 3];
    let mut data = draw(&mut ChaCha8Rng::seed_from_u64(4), SequenceCell::Gru, sizes, true);
    data.0[5][0] = f32::INFINITY;
    for level in Level::available() {
        let mut out = vec![];
        sequence(level, &view(SequenceCell::Gru, sizes, &data), &mut out, None).unwrap();
        assert!(out[0].is_nan() && out[1].is_finite(), "{out:?}");
    }
}

#[test]
fn wrong_lengths_are_refused() {
    let sizes = [1, 2, 2, 2, 3];
    for cell in CELLS {
        let data = draw(&mut ChaCha8Rng::seed_from_u64(5), cell, sizes, false);
        for list in 0..7 {
            let mut wrong = data.clone();
            wrong.0[list].push(0.0);
            assert!(sequence(Level::PORTABLE, &view(cell, sizes, &wrong), &mut vec![], None).is_err());
        }
        let s = view(cell, sizes, &data);
        let (mut out, mut saved, mut grads) = (vec![], Saved::new(), SequenceGrads::default());
        sequence(Level::current(), &s, &mut out, Some(&mut saved)).unwrap();
        assert!(sequence_backward(&s, &Saved::new(), &out, &out, BOTH, &mut grads).is_err());
        assert!(sequence_backward(&s, &saved, &out[1..], &out, BOTH, &mut grads).is_err());
        assert!(sequence_backward(&s, &saved, &out, &out[1..], BOTH, &mut grads).is_err());
        let huge = Sequence { steps: usize::MAX, ..s };
        assert!(sequence(Level::PORTABLE, &huge, &mut out, None).is_err());
    }
}
