//! Images that a list names, as miniImageNet comes.

use std::fs;
use std::io::Write;
use std::path::Path;

use image::{Rgb, RgbImage};
use rekindle_tasks::{ClassDataset, Error, ImageList, read_image_list};

use crate::common::{Result, image, real_data};

const TINY: ImageList = ImageList { height: 2, width: 2 };

/// Three images in `images`, of levels 51, 102 and 153.
fn folder() -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("images"))?;
    for (name, level) in [("n02x1.png", 51), ("n01x7.png", 102), ("n02x2.png", 153)] {
        RgbImage::from_pixel(4, 6, Rgb([level, 0, 255])).save(folder.path().join("images").join(name))?;
    }
    Ok(folder)
}

fn list(folder: &Path, text: &str) -> std::path::PathBuf {
    let file = folder.join("train.csv");
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn listed_images_come_in_the_order_of_the_list() -> Result<()> {
    let folder = folder()?;
    let text = "filename,label\nn02x1.png,n02\r\nn01x7.png,n01\n\nn02x2.png,n02\n";
    let plain = list(folder.path(), text);
    let zipped = folder.path().join("train.csv.gz");
    let mut encoder = flate2::write::GzEncoder::new(fs::File::create(&zipped)?, flate2::Compression::fast());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()?;
    for file in [plain, zipped] {
        let data = TINY.read(folder.path().join("images"), &file)?;
        assert_eq!((data.n_classes(), data.labels()), (2, [1, 0, 1].as_slice()));
        assert_eq!((data.class_name(0), data.class_name(1)), ("n01".into(), "n02".into()));
        assert_eq!(image(&data, 1, 1), [0.6, 0.0, 1.0].repeat(4));
    }
    assert_eq!((ImageList::default().height, ImageList::default().width), (84, 84));
    Ok(())
}

#[test]
fn damaged_lists_and_images_are_named() -> Result<()> {
    let folder = folder()?;
    let read = |text: &str| TINY.read(folder.path().join("images"), list(folder.path(), text)).unwrap_err();
    let reason = |text: &str| match read(text) {
        Error::Format { path, reason } if path.ends_with("train.csv") => reason,
        other => panic!("{other}"),
    };
    assert!(reason("").contains("begins with \"nothing\""));
    assert!(reason("label,filename\n").contains("begins with \"label,filename\""));
    assert!(reason("filename,label\n").contains("lists no image"));
    assert!(reason("filename,label\na.png,b\nc.png\n").contains("line 3 is \"c.png\""));
    assert!(reason("filename,label\na.png,b,c\n").contains("line 2"));
    assert!(reason("filename,label\n,b\n").contains("line 2"));
    let error = read("filename,label\nabsent.png,b\n");
    assert!(matches!(error, Error::Io { path, .. } if path.ends_with("images/absent.png")));
    fs::write(folder.path().join("images/bad.png"), "no image")?;
    let error = read("filename,label\nbad.png,b\n");
    assert!(matches!(error, Error::Image { path, .. } if path.ends_with("images/bad.png")));
    assert!(
        matches!(read_image_list(folder.path().join("x.csv")), Err(Error::Io { path, .. }) if path.ends_with("x.csv"))
    );
    fs::write(folder.path().join("x.csv.gz"), "not zipped")?;
    assert!(matches!(read_image_list(folder.path().join("x.csv.gz")), Err(Error::Format { .. })));
    let zero = ImageList { height: 0, ..TINY }.read(folder.path().join("images"), folder.path().join("train.csv"));
    assert!(matches!(zero, Err(Error::Shape { .. })));
    Ok(())
}

/// The published sizes: 64, 16 and 20 classes of 600 images.
#[test]
fn the_lists_of_mini_imagenet_have_their_sizes() -> Result<()> {
    let Some(root) = real_data("the_lists_of_mini_imagenet_have_their_sizes") else { return Ok(()) };
    let folder = root.join("splits/miniimagenet_ravi");
    let mut all = Vec::new();
    for (part, n_classes) in [("train", 64), ("val", 16), ("test", 20)] {
        let entries = read_image_list(folder.join(format!("{part}.csv.gz")))?;
        assert_eq!(entries.len(), n_classes * 600);
        let mut labels: Vec<String> = entries.into_iter().map(|(_, label)| label).collect();
        labels.sort();
        labels.dedup();
        assert_eq!(labels.len(), n_classes);
        all.extend(labels);
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 100, "no class is in two parts");
    Ok(())
}
