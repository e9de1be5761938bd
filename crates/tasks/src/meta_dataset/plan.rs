//! How large an episode is: classes, shots of each, queries.
//!
//! ```text
//! ways      N ~ U{min_ways … min(max_ways, classes)}        (a hierarchy: all classes below a node, at most max_ways)
//! queries   q = min(max_queries, min_c ⌊|c| / 2⌋)            of every class
//! support   |S| = min(max_support, Σ_c ⌈β · min(max_support_per_class, |c| − q)⌉),      β ~ U(0, 1]
//! shots     R_c = e^{α_c} |c| / Σ_c' e^{α_c'} |c'|,   α_c ~ U[min_log_weight, max_log_weight]
//!           k_c = min(⌊R_c (|S| − N)⌋ + 1, |c| − q)
//! ```
//! Triantafillou et al. 2020, §3.2; |c| is the number of images of class c.

use rand::{Rng, RngCore, seq::SliceRandom, seq::index};

use super::ClassPool;
use crate::{Error, Result};

/// The rule by which Meta-Dataset draws the size of an episode. Defaults are the paper's.
#[derive(Clone, Debug, PartialEq)]
pub struct MetaDataset {
    /// Fewest ways, `>= 1`: 5.
    pub min_ways: usize,
    /// Most ways, `>= min_ways`: 50.
    pub max_ways: usize,
    /// Most classes that an inner node of a hierarchy may span and still be drawn, `>= min_ways`: 392.
    pub max_span: usize,
    /// Most queries of each class, `>= 1`: 10.
    pub max_queries: usize,
    /// Most support examples of an episode, `>= max_ways`: 500.
    pub max_support: usize,
    /// Most support examples that one class adds to the size of the support set, `>= 1`: 100.
    pub max_support_per_class: usize,
    /// Least logarithm of a class's weight: log ½.
    pub min_log_weight: f64,
    /// Greatest logarithm of a class's weight, `>= min_log_weight`: log 2.
    pub max_log_weight: f64,
}

impl Default for MetaDataset {
    fn default() -> Self {
        let log_weight = std::f64::consts::LN_2;
        Self {
            min_ways: 5,
            max_ways: 50,
            max_span: 392,
            max_queries: 10,
            max_support: 500,
            max_support_per_class: 100,
            min_log_weight: -log_weight,
            max_log_weight: log_weight,
        }
    }
}

/// The size of one episode: its classes in the order of their labels, and how many examples of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpisodePlan {
    /// The N classes, as numbers of the data set.
    pub classes: Vec<usize>,
    /// Support examples k_c of each, `[N]`, at least 1.
    pub shots: Vec<usize>,
    /// Query examples q of each.
    pub queries: usize,
}

impl EpisodePlan {
    /// Number of classes N.
    pub fn ways(&self) -> usize {
        self.classes.len()
    }

    /// Number of support examples |S|.
    pub fn n_support(&self) -> usize {
        self.shots.iter().sum()
    }
}

impl MetaDataset {
    /// Checks the ranges that the fields state.
    ///
    /// # Errors
    /// [`Error::Config`] that names the field.
    pub fn validate(&self) -> Result<()> {
        let at_least = |field, value: usize, least: usize, expected| {
            if value >= least { Ok(()) } else { Err(Error::Config { field, value: value.to_string(), expected }) }
        };
        at_least("min_ways", self.min_ways, 1, "at least 1")?;
        at_least("max_ways", self.max_ways, self.min_ways, "at least min_ways")?;
        at_least("max_span", self.max_span, self.min_ways, "at least min_ways")?;
        at_least("max_queries", self.max_queries, 1, "at least 1")?;
        at_least("max_support", self.max_support, self.max_ways, "at least max_ways: one example of each class")?;
        at_least("max_support_per_class", self.max_support_per_class, 1, "at least 1")?;
        if !(self.min_log_weight.is_finite() && self.max_log_weight.is_finite()) {
            let value = format!("[{}, {}]", self.min_log_weight, self.max_log_weight);
            return Err(Error::Config { field: "min_log_weight, max_log_weight", value, expected: "finite" });
        }
        if self.min_log_weight > self.max_log_weight {
            let value = self.max_log_weight.to_string();
            return Err(Error::Config { field: "max_log_weight", value, expected: "at least min_log_weight" });
        }
        Ok(())
    }

    /// Draws the size of an episode, `sizes[c]` being the number of images of class c.
    ///
    /// This needs no images, so it serves to look at the sizes of episodes alone.
    ///
    /// ```
    /// use rekindle_tasks::{ClassPool, MetaDataset, batch_rng};
    ///
    /// let (pool, sizes) = (ClassPool::Any((0..20).collect()), [100; 20]);
    /// let plan = MetaDataset::default().plan(&mut batch_rng(0, 0), &pool, &sizes)?;
    /// assert!((5..=20).contains(&plan.ways()) && plan.n_support() <= 500);
    /// assert_eq!(plan.queries, 10);
    /// # Ok::<(), rekindle_tasks::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TooFewClasses`] when `pool` cannot fill an episode, [`Error::TooFewExamples`] for a class of fewer than
    /// two images, [`Error::OutOfRange`] for a class without a size, [`Error::Config`] from
    /// [`validate`](Self::validate).
    pub fn plan(&self, rng: &mut dyn RngCore, pool: &ClassPool, sizes: &[usize]) -> Result<EpisodePlan> {
        self.validate()?;
        let pool = pool.eligible(self.min_ways, self.max_span)?;
        for class in pool.classes() {
            let &available =
                sizes.get(class).ok_or(Error::OutOfRange { what: "class", index: class, available: sizes.len() })?;
            if available < 2 {
                return Err(Error::TooFewExamples { class: class.to_string(), available, shots: 1, queries: 1 });
            }
        }
        Ok(self.draw(rng, &pool, sizes))
    }

    /// [`plan`](Self::plan) of a pool that [`ClassPool::eligible`] has passed, all classes having two images or more.
    pub(super) fn draw(&self, rng: &mut dyn RngCore, pool: &ClassPool, sizes: &[usize]) -> EpisodePlan {
        let classes = self.draw_classes(rng, pool);
        let sizes: Vec<usize> = classes.iter().map(|&class| sizes[class]).collect();
        let queries = sizes.iter().map(|size| size / 2).min().unwrap_or(0).min(self.max_queries);
        let support = self.draw_support(rng, &sizes, queries);
        let shots = self.draw_shots(rng, &sizes, queries, support);
        EpisodePlan { classes, shots, queries }
    }

    /// The classes of an episode in random order.
    fn draw_classes(&self, rng: &mut dyn RngCore, pool: &ClassPool) -> Vec<usize> {
        match pool {
            ClassPool::Any(classes) => self.draw_ways(rng, classes),
            ClassPool::Groups(groups) => {
                let group = &groups[rng.random_range(0..groups.len())];
                self.draw_ways(rng, group)
            }
            ClassPool::Spans(spans) => {
                let mut classes = spans[rng.random_range(0..spans.len())].clone();
                classes.shuffle(rng);
                classes.truncate(self.max_ways);
                classes
            }
        }
    }

    fn draw_ways(&self, rng: &mut dyn RngCore, classes: &[usize]) -> Vec<usize> {
        let ways = rng.random_range(self.min_ways..=self.max_ways.min(classes.len()));
        index::sample(rng, classes.len(), ways).into_iter().map(|i| classes[i]).collect()
    }

    /// The size of the support set |S| that shots divide.
    fn draw_support(&self, rng: &mut dyn RngCore, sizes: &[usize], queries: usize) -> usize {
        let beta = 1.0 - rng.random::<f64>(); // (0, 1]
        let part = |size: &usize| (beta * (size - queries).min(self.max_support_per_class) as f64).ceil() as usize;
        sizes.iter().map(part).sum::<usize>().min(self.max_support)
    }

    /// Shots k_c of classes of the given sizes.
    fn draw_shots(&self, rng: &mut dyn RngCore, sizes: &[usize], queries: usize, support: usize) -> Vec<usize> {
        let (low, high) = (self.min_log_weight, self.max_log_weight);
        let weight = |&size: &usize| libm::exp(low + (high - low) * rng.random::<f64>()) * size as f64;
        let weights: Vec<f64> = sizes.iter().map(weight).collect();
        let total: f64 = weights.iter().sum();
        let spare = support.saturating_sub(sizes.len()) as f64;
        let shots = |(weight, size): (&f64, &usize)| ((weight / total * spare) as usize + 1).min(size - queries);
        weights.iter().zip(sizes).map(shots).collect()
    }
}
