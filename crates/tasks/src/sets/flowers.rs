//! Oxford flowers with class splits and a description of every class.
//!
//! Nilsback & Zisserman, *Automated flower classification over a large number of classes*, 2008; descriptions embedded as
//! by Reed et al., *Learning deep representations of fine-grained visual descriptions*, 2016.

use std::path::Path;

use candle_core::Tensor;
use serde::Deserialize;

use super::{Part, by_class, read_json, splits};
use crate::{LabelledImages, Packed, Result, Splits};

/// Oxford flowers: 102 classes.
#[derive(Clone, Debug)]
pub struct Flowers {
    /// 20 images of each class, `[32, 32, 3]`. `images64` reads all of them, larger.
    pub images: LabelledImages,
    /// The class split of Meta-Dataset: 71 / 15 / 16.
    pub splits: Splits,
    /// Classes to learn from in zero-shot learning (82).
    pub seen: Vec<usize>,
    /// Classes to be judged on in zero-shot learning (20): known by their description alone.
    pub unseen: Vec<usize>,
    /// An embedding of each class's description `[102, 1024]`, f32 of unit length.
    pub embeddings: Tensor,
    /// Names of the classes, as in Meta-Dataset: `001.pink primrose`.
    pub names: Vec<String>,
}

impl Flowers {
    /// All 8,189 images, `[64, 64, 3]`, 40 to 258 of a class.
    ///
    /// # Errors
    /// Those of [`Packed::open`] and [`Packed::jpegs`].
    #[cfg(feature = "images")]
    pub fn images64(folder: impl AsRef<Path>) -> Result<LabelledImages> {
        let folder = folder.as_ref();
        let images = Packed::open(folder.join("flowers64_jpeg.safetensors"))?.jpegs(64, 64)?;
        images.with_names(read_classes(folder)?.iter().map(Class::name))
    }
}

/// Reads the flowers, at 32 × 32, from the folder of their packs.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) when a file cannot be read, [`Error::Format`](crate::Error::Format) when one is damaged
/// or they do not go together.
pub fn flowers(folder: impl AsRef<Path>) -> Result<Flowers> {
    let folder = folder.as_ref();
    let classes = read_classes(folder)?;
    let names: Vec<String> = classes.iter().map(Class::name).collect();
    let file = Packed::open(folder.join("flo_text_embeddings.safetensors"))?;
    let embeddings = file.tensor("embeddings")?;
    if embeddings.rank() != 2 || embeddings.dims()[0] != classes.len() {
        let (found, n) = (embeddings.dims(), classes.len());
        return Err(file.format(&format!("its tensor `embeddings` has shape {found:?}, not [{n}, D]")));
    }
    let by_use = |zsl| (0..classes.len()).filter(|&class| classes[class].zsl == zsl).collect();
    Ok(Flowers {
        images: by_class(&folder.join("flowers32_102x20.safetensors.gz"), names.clone())?,
        splits: splits(classes.iter().map(|class| class.meta_dataset_split)),
        seen: by_use(Zsl::Seen),
        unseen: by_use(Zsl::Unseen),
        embeddings,
        names,
    })
}

fn read_classes(folder: &Path) -> Result<Vec<Class>> {
    read_json(&folder.join("flower_classes.json"))
}

#[derive(Deserialize)]
struct Class {
    class: u32,
    name: String,
    meta_dataset_split: Part,
    zsl: Zsl,
}

impl Class {
    fn name(&self) -> String {
        format!("{:03}.{}", self.class, self.name)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Zsl {
    Seen,
    Unseen,
}
