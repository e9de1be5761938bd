//! Omniglot: a small imitation of the official layout, packed files, and the real data where there is some.

use std::fs::{self, File};
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::sync::Arc;

use image::{GrayImage, ImageFormat, Luma};
use rekindle_tasks::{ClassDataset, Error, Omniglot, Subset};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::common::{Result, image, nearest_neighbour_accuracy, real_data};

const DRAWINGS: usize = 3;

/// (set, alphabet, character) in an order that is not the right one.
const CHARACTERS: [(&str, &str, &str); 4] = [
    ("images_evaluation", "Aurek", "character01"),
    ("images_background", "Tengwar", "character02"),
    ("images_background", "Tengwar", "character01"),
    ("images_background", "Cirth", "character01"),
];

/// A 105 × 105 drawing, black ink on white: the left 15·(character + drawing) columns. 15 of 105 columns make 4 of 28.
fn drawing(character: usize, drawing: usize) -> Result<Vec<u8>> {
    let inked = 15 * (character + drawing) as u32;
    png(&GrayImage::from_fn(105, 105, |x, _| Luma([if x < inked { 0 } else { 255 }])))
}

fn png(image: &GrayImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

/// Paths within the archive, and contents.
fn files() -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for (c, (set, alphabet, character)) in CHARACTERS.iter().enumerate() {
        for d in (0..DRAWINGS).rev() {
            files.push((format!("{set}/{alphabet}/{character}/{c:04}_{:02}.png", d + 1), drawing(c, d)?));
        }
    }
    Ok(files)
}

fn write_folder(root: &Path) -> Result<()> {
    for (name, bytes) in files()? {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap())?;
        fs::write(path, bytes)?;
    }
    Ok(())
}

fn write_zips(root: &Path) -> Result<()> {
    for set in ["images_background", "images_evaluation"] {
        let mut archive = ZipWriter::new(File::create(root.join(format!("{set}.zip")))?);
        let options = SimpleFileOptions::default();
        archive.start_file("__MACOSX/images_background/Tengwar/character01/._0002_01.png", options)?;
        archive.write_all(b"shadow")?;
        for (name, bytes) in files()?.into_iter().filter(|(name, _)| name.starts_with(set)) {
            archive.start_file(name, options)?;
            archive.write_all(&bytes)?;
        }
        archive.finish()?;
    }
    Ok(())
}

fn check(data: &Omniglot) {
    let names: Vec<String> = (0..data.n_classes()).map(|class| data.class_name(class)).collect();
    assert_eq!(names, ["Cirth/character01", "Tengwar/character01", "Tengwar/character02", "Aurek/character01"]);
    assert_eq!((data.background(), data.evaluation()), (0..3, 3..4));
    for (class, character) in [3, 2, 1, 0].into_iter().enumerate() {
        assert_eq!(data.n_examples(class), DRAWINGS);
        for d in 0..DRAWINGS {
            let row: Vec<f32> = (0..28).map(|column| if column < 4 * (character + d) { 1.0 } else { 0.0 }).collect();
            assert_eq!(image(data, class, d), row.repeat(28));
        }
    }
}

#[test]
fn folder_zip_and_packed_file_give_the_same_data() -> Result<()> {
    let (folder, zips, packed) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    write_folder(folder.path())?;
    let data = Omniglot::open(folder.path())?;
    check(&data);
    write_zips(zips.path())?;
    check(&Omniglot::open(zips.path())?);
    let background = Omniglot::open(zips.path().join("images_background.zip"))?;
    assert_eq!((background.n_classes(), background.evaluation().len()), (3, 0));
    for name in ["omniglot28.safetensors", "omniglot28.safetensors.gz"] {
        data.pack(packed.path().join(name))?;
        check(&Omniglot::open(packed.path().join(name))?);
    }
    check(&Omniglot::open(packed.path())?);
    Ok(())
}

#[test]
fn a_packed_file_appears_whole_or_not_at_all() -> Result<()> {
    let root = tempfile::tempdir()?;
    write_folder(root.path())?;
    let data = Omniglot::open(root.path())?;
    // The target is a folder that is not empty, so the last step, renaming, fails.
    let target = root.path().join("images_background");
    assert!(matches!(data.pack(&target), Err(Error::Io { .. })));
    assert!(matches!(data.pack(root.path().join("absent/o.safetensors")), Err(Error::Io { .. })));
    let left: Vec<_> = fs::read_dir(root.path())?.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "no temporary file stays: {left:?}");
    Ok(())
}

#[test]
fn truncated_packed_files_are_refused_at_every_length() -> Result<()> {
    let root = tempfile::tempdir()?;
    write_folder(root.path())?;
    let data = Omniglot::open(root.path())?;
    for name in ["o.safetensors", "o.safetensors.gz"] {
        let file = root.path().join(name);
        data.pack(&file)?;
        let whole = fs::read(&file)?;
        for len in [0, 5, 100, whole.len() / 2, whole.len() - 1] {
            fs::write(&file, &whole[..len])?;
            let error = Omniglot::from_packed(&file).unwrap_err();
            assert!(matches!(&error, Error::Format { path, .. } if *path == file), "{len} bytes: {error}");
        }
    }
    Ok(())
}

#[test]
fn damaged_sources_are_named() -> Result<()> {
    let root = tempfile::tempdir()?;
    assert!(matches!(Omniglot::open(root.path()), Err(Error::NoClasses { .. })));
    assert!(matches!(Omniglot::open(root.path().join("absent")), Err(Error::Io { .. })));
    let zip = root.path().join("images_background.zip");
    fs::write(&zip, "no archive")?;
    assert!(matches!(Omniglot::open(root.path()), Err(Error::Format { path, .. }) if path == zip));
    fs::remove_file(zip)?;
    write_folder(root.path())?;
    fs::write(root.path().join("images_background/Cirth/character01/0003_02.png"), "no image")?;
    assert!(matches!(Omniglot::open(root.path()), Err(Error::Image { path, .. }) if path.ends_with("0003_02.png")));
    fs::create_dir(root.path().join("images_background/Cirth/character00"))?;
    assert!(matches!(Omniglot::open(root.path()), Err(Error::NoImages { path }) if path.ends_with("character00")));
    Ok(())
}

#[test]
fn packed_tensors_of_another_shape_are_refused() -> Result<()> {
    let root = tempfile::tempdir()?;
    let file = root.path().join("o.safetensors");
    let images = candle_core::Tensor::zeros((2, 3, 28, 27), candle_core::DType::U8, &candle_core::Device::Cpu)?;
    candle_core::safetensors::save(&std::collections::HashMap::from([("images", images)]), &file)?;
    let error = Omniglot::from_packed(&file).unwrap_err().to_string();
    assert!(error.contains("[2, 3, 28, 27]"), "{error}");
    let images = candle_core::Tensor::zeros((2, 3, 28, 28), candle_core::DType::U8, &candle_core::Device::Cpu)?;
    candle_core::safetensors::save(&std::collections::HashMap::from([("images", images)]), &file)?;
    assert!(
        matches!(Omniglot::from_packed(&file), Err(Error::Io { path, .. }) if path.ends_with("omniglot_classes.json"))
    );
    fs::write(root.path().join("omniglot_classes.json"), r#"{"classes": []}"#)?;
    let error = Omniglot::from_packed(&file).unwrap_err().to_string();
    assert!(error.contains("2 classes") && error.contains("list 0"), "{error}");
    Ok(())
}

/// The published counts, and nearest neighbours in pixels as measured by another program on the same classes (0.49
/// and 0.29).
#[test]
fn real_omniglot_is_complete() -> Result<()> {
    let Some(root) = real_data("real_omniglot_is_complete") else { return Ok(()) };
    let data = Arc::new(Omniglot::open(root.join("omniglot"))?);
    assert_eq!((data.n_classes(), data.background().len(), data.evaluation().len()), (1623, 964, 659));
    assert!((0..1623).all(|class| data.n_examples(class) == 20));
    let evaluation = Subset::new(data.clone(), data.evaluation().collect())?;
    let accuracy = nearest_neighbour_accuracy(evaluation.clone(), 5, 500)?;
    assert!((accuracy - 0.49).abs() < 0.04, "5-way {accuracy}");
    let accuracy = nearest_neighbour_accuracy(evaluation, 20, 200)?;
    assert!((accuracy - 0.29).abs() < 0.03, "20-way {accuracy}");
    // The same drawings, thresholded at a third of a pixel's ink.
    let bits = Omniglot::from_packed(root.join("omniglot/omniglot28_bits.safetensors"))?;
    for (class, example) in [(0, 0), (800, 7), (1622, 19)] {
        let thresholded: Vec<f32> =
            image(&data, class, example).iter().map(|v| if *v >= 1.0 / 3.0 { 1.0 } else { 0.0 }).collect();
        assert_eq!(image(&bits, class, example), thresholded);
    }
    Ok(())
}

/// The first two characters written as PNG at 105 × 105 and read back equal the 28 × 28 images that another program
/// made.
#[test]
fn real_drawings_shrink_to_the_packed_pixels() -> Result<()> {
    let Some(root) = real_data("real_drawings_shrink_to_the_packed_pixels") else { return Ok(()) };
    let packed = Omniglot::open(root.join("omniglot"))?;
    let mut bytes = Vec::new();
    let file = File::open(root.join("omniglot/omniglot105_bits.safetensors.gz"))?;
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes)?;
    let tensors = safetensors::SafeTensors::deserialize(&bytes)?;
    let (_, bits) = tensors.iter().next().ok_or("an empty file")?;
    let official = tempfile::tempdir()?;
    for (index, bits) in bits.data().chunks(1379).take(40).enumerate() {
        let pixel = |x, y| {
            let i = (y * 105 + x) as usize;
            Luma([if bits[i / 8] >> (7 - i % 8) & 1 == 1 { 0 } else { 255 }])
        };
        let folder = official.path().join("images_background").join(packed.class_name(index / 20));
        fs::create_dir_all(&folder)?;
        fs::write(
            folder.join(format!("{:04}_{:02}.png", index / 20, index % 20 + 1)),
            png(&GrayImage::from_fn(105, 105, pixel))?,
        )?;
    }
    let read = Omniglot::from_images(official.path())?;
    for index in 0..40 {
        assert_eq!(image(&read, index / 20, index % 20), image(&packed, index / 20, index % 20), "drawing {index}");
    }
    Ok(())
}
