//! The learners of `model-based/omniglot`: each behind the same convolutional body, with the sizes of its paper where they
//! are affordable.

use anyhow::Result;
use rekindle_meta::{
    BlackBoxLearner, InContext, InContextConfig, Mann, MannConfig, MetaLearner, MetaNetworks, MetaNetworksConfig,
    Prequential, Recurrent, RecurrentConfig, Snail, SnailConfig, Targets,
};
use rekindle_nn::{Conv4Body, Conv4Config, Init};

use super::prompts::tiny;

/// Classes of an episode.
pub(super) const WAYS: usize = 5;

/// A learner with its name in metrics, a title, and what was published for 5-way 1-shot.
pub(super) struct BlackBoxes {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) learner: Box<dyn MetaLearner>,
    /// Accuracy in per cent, its interval, and where it stands.
    pub(super) published: Option<(f64, Option<f64>, &'static str)>,
    /// Adam's rate in the first iteration.
    pub(super) rate: f64,
}

/// Learners of 5-way tasks with one shot.
pub(super) fn one_shot() -> Result<Vec<BlackBoxes>> {
    let (features, targets) = (body()?.features(), Targets::Classes(WAYS));
    let of = |name, title, learner, published, rate| BlackBoxes { name, title, learner, published, rate };
    let santoro = (82.8, None, "Santoro et al. 2016, Table 1, second presentation of a class");
    let mann = MannConfig { every_step: false, ..small_mann(features) };
    Ok(vec![
        of("lstm", "LSTM", boxed(Recurrent::new(RecurrentConfig::lstm(features, targets))?)?, None, 2e-3),
        of("mann", "MANN", boxed(Mann::new(mann)?)?, Some(santoro), 2e-3),
        of(
            "snail",
            "SNAIL",
            boxed(Snail::new(SnailConfig::few_shot(features, WAYS, 1))?)?,
            Some((99.07, Some(0.16), "Mishra et al. 2018, Table 1")),
            2e-3,
        ),
        of("in-context", "in-context transformer", boxed(InContext::new(transformer(features))?)?, None, 2e-3),
        of(
            "meta-networks",
            "Meta Networks",
            boxed(MetaNetworks::new(MetaNetworksConfig::new(features, targets))?)?,
            Some((98.95, None, "Munkhdalai & Yu 2017, Table 1")),
            2e-3,
        ),
    ])
}

/// The recurrent learners of sequences, with their names.
pub(super) fn recurrent() -> Result<(BlackBoxLearner<Recurrent>, BlackBoxLearner<Mann>)> {
    let (features, targets) = (body()?.features(), Targets::Classes(WAYS));
    let lstm = RecurrentConfig { every_step: true, ..RecurrentConfig::lstm(features, targets) };
    Ok((embedded(Recurrent::new(lstm)?)?, embedded(Mann::new(small_mann(features))?)?))
}

/// The paper's controller; a memory of 64 places in place of 128 is enough for 50 presentations.
fn small_mann(features: usize) -> MannConfig {
    MannConfig { places: 64, ..MannConfig::new(features, Targets::Classes(WAYS)) }
}

fn transformer(features: usize) -> InContextConfig {
    InContextConfig { transformer: tiny(), ..InContextConfig::classes(features, WAYS) }
}

/// MAML's net for Omniglot without its head. He's distribution, since ReLU follows.
fn body() -> Result<Conv4Body> {
    Ok(Conv4Body::new(Conv4Config { conv: Init::HeNormal, ..Conv4Config::omniglot() })?)
}

fn embedded<B: rekindle_meta::BlackBox>(core: B) -> Result<BlackBoxLearner<B>> {
    Ok(BlackBoxLearner::with_embedding(core, body()?))
}

fn boxed(core: impl rekindle_meta::BlackBox + 'static) -> Result<Box<dyn MetaLearner>> {
    Ok(Box::new(embedded(core)?))
}

/// Accuracies at the first, second, … sight of a class in a sequence of labelled images.
pub(super) fn at_sights<B: Prequential>(
    learner: &BlackBoxLearner<B>,
    params: &rekindle_autodiff::Params,
    sequence: &rekindle_tasks::Batch,
    sights: usize,
) -> Result<Vec<Vec<f64>>> {
    let logits = learner.outputs(params, sequence)?;
    let guesses = logits.value().argmax(candle_core::D::Minus1)?.to_vec2::<u32>()?;
    let labels = sequence.y.to_vec2::<u32>()?;
    let mut accuracies = vec![Vec::with_capacity(labels.len()); sights];
    for (guesses, labels) in guesses.iter().zip(&labels) {
        let mut seen = [0usize; WAYS];
        let mut right = vec![(0usize, 0usize); sights];
        for (guess, label) in guesses.iter().zip(labels) {
            let sight = &mut seen[*label as usize];
            if let Some((hits, all)) = right.get_mut(*sight) {
                (*hits, *all) = (*hits + usize::from(guess == label), *all + 1);
            }
            *sight += 1;
        }
        for (accuracies, (hits, all)) in accuracies.iter_mut().zip(right) {
            accuracies.push(hits as f64 / all.max(1) as f64);
        }
    }
    Ok(accuracies)
}
