//! Random expressions: what must hold of every one of them.

use proptest::prelude::*;
use rekindle_autodiff::{Check, Order, Result, Tensor, check_gradients, grad, partial_vjp, vjp};

use crate::support::{assert_close, random_cases, rng, uniform};

/// One step of a random expression: an operation on two earlier results.
#[derive(Clone, Copy, Debug)]
struct Step {
    op: u8,
    left: usize,
    right: usize,
}

const N: usize = 3;

/// A graph over inputs `[N, N]`: the steps may use any earlier result, so results are used many times or never. Every
/// operation is smooth and keeps values of moderate size.
fn evaluate(steps: &[Step], inputs: &[Tensor]) -> Result<Tensor> {
    let mut results = inputs.to_vec();
    for step in steps {
        let (a, b) = (&results[step.left % results.len()], &results[step.right % results.len()]);
        let y = match step.op % 16 {
            0 => a.add(b)?.scale(0.7)?,
            1 => a.sub(b)?,
            2 => a.mul(b)?,
            3 => a.div(&b.sqr()?.shift(1.0)?)?,
            4 => a.matmul(b)?.scale(0.5)?,
            5 => a.tanh()?,
            6 => a.sin()?.mul(&b.cos()?)?,
            7 => a.sigmoid()?,
            8 => a.scale(0.5)?.tanh()?.exp()?,
            9 => a.softplus()?,
            10 => a.softmax()?,
            11 => a.log_softmax()?.scale(0.3)?,
            12 => a.transpose(0, 1)?,
            13 => a.mean_keepdim(&[1])?.add(b)?,
            14 => Tensor::cat(&[&a.narrow(0, 1, N - 1)?, &b.narrow(0, 0, 1)?], 0)?,
            _ => a.sum(&[0])?.broadcast_to((N, N))?.mul(b)?.tanh()?,
        };
        results.push(y);
    }
    results.last().expect("there are inputs").tanh()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (any::<u8>(), 0usize..12, 0usize..12).prop_map(|(op, left, right)| Step { op, left, right });
    prop::collection::vec(step, 1..9)
}

fn inputs(n: usize, seed: u64) -> Vec<Tensor> {
    let mut rng = rng(seed);
    (0..n).map(|_| uniform(&[N, N], &mut rng)).collect()
}

fn or_zeros(grads: Vec<Option<Tensor>>, xs: &[Tensor]) -> Result<Vec<Tensor>> {
    grads.into_iter().zip(xs).map(|(g, x)| g.map_or_else(|| x.zeros_like(), Ok)).collect()
}

fn pull(y: &Tensor, seed: &Tensor, xs: &[Tensor], order: Order) -> Result<Vec<Tensor>> {
    or_zeros(partial_vjp(&[(y, seed)], &xs.iter().collect::<Vec<_>>(), order)?, xs)
}

proptest! {
    #![proptest_config(random_cases(60))]

    #[test]
    fn gradients_of_first_and_second_order_match_finite_differences(
        steps in steps(), n in 1usize..4, seed: u64,
    ) {
        let check = Check { tolerance: 1e-6, ..Check::default() };
        check_gradients(|x| evaluate(&steps, x), &inputs(n, seed), check)?;
    }

    #[test]
    fn a_vjp_is_linear_in_its_seed(steps in steps(), seed: u64, s in -2f64..2.0) {
        let xs: Vec<Tensor> = inputs(2, seed).iter().map(Tensor::leaf).collect();
        let y = evaluate(&steps, &xs)?;
        let seeds = inputs(2, !seed);
        let both = pull(&y, &seeds[0].add_scaled(&seeds[1], s)?, &xs, Order::First)?;
        let (a, b) = (pull(&y, &seeds[0], &xs, Order::First)?, pull(&y, &seeds[1], &xs, Order::First)?);
        for ((both, a), b) in both.iter().zip(&a).zip(&b) {
            assert_close("vjp(u + s v)", both, &a.add_scaled(b, s)?, 1e-12);
        }
    }

    #[test]
    fn the_gradient_of_a_sum_is_the_sum_of_gradients(one in steps(), other in steps(), seed: u64) {
        let xs: Vec<Tensor> = inputs(2, seed).iter().map(Tensor::leaf).collect();
        let (y, z) = (evaluate(&one, &xs)?.sum_all()?, evaluate(&other, &xs)?.sum_all()?);
        let unit = Tensor::scalar(1f64)?;
        let sum = pull(&y.add(&z)?, &unit, &xs, Order::First)?;
        let (a, b) = (pull(&y, &unit, &xs, Order::First)?, pull(&z, &unit, &xs, Order::First)?);
        for ((sum, a), b) in sum.iter().zip(&a).zip(&b) {
            assert_close("∇(y + z)", sum, &a.add(b)?, 1e-12);
        }
    }

    #[test]
    fn recording_a_gradient_does_not_change_it(steps in steps(), seed: u64) {
        let xs: Vec<Tensor> = inputs(2, seed).iter().map(Tensor::leaf).collect();
        let y = evaluate(&steps, &xs)?;
        let seed = uniform(&[N, N], &mut rng(seed));
        let (first, higher) = (pull(&y, &seed, &xs, Order::First)?, pull(&y, &seed, &xs, Order::Higher)?);
        for (first, higher) in first.iter().zip(&higher) {
            assert_eq!(first.to_vec_f64()?, higher.to_vec_f64()?);
            assert!(!first.is_tracked());
        }
    }

    /// `∂z/∂x = (∂y/∂x)ᵀ ∂z/∂y`, cut at any tensor on the way.
    #[test]
    fn the_chain_rule_holds_when_the_walk_is_cut(inner in steps(), outer in steps(), seed: u64) {
        let x = inputs(1, seed).remove(0).leaf();
        let y = evaluate(&inner, std::slice::from_ref(&x))?;
        let z = evaluate(&outer, std::slice::from_ref(&y))?.sum_all()?;
        let Some(by_y) = partial_vjp(&[(&z, &z.ones_like()?)], &[&y], Order::First)?.remove(0) else { return Ok(()) };
        let in_two = pull(&y, &by_y, std::slice::from_ref(&x), Order::First)?.remove(0);
        let at_once = pull(&z, &z.ones_like()?, std::slice::from_ref(&x), Order::First)?.remove(0);
        assert_close("cut", &in_two, &at_once, 1e-12);
    }

    /// Forward and reverse mode are transposes: `⟨u, J v⟩ = ⟨Jᵀ u, v⟩`.
    #[test]
    fn jvp_and_vjp_are_adjoint(steps in steps(), seed: u64) {
        let x = inputs(1, seed).remove(0).leaf();
        let y = evaluate(&steps, std::slice::from_ref(&x))?;
        let uv = inputs(2, !seed);
        let forward = rekindle_autodiff::jvp(&y, &[&x], &[&uv[1]], Order::First)?;
        let reverse = vjp(&[(&y, &uv[0])], &[&x], Order::First)?.remove(0);
        assert_close("⟨u, J v⟩", &uv[0].mul(&forward)?.sum_all()?, &reverse.mul(&uv[1])?.sum_all()?, 1e-12);
    }

    /// Every gradient that is asked for at once is what it is when asked for alone.
    #[test]
    fn gradients_do_not_depend_on_what_else_is_asked_for(steps in steps(), seed: u64) {
        let xs: Vec<Tensor> = inputs(3, seed).iter().map(Tensor::leaf).collect();
        let y = xs.iter().try_fold(evaluate(&steps, &xs)?, |y, x| y.add(x))?.sum_all()?;
        let all = grad(&y, &xs.iter().collect::<Vec<_>>(), Order::First)?;
        for (x, together) in xs.iter().zip(&all) {
            assert_eq!(grad(&y, &[x], Order::First)?[0].to_vec_f64()?, together.to_vec_f64()?);
        }
    }
}
