//! Images that a list names: the layout of miniImageNet.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use crate::{Error, Result};

/// The entries of a list, file name and label each: CSV with the header `filename,label`, plain or gzipped (`.gz`).
///
/// # Errors
/// [`Error::Io`] when the file cannot be read; [`Error::Format`] for another header, for a line (numbered from 1) that
/// is not a name and a label, or when no image is listed.
pub fn read_image_list(file: impl AsRef<Path>) -> Result<Vec<(String, String)>> {
    let file = file.as_ref();
    let text = read_text(file)?;
    let mut lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
    match lines.next() {
        Some((_, "filename,label")) => {}
        other => {
            let found = other.map_or("nothing", |(_, line)| line);
            return Err(Error::format(file, &format!("it begins with {found:?}, not with `filename,label`")));
        }
    }
    let entry = |(number, line): (usize, &str)| match line.split_once(',') {
        Some((name, label)) if !name.is_empty() && !label.is_empty() && !label.contains(',') => {
            Ok((name.to_owned(), label.to_owned()))
        }
        _ => Err(Error::format(file, &format!("line {} is {line:?}, not a file name and a label", number + 1))),
    };
    let entries: Vec<_> = lines.map(entry).collect::<Result<_>>()?;
    if entries.is_empty() {
        return Err(Error::format(file, &"it lists no image"));
    }
    Ok(entries)
}

fn read_text(file: &Path) -> Result<String> {
    let mut text = String::new();
    let mut source = File::open(file).map_err(Error::io(file))?;
    if file.extension().is_some_and(|extension| extension == "gz") {
        GzDecoder::new(source).read_to_string(&mut text).map_err(|e| Error::format(file, &e))?;
    } else {
        source.read_to_string(&mut text).map_err(Error::io(file))?;
    }
    Ok(text)
}

/// How to read images that a list names, all in one folder. Default: 84 × 84, as miniImageNet.
///
/// miniImageNet comes as a folder `images` and the lists `train.csv`, `val.csv` and `test.csv` of Ravi & Larochelle,
/// 2017: 64, 16 and 20 classes, 600 images each. Read one list at a time; the training part takes 813 MB of memory.
///
/// ```no_run
/// use rekindle_tasks::{FewShot, FewShotSampler, ImageList};
///
/// let train = ImageList::default().read("mini/images", "mini/train.csv")?;
/// let config = FewShot { queries: 15, ..FewShot::default() };
/// let episodes = FewShotSampler::new(train, config)?;
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
#[cfg(feature = "images")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageList {
    /// Height H to resize to, `>= 1`.
    pub height: usize,
    /// Width W to resize to, `>= 1`.
    pub width: usize,
}

#[cfg(feature = "images")]
impl Default for ImageList {
    fn default() -> Self {
        Self { height: 84, width: 84 }
    }
}

#[cfg(feature = "images")]
impl ImageList {
    /// Reads the listed images into memory, in the list's order, `[H, W, 3]`; classes are in the order of their names.
    ///
    /// # Errors
    /// Those of [`read_image_list`]; [`Error::Io`] for a listed image that is not there, [`Error::Image`] for one that
    /// does not decode, [`Error::Shape`] for a size of 0.
    pub fn read(&self, images: impl AsRef<Path>, list: impl AsRef<Path>) -> Result<crate::LabelledImages> {
        if self.height * self.width == 0 {
            let found = vec![self.height, self.width];
            return Err(Error::Shape { what: "the size of images", found, expected: "[H, W], none of them 0" });
        }
        let entries = read_image_list(list)?;
        let mut names: Vec<&String> = entries.iter().map(|(_, label)| label).collect();
        names.sort();
        names.dedup();
        let (mut pixels, mut labels) = (Vec::new(), Vec::with_capacity(entries.len()));
        for (name, label) in &entries {
            let path = images.as_ref().join(name);
            let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
            let image = crate::decode::rgb(&bytes, &path)?;
            pixels.extend(crate::resize::area_average(&image, self.height, self.width));
            labels.push(names.partition_point(|&other| other < label) as u32);
        }
        crate::LabelledImages::new([self.height, self.width, 3], pixels, labels)?.with_names(names)
    }
}
