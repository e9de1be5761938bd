use std::time::Instant;

use super::*;

fn draw(glyphs: &Glyphs, class: usize, example: usize) -> Vec<f32> {
    let mut out = vec![0.0; glyphs.size * glyphs.size];
    glyphs.write_example(class, example, &mut out).unwrap();
    out
}

/// Accuracy of the nearest support image by cosine of the pixels, 1000 episodes, 5-way 1-shot.
fn nearest_neighbour_accuracy<D: ClassDataset>(data: D, ways: usize) -> f64 {
    use crate::{FewShot, FewShotSampler, TaskSampler, batch_rng};
    let sampler = FewShotSampler::new(data, FewShot { ways, ..FewShot::default() }).unwrap();
    let tasks = sampler.sample(&mut batch_rng(0, 0), 1000).unwrap();
    let unit = |x: &candle_core::Tensor| -> Vec<Vec<Vec<f32>>> {
        let x = x.flatten_from(2).unwrap();
        let norm = x.sqr().unwrap().sum_keepdim(2).unwrap().sqrt().unwrap();
        x.broadcast_div(&norm).unwrap().to_vec3().unwrap()
    };
    let (s, q) = (unit(&tasks.support.x), unit(&tasks.query.x));
    let mut right = 0;
    for (s, q) in s.iter().zip(&q) {
        for (label, q) in q.iter().enumerate() {
            let cos = |s: &Vec<f32>| s.iter().zip(q).map(|(a, b)| a * b).sum::<f32>();
            let best = (0..s.len()).max_by(|&a, &b| cos(&s[a]).total_cmp(&cos(&s[b]))).unwrap();
            right += usize::from(best == label);
        }
    }
    right as f64 / (1000 * ways) as f64
}
#[test]
fn sheet() {
    let glyphs = Glyphs::default();
    let t = Instant::now();
    for c in 0..1000 { for e in 0..10 { std::hint::black_box(draw(&glyphs, c, e)); } }
    eprintln!("{:?} per drawing", t.elapsed() / 10000);
    eprintln!("5-way {} 20-way {}", nearest_neighbour_accuracy(Glyphs::default(), 5), nearest_neighbour_accuracy(Glyphs::default(), 20));
    let ink: f32 = (0..1000).map(|c| draw(&glyphs, c, 0).iter().sum::<f32>()).sum::<f32>() / 784000.0;
    eprintln!("ink {ink}");
    let (rows, cols, z) = (16, 24, 2usize);
    let mut img = image::GrayImage::from_pixel((cols * 30 * z) as u32, (rows * 30 * z) as u32, image::Luma([255]));
    for r in 0..rows { for c in 0..cols {
        let (class, ex) = if r < 8 { (100 + r * 6 + c / 4, c % 4) } else { (r * 100 + c, 0) };
        let d = draw(&glyphs, class, ex);
        for y in 0..28 * z { for x in 0..28 * z {
            img.put_pixel((c * 30 * z + x) as u32, (r * 30 * z + y) as u32, image::Luma([255 - (d[y / z * 28 + x / z] * 255.0) as u8]));
        } }
    } }
    img.save("/tmp/glyphs.png").unwrap();
}
