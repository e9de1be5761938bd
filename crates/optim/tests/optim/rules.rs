//! Every transformation keeps the rules of the trait, and the suite notices when one does not.

use rekindle_autodiff::{Params, Tensor};
use rekindle_optim::conformance::{Suite, check};
use rekindle_optim::{
    Adadelta, Adagrad, Adam, AdamW, Chain, ClipNorm, ClipValue, DecoupledDecay, Error, Freeze, GroupRates, Grouped,
    Momentum, NormScope, Result, RmsProp, Scale, Schedule, Select, Sgd, State, Transform, WeightDecay,
};

macro_rules! keeps_the_rules {
    ($($name:ident: $transform:expr;)*) => {$(
        #[test]
        fn $name() -> Result<()> {
            check(&$transform)
        }
    )*};
}

keeps_the_rules! {
    sgd: Sgd::new(0.1);
    sgd_on_a_schedule: Sgd::new(Schedule::cosine(0.2, 4).after_warmup(1));
    momentum: Momentum::new(0.1);
    nesterov: Momentum::nesterov(0.1);
    adagrad: Adagrad::new(0.1);
    adadelta: Adadelta { eps: 1e-2, ..Adadelta::default() };
    adadelta_as_in_the_paper: Adadelta::default();
    rmsprop: RmsProp::new(0.1);
    rmsprop_centered: RmsProp::centered(0.1);
    adam: Adam::new(0.1);
    adam_with_a_large_epsilon: Adam { eps: 0.1, ..Adam::new(0.1) };
    adam_without_momentum: Adam { beta1: 0.0, beta2: 0.5, ..Adam::new(0.1) };
    adamw: AdamW::new(0.1, 0.1);
    clip_value: Chain::new().then(ClipValue::new(0.8)).then(Sgd::new(0.1));
    clip_norm: Chain::new().then(ClipNorm::new(0.8)).then(Sgd::new(0.1));
    clip_norm_of_some_tasks_only: Chain::new().then(ClipNorm::new(3.3)).then(Sgd::new(0.1));
    weight_decay: Chain::new().then(WeightDecay::new(0.1)).then(Sgd::new(0.1));
    decoupled_decay: Chain::new().then(Sgd::new(0.1)).then(DecoupledDecay::new(0.1));
    scale: Scale::new(-0.1);
    scale_by_a_schedule: Scale::new(Schedule::linear(-0.1, 0.1, 3));
    freeze: Chain::new().then(Adam::new(0.1)).then(Freeze::new(Select::prefix(["body"])));
    freeze_all: Freeze::all();
    group_rates: Chain::new().then(Momentum::new(0.1)).then(GroupRates::new().with(Select::suffix(["bias"]), 0.3));
    grouped: Grouped::new(Adam::new(0.1)).with(Select::prefix(["head"]), Sgd::new(0.1));
    grouped_without_a_rest: Grouped::new(Adam::new(0.1)).with(Select::All, RmsProp::new(0.1));
    empty_chain: Chain::new();
    chain_in_a_chain: Chain::new().then(Chain::new().then(ClipNorm::new(1.0))).then(Chain::new().then(Adam::new(0.1)));
    boxed: Box::new(Adam::new(0.1)) as Box<dyn Transform>;
}

#[test]
fn the_norm_of_everything_keeps_all_rules_but_that_of_tasks() -> Result<()> {
    let transform = Chain::new().then(ClipNorm { max_norm: 0.5, scope: NormScope::Everything }).then(Sgd::new(0.1));
    let error = check(&transform).unwrap_err();
    assert!(matches!(error, Error::Conformance { rule: "tasks stay apart", .. }), "{error}");
    Suite { separate_tasks: false, ..Suite::default() }.check(&transform)
}

#[test]
fn names_can_be_chosen() -> Result<()> {
    let frozen = Freeze::new(Select::names(["c"]));
    assert!(matches!(check(&frozen), Err(Error::Unmatched { .. })));
    Suite { names: ["a", "b", "c"].map(str::to_owned).to_vec(), ..Suite::default() }.check(&frozen)
}

/// A transformation with one rule broken.
struct Broken<F>(F);

impl<F> std::fmt::Debug for Broken<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Broken")
    }
}

impl<F> Transform for Broken<F>
where
    F: Fn(&Params, &State) -> Result<(Params, State)> + Send + Sync,
{
    fn init(&self, params: &Params) -> Result<State> {
        Ok(State::new().with_slot("b", params.zeros_like()?))
    }

    fn update(&self, grads: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        grads.check_like(params)?;
        (self.0)(grads, state)
    }
}

fn assert_breaks(expected: &str, f: impl Fn(&Params, &State) -> Result<(Params, State)> + Send + Sync) {
    match check(&Broken(f)).unwrap_err() {
        Error::Conformance { rule, .. } => assert_eq!(rule, expected),
        other => assert!(other.to_string().starts_with(expected), "{other}"),
    }
}

fn next(state: &State) -> Result<State> {
    Ok(state.advance().with_slot("b", state.slot("b")?.clone()))
}

#[test]
fn a_wrong_shape_is_noticed() {
    assert_breaks("updates fit the parameters", |g, s| Ok((g.sum_tasks()?, next(s)?)));
}

#[test]
fn a_step_that_is_not_counted_is_noticed() {
    assert_breaks("updates fit the parameters", |g, s| Ok((g.clone(), s.clone())));
}

#[test]
fn hidden_memory_is_noticed() {
    let calls = std::sync::atomic::AtomicU32::new(0);
    assert_breaks("the same inputs give the same bits", move |g, s| {
        let n = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok((g.scale(1.0 / f64::from(n + 1))?, next(s)?))
    });
}

#[test]
fn tasks_that_mix_are_noticed() {
    assert_breaks("tasks stay apart", |g, s| Ok((g.sub(&g.mean_tasks()?.expand_tasks(g.n_tasks())?)?, next(s)?)));
}

#[test]
fn a_history_that_is_cut_is_noticed() {
    assert_breaks("gradient check failed at order 1", |g, s| Ok((g.detach().scale(-0.1)?, next(s)?)));
}

#[test]
fn a_value_that_depends_on_recording_is_noticed() {
    assert_breaks("recording changes no value", |g, s| {
        Ok((g.scale(if g.is_tracked() { -0.1 } else { -0.2 })?, next(s)?))
    });
}

#[test]
fn nan_derivatives_at_zero_are_noticed() {
    assert_breaks("derivatives are finite at zero gradients", |g, s| {
        let sign = |g: &Tensor| g.div(&g.sqr()?.sqrt()?.shift(1e-3)?)?.scale(-0.1);
        Ok((g.map(sign)?, next(s)?))
    });
}

/// Takes whatever gradients come.
#[derive(Debug)]
struct Careless;

impl Transform for Careless {
    fn init(&self, _params: &Params) -> Result<State> {
        Ok(State::new())
    }

    fn update(&self, grads: &Params, state: &State, _params: &Params) -> Result<(Params, State)> {
        Ok((grads.scale(-0.1)?, state.advance()))
    }
}

#[test]
fn gradients_of_other_parameters_that_are_taken_are_noticed() {
    let error = check(&Careless).unwrap_err();
    assert!(matches!(error, Error::Conformance { rule: "other names are refused", .. }), "{error}");
}
