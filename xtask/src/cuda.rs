//! What a CUDA build needs: a toolkit with `nvcc`, a target architecture, libraries to link with, and the driver to run.
//!
//! Everything that can be found or made is set for the build; for the rest the error says how to get it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process::find_program;
use crate::stub;

/// Where NVIDIA's and the distributions' packages put the toolkit.
const USUAL_FOLDERS: [&str; 3] = ["/usr/local/cuda", "/opt/cuda", "/usr/lib/cuda"];

/// Variables that name the toolkit's folder to one build script or another.
const FOLDER_VARIABLES: [&str; 4] = ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT", "CUDA_TOOLKIT_ROOT_DIR"];

/// Where the dynamic linker finds the driver's library on usual systems.
const DRIVER_FOLDERS: [&str; 6] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib/wsl/lib",
    "/usr/local/nvidia/lib64",
];

const NO_TOOLKIT: &str = "\
--device cuda needs the CUDA toolkit, but there is no nvcc: not where CUDA_HOME, CUDA_PATH or NVCC point, not on the \
PATH, not in /usr/local/cuda. Two ways to get it:
  - NVIDIA's package: https://developer.nvidia.com/cuda-downloads, then set CUDA_HOME to its folder;
  - Python wheels, all of the CUDA version that your driver supports (nvidia-smi shows it), for instance
      python3 -m venv cuda && cuda/bin/pip install 'nvidia-cuda-nvcc==13.0.*' 'nvidia-cuda-runtime==13.0.*' \
'nvidia-cuda-cccl==13.0.*' 'nvidia-cuda-crt==13.0.*' 'nvidia-nvvm==13.0.*' 'nvidia-cuda-nvrtc==13.0.*' \
'nvidia-curand==10.4.0.*' 'nvidia-cublas==13.0.*'
      export CUDA_HOME=$(echo $PWD/cuda/lib/python3*/site-packages/nvidia/cu13)";

const NO_ARCHITECTURE: &str = "\
--device cuda builds for one GPU architecture, and without nvidia-smi it cannot be asked for. Set CUDA_COMPUTE_CAP to \
that of the GPU it will run on, and only there: 75 (T4, RTX 20), 80 (A100), 86 (A10, RTX 30), 89 (L4, L40, RTX 40), 90 (H100, H200), \
100 (B200), 120 (RTX 50); the others are at https://developer.nvidia.com/cuda-gpus";

/// How variables are looked up: from the environment, or from a test's own list.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What the build and the program get.
#[derive(Debug)]
pub(crate) struct Setup {
    /// Environment variables to set.
    pub(crate) variables: Vec<(&'static str, OsString)>,
    /// Whether this machine can run what it builds.
    pub(crate) driver_present: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Toolkit {
    root: PathBuf,
    nvcc: PathBuf,
}

/// Finds the toolkit, and makes in `folder` the link-time libraries that are missing.
pub(crate) fn prepare(folder: &Path) -> Result<Setup> {
    let lookup: Lookup<'_> = &|name| env::var_os(name).filter(|value| !value.is_empty());
    let toolkit = find_toolkit(lookup, &USUAL_FOLDERS)?;
    if lookup("CUDA_COMPUTE_CAP").is_none() && !nvidia_smi_answers() {
        bail!("{NO_ARCHITECTURE}");
    }
    eprintln!("using {}", toolkit.nvcc.display());
    let libraries = library_folders(&toolkit.root);
    let links = folder.join("link");
    stub::complete(&toolkit.root, &libraries, &driver_folders(lookup), &links)?;
    Ok(Setup { variables: variables(lookup, &toolkit, &libraries, &links)?, driver_present: driver_present(lookup) })
}

fn find_toolkit(lookup: Lookup<'_>, usual: &[&str]) -> Result<Toolkit> {
    let nvcc_in = |root: PathBuf| {
        let nvcc = root.join("bin").join(format!("nvcc{}", env::consts::EXE_SUFFIX));
        nvcc.is_file().then_some(Toolkit { root, nvcc })
    };
    FOLDER_VARIABLES
        .iter()
        .filter_map(|name| nvcc_in(lookup(name)?.into()))
        .next()
        .or_else(|| around(lookup("NVCC")?.into()))
        .or_else(|| around(find_program("nvcc", lookup("PATH").as_deref())?))
        .or_else(|| usual.iter().find_map(|root| nvcc_in(root.into())))
        .context(NO_TOOLKIT)
}

/// The toolkit around an `nvcc`, which may be reached through a link.
fn around(nvcc: PathBuf) -> Option<Toolkit> {
    let real = nvcc.canonicalize().ok()?;
    let root = real.parent()?.parent()?.to_path_buf();
    Some(Toolkit { root, nvcc })
}

/// The folders of the toolkit that hold libraries; packages and wheels differ.
fn library_folders(root: &Path) -> Vec<PathBuf> {
    let names = ["lib64", "lib", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib"];
    let mut folders: Vec<PathBuf> = names.iter().map(|name| root.join(name)).filter(|folder| folder.is_dir()).collect();
    // One is often a link to another.
    folders.dedup_by_key(|folder| folder.canonicalize().unwrap_or_else(|_| folder.clone()));
    folders
}

fn variables(
    lookup: Lookup<'_>,
    toolkit: &Toolkit,
    libraries: &[PathBuf],
    links: &Path,
) -> Result<Vec<(&'static str, OsString)>> {
    let in_front = |name: &str, folders: &[PathBuf]| {
        let old = lookup(name).unwrap_or_default();
        let old = env::split_paths(&old).filter(|folder| !folder.as_os_str().is_empty());
        env::join_paths(folders.iter().cloned().chain(old)).with_context(|| format!("a folder cannot stand in {name}"))
    };
    let mut variables: Vec<_> = FOLDER_VARIABLES.iter().map(|&name| (name, toolkit.root.clone().into())).collect();
    variables.push(("NVCC", toolkit.nvcc.clone().into()));
    variables.push(("PATH", in_front("PATH", &[toolkit.root.join("bin")])?));
    let link_time: Vec<PathBuf> = libraries.iter().cloned().chain([links.into()]).collect();
    variables.push(("LIBRARY_PATH", in_front("LIBRARY_PATH", &link_time)?));
    // At run time the libraries come from the same toolkit, the driver from the system: the stub is not among these.
    variables.push(("LD_LIBRARY_PATH", in_front("LD_LIBRARY_PATH", libraries)?));
    Ok(variables)
}

/// Candle's build asks `nvidia-smi` for the architecture itself; here it only matters whether it can.
fn nvidia_smi_answers() -> bool {
    let mut command = Command::new("nvidia-smi");
    command.args(["--query-gpu=compute_cap", "--format=csv,noheader"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn driver_folders(lookup: Lookup<'_>) -> Vec<PathBuf> {
    let path = lookup("LD_LIBRARY_PATH").unwrap_or_default();
    env::split_paths(&path).chain(DRIVER_FOLDERS.map(PathBuf::from)).collect()
}

fn driver_present(lookup: Lookup<'_>) -> bool {
    if cfg!(windows) {
        // There the driver comes with the display driver and the loader reports its absence by name.
        return true;
    }
    let listed = || {
        let output = Command::new("ldconfig").arg("-p").output();
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("libcuda.so.1"))
    };
    driver_folders(lookup).iter().any(|folder| folder.join("libcuda.so.1").is_file()) || listed()
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;

    /// A toolkit folder with an `nvcc`.
    fn fake_toolkit(root: &Path) -> Toolkit {
        fs::create_dir_all(root.join("bin")).expect("writable");
        fs::create_dir_all(root.join("lib")).expect("writable");
        let nvcc = root.join("bin/nvcc");
        fs::write(&nvcc, "").expect("writable");
        Toolkit { root: root.into(), nvcc }
    }

    #[test]
    fn the_toolkit_is_found_by_every_way() {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let folder = temporary.path().canonicalize().expect("it exists");
        let toolkit = fake_toolkit(&folder);
        let cases = [
            ("CUDA_HOME", folder.clone()),
            ("CUDA_PATH", folder.clone()),
            ("NVCC", toolkit.nvcc.clone()),
            ("PATH", folder.join("bin")),
        ];
        for (variable, value) in cases {
            let lookup = |name: &str| (name == variable).then(|| value.clone().into_os_string());
            assert_eq!(find_toolkit(&lookup, &[]).expect(variable), toolkit, "{variable}");
        }
        let usual = folder.to_string_lossy().into_owned();
        assert_eq!(find_toolkit(&|_| None, &[&usual]).expect("a usual folder"), toolkit);
    }

    #[test]
    fn a_missing_toolkit_is_explained() {
        let lookup = |name: &str| (name == "CUDA_HOME").then(|| "no-such-folder".into());
        let error = find_toolkit(&lookup, &[]).expect_err("there is no toolkit");
        assert!(error.to_string().contains("there is no nvcc") && error.to_string().contains("pip install"), "{error}");
    }

    #[test]
    fn paths_keep_what_the_user_set_and_run_time_sees_no_stub() {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let toolkit = fake_toolkit(temporary.path());
        let lookup = |name: &str| name.ends_with("PATH").then(|| "mine".into());
        let libraries = library_folders(&toolkit.root);
        let set = variables(&lookup, &toolkit, &libraries, Path::new("stubs")).expect("plain folder names");
        let value =
            |name: &str| set.iter().find(|(known, _)| *known == name).expect(name).1.to_string_lossy().into_owned();
        let root = temporary.path().display();
        assert_eq!(value("CUDA_ROOT"), root.to_string());
        assert_eq!(value("PATH"), format!("{root}/bin:mine"));
        assert_eq!(value("LIBRARY_PATH"), format!("{root}/lib:stubs:mine"));
        assert_eq!(value("LD_LIBRARY_PATH"), format!("{root}/lib:mine"));
    }
}
