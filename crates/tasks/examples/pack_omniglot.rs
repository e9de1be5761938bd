//! Packs Omniglot's official drawings into one small file that opens in a moment.
//!
//! ```text
//! cargo run --release -p rekindle-tasks --example pack_omniglot -- FOLDER FILE.safetensors.gz
//! ```
//! FOLDER holds `images_background` and `images_evaluation`, each as a folder or as a `.zip`.
#![allow(clippy::print_stderr, reason = "a command-line program talks through its output")]

use std::env;
use std::process::ExitCode;

use rekindle_tasks::{ClassDataset, Omniglot};

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().skip(1).collect();
    let [folder, file] = args.as_slice() else {
        eprintln!("usage: pack_omniglot FOLDER FILE.safetensors.gz");
        return ExitCode::from(2);
    };
    match Omniglot::from_images(folder).and_then(|data| data.pack(file).map(|()| data)) {
        Ok(data) => {
            let (background, evaluation) = (data.background().len(), data.evaluation().len());
            eprintln!("packed {} characters: {background} background, {evaluation} evaluation", data.n_classes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
