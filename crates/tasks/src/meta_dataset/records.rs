//! Meta-Dataset's converted data: one record file for each class, beside its description.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::DatasetSpec;
use crate::dataset::check_example;
use crate::resize::area_average;
use crate::tfrecord::Records;
use crate::{ClassDataset, Error, Result, decode};

/// A data set in the official layout: `dataset_spec.json`, and `0.tfrecords`, `1.tfrecords`, … with an encoded `image`
/// and its `label` in each record.
///
/// Images stay on disk; each is decoded and brought to `[H, W, 3]` when it is drawn, by area average. (The official
/// code resizes to 126 × 126 bilinearly.) [`InMemory::copy_of`](crate::InMemory::copy_of) makes small sets quick. A
/// file is walked through when its class is first drawn.
///
/// ```no_run
/// use rekindle_tasks::{MetaDataset, MetaDatasetRecords, MetaDatasetSampler, SpecSplit, batch_rng};
///
/// let data = MetaDatasetRecords::open("records/aircraft", 84, 84)?;
/// let pool = data.spec().pool(SpecSplit::Train);
/// let sampler = MetaDatasetSampler::new(data, &pool, MetaDataset::default())?;
/// let episode = sampler.episode(&mut batch_rng(0, 0))?;
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
#[derive(Debug)]
pub struct MetaDatasetRecords {
    spec: DatasetSpec,
    classes: Vec<Class>,
    height: usize,
    width: usize,
}

#[derive(Debug)]
struct Class {
    file: PathBuf,
    records: OnceLock<Records>,
}

impl MetaDatasetRecords {
    /// A data set whose images become `height` × `width`.
    ///
    /// # Errors
    /// Those of [`DatasetSpec::read`]; [`Error::MissingClasses`] for the classes that have no file; [`Error::Format`]
    /// for a file pattern without a `{}`; [`Error::Shape`] for a size of 0.
    pub fn open(folder: impl AsRef<Path>, height: usize, width: usize) -> Result<Self> {
        if height * width == 0 {
            let found = vec![height, width];
            return Err(Error::Shape { what: "the size of images", found, expected: "[H, W], none of them 0" });
        }
        let folder = folder.as_ref();
        let description = folder.join("dataset_spec.json");
        let spec = DatasetSpec::read(&description)?;
        if spec.file_pattern.matches("{}").count() != 1 {
            let reason = format!("its file pattern {} should have one {{}} for the class", spec.file_pattern);
            return Err(Error::format(&description, &reason));
        }
        let file = |class: usize| folder.join(spec.file_pattern.replace("{}", &class.to_string()));
        let files: Vec<PathBuf> = (0..spec.classes.len()).map(file).collect();
        let missing = spec.classes.iter().zip(&files).filter(|(_, file)| !file.is_file());
        let names: Vec<String> = missing.map(|(class, _)| class.name.clone()).collect();
        if !names.is_empty() {
            let what = folder.display().to_string();
            return Err(Error::MissingClasses { what, spec: spec.name, names });
        }
        let classes = files.into_iter().map(|file| Class { file, records: OnceLock::new() }).collect();
        Ok(Self { spec, classes, height, width })
    }

    /// The description, whose class numbers are those of this data set.
    pub fn spec(&self) -> &DatasetSpec {
        &self.spec
    }

    /// The records of a class, which are as many as the description says.
    fn records(&self, class: usize) -> Result<&Records> {
        let Class { file, records } = &self.classes[class];
        if let Some(records) = records.get() {
            return Ok(records);
        }
        let (found, n_images) = (Records::open(file)?, self.spec.classes[class].n_images);
        if found.len() != n_images {
            let reason = format!("it has {} records, but its description says {n_images}", found.len());
            return Err(Error::format(file, &reason));
        }
        Ok(records.get_or_init(|| found))
    }
}

impl ClassDataset for MetaDatasetRecords {
    fn n_classes(&self) -> usize {
        self.classes.len()
    }

    fn n_examples(&self, class: usize) -> usize {
        self.spec.classes.get(class).map_or(0, |class| class.n_images)
    }

    fn image_shape(&self) -> [usize; 3] {
        [self.height, self.width, 3]
    }

    fn class_name(&self, class: usize) -> String {
        self.spec.classes.get(class).map_or_else(String::new, |class| class.name.clone())
    }

    fn write_example(&self, class: usize, example: usize, out: &mut [f32]) -> Result<()> {
        check_example(self, class, example, out)?;
        let records = self.records(class)?;
        let error = |reason: String| records.error(example, &reason);
        let record = records.example(example)?;
        let label = record.integer("label").map_err(error)?;
        if usize::try_from(label) != Ok(class) {
            return Err(error(format!("its label is {label}, but its file is that of class {class}")));
        }
        let place = self.classes[class].file.join(format!("record {example}"));
        let image = decode::rgb(record.bytes("image").map_err(error)?, &place)?;
        let pixels = area_average(&image, self.height, self.width);
        out.iter_mut().zip(pixels).for_each(|(out, v)| *out = f32::from(v) / 255.0);
        Ok(())
    }
}
