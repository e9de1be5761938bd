//! Heads that compare, against loops that share no code with them.

use rekindle_autodiff::{Check, Params, Tensor, check_gradients};
use rekindle_meta::metric::{
    Distance, Episode, FullContext, Head, Matching, NearestNeighbour, PairLoss, Prototypical, Relation, RelationConfig,
    Siamese, SoftKMeans,
};
use rekindle_meta::{Result, Setting};

use super::{dot, episode, fresh, labels, random, rows, squared_distance};
use crate::assert_close;

/// Classes of two, three and one examples, out of order.
const LABELS: [usize; 6] = [1, 0, 1, 2, 0, 1];

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The mean of the examples with weights.
fn centre(examples: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    let sum = |j: usize| examples.iter().zip(weights).map(|(x, w)| w * x[j]).sum::<f64>();
    (0..examples[0].len()).map(|j| sum(j) / total).collect()
}

fn indicators(class: usize) -> Vec<f64> {
    LABELS.iter().map(|&label| f64::from(u8::from(label == class))).collect()
}

#[test]
fn prototypes_are_class_means() -> Result<()> {
    let episode = episode(&LABELS, 4, 5, 1);
    let support = rows(&episode.support);
    let prototypes: Vec<_> = (0..3).map(|n| centre(&support, &indicators(n))).collect();
    type Nearness = fn(&[f64], &[f64]) -> f64;
    let cases: [(Distance, Nearness); 2] = [
        (Distance::SquaredEuclidean, |a, b| -squared_distance(a, b)),
        (Distance::Cosine { scale: 3.0 }, |a, b| 3.0 * cosine(a, b)),
    ];
    for (distance, nearness) in cases {
        let logits = Prototypical { distance }.logits(&Params::new([])?, &episode)?;
        let queries = rows(&episode.queries);
        let expected: Vec<f64> = queries.iter().flat_map(|q| prototypes.iter().map(|p| nearness(q, p))).collect();
        assert_close(&logits.to_vec_f64()?, &expected, 1e-10);
    }
    Ok(())
}

/// One refinement by loops (Ren et al. 2018, eq. 3 and 4): the second example and the last one have lost their labels.
#[test]
fn unlabelled_examples_move_prototypes_by_how_much_they_belong() -> Result<()> {
    let mut episode = episode(&LABELS, 4, 5, 2);
    let hidden = [1, 5];
    let mut known: Vec<Vec<f64>> = rows(&episode.one_hot);
    hidden.iter().for_each(|&i| known[i] = vec![0.0; 3]);
    episode.one_hot = Tensor::from_vec(known.concat(), (1, 6, 3))?;
    let support = rows(&episode.support);
    let column = |known: &[Vec<f64>], n: usize| known.iter().map(|row| row[n]).collect::<Vec<f64>>();
    let first: Vec<_> = (0..3).map(|n| centre(&support, &column(&known, n))).collect();
    for &i in &hidden {
        let weights: Vec<f64> = first.iter().map(|c| (-squared_distance(&support[i], c)).exp()).collect();
        known[i] = weights.iter().map(|w| w / weights.iter().sum::<f64>()).collect();
    }
    let refined: Vec<_> = (0..3).map(|n| centre(&support, &column(&known, n))).collect();
    let logits = SoftKMeans::default().logits(&Params::new([])?, &episode)?;
    let expected: Vec<f64> =
        rows(&episode.queries).iter().flat_map(|q| refined.iter().map(|c| -squared_distance(q, c))).collect();
    assert_close(&logits.to_vec_f64()?, &expected, 1e-12);
    Ok(())
}

/// The attention of a query sums to 1, and over the examples of a class to the class's probability, with context or not.
#[test]
fn attention_by_class_is_the_prediction() -> Result<()> {
    let episode = episode(&LABELS, 4, 5, 9);
    for context in [None, Some(FullContext::new(4, 2)?)] {
        let head = Matching { distance: Distance::Cosine { scale: 3.0 }, context };
        let params = fresh(&head);
        let (attention, logits) = (head.attention(&params, &episode)?, head.logits(&params, &episode)?);
        assert_eq!(attention.dims(), [1, 5, 6]);
        let by_class = attention.matmul(&episode.one_hot)?.to_vec_f64()?;
        assert_close(&by_class, &logits.softmax()?.to_vec_f64()?, 1e-12);
    }
    Ok(())
}

#[test]
fn soft_k_means_without_unlabelled_examples_is_a_prototypical_network() -> Result<()> {
    let (episode, none) = (episode(&LABELS, 4, 5, 3), Params::new([])?);
    let ours = SoftKMeans { steps: 3, ..SoftKMeans::default() }.logits(&none, &episode)?;
    assert_close(&ours.to_vec_f64()?, &Prototypical::default().logits(&none, &episode)?.to_vec_f64()?, 1e-12);
    Ok(())
}

/// `p(n) = Σ_{i of n} softmax_i c(f, g_i)`, by loops.
#[test]
fn matching_adds_attention_up_by_class() -> Result<()> {
    let episode = episode(&LABELS, 4, 5, 4);
    let support = rows(&episode.support);
    let probabilities = Matching::default().logits(&Params::new([])?, &episode)?.softmax()?.to_vec_f64()?;
    let expected = rows(&episode.queries).into_iter().flat_map(|q| {
        let each: Vec<f64> = support.iter().map(|x| cosine(&q, x).exp()).collect();
        let total: f64 = each.iter().sum();
        (0..3).map(move |n| dot(&each, &indicators(n)) / total).collect::<Vec<_>>()
    });
    assert_close(&probabilities, &expected.collect::<Vec<_>>(), 1e-10);
    Ok(())
}

/// An LSTM without weights answers zero, so that only the skip connections remain.
#[test]
fn contexts_without_weights_change_nothing() -> Result<()> {
    let episode = episode(&LABELS, 4, 5, 5);
    let head = Matching { context: Some(FullContext::new(4, 3)?), ..Matching::default() };
    let zeros = fresh(&head).zeros_like()?;
    let (ours, plain) = (head.logits(&zeros, &episode)?, Matching::default().logits(&zeros, &episode)?);
    assert_close(&ours.to_vec_f64()?, &plain.to_vec_f64()?, 1e-12);
    Ok(())
}

/// Read backwards with its two networks exchanged, a bidirectional context is the same; without the exchange it is not.
#[test]
fn a_context_reads_the_support_set_from_both_ends() -> Result<()> {
    let episode = episode(&LABELS, 4, 5, 6);
    let head = Matching { context: Some(FullContext::new(4, 2)?), ..Matching::default() };
    let params = fresh(&head);
    let exchanged = Params::new(params.iter().map(|(name, leaf)| {
        let name = match name.split_once('.') {
            Some(("forward", rest)) => format!("backward.{rest}"),
            Some(("backward", rest)) => format!("forward.{rest}"),
            _ => name.to_owned(),
        };
        (name, leaf.clone())
    }))?;
    let mut backwards = episode.clone();
    (backwards.support, backwards.one_hot) = (episode.support.flip(1)?, episode.one_hot.flip(1)?);
    let ours = head.logits(&params, &episode)?.to_vec_f64()?;
    assert_close(&ours, &head.logits(&exchanged, &backwards)?.to_vec_f64()?, 1e-12);
    let other = head.logits(&params, &backwards)?.to_vec_f64()?;
    assert!(ours.iter().zip(&other).any(|(a, b)| (a - b).abs() > 1e-6), "the order makes no difference");
    Ok(())
}

/// The paper's module, written out: maps laid one on the other, one convolution over both, pooling after the ReLU.
#[test]
fn relations_are_those_of_concatenated_maps() -> Result<()> {
    let (side, channels, eps) = (5, 2, 1e-3);
    let episode = episode(&LABELS, side * side * channels, 3, 7);
    let head = Relation::new(RelationConfig { grid: (side, side), channels, hidden: 3, eps })?;
    let params = fresh(&head);
    let leaf = |name: &str| params.get(name);

    let sums = episode.class_sums()?.reshape((1, 1, 3, side, side, channels))?;
    let queries = episode.queries.reshape((1, 3, 1, side, side, channels))?;
    let all = (1, 3, 3, side, side, channels);
    let pairs = Tensor::cat(&[&sums.broadcast_to(all)?, &queries.broadcast_to(all)?], 5)?;
    let pairs = pairs.reshape((1, 9, side, side, 2 * channels))?;
    let weight = Tensor::cat(&[leaf("support.weight")?, leaf("query.weight")?], 3)?;
    let block = |x: &Tensor, weight: &Tensor, norm: &str| -> Result<Tensor> {
        let (gamma, beta) = (leaf(&format!("{norm}.gamma"))?, leaf(&format!("{norm}.beta"))?);
        let y = x.conv2d(weight, 1, 1)?.batch_norm(gamma, beta, eps, rekindle_autodiff::NormStats::Batch)?;
        Ok(y.relu()?.max_pool2d(2, 2)?)
    };
    let h = block(&block(&pairs, &weight, "norm1")?, leaf("conv2.weight")?, "norm2")?.reshape((1, 9, channels))?;
    let h = h.linear(leaf("fc1.weight")?, Some(leaf("fc1.bias")?))?.relu()?;
    let expected = h.linear(leaf("fc2.weight")?, Some(leaf("fc2.bias")?))?;
    assert_close(&head.logits(&params, &episode)?.to_vec_f64()?, &expected.to_vec_f64()?, 1e-10);
    Ok(())
}

/// A query that stands in the support set relates as the support example does, where statistics come from there.
#[test]
fn inductive_relations_are_normalised_by_the_support_set() -> Result<()> {
    let mut episode = episode(&LABELS, 5 * 5 * 2, 1, 8);
    let head = Relation::new(RelationConfig { grid: (5, 5), channels: 2, hidden: 3, eps: 1e-3 })?;
    let params = fresh(&head);
    episode.queries = episode.support.clone();
    let together = head.logits(&params, &episode)?.to_vec_f64()?;
    episode.setting = Setting::Inductive;
    episode.queries = episode.support.narrow(1, 2, 1)?;
    assert_close(&head.logits(&params, &episode)?.to_vec_f64()?, &together[6..9], 1e-10);
    Ok(())
}

/// The mean squared error to 0 and 1, of sigmoids by hand.
#[test]
fn relations_are_trained_towards_zero_and_one() -> Result<()> {
    let episode = episode(&[0, 1, 2], 4 * 4, 2, 9);
    let head = Relation::new(RelationConfig { grid: (4, 4), channels: 1, hidden: 3, eps: 1e-3 })?;
    let params = fresh(&head);
    let logits = head.logits(&params, &episode)?.to_vec_f64()?;
    let answers = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0];
    let squares = logits.iter().zip(answers).map(|(s, y)| (1.0 / (1.0 + (-s).exp()) - y).powi(2));
    let expected = squares.sum::<f64>() / 6.0;
    assert_close(&head.loss(&params, &episode, &labels(&[2, 0]))?.to_vec_f64()?, &[expected], 1e-12);
    Ok(())
}

/// All pairs of a query and a support example, by loops: those of one class and those of two count half each.
#[test]
fn siamese_losses_are_means_over_pairs() -> Result<()> {
    let episode = episode(&LABELS, 4, 3, 10);
    let answers = [2u32, 0, 1];
    let (queries, support) = (rows(&episode.queries), rows(&episode.support));
    let softplus = |s: f64| (1.0 + s.exp()).ln();
    let verification = Siamese { loss: PairLoss::Verification { features: 4 } };
    let params = Params::new([
        ("alpha".to_owned(), random(&[1, 4, 1], 11)),
        ("bias".to_owned(), Tensor::from_vec(vec![0.3], (1, 1))?),
    ])?;
    let alpha = params.get("alpha")?.to_vec_f64()?;
    let score = |q: &[f64], x: &[f64]| 0.3 - (0..4).map(|j| alpha[j] * (q[j] - x[j]).abs()).sum::<f64>();
    let contrastive = |squared| Siamese { loss: PairLoss::Contrastive { margin: 1.5, squared } };
    type Cost<'a> = Box<dyn Fn(&[f64], &[f64], bool) -> f64 + 'a>;
    let cases: [(Siamese, Cost<'_>); 3] = [
        (verification, Box::new(|q, x, same| softplus(if same { -score(q, x) } else { score(q, x) }))),
        (
            contrastive(true),
            Box::new(|q, x, same| {
                let d = squared_distance(q, x).sqrt();
                if same { d * d } else { (1.5 - d).max(0.0).powi(2) }
            }),
        ),
        (
            contrastive(false),
            Box::new(|q, x, same| {
                let d = squared_distance(q, x).sqrt();
                if same { d } else { (1.5 - d).max(0.0) }
            }),
        ),
    ];
    for (head, cost) in cases {
        let (mut sums, mut counts) = ([0.0; 2], [0.0; 2]);
        for (q, &answer) in queries.iter().zip(&answers) {
            for (x, &label) in support.iter().zip(&LABELS) {
                let same = label == answer as usize;
                sums[usize::from(same)] += cost(q, x, same);
                counts[usize::from(same)] += 1.0;
            }
        }
        let expected = (sums[0] / counts[0] + sums[1] / counts[1]) / 2.0;
        let loss = head.loss(&params, &episode, &labels(&answers))?;
        assert_close(&loss.to_vec_f64()?, &[expected], 1e-9);
    }
    Ok(())
}

/// Finite differences of the losses by embeddings and parameters, for the heads with kinks: one element moves at a time, and
/// too little to cross one.
#[test]
fn losses_with_kinks_have_the_right_gradients() -> Result<()> {
    let relation = Relation::new(RelationConfig { grid: (4, 4), channels: 2, hidden: 3, eps: 0.1 })?;
    let nearest = NearestNeighbour { distance: Distance::SquaredEuclidean };
    for (head, features) in [(&relation as &dyn Head, 32), (&nearest, 4)] {
        let (episode, params) = (episode(&LABELS, features, 2, 13), fresh(head));
        let answers = labels(&[2, 0]);
        let loss = |t: &[Tensor]| {
            let moved = Episode { support: t[0].clone(), queries: t[1].clone(), ..episode.clone() };
            let params = params.with_leaves(t[2..].to_vec())?;
            // An error of the head's has no place here; none of these inputs has one.
            Ok(head.loss(&params, &moved, &answers).expect("the episode fits the head"))
        };
        let inputs = [vec![episode.support.clone(), episode.queries.clone()], params.leaves().to_vec()].concat();
        check_gradients(loss, &inputs, Check { order: 1, ..Check::default() })?;
    }
    Ok(())
}

#[test]
fn the_nearest_neighbour_decides() -> Result<()> {
    let episode = episode(&LABELS, 4, 5, 12);
    let logits = NearestNeighbour { distance: Distance::SquaredEuclidean }.logits(&Params::new([])?, &episode)?;
    let support = rows(&episode.support);
    for (logits, q) in rows(&logits).iter().zip(rows(&episode.queries)) {
        let nearest = |n: usize| {
            let of_class = support.iter().zip(&LABELS).filter(|(_, label)| **label == n);
            of_class.map(|(x, _)| -squared_distance(&q, x)).fold(f64::NEG_INFINITY, f64::max)
        };
        assert_close(logits, &[nearest(0), nearest(1), nearest(2)], 1e-12);
    }
    Ok(())
}
