//! `tf.train.Example`: named lists of bytes, floats or integers.
//!
//! ```text
//! Example { 1: Features { 1: repeated { 1: string name, 2: Feature } } }
//! Feature { 1: { 1: repeated bytes } | 2: { 1: repeated float } | 3: { 1: repeated int64 } }
//! ```

use std::collections::BTreeMap;

use super::protobuf::{Value, fields, varint};

/// The features of one example, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    /// Name and values of each feature.
    pub features: BTreeMap<String, Feature>,
}

/// The values of a feature.
#[derive(Clone, Debug, PartialEq)]
pub enum Feature {
    /// Byte strings, such as encoded images.
    Bytes(Vec<Vec<u8>>),
    /// Floating-point numbers.
    Floats(Vec<f32>),
    /// Integers, such as labels.
    Integers(Vec<i64>),
}

impl Example {
    /// Reads a serialised example.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the message.
    pub fn parse(message: &[u8]) -> Result<Self, String> {
        let mut features = BTreeMap::new();
        for list in messages(message, 1)? {
            for entry in messages(list, 1)? {
                let name = messages(entry, 1)?.pop().unwrap_or_default();
                let name = String::from_utf8(name.to_vec()).map_err(|_| "the name of a feature is not UTF-8")?;
                let feature = match messages(entry, 2)?.pop() {
                    Some(feature) => parse_feature(feature)?,
                    None => continue,
                };
                features.extend(feature.map(|feature| (name, feature)));
            }
        }
        Ok(Self { features })
    }

    /// The one byte string of a feature.
    ///
    /// # Errors
    /// A sentence that says what is there instead.
    pub fn bytes(&self, name: &str) -> Result<&[u8], String> {
        match self.features.get(name) {
            Some(Feature::Bytes(values)) if values.len() == 1 => Ok(&values[0]),
            _ => Err(self.missing(name, "byte string")),
        }
    }

    /// The one integer of a feature.
    ///
    /// # Errors
    /// A sentence that says what is there instead.
    pub fn integer(&self, name: &str) -> Result<i64, String> {
        match self.features.get(name).map(|feature| match feature {
            Feature::Integers(values) => values.as_slice(),
            _ => &[],
        }) {
            Some(&[value]) => Ok(value),
            _ => Err(self.missing(name, "integer")),
        }
    }

    fn missing(&self, name: &str, kind: &str) -> String {
        let names: Vec<&str> = self.features.keys().map(String::as_str).collect();
        format!("it has no feature `{name}` of one {kind}; its features are `{}`", names.join("`, `"))
    }
}

/// The values of a feature; `None` where the writer set none of its three kinds.
fn parse_feature(message: &[u8]) -> Result<Option<Feature>, String> {
    if let Some(list) = messages(message, 1)?.pop() {
        let values = messages(list, 1)?.into_iter().map(<[u8]>::to_vec).collect();
        return Ok(Some(Feature::Bytes(values)));
    }
    if let Some(list) = messages(message, 2)?.pop() {
        return Ok(Some(Feature::Floats(floats(list)?)));
    }
    match messages(message, 3)?.pop() {
        Some(list) => Ok(Some(Feature::Integers(integers(list)?))),
        None => Ok(None),
    }
}

/// Numbers stand packed in one field or in fields of their own; readers take both.
fn floats(list: &[u8]) -> Result<Vec<f32>, String> {
    let mut floats = Vec::new();
    for (number, value) in fields(list)? {
        match value {
            Value::Fixed32(bytes) if number == 1 => floats.push(f32::from_le_bytes(bytes)),
            Value::Bytes(packed) if number == 1 => {
                let (chunks, rest) = packed.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err("a list of floats is not a multiple of four bytes".into());
                }
                floats.extend(chunks.iter().map(|&bytes| f32::from_le_bytes(bytes)));
            }
            _ => {}
        }
    }
    Ok(floats)
}

fn integers(list: &[u8]) -> Result<Vec<i64>, String> {
    let mut integers = Vec::new();
    for (number, value) in fields(list)? {
        match value {
            // Negative numbers are written in two's complement.
            Value::Varint(value) if number == 1 => integers.push(value as i64),
            Value::Bytes(mut packed) if number == 1 => {
                while !packed.is_empty() {
                    integers.push(varint(&mut packed)? as i64);
                }
            }
            _ => {}
        }
    }
    Ok(integers)
}

/// The byte strings and messages in the fields of one number; unknown fields are passed over.
fn messages(message: &[u8], number: u64) -> Result<Vec<&[u8]>, String> {
    let bytes = |(n, value)| match value {
        Value::Bytes(bytes) if n == number => Some(bytes),
        _ => None,
    };
    Ok(fields(message)?.into_iter().filter_map(bytes).collect())
}
