//! Record files that the tests write, by an encoder of their own; and data sets in the official layout.

use std::fs;
use std::path::{Path, PathBuf};

use image::{ImageFormat, Rgb, RgbImage};
use rekindle_tasks::tfrecord::{Example, Feature, Records, frame};
use rekindle_tasks::{ClassDataset, Error, MetaDataset, MetaDatasetRecords, MetaDatasetSampler, SpecSplit, batch_rng};

use crate::common::{Result, image};

/// A field that holds bytes or a message of less than 2¹⁴ bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let n = bytes.len();
    assert!(n < 1 << 14);
    let length = if n < 128 { vec![n as u8] } else { vec![(n & 127) as u8 | 128, (n >> 7) as u8] };
    [&[number << 3 | 2], length.as_slice(), bytes].concat()
}

fn example(features: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entry = |(name, feature): &(&str, Vec<u8>)| field(1, &[field(1, name.as_bytes()), field(2, feature)].concat());
    field(1, &features.iter().flat_map(entry).collect::<Vec<u8>>())
}

fn bytes_feature(bytes: &[u8]) -> Vec<u8> {
    field(1, &field(1, bytes))
}

/// Packed, as TensorFlow writes it.
fn integer_feature(value: u8) -> Vec<u8> {
    field(3, &field(1, &[value]))
}

fn png(level: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::from_pixel(3, 2, Rgb([level, 0, 255])).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The second and third record that TensorBoard's own writer made (crates/meta has the same bytes); the checksums are
/// TensorFlow's.
#[test]
fn frames_are_those_of_tensorflow() {
    let message = [9, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0x10, 0xac, 0x02, 0x3a, 0x02, 0x08, 0x01];
    let hex: String = frame(&message).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "100000000000000095fbfe1809000000000000f83f10ac023a020801713b788a");
}

#[test]
fn damaged_records_are_refused_by_number() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("r.tfrecords");
    let whole = [frame(b"one"), frame(b""), frame(b"three")].concat();
    fs::write(&file, &whole)?;
    let records = Records::open(&file)?;
    assert_eq!((records.len(), records.is_empty()), (3, false));
    assert_eq!((records.read(0)?, records.read(1)?, records.read(2)?), (b"one".to_vec(), vec![], b"three".to_vec()));
    assert!(matches!(records.read(3), Err(Error::OutOfRange { what: "record", index: 3, available: 3 })));
    let reason = |error: Error| match error {
        Error::Format { path, reason } if path == file => reason,
        other => panic!("{other}"),
    };
    // Records begin at 0, 19 and 35; the file has 56 bytes.
    for length in (0..whole.len()).filter(|length| ![0, 19, 35].contains(length)) {
        fs::write(&file, &whole[..length])?;
        let record = [19, 35].iter().filter(|&&start| length >= start).count();
        let expected = format!("record {record}: the file ends");
        assert!(reason(Records::open(&file).unwrap_err()).contains(&expected), "{length}");
    }
    // Any bit of any record: it is noticed when the file is opened or the record read.
    for (byte, bit) in (0..whole.len()).map(|byte| (byte, byte % 8)) {
        let mut damaged = whole.clone();
        damaged[byte] ^= 1 << bit;
        fs::write(&file, &damaged)?;
        let record = [19, 35].iter().filter(|&&start| byte >= start).count();
        let error = match Records::open(&file) {
            Ok(records) => records.read(record).unwrap_err(),
            Err(error) => error,
        };
        let reason = reason(error);
        assert!(reason.starts_with(&format!("record {record}:")) && reason.contains("checksum"), "{byte}: {reason}");
    }
    fs::remove_file(&file)?;
    assert!(matches!(Records::open(&file), Err(Error::Io { path, .. }) if path == file));
    assert!(matches!(records.read(0), Err(Error::Io { path, .. }) if path == file));
    Ok(())
}

#[test]
fn examples_hold_bytes_floats_and_integers() -> Result<()> {
    let floats: Vec<u8> = [0.5f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let minus_one = [[255; 9].as_slice(), &[1]].concat();
    let message = example(&[
        ("image", bytes_feature(b"\x00\xff")),
        ("packed", field(2, &field(1, &floats))),
        ("plain", field(2, &[&[0x0d], &floats[..4], &[0x0d], &floats[4..]].concat())),
        ("ids", field(3, &field(1, &[&[3], minus_one.as_slice()].concat()))),
        ("apart", field(3, &[0x08, 0xac, 0x02, 0x08, 0x05])),
        ("unset", vec![]),
    ]);
    let found = Example::parse(&message)?;
    let expected = [
        ("apart", Feature::Integers(vec![300, 5])),
        ("ids", Feature::Integers(vec![3, -1])),
        ("image", Feature::Bytes(vec![vec![0, 255]])),
        ("packed", Feature::Floats(vec![0.5, -2.0])),
        ("plain", Feature::Floats(vec![0.5, -2.0])),
    ];
    assert_eq!(found.features, expected.map(|(name, feature)| (name.to_owned(), feature)).into());
    assert_eq!(found.bytes("image")?, [0, 255]);
    assert!(found.integer("ids").unwrap_err().contains("no feature `ids` of one integer; its features are `apart`"));
    assert!(found.integer("image").is_err() && found.bytes("absent").is_err());
    Ok(())
}

#[test]
fn messages_that_are_no_examples_are_refused() {
    let whole = example(&[("image", bytes_feature(&[7; 200])), ("label", integer_feature(4))]);
    for length in 1..whole.len() {
        assert!(Example::parse(&whole[..length]).is_err(), "{length}");
    }
    let refused = |message: &[u8]| Example::parse(message).unwrap_err();
    assert!(refused(&[0x0b]).contains("unknown wire type"));
    assert!(refused(&[0x08; 1]).contains("middle of a field"));
    assert!(refused(&[[0x08].as_slice(), &[0xff; 11]].concat()).contains("more than ten bytes"));
    assert!(refused(&example(&[("odd", field(2, &field(1, &[1, 2, 3])))])).contains("multiple of four"));
    let name = field(1, &field(1, &field(1, &[0xff])));
    assert!(refused(&name).contains("UTF-8"));
}

/// Six classes of four images; image e of class c is of level 40·c + e.
fn official_layout() -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let list = |value: &dyn Fn(usize) -> String| {
        (0..6).map(|class| format!("\"{class}\": {}", value(class))).collect::<Vec<_>>().join(", ")
    };
    let (sizes, names) = (list(&|_| "4".into()), list(&|class| format!("\"class{class}\"")));
    let spec = format!(
        r#"{{"name": "made", "classes_per_split": {{"TRAIN": 0, "VALID": 0, "TEST": 6}}, "images_per_class": {{{sizes}}},
        "class_names": {{{names}}}, "file_pattern": "{{}}.tfrecords", "__class__": "DatasetSpecification"}}"#
    );
    fs::write(folder.path().join("dataset_spec.json"), spec)?;
    for class in 0..6 {
        let record = |e: u8| {
            let image = bytes_feature(&png(40 * class + e));
            frame(&example(&[("image", image), ("label", integer_feature(class))]))
        };
        fs::write(class_file(folder.path(), class), (0..4).flat_map(record).collect::<Vec<u8>>())?;
    }
    Ok(folder)
}

fn class_file(folder: &Path, class: u8) -> PathBuf {
    folder.join(format!("{class}.tfrecords"))
}

#[test]
fn the_official_layout_serves_episodes() -> Result<()> {
    let folder = official_layout()?;
    let data = MetaDatasetRecords::open(folder.path(), 2, 2)?;
    assert_eq!((data.n_classes(), data.n_examples(3), data.n_examples(6)), (6, 4, 0));
    assert_eq!((data.image_shape(), data.class_name(5).as_str()), ([2, 2, 3], "class5"));
    assert_eq!(image(&data, 2, 3), [83.0 / 255.0, 0.0, 1.0].repeat(4));
    let pool = data.spec().pool(SpecSplit::Test);
    let episode = MetaDatasetSampler::new(data, &pool, MetaDataset::default())?.episode(&mut batch_rng(0, 0))?;
    // Four images: two are queries, so a class has one or two shots.
    assert_eq!(episode.plan.queries, 2);
    let levels = (episode.tasks.query.x.narrow(4, 0, 1)?.flatten_all()? * 255.0)?.round()?.to_vec1::<f32>()?;
    for (level, label) in levels.chunks(4).zip(&episode.tasks.query.y.to_vec2::<u32>()?[0]) {
        assert_eq!(level[0] as usize / 40, episode.plan.classes[*label as usize]);
    }
    Ok(())
}

#[test]
fn damages_to_the_official_layout_are_named() -> Result<()> {
    let folder = official_layout()?;
    let open = || MetaDatasetRecords::open(folder.path(), 2, 2);
    let read = |class: usize, e| open().unwrap().write_example(class, e, &mut [0.0; 12]).unwrap_err();
    let third = class_file(folder.path(), 2);
    let whole = fs::read(&third)?;
    let right = frame(&example(&[("image", bytes_feature(&png(1))), ("label", integer_feature(2))]));
    let label = frame(&example(&[("image", bytes_feature(&png(1))), ("label", integer_feature(5))]));
    let no_image = frame(&example(&[("label", integer_feature(2))]));
    let no_png = frame(&example(&[("image", bytes_feature(b"no image")), ("label", integer_feature(2))]));
    fs::write(&third, [label, no_image, no_png, frame(b"\x0b")].concat())?;
    let at = |e| match read(2, e) {
        Error::Format { path, reason } if path == third => reason,
        other => panic!("{other}"),
    };
    assert!(at(0).contains("record 0: its label is 5, but its file is that of class 2"));
    assert!(at(1).contains("record 1: it has no feature `image`"));
    assert!(matches!(read(2, 2), Error::Image { path, .. } if path.ends_with("2.tfrecords/record 2")));
    assert!(at(3).contains("record 3: it has a field of an unknown wire type"));

    fs::write(&third, right)?;
    assert!(at(0).contains("1 records, but its description says 4"), "{}", at(0));
    fs::write(&third, &whole)?;
    assert!(matches!(read(2, 4), Error::OutOfRange { what: "example", .. }));

    fs::remove_file(third)?;
    fs::remove_file(class_file(folder.path(), 4))?;
    let error = open().unwrap_err();
    assert!(matches!(&error, Error::MissingClasses { names, .. } if *names == ["class2", "class4"]), "{error}");
    assert!(error.to_string().contains("lacks 2 of the classes of made: class2, class4"), "{error}");
    assert!(matches!(MetaDatasetRecords::open(folder.path(), 0, 2), Err(Error::Shape { .. })));
    let file = folder.path().join("dataset_spec.json");
    fs::write(&file, fs::read_to_string(&file)?.replace("{}.tfrecords", "all.tfrecords"))?;
    assert!(matches!(open(), Err(Error::Format { reason, .. }) if reason.contains("all.tfrecords")));
    Ok(())
}
