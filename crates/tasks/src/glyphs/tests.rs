use std::time::Instant;

use super::*;

fn draw(glyphs: &Glyphs, class: usize, example: usize) -> Vec<f32> {
    let mut out = vec![0.0; glyphs.size * glyphs.size];
    glyphs.write_example(class, example, &mut out).unwrap();
    out
}
#[test]
fn sheet() {
    let glyphs = Glyphs::default();
    let t = Instant::now();
    for c in 0..1000 { for e in 0..10 { std::hint::black_box(draw(&glyphs, c, e)); } }
    eprintln!("{:?} per drawing", t.elapsed() / 10000);
    let (rows, cols, z) = (16, 24, 2usize);
    let mut img = image::GrayImage::from_pixel((cols * 30 * z) as u32, (rows * 30 * z) as u32, image::Luma([255]));
    for r in 0..rows { for c in 0..cols {
        let (class, ex) = if r < 8 { (100 + r * 8 + c / 3, c % 3) } else { (r * 100 , c) };
        let d = draw(&glyphs, class, ex);
        for y in 0..28 * z { for x in 0..28 * z {
            img.put_pixel((c * 30 * z + x) as u32, (r * 30 * z + y) as u32, image::Luma([255 - (d[y / z * 28 + x / z] * 255.0) as u8]));
        } }
    } }
    img.save("/tmp/glyphs.png").unwrap();
}
