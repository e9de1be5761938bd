//! Meta-Dataset: sizes of episodes against reference means, invariants, the official descriptions.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use rekindle_tasks::{
    ClassDataset, ClassPool, DatasetSpec, EpisodePlan, Error, Glyphs, InMemory, MetaDataset, MetaDatasetSampler,
    Omniglot, SpecSplit, TaskSampler, batch_rng, sets,
};

use crate::common::{Result, image, real_data};

const SPLITS: [SpecSplit; 3] = [SpecSplit::Train, SpecSplit::Valid, SpecSplit::Test];

/// Means over episodes: ways, support, and shots of a class: their mean, least and greatest within an episode.
fn means(pool: &ClassPool, sizes: &[usize], n_episodes: usize) -> Result<[f64; 5]> {
    let mut rng = batch_rng(7, 0);
    let mut sums = [0.0; 5];
    for _ in 0..n_episodes {
        let plan = MetaDataset::default().plan(&mut rng, pool, sizes)?;
        let extreme = |shots: Option<&usize>| shots.copied().unwrap_or(0) as f64;
        let (ways, support) = (plan.ways() as f64, plan.n_support() as f64);
        let of = [ways, support, support / ways, extreme(plan.shots.iter().min()), extreme(plan.shots.iter().max())];
        sums.iter_mut().zip(of).for_each(|(sum, v)| *sum += v / n_episodes as f64);
    }
    Ok(sums)
}

/// Means of 20,000 episodes of a Python program that follows the official sampler (protocols.md, 15.1). Two per cent
/// is three of their standard errors or more.
#[test]
fn mean_sizes_are_those_of_the_reference() -> Result<()> {
    let reference: [(&[usize], [f64; 3]); 4] = [
        (&[100; 15], [10.0, 338.0, 35.7]),
        (&[120; 7], [6.0, 281.0, 47.0]),
        (&[500; 43], [23.9, 417.0, 22.4]),
        (&[120_000; 52], [27.5, 423.0, 20.5]),
    ];
    for (sizes, expected) in reference {
        let found = means(&ClassPool::Any((0..sizes.len()).collect()), sizes, 20_000)?;
        for (found, expected) in found.iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 0.02, "{} classes: {found} is not {expected}", sizes.len());
        }
    }
    let [.., least, greatest] = means(&ClassPool::Any((0..15).collect()), &[100; 15], 20_000)?;
    assert!((least / 20.0 - 1.0).abs() < 0.02 && (greatest / 56.0 - 1.0).abs() < 0.02, "{least}, {greatest}");
    Ok(())
}

proptest! {
    /// Whatever the sizes: shots and queries are there to be had, and the support set is within its bounds.
    #[test]
    fn plans_never_ask_for_more_than_there_is(sizes in prop::collection::vec(2usize..300, 5..70), seed in 0u64..1000) {
        let pool = ClassPool::Any((0..sizes.len()).collect());
        let plan = MetaDataset::default().plan(&mut batch_rng(seed, 0), &pool, &sizes).unwrap();
        prop_assert!((5..=50).contains(&plan.ways()) && plan.shots.len() == plan.ways());
        prop_assert_eq!(plan.classes.iter().collect::<HashSet<_>>().len(), plan.ways());
        prop_assert!((1..=10).contains(&plan.queries) && plan.n_support() <= 500);
        for (&class, &shots) in plan.classes.iter().zip(&plan.shots) {
            prop_assert!(shots >= 1 && shots + plan.queries <= sizes[class]);
        }
        let smallest = plan.classes.iter().map(|&class| sizes[class]).min().unwrap();
        prop_assert_eq!(plan.queries, 10.min(smallest / 2));
    }
}

#[test]
fn groups_and_spans_are_not_mixed() -> Result<()> {
    let groups: Vec<Vec<usize>> = vec![(0..14).collect(), (14..40).collect()];
    let spans: Vec<Vec<usize>> = vec![(0..3).collect(), (2..10).collect(), (0..60).collect(), (0..500).collect()];
    let (grouped, spanned) = (ClassPool::Groups(groups.clone()), ClassPool::Spans(spans));
    assert_eq!(grouped.classes(), (0..40).collect::<Vec<_>>());
    let draw = |pool: &ClassPool, seed| MetaDataset::default().plan(&mut batch_rng(seed, 0), pool, &[20; 500]);
    let (mut of_group, mut of_span) = ([0; 2], [0; 2]);
    for seed in 0..400 {
        let plan = draw(&grouped, seed)?;
        let group = usize::from(plan.classes[0] >= 14);
        assert!(plan.classes.iter().all(|class| groups[group].contains(class)) && plan.ways() >= 5);
        of_group[group] += 1;
        // Of the nodes, the first spans too few classes and the last too many.
        let EpisodePlan { classes, .. } = draw(&spanned, seed)?;
        let mut sorted = classes.clone();
        sorted.sort_unstable();
        match classes.len() {
            8 => assert_eq!(sorted, (2..10).collect::<Vec<_>>()),
            50 => assert!(sorted.iter().all(|&class| class < 60)),
            other => panic!("{other} ways"),
        }
        of_span[usize::from(classes.len() == 50)] += 1;
    }
    // Groups and nodes are drawn uniformly, whatever their sizes: 200 each, standard deviation 10.
    assert!(of_group.iter().chain(&of_span).all(|n| (160..240).contains(n)), "{of_group:?} {of_span:?}");
    Ok(())
}

/// A data set whose pixel tells class and example.
fn marked(sizes: &[usize]) -> InMemory {
    let class = |(c, &n): (usize, &usize)| (format!("c{c}"), (0..n).flat_map(|e| [c as u8, e as u8]).collect());
    InMemory::from_bytes([1, 2, 1], sizes.iter().enumerate().map(class)).unwrap()
}

#[test]
fn episodes_hold_the_planned_examples_each_once() -> Result<()> {
    let sizes = [9, 30, 14, 200, 50, 61];
    let sampler = MetaDatasetSampler::new(marked(&sizes), ClassPool::Any((0..6).collect()), MetaDataset::default())?;
    for seed in 0..20 {
        let episode = sampler.episode(&mut batch_rng(seed, 0))?;
        episode.tasks.validate()?;
        let (plan, tasks) = (&episode.plan, &episode.tasks);
        let mut seen = HashSet::new();
        let mut counts = [vec![0; plan.ways()], vec![0; plan.ways()]];
        for (batch, counts) in [&tasks.support, &tasks.query].into_iter().zip(&mut counts) {
            assert_eq!(batch.n_tasks()?, 1);
            let pixels = (batch.x.flatten_all()? * 255.0)?.round()?.to_vec1::<f32>()?;
            for (pixels, &label) in pixels.chunks(2).zip(&batch.y.to_vec2::<u32>()?[0]) {
                assert_eq!(pixels[0] as usize, plan.classes[label as usize]);
                assert!(seen.insert((pixels[0] as usize, pixels[1] as usize)), "an example occurs twice");
                counts[label as usize] += 1;
            }
        }
        assert_eq!(counts[0], plan.shots);
        assert_eq!(counts[1], vec![plan.queries; plan.ways()]);
        let again = sampler.sample(&mut batch_rng(seed, 0), 1)?;
        assert_eq!(again.support.x.flatten_all()?.to_vec1::<f32>()?, tasks.support.x.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok(())
}

#[test]
fn what_cannot_fill_an_episode_is_refused() {
    let new = |sizes: &[usize], pool, rule| MetaDatasetSampler::new(marked(sizes), pool, rule).map(|_| ()).unwrap_err();
    let all = |n| ClassPool::Any((0..n).collect());
    let rule = MetaDataset::default;
    assert!(matches!(new(&[9; 4], all(4), rule()), Error::TooFewClasses { ways: 5, available: 4 }));
    assert!(matches!(new(&[9; 5], all(6), rule()), Error::OutOfRange { what: "class", index: 5, available: 5 }));
    let lone = new(&[9, 9, 1, 9, 9], all(5), rule());
    assert!(matches!(&lone, Error::TooFewExamples { class, available: 1, .. } if class == "c2"), "{lone}");
    let small_group = ClassPool::Groups(vec![vec![0, 1, 2, 3, 4], vec![5]]);
    assert!(matches!(new(&[9; 6], small_group, rule()), Error::TooFewClasses { available: 1, .. }));
    assert!(matches!(new(&[9; 6], ClassPool::Groups(vec![]), rule()), Error::TooFewClasses { available: 0, .. }));
    let narrow = ClassPool::Spans(vec![vec![0, 1], vec![0, 1, 2]]);
    assert!(matches!(new(&[9; 6], narrow, rule()), Error::TooFewClasses { available: 3, .. }));
    for (rule, field) in [
        (MetaDataset { min_ways: 0, ..rule() }, "min_ways"),
        (MetaDataset { max_ways: 4, ..rule() }, "max_ways"),
        (MetaDataset { max_span: 4, ..rule() }, "max_span"),
        (MetaDataset { max_queries: 0, ..rule() }, "max_queries"),
        (MetaDataset { max_support: 49, ..rule() }, "max_support"),
        (MetaDataset { max_support_per_class: 0, ..rule() }, "max_support_per_class"),
        (MetaDataset { min_log_weight: f64::NAN, ..rule() }, "min_log_weight, max_log_weight"),
        (MetaDataset { max_log_weight: -1.0, ..rule() }, "max_log_weight"),
    ] {
        assert!(matches!(new(&[9; 6], all(6), rule), Error::Config { field: named, .. } if named == field), "{field}");
    }
    let sampler = MetaDatasetSampler::new(Glyphs::default(), all(10), rule()).unwrap();
    let two = sampler.sample(&mut batch_rng(0, 0), 2).unwrap_err();
    assert!(two.to_string().contains("one at a time"), "{two}");
    let plan = rule().plan(&mut batch_rng(0, 0), &all(6), &[9; 5]);
    assert!(matches!(plan, Err(Error::OutOfRange { index: 5, .. })));
}

fn spec_of(folder: &Path, json: &str) -> rekindle_tasks::Result<DatasetSpec> {
    let file = folder.join("dataset_spec.json");
    fs::write(&file, json).unwrap();
    DatasetSpec::read(file)
}

/// A graph of two inner nodes over three leaves, one leaf below both.
const GRAPH: &str = r#"{"name": "tiny", "split_subgraphs": {"TRAIN": [
    {"wn_id": "root", "children_ids": ["left", "right"]}, {"wn_id": "left", "children_ids": ["a", "b"]},
    {"wn_id": "right", "children_ids": ["b", "c"]}, {"wn_id": "a", "children_ids": []},
    {"wn_id": "b", "children_ids": []}, {"wn_id": "c", "children_ids": []}], "VALID": [], "TEST": []},
    "images_per_class": {"TRAIN": {"a": 3, "b": 4, "c": 5, "left": 7}, "VALID": {}, "TEST": {}},
    "class_names": {"0": "a", "1": "b", "2": "c"}, "file_pattern": "{}.tfrecords",
    "__class__": "HierarchicalDatasetSpecification"}"#;

#[test]
fn a_graph_gives_the_leaves_below_each_node() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let spec = spec_of(folder.path(), GRAPH)?;
    assert_eq!((spec.sizes(), spec.names(SpecSplit::Train)), (vec![3, 4, 5], vec!["a", "b", "c"]));
    assert_eq!(spec.pool(SpecSplit::Train), ClassPool::Spans(vec![vec![0, 1, 2], vec![0, 1], vec![1, 2]]));
    let reason = |json: String| match spec_of(folder.path(), &json).unwrap_err() {
        Error::Format { path, reason } if path.ends_with("dataset_spec.json") => reason,
        other => panic!("{other}"),
    };
    assert!(
        reason(GRAPH.replace(r#""wn_id": "c", "children_ids": []"#, r#""wn_id": "c", "children_ids": ["root"]"#))
            .contains("cycle")
    );
    assert!(reason(GRAPH.replace(r#"["b", "c"]"#, r#"["b", "x"]"#)).contains("right has the child x"));
    assert!(reason(GRAPH.replace(r#""2": "c""#, r#""2": "d""#)).contains("leaf c is no class"));
    assert!(reason(GRAPH.replace(r#""c": 5, "#, "")).contains("names for 3 and sizes for 2"));
    assert!(reason(GRAPH.replace("Hierarchical", "Other")).contains("OtherDatasetSpecification"));
    assert!(reason(GRAPH.replace("__class__", "kind")).contains("no `__class__`"));
    assert!(reason(GRAPH.replace("file_pattern", "pattern")).contains("file_pattern"));
    assert!(matches!(spec_of(folder.path(), "{"), Err(Error::Format { .. })));
    assert!(matches!(DatasetSpec::read(folder.path().join("absent")), Err(Error::Io { .. })));
    Ok(())
}

#[test]
fn names_join_a_description_to_a_data_set() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let json = r#"{"name": "two", "superclasses_per_split": {"TRAIN": 1, "VALID": 0, "TEST": 1},
        "classes_per_superclass": {"0": 2, "1": 1}, "images_per_class": {"0": 5, "1": 5, "2": 5},
        "class_names": {"0": "Cirth-character01", "1": "Cirth-character02", "2": "07.No passing"},
        "file_pattern": "{}.tfrecords", "__class__": "BiLevelDatasetSpecification"}"#;
    let spec = spec_of(folder.path(), json)?;
    assert_eq!(spec.split(SpecSplit::Test), 2..3);
    assert_eq!(spec.pool(SpecSplit::Train), ClassPool::Groups(vec![vec![0, 1]]));
    let named = |names: &[&str]| InMemory::from_bytes([1, 1, 1], names.iter().map(|n| (n.to_string(), vec![0; 5])));
    let data = named(&["Cirth/character02", "07", "Cirth/character01"])?;
    assert_eq!(spec.pool_of(SpecSplit::Train, &data)?, ClassPool::Groups(vec![vec![2, 0]]));
    assert_eq!(spec.pool_of(SpecSplit::Test, &data)?, ClassPool::Groups(vec![vec![1]]));
    let error = spec.pool_of(SpecSplit::Train, &named(&["Cirth-character02"])?).unwrap_err();
    assert_eq!(error.to_string(), "the data set lacks 1 of the classes of two: Cirth-character01");
    let wrong = spec_of(folder.path(), &json.replace(r#""0": 2, "1": 1"#, r#""0": 2, "2": 1"#)).unwrap_err();
    assert!(wrong.to_string().contains("2 superclasses"), "{wrong}");
    Ok(())
}

/// Counts of classes as published, and the names of every official list, in its order.
#[test]
fn official_descriptions_have_the_official_splits() -> Result<()> {
    let Some(root) = real_data("official_descriptions_have_the_official_splits") else { return Ok(()) };
    let root = root.join("meta_dataset");
    let published = [
        ("ilsvrc_2012", [712, 158, 130]),
        ("omniglot", [883, 81, 659]),
        ("aircraft", [70, 15, 15]),
        ("cu_birds", [140, 30, 30]),
        ("dtd", [33, 7, 7]),
        ("quickdraw", [241, 52, 52]),
        ("fungi", [994, 200, 200]),
        ("vgg_flower", [71, 15, 16]),
        ("traffic_sign", [0, 0, 43]),
        ("mscoco", [0, 40, 40]),
    ];
    for (name, sizes) in published {
        let spec = DatasetSpec::read(root.join(format!("dataset_specs/{name}_dataset_spec.json")))?;
        assert_eq!((spec.name.as_str(), SPLITS.map(|split| spec.split(split).len())), (name, sizes));
        for split in SPLITS {
            assert_eq!(spec.pool(split).classes(), spec.split(split).collect::<Vec<_>>(), "{name}");
        }
        let lists = root.join(format!("splits/{name}_splits.json"));
        if lists.exists() {
            let lists: serde_json::Value = serde_json::from_slice(&fs::read(lists)?)?;
            for (split, part) in SPLITS.into_iter().zip(["train", "valid", "test"]) {
                let listed: Vec<&str> =
                    lists[part].as_array().ok_or("no list")?.iter().filter_map(|v| v.as_str()).collect();
                assert_eq!(spec.names(split), listed, "{name} {part}");
            }
        } else {
            assert!(["ilsvrc_2012", "omniglot"].contains(&name), "{name} has no list of its split");
        }
    }
    Ok(())
}

/// The exact mean of ways over ImageNet's eligible nodes, counted by another program: 18.965 of 113 nodes for training,
/// 14.8 of 15 for test.
#[test]
fn nodes_of_imagenet_have_the_spans_counted_elsewhere() -> Result<()> {
    let Some(root) = real_data("nodes_of_imagenet_have_the_spans_counted_elsewhere") else { return Ok(()) };
    let spec = DatasetSpec::read(root.join("meta_dataset/dataset_specs/ilsvrc_2012_dataset_spec.json"))?;
    for (split, n_nodes, mean) in [(SpecSplit::Train, 113, 18.9646), (SpecSplit::Test, 15, 14.8)] {
        let ClassPool::Spans(spans) = spec.pool(split) else { panic!("ImageNet has a hierarchy") };
        let ways: Vec<usize> =
            spans.iter().map(Vec::len).filter(|n| (5..=392).contains(n)).map(|n| n.min(50)).collect();
        assert_eq!(ways.len(), n_nodes);
        assert!((ways.iter().sum::<usize>() as f64 / n_nodes as f64 - mean).abs() < 1e-3);
        let [drawn, ..] = means(&spec.pool(split), &spec.sizes(), 4000)?;
        assert!((drawn / mean - 1.0).abs() < 0.05, "{drawn}");
    }
    Ok(())
}

/// Names join the descriptions to the packs: an episode of each kind.
#[test]
fn packs_fill_official_episodes() -> Result<()> {
    let Some(root) = real_data("packs_fill_official_episodes") else { return Ok(()) };
    let spec = |name| DatasetSpec::read(root.join(format!("meta_dataset/dataset_specs/{name}_dataset_spec.json")));
    let (drawings, splits) = sets::quickdraw(root.join("quickdraw"))?;
    let pool = spec("quickdraw")?.pool_of(SpecSplit::Test, &drawings)?;
    assert_eq!(pool.classes(), splits.test);
    let flowers = sets::flowers(root.join("vgg_flower"))?;
    let sorted = |mut classes: Vec<usize>| {
        classes.sort_unstable();
        classes
    };
    assert_eq!(spec("vgg_flower")?.pool_of(SpecSplit::Valid, &flowers.images)?.classes(), sorted(flowers.splits.val));
    let signs = sets::gtsrb(root.join("gtsrb"))?;
    assert_eq!(spec("traffic_sign")?.pool_of(SpecSplit::Test, &signs)?.classes(), (0..43).collect::<Vec<_>>());

    let characters = Arc::new(Omniglot::open(root.join("omniglot"))?);
    let pool = spec("omniglot")?.pool_of(SpecSplit::Test, &*characters)?;
    assert_eq!(pool.classes(), characters.evaluation().collect::<Vec<_>>());
    let sampler = MetaDatasetSampler::new(characters.clone(), pool, MetaDataset::default())?;
    let episode = sampler.episode(&mut batch_rng(3, 0))?;
    let alphabet = |class: usize| characters.class_name(class).split('/').next().map(str::to_owned);
    assert!(episode.plan.classes.iter().all(|&class| alphabet(class) == alphabet(episode.plan.classes[0])));
    // Twenty drawings: ten are queries, so no class has more than ten shots.
    assert!(episode.plan.queries == 10 && episode.plan.shots.iter().all(|&k| k <= 10));
    assert!(image(&*characters, episode.plan.classes[0], 0).iter().any(|&v| v > 0.5));
    Ok(())
}
