//! probe
use rekindle_kernels::conv::{Form, conv_by, conv_t_by, conv_w_by};
use rekindle_kernels::*;
use std::time::Instant;
fn main() {
    let level =
        *Level::available().iter().filter(|l| std::env::var("L").map_or(true, |n| l.name() == n)).last().unwrap();
    let d: Vec<f32> = (0..4_000_000).map(|i| ((i * 7919 % 1021) as f32) * 1e-3 - 0.5).collect();
    let e: Vec<f32> = (0..4_000_000).map(|i| ((i * 104729 % 1021) as f32) * 1e-3 - 0.5).collect();
    for ch in [64, 32, 16] {
        for stride in [1, 2] {
            for (size, images) in [
                (14, 1),
                (14, 5),
                (14, 25),
                (7, 1),
                (7, 5),
                (7, 25),
                (4, 1),
                (4, 5),
                (4, 25),
                (3, 5),
                (2, 1),
                (2, 5),
                (2, 25),
            ] {
                let s = ConvShape { images, height: size, width: size, inputs: ch, outputs: ch, stride };
                let (i, o, w) = (
                    s.input().iter().product::<usize>(),
                    s.output().iter().product::<usize>(),
                    s.weight().iter().product::<usize>(),
                );
                let ops = 2.0 * (o * 9 * ch) as f64;
                let mut line = format!("{ch:3} s{stride} {images:3}x{size:2}");
                for form in [Form::Direct, Form::Windows, Form::Winograd] {
                    if !form.fits(&s) {
                        continue;
                    }
                    let mut best = [f64::INFINITY; 3];
                    let reps = (4e8 / ops / 10.0) as usize + 1;
                    let mut out = Vec::with_capacity(i.max(o).max(w));
                    for _ in 0..12 {
                        for k in 0..3 {
                            let t = Instant::now();
                            for _ in 0..reps {
                                out.clear();
                                match k {
                                    0 => conv_by(form, level, &d[..i], &e[..w], &s, &mut out).unwrap(),
                                    1 => conv_t_by(form, level, &d[..o], &e[..w], &s, &mut out).unwrap(),
                                    _ => conv_w_by(form, level, &d[..i], &e[..o], &s, &mut out).unwrap(),
                                }
                                std::hint::black_box(&out);
                            }
                            best[k] = best[k].min(t.elapsed().as_secs_f64() / reps as f64);
                        }
                    }
                    line += &format!(
                        " | {form:?}: {:5.0} {:5.0} {:5.0}",
                        ops / best[0] / 1e9,
                        ops / best[1] / 1e9,
                        ops / best[2] / 1e9
                    );
                }
                println!("{line}");
            }
        }
    }
}
