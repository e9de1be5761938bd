//! The few-shot learners that experiments compare, each made in one place: what it is called, and how it is built on the
//! common net. Experiments say how they are trained.

use anyhow::Result;
use rekindle_meta::metric::{
    Classifier, Distance, FineTune, FineTuneConfig, FullContext, LogisticRegression, Matching, MetricLearner,
    NearestNeighbour, PairLoss, Pretrained, Prototypical, Relation, RelationConfig, Ridge, Siamese, Svm,
};
use rekindle_meta::{
    Anil, Loss, Maml, MamlConfig, MamlPlusPlus, MamlPlusPlusConfig, MetaLearner, MetaSgd, MetaSgdConfig, ProtoMaml,
    ProtoMamlConfig, Reptile, ReptileConfig,
};
use rekindle_nn::{Conv4, Conv4Body, Conv4Config, Downsampling, Flatten, Init};

/// A learner with its names.
pub(super) struct Named {
    /// In metrics.
    pub(super) name: &'static str,
    /// In reports.
    pub(super) title: &'static str,
    pub(super) learner: Box<dyn MetaLearner>,
}

impl Named {
    pub(super) fn new(name: &'static str, title: &'static str, learner: impl MetaLearner + 'static) -> Self {
        Self { name, title, learner: Box::new(learner) }
    }
}

/// The net that all have in common: four convolutional blocks for images of 28×28.
#[derive(Clone, Copy, Debug)]
pub(super) struct Net {
    /// Channels of each block.
    pub(super) channels: usize,
    /// Channels of the images.
    pub(super) in_channels: usize,
}

/// Inverse temperature of cosines in attention; the paper of matching networks has none, that is 1.
const SCALE: f64 = 10.0;

impl Net {
    /// That of the papers, for Omniglot.
    pub(super) const OMNIGLOT: Self = Self { channels: 64, in_channels: 1 };

    pub(super) fn config(self, downsampling: Downsampling) -> Conv4Config {
        let Self { channels, in_channels } = self;
        // A head of N(0, 1), as published, costs hundreds of iterations to get over.
        Conv4Config { downsampling, channels, in_channels, head: Init::Zeros, ..Conv4Config::omniglot() }
    }

    /// The body of learners that compare: with max pooling.
    pub(super) fn body(self) -> Result<Conv4Body> {
        Ok(Conv4Body::new(self.config(Downsampling::MaxPool))?)
    }

    /// The net of learners that descend, with a head for 5 ways: with strides.
    fn conv4(self) -> Result<Conv4> {
        Ok(Conv4::new(self.config(Downsampling::Stride2), 5)?)
    }

    /// Features of [`body`](Self::body).
    fn features(self) -> usize {
        self.config(Downsampling::MaxPool).features()
    }
}

/// A prototypical network.
pub(super) fn prototypical(net: Net) -> Result<Named> {
    let learner = MetricLearner::new(net.body()?, Prototypical::default())?;
    Ok(Named::new("proto", "Prototypical network", learner))
}

/// A matching network, with its type, to look at its attention.
pub(super) fn attentive(net: Net) -> Result<MetricLearner<Conv4Body, Matching>> {
    let head = Matching { distance: Distance::Cosine { scale: SCALE }, context: None };
    Ok(MetricLearner::new(net.body()?, head)?)
}

/// A matching network.
pub(super) fn matching(net: Net) -> Result<Named> {
    Ok(Named::new("matching", "Matching network", attentive(net)?))
}

/// Learners that compare, and the nearest neighbour in pixels, which learns nothing.
pub(super) fn metric(net: Net) -> Result<Vec<Named>> {
    let maps = net.config(Downsampling::MaxPoolTwice);
    let context = Some(FullContext::new(net.features(), 5)?);
    let full_context = Matching { distance: Distance::Cosine { scale: SCALE }, context };
    let relation = Relation::new(RelationConfig::after(&maps))?;
    let verification = Siamese { loss: PairLoss::Verification { features: net.features() } };
    let ridge = Ridge { scale: SCALE, ..Ridge::default() };
    Ok(vec![
        Named::new(
            "nearest-neighbour",
            "Nearest neighbour in pixels",
            MetricLearner::new(Flatten, NearestNeighbour::default())?,
        ),
        prototypical(net)?,
        matching(net)?,
        Named::new(
            "matching-fce",
            "Matching network with full context",
            MetricLearner::new(net.body()?, full_context)?,
        ),
        Named::new("relation", "Relation network", MetricLearner::new(Conv4Body::new(maps)?, relation)?),
        Named::new("siamese", "Siamese network", MetricLearner::new(net.body()?, verification)?),
        Named::new("r2d2", "R2-D2", MetricLearner::new(net.body()?, ridge)?),
    ])
}

/// MetaOptNet with a support vector machine.
pub(super) fn svm(net: Net) -> Result<Named> {
    let svm = Svm { steps: 15, ..Svm::default() };
    Ok(Named::new("metaoptnet", "MetaOptNet-SVM", MetricLearner::new(net.body()?, svm)?))
}

/// Learners of one pretraining as a classifier of `classes`, by cosines: the parameters of one are those of the others.
/// Fine-tuning takes so many steps.
pub(super) fn pretrained(net: Net, classes: usize, steps: usize) -> Result<Vec<Named>> {
    let classifier = Classifier { classes, features: net.features(), cosine: Some(SCALE) };
    let logistic = Pretrained::new(net.body()?, classifier, LogisticRegression::default())?;
    Ok(vec![
        nearest(net, classifier)?,
        Named::new("logistic", "Logistic regression on pretrained features", logistic),
        fine_tune(net, classifier, steps)?,
    ])
}

/// The same with an affine classifier, as Meta-Dataset has it: nearest neighbours, and fine-tuning of all layers.
pub(super) fn transferred(net: Net, classes: usize, steps: usize) -> Result<[Named; 2]> {
    let classifier = Classifier { classes, features: net.features(), cosine: None };
    Ok([nearest(net, classifier)?, fine_tune(net, classifier, steps)?])
}

fn nearest(net: Net, classifier: Classifier) -> Result<Named> {
    let learner = Pretrained::new(net.body()?, classifier, NearestNeighbour::default())?;
    Ok(Named::new("knn", "Nearest neighbour of pretrained features", learner))
}

fn fine_tune(net: Net, classifier: Classifier, steps: usize) -> Result<Named> {
    let config = FineTuneConfig { steps, ..FineTuneConfig::default() };
    Ok(Named::new("finetune", "Fine-tuning of a pretrained net", FineTune::new(net.body()?, classifier, config)?))
}

/// The MAML family, for 5 ways; MAML++ counts the losses of all steps during the first tenth of its `iterations`.
pub(super) fn family(net: Net, iterations: u64) -> Result<Vec<Named>> {
    let maml = MamlConfig::omniglot();
    let implicit = MamlConfig { inner_lr: 0.1, ..MamlConfig::implicit(Loss::CrossEntropy) };
    let multi_step = MamlPlusPlusConfig { multi_step_iterations: iterations / 10, ..MamlPlusPlusConfig::default() };
    let meta_sgd = MetaSgdConfig::new(Loss::CrossEntropy);
    Ok(vec![
        Named::new("maml", "MAML", Maml::new(net.conv4()?, maml.clone())?),
        Named::new("fomaml", "FOMAML", Maml::first_order(net.conv4()?, maml.clone())?),
        Named::new("anil", "ANIL", Anil::new(net.conv4()?, "head", maml)?),
        Named::new("meta-sgd", "Meta-SGD", MetaSgd::new(net.conv4()?, meta_sgd)?),
        Named::new("maml-plus-plus", "MAML++", MamlPlusPlus::new(net.conv4()?, multi_step)?),
        Named::new("imaml", "iMAML", Maml::new(net.conv4()?, implicit)?),
        Named::new("reptile", "Reptile", Reptile::new(net.conv4()?, ReptileConfig::omniglot())?),
    ])
}

/// First-order Proto-MAML with its paper's rate.
pub(super) fn proto_maml(net: Net, steps: usize) -> Result<Named> {
    let config = ProtoMamlConfig { n_steps: steps, eval_steps: steps, ..ProtoMamlConfig::default() };
    Ok(Named::new("fo-proto-maml", "fo-Proto-MAML", ProtoMaml::new(net.body()?, config)?))
}
