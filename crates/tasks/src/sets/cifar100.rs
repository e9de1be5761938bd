//! CIFAR-100 and the two class splits that few-shot learning makes of it.
//!
//! CIFAR-FS: Bertinetto et al., *Meta-learning with differentiable closed-form solvers*, 2019: 64 / 16 / 20 classes.
//! FC100: Oreshkin et al., *TADAM*, 2018: 60 / 20 / 20 classes, apart by superclass.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::{Part, TrainTest, named, read_json, splits};
use crate::{Packed, Result, Splits};

/// CIFAR-100, `[32, 32, 3]`: 50 training and 10 test images of each class.
///
/// For episodes use both parts, as CIFAR-FS and FC100 do: `cifar_fs.subsets(&Arc::new(images.merged()?))`.
#[derive(Clone, Debug)]
pub struct Cifar100 {
    /// Training and test images, named by their fine label.
    pub images: TrainTest,
    /// The superclass of each class, as an index into `superclasses`.
    pub superclass: Vec<usize>,
    /// Names of the 20 superclasses, in alphabetical order.
    pub superclasses: Vec<String>,
    /// The split CIFAR-FS: 64 / 16 / 20 classes at random.
    pub cifar_fs: Splits,
    /// The split FC100: 60 / 20 / 20 classes, no superclass in two parts.
    pub fc100: Splits,
}

/// Reads CIFAR-100 from the folder of its pack.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) when a file cannot be read, [`Error::Format`](crate::Error::Format) when one is damaged
/// or they do not go together.
pub fn cifar100(folder: impl AsRef<Path>) -> Result<Cifar100> {
    #[derive(Deserialize)]
    struct Class {
        fine: String,
        coarse: String,
        cifar_fs: Part,
        fc100: Part,
    }
    let folder = folder.as_ref();
    let classes: Vec<Class> = read_json(&folder.join("cifar100_classes.json"))?;
    let packed = Packed::open(folder.join("cifar100_50_10.safetensors.gz"))?;
    let names = || classes.iter().map(|class| class.fine.clone()).collect();
    let images =
        TrainTest { train: named(&packed, "train_images", names())?, test: named(&packed, "test_images", names())? };
    let superclasses: BTreeSet<&str> = classes.iter().map(|class| class.coarse.as_str()).collect();
    let superclass = |class: &Class| superclasses.range(..class.coarse.as_str()).count();
    Ok(Cifar100 {
        images,
        superclass: classes.iter().map(superclass).collect(),
        cifar_fs: splits(classes.iter().map(|class| class.cifar_fs)),
        fc100: splits(classes.iter().map(|class| class.fc100)),
        superclasses: superclasses.into_iter().map(str::to_owned).collect(),
    })
}
