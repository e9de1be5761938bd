//! The transformer.

use candle_core::{DType, Device};
use rekindle_autodiff::{Params, Tensor};
use rekindle_nn::{Activation, Error, Init, KvCache, Layer, Look, Result, Transformer, TransformerConfig, causal_mask};

use crate::common::{Apply, assert_close, assert_gradients, assert_tasks_are_independent, per_task, random, rng};

const D: usize = 4;

fn net(layers: usize) -> Transformer {
    let weight = Init::Normal { std: 0.5 };
    let config = TransformerConfig {
        width: D,
        layers,
        heads: 2,
        hidden: 5,
        context: 9,
        activation: Activation::Gelu,
        weight,
        positions: weight,
    };
    Transformer::new("net", config).unwrap()
}

fn params(net: &Transformer, tasks: usize) -> Params {
    let fresh = Layer::init(net, &mut rng(1), DType::F64, &Device::Cpu).unwrap();
    per_task(&fresh, tasks, &mut rng(2))
}

/// Oracle: the equations of the file, in operations of the tape on the leaves, for one layer.
#[test]
fn one_layer_is_its_equations() -> Result<()> {
    let net = net(1);
    let params = params(&net, 2);
    let leaf = |name: &str| params.get(&format!("net.{name}")).unwrap();
    let x = random(&mut rng(3), &[2, 3, 5, D]);
    let norm =
        |x: &Tensor, name: &str| x.layer_norm(leaf(&format!("{name}.gamma")), leaf(&format!("{name}.beta")), 1e-5);
    let linear =
        |x: &Tensor, name: &str| x.linear(leaf(&format!("{name}.weight")), Some(leaf(&format!("{name}.bias"))));
    let h = x.add(&leaf("positions").narrow(1, 0, 5)?.unsqueeze(1)?)?;
    let z = norm(&h, "layer1.norm1")?;
    let heads = |part: &str| -> Result<Vec<Tensor>> {
        let all = linear(&z, &format!("layer1.attend.{part}"))?;
        Ok(vec![all.narrow(3, 0, 2)?, all.narrow(3, 2, 2)?])
    };
    let (q, k, v) = (heads("query")?, heads("key")?, heads("value")?);
    let mask = causal_mask(5, DType::F64, &Device::Cpu)?;
    let head = |i: usize| -> Result<Tensor> {
        let scores = q[i].matmul(&k[i].transpose(2, 3)?)?.scale(0.5f64.sqrt())?.add(&mask)?;
        Ok(scores.softmax()?.matmul(&v[i])?)
    };
    let joined = Tensor::cat(&[&head(0)?, &head(1)?], 3)?;
    let a = h.add(&linear(&joined, "layer1.attend.out")?)?;
    let up = linear(&norm(&a, "layer1.norm2")?, "layer1.up")?.gelu()?;
    let expected = norm(&a.add(&linear(&up, "layer1.down")?)?, "norm")?;
    assert_close(&net.forward(&params, &x)?, &expected, 1e-12);
    Ok(())
}

/// Oracle: the whole sequence in one pass. Steps in pieces, through a cache that went through named leaves.
#[test]
fn pieces_with_a_cache_equal_the_whole() -> Result<()> {
    let net = net(2);
    for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
        let params = params(&net, 2).to_dtype(dtype)?;
        let x = random(&mut rng(4), &[2, 3, 7, D]).to_dtype(dtype)?;
        let whole = net.forward(&params, &x)?;
        let mut cache = None;
        for (start, len) in [(0, 3), (3, 1), (4, 3)] {
            let (y, next) = net.extend(&params, &x.narrow(2, start, len)?, cache.as_ref(), Look::Causal)?;
            assert_close(&y, &whole.narrow(2, start, len)?, tolerance);
            assert_eq!(next.steps(), start + len);
            cache = Some(KvCache::from_params(&next.to_params()?, 2)?);
        }
    }
    Ok(())
}

/// Oracle: a sequence for each step, which ends with it.
#[test]
fn steps_on_their_own_end_a_sequence_each() -> Result<()> {
    let net = net(2);
    let params = params(&net, 2);
    let prompt = random(&mut rng(5), &[2, 1, 4, D]);
    let (_, cache) = net.extend(&params, &prompt, None, Look::Causal)?;
    let ends = random(&mut rng(6), &[2, 1, 5, D]);
    let alone = net.extend(&params, &ends, Some(&cache), Look::Alone)?.0;
    let prefixes = net.extend(&params, &ends, Some(&cache), Look::Prefixes)?.0;
    for t in 0..5 {
        let end = ends.narrow(2, t, 1)?;
        let after = |len: usize| -> Result<Tensor> {
            let sequence = if len == 0 { end.clone() } else { Tensor::cat(&[&prompt.narrow(2, 0, len)?, &end], 2)? };
            Ok(net.forward(&params, &sequence)?.narrow(2, len, 1)?)
        };
        assert_close(&alone.narrow(2, t, 1)?, &after(4)?, 1e-12);
        assert_close(&prefixes.narrow(2, t, 1)?, &after(t)?, 1e-12);
    }
    // The same in one pass with the prompt, or with its second half.
    let (whole, _) = net.extend(&params, &Tensor::cat(&[&prompt, &ends], 2)?, None, Look::Ends(5))?;
    assert_close(&whole.narrow(2, 0, 4)?, &net.forward(&params, &prompt)?, 1e-12);
    assert_close(&whole.narrow(2, 4, 5)?, &alone, 1e-12);
    let (_, cache) = net.extend(&params, &prompt.narrow(2, 0, 2)?, None, Look::Causal)?;
    let rest = Tensor::cat(&[&prompt.narrow(2, 2, 2)?, &ends], 2)?;
    let (half, _) = net.extend(&params, &rest, Some(&cache), Look::Ends(5))?;
    assert_close(&half, &whole.narrow(2, 2, 7)?, 1e-12);
    Ok(())
}

/// Oracle: finite differences; the loop over tasks.
#[test]
fn gradients_and_tasks() -> Result<()> {
    let net = net(1);
    let apply = |params: &Params, x: &Tensor| net.forward(params, x);
    let apply: Apply<'_> = &apply;
    let fresh = Layer::init(&net, &mut rng(7), DType::F64, &Device::Cpu)?;
    assert_tasks_are_independent(apply, &fresh, &random(&mut rng(8), &[2, 1, 3, D]), 9)?;
    assert_gradients(apply, &fresh, &random(&mut rng(8), &[1, 1, 3, D]), 1, 9)
}

#[test]
fn too_long_and_misshapen_sequences_are_refused() -> Result<()> {
    let net = net(1);
    let params = params(&net, 1);
    let x = random(&mut rng(10), &[1, 1, 10, D]);
    let error = net.forward(&params, &x).unwrap_err();
    assert!(matches!(error, Error::TooLong { steps: 10, context: 9 }), "{error}");
    assert!(error.to_string().contains("`context` ≥ 10"), "{error}");
    let (_, cache) = net.extend(&params, &x.narrow(2, 0, 9)?, None, Look::Causal)?;
    assert!(net.extend(&params, &x.narrow(2, 0, 1)?, Some(&cache), Look::Alone).is_err());
    let (_, cache) = net.extend(&params, &x.narrow(2, 0, 2)?, None, Look::Causal)?;
    let error = net.extend(&params, &x.narrow(2, 0, 4)?, Some(&cache), Look::Prefixes).unwrap_err().to_string();
    assert!(error.contains("at most 3"), "{error}");
    let error = net.extend(&params, &x.narrow(2, 0, 4)?, None, Look::Ends(5)).unwrap_err().to_string();
    assert!(error.contains("at least the 5"), "{error}");
    let error = net.forward(&params, &random(&mut rng(10), &[1, 1, 2, 3])).unwrap_err().to_string();
    assert!(error.contains("[M, B, T, 4]"), "{error}");
    let error = Transformer::new("", TransformerConfig { layers: 0, ..TransformerConfig::tiny() }).unwrap_err();
    assert!(error.to_string().contains("`layers` is 0"), "{error}");
    assert!(Transformer::new("", TransformerConfig { heads: 3, ..TransformerConfig::tiny() }).is_err());
    Ok(())
}
