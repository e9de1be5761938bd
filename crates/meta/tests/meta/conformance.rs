//! The suite on every learner, and on learners that break its rules.

use std::sync::atomic::{AtomicU32, Ordering};

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_meta::conformance::{Suite, check};
use rekindle_meta::{
    Adjoint, Anil, Error, Loss, Maml, MamlConfig, MamlPlusPlus, MamlPlusPlusConfig, MetaGrad, MetaLearner, MetaSgd,
    MetaSgdConfig, Reptile, ReptileConfig, Result, Setting,
};
use rekindle_nn::{Conv4, Conv4Config, Downsampling, Mlp};
use rekindle_tasks::{Batch, FewShot, FewShotSampler, Glyphs, Sinusoid, TaskBatch};

use crate::{normalised_mlp, smooth_mlp};

const LOSS: Loss = Loss::MeanSquaredError;

fn maml_config() -> MamlConfig {
    MamlConfig { inner_lr: 0.05, n_steps: 2, eval_steps: 3, ..MamlConfig::sinusoid() }
}

/// The suite with and without batch normalisation; `exact` says whether the gradient is a derivative.
#[track_caller]
fn passes<L: MetaLearner>(exact_gradient: bool, learner: impl Fn(Mlp) -> Result<L>) {
    let suite = Suite { exact_gradient, ..Suite::default() };
    for model in [smooth_mlp(), normalised_mlp()] {
        suite.check(&learner(model).unwrap(), &Sinusoid::maml(5)).unwrap();
    }
}

#[test]
fn maml() {
    for adjoint in [Adjoint::Unrolled, Adjoint::Checkpointed] {
        passes(true, |model| Maml::new(model, MamlConfig { adjoint, ..maml_config() }));
    }
    for adjoint in [Adjoint::FirstOrder, Adjoint::Truncated { last: 1 }] {
        passes(false, |model| Maml::new(model, MamlConfig { adjoint, ..maml_config() }));
    }
}

#[test]
fn implicit_maml() {
    passes(false, |model| Maml::new(model, MamlConfig { inner_lr: 0.02, ..MamlConfig::implicit(LOSS) }));
}

#[test]
fn anil() {
    for (adjoint, exact) in [(Adjoint::Unrolled, true), (Adjoint::Checkpointed, true), (Adjoint::FirstOrder, false)] {
        let config = MamlConfig { adjoint, ..maml_config() };
        let suite = Suite { exact_gradient: exact, ..Suite::default() };
        for (model, head) in [(smooth_mlp(), "fc3"), (normalised_mlp(), "fc2")] {
            suite.check(&Anil::new(model, head, config.clone()).unwrap(), &Sinusoid::maml(5)).unwrap();
        }
    }
}

#[test]
fn meta_sgd() {
    for adjoint in [Adjoint::Unrolled, Adjoint::Checkpointed] {
        passes(true, |model| MetaSgd::new(model, MetaSgdConfig { n_steps: 2, adjoint, ..MetaSgdConfig::new(LOSS) }));
    }
}

#[test]
fn maml_plus_plus() {
    for adjoint in [Adjoint::Unrolled, Adjoint::Checkpointed] {
        let config = MamlPlusPlusConfig { inner_lr: 0.05, n_steps: 3, adjoint, loss: LOSS, ..Default::default() };
        passes(true, |model| MamlPlusPlus::new(model, config.clone()));
        let annealed = MamlPlusPlusConfig { first_order_iterations: 10, ..config };
        passes(false, |model| MamlPlusPlus::new(model, annealed.clone()));
    }
}

#[test]
fn reptile() {
    for batch in [None, Some(3)] {
        let config = ReptileConfig { batch, eval_batch: batch, ..ReptileConfig::sinusoid() };
        passes(false, |model| Reptile::new(model, config.clone()));
    }
}

/// Images, labels, convolutions and both ways of making them smaller.
#[test]
fn convolutional_networks() {
    let few_shot = FewShot { ways: 3, ..FewShot::default() };
    let sampler = FewShotSampler::new(Glyphs { size: 16, ..Glyphs::default() }, few_shot).unwrap();
    for downsampling in [Downsampling::Stride2, Downsampling::MaxPool] {
        let config = Conv4Config { downsampling, image: (16, 16), channels: 5, ..Conv4Config::omniglot() };
        let model = Conv4::new(config, 3).unwrap();
        check(&Maml::new(model.clone(), MamlConfig { n_steps: 2, ..MamlConfig::omniglot() }).unwrap(), &sampler)
            .unwrap();
        check(&Anil::new(model.clone(), "head", MamlConfig::omniglot()).unwrap(), &sampler).unwrap();
        let config = MamlPlusPlusConfig { n_steps: 2, ..MamlPlusPlusConfig::default() };
        check(&MamlPlusPlus::new(model, config).unwrap(), &sampler).unwrap();
    }
}

/// What is wrong with a learner that is otherwise MAML.
#[derive(Clone, Copy, Debug)]
enum Fault {
    RenamedGradients,
    SharedGradients,
    MixedTasks,
    NoSense(f64),
    Forgetful,
    ChunkDependent,
    DoesNotAdapt,
    AdaptsUphill,
    SeesOtherQueries,
    SeesOtherTasks,
    FlatPredictions,
    WrongFactor,
    TrackedLosses,
}

#[derive(Debug)]
struct Faulty {
    fault: Fault,
    maml: Maml<Mlp>,
    calls: AtomicU32,
}

impl MetaLearner for Faulty {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        self.maml.init(rng, dtype, device)
    }

    fn adapt(&self, meta: &Params, support: &Batch) -> Result<Params> {
        let m = support.n_tasks()?;
        let start = meta.expand_tasks(m)?;
        match self.fault {
            Fault::DoesNotAdapt => Ok(start),
            Fault::AdaptsUphill => Ok(start.scale(2.0)?.sub(&self.maml.adapt(meta, support)?)?),
            Fault::SeesOtherTasks => Ok(self.maml.adapt(meta, support)?.mean_tasks()?.expand_tasks(m)?),
            _ => self.maml.adapt(meta, support),
        }
    }

    fn predict(&self, adapted: &Params, support: &Batch, x: &Value, setting: Setting) -> Result<Tensor> {
        match self.fault {
            Fault::SeesOtherQueries => Ok(rekindle_meta::InnerLoop::model(&self.maml).forward(
                adapted,
                &Tensor::new(x.clone()),
                NormStats::Batch,
            )?),
            Fault::FlatPredictions => {
                let outputs = self.maml.predict(adapted, support, x, setting)?;
                Ok(outputs.reshape(outputs.elem_count())?)
            }
            _ => self.maml.predict(adapted, support, x, setting),
        }
    }

    fn meta_grad(&self, meta: &Params, tasks: &TaskBatch, iteration: u64) -> Result<MetaGrad> {
        let MetaGrad { losses, grads } = self.maml.meta_grad(meta, tasks, iteration)?;
        let m = tasks.n_tasks()?;
        let (losses, grads) = match self.fault {
            Fault::RenamedGradients => (losses, grads.prefixed("grad")?),
            Fault::SharedGradients => (losses, grads.mean_tasks()?),
            Fault::MixedTasks => (losses, grads.mean_tasks()?.expand_tasks(m)?),
            Fault::NoSense(value) => (losses.scale(value)?, grads),
            Fault::Forgetful => {
                let call = self.calls.fetch_add(1, Ordering::Relaxed);
                (losses, grads.scale(1.0 + f64::from(call) * 1e-6)?)
            }
            // As if sums were taken in another order when tasks run together: no more than rounding.
            Fault::ChunkDependent if m > 1 && losses.dtype() == DType::F32 => (losses, grads.scale(1.0 + 2e-7)?),
            Fault::WrongFactor => (losses, grads.scale(1.001)?),
            Fault::TrackedLosses => (losses.leaf(), grads),
            _ => (losses, grads),
        };
        Ok(MetaGrad { losses, grads })
    }

    fn loss(&self) -> Loss {
        LOSS
    }
}

#[track_caller]
fn breaks(fault: Fault, expected: &str) {
    let maml = Maml::new(normalised_mlp(), maml_config()).unwrap();
    let learner = Faulty { fault, maml, calls: AtomicU32::new(0) };
    let suite = Suite { exact_gradient: true, ..Suite::default() };
    match suite.check(&learner, &Sinusoid::maml(5)) {
        Err(Error::Conformance { rule, .. }) => assert_eq!(rule, expected, "{fault:?}"),
        other => panic!("{fault:?}: {other:?}"),
    }
}

#[test]
fn every_broken_rule_is_noticed_and_named() {
    const FORM: &str = "meta-gradients fit the meta-parameters, one for each task";
    breaks(Fault::RenamedGradients, FORM);
    breaks(Fault::SharedGradients, FORM);
    breaks(Fault::NoSense(f64::NAN), FORM);
    breaks(Fault::TrackedLosses, FORM);
    breaks(Fault::MixedTasks, "a task's meta-gradient does not depend on the tasks beside it");
    breaks(Fault::ChunkDependent, "chunks and threads change no bit");
    breaks(Fault::Forgetful, "the same inputs give the same bits");
    breaks(Fault::WrongFactor, "the meta-gradient is the derivative of the losses");
    breaks(Fault::FlatPredictions, "predictions lead with tasks and queries");
    breaks(Fault::SeesOtherTasks, "a task's predictions do not depend on the tasks beside it");
    breaks(Fault::SeesOtherQueries, "inductive predictions do not depend on the other queries");
    breaks(Fault::DoesNotAdapt, "adaptation fits the support set");
    breaks(Fault::AdaptsUphill, "adaptation fits the support set");
}

#[test]
fn the_default_suite_runs_on_networks_with_kinks() -> anyhow::Result<()> {
    check(&Maml::new(Mlp::sinusoid(), MamlConfig::sinusoid())?, &Sinusoid::maml(5))?;
    Ok(())
}
