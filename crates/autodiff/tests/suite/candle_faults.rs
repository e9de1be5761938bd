//! Where candle 0.11.1 gives wrong values, wrong derivatives or none, ours are right: one test for each fault that is
//! known. The oracle is finite differences in `f64`, and a loop where the value itself is at fault.

use candle_core::{DType, Device, Tensor as Value};
use rekindle_autodiff::{ComposedScope, Order, Result, Tensor, grad};

use crate::support::{assert_close, assert_gradients, ids, spread, strided};

/// On direct kernels, and on the stock operations that another device runs on.
fn on_both(test: impl Fn(&str) -> Result<()>) -> Result<()> {
    test("direct")?;
    let _scope = ComposedScope::new();
    test("composed")
}

fn gradient_of_sum(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Vec<f64>> {
    let x = x.leaf();
    grad(&f(&x)?.sum_all()?, &[&x], Order::First)?.remove(0).to_vec_f64()
}

#[test]
fn matmul_of_a_transposed_left_side_with_a_repeated_right_one() -> Result<()> {
    on_both(|mode| {
        let a = Tensor::new(spread(&[3, 2, 4], 1).value().transpose(1, 2)?); // [3, 4, 2], strides of the transpose
        let b = Tensor::new(spread(&[2, 3], 2).value().unsqueeze(0)?.broadcast_as((3, 2, 3))?); // stride 0 over tasks
        let (av, bv) = (a.to_vec_f64()?, b.to_vec_f64()?);
        let mut want = vec![0.0; 3 * 4 * 3];
        for (at, sum) in want.iter_mut().enumerate() {
            let (m, i, j) = (at / 12, at / 3 % 4, at % 3);
            *sum = (0..2).map(|k| av[(m * 4 + i) * 2 + k] * bv[(m * 2 + k) * 3 + j]).sum();
        }
        assert_close(mode, &a.matmul(&b)?, &Tensor::from_vec(want, (3, 4, 3))?, 1e-14);
        assert_gradients(mode, 2, &[a, b], |x| x[0].matmul(&x[1])?.tanh());
        Ok(())
    })
}

#[test]
fn linear_on_a_transposed_input() -> Result<()> {
    on_both(|mode| {
        let x = Tensor::new(spread(&[2, 2, 3], 1).value().transpose(1, 2)?);
        assert_gradients(mode, 2, &[x, spread(&[1, 2, 2], 2), spread(&[1, 2], 3)], |x| {
            x[0].linear(&x[1], Some(&x[2]))?.tanh()
        });
        Ok(())
    })
}

#[test]
fn cumsum_along_any_axis() -> Result<()> {
    // candle's is a matrix product of the transposed tensor with a repeated triangle.
    on_both(|mode| {
        let x = spread(&[3, 4, 2], 1);
        let v = x.to_vec_f64()?;
        let mut want = v.clone();
        for at in 0..v.len() {
            if at / 2 % 4 > 0 {
                want[at] += want[at - 2];
            }
        }
        assert_close(mode, &x.cumsum(1)?, &Tensor::from_vec(want, (3, 4, 2))?, 1e-14);
        assert_close(mode, &strided(&x).cumsum(1)?, &x.cumsum(1)?, 1e-14);
        Ok(())
    })
}

#[test]
fn gather_at_second_order() {
    let picks = ids(&[1, 1, 0, 2], &[2, 2]);
    assert_gradients("gather", 3, &[spread(&[2, 3], 1)], |x| x[0].gather(1, &picks)?.exp());
}

#[test]
fn cross_entropy_at_second_order() {
    let classes = ids(&[2, 0, 1, 1], &[2, 2]);
    assert_gradients("cross_entropy", 3, &[spread(&[2, 2, 3], 1)], |x| x[0].cross_entropy(&classes));
}

#[test]
fn negative_log_likelihood_by_gather_at_second_order() {
    let classes = ids(&[2, 0], &[2, 1]);
    assert_gradients("nll", 3, &[spread(&[2, 3], 1)], |x| x[0].log_softmax()?.gather(1, &classes));
}

#[test]
fn scatter_add_at_second_order() {
    let slots = ids(&[1, 1, 0, 2], &[2, 2]);
    assert_gradients("scatter_add", 3, &[spread(&[2, 2], 1)], |x| x[0].sqr()?.scatter_add(1, &slots, 3)?.exp());
}

#[test]
fn sort_at_second_order() {
    assert_gradients("sort", 3, &[spread(&[2, 4], 1)], |x| x[0].sort_last(true)?.0.powf(3.0)?.cumsum(1));
}

#[test]
fn max_pool() -> Result<()> {
    on_both(|mode| {
        // candle's gradient is 1/k² of this.
        let x = Tensor::from_vec(vec![1f64, 4., 2., 3.], (1, 1, 2, 2, 1))?;
        assert_eq!(gradient_of_sum(&x, |x| x.max_pool2d(2, 2))?, [0., 1., 0., 0.], "{mode}");
        assert_gradients(mode, 2, &[spread(&[1, 2, 5, 4, 2], 1)], |x| x[0].max_pool2d(2, 2)?.exp());
        assert_gradients(mode, 2, &[spread(&[1, 1, 5, 4, 1], 1)], |x| x[0].max_pool2d(3, 1)?.exp());
        Ok(())
    })
}

#[test]
fn avg_pool_of_sizes_that_do_not_divide() -> Result<()> {
    on_both(|mode| {
        assert_gradients(mode, 2, &[spread(&[1, 2, 5, 3, 1], 1)], |x| x[0].avg_pool2d(2, 2)?.exp());
        assert_gradients(mode, 2, &[spread(&[1, 1, 5, 4, 1], 1)], |x| x[0].avg_pool2d(3, 2)?.exp());
        Ok(())
    })
}

#[test]
fn upsample_accumulates() -> Result<()> {
    let x = spread(&[1, 1, 2, 2, 1], 1);
    assert_eq!(gradient_of_sum(&x, |x| x.upsample_nearest2d(3))?, [9.0; 4]);
    assert_gradients("upsample", 2, &[x], |x| x[0].upsample_nearest2d(2)?.exp());
    Ok(())
}

#[test]
fn convolution_over_one_axis_with_a_batch() -> Result<()> {
    on_both(|mode| {
        let (x, w) = (spread(&[1, 3, 1, 5, 2], 1), spread(&[1, 1, 3, 2, 2], 2));
        assert_gradients(mode, 2, &[x, w], |x| x[0].conv2d(&x[1], 1, 0)?.tanh());
        Ok(())
    })
}

#[test]
fn softmax_and_layer_norm_have_gradients_that_are_not_zero() -> Result<()> {
    let x = spread(&[2, 3], 1).leaf();
    let (gamma, beta) = (spread(&[1, 3], 2), spread(&[1, 3], 3));
    for y in [x.softmax()?, x.layer_norm(&gamma, &beta, 1e-5)?] {
        let g = grad(&y.sqr()?.sum_all()?, &[&x], Order::First)?.remove(0);
        assert!(g.to_vec_f64()?.iter().all(|g| g.abs() > 1e-6), "{g:?}");
    }
    assert_gradients("softmax", 3, &[x.detach()], |x| x[0].softmax());
    assert_gradients("layer_norm", 3, &[x.detach(), gamma, beta], |x| x[0].layer_norm(&x[1], &x[2], 0.1));
    Ok(())
}

/// The conventions that PyTorch has: `relu'(0) = 0`, `|·|'(0) = 0`, slope 1 on the bounds of a clamp, and at zero the
/// slope of the left side for leaky relu and elu.
#[test]
fn slopes_at_kinks() -> Result<()> {
    on_both(|mode| {
        let zero = Tensor::from_vec(vec![-0.0f64, 0.0, 1.0, -1.0], 4)?;
        assert_eq!(gradient_of_sum(&zero, Tensor::relu)?, [0., 0., 1., 0.], "{mode}");
        assert_eq!(gradient_of_sum(&zero, Tensor::abs)?, [0., 0., 1., -1.], "{mode}");
        assert_eq!(gradient_of_sum(&zero, |x| x.leaky_relu(0.1))?, [0.1, 0.1, 1., 0.1], "{mode}");
        assert_eq!(gradient_of_sum(&zero, |x| x.elu(0.7))?[..3], [0.7, 0.7, 1.], "{mode}");
        assert_eq!(gradient_of_sum(&zero, |x| x.clamp(0.0, 1.0))?, [1., 1., 1., 0.], "{mode}");
        Ok(())
    })
}

/// `max` over an axis and of two tensors shares the gradient of a tie; a pooling window gives it to the first.
#[test]
fn ties_of_a_maximum() -> Result<()> {
    on_both(|mode| {
        let tie = Tensor::from_vec(vec![3f64, 1., 3., 3.], (1, 4))?;
        let third = 1.0 / 3.0;
        assert_eq!(gradient_of_sum(&tie, |x| x.max_keepdim(1))?, [third, 0., third, third], "{mode}");
        assert_eq!(gradient_of_sum(&tie.neg()?, |x| x.min_keepdim(1))?, [third, 0., third, third], "{mode}");
        let other = Tensor::from_vec(vec![3f64, 2., 0., 3.], (1, 4))?;
        assert_eq!(gradient_of_sum(&tie, |x| x.maximum(&other))?, [0.5, 0., 1., 0.5], "{mode}");
        assert_eq!(gradient_of_sum(&tie, |x| x.minimum(&other))?, [0.5, 1., 0., 0.5], "{mode}");
        let image = Tensor::from_vec(vec![2f64, 2., 2., 1.], (1, 1, 2, 2, 1))?;
        assert_eq!(gradient_of_sum(&image, |x| x.max_pool2d(2, 2))?, [1., 0., 0., 0.], "{mode}");
        assert_eq!(gradient_of_sum(&image, |x| x.max_pool2d(2, 1))?, [1., 0., 0., 0.], "{mode}");
        Ok(())
    })
}

#[test]
fn where_a_branch_is_not_taken_nothing_infinite_comes_back() -> Result<()> {
    let x = Tensor::from_vec(vec![0f64, 4.0], 2)?;
    let mask = Value::from_vec(vec![0u8, 1], 2, &Device::Cpu)?;
    let slopes = gradient_of_sum(&x, |x| Tensor::select(&mask, &x.sqrt()?, &x.scale(3.0)?))?;
    // √x has slope ∞ at 0; times the zero of the mask that would be NaN, so the select comes first in such code.
    let safe = gradient_of_sum(&x, |x| Tensor::select(&mask, x, &x.ones_like()?)?.sqrt())?;
    assert_eq!(safe, [0.0, 0.25]);
    assert_eq!(slopes[1], 0.25);
    Ok(())
}

#[test]
fn a_gradient_is_cast_back_to_its_inputs_type() -> Result<()> {
    let x = spread(&[3], 1).leaf();
    let y = x.to_dtype(DType::F32)?.sqr()?.sum_all()?;
    let g = grad(&y, &[&x], Order::First)?.remove(0);
    assert_eq!(g.dtype(), DType::F64);
    assert_close("cast", &g, &x.detach().scale(2.0)?, 1e-7);
    assert!(x.to_dtype(DType::U32).is_err(), "a tracked tensor has no derivative as an integer");
    Ok(())
}
