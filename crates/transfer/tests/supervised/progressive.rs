//! Progressive networks.

use candle_core::DType;
use rekindle_autodiff::{Check, NormStats, Params, Tensor, check_gradients};
use rekindle_nn::{Activation, Model};
use rekindle_optim::{Adam, Chain, DecoupledDecay};
use rekindle_transfer::{
    ColumnLayer, Error, Fit, FitConfig, Freezing, Noise, Progressive, ProgressiveConfig, Regime, fisher_sensitivity,
    half_precision, perturbation_sensitivity, score, transfer_score,
};

use super::{Result, bits, close, normal, quadrants, rng};

fn dense(outputs: &[usize]) -> Result<Progressive> {
    Ok(Progressive::new(ProgressiveConfig {
        input: vec![2],
        layers: vec![ColumnLayer::Dense { units: 6 }, ColumnLayer::Dense { units: 5 }],
        outputs: outputs.to_vec(),
        activation: Activation::Tanh,
        ..ProgressiveConfig::default()
    })?)
}

fn convolutional(outputs: &[usize]) -> Result<Progressive> {
    let conv = |channels| ColumnLayer::Conv { kernel: 3, stride: 2, padding: 1, channels };
    Ok(Progressive::new(ProgressiveConfig {
        input: vec![5, 4, 1],
        layers: vec![conv(2), conv(3), ColumnLayer::Dense { units: 4 }],
        outputs: outputs.to_vec(),
        activation: Activation::Tanh,
        ..ProgressiveConfig::default()
    })?)
}

/// Parameters of all columns, none of them at the zeros and constants that they begin with.
fn params(net: &Progressive) -> Result<Params> {
    let mut all = Params::new([])?;
    for column in 1..=net.len() {
        all =
            all.merge(&net.column(column)?.init(&mut rng(column as u64), DType::F64, &candle_core::Device::Cpu)?)?;
    }
    let mut i = 0;
    Ok(all.map(|leaf| {
        i += 1;
        leaf.add(&normal(leaf.dims(), i).scale(0.3)?)
    })?)
}

/// `[M, B, D]` times `[M, D, O]`, plus a bias.
fn affine(params: &Params, name: &str, h: &Tensor) -> Result<Tensor> {
    let y = h.matmul(params.get(&format!("{name}.weight"))?)?;
    let bias = format!("{name}.bias");
    Ok(if params.contains(&bias) { y.add(&params.get(&bias)?.unsqueeze(1)?)? } else { y })
}

/// `U f(V α h + c)`, written out for one earlier column or more.
fn adapter(params: &Params, name: &str, earlier: &[&Tensor]) -> Result<Tensor> {
    let alphas = params.get(&format!("{name}.adapter.alpha"))?.to_vec_f64()?;
    let scaled =
        earlier.iter().zip(&alphas).map(|(h, a)| h.scale(*a)).collect::<rekindle_autodiff::Result<Vec<_>>>()?;
    let all = Tensor::cat(&scaled.iter().collect::<Vec<_>>(), 2)?;
    affine(
        params,
        &format!("{name}.adapter.lateral"),
        &affine(params, &format!("{name}.adapter.project"), &all)?.tanh()?,
    )
}

/// Two columns and three, against the equations of the paper line by line.
#[test]
fn the_forward_pass_is_the_equation_written_out() -> Result<()> {
    let net = dense(&[3, 4, 2])?;
    let p = params(&net)?;
    let x = normal(&[1, 7, 2], 1);
    let a1 = affine(&p, "column1.layer1", &x)?.tanh()?;
    let b1 = affine(&p, "column2.layer1", &x)?.tanh()?;
    let c1 = affine(&p, "column3.layer1", &x)?.tanh()?;
    let a2 = affine(&p, "column1.layer2", &a1)?.tanh()?;
    let b2 = affine(&p, "column2.layer2", &b1)?.add(&adapter(&p, "column2.layer2", &[&a1])?)?.tanh()?;
    let c2 = affine(&p, "column3.layer2", &c1)?.add(&adapter(&p, "column3.layer2", &[&a1, &b1])?)?.tanh()?;
    let outputs = [
        affine(&p, "column1.head", &a2)?,
        affine(&p, "column2.head", &b2)?.add(&adapter(&p, "column2.head", &[&a2])?)?,
        affine(&p, "column3.head", &c2)?.add(&adapter(&p, "column3.head", &[&a2, &b2])?)?,
    ];
    for (k, by_hand) in outputs.iter().enumerate() {
        let ours = net.column(k + 1)?.forward(&p, &x, NormStats::Batch)?;
        assert!(close(&ours.to_vec_f64()?, &by_hand.to_vec_f64()?, 1e-12), "column {}", k + 1);
    }
    Ok(())
}

/// A 1×1 convolution is a product over channels, and the lateral one has the layer's kernel: two columns of convolutions
/// written out, the dense layer on the flattened maps.
#[test]
fn convolutional_columns_are_the_equation_written_out() -> Result<()> {
    let net = convolutional(&[3, 2])?;
    let p = params(&net)?;
    let x = normal(&[1, 2, 5, 4, 1], 1);
    let conv = |name: &str, h: &Tensor, stride, padding| -> Result<Tensor> {
        let y = h.conv2d(p.get(&format!("{name}.weight"))?, stride, padding)?;
        let bias = format!("{name}.bias");
        let o = y.dim(4)?;
        Ok(if p.contains(&bias) { y.add(&p.get(&bias)?.reshape((1, 1, 1, 1, o))?)? } else { y })
    };
    let alpha = |name: &str| -> Result<f64> { Ok(p.get(&format!("{name}.adapter.alpha"))?.to_f64()?) };
    let (a1, b1) = (conv("column1.layer1", &x, 2, 1)?.tanh()?, conv("column2.layer1", &x, 2, 1)?.tanh()?);
    let a2 = conv("column1.layer2", &a1, 2, 1)?.tanh()?;
    let projected = conv("column2.layer2.adapter.project", &a1.scale(alpha("column2.layer2")?)?, 1, 0)?.tanh()?;
    let lateral = conv("column2.layer2.adapter.lateral", &projected, 2, 1)?;
    let b2 = conv("column2.layer2", &b1, 2, 1)?.add(&lateral)?.tanh()?;
    let flat = |h: &Tensor| -> Result<Tensor> { Ok(h.reshape((1, 2, h.elem_count() / 2))?) };
    let (a2, b2) = (flat(&a2)?, flat(&b2)?);
    let a3 = affine(&p, "column1.layer3", &a2)?.tanh()?;
    let b3 = affine(&p, "column2.layer3", &b2)?.add(&adapter(&p, "column2.layer3", &[&a2])?)?.tanh()?;
    let by_hand = affine(&p, "column2.head", &b3)?.add(&adapter(&p, "column2.head", &[&a3])?)?;
    let ours = net.column(2)?.forward(&p, &x, NormStats::Batch)?;
    assert!(close(&ours.to_vec_f64()?, &by_hand.to_vec_f64()?, 1e-12));
    Ok(())
}

/// Finite differences by every leaf of the second column, α included.
#[test]
fn gradients_of_a_column_are_right() -> Result<()> {
    for net in [dense(&[3, 2])?, convolutional(&[3, 2])?] {
        let p = params(&net)?;
        let (first, second) = p.partition(|name| name.starts_with("column1"));
        let x = normal(&[&[1, 2], &net.config().input[..]].concat(), 1);
        let column = net.column(2)?;
        let f = |leaves: &[Tensor]| {
            let all = first.merge(&second.with_leaves(leaves.to_vec())?)?;
            Ok(column.forward(&all, &x, NormStats::Batch).expect("the shapes fit"))
        };
        check_gradients(f, second.leaves(), Check { order: 1, ..Check::default() })?;
    }
    Ok(())
}

/// Trains column 2 and then 3 with decay: all earlier columns keep their bits, and so does what they answer.
#[test]
fn earlier_columns_keep_their_bits() -> Result<()> {
    let net = dense(&[4, 4, 4])?;
    let optimiser = Chain::new().then(Adam::new(0.02)).then(DecoupledDecay::new(0.01));
    let mut params = net.column(1)?.init(&mut rng(0), DType::F32, &candle_core::Device::Cpu)?;
    let x = Tensor::new(quadrants(1, 9, 5, DType::F32).x);
    let before = net.column(1)?.forward(&params, &x, NormStats::Batch)?.to_vec_f64()?;
    for index in [2, 3] {
        let start = net.grow(&params, index, &mut rng(index as u64))?;
        let freezing = Freezing::Always(net.earlier(index).expect("there are earlier columns"));
        let config = FitConfig { epochs: 30, freezing, ..FitConfig::default() };
        let (column, data) = (net.column(index)?, quadrants(1, 200, index as u64, DType::F32));
        let tuned = Fit { model: &column, optimiser: &optimiser, config: &config }.train(&start, &data)?;
        let old = params.len();
        assert_eq!(bits(&tuned)[..old], bits(&params)[..]);
        assert!(bits(&tuned)[old..].iter().zip(&bits(&start)[old..]).all(|(a, b)| a != b));
        assert!(score(&column, &tuned, &data, config.loss)?[0] > 0.85);
        params = tuned;
    }
    assert_eq!(net.column(1)?.forward(&params, &x, NormStats::Batch)?.to_vec_f64()?, before);
    Ok(())
}

#[test]
fn regimes_begin_where_the_paper_says() -> Result<()> {
    let source = dense(&[4])?;
    let trained = params(&source)?;
    for outputs in [4, 3] {
        let start = |regime: Regime| regime.start(&source, &trained, outputs, &mut rng(1));
        let column1 = |p: &Params| bits(&p.partition(|name| name.starts_with("column1.layer")).0);
        for regime in Regime::ALL {
            let at = start(regime)?;
            let y = at.net.column(at.column)?.forward(&at.params, &normal(&[1, 3, 2], 1), NormStats::Batch)?;
            assert_eq!(y.dims(), [1, 3, outputs], "{regime:?}");
            let taken = column1(&at.params) == column1(&trained);
            let expected = matches!(regime, Regime::Head | Regime::FineTuned | Regime::Progressive);
            assert_eq!(taken, expected, "{regime:?}");
            let stays = |name: &str| at.frozen.as_ref().is_some_and(|select| select.matches(name));
            assert_eq!(stays("column1.layer1.weight"), !matches!(regime, Regime::Scratch | Regime::FineTuned));
            assert!(!stays(&format!("column{}.head.weight", at.column)), "{regime:?}");
        }
        let head = start(Regime::Head)?.params;
        let kept = head.get("column1.head.bias")?.to_vec_f64()? == trained.get("column1.head.bias")?.to_vec_f64()?;
        assert_eq!(kept, outputs == 4);
    }
    let nothing = Params::new([])?;
    assert!(matches!(Regime::Scratch.start(&source, &nothing, 3, &mut rng(1)), Err(Error::Empty { .. })));
    Ok(())
}

/// Areas of trapezia by hand: 0.5 + 1.5 against 0.25 + 0.75.
#[test]
fn transfer_scores_are_ratios_of_areas() -> Result<()> {
    let ours = [(0.0, 0.0), (1.0, 1.0), (2.0, 2.0)];
    let baseline = [(0.0, 0.0), (2.0, 1.0)];
    assert!((transfer_score(&ours, &baseline)? - 2.0).abs() < 1e-12);
    assert!((transfer_score(&baseline, &baseline)? - 1.0).abs() < 1e-12);
    assert!(transfer_score(&ours[..2], &baseline).unwrap_err().to_string().contains("same steps"));
    assert!(transfer_score(&ours[..1], &baseline).is_err());
    assert!(transfer_score(&ours, &[(0.0, -1.0), (2.0, 0.0)]).unwrap_err().to_string().contains("shift"));
    Ok(())
}

/// The Fisher information of each activation, one example and one feature at a time: `Σ_a π_a (∂ log π_a/∂ĥ)²` with the
/// derivative by finite differences through the second column's head written out.
#[test]
fn fisher_shares_are_those_of_finite_differences() -> Result<()> {
    let net = dense(&[3, 4])?;
    let p = params(&net)?;
    let x = normal(&[1, 6, 2], 1);
    let hidden = |column: &str, h: &Tensor| -> Result<Tensor> { Ok(affine(&p, column, h)?.tanh()?) };
    let (a1, b1) = (hidden("column1.layer1", &x)?, hidden("column2.layer1", &x)?);
    let a2 = hidden("column1.layer2", &a1)?;
    let b2 = affine(&p, "column2.layer2", &b1)?.add(&adapter(&p, "column2.layer2", &[&a1])?)?.tanh()?;
    let head = |a: &Tensor, b: &Tensor| -> Result<Vec<f64>> {
        Ok(affine(&p, "column2.head", b)?.add(&adapter(&p, "column2.head", &[a])?)?.log_softmax()?.to_vec_f64()?)
    };
    let pi: Vec<f64> = head(&a2, &b2)?.iter().map(|l| l.exp()).collect();
    let moved = |h: &Tensor, m: usize, by: f64| -> Result<Tensor> {
        let mut values = h.to_vec_f64()?;
        values.iter_mut().skip(m).step_by(5).for_each(|v| *v += by);
        Ok(Tensor::from_vec(values, h.dims().to_vec())?)
    };
    let deviation2 = |h: &Tensor, m: usize| -> Result<f64> {
        let v: Vec<f64> = h.to_vec_f64()?.into_iter().skip(m).step_by(5).collect();
        let mean = v.iter().sum::<f64>() / 6.0;
        Ok(v.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 6.0)
    };
    let information = |of_first: bool, m: usize| -> Result<f64> {
        let at = |by| if of_first { head(&moved(&a2, m, by)?, &b2) } else { head(&a2, &moved(&b2, m, by)?) };
        let (above, below) = (at(1e-5)?, at(-1e-5)?);
        let squares = pi.iter().zip(above.iter().zip(&below)).map(|(pi, (u, l))| pi * ((u - l) / 2e-5).powi(2));
        Ok(squares.sum::<f64>() / 6.0 * deviation2(if of_first { &a2 } else { &b2 }, m)?)
    };
    let mut share = 0.0;
    for m in 0..5 {
        let (a, b) = (information(true, m)?, information(false, m)?);
        share += a / (a + b) / 5.0;
    }
    let ours = fisher_sensitivity(&net, &p, 2, &x)?.shares;
    assert!((ours[1][0] - share).abs() < 1e-6, "{ours:?}, {share}");
    assert!(ours.iter().all(|layer| (layer.iter().sum::<f64>() - 1.0).abs() < 1e-9));
    Ok(())
}

/// Both measures agree on the extremes: with no lateral weights nothing rests on the first column.
#[test]
fn a_column_without_connections_has_no_share() -> Result<()> {
    let net = dense(&[4, 4])?;
    let p = params(&net)?.map_named(
        |name, leaf| {
            if name.contains("lateral") { leaf.zeros_like() } else { Ok(leaf.clone()) }
        },
    )?;
    let data = quadrants(1, 60, 1, DType::F64);
    let x = Tensor::new(data.x);
    let fisher = fisher_sensitivity(&net, &p, 2, &x)?.shares;
    assert!(fisher.iter().all(|layer| layer[0] == 0.0 && (layer[1] - 1.0).abs() < 1e-12), "{fisher:?}");

    let plain = net.column(2)?.forward(&p, &x, NormStats::Batch)?;
    let agreement = |noise: Option<Noise>| {
        let Some(noise) = noise else { return Ok(1.0) };
        let y = net.forward_noisy(&p, &x, 2, noise, &mut rng(0))?;
        Ok((-y.mse(&plain)?.to_f64()?).exp())
    };
    let shares = perturbation_sensitivity(&net, 2, &mut { agreement })?.shares;
    assert!(shares.iter().all(|layer| layer[0] < 1e-3 && layer[1] > 0.999), "{shares:?}");
    Ok(())
}

/// A score of e^{−λσ²} halves at σ² = ln 2/λ.
#[test]
fn the_precision_at_half_the_score_is_found() -> Result<()> {
    for lambda in [0.01, 1.0, 300.0] {
        let precision = half_precision(2.0, |std| Ok(2.0 * (-lambda * std * std).exp()))?;
        assert!((precision * 2f64.ln() / lambda - 1.0).abs() < 0.02, "{precision} for {lambda}");
    }
    assert!(half_precision(0.0, |_| Ok(0.0)).is_err());
    Ok(())
}

#[test]
fn shapes_that_do_not_fit_are_refused() -> Result<()> {
    let refused = |config: ProgressiveConfig| Progressive::new(config).unwrap_err().to_string();
    let base = || ProgressiveConfig { input: vec![4], ..ProgressiveConfig::default() };
    assert!(refused(base()).contains("layers"), "a convolution of a vector");
    assert!(refused(ProgressiveConfig { input: vec![6, 6, 1], ..ProgressiveConfig::default() }).contains("kernel"));
    assert!(refused(ProgressiveConfig { layers: vec![], ..base() }).contains("layers"));
    let dense_layers = vec![ColumnLayer::Dense { units: 3 }];
    assert!(refused(ProgressiveConfig { outputs: vec![], layers: dense_layers.clone(), ..base() }).contains("outputs"));
    assert!(refused(ProgressiveConfig { input: vec![], layers: dense_layers.clone(), ..base() }).contains("input"));
    assert!(refused(ProgressiveConfig { alpha: f64::NAN, layers: dense_layers, ..base() }).contains("alpha"));
    assert!(Progressive::new(ProgressiveConfig::default()).is_ok());
    let net = dense(&[3])?;
    assert!(net.column(0).is_err() && net.column(2).is_err() && net.earlier(1).is_none());
    Ok(())
}
