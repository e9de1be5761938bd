//! temporary
use rekindle_kernels::recurrent::*;
use rekindle_kernels::*;
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    s.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}
fn main() {
    let best = |n: usize, f: &mut dyn FnMut()| {
        let mut b = f64::MAX;
        for _ in 0..n {
            let t = cpu();
            f();
            b = b.min(cpu() - t);
        }
        b
    };
    let mut acc = 0.;
    for level in Level::available().into_iter().skip(1) {
        let mut fl = 0.;
        let t = best(50, &mut || {
            let r = multiply_adds(level, 200000);
            fl = r.0;
            acc += r.1;
        });
        let pk = fl / t / 1e9;
        println!("{} peak {pk:.0} {acc}", level.name());
        for (steps, rows, zero) in [(1, 1000, false), (10, 1000, true), (10, 2500, true), (100, 250, true)] {
            let (d, h) = (7, 256);
            let x = vec![0.1f32; steps * rows * d];
            let h0 = vec![if zero { 0. } else { 0.1 }; rows * h];
            let w = vec![0.01f32; d * 3 * h];
            let b = vec![0.01f32; 3 * h];
            let u = vec![0.001f32; h * 3 * h];
            let s = Sequence {
                cell: SequenceCell::Gru,
                tasks: 1,
                steps,
                rows,
                inputs: d,
                units: h,
                x: &x,
                h: &h0,
                c: &[],
                input: &w,
                bias: &b,
                hidden: &u,
                hidden_bias: &b,
            };
            let n = steps * rows;
            let fp = 2. * (n * h * 3 * h) as f64 / 1e9 / pk;
            let mut out = Vec::with_capacity(n * h);
            let t = best(8, &mut || {
                out.clear();
                sequence(level, &s, &mut out, None).unwrap();
            });
            println!(
                "  T {steps} B {rows}: forward {:.0} steps/s, {:.2} of peak (h-product alone)",
                n as f64 / t,
                fp / t
            );
            let mut saved = Saved::new();
            let t1 = best(6, &mut || {
                out.clear();
                sequence(level, &s, &mut out, Some(&mut saved)).unwrap();
            });
            let up = vec![0.1f32; n * h];
            let t2 = best(6, &mut || {
                let mut g = SequenceGrads::default();
                sequence_backward(&s, &saved, &out, &up, Wanted { x: false, start: false }, &mut g).unwrap();
            });
            println!(
                "     forward saved {:.0} steps/s {:.2}; backward {:.0} steps/s {:.2}; both {:.0}",
                n as f64 / t1,
                fp / t1,
                n as f64 / t2,
                2. * fp / t2,
                n as f64 / (t1 + t2)
            );
        }
    }
}
