//! A user's folder of images.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use rekindle_tasks::{ClassDataset, Error, ImageFolder};

use crate::common::{Result, image};

const TINY: ImageFolder = ImageFolder { height: 2, width: 2, color: true, invert: false };

fn root_with(classes: &[&str]) -> Result<tempfile::TempDir> {
    let root = tempfile::tempdir()?;
    classes.iter().try_for_each(|class| fs::create_dir(root.path().join(class)))?;
    Ok(root)
}

fn read_error(root: &Path) -> Error {
    TINY.read(root).unwrap_err()
}

#[test]
fn classes_and_images_come_in_the_order_of_their_names() -> Result<()> {
    let root = root_with(&["cats", "ants", ".cache"])?;
    fs::write(root.path().join("readme.txt"), "not a class")?;
    fs::write(root.path().join("cats/notes.txt"), "not an image")?;
    RgbImage::from_pixel(6, 4, Rgb([255, 0, 51])).save(root.path().join("cats/2.png"))?;
    GrayImage::from_pixel(3, 3, Luma([102])).save(root.path().join("cats/10.png"))?;
    RgbaImage::from_pixel(2, 2, Rgba([0, 0, 0, 51])).save(root.path().join("ants/pale.PNG"))?;
    RgbImage::from_pixel(16, 16, Rgb([200, 200, 200])).save(root.path().join("ants/x.jpeg"))?;
    let data = TINY.read(root.path())?;
    assert_eq!((data.n_classes(), data.image_shape()), (2, [2, 2, 3]));
    assert_eq!((data.class_name(0).as_str(), data.n_examples(0)), ("ants", 2));
    // Black at a fifth of full opacity over white is 204; JPEG keeps a flat grey to about a level.
    assert_eq!(image(&data, 0, 0), vec![204.0 / 255.0; 12]);
    assert!(image(&data, 0, 1).iter().all(|v| (v - 200.0 / 255.0).abs() < 0.01));
    assert_eq!(image(&data, 1, 0), vec![0.4; 12]);
    assert_eq!(image(&data, 1, 1), [1.0, 0.0, 0.2].repeat(4));
    Ok(())
}

#[test]
fn grey_and_inverted_images_have_one_channel_of_ink() -> Result<()> {
    let root = root_with(&["a"])?;
    let half = RgbImage::from_fn(4, 4, |x, _| if x < 2 { Rgb([0, 0, 0]) } else { Rgb([255, 255, 255]) });
    half.save(root.path().join("a/1.png"))?;
    let data = ImageFolder { color: false, invert: true, ..TINY }.read(root.path())?;
    assert_eq!(image(&data, 0, 0), [1.0, 0.0, 1.0, 0.0]);
    assert!(matches!(ImageFolder { height: 0, ..TINY }.read(root.path()), Err(Error::Shape { .. })));
    Ok(())
}

#[test]
fn folders_without_classes_or_images_are_named() -> Result<()> {
    let root = root_with(&[])?;
    assert!(matches!(read_error(root.path()), Error::NoClasses { path } if path == root.path()));
    let root = root_with(&["empty"])?;
    assert!(matches!(read_error(root.path()), Error::NoImages { path } if path == root.path().join("empty")));
    assert!(matches!(read_error(&root.path().join("absent")), Error::Io { path, .. } if path.ends_with("absent")));
    Ok(())
}

#[test]
fn empty_and_corrupt_images_are_named() -> Result<()> {
    let root = root_with(&["a"])?;
    let file = root.path().join("a/1.png");
    fs::write(&file, [])?;
    let error = read_error(root.path());
    assert!(matches!(&error, Error::Image { path, .. } if *path == file));
    assert!(error.to_string().contains("the file is empty"));

    GrayImage::from_fn(64, 64, |x, y| Luma([(x * y) as u8])).save(&file)?;
    let whole = fs::read(&file)?;
    fs::write(&file, &whole[..whole.len() / 2])?;
    assert!(matches!(read_error(root.path()), Error::Image { path, .. } if path == file), "cut off");
    fs::write(&file, "this is no image")?;
    assert!(matches!(read_error(root.path()), Error::Image { path, .. } if path == file), "not an image");
    Ok(())
}
