//! The tracked tensor: a candle tensor, and the node that made it where gradients flow.

use std::sync::Arc;

use candle_core::{DType, Device, Shape, Tensor as Value, WithDType};
use smallvec::SmallVec;

use crate::tape::{Grads, Node, Takes, Upstream, is_recording};
use crate::{Error, Result};

/// A candle tensor with an optional place on the tape.
///
/// Without a node it is a constant. With one ([`leaf`](Self::leaf), or any operation on a tracked tensor) gradients
/// can be asked for at it. Cloning is cheap: both parts are reference counted. Tensors and their tape may be sent
/// between threads.
#[derive(Clone)]
pub struct Tensor {
    value: Value,
    node: Option<Arc<Node>>,
}

impl Tensor {
    /// A constant.
    #[must_use]
    pub fn new(value: Value) -> Self {
        Self { value, node: None }
    }

    /// A constant from a flat vector in row-major order, on the CPU.
    ///
    /// # Errors
    /// If the number of elements is not that of the shape.
    pub fn from_vec<D: WithDType>(data: Vec<D>, shape: impl Into<Shape>) -> Result<Self> {
        Ok(Self::new(Value::from_vec(data, shape.into(), &Device::Cpu)?))
    }

    /// A constant of rank 0 on the CPU.
    ///
    /// # Errors
    /// Never, for the types that candle stores.
    pub fn scalar<D: WithDType>(value: D) -> Result<Self> {
        Self::from_vec(vec![value], ())
    }

    /// Zeros of the given shape.
    ///
    /// # Errors
    /// If the device cannot allocate them.
    pub fn zeros(shape: impl Into<Shape>, dtype: DType, device: &Device) -> Result<Self> {
        Ok(Self::new(Value::zeros(shape.into(), dtype, device)?))
    }

    /// Ones of the given shape.
    ///
    /// # Errors
    /// If the device cannot allocate them.
    pub fn ones(shape: impl Into<Shape>, dtype: DType, device: &Device) -> Result<Self> {
        Ok(Self::new(Value::ones(shape.into(), dtype, device)?))
    }

    /// Zeros like `self`, a constant.
    ///
    /// # Errors
    /// If the device cannot allocate them.
    pub fn zeros_like(&self) -> Result<Self> {
        Ok(Self::new(self.value.zeros_like()?))
    }

    /// Ones like `self`, a constant.
    ///
    /// # Errors
    /// If the device cannot allocate them.
    pub fn ones_like(&self) -> Result<Self> {
        Ok(Self::new(self.value.ones_like()?))
    }

    pub(crate) fn with_node(value: Value, node: Option<Arc<Node>>) -> Self {
        Self { value, node }
    }

    /// The same values as a fresh leaf: a point at which gradients can be asked for, cut off from any history.
    #[must_use]
    pub fn leaf(&self) -> Self {
        Self { value: self.value.clone(), node: Some(Node::new(SmallVec::new(), None, Takes::Plain)) }
    }

    /// The same values as a constant.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self::new(self.value.clone())
    }

    /// The same values under a new node whose gradient passes on to `self`.
    ///
    /// Differentiating with respect to an alias sees only the uses of the alias, not other paths to `self`.
    #[must_use]
    pub fn alias(&self) -> Self {
        Self::unary(self.value.clone(), self, |up| Ok(up.grad().clone()))
    }

    /// The values.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The values, consuming the tracked tensor.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.value
    }

    /// Whether gradients can be asked for here.
    #[must_use]
    pub fn is_tracked(&self) -> bool {
        self.node.is_some()
    }

    pub(crate) fn node(&self) -> Option<&Arc<Node>> {
        self.node.as_ref()
    }

    /// The shape.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        self.value.shape()
    }

    /// The sizes of the axes.
    #[must_use]
    pub fn dims(&self) -> &[usize] {
        self.value.dims()
    }

    /// The number of axes.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.value.rank()
    }

    /// The size of one axis.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn dim(&self, axis: usize) -> Result<usize> {
        self.dims().get(axis).copied().ok_or_else(|| {
            Error::shape("dim", format!("axis {axis} of a tensor of shape {:?} was asked for", self.shape()))
        })
    }

    /// The number of elements.
    #[must_use]
    pub fn elem_count(&self) -> usize {
        self.value.elem_count()
    }

    /// The element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.value.dtype()
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &Device {
        self.value.device()
    }

    /// The single element of a tensor of any rank, as `f64`.
    ///
    /// # Errors
    /// If there is more than one element.
    pub fn to_f64(&self) -> Result<f64> {
        if self.elem_count() != 1 {
            return Err(Error::shape("to_f64", format!("needs one element, but the shape is {:?}", self.shape())));
        }
        Ok(self.value.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?[0])
    }

    /// All elements in row-major order, as `f64`.
    ///
    /// # Errors
    /// If the values cannot be brought to the host.
    pub fn to_vec_f64(&self) -> Result<Vec<f64>> {
        if self.elem_count() == 0 {
            // candle panics on an empty view that starts behind the end of its storage.
            return Ok(Vec::new());
        }
        Ok(self.value.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?)
    }

    /// The values on another device, a constant: gradients do not cross devices.
    ///
    /// # Errors
    /// If the copy fails.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        Ok(Self::new(self.value.to_device(device)?))
    }

    /// An operation of one's own: `value` was computed from the values of `inputs`, and `vjp` turns the gradient at
    /// the output into gradients at the inputs (of the inputs' shapes, in their order).
    ///
    /// If `vjp` is written in operations on [`Tensor`]s, captured ones included, derivatives of every order follow.
    /// What it captures lives as long as the node does, so let it capture only what it needs.
    ///
    /// ```
    /// use rekindle_autodiff::{Order, Tensor, grad};
    /// // x³ as an op of its own; the product rule is written in tape ops, so it can be differentiated again.
    /// let x = Tensor::scalar(2f64)?.leaf();
    /// let held = x.clone();
    /// let cube = Tensor::custom((x.value() * (x.value() * x.value())?)?, &[&x], move |up| {
    ///     Ok([Some(up.grad().mul(&held.sqr()?.scale(3.0)?)?)].into_iter().collect())
    /// });
    /// let first = grad(&cube, &[&x], Order::Higher)?.remove(0);
    /// let second = grad(&first, &[&x], Order::First)?.remove(0);
    /// assert_eq!((first.to_f64()?, second.to_f64()?), (12.0, 12.0));
    /// # Ok::<(), rekindle_autodiff::Error>(())
    /// ```
    pub fn custom(
        value: Value,
        inputs: &[&Self],
        vjp: impl Fn(&Upstream<'_>) -> Result<Grads> + Send + Sync + 'static,
    ) -> Self {
        Self::custom_taking(Takes::Plain, value, inputs, vjp)
    }

    /// As [`custom`](Self::custom), for an operation that can have part of its work done for it.
    pub(crate) fn custom_taking(
        takes: Takes,
        value: Value,
        inputs: &[&Self],
        vjp: impl Fn(&Upstream<'_>) -> Result<Grads> + Send + Sync + 'static,
    ) -> Self {
        if !is_recording() || inputs.iter().all(|x| x.node.is_none()) {
            return Self::new(value);
        }
        let parents = inputs.iter().map(|x| x.node.clone()).collect();
        Self { value, node: Some(Node::new(parents, Some(Box::new(vjp)), takes)) }
    }

    /// An operation with one input.
    pub(crate) fn unary(
        value: Value,
        input: &Self,
        vjp: impl Fn(&Upstream<'_>) -> Result<Self> + Send + Sync + 'static,
    ) -> Self {
        Self::custom(value, &[input], move |up| Ok(SmallVec::from_iter([Some(vjp(up)?)])))
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({:?}, {:?}", self.value.shape(), self.value.dtype())?;
        if self.node.is_some() { f.write_str(", tracked)") } else { f.write_str(")") }
    }
}

impl From<Value> for Tensor {
    fn from(value: Value) -> Self {
        Self::new(value)
    }
}
