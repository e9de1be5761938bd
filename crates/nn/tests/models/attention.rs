//! Attention.

use candle_core::{DType, Device};
use rekindle_autodiff::{Params, Tensor};
use rekindle_nn::{Error, Layer, MultiHeadAttention, MultiHeadAttentionConfig, Result, attention, causal_mask};

use crate::common::{Apply, assert_close, assert_gradients, assert_tasks_are_independent, per_task, random, rng};

fn layer(width: usize, heads: usize) -> MultiHeadAttention {
    let config = MultiHeadAttentionConfig { width, heads, ..MultiHeadAttentionConfig::default() };
    MultiHeadAttention::new("attend", config).unwrap()
}

fn causal(steps: usize) -> Tensor {
    causal_mask(steps, DType::F64, &Device::Cpu).unwrap()
}

/// Oracle: the formula, number by number.
#[test]
fn attention_agrees_with_scalar_loops() -> Result<()> {
    let (t, s, d, e) = (3, 4, 2, 5);
    let (q, k) = (random(&mut rng(1), &[1, t, d]), random(&mut rng(2), &[1, s, d]));
    let v = random(&mut rng(3), &[1, s, e]);
    let mask =
        Tensor::from_vec((0..t * s).map(|i| if i % 3 == 1 { f64::NEG_INFINITY } else { 0.0 }).collect(), (t, s))?;
    let (qs, ks, vs, ms) = (q.to_vec_f64()?, k.to_vec_f64()?, v.to_vec_f64()?, mask.to_vec_f64()?);
    let mut expected = Vec::new();
    for i in 0..t {
        let score = |j: usize| (0..d).map(|c| qs[i * d + c] * ks[j * d + c]).sum::<f64>() / (d as f64).sqrt();
        let weights: Vec<f64> = (0..s).map(|j| (score(j) + ms[i * s + j]).exp()).collect();
        let total: f64 = weights.iter().sum();
        expected.extend((0..e).map(|c| (0..s).map(|j| weights[j] / total * vs[j * e + c]).sum::<f64>()));
    }
    assert_close(&attention(&q, &k, &v, Some(&mask))?, &Tensor::from_vec(expected, (1, t, e))?, 1e-12);
    Ok(())
}

/// Oracle: one head of the layer is `attention` on slices of the weights.
#[test]
fn heads_are_slices_of_the_projections() -> Result<()> {
    let (layer, width, heads) = (layer(6, 3), 6, 3);
    let params = per_task(&layer.init(&mut rng(4), DType::F64, &Device::Cpu)?, 1, &mut rng(5));
    let (x, memory) = (random(&mut rng(6), &[1, 2, 4, width]), random(&mut rng(7), &[1, 2, 5, width]));
    let project = |part: &str, x: &Tensor, head: usize| -> Result<Tensor> {
        let (w, b) = (params.get(&format!("attend.{part}.weight"))?, params.get(&format!("attend.{part}.bias"))?);
        let size = width / heads;
        Ok(x.linear(&w.narrow(2, head * size, size)?, Some(&b.narrow(1, head * size, size)?))?)
    };
    let one = |head| {
        attention(
            &project("query", &x, head)?,
            &project("key", &memory, head)?,
            &project("value", &memory, head)?,
            None,
        )
    };
    let joined = (0..heads).map(one).collect::<Result<Vec<_>>>()?;
    let joined = Tensor::cat(&joined.iter().collect::<Vec<_>>(), 3)?;
    let expected = joined.linear(params.get("attend.out.weight")?, Some(params.get("attend.out.bias")?))?;
    assert_close(&layer.attend(&params, &x, &memory, None)?, &expected, 1e-12);
    Ok(())
}

#[test]
fn tasks_are_independent_and_gradients_agree_with_finite_differences() -> Result<()> {
    let layer = layer(4, 2);
    let (free, mask) = (layer.init(&mut rng(8), DType::F64, &Device::Cpu)?, causal(3));
    let open = |params: &Params, x: &Tensor| layer.forward(params, x, None);
    let masked = |params: &Params, x: &Tensor| layer.forward(params, x, Some(&mask));
    let x = random(&mut rng(9), &[2, 2, 3, 4]);
    for apply in [&open as Apply<'_>, &masked] {
        assert_tasks_are_independent(apply, &free, &x, 10)?;
        assert_gradients(apply, &free, &x, 1, 11)?;
    }
    // The −∞ of the mask must stay out of second derivatives too.
    assert_gradients(&masked, &free, &x.narrow(1, 0, 1)?, 2, 12)
}

/// Changes the last of four steps: under the mask the three before it do not move, without it they do.
#[test]
fn under_the_causal_mask_no_step_sees_a_later_one() -> Result<()> {
    let layer = layer(4, 2);
    let params = layer.init(&mut rng(13), DType::F64, &Device::Cpu)?;
    let x = random(&mut rng(14), &[1, 1, 4, 4]);
    let other = Tensor::cat(&[&x.narrow(2, 0, 3)?, &random(&mut rng(15), &[1, 1, 1, 4])], 2)?;
    let early = |x: &Tensor, mask: Option<&Tensor>| -> Result<Vec<f64>> {
        Ok(layer.forward(&params, x, mask)?.narrow(2, 0, 3)?.to_vec_f64()?)
    };
    let mask = causal(4);
    assert_eq!(early(&x, Some(&mask))?, early(&other, Some(&mask))?);
    assert!(early(&x, None)?.iter().zip(early(&other, None)?).all(|(a, b)| (a - b).abs() > 1e-6));
    Ok(())
}

#[test]
fn heads_that_do_not_divide_the_width_are_refused() {
    for (width, heads) in [(5, 2), (4, 0), (0, 1)] {
        let config = MultiHeadAttentionConfig { width, heads, ..MultiHeadAttentionConfig::default() };
        assert!(matches!(MultiHeadAttention::new("a", config), Err(Error::Config { .. })));
    }
}
