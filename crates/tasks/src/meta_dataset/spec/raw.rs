//! The three forms that a description has as JSON.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::dag::{self, Node};
use super::{DatasetSpec, Hierarchy, SpecClass};

/// The description in a JSON file, or what is wrong with it.
pub(super) fn interpret(json: Value) -> Result<DatasetSpec, String> {
    // Not a tagged enum: serde would not read the keys of its maps as numbers.
    match json.get("__class__").and_then(Value::as_str) {
        Some("DatasetSpecification") => parse::<Plain>(json)?.interpret(),
        Some("BiLevelDatasetSpecification") => parse::<BiLevel>(json)?.interpret(),
        Some("HierarchicalDatasetSpecification") => parse::<Hierarchical>(json)?.interpret(),
        Some(other) => Err(format!("its `__class__` {other} is none of the three official ones")),
        None => Err("it has no `__class__`".into()),
    }
}

fn parse<T: DeserializeOwned>(json: Value) -> Result<T, String> {
    serde_json::from_value(json).map_err(|e| e.to_string())
}

#[derive(Deserialize)]
struct Plain {
    name: String,
    classes_per_split: PerSplit<usize>,
    images_per_class: BTreeMap<usize, usize>,
    class_names: BTreeMap<usize, String>,
    file_pattern: String,
}

/// Omniglot's form: classes in groups, the split made of whole groups.
#[derive(Deserialize)]
struct BiLevel {
    name: String,
    superclasses_per_split: PerSplit<usize>,
    classes_per_superclass: BTreeMap<usize, usize>,
    images_per_class: BTreeMap<usize, usize>,
    class_names: BTreeMap<usize, String>,
    file_pattern: String,
}

/// ImageNet's form: classes are the leaves of one graph for each split.
#[derive(Deserialize)]
struct Hierarchical {
    name: String,
    split_subgraphs: PerSplit<Vec<Node>>,
    images_per_class: PerSplit<HashMap<String, usize>>,
    class_names: BTreeMap<usize, String>,
    file_pattern: String,
}

/// One value for each part of the split.
#[derive(Deserialize)]
struct PerSplit<T> {
    #[serde(rename = "TRAIN")]
    train: T,
    #[serde(rename = "VALID")]
    valid: T,
    #[serde(rename = "TEST")]
    test: T,
}

impl<T> PerSplit<T> {
    fn into_array(self) -> [T; 3] {
        [self.train, self.valid, self.test]
    }
}

impl Plain {
    fn interpret(self) -> Result<DatasetSpec, String> {
        let splits = consecutive(self.classes_per_split.into_array());
        let classes = classes(self.class_names, self.images_per_class, splits[2].end)?;
        let (name, file_pattern) = (self.name, self.file_pattern);
        Ok(DatasetSpec { name, classes, file_pattern, splits, hierarchy: Hierarchy::None })
    }
}

impl BiLevel {
    fn interpret(self) -> Result<DatasetSpec, String> {
        let superclasses = consecutive(self.superclasses_per_split.into_array());
        let groups = consecutive_groups(self.classes_per_superclass, superclasses[2].end)?;
        let groups = superclasses.map(|range| groups[range].to_vec());
        let splits = consecutive(groups.each_ref().map(|groups| groups.iter().map(Vec::len).sum()));
        let classes = classes(self.class_names, self.images_per_class, splits[2].end)?;
        let (name, file_pattern) = (self.name, self.file_pattern);
        Ok(DatasetSpec { name, classes, file_pattern, splits, hierarchy: Hierarchy::Groups(groups) })
    }
}

impl Hierarchical {
    fn interpret(self) -> Result<DatasetSpec, String> {
        let number: HashMap<String, usize> =
            self.class_names.iter().map(|(&class, name)| (name.clone(), class)).collect();
        let [train, valid, test] = self.split_subgraphs.into_array().map(|graph| dag::spans(&graph, &number));
        let spans = [train?, valid?, test?];
        let splits = consecutive(spans.each_ref().map(|spans| spans.leaves.len()));
        for (range, spans) in splits.iter().zip(&spans) {
            if !spans.leaves.iter().copied().eq(range.clone()) {
                return Err(format!("the leaves of a graph are not the classes {range:?}"));
            }
        }
        let sizes = self.images_per_class.into_array();
        let n_images = sizes.iter().flatten().filter_map(|(name, &n)| Some((*number.get(name)?, n))).collect();
        let classes = classes(self.class_names, n_images, splits[2].end)?;
        let hierarchy = Hierarchy::Spans(spans.map(|spans| spans.inner));
        Ok(DatasetSpec { name: self.name, classes, file_pattern: self.file_pattern, splits, hierarchy })
    }
}

/// Ranges one after another, of the given lengths.
fn consecutive(lengths: [usize; 3]) -> [Range<usize>; 3] {
    let mut start = 0;
    lengths.map(|length| {
        start += length;
        start - length..start
    })
}

/// Classes one after another, as many to each superclass as it has.
fn consecutive_groups(sizes: BTreeMap<usize, usize>, n_groups: usize) -> Result<Vec<Vec<usize>>, String> {
    if !sizes.keys().copied().eq(0..n_groups) {
        return Err(format!("it has {n_groups} superclasses, but the sizes of {}", sizes.len()));
    }
    let mut start = 0;
    let group = |size| {
        start += size;
        (start - size..start).collect()
    };
    Ok(sizes.into_values().map(group).collect())
}

/// Names and sizes of the classes 0 … `n`.
fn classes(
    names: BTreeMap<usize, String>,
    n_images: BTreeMap<usize, usize>,
    n: usize,
) -> Result<Vec<SpecClass>, String> {
    if !names.keys().copied().eq(0..n) || !n_images.keys().copied().eq(0..n) {
        let (named, sized) = (names.len(), n_images.len());
        return Err(format!("its split has {n} classes, but there are names for {named} and sizes for {sized}"));
    }
    Ok(names.into_values().zip(n_images.into_values()).map(|(name, n_images)| SpecClass { name, n_images }).collect())
}
