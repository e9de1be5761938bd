//! Five steps against PyTorch 2.15.0 (CPU, double precision), with the output of
//!
//! ```python
//! import torch
//! def run(make, steps=5):
//!     p = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64, requires_grad=True)
//!     a = torch.tensor([1.0, 0.1, 3.0], dtype=torch.float64)
//!     opt = make([p])
//!     for _ in range(steps):
//!         opt.zero_grad()
//!         (0.5 * a * p.square() + 0.3 * p).sum().backward()
//!         opt.step()
//!     return [float(v) for v in p.detach()]
//! ```
//! where `make` is the call above each test.

use rekindle_optim::{Adadelta, Adagrad, Adam, AdamW, Chain, Momentum, Result, RmsProp, Sgd, Transform, WeightDecay};

use crate::{assert_close, descend, theta, values};

const CURVATURE: [f64; 3] = [1.0, 0.1, 3.0];

fn check(transform: &dyn Transform, expected: [f64; 3]) -> Result<()> {
    let (end, _) = descend(transform, &theta(&[1.0, -2.0, 0.5])?, 5, |i, x| CURVATURE[i] * x + 0.3)?;
    assert_close(&values(&end)?, &expected, 1e-12);
    Ok(())
}

// SGD(p, lr=0.1)
#[test]
fn sgd() -> Result<()> {
    check(&Sgd::new(0.1), [0.467637, -2.0490099501, 0.0008419999999999917])
}

// SGD(p, lr=0.1, momentum=0.9)
#[test]
fn momentum() -> Result<()> {
    check(&Momentum::new(0.1), [-0.33790800000000004, -2.1283659741, -0.5669679999999999])
}

// SGD(p, lr=0.1, momentum=0.9, nesterov=True)
#[test]
fn nesterov() -> Result<()> {
    check(&Momentum::nesterov(0.1), [-0.4359561890700001, -2.161559236679499, -0.30871134382000004])
}

// SGD(p, lr=0.1, momentum=0.9, weight_decay=0.04)
#[test]
fn weight_decay_before_momentum() -> Result<()> {
    check(
        &Chain::new().then(WeightDecay::new(0.04)).then(Momentum::new(0.1)),
        [-0.36511933387110423, -2.0254300436000316, -0.5659009973713921],
    )
}

// Adagrad(p, lr=0.1, initial_accumulator_value=0.1)
#[test]
fn adagrad() -> Result<()> {
    let adagrad = Adagrad { initial: 0.1, ..Adagrad::new(0.1) };
    check(&adagrad, [0.697390473462872, -2.132702615728556, 0.21627291818822103])
}

// Adadelta(p, lr=1.0, rho=0.9, eps=1e-6)
#[test]
fn adadelta() -> Result<()> {
    let adadelta = Adadelta { rho: 0.9, ..Adadelta::default() };
    check(&adadelta, [0.9836164966361814, -2.0163602507989804, 0.48367434560533534])
}

// RMSprop(p, lr=0.01, alpha=0.99)
#[test]
fn rmsprop() -> Result<()> {
    let rmsprop = RmsProp { decay: 0.99, ..RmsProp::new(0.01) };
    check(&rmsprop, [0.6912645069182942, -2.3035340109482547, 0.2127536694680086])
}

// RMSprop(p, lr=0.01, alpha=0.99, centered=True)
#[test]
fn rmsprop_centered() -> Result<()> {
    let rmsprop = RmsProp { decay: 0.99, ..RmsProp::centered(0.01) };
    check(&rmsprop, [0.6874710634087968, -2.307159848986841, 0.20966783148827575])
}

// Adam(p, lr=0.1)
#[test]
fn adam() -> Result<()> {
    check(&Adam::new(0.1), [0.5053463756355336, -2.492036290140967, 0.019381493450349327])
}

// AdamW(p, lr=0.1, weight_decay=0.04)
#[test]
fn adamw() -> Result<()> {
    check(&AdamW::new(0.1, 0.04), [0.4897538928186365, -2.449417337405381, 0.013983566443791354])
}
