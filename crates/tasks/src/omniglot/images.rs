//! The official drawings, `images_background/Alphabet/character01/0709_01.png`, from folders and zip files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use super::{Character, Omniglot, Part};
use crate::folder::{entries, file_name};
use crate::resize::{Bytes, area_average};
use crate::{Error, Result, decode};

const PARTS: [(&str, Part); 2] = [("images_background", Part::Background), ("images_evaluation", Part::Evaluation)];

/// Drawings as they are found: by character, then by file name. The maps give the documented order whatever the
/// source's own.
type Found = BTreeMap<Character, BTreeMap<String, Vec<u8>>>;

pub(super) fn read(path: &Path) -> Result<Omniglot> {
    let mut found = Found::new();
    if path.is_file() {
        read_zip(path, &mut found)?;
    } else {
        for (name, part) in PARTS {
            let (folder, archive) = (path.join(name), path.join(format!("{name}.zip")));
            if folder.is_dir() {
                read_folder(&folder, part, &mut found)?;
            } else if archive.is_file() {
                read_zip(&archive, &mut found)?;
            }
        }
    }
    if found.is_empty() {
        return Err(Error::NoClasses { path: path.to_path_buf() });
    }
    Omniglot::assemble(
        found.into_iter().map(|(character, drawings)| (character, drawings.into_values().flatten().collect())),
    )
}

fn read_folder(root: &Path, split: Part, found: &mut Found) -> Result<()> {
    for alphabet in entries(root)?.into_iter().filter(|path| path.is_dir()) {
        for folder in entries(&alphabet)?.into_iter().filter(|path| path.is_dir()) {
            let character = Character { split, alphabet: file_name(&alphabet), character: file_name(&folder) };
            let mut drawings = BTreeMap::new();
            for file in entries(&folder)?.into_iter().filter(|file| is_drawing(&file_name(file))) {
                let bytes = std::fs::read(&file).map_err(Error::io(&file))?;
                drawings.insert(file_name(&file), shrink(&bytes, &file)?);
            }
            if drawings.is_empty() {
                return Err(Error::NoImages { path: folder });
            }
            found.insert(character, drawings);
        }
    }
    Ok(())
}

fn read_zip(path: &Path, found: &mut Found) -> Result<()> {
    let file = BufReader::new(File::open(path).map_err(Error::io(path))?);
    let mut archive = ZipArchive::new(file).map_err(|e| Error::format(path, &e))?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|e| Error::format(path, &e))?;
        let name = entry.name().map_err(|e| Error::format(path, &e))?.into_owned();
        let Some((character, drawing)) = parse(&name) else { continue };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|e| Error::format(path, &format!("{name}: {e}")))?;
        found.entry(character).or_default().insert(drawing, shrink(&bytes, &path.join(&name))?);
    }
    Ok(())
}

/// The character and the file name of an archive entry, if it is a drawing.
fn parse(name: &str) -> Option<(Character, String)> {
    let mut parts = name.rsplit('/');
    let (file, character, alphabet, root) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let split = PARTS.iter().find(|(name, _)| *name == root)?.1;
    // macOS adds a shadow of every file under `__MACOSX`, named `._…`.
    is_drawing(file).then(|| (Character { split, alphabet: alphabet.into(), character: character.into() }, file.into()))
}

fn is_drawing(file: &str) -> bool {
    !file.starts_with('.') && file.ends_with(".png")
}

/// A drawing, black ink on white, as 28 × 28 bytes with ink 255: the area average of its inked pixels.
fn shrink(png: &[u8], path: &Path) -> Result<Vec<u8>> {
    let image = decode::grey(png, path)?;
    let ink = image.pixels.iter().map(|&v| if v < 128 { 255 } else { 0 }).collect();
    Ok(area_average(&Bytes { pixels: ink, ..image }, Omniglot::SIZE, Omniglot::SIZE))
}
