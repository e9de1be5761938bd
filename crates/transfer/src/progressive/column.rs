//! Columns with adapters between them.
//!
//! ```text
//! h_i⁽ᵏ⁾ = f( W_i h_{i−1}⁽ᵏ⁾ + b_i + U_i f( V_i [α_j h_{i−1}⁽ʲ⁾]_{j<k} + c_i ) )
//! ```
//! Column k sees the layers below its own in all earlier columns: scaled by learned scalars α_j, concatenated, projected by
//! V to as many features as the layer has (a 1×1 convolution where the layer is one), through f, and added by U, which has
//! the kernel of the layer. The first layer has no adapter, since all columns see the same input. Earlier columns are
//! meant to stay frozen ([`Progressive::earlier`]). Rusu et al., *Progressive Neural Networks*, 2016, eq. 2.
//!
//! The paper's text gives V as many outputs as the layer has, n_i; its formula says n_{i−1}. Here it is n_i.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::{Builder, Conv2d, Conv2dConfig, Fans, Init, Layer, Linear, Model};
use rekindle_optim::Select;

use super::config::{ColumnLayer, ProgressiveConfig, Size};
use crate::{Error, Result};

/// A progressive network: sizes of all of its columns, which count from 1.
///
/// Parameters of column k: `column<k>.layer<i>.weight`, `.bias`, and below `column<k>.layer<i>.adapter`, for k > 1 and
/// i > 1, `alpha [M, k−1]`, `project.weight`, `project.bias` and `lateral.weight`; the same of the output layer,
/// `column<k>.head`.
///
/// ```
/// use candle_core::{DType, Device};
/// use rand::SeedableRng;
/// use rekindle_autodiff::{NormStats, Tensor};
/// use rekindle_nn::Model;
/// use rekindle_transfer::{ColumnLayer, Progressive, ProgressiveConfig};
///
/// let layers = vec![ColumnLayer::Dense { units: 8 }, ColumnLayer::Dense { units: 8 }];
/// let config = ProgressiveConfig { input: vec![4], layers, outputs: vec![3, 2], ..ProgressiveConfig::default() };
/// let net = Progressive::new(config)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let first = net.column(1)?.init(&mut rng, DType::F32, &Device::Cpu)?; // … trained on the first task
/// let both = net.grow(&first, 2, &mut rng)?; // … of which the second is trained: `earlier(2)` stays
/// let x = Tensor::zeros((1, 5, 4), DType::F32, &Device::Cpu)?;
/// assert_eq!(net.column(2)?.forward(&both, &x, NormStats::Batch)?.dims(), [1, 5, 2]);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Progressive {
    config: ProgressiveConfig,
    /// Of each column, the hidden layers and the output layer.
    columns: Vec<Vec<Block>>,
}

/// One column as a model; its parameters are those of all columns up to it.
#[derive(Clone, Debug)]
pub struct Column {
    net: Progressive,
    index: usize,
}

/// A layer of one column.
#[derive(Clone, Debug)]
struct Block {
    main: Affine,
    adapter: Option<Adapter>,
}

/// What a layer adds from the earlier columns.
#[derive(Clone, Debug)]
struct Adapter {
    alpha: String,
    first_alpha: f64,
    earlier: usize,
    project: Affine,
    lateral: Affine,
}

#[derive(Clone, Debug)]
enum Affine {
    Dense(Linear),
    Conv(Conv2d),
}

/// What sees, and may change, the activations on their way: layer and column, both counted from 1, and `[M, B, …]`.
pub(super) type Tap<'a> = dyn FnMut(usize, usize, Tensor) -> Result<Tensor> + 'a;

impl Progressive {
    /// A network of this shape.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(config: ProgressiveConfig) -> Result<Self> {
        config.validate()?;
        let sizes = config.sizes()?;
        let columns = (1..=config.outputs.len()).map(|k| column(&config, &sizes, k)).collect::<Result<_>>()?;
        Ok(Self { config, columns })
    }

    /// Its shape.
    #[must_use]
    pub fn config(&self) -> &ProgressiveConfig {
        &self.config
    }

    /// The number of columns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Never: a network has at least one column.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// One column, counted from 1, as a model.
    ///
    /// # Errors
    /// If there is no such column.
    pub fn column(&self, index: usize) -> Result<Column> {
        self.check(index)?;
        Ok(Column { net: self.clone(), index })
    }

    /// The parameters of the earlier columns, and after them fresh ones of column `index`.
    ///
    /// # Errors
    /// If there is no such column, or if the parameters have it already.
    pub fn grow(&self, params: &Params, index: usize, rng: &mut dyn RngCore) -> Result<Params> {
        let (dtype, device) = match params.leaves().first() {
            Some(leaf) => (leaf.dtype(), leaf.device().clone()),
            None => (DType::F32, Device::Cpu),
        };
        Ok(params.merge(&self.column(index)?.init(rng, dtype, &device)?)?)
    }

    /// The columns before `index`: what stays while it is trained. None for the first.
    #[must_use]
    pub fn earlier(&self, index: usize) -> Option<Select> {
        (index > 1).then(|| Select::prefix((1..index).map(|k| format!("column{k}"))))
    }

    /// The same network with more columns, or other outputs for those that there are.
    ///
    /// # Errors
    /// If there are no outputs, or if one is 0.
    pub fn with_outputs(&self, outputs: Vec<usize>) -> Result<Self> {
        Self::new(ProgressiveConfig { outputs, ..self.config.clone() })
    }

    /// Outputs `[M, B, O]` of column `index`; `tap` is handed every hidden activation of every column up to it.
    pub(super) fn tapped(&self, params: &Params, x: &Tensor, index: usize, tap: &mut Tap<'_>) -> Result<Tensor> {
        self.check(index)?;
        let n_hidden = self.config.layers.len();
        let mut below = vec![x.clone(); index];
        for i in 0..n_hidden {
            let mut above = Vec::with_capacity(index);
            for k in 1..=index {
                let sum = self.columns[k - 1][i].forward(params, &below[..k], &self.config)?;
                above.push(tap(i + 1, k, self.config.activation.apply(&sum)?)?);
            }
            below = above;
        }
        self.columns[index - 1][n_hidden].forward(params, &below, &self.config)
    }

    fn check(&self, index: usize) -> Result<()> {
        if (1..=self.len()).contains(&index) {
            return Ok(());
        }
        Err(Error::setting("column", format!("{index} of {}", self.len()), "at least 1, and at most their number"))
    }
}

impl Column {
    /// The network that it is a column of.
    #[must_use]
    pub fn net(&self) -> &Progressive {
        &self.net
    }
}

impl Model for Column {
    /// Fresh parameters of this column alone.
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> rekindle_nn::Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        for block in &self.net.columns[self.index - 1] {
            block.main.draw(&mut builder)?;
            if let Some(adapter) = &block.adapter {
                let alphas = [adapter.earlier];
                let init = Init::Constant(adapter.first_alpha);
                builder.draw(&adapter.alpha, &alphas, init, Fans::of(&alphas))?;
                adapter.project.draw(&mut builder)?;
                adapter.lateral.draw(&mut builder)?;
            }
        }
        builder.finish()
    }

    fn forward(&self, params: &Params, x: &Tensor, _stats: NormStats) -> rekindle_nn::Result<Tensor> {
        self.net.tapped(params, x, self.index, &mut |_, _, h| Ok(h)).map_err(|error| match error {
            Error::Nn(error) => error,
            Error::Autodiff(error) => error.into(),
            Error::Candle(error) => error.into(),
            other => rekindle_nn::Error::Config {
                field: "column",
                value: other.to_string(),
                expected: "parameters of all columns up to this one",
            },
        })
    }
}

/// The layers of column k.
fn column(config: &ProgressiveConfig, sizes: &[Size], k: usize) -> Result<Vec<Block>> {
    let hidden = config.layers.iter().enumerate().map(|(i, layer)| (format!("layer{}", i + 1), *layer));
    let head = ("head".to_owned(), ColumnLayer::Dense { units: config.outputs[k - 1] });
    let block = |(i, (name, layer)): (usize, (String, ColumnLayer))| {
        let name = format!("column{k}.{name}");
        let bias = Some(Init::Zeros);
        let adapter = (k > 1 && i > 0).then(|| adapter(&name, layer, sizes[i], k - 1, config.alpha)).transpose()?;
        Ok(Block { main: affine(&name, layer, sizes[i], bias)?, adapter })
    };
    hidden.chain([head]).enumerate().map(block).collect()
}

fn adapter(name: &str, layer: ColumnLayer, below: Size, earlier: usize, first_alpha: f64) -> Result<Adapter> {
    let name = format!("{name}.adapter");
    let (project, projected) = match (layer, below) {
        (ColumnLayer::Conv { channels, .. }, Size::Image(h, w, c)) => {
            let point = ColumnLayer::Conv { kernel: 1, stride: 1, padding: 0, channels };
            (
                affine(&format!("{name}.project"), point, Size::Image(h, w, c * earlier), Some(Init::Zeros))?,
                Size::Image(h, w, channels),
            )
        }
        (ColumnLayer::Dense { units }, below) => {
            let all = Size::Flat(below.count() * earlier);
            (affine(&format!("{name}.project"), layer, all, Some(Init::Zeros))?, Size::Flat(units))
        }
        (ColumnLayer::Conv { .. }, Size::Flat(_)) => unreachable!("`sizes` refuses a convolution of a flat layer"),
    };
    // The bias of the layer serves both sums.
    let lateral = affine(&format!("{name}.lateral"), layer, projected, None)?;
    Ok(Adapter { alpha: format!("{name}.alpha"), first_alpha, earlier, project, lateral })
}

/// The affine part of a layer, with weights for a ReLU after it (He et al. 2015).
fn affine(name: &str, layer: ColumnLayer, below: Size, bias: Option<Init>) -> Result<Affine> {
    let weight = Init::HeNormal;
    Ok(match layer {
        ColumnLayer::Dense { units } => Affine::Dense(Linear::new(name, below.count(), units, weight, bias)?),
        ColumnLayer::Conv { kernel, stride, padding, channels } => {
            let Size::Image(_, _, inputs) = below else {
                unreachable!("`sizes` refuses a convolution of a flat layer");
            };
            let config = Conv2dConfig { kernel, inputs, outputs: channels, stride, padding, weight, bias };
            Affine::Conv(Conv2d::new(name, config)?)
        }
    })
}

impl Affine {
    fn draw(&self, builder: &mut Builder<'_>) -> rekindle_nn::Result<()> {
        match self {
            Self::Dense(layer) => layer.draw(builder),
            Self::Conv(layer) => layer.draw(builder),
        }
    }

    fn forward(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Dense(layer) => layer.forward(params, &flat(x)?)?,
            Self::Conv(layer) => layer.forward(params, x)?,
        })
    }
}

impl Block {
    /// The sum before the activation, from the layers below in all columns up to this one.
    fn forward(&self, params: &Params, below: &[Tensor], config: &ProgressiveConfig) -> Result<Tensor> {
        let (own, earlier) = below.split_last().expect("a column sees itself at least");
        let main = self.main.forward(params, own)?;
        let Some(adapter) = &self.adapter else { return Ok(main) };
        let alphas = params.get(&adapter.alpha)?; // [M, k−1]
        let is_dense = matches!(adapter.project, Affine::Dense(_));
        let mut scaled = Vec::with_capacity(earlier.len());
        for (j, h) in earlier.iter().enumerate() {
            let h = if is_dense { flat(h)? } else { h.clone() };
            let mut dims = vec![1; h.rank()];
            dims[0] = alphas.dim(0)?;
            scaled.push(h.mul(&alphas.narrow(1, j, 1)?.reshape(dims)?)?);
        }
        let last = scaled[0].rank() - 1;
        let all = Tensor::cat(&scaled.iter().collect::<Vec<_>>(), last)?;
        let projected = config.activation.apply(&adapter.project.forward(params, &all)?)?;
        Ok(main.add(&adapter.lateral.forward(params, &projected)?)?)
    }
}

/// `[M, B, …]` to `[M, B, D]`.
fn flat(x: &Tensor) -> Result<Tensor> {
    match *x.dims() {
        [m, b, ref rest @ ..] if rest.len() != 1 => Ok(x.reshape((m, b, rest.iter().product::<usize>()))?),
        _ => Ok(x.clone()),
    }
}
