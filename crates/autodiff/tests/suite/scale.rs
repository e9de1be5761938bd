//! Long and deep tapes: on a small stack, from several threads, and with nothing left behind.

use std::sync::Arc;
use std::thread;

use rekindle_autodiff::{Order, Result, Tensor, grad, hvp};
use smallvec::smallvec;

use crate::support::{rng, uniform};

/// Runs on a thread with a stack of 2 MiB, which recursion over the tape would overflow.
fn on_a_small_stack<R: Send + 'static>(work: impl FnOnce() -> Result<R> + Send + 'static) -> R {
    let thread = thread::Builder::new().stack_size(2 << 20).spawn(work).expect("a thread");
    thread.join().expect("the thread did not die").expect("no error")
}

/// `x ← a·x` n times.
fn chain(x: &Tensor, n: usize, a: f64) -> Result<Tensor> {
    (0..n).try_fold(x.clone(), |y, _| y.scale(a))
}

#[test]
fn a_chain_of_a_million_operations() {
    // d/dx aⁿ x = aⁿ, by hand.
    let a = 1.0 - 1e-6;
    let g = on_a_small_stack(move || {
        let x = Tensor::scalar(1f64)?.leaf();
        let y = chain(&x, 1_000_000, a)?;
        grad(&y, &[&x], Order::First)?.remove(0).to_f64()
    });
    assert!((g - a.powi(1_000_000)).abs() < 1e-9, "{g}");
}

#[test]
fn the_second_order_of_a_chain_of_twenty_thousand() {
    // y = ½ (aⁿ x)², y″ = a²ⁿ; every link is differentiated twice.
    let (a, n) = (1.0001f64, 20_000);
    let h = on_a_small_stack(move || {
        let x = Tensor::scalar(0.3f64)?.leaf();
        let one = Tensor::scalar(a)?.leaf();
        let y = (0..n).try_fold(x.clone(), |y, _| y.mul(&one))?.sqr()?.scale(0.5)?;
        hvp(&y, &[&x], &[&Tensor::scalar(1f64)?], Order::Higher)?.remove(0).to_f64()
    });
    let want = a.powi(2 * n);
    assert!((h / want - 1.0).abs() < 1e-9, "{h} and {want}");
}

/// A GRU (Cho et al. 2014) in plain operations: `[x, h] → h`, gates in one product.
fn gru(x: &Tensor, h: &Tensor, [gates, candidate]: [&Tensor; 2]) -> Result<Tensor> {
    let n = h.dim(1)?;
    let zr = Tensor::cat(&[x, h], 1)?.matmul(gates)?.sigmoid()?;
    let (z, r) = (zr.narrow(1, 0, n)?, zr.narrow(1, n, n)?);
    let new = Tensor::cat(&[x, &r.mul(h)?], 1)?.matmul(candidate)?.tanh()?;
    h.add(&z.mul(&new.sub(h)?)?)
}

#[test]
fn a_gru_over_ten_thousand_steps() {
    let (norm, slope, difference) = on_a_small_stack(|| {
        let mut rng = rng(1);
        let (gates, candidate) = (uniform(&[3, 4], &mut rng).leaf(), uniform(&[3, 2], &mut rng).leaf());
        let run = |gates: &Tensor| {
            let mut h = Tensor::zeros((1, 2), candle_core::DType::F64, &candle_core::Device::Cpu)?;
            for t in 0..10_000 {
                let x = Tensor::from_vec(vec![(f64::from(t) * 0.1).sin()], (1, 1))?;
                h = gru(&x, &h, [gates, &candidate])?;
            }
            h.sum_all()
        };
        let g = grad(&run(&gates)?, &[&gates], Order::First)?.remove(0);
        // One directional derivative by central differences, as the oracle of the whole.
        let v = uniform(&[3, 4], &mut rng);
        let at = |s: f64| run(&gates.detach().add_scaled(&v, s)?)?.to_f64();
        let difference = (at(1e-5)? - at(-1e-5)?) / 2e-5;
        Ok((g.sqr()?.sum_all()?.to_f64()?.sqrt(), g.mul(&v)?.sum_all()?.to_f64()?, difference))
    });
    assert!(norm > 1e-3, "{norm}");
    assert!((slope - difference).abs() < 1e-8 * slope.abs().max(1.0), "{slope} and {difference}");
}

/// A chain in which every link holds a witness, and the witness.
fn watched_chain(n: usize) -> Result<(Tensor, Tensor, Arc<()>)> {
    let witness = Arc::new(());
    let x = Tensor::scalar(1f64)?.leaf();
    let y = (0..n).fold(x.clone(), |y, _| {
        let (held, saved) = (Arc::clone(&witness), y.clone());
        Tensor::custom(y.value().clone(), &[&y], move |up| {
            let _alive = (&held, &saved);
            Ok(smallvec![Some(up.grad().clone())])
        })
    });
    Ok((x, y, witness))
}

#[test]
fn nothing_stays_when_a_graph_is_dropped() -> Result<()> {
    let (x, y, witness) = watched_chain(1000)?;
    assert_eq!(Arc::strong_count(&witness), 1001);
    let g = grad(&y, &[&x], Order::Higher)?;
    drop(y);
    assert_eq!(Arc::strong_count(&witness), 1, "the gradient of a linear chain holds none of it");
    drop((x, g));

    // Operations that save their own output must not keep themselves alive.
    let witness = Arc::new(());
    let x = {
        let (held, value) = (Arc::clone(&witness), Tensor::scalar(0.5f64)?);
        let x = value.leaf();
        Tensor::custom(x.value().clone(), &[&x], move |up| {
            let _alive = &held;
            Ok(smallvec![Some(up.grad().clone())])
        })
    };
    let y = x.exp()?.sqrt()?.tanh()?.sigmoid()?.recip()?.div(&x)?.unsqueeze(0)?.softmax()?.log_softmax()?.sum_all()?;
    let g = grad(&y, &[&x], Order::Higher)?;
    let h = grad(&g[0], &[&x], Order::Higher)?;
    drop(x);
    assert!(Arc::strong_count(&witness) > 1);
    drop((y, g, h));
    assert_eq!(Arc::strong_count(&witness), 1);
    Ok(())
}

#[test]
fn a_node_in_the_middle_outlives_what_was_built_on_it() -> Result<()> {
    let (x, middle, witness) = watched_chain(10)?;
    let top = chain(&middle, 10, 2.0)?;
    drop(top);
    assert_eq!(Arc::strong_count(&witness), 11);
    assert_eq!(grad(&middle, &[&x], Order::First)?[0].to_f64()?, 1.0);
    Ok(())
}

#[test]
fn a_deep_graph_shared_by_threads_is_dropped_by_the_last_of_them() -> Result<()> {
    let (x, y, witness) = watched_chain(200_000)?;
    drop(x);
    let threads: Vec<_> = (0..4)
        .map(|i| {
            let y = y.clone();
            let thread = thread::Builder::new().stack_size(256 << 10);
            thread.spawn(move || chain(&y, 1000 * i, 0.5).map(drop)).expect("a thread")
        })
        .collect();
    drop(y);
    for thread in threads {
        thread.join().expect("the thread did not die")?;
    }
    assert_eq!(Arc::strong_count(&witness), 1);
    Ok(())
}

#[test]
fn threads_differentiate_one_graph_at_once() -> Result<()> {
    let x = uniform(&[4, 4], &mut rng(1)).leaf();
    let y = (0..20).try_fold(x.clone(), |y, _| y.matmul(&x)?.tanh())?.sum_all()?;
    let alone = grad(&y, &[&x], Order::First)?.remove(0).to_vec_f64()?;
    thread::scope(|scope| {
        let together: Vec<_> = (0..4).map(|_| scope.spawn(|| grad(&y, &[&x], Order::Higher))).collect();
        for thread in together {
            let g = thread.join().expect("the thread did not die")?.remove(0);
            assert_eq!(g.to_vec_f64()?, alone);
        }
        Ok(())
    })
}
