//! Few-shot episodes.

use std::collections::HashSet;

use proptest::prelude::*;
use rekindle_tasks::{Error, FewShot, FewShotSampler, Glyphs, InMemory, Rotated, TaskBatch, TaskSampler, batch_rng};

use crate::common::{Result, nearest_neighbour_accuracy};

/// Images [2, 2, 1] that tell who they are: class and example numbers in the upper row, zeros below.
fn labelled_images(n_classes: usize, n_examples: usize) -> InMemory {
    let class = |class: usize| {
        (format!("class {class}"), (0..n_examples).flat_map(|e| [class as u8 + 1, e as u8 + 1, 0, 0]).collect())
    };
    InMemory::from_bytes([2, 2, 1], (0..n_classes).map(class)).expect("whole images")
}

/// (class, example, label) of each image of each task; finds the upper row again however the image is turned.
fn read_back(batch: &rekindle_tasks::Batch) -> Vec<Vec<(u8, u8, u32)>> {
    let pixels: Vec<Vec<Vec<f32>>> = batch.x.flatten_from(2).unwrap().to_vec3().unwrap();
    let labels: Vec<Vec<u32>> = batch.y.to_vec2().unwrap();
    let identify = |image: &[f32]| {
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| (image[i] * 255.0).round() as u8);
        // Counter-clockwise from the corner where the upper row begins: (0,0) → (1,0) → (1,1) → (0,1).
        [(a, b), (c, a), (d, c), (b, d)].into_iter().find(|&(class, example)| class > 0 && example > 0).unwrap()
    };
    let task = |(images, labels): (&Vec<Vec<f32>>, &Vec<u32>)| {
        images.iter().zip(labels).map(|(image, &label)| (identify(image).0, identify(image).1, label)).collect()
    };
    pixels.iter().zip(&labels).map(task).collect()
}

fn check_episode(support: &[(u8, u8, u32)], query: &[(u8, u8, u32)], config: &FewShot) {
    let all: Vec<_> = support.iter().chain(query).collect();
    let distinct: HashSet<_> = all.iter().map(|(class, example, _)| (class, example)).collect();
    assert_eq!(distinct.len(), all.len(), "support and query share no drawing, and none comes twice");
    let classes: HashSet<_> = all.iter().map(|(class, _, label)| (class, label)).collect();
    assert_eq!(classes.len(), config.ways, "each class has one label and each label one class");
    for (rows, per_class) in [(support, config.shots), (query, config.queries)] {
        let labels: Vec<u32> = rows.iter().map(|row| row.2).collect();
        let expected: Vec<u32> = (0..config.ways * per_class).map(|row| (row / per_class) as u32).collect();
        assert_eq!(labels, expected, "rows are ordered by label");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_episode_is_well_formed(
        ways in 1..8usize, shots in 1..4usize, queries in 1..4usize, spare in 0..3usize,
        rotate: bool, seed: u64, n_tasks in 1..4usize,
    ) {
        let config = FewShot { ways, shots, queries, rotate };
        let data = labelled_images(ways + spare, shots + queries + spare);
        let sampler = FewShotSampler::new(data, config.clone()).unwrap();
        let tasks = sampler.sample(&mut batch_rng(seed, 0), n_tasks).unwrap();
        tasks.validate().unwrap();
        prop_assert_eq!(tasks.support.x.dims(), &[n_tasks, ways * shots, 2, 2, 1]);
        prop_assert_eq!(tasks.query.x.dims(), &[n_tasks, ways * queries, 2, 2, 1]);
        for (support, query) in read_back(&tasks.support).iter().zip(&read_back(&tasks.query)) {
            check_episode(support, query, &config);
        }
    }
}

fn sample(config: FewShot, n_tasks: usize) -> TaskBatch {
    FewShotSampler::new(labelled_images(6, 4), config).unwrap().sample(&mut batch_rng(3, 1), n_tasks).unwrap()
}

/// Each of 6 classes should get each of 5 labels in a sixth of the episodes: 3000 episodes, six standard errors.
#[test]
fn labels_are_assigned_at_random() {
    let mut counts = [[0f64; 5]; 6];
    for task in read_back(&sample(FewShot::default(), 3000).support) {
        task.iter().for_each(|&(class, _, label)| counts[class as usize - 1][label as usize] += 1.0);
    }
    let standard_error = (3000.0f64 / 6.0 * 5.0 / 6.0).sqrt();
    assert!(counts.iter().flatten().all(|n| (n - 500.0).abs() < 6.0 * standard_error), "{counts:?}");
}

/// With `rotate`, a class is turned alike in support and query, each of the four ways equally often (six standard
/// errors).
#[test]
fn rotations_are_drawn_per_class_and_episode() -> Result<()> {
    let tasks = sample(FewShot { ways: 5, shots: 2, queries: 2, rotate: true }, 1000);
    let turns = |batch: &rekindle_tasks::Batch| -> Result<Vec<usize>> {
        let images: Vec<Vec<f32>> = batch.x.flatten_from(2)?.flatten(0, 1)?.to_vec2()?;
        // The class mark sits, and the mark of the example follows it, at these corners after 0, 1, 2, 3 quarter turns.
        let marks = [(0, 1), (2, 0), (3, 2), (1, 3)];
        Ok(images
            .iter()
            .map(|image| marks.iter().position(|&(a, b)| image[a] > 0.0 && image[b] > 0.0).unwrap())
            .collect())
    };
    let (support, query) = (turns(&tasks.support)?, turns(&tasks.query)?);
    let mut counts = [0f64; 4];
    for (support, query) in support.chunks(2).zip(query.chunks(2)) {
        assert!(support.iter().chain(query).all(|turn| *turn == support[0]));
        counts[support[0]] += 1.0;
    }
    assert!(counts.iter().all(|n| (n - 1250.0).abs() < 6.0 * (5000.0f64 * 0.25 * 0.75).sqrt()), "{counts:?}");
    Ok(())
}

#[test]
fn equal_generators_give_equal_tasks() -> Result<()> {
    let values = |seed| -> Result<Vec<f32>> {
        let sampler = FewShotSampler::new(Glyphs::default(), FewShot { rotate: true, ..FewShot::default() })?;
        Ok(sampler.sample(&mut batch_rng(seed, 4), 3)?.query.x.flatten_all()?.to_vec1()?)
    };
    assert_eq!(values(5)?, values(5)?);
    assert_ne!(values(5)?, values(6)?);
    Ok(())
}

#[test]
fn episodes_that_do_not_fit_are_refused_at_once() {
    let refuse = |data: InMemory, config| FewShotSampler::new(data, config).unwrap_err();
    let config = FewShot { ways: 7, ..FewShot::default() };
    assert!(matches!(refuse(labelled_images(6, 4), config), Error::TooFewClasses { ways: 7, available: 6 }));
    let uneven = InMemory::from_bytes([1, 1, 1], [("full".into(), vec![0; 9]), ("Ж".into(), vec![0; 3])]).unwrap();
    let error = refuse(uneven, FewShot { ways: 2, shots: 2, queries: 2, rotate: false });
    assert_eq!(
        error.to_string(),
        "class \"Ж\" has 3 examples, but 2 support and 2 query examples need 4; lower `shots` or `queries`, or leave the class out"
    );
    let oblong = InMemory::from_bytes([1, 2, 1], (0..5).map(|i| (i.to_string(), vec![0; 4]))).unwrap();
    assert!(matches!(
        refuse(oblong, FewShot { rotate: true, ..FewShot::default() }),
        Error::NotSquare { height: 1, width: 2 }
    ));
    let error = refuse(labelled_images(6, 4), FewShot { queries: 0, ..FewShot::default() });
    assert!(error.to_string().contains("`queries` is 0"));
    let error = refuse(labelled_images(6, 4), FewShot { shots: usize::MAX, ..FewShot::default() });
    assert!(matches!(error, Error::TooFewExamples { .. }));
}

/// Glyphs are about as hard for pixels as Omniglot, where the same figures are 0.49 and 0.29, and far from chance.
#[test]
fn glyphs_are_as_hard_as_omniglot_for_nearest_neighbours() -> Result<()> {
    let accuracy = nearest_neighbour_accuracy(Glyphs::default(), 5, 500)?;
    assert!((0.45..0.60).contains(&accuracy), "5-way 1-shot {accuracy}");
    let accuracy = nearest_neighbour_accuracy(Glyphs::default(), 20, 100)?;
    assert!((0.25..0.40).contains(&accuracy), "20-way 1-shot {accuracy}");
    Ok(())
}

#[test]
fn a_copy_in_memory_serves_rotated_glyphs() -> Result<()> {
    let glyphs = Glyphs { n_classes: 10, n_examples: 4, ..Glyphs::default() };
    let sampler =
        FewShotSampler::new(Rotated::new(InMemory::copy_of(&glyphs)?)?, FewShot { ways: 40, ..FewShot::default() })?;
    sampler.sample(&mut batch_rng(0, 0), 1)?.validate()?;
    Ok(())
}
