//! Office-Caltech10: ten objects as four cameras see them.
//!
//! Gong et al., *Geodesic flow kernel for unsupervised domain adaptation*, 2012.

use std::path::Path;

use candle_core::{DType, Device, Tensor};

use crate::{Packed, Result};

/// The objects, in the order of their labels.
pub const OFFICE_CALTECH_OBJECTS: [&str; 10] =
    ["backpack", "bike", "calculator", "headphones", "keyboard", "laptop", "monitor", "mouse", "mug", "projector"];

/// One domain: features and labels of its images.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Its name, such as `amazon`.
    pub name: &'static str,
    /// Features `[B, D]`, f32.
    pub x: Tensor,
    /// Labels `[B]`, u32 from 0.
    pub y: Tensor,
}

/// SURF histograms, D = 800, counts of visual words, of amazon (958), caltech10 (1123), dslr (157) and webcam (295).
/// The literature normalises them: each image to sum 1, then each feature to mean 0 and variance 1.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) when the file cannot be read, [`Error::Format`](crate::Error::Format) when it is
/// damaged.
pub fn office_caltech_surf(folder: impl AsRef<Path>) -> Result<[Domain; 4]> {
    let file = Packed::open(folder.as_ref().join("surf800.safetensors.gz"))?;
    let [amazon, caltech, dslr, webcam] = DOMAINS.map(|name| domain(&file, name));
    Ok([amazon?, caltech?, dslr?, webcam?])
}

/// Features of GoogLeNet's last layer before the classifier, D = 1024, of amazon, dslr and webcam.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) when the file cannot be read, [`Error::Format`](crate::Error::Format) when it is
/// damaged.
pub fn office_caltech_googlenet(folder: impl AsRef<Path>) -> Result<[Domain; 3]> {
    let file = Packed::open(folder.as_ref().join("googlenet1024_amazon_dslr_webcam.safetensors.gz"))?;
    let [amazon, _, dslr, webcam] = DOMAINS;
    Ok([domain(&file, amazon)?, domain(&file, dslr)?, domain(&file, webcam)?])
}

/// The images themselves, `[48, 48, 3]`: amazon, caltech10, dslr and webcam.
///
/// # Errors
/// Those of [`Packed::open`] and [`Packed::jpegs`]; [`Error::Format`](crate::Error::Format) for a label of no domain.
#[cfg(feature = "images")]
pub fn office_caltech_images(folder: impl AsRef<Path>) -> Result<[crate::LabelledImages; 4]> {
    use crate::LabelledImages;
    let file = Packed::open(folder.as_ref().join("images48_jpeg.safetensors"))?;
    let all = file.jpegs(48, 48)?;
    if let Some(label) = all.labels().iter().find(|&&label| label >= 40) {
        return Err(file.format(&format!("its label {label} is not 10·domain + object")));
    }
    let domain = |domain: usize| -> Result<LabelledImages> {
        let images: Vec<usize> =
            (10 * domain..10 * domain + 10).flat_map(|class| all.members(class)).copied().collect();
        all.take(&images)?.relabelled(|label| label % 10).with_names(OFFICE_CALTECH_OBJECTS)
    };
    Ok([domain(0)?, domain(1)?, domain(2)?, domain(3)?])
}

const DOMAINS: [&str; 4] = ["amazon", "caltech10", "dslr", "webcam"];

/// Features `{name}_x [B, D]` and labels `{name}_y [B]` from 1 to 10.
fn domain(file: &Packed, name: &'static str) -> Result<Domain> {
    let x = file.tensor(&format!("{name}_x"))?;
    let label = |label: u32| match label {
        1..=10 => Ok(label - 1),
        _ => Err(file.format(&format!("its tensor `{name}_y` has the label {label}, not 1 to 10"))),
    };
    let y: Vec<u32> = file.labels(&format!("{name}_y"))?.into_iter().map(label).collect::<Result<_>>()?;
    if x.rank() != 2 || x.dims()[0] != y.len() {
        let (found, n) = (x.dims(), y.len());
        return Err(file.format(&format!("its tensor `{name}_x` has shape {found:?}, not [{n}, D]")));
    }
    let n = y.len();
    Ok(Domain { name, x: x.to_dtype(DType::F32)?, y: Tensor::from_vec(y, n, &Device::Cpu)? })
}
