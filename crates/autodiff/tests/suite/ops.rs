//! Every operation against finite differences in `f64`, on the direct kernels and on stock candle operations, with
//! inputs laid out in every way that they can be.
//!
//! The tables are the functions that answer `Vec<Case>`; a new operation is one line in one of them. [`check`] and
//! [`layouts`] say what each line is put through.

use candle_core::{DType, Tensor as Value};
use rekindle_autodiff::{ComposedScope, ConvBlock, NormStats, Order, Result, Tensor, Transpose, partial_vjp};
use smallvec::smallvec;

use crate::support::{assert_close, assert_gradients, ids, packed, positive, repeated, spread, strided, windowed};

type Op = Box<dyn Fn(&[Tensor]) -> Result<Tensor>>;

struct Case {
    name: String,
    shapes: Vec<Vec<usize>>,
    op: Op,
    positive: bool,
    /// Repeated inputs would put the op on a kink (ties of a maximum).
    ties: bool,
    /// Shapes with an empty axis that must be answered too.
    empty: Option<Vec<Vec<usize>>>,
}

fn case(name: &str, shapes: &[&[usize]], op: impl Fn(&[Tensor]) -> Result<Tensor> + 'static) -> Case {
    let shapes = shapes.iter().map(|s| s.to_vec()).collect();
    Case { name: name.to_owned(), shapes, op: Box::new(op), positive: false, ties: false, empty: None }
}

impl Case {
    fn positive(self) -> Self {
        Self { positive: true, ..self }
    }

    fn ties(self) -> Self {
        Self { ties: true, ..self }
    }

    fn empty(self, shapes: &[&[usize]]) -> Self {
        Self { empty: Some(shapes.iter().map(|s| s.to_vec()).collect()), ..self }
    }

    fn inputs(&self) -> Vec<Tensor> {
        let draw = if self.positive { positive } else { spread };
        self.shapes.iter().zip(1..).map(|(shape, seed)| draw(shape, seed)).collect()
    }
}

/// Elementwise functions, on one small matrix.
fn elementwise() -> Vec<Case> {
    let one =
        |name: &str, op: fn(&Tensor) -> Result<Tensor>| case(name, &[&[2, 3]], move |x| op(&x[0])).empty(&[&[2, 0]]);
    vec![
        one("alias", |x| Ok(x.alias())),
        one("contiguous", Tensor::contiguous),
        one("neg", Tensor::neg),
        one("affine", |x| x.affine(-1.5, 0.25)),
        one("scale", |x| x.scale(0.3)),
        one("shift", |x| x.shift(-2.0)),
        one("exp", Tensor::exp),
        one("log", Tensor::log).positive(),
        one("sqrt", Tensor::sqrt).positive(),
        one("recip", Tensor::recip),
        one("sqr", Tensor::sqr),
        one("powf 0", |x| x.powf(0.0)),
        one("powf 1", |x| x.powf(1.0)),
        one("powf 3", |x| x.powf(3.0)),
        one("powf −1", |x| x.powf(-1.0)),
        one("powf 2.5", |x| x.powf(2.5)).positive(),
        one("abs", Tensor::abs),
        one("sign", Tensor::sign),
        one("sin", Tensor::sin),
        one("cos", Tensor::cos),
        one("tanh", Tensor::tanh),
        one("sigmoid", Tensor::sigmoid),
        one("softplus", Tensor::softplus),
        one("relu", Tensor::relu),
        one("leaky_relu", |x| x.leaky_relu(0.1)),
        one("elu", |x| x.elu(0.7)),
        one("erf", Tensor::erf),
        one("gelu", Tensor::gelu),
        one("silu", Tensor::silu),
        one("clamp", |x| x.clamp(-0.7, 0.9)),
        one("to_dtype same", |x| x.to_dtype(DType::F64)),
    ]
}

/// Functions of two tensors, of equal shapes and broadcast on the left, the right and both.
fn binary() -> Vec<Case> {
    type Binary = fn(&Tensor, &Tensor) -> Result<Tensor>;
    let ops: [(&str, Binary); 6] = [
        ("add", Tensor::add),
        ("sub", Tensor::sub),
        ("mul", Tensor::mul),
        ("div", Tensor::div),
        ("maximum", Tensor::maximum),
        ("minimum", Tensor::minimum),
    ];
    let shapes: [(&str, [&[usize]; 2]); 8] = [
        ("equal", [&[2, 3], &[2, 3]]),
        ("row right", [&[2, 3], &[3]]),
        ("row left", [&[1, 3], &[2, 3]]),
        ("column", [&[2, 3], &[2, 1]]),
        ("both sides", [&[2, 1], &[1, 3]]),
        ("ranks", [&[2, 1, 2], &[3, 1]]),
        ("scalar", [&[], &[2, 2]]),
        ("one element", [&[2, 2], &[1]]),
    ];
    let mut cases = Vec::new();
    for (name, op) in ops {
        for (how, shapes) in shapes {
            cases.push(case(&format!("{name}, {how}"), &shapes, move |x| op(&x[0], &x[1])));
        }
        cases.push(case(name, &[&[2, 3], &[3]], move |x| op(&x[0], &x[1])).empty(&[&[0, 3], &[3]]));
        cases.push(case(name, &[&[2, 3], &[2, 3]], move |x| op(&x[0], &x[1])).empty(&[&[2, 0], &[2, 0]]));
    }
    let mask = ids(&[1, 0, 0, 1, 1, 0], &[2, 3]).to_dtype(DType::U8).expect("a cast");
    cases.push(case("select", &[&[2, 3], &[2, 3]], move |x| Tensor::select(&mask, &x[0], &x[1])));
    cases.push(case("add_scaled", &[&[2, 3], &[2, 3]], |x| x[0].add_scaled(&x[1], -0.4)).empty(&[&[0, 3], &[0, 3]]));
    cases
}

fn shapes() -> Vec<Case> {
    vec![
        case("reshape", &[&[2, 3, 2]], |x| x[0].reshape((3, 4))),
        case("unsqueeze", &[&[2, 3]], |x| x[0].unsqueeze(1)).empty(&[&[0, 3]]),
        case("squeeze", &[&[2, 1, 3]], |x| x[0].squeeze(1)).empty(&[&[0, 1, 3]]),
        case("permute", &[&[2, 3, 2]], |x| x[0].permute(&[2, 0, 1])).empty(&[&[2, 0, 2]]),
        case("transpose", &[&[2, 3]], |x| x[0].transpose(0, 1)).empty(&[&[2, 0]]),
        case("narrow", &[&[3, 4]], |x| x[0].narrow(1, 1, 2)).empty(&[&[0, 4]]),
        case("narrow all", &[&[3, 2]], |x| x[0].narrow(0, 0, 3)),
        case("narrow none", &[&[3, 2]], |x| x[0].narrow(0, 1, 0)),
        case("pad", &[&[2, 3]], |x| x[0].pad(0, 1, 2)?.pad(1, 0, 1)).empty(&[&[0, 3]]),
        case("cat 0", &[&[2, 2], &[1, 2], &[3, 2]], |x| Tensor::cat(&[&x[0], &x[1], &x[2]], 0)),
        case("cat 1", &[&[2, 2], &[2, 1]], |x| Tensor::cat(&[&x[0], &x[1], &x[0]], 1)).empty(&[&[0, 2], &[0, 1]]),
        case("stack", &[&[2, 2], &[2, 2]], |x| Tensor::stack(&[&x[0], &x[1]], 1)).empty(&[&[0, 2], &[0, 2]]),
        case("chunk", &[&[2, 4]], |x| x[0].chunk(2, 1)?[1].sqr()).empty(&[&[0, 4]]),
        case("flip", &[&[3, 2]], |x| x[0].flip(0)).empty(&[&[3, 0]]),
    ]
}

fn reductions() -> Vec<Case> {
    vec![
        case("sum_keepdim first", &[&[2, 3, 2]], |x| x[0].sum_keepdim(&[0])).empty(&[&[0, 3, 2]]),
        case("sum_keepdim last", &[&[2, 3, 2]], |x| x[0].sum_keepdim(&[2])).empty(&[&[2, 3, 0]]),
        case("sum_keepdim outer", &[&[2, 3, 2]], |x| x[0].sum_keepdim(&[2, 0])),
        case("sum_keepdim none", &[&[2, 2]], |x| x[0].sum_keepdim(&[])),
        case("sum middle", &[&[2, 3, 2]], |x| x[0].sum(&[1])).empty(&[&[2, 0, 2]]),
        case("sum two", &[&[2, 3, 2]], |x| x[0].sum(&[0, 1])),
        case("sum_all", &[&[2, 3]], |x| x[0].sum_all()).empty(&[&[2, 0]]),
        case("mean_keepdim", &[&[2, 3, 2]], |x| x[0].mean_keepdim(&[0, 2])),
        case("mean", &[&[2, 3]], |x| x[0].mean(&[0])).empty(&[&[2, 0]]),
        case("mean_all", &[&[2, 3]], |x| x[0].mean_all()),
        case("mean_over_task", &[&[2, 3, 2]], |x| x[0].mean_over_task()),
        case("var_keepdim", &[&[2, 3]], |x| x[0].var_keepdim(&[1], 0)),
        case("var_keepdim unbiased", &[&[2, 3]], |x| x[0].var_keepdim(&[1], 1)),
        case("max_keepdim", &[&[2, 3, 2]], |x| x[0].max_keepdim(1)).ties().empty(&[&[0, 3, 2]]),
        case("min_keepdim", &[&[2, 3]], |x| x[0].min_keepdim(1)).ties().empty(&[&[0, 3]]),
        case("logsumexp", &[&[2, 3]], |x| x[0].logsumexp()).empty(&[&[0, 3]]),
        case("broadcast_to", &[&[2, 1]], |x| x[0].broadcast_to((2, 2, 3))).empty(&[&[2, 1]]),
        case("sum_to", &[&[2, 2, 3]], |x| x[0].sum_to((2, 1))),
        case("sum_to scalar", &[&[2, 3]], |x| x[0].sum_to(())),
        case("cumsum vector", &[&[4]], |x| x[0].cumsum(0)),
        case("cumsum 0", &[&[3, 2]], |x| x[0].cumsum(0)),
        case("cumsum middle", &[&[2, 3, 2]], |x| x[0].cumsum(1)).empty(&[&[2, 3, 0]]),
        case("cumsum first of 3", &[&[3, 2, 2]], |x| x[0].cumsum(0)),
        case("cumsum last of 3", &[&[2, 2, 3]], |x| x[0].cumsum(2)),
        case("softmax", &[&[2, 3]], |x| x[0].softmax()).empty(&[&[0, 3]]),
        case("log_softmax", &[&[2, 3]], |x| x[0].log_softmax()).empty(&[&[0, 3]]),
    ]
}

fn indexing() -> Vec<Case> {
    let rows = || ids(&[2, 0, 2, 1], &[4]);
    let long = || ids(&[2, 0, 2], &[3]).to_dtype(DType::I64).expect("a cast");
    let each = || ids(&[1, 0, 1, 2, 2, 1], &[2, 3]);
    vec![
        case("index_select 0", &[&[3, 2]], move |x| x[0].index_select(0, &rows())).empty(&[&[3, 0]]),
        case("index_select 1, i64", &[&[2, 3]], move |x| x[0].index_select(1, &long())),
        case("index_put", &[&[2, 4]], move |x| x[0].index_put(1, &rows(), 3)).empty(&[&[0, 4]]),
        case("gather", &[&[3, 3]], move |x| x[0].gather(0, &each())),
        case("gather last", &[&[2, 4]], move |x| x[0].gather(1, &each())),
        case("scatter_add", &[&[2, 3]], move |x| x[0].scatter_add(0, &each(), 4)),
        case("scatter_add last", &[&[2, 3]], move |x| x[0].scatter_add(1, &each(), 3)),
        case("sort_last", &[&[2, 3]], |x| Ok(x[0].sort_last(true)?.0)).ties(),
        case("sort_last descending", &[&[2, 2, 3]], |x| Ok(x[0].sort_last(false)?.0)).ties(),
    ]
}

fn products() -> Vec<Case> {
    use Transpose::{No, Yes};
    let turned = |a: Transpose, b: Transpose, left: &[usize], right: &[usize]| {
        case(&format!("product {a:?} {b:?}"), &[left, right], move |x| x[0].product(a, &x[1], b))
    };
    vec![
        case("matmul", &[&[2, 3], &[3, 2]], |x| x[0].matmul(&x[1])).empty(&[&[0, 3], &[3, 2]]),
        case("matmul square", &[&[2, 2], &[2, 2]], |x| x[0].matmul(&x[1])).empty(&[&[2, 0], &[0, 2]]),
        case("matmul batched", &[&[2, 2, 3], &[2, 3, 1]], |x| x[0].matmul(&x[1])).empty(&[&[0, 2, 3], &[0, 3, 1]]),
        case("matmul right repeats", &[&[2, 2, 3], &[3, 2]], |x| x[0].matmul(&x[1])).empty(&[&[0, 2, 3], &[3, 2]]),
        case("matmul left repeats", &[&[1, 2, 2], &[3, 2, 1]], |x| x[0].matmul(&x[1])),
        case("matmul both repeat", &[&[2, 1, 1, 2], &[1, 2, 2, 2]], |x| x[0].matmul(&x[1])),
        turned(No, Yes, &[2, 2, 3], &[2, 2, 3]),
        turned(Yes, No, &[2, 3, 2], &[2, 3, 1]),
        turned(Yes, Yes, &[2, 3, 2], &[2, 2, 3]),
        turned(Yes, No, &[2, 3, 2], &[1, 3, 2]),
        turned(No, Yes, &[1, 2, 3], &[2, 2, 3]),
        case("linear", &[&[2, 2, 3], &[2, 3, 2], &[2, 2]], |x| x[0].linear(&x[1], Some(&x[2]))).empty(&[
            &[2, 0, 3],
            &[2, 3, 2],
            &[2, 2],
        ]),
        case("linear shared", &[&[2, 2, 3], &[1, 3, 2], &[1, 2]], |x| x[0].linear(&x[1], Some(&x[2]))).empty(&[
            &[0, 2, 3],
            &[1, 3, 2],
            &[1, 2],
        ]),
        case("linear shared input", &[&[1, 2, 2], &[2, 2, 2], &[1, 2]], |x| x[0].linear(&x[1], Some(&x[2]))),
        case("linear bias of each task", &[&[2, 2, 2], &[1, 2, 2], &[2, 2]], |x| x[0].linear(&x[1], Some(&x[2]))),
        case("linear no bias, rank 4", &[&[2, 2, 1, 2], &[2, 2, 2]], |x| x[0].linear(&x[1], None)),
        case("linear rank 2", &[&[2, 3], &[2, 3, 2], &[2, 2]], |x| x[0].linear(&x[1], Some(&x[2]))).empty(&[
            &[2, 0],
            &[2, 0, 2],
            &[2, 2],
        ]),
    ]
}

fn images() -> Vec<Case> {
    vec![
        case("conv2d", &[&[2, 1, 3, 2, 2], &[2, 2, 2, 2, 1]], |x| x[0].conv2d(&x[1], 1, 0))
            .empty(&[&[2, 0, 3, 2, 2], &[2, 2, 2, 2, 1]]),
        case("conv2d padded", &[&[1, 2, 2, 3, 1], &[1, 3, 3, 1, 2]], |x| x[0].conv2d(&x[1], 1, 1)),
        case("conv2d stride 2", &[&[1, 1, 5, 4, 1], &[1, 3, 2, 1, 2]], |x| x[0].conv2d(&x[1], 2, 1))
            .empty(&[&[1, 0, 5, 4, 1], &[1, 3, 2, 1, 2]]),
        case("conv2d shared kernel", &[&[2, 1, 3, 3, 1], &[1, 2, 2, 1, 2]], |x| x[0].conv2d(&x[1], 1, 0))
            .empty(&[&[0, 1, 3, 3, 1], &[1, 2, 2, 1, 2]]),
        case("conv2d shared images", &[&[1, 1, 3, 3, 1], &[2, 2, 2, 1, 2]], |x| x[0].conv2d(&x[1], 2, 1)),
        case("conv2d no channels", &[&[1, 1, 2, 2, 1], &[1, 1, 2, 1, 1]], |x| x[0].conv2d(&x[1], 1, 0))
            .empty(&[&[1, 1, 2, 2, 0], &[1, 1, 2, 0, 1]]),
        case("conv_block", &[&[2, 2, 4, 5, 1], &[2, 3, 3, 1, 1], &[2, 1], &[2, 1]], |x| {
            let block = ConvBlock { stride: 1, padding: 1, eps: 0.1, stats: NormStats::Batch, pool: true };
            x[0].conv_block(&x[1], &x[2], &x[3], block)
        })
        .ties(),
        case("unfold", &[&[1, 2, 3, 3, 1]], |x| x[0].unfold((2, 3), 2, 1)).empty(&[&[1, 0, 3, 3, 1]]),
        case("max_pool2d", &[&[2, 1, 4, 5, 1]], |x| x[0].max_pool2d(2, 2)).ties().empty(&[&[2, 0, 4, 5, 1]]),
        case("max_pool2d overlapping", &[&[1, 2, 4, 3, 1]], |x| x[0].max_pool2d(3, 1)).ties(),
        case("max_pool2d gaps", &[&[1, 1, 4, 5, 2]], |x| x[0].max_pool2d(1, 2)).ties(),
        case("avg_pool2d", &[&[1, 1, 5, 4, 2]], |x| x[0].avg_pool2d(2, 2)).empty(&[&[1, 0, 5, 4, 2]]),
        case("avg_pool2d overlapping", &[&[1, 1, 4, 3, 1]], |x| x[0].avg_pool2d(3, 1)),
        case("upsample", &[&[2, 1, 2, 2, 1]], |x| x[0].upsample_nearest2d(2)).empty(&[&[2, 0, 2, 2, 1]]),
    ]
}

fn norms_and_losses() -> Vec<Case> {
    let norm = |name: &str, shapes: &[&[usize]], stats: NormStats| {
        case(name, shapes, move |x| x[0].batch_norm(&x[1], &x[2], 0.1, stats))
    };
    let classes = || ids(&[1, 0, 2, 1], &[2, 2]);
    vec![
        norm("batch_norm", &[&[2, 3, 2], &[2, 2], &[2, 2]], NormStats::Batch),
        norm("batch_norm images", &[&[1, 2, 2, 1, 2], &[1, 2], &[1, 2]], NormStats::Batch),
        norm("batch_norm shared", &[&[2, 2, 2, 1], &[1, 1], &[1, 1]], NormStats::Batch),
        norm("batch_norm first rows", &[&[2, 3, 2], &[2, 2], &[2, 2]], NormStats::FirstRows(2)),
        case("layer_norm", &[&[2, 2, 3], &[2, 3], &[2, 3]], |x| x[0].layer_norm(&x[1], &x[2], 0.1)).empty(&[
            &[2, 0, 3],
            &[2, 3],
            &[2, 3],
        ]),
        case("layer_norm shared", &[&[2, 1, 3], &[1, 3], &[1, 3]], |x| x[0].layer_norm(&x[1], &x[2], 0.1)),
        case("mse", &[&[2, 3], &[2, 3]], |x| x[0].mse(&x[1])).empty(&[&[0, 3], &[0, 3]]),
        case("cross_entropy", &[&[2, 2, 3]], move |x| x[0].cross_entropy(&classes())),
        case("binary_cross_entropy", &[&[2, 3], &[2, 3]], |x| x[0].binary_cross_entropy(&x[1])),
        case("custom", &[&[2, 3]], |x| {
            let held = x[0].clone();
            let cube = x[0].value().powf(3.0)?;
            Ok(Tensor::custom(cube, &[&x[0]], move |up| Ok(smallvec![Some(up.grad().mul(&held.sqr()?.scale(3.0)?)?)])))
        }),
        case("fused", &[&[2, 3], &[2, 3]], |x| {
            let (a, b) = (x[0].value().clone(), x[1].value().clone());
            let y = (a.sqr()? * &b)?;
            let backward = move |u: &Value, wanted: &[bool]| {
                let by_a = wanted[0].then(|| ((u * 2.0)? * &a)? * &b).transpose()?;
                let by_b = wanted[1].then(|| u * a.sqr()?).transpose()?;
                Ok(smallvec![by_a, by_b])
            };
            Ok(Tensor::fused(y, &[&x[0], &x[1]], backward, |x| x[0].sqr()?.mul(&x[1])))
        }),
    ]
}

/// Values and first gradients with fixed seeds, or zeros where there is no gradient.
fn answers(op: &Op, xs: &[Tensor]) -> Vec<Tensor> {
    let xs: Vec<Tensor> = xs.iter().map(Tensor::leaf).collect();
    let y = op(&xs).expect("the op answers");
    let seed = spread(y.dims(), 5);
    let grads = partial_vjp(&[(&y, &seed)], &xs.iter().collect::<Vec<_>>(), Order::First).expect("a gradient");
    let grads = grads.into_iter().zip(&xs).map(|(g, x)| g.unwrap_or_else(|| x.zeros_like().expect("zeros")));
    [y].into_iter().chain(grads).collect()
}

fn check(case: &Case) {
    let xs = case.inputs();
    let contiguous = answers(&case.op, &xs);
    assert_gradients(&format!("{}, plain", case.name), 3, &xs, &case.op);
    layouts(case, "direct");
    let _scope = ComposedScope::new();
    for (a, b) in answers(&case.op, &xs).iter().zip(&contiguous) {
        assert_close(&format!("{}, composed against direct", case.name), a, b, 1e-12);
    }
    assert_gradients(&format!("{}, composed", case.name), 2, &xs, &case.op);
    layouts(case, "composed");
}

/// What every line of the table is put through besides the plain check.
fn layouts(case: &Case, mode: &str) {
    let (op, xs) = (&case.op, case.inputs());
    let name = |how: &str| format!("{}, {mode}, {how}", case.name);
    let laid_out = |how: &str, moved: &[Tensor]| {
        let packed: Vec<Tensor> = moved.iter().map(packed).collect();
        for (a, b) in answers(op, moved).iter().zip(&answers(op, &packed)) {
            assert_close(&name(how), a, b, 1e-12);
        }
        assert_gradients(&name(how), 2, moved, op);
    };
    laid_out("strided", &xs.iter().map(strided).collect::<Vec<_>>());
    laid_out("windowed", &xs.iter().map(windowed).collect::<Vec<_>>());
    if !case.ties {
        let along = |last: bool| {
            let repeat = |x: &Tensor| match x.rank() {
                0 => x.clone(),
                rank => repeated(x, if last { rank - 1 } else { 0 }),
            };
            xs.iter().map(repeat).collect::<Vec<_>>()
        };
        laid_out("first axis repeated", &along(false));
        laid_out("last axis repeated", &along(true));
    }
    assert_gradients(&name("used twice"), 2, &xs, |x| op(x)?.mul(&op(x)?));
    if xs.len() > 1 && case.shapes.iter().all(|s| *s == case.shapes[0]) {
        assert_gradients(&name("one tensor for all inputs"), 2, &xs[..1], |x| {
            op(&vec![x[0].clone(); case.shapes.len()])
        });
    }
    assert_gradients(&name("upstream of stride 0"), 2, &xs, |x| op(x)?.sum_all()?.sqr());
    assert_gradients(&name("upstream and inputs transposed on the tape"), 2, &xs, |x| {
        let views = x.iter().map(turned_twice).collect::<Result<Vec<_>>>()?;
        let y = op(&views)?;
        if y.rank() < 2 { Ok(y) } else { y.transpose(0, y.rank() - 1)?.contiguous() }
    });
}

/// The same tensor as a view, by way of tape operations.
fn turned_twice(x: &Tensor) -> Result<Tensor> {
    let Some(last) = x.rank().checked_sub(1) else { return Ok(x.clone()) };
    x.transpose(0, last)?.contiguous()?.transpose(0, last)
}

/// Empty axes are answered, with gradients of the inputs' shapes, and alike by kernels and stock operations.
fn check_empty(case: &Case) {
    let Some(shapes) = &case.empty else { return };
    let xs: Vec<Tensor> = shapes.iter().map(|s| spread(s, 3)).collect();
    let direct = answers(&case.op, &xs);
    let _scope = ComposedScope::new();
    for (a, b) in answers(&case.op, &xs).iter().zip(&direct) {
        assert_close(&format!("{}, empty", case.name), a, b, 1e-12);
    }
    for (x, g) in xs.iter().zip(&direct[1..]) {
        assert_eq!(x.shape(), g.shape(), "{}, empty", case.name);
    }
}

macro_rules! tables {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn derivatives_match_finite_differences() {
                super::$name().iter().for_each(super::check);
            }

            #[test]
            fn empty_axes_are_answered() {
                super::$name().iter().for_each(super::check_empty);
            }
        }
    )+};
}

tables!(elementwise, binary, shapes, reductions, indexing, products, images, norms_and_losses);

/// The logarithm of a sum of nothing, of something beside nothing, and of more than any number.
#[test]
fn logsumexp_of_infinities() -> Result<()> {
    let infinite = f64::INFINITY;
    let x = Tensor::from_vec(vec![-infinite, -infinite, -infinite, 2.0, infinite, 1.0], (3, 2))?;
    for x in [x.to_dtype(DType::F32)?, x] {
        assert_eq!(x.logsumexp()?.to_vec_f64()?, [-infinite, 2.0, infinite]);
    }
    Ok(())
}
