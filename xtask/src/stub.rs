//! Link-time libraries that a CUDA toolkit may lack: names without version, and a stand-in for the driver.
//!
//! The program links against `libcuda.so`, which belongs to the driver and is absent where there is no GPU. A library
//! of the same name, whose functions do nothing, is enough to link; the file it asks for at run time is the real one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// `CUDA_ERROR_STUB_LIBRARY`: what every stand-in answers, should one ever be called.
const STUB_LIBRARY: u32 = 34;

/// Fills `links` with what is found neither in the toolkit's folders nor in the driver's.
pub(crate) fn complete(root: &Path, libraries: &[PathBuf], driver: &[PathBuf], links: &Path) -> Result<()> {
    if cfg!(not(unix)) {
        // Other systems link against import libraries, which every toolkit has.
        return Ok(());
    }
    fs::create_dir_all(links).with_context(|| format!("cannot make the folder {}", links.display()))?;
    for library in libraries {
        link_versions(library, links)?;
    }
    let shipped = libraries.iter().map(|folder| folder.join("stubs/libcuda.so")).find(|file| file.is_file());
    match shipped {
        Some(file) => link(&file, &links.join("libcuda.so")),
        None if driver.iter().any(|folder| folder.join("libcuda.so").is_file()) => Ok(()),
        None => build_stub(&root.join("include/cuda.h"), links),
    }
}

/// For each `libx.so.13` without a `libx.so` beside it, a link of that name: wheels have only the former.
fn link_versions(library: &Path, links: &Path) -> Result<()> {
    let context = || format!("cannot read the folder {}", library.display());
    for entry in fs::read_dir(library).with_context(context)? {
        let path = entry.with_context(context)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some((stem, _)) = name.split_once(".so.") {
            let plain = format!("{stem}.so");
            if !library.join(&plain).exists() {
                link(&path, &links.join(plain))?;
            }
        }
    }
    Ok(())
}

#[cfg(unix)]
fn link(target: &Path, link: &Path) -> Result<()> {
    // A link from an earlier run may point to another toolkit.
    let _ = fs::remove_file(link);
    let target = std::path::absolute(target).context("the current folder is gone")?;
    std::os::unix::fs::symlink(target, link).with_context(|| format!("cannot make the link {}", link.display()))
}

#[cfg(not(unix))]
fn link(_target: &Path, _link: &Path) -> Result<()> {
    Ok(())
}

/// Compiles a library that defines every function of the driver's header.
fn build_stub(header: &Path, links: &Path) -> Result<()> {
    let text = fs::read_to_string(header).with_context(|| {
        format!(
            "the driver's library (libcuda.so) is missing and a stand-in cannot be made: no {}; install the toolkit's \
             headers (nvidia-cuda-runtime)",
            header.display()
        )
    })?;
    let source = links.join("cuda_stub.c");
    fs::write(&source, stub_source(&text)).with_context(|| format!("cannot write {}", source.display()))?;
    let mut command = Command::new("cc");
    command
        .args(["-shared", "-fPIC", "-w", "-Wl,-soname,libcuda.so.1", "-o"])
        .arg(links.join("libcuda.so"))
        .arg(source);
    process::run(&mut command).context("a stand-in for libcuda.so needs a C compiler named cc")?;
    eprintln!("made a stand-in for libcuda.so to link with; the real one is needed to run");
    Ok(())
}

/// One function for each name of the driver's interface, whatever its arguments.
fn stub_source(header: &str) -> String {
    let define = |name: &str| format!("int {name}() {{ return {STUB_LIBRARY}; }}\n");
    functions(header).into_iter().map(define).collect()
}

/// Every name of the form `cuSomething` in the header: the functions and their versioned variants.
fn functions(header: &str) -> BTreeSet<&str> {
    let words = header.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|word| word.strip_prefix("cu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase())))
        .collect()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const HEADER: &str = "\
        /** See ::cuInit. */\n\
        #define cuMemAlloc cuMemAlloc_v2\n\
        typedef unsigned int CUdeviceptr; typedef struct cudaArray *cuuint64_t;\n\
        CUresult CUDAAPI cuInit(unsigned int Flags);\n\
        CUresult CUDAAPI cuMemAlloc(CUdeviceptr *dptr, size_t bytesize);\n";

    #[test]
    fn the_interface_is_read_from_the_header() {
        let names: Vec<_> = functions(HEADER).into_iter().collect();
        assert_eq!(names, ["cuInit", "cuMemAlloc", "cuMemAlloc_v2"]);
    }

    #[test]
    fn what_a_wheel_lacks_is_made() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (root, links) = (folder.path(), folder.path().join("links"));
        let library = root.join("lib");
        fs::create_dir_all(&library).expect("writable");
        fs::create_dir_all(root.join("include")).expect("writable");
        fs::write(root.join("include/cuda.h"), HEADER).expect("writable");
        for name in ["libcublas.so.13", "libcurand.so", "libcurand.so.10", "libcudart_static.a"] {
            fs::write(library.join(name), "").expect("writable");
        }
        // Twice, since a second run finds the links of the first.
        for _ in 0..2 {
            complete(root, std::slice::from_ref(&library), &[], &links).expect("everything can be made");
        }
        assert!(links.join("libcublas.so").is_file());
        assert!(!links.join("libcurand.so").exists() && !links.join("libcudart_static.a").exists());
        let stub = fs::read(links.join("libcuda.so")).expect("the stand-in");
        let holds = |text: &[u8]| stub.windows(text.len()).any(|window| window == text);
        assert!(holds(b"libcuda.so.1\0") && holds(b"cuMemAlloc_v2\0"));
    }

    #[test]
    fn a_stub_of_the_toolkit_or_a_driver_is_taken_as_it_is() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (root, links) = (folder.path(), folder.path().join("links"));
        let (library, driver) = (root.join("lib64"), root.join("driver"));
        fs::create_dir_all(library.join("stubs")).expect("writable");
        fs::create_dir_all(&driver).expect("writable");
        fs::write(driver.join("libcuda.so"), "").expect("writable");
        complete(root, std::slice::from_ref(&library), std::slice::from_ref(&driver), &links).expect("nothing to make");
        assert!(!links.join("libcuda.so").exists());
        fs::write(library.join("stubs/libcuda.so"), "toolkit's").expect("writable");
        complete(root, &[library], &[driver], &links).expect("a link to make");
        assert_eq!(fs::read(links.join("libcuda.so")).expect("the link"), b"toolkit's");
    }

    #[test]
    fn a_missing_header_is_explained() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = complete(folder.path(), &[], &[], &folder.path().join("links")).expect_err("there is no header");
        assert!(format!("{error:#}").contains("nvidia-cuda-runtime"), "{error:#}");
    }
}
