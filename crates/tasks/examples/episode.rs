//! Draws one 5-way 1-shot episode of glyphs and prints it: the support images above, one query of each class below.
//!
//! ```text
//! cargo run -p rekindle-tasks --example episode [seed]
//! ```
#![allow(clippy::print_stdout, reason = "the example shows its result")]

use candle_core::Tensor;
use rekindle_tasks::{FewShot, FewShotSampler, Glyphs, TaskSampler, batch_rng};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let seed = std::env::args().nth(1).map_or(Ok(0), |seed| seed.parse())?;
    let sampler = FewShotSampler::new(Glyphs::default(), FewShot::default())?;
    let tasks = sampler.sample(&mut batch_rng(seed, 0), 1)?;
    for (title, batch) in [("support", &tasks.support), ("query", &tasks.query)] {
        println!("{title}, labels {:?}", batch.y.get(0)?.to_vec1::<u32>()?);
        print_row(&batch.x.get(0)?)?;
    }
    Ok(())
}

/// Prints images `[B, H, W, 1]` side by side, two pixel rows to a line of text.
fn print_row(images: &Tensor) -> Result<()> {
    let images: Vec<Vec<Vec<f32>>> = images.squeeze(3)?.to_vec3()?;
    let shade = |ink: f32| match (ink * 4.0) as u32 {
        0 => ' ',
        1 => '░',
        2 => '▒',
        _ => '█',
    };
    for y in (0..images[0].len() - 1).step_by(2) {
        let line = |image: &Vec<Vec<f32>>| -> String {
            image[y].iter().zip(&image[y + 1]).map(|(upper, lower)| shade((upper + lower) / 2.0 * 1.5)).collect()
        };
        println!("{}", images.iter().map(line).collect::<Vec<_>>().join("│"));
    }
    Ok(())
}
