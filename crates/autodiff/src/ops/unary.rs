//! Elementwise functions of one tensor.
//!
//! Conventions where a function has no derivative: `relu'(0) = 0`, `|·|'(0) = 0`, and `clamp` has slope 1 on its
//! bounds (all as PyTorch has them; candle's own `relu'(0)` is 1).

use candle_core::{DType, Tensor as Value};
use smallvec::smallvec;

use crate::kernel;
use crate::tape::Takes;
use crate::{Error, Result, Tensor};

impl Tensor {
    /// `−x`.
    pub fn neg(&self) -> Result<Self> {
        Ok(Self::unary(self.value().neg()?, self, |up| up.grad().neg()))
    }

    /// `a·x + b` with constants `a` and `b`.
    pub fn affine(&self, a: f64, b: f64) -> Result<Self> {
        Ok(Self::unary(kernel::affine(self.value(), a, b)?, self, move |up| up.grad().scale(a)))
    }

    /// `a·x`; with `a = 1` the tensor itself.
    pub fn scale(&self, a: f64) -> Result<Self> {
        if a == 1.0 { Ok(self.clone()) } else { self.affine(a, 0.0) }
    }

    /// `x + b`.
    pub fn shift(&self, b: f64) -> Result<Self> {
        self.affine(1.0, b)
    }

    /// `eˣ`.
    pub fn exp(&self) -> Result<Self> {
        let y = kernel::exp(self.value())?;
        let saved = y.clone();
        Ok(Self::unary(y, self, move |up| up.grad().mul(&up.output(&saved))))
    }

    /// Natural logarithm.
    pub fn log(&self) -> Result<Self> {
        let x = self.clone();
        Ok(Self::unary(self.value().log()?, self, move |up| up.grad().div(&x)))
    }

    /// `√x`.
    pub fn sqrt(&self) -> Result<Self> {
        let y = self.value().sqrt()?;
        let saved = y.clone();
        Ok(Self::unary(y, self, move |up| up.grad().div(&up.output(&saved))?.scale(0.5)))
    }

    /// `1/x`.
    pub fn recip(&self) -> Result<Self> {
        let y = self.value().recip()?;
        let saved = y.clone();
        Ok(Self::unary(y, self, move |up| up.grad().mul(&up.output(&saved).sqr()?)?.neg()))
    }

    /// `x²`.
    pub fn sqr(&self) -> Result<Self> {
        let x = self.clone();
        Ok(Self::unary(self.value().sqr()?, self, move |up| up.grad().mul(&x)?.scale(2.0)))
    }

    /// `xᵉ` with a constant exponent.
    pub fn powf(&self, e: f64) -> Result<Self> {
        let x = self.clone();
        Ok(Self::unary(self.value().powf(e)?, self, move |up| {
            // x⁰ is constant; its formula would ask for 0·x⁻¹, which is NaN at zero.
            if e == 0.0 { up.grad().zeros_like() } else { up.grad().mul(&x.powf(e - 1.0)?)?.scale(e) }
        }))
    }

    /// `|x|`, with slope 0 at zero.
    pub fn abs(&self) -> Result<Self> {
        let sign = Self::new(self.value().sign()?);
        Ok(Self::unary(self.value().abs()?, self, move |up| up.grad().mul(&sign)))
    }

    /// The sign of each element: a constant, since its derivative is zero wherever it has one.
    pub fn sign(&self) -> Result<Self> {
        Ok(Self::new(self.value().sign()?))
    }

    /// Sine of an angle in radians.
    pub fn sin(&self) -> Result<Self> {
        let x = self.clone();
        Ok(Self::unary(self.value().sin()?, self, move |up| up.grad().mul(&x.cos()?)))
    }

    /// Cosine of an angle in radians.
    pub fn cos(&self) -> Result<Self> {
        let x = self.clone();
        Ok(Self::unary(self.value().cos()?, self, move |up| up.grad().mul(&x.sin()?)?.neg()))
    }

    /// Hyperbolic tangent.
    pub fn tanh(&self) -> Result<Self> {
        let y = kernel::tanh(self.value())?;
        let saved = y.clone();
        // tanh' = 1 − tanh²
        Ok(Self::unary(y, self, move |up| up.grad().mul(&up.output(&saved).sqr()?.affine(-1.0, 1.0)?)))
    }

    /// Logistic function `1 / (1 + e⁻ˣ)`.
    pub fn sigmoid(&self) -> Result<Self> {
        let y = kernel::sigmoid(self.value())?;
        let saved = y.clone();
        Ok(Self::unary(y, self, move |up| {
            let y = up.output(&saved);
            up.grad().mul(&y.sub(&y.sqr()?)?)
        }))
    }

    /// `log(1 + eˣ)`, without overflow.
    pub fn softplus(&self) -> Result<Self> {
        let x = self.value();
        let y = (x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
        let x = self.clone();
        Ok(Self::unary(y, self, move |up| up.grad().mul(&x.sigmoid()?)))
    }

    /// `max(x, 0)`, with slope 0 at zero.
    pub fn relu(&self) -> Result<Self> {
        let y = kernel::relu(self.value())?;
        let saved = y.clone();
        Ok(Self::custom_taking(Takes::Masked(y.clone()), y, &[self], move |up| {
            let u = if up.masked() { up.grad().clone() } else { up.grad().mask_positive(&saved)? };
            Ok(smallvec![Some(u)])
        }))
    }

    /// `x` where `mask > 0`, else 0. Linear in `x`; its own vector-Jacobian product.
    pub(crate) fn mask_positive(&self, mask: &Value) -> Result<Self> {
        let y = kernel::mask_positive(self.value(), mask)?;
        let mask = mask.clone();
        Ok(Self::unary(y, self, move |up| up.grad().mask_positive(&mask)))
    }

    /// `x` where positive, `slope·x` elsewhere; at zero the derivative is `slope`.
    pub fn leaky_relu(&self, slope: f64) -> Result<Self> {
        self.relu()?.add(&self.clamp(f64::NEG_INFINITY, 0.0)?.scale(slope)?)
    }

    /// `x` where positive, `α(eˣ − 1)` elsewhere; at zero the derivative is `α`, so that `α = 1` is smooth.
    pub fn elu(&self, alpha: f64) -> Result<Self> {
        // The exponential sees no positive argument, so the branch that is not taken cannot overflow.
        let negative = self.clamp(f64::NEG_INFINITY, 0.0)?;
        self.relu()?.add(&negative.exp()?.affine(alpha, -alpha)?)
    }

    /// Error function `2/√π ∫₀ˣ e^(−t²) dt`.
    pub fn erf(&self) -> Result<Self> {
        let x = self.clone();
        Ok(Self::unary(self.value().erf()?, self, move |up| {
            up.grad().mul(&x.sqr()?.neg()?.exp()?)?.scale(std::f64::consts::FRAC_2_SQRT_PI)
        }))
    }

    /// Gaussian error linear unit `x Φ(x)`, exact (not the tanh form).
    pub fn gelu(&self) -> Result<Self> {
        self.mul(&self.scale(std::f64::consts::FRAC_1_SQRT_2)?.erf()?.affine(0.5, 0.5)?)
    }

    /// Sigmoid linear unit `x σ(x)`.
    pub fn silu(&self) -> Result<Self> {
        self.mul(&self.sigmoid()?)
    }

    /// `x` limited to `[low, high]`; slope 1 inside and on the bounds, 0 outside.
    ///
    /// # Errors
    /// If `low > high` or a bound is NaN.
    pub fn clamp(&self, low: f64, high: f64) -> Result<Self> {
        // Written so that a NaN bound is refused too.
        if !matches!(low.partial_cmp(&high), Some(std::cmp::Ordering::Less | std::cmp::Ordering::Equal)) {
            return Err(Error::argument("clamp", format!("needs low ≤ high, but got [{low}, {high}]")));
        }
        let x = self.value();
        let inside = (x.ge(low)? * x.le(high)?)?.to_dtype(x.dtype())?;
        let inside = Self::new(inside);
        Ok(Self::unary(x.clamp(low, high)?, self, move |up| up.grad().mul(&inside)))
    }

    /// The values in another floating-point type. The gradient is cast back.
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        let from = self.dtype();
        if from == dtype {
            return Ok(self.clone());
        }
        if self.is_tracked() && !dtype.is_float() {
            return Err(Error::DType { op: "to_dtype", dtype });
        }
        Ok(Self::unary(self.value().to_dtype(dtype)?, self, move |up| up.grad().to_dtype(from)))
    }
}
