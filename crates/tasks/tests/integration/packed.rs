//! Packed files that the tests write: images, labels, JPEG packs, and every damage that is promised an error.

use std::fs;
use std::path::{Path, PathBuf};

use rekindle_tasks::{ClassDataset, Error, FewShot, FewShotSampler, LabelledImages, Packed, TaskSampler, batch_rng};
use safetensors::{Dtype, tensor::TensorView};

use crate::common::{Result, image};

type Part<'a> = (&'a str, Dtype, &'a [usize], &'a [u8]);

/// Writes tensors as a safetensors file; gzipped, if the name says so, as any other program would.
fn write(folder: &Path, name: &str, tensors: &[Part<'_>]) -> Result<PathBuf> {
    let views =
        tensors.iter().map(|&(name, dtype, shape, data)| Ok((name, TensorView::new(dtype, shape.to_vec(), data)?)));
    let views: Vec<_> = views.collect::<Result<_>>()?;
    let metadata = std::collections::HashMap::from([("note".to_owned(), "made by a test".to_owned())]);
    let bytes = safetensors::serialize(views, Some(metadata))?;
    let file = folder.join(name);
    if name.ends_with(".gz") {
        let mut encoder = flate2::write::GzEncoder::new(fs::File::create(&file)?, flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &bytes)?;
        encoder.finish()?;
    } else {
        fs::write(&file, bytes)?;
    }
    Ok(file)
}

/// Six images of 2 × 2 pixels; image i is 10·i, 10·i + 1, …
fn pixels() -> Vec<u8> {
    (0..6).flat_map(|i| (0..4).map(move |p| 10 * i + p)).collect()
}

const LABELS: [u8; 6] = [2, 0, 2, 1, 0, 2];

#[test]
fn labelled_images_are_arrays_and_classes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let wide: Vec<u8> = LABELS.iter().flat_map(|&label| i32::from(label).to_le_bytes()).collect();
    for name in ["a.safetensors", "a.safetensors.gz"] {
        let tensors: [Part<'_>; 3] = [
            ("images", Dtype::U8, &[6, 2, 2], &pixels()),
            ("labels", Dtype::U8, &[6], &LABELS),
            ("labels32", Dtype::I32, &[6], &wide),
        ];
        let file = Packed::open(write(folder.path(), name, &tensors)?)?;
        assert_eq!(file.names()?, ["images", "labels", "labels32"]);
        assert_eq!((file.metadata("note")?.as_deref(), file.metadata("x")?), (Some("made by a test"), None));
        assert_eq!(file.integers("labels32")?, [2, 0, 2, 1, 0, 2]);
        assert_eq!(file.tensor("images")?.dims(), [6, 2, 2]);
        let data = file.labelled("images", "labels32")?;
        assert_eq!((data.n_images(), data.n_classes(), data.image_shape()), (6, 3, [2, 2, 1]));
        assert_eq!((0..4).map(|class| data.n_examples(class)).collect::<Vec<_>>(), [2, 1, 3, 0]);
        // The second image of class 2 is image 2 of the file.
        assert_eq!(image(&data, 2, 1), [20.0, 21.0, 22.0, 23.0].map(|v: f32| v / 255.0));
        let batch = data.batch(&[5, 1])?;
        assert_eq!(batch.x.dims(), [1, 2, 2, 2, 1]);
        assert_eq!(batch.y.to_vec2::<u32>()?, [[2, 0]]);
        assert_eq!(batch.x.flatten_all()?.to_vec1::<f32>()?[4], 10.0 / 255.0);
        assert_eq!(data.all()?.y.to_vec2::<u32>()?, [LABELS.map(u32::from)]);
        assert!(matches!(data.batch(&[6]), Err(Error::OutOfRange { what: "image", index: 6, available: 6 })));
    }
    Ok(())
}

#[test]
fn images_by_class_serve_episodes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let colored: Vec<u8> = pixels().iter().flat_map(|&v| [v, 0, 255]).collect();
    let file =
        Packed::open(write(folder.path(), "c.safetensors", &[("images", Dtype::U8, &[3, 2, 2, 2, 3], &colored)])?)?;
    let data = file.by_class("images")?.with_names(["x", "y", "z"])?;
    assert_eq!((data.class_name(2).as_str(), data.labels()), ("z", [0, 0, 1, 1, 2, 2].as_slice()));
    assert_eq!(image(&data, 1, 1)[..4], [30.0 / 255.0, 0.0, 1.0, 31.0 / 255.0]);
    let episodes = FewShotSampler::new(data, FewShot { ways: 3, ..FewShot::default() })?;
    assert_eq!(episodes.sample(&mut batch_rng(0, 0), 2)?.query.x.dims(), [2, 3, 2, 2, 3]);
    Ok(())
}

#[test]
fn parts_are_taken_joined_and_renamed() -> Result<()> {
    let data = LabelledImages::new([2, 2, 1], pixels(), LABELS.map(u32::from).to_vec())?;
    let taken = data.take(&[3, 0])?;
    assert_eq!((taken.labels(), taken.n_classes(), taken.members(2)), ([1, 2].as_slice(), 3, [1].as_slice()));
    assert_eq!(taken.concat(&data)?.n_images(), 8);
    assert_eq!(taken.concat(&data)?.members(2), [1, 2, 4, 7]);
    assert_eq!(data.relabelled(|label| label / 2).n_classes(), 2);
    assert!(matches!(data.take(&[9]), Err(Error::OutOfRange { what: "image", index: 9, .. })));
    assert!(matches!(data.concat(&data.resized(1, 1)?), Err(Error::Shape { .. })));
    assert!(matches!(data.concat(&data.relabelled(|_| 0)), Err(Error::Shape { .. })));
    let few = data.with_names(["a", "b"]);
    assert!(matches!(few, Err(Error::OutOfRange { what: "label", index: 2, available: 2 })));
    assert!(matches!(LabelledImages::new([2, 0, 1], vec![], vec![]), Err(Error::Shape { .. })));
    assert!(matches!(LabelledImages::new([1, 1, 1], vec![0], vec![]), Err(Error::Shape { .. })));
    Ok(())
}

#[test]
fn images_change_size_and_channels() -> Result<()> {
    // One image: black and white columns.
    let data = LabelledImages::new([2, 2, 1], vec![0, 255, 0, 255], vec![0])?;
    assert_eq!(image(&data.resized(1, 1)?, 0, 0), [128.0 / 255.0]);
    assert_eq!(image(&data.resized(2, 4)?, 0, 0), [0.0, 0.0, 1.0, 1.0].repeat(2));
    assert!(matches!(data.resized(0, 3), Err(Error::Shape { .. })));
    let color = data.color();
    assert_eq!(image(&color, 0, 0), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0].repeat(2));
    assert_eq!(image(&color.grey(), 0, 0), image(&data, 0, 0));
    assert_eq!((color.color().image_shape(), data.grey().image_shape()), ([2, 2, 3], [2, 2, 1]));
    // Pure green: BT.601 gives it 0.587 of full luma.
    let green = LabelledImages::new([1, 1, 3], vec![0, 255, 0], vec![0])?;
    assert_eq!(image(&green.grey(), 0, 0), [150.0 / 255.0]);
    Ok(())
}

#[test]
fn truncated_files_are_refused_at_every_length() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for name in ["t.safetensors", "t.safetensors.gz"] {
        let path = write(folder.path(), name, &[("images", Dtype::U8, &[6, 2, 2], &pixels())])?;
        let whole = fs::read(&path)?;
        for len in (0..whole.len()).step_by(7) {
            fs::write(&path, &whole[..len])?;
            let error = Packed::open(&path).unwrap_err();
            assert!(matches!(&error, Error::Format { path: named, .. } if *named == path), "{len} bytes: {error}");
        }
    }
    let absent = folder.path().join("absent.safetensors");
    assert!(matches!(Packed::open(&absent), Err(Error::Io { path, .. }) if path == absent));
    Ok(())
}

#[test]
fn wrong_tensors_are_named_with_what_is_there() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let floats: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let tensors: [Part<'_>; 6] = [
        ("images", Dtype::U8, &[6, 2, 2], &pixels()),
        ("colors", Dtype::U8, &[1, 3, 2, 4], &pixels()),
        ("few", Dtype::U8, &[2], &[0, 1]),
        ("negative", Dtype::I32, &[1], &(-3i32).to_le_bytes()),
        ("huge", Dtype::I64, &[1], &(1i64 << 40).to_le_bytes()),
        ("floats", Dtype::F32, &[2], &floats),
    ];
    let path = write(folder.path(), "w.safetensors", &tensors)?;
    let file = Packed::open(&path)?;
    let message = |result: rekindle_tasks::Result<LabelledImages>| match result.unwrap_err() {
        Error::Format { path: named, reason } if named == path => reason,
        other => panic!("{other}"),
    };
    assert!(message(file.labelled("pictures", "few")).contains("`pictures`; it has `colors`, `few`"));
    assert!(message(file.labelled("images", "few")).contains("6 images in `images`, but 2 labels in `few`"));
    assert!(message(file.labelled("images", "negative")).contains("`negative` has the label -3"));
    assert!(message(file.labelled("images", "huge")).contains("`huge` has the label 1099511627776"));
    assert!(message(file.labelled("images", "floats")).contains("`floats` is F32"));
    assert!(message(file.labelled("floats", "few")).contains("F32 [2]"));
    assert!(message(file.labelled("colors", "few")).contains("[1, 3, 2, 4]"));
    assert!(message(file.by_class("images")).contains("[6, 2, 2]"));
    assert_eq!(file.tensor("floats")?.to_vec1::<f32>()?, [1.5, -2.0]);
    assert_eq!(file.tensor("negative")?.to_vec1::<i64>()?, [-3]);
    Ok(())
}

#[cfg(feature = "images")]
mod jpeg {
    use image::{ImageFormat, Rgb, RgbImage};

    use super::*;

    fn jpeg(size: u32, level: u8) -> Result<Vec<u8>> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        RgbImage::from_pixel(size, size, Rgb([level, level, level])).write_to(&mut bytes, ImageFormat::Jpeg)?;
        Ok(bytes.into_inner())
    }

    fn pack(folder: &Path, offsets: &[i64], classes: &[u16], jpegs: &[u8]) -> Result<Packed> {
        let offset_bytes: Vec<u8> = offsets.iter().flat_map(|v| v.to_le_bytes()).collect();
        let class_bytes: Vec<u8> = classes.iter().flat_map(|v| v.to_le_bytes()).collect();
        let tensors: [Part<'_>; 3] = [
            ("offset", Dtype::I64, &[offsets.len()], &offset_bytes),
            ("class", Dtype::U16, &[classes.len()], &class_bytes),
            ("jpeg", Dtype::U8, &[jpegs.len()], jpegs),
        ];
        Ok(Packed::open(write(folder, "j.safetensors", &tensors)?)?)
    }

    #[test]
    fn a_pack_is_decoded_and_resized() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (dark, light) = (jpeg(16, 51)?, jpeg(8, 204)?);
        let bounds = [0, dark.len() as i64, (dark.len() + light.len()) as i64];
        let data = pack(folder.path(), &bounds, &[1, 0], &[dark, light].concat())?.jpegs(8, 8)?;
        assert_eq!((data.image_shape(), data.labels()), ([8, 8, 3], [1, 0].as_slice()));
        // JPEG keeps a flat grey to about a level.
        assert!(image(&data, 1, 0).iter().all(|v| (v - 0.2).abs() < 0.01));
        assert!(image(&data, 0, 0).iter().all(|v| (v - 0.8).abs() < 0.01));
        Ok(())
    }

    #[test]
    fn damaged_packs_say_which_image() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let whole = jpeg(8, 100)?;
        let n = whole.len() as i64;
        let error = |offsets: &[i64], classes: &[u16], jpegs: &[u8]| {
            pack(folder.path(), offsets, classes, jpegs).unwrap().jpegs(8, 8).unwrap_err()
        };
        let bounds = |e: Error| matches!(e, Error::Format { reason, .. } if reason.contains("image 1 is said to be"));
        assert!(bounds(error(&[0, n, n + 1], &[0, 1], &whole)));
        assert!(bounds(error(&[0, n, 3], &[0, 1], &whole)));
        let backwards = error(&[0, -1], &[0], &whole);
        assert!(matches!(&backwards, Error::Format { reason, .. } if reason.contains("0 .. -1")), "{backwards}");
        assert!(matches!(error(&[0, n], &[0, 1], &whole), Error::Format { reason, .. } if reason.contains("2 labels")));
        let cut = error(&[0, n, n + 10], &[0, 1], &[whole.clone(), whole[..10].to_vec()].concat());
        assert!(matches!(&cut, Error::Image { path, .. } if path.ends_with("image 1")), "{cut}");
        let no_images = Packed::open(write(folder.path(), "n.safetensors", &[("class", Dtype::U8, &[1], &[0])])?)?;
        assert!(matches!(no_images.jpegs(8, 8), Err(Error::Format { reason, .. }) if reason.contains("`jpeg`")));
        Ok(())
    }
}
