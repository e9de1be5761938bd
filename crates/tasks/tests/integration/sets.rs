//! The named sets: counts as published, and classifiers measured by another program, where the real data is; their
//! errors on files that the tests write.

use std::fs;

use candle_core::{D, DType, Tensor};
use rekindle_tasks::{ClassDataset, Error, LabelledImages, Splits, sets};

use crate::common::{Result, image, real_data};

fn sizes(splits: &Splits) -> [usize; 3] {
    [splits.train.len(), splits.val.len(), splits.test.len()]
}

/// Accuracy of the label of the nearest row, by Euclidean distance: `x [B, D]`, `y [B]`.
fn one_nearest_neighbour(train: (&Tensor, &Tensor), test: (&Tensor, &Tensor)) -> Result<f64> {
    let norms = train.0.sqr()?.sum(1)?; // [B]
    let scores = (test.0.matmul(&train.0.t()?)? * 2.0)?.broadcast_sub(&norms)?;
    let found = train.1.index_select(&scores.argmax(D::Minus1)?, 0)?;
    Ok(found.eq(test.1)?.to_dtype(DType::F64)?.mean_all()?.to_scalar()?)
}

fn rows(data: &LabelledImages) -> Result<(Tensor, Tensor)> {
    let batch = data.all()?;
    Ok((batch.x.flatten_from(2)?.squeeze(0)?, batch.y.squeeze(0)?))
}

/// Counts as published, and 1-nearest-neighbour as measured by another program: 0.946.
#[test]
fn usps_is_complete_and_as_easy_as_it_is_known_to_be() -> Result<()> {
    let Some(root) = real_data("usps_is_complete_and_as_easy_as_it_is_known_to_be") else { return Ok(()) };
    let usps = sets::usps(root.join("usps"))?;
    assert_eq!((usps.train.n_images(), usps.test.n_images(), usps.train.image_shape()), (7291, 2007, [16, 16, 1]));
    assert_eq!(
        (0..10).map(|c| usps.test.n_examples(c)).collect::<Vec<_>>(),
        [359, 264, 198, 166, 200, 160, 170, 147, 166, 177]
    );
    let (train, test) = (rows(&usps.train)?, rows(&usps.test)?);
    let accuracy = one_nearest_neighbour((&train.0, &train.1), (&test.0, &test.1))?;
    assert!((accuracy - 0.946).abs() < 0.003, "{accuracy}");
    Ok(())
}

#[test]
fn digits_letters_and_drawings_have_their_sizes() -> Result<()> {
    let Some(root) = real_data("digits_letters_and_drawings_have_their_sizes") else { return Ok(()) };
    let mnist = sets::mnist(root.join("mnist"))?;
    assert_eq!((mnist.train.n_images(), mnist.test.n_images(), mnist.test.n_examples(1)), (10_000, 10_000, 1135));
    let colored = sets::mnist_m(root.join("mnist_m"))?;
    assert_eq!((colored.train.n_images(), colored.test.image_shape()), (3000, [32, 32, 3]));
    assert_eq!(colored.merged()?.n_images(), 4000);
    let small = colored.map(|part| part.grey().resized(28, 28))?;
    assert_eq!((small.train.image_shape(), small.train.labels()), ([28, 28, 1], colored.train.labels()));
    assert_eq!(sets::kmnist(root.join("kmnist"))?.n_examples(9), 1000);
    assert_eq!(sets::fashion_mnist(root.join("fashion_mnist"))?.n_examples(0), 600);
    let emnist = sets::emnist(root.join("emnist"))?;
    assert_eq!((emnist.n_classes(), emnist.class_name(10).as_str(), emnist.n_examples(61)), (62, "A", 150));
    let (drawings, splits) = sets::quickdraw(root.join("quickdraw"))?;
    assert_eq!((drawings.n_classes(), sizes(&splits)), (345, [241, 52, 52]));
    let signs = sets::gtsrb(root.join("gtsrb"))?;
    assert_eq!((signs.n_classes(), signs.image_shape(), signs.class_name(7).as_str()), (43, [32, 32, 3], "07"));
    assert_eq!(sets::gtsrb_tracks(root.join("gtsrb"))?.len(), signs.n_images());
    Ok(())
}

/// The published sizes of both splits, and FC100's property: no superclass in two parts.
#[test]
fn cifar100_has_its_two_class_splits() -> Result<()> {
    let Some(root) = real_data("cifar100_has_its_two_class_splits") else { return Ok(()) };
    let cifar = sets::cifar100(root.join("cifar100"))?;
    assert_eq!((cifar.images.train.n_images(), cifar.images.test.n_images()), (5000, 1000));
    assert_eq!((sizes(&cifar.cifar_fs), sizes(&cifar.fc100)), ([64, 16, 20], [60, 20, 20]));
    assert_eq!(cifar.superclasses.len(), 20);
    assert!((0..20).all(|s| cifar.superclass.iter().filter(|&&of| of == s).count() == 5));
    let of = |classes: &[usize]| {
        let mut found: Vec<usize> = classes.iter().map(|&class| cifar.superclass[class]).collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    let parts = [of(&cifar.fc100.train), of(&cifar.fc100.val), of(&cifar.fc100.test)];
    assert_eq!(parts.each_ref().map(Vec::len), [12, 4, 4]);
    assert!(parts[0].iter().all(|s| !parts[1].contains(s) && !parts[2].contains(s)));
    // The lists that torchmeta ships, another source of the same splits.
    let folder = root.join("splits/torchmeta/cifar100/cifar-fs");
    let merged = std::sync::Arc::new(cifar.images.merged()?);
    let [train, ..] = cifar.cifar_fs.subsets(&merged)?;
    assert_eq!((train.n_classes(), train.n_examples(0)), (64, 60));
    let listed: Vec<(String, String)> = serde_json::from_slice(&fs::read(folder.join("test.json"))?)?;
    let mut listed: Vec<String> = listed.into_iter().map(|(_, fine)| fine).collect();
    let mut ours: Vec<String> = cifar.cifar_fs.test.iter().map(|&class| merged.class_name(class)).collect();
    listed.sort();
    ours.sort();
    assert_eq!(listed.len(), 20);
    assert_eq!(listed, ours);
    Ok(())
}

#[test]
fn flowers_have_splits_descriptions_and_two_sizes() -> Result<()> {
    let Some(root) = real_data("flowers_have_splits_descriptions_and_two_sizes") else { return Ok(()) };
    let folder = root.join("vgg_flower");
    let flowers = sets::flowers(&folder)?;
    assert_eq!((flowers.images.n_classes(), flowers.images.n_images()), (102, 2040));
    assert_eq!((sizes(&flowers.splits), flowers.seen.len()), ([71, 15, 16], 82));
    assert_eq!(flowers.unseen, (0..20).collect::<Vec<_>>());
    let lengths = flowers.embeddings.sqr()?.sum(1)?.to_vec1::<f32>()?;
    assert!(lengths.len() == 102 && lengths.iter().all(|l| (l - 1.0).abs() < 1e-4));
    #[cfg(feature = "images")]
    {
        let large = sets::Flowers::images64(&folder)?;
        assert_eq!((large.n_images(), large.image_shape(), large.n_examples(0)), (8189, [64, 64, 3], 40));
        assert_eq!(large.class_name(0), "001.pink primrose");
        // The small images are 2 × 2 means of some of the large ones, to the rounding of another JPEG decoder.
        let (small, halved) = (image(&flowers.images, 0, 0), large.take(large.members(0))?.resized(32, 32)?);
        let difference = |example| {
            let other = image(&halved, 0, example);
            small.iter().zip(&other).map(|(a, b)| (a - b).abs()).sum::<f32>() / small.len() as f32
        };
        let nearest = (0..40).map(difference).fold(f32::INFINITY, f32::min);
        assert!(nearest < 0.01, "{nearest}");
    }
    Ok(())
}

/// Each domain classified by its nearest neighbour in another, features normalised, as published: Long et al., *Transfer
/// feature learning with joint distribution adaptation*, 2013, table 4, column NN.
#[test]
fn office_caltech_domains_differ_as_they_are_known_to() -> Result<()> {
    let Some(root) = real_data("office_caltech_domains_differ_as_they_are_known_to") else { return Ok(()) };
    let folder = root.join("office_caltech10");
    let domains = sets::office_caltech_surf(&folder)?;
    assert_eq!(domains.each_ref().map(|d| d.x.dims().to_vec()), [958, 1123, 157, 295].map(|n| vec![n, 800]));
    let standardised = |x: &Tensor| -> Result<Tensor> {
        let x = x.broadcast_div(&x.sum_keepdim(1)?)?;
        let centred = x.broadcast_sub(&x.mean_keepdim(0)?)?;
        let deviation = (centred.sqr()?.mean_keepdim(0)?.sqrt()? + 1e-12)?;
        Ok(centred.broadcast_div(&deviation)?)
    };
    let [amazon, caltech, dslr, webcam] = domains.each_ref();
    let published = [
        (caltech, amazon, 23.70),
        (caltech, webcam, 25.76),
        (caltech, dslr, 25.48),
        (amazon, caltech, 26.00),
        (amazon, webcam, 29.83),
        (amazon, dslr, 25.48),
        (webcam, caltech, 19.86),
        (webcam, amazon, 22.96),
        (webcam, dslr, 59.24),
        (dslr, caltech, 26.27),
        (dslr, amazon, 28.50),
        (dslr, webcam, 63.39),
    ];
    for (from, to, expected) in published {
        let accuracy = one_nearest_neighbour((&standardised(&from.x)?, &from.y), (&standardised(&to.x)?, &to.y))?;
        assert!((100.0 * accuracy - expected).abs() < 0.1, "{} to {}: {accuracy}", from.name, to.name);
    }
    let deep = sets::office_caltech_googlenet(&folder)?;
    assert_eq!((deep[2].x.dims(), deep[2].name), ([295, 1024].as_slice(), "webcam"));
    #[cfg(feature = "images")]
    {
        let images = sets::office_caltech_images(&folder)?;
        assert_eq!(images.each_ref().map(LabelledImages::n_images), [958, 1123, 157, 295]);
        for (images, features) in images.iter().zip(&domains) {
            let mut labels = features.y.to_vec1::<u32>()?;
            labels.sort_unstable();
            let mut ours = images.labels().to_vec();
            ours.sort_unstable();
            assert_eq!(ours, labels, "{}", features.name);
        }
    }
    Ok(())
}

#[test]
fn absent_and_mismatched_files_are_named() -> Result<()> {
    let root = tempfile::tempdir()?;
    let error = sets::mnist(root.path()).unwrap_err();
    assert!(matches!(error, Error::Io { path, .. } if path.ends_with("mnist_10k_10k.safetensors.gz")));
    fs::write(root.path().join("quickdraw_categories.json"), r#"[{"name": "a", "meta_dataset_split": "other"}]"#)?;
    let error = sets::quickdraw(root.path()).unwrap_err();
    assert!(matches!(&error, Error::Format { path, .. } if path.ends_with("quickdraw_categories.json")), "{error}");
    fs::write(root.path().join("quickdraw_categories.json"), r#"[{"name": "a", "meta_dataset_split": "valid"}]"#)?;
    let images = Tensor::zeros((2, 1, 4, 4), DType::U8, &candle_core::Device::Cpu)?;
    let file = root.path().join("q.safetensors");
    candle_core::safetensors::save(&std::collections::HashMap::from([("images", images)]), &file)?;
    let mut encoder = flate2::write::GzEncoder::new(
        fs::File::create(root.path().join("quickdraw_345x100.safetensors.gz"))?,
        flate2::Compression::fast(),
    );
    std::io::copy(&mut fs::File::open(file)?, &mut encoder)?;
    encoder.finish()?;
    let error = sets::quickdraw(root.path()).unwrap_err().to_string();
    assert!(error.contains("2 classes, but 1 are known"), "{error}");
    Ok(())
}
