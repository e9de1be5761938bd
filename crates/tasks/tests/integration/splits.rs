//! Class splits.

use std::fs;
use std::sync::Arc;

use rekindle_tasks::{ClassDataset, Error, InMemory, Omniglot, Rotated, Splits, Subset, batch_rng, read_names};

use crate::common::{Result, image, real_data};

fn letters() -> InMemory {
    InMemory::from_bytes([1, 1, 1], ["a", "b", "c", "d"].iter().zip(0..).map(|(name, v)| (name.to_string(), vec![v])))
        .unwrap()
}

#[test]
fn random_parts_are_disjoint_seeded_and_of_the_sizes_asked_for() -> Result<()> {
    let splits = Splits::random(&mut batch_rng(1, 0), 1623, Splits::MAML_OMNIGLOT)?;
    assert_eq!((splits.train.len(), splits.val.len(), splits.test.len()), (1100, 100, 423));
    let mut all = [splits.train.clone(), splits.val.clone(), splits.test.clone()].concat();
    all.sort_unstable();
    assert_eq!(all, (0..1623).collect::<Vec<_>>());
    assert_eq!(splits, Splits::random(&mut batch_rng(1, 0), 1623, Splits::MAML_OMNIGLOT)?);
    assert_ne!(splits, Splits::random(&mut batch_rng(2, 0), 1623, Splits::MAML_OMNIGLOT)?);
    let error = Splits::random(&mut batch_rng(1, 0), 10, [5, 5, 1]).unwrap_err();
    assert_eq!(error.to_string(), "the split takes 5 + 5 + 1 classes, but the data set has 10");
    Ok(())
}

#[test]
fn parts_are_read_from_text_and_json() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("train.txt"), "d\n\n  b \n")?;
    fs::write(folder.path().join("val.json"), r#"["c"]"#)?;
    fs::write(folder.path().join("test.txt"), "a")?;
    let data = Arc::new(letters());
    let splits = Splits::from_folder(&*data, folder.path())?;
    assert_eq!(splits, Splits { train: vec![3, 1], val: vec![2], test: vec![0] });
    let [train, _, test] = splits.subsets(&data)?;
    assert_eq!(
        (train.class_name(0), train.n_classes(), train.n_examples(1), train.n_examples(2)),
        ("d".into(), 2, 1, 0)
    );
    assert_eq!((image(&train, 1, 0), image(&test, 0, 0)), (vec![1.0 / 255.0], vec![0.0]));
    assert!(matches!(train.write_example(2, 0, &mut [0.0]), Err(Error::OutOfRange { index: 2, available: 2, .. })));

    fs::write(folder.path().join("val.json"), "[\"c\", 4]")?;
    assert!(matches!(read_names(folder.path().join("val.json")), Err(Error::Format { .. })));
    fs::remove_file(folder.path().join("test.txt"))?;
    assert!(read_names(folder.path().join("test.txt")).unwrap_err().to_string().contains("test.txt"));
    Ok(())
}

#[test]
fn unknown_and_repeated_classes_are_named() {
    let error = Splits::by_names(&letters(), &["a", "x"], &[], &[]).unwrap_err();
    assert!(error.to_string().contains("\"x\"") && error.to_string().contains("\"a\""));
    let error = Splits::by_names(&letters(), &["a", "b"], &[], &["b"]).unwrap_err();
    assert!(matches!(error, Error::SplitOverlap { name } if name == "b"));
    assert!(matches!(Subset::new(letters(), vec![0, 4]), Err(Error::OutOfRange { index: 4, available: 4, .. })));
}

#[test]
fn a_split_of_rotated_classes_serves_rotated_and_upright_data() -> Result<()> {
    let names = ["b/rot000", "b/rot090", "b/rot180", "b/rot270"];
    assert_eq!(Subset::by_names(Rotated::new(letters())?, &names)?.classes(), [4, 5, 6, 7]);
    assert_eq!(Subset::by_names(letters(), &names)?.classes(), [1]);
    Ok(())
}

/// Sizes as published: 1028 / 172 / 423 characters, four rotations each.
#[test]
fn the_split_of_vinyals_fits_real_omniglot() -> Result<()> {
    let Some(root) = real_data("the_split_of_vinyals_fits_real_omniglot") else { return Ok(()) };
    let data = Arc::new(Omniglot::open(root.join("omniglot"))?);
    let folder = root.join("splits/omniglot_vinyals");
    let sizes = |splits: &Splits| [splits.train.len(), splits.val.len(), splits.test.len()];
    assert_eq!(sizes(&Splits::from_folder(&*data, &folder)?), [1028, 172, 423]);
    assert_eq!(sizes(&Splits::from_folder(&Rotated::new(data)?, &folder)?), [1028 * 4, 172 * 4, 423 * 4]);
    Ok(())
}
