//! Tests of the function classes.

use super::*;
use crate::batch_rng;

const CLASSES: [FunctionClass; 4] =
    [FunctionClass::Linear, FunctionClass::Sparse(3), FunctionClass::Tree(4), FunctionClass::Network(100)];

fn tasks(class: FunctionClass) -> FunctionTasks {
    FunctionTasks { class, shots: 30, queries: 5, ..FunctionTasks::linear(6, 30) }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Closed form of `E y²` (see [`FunctionClass::mean_square`]), by Monte Carlo over 2,000 functions.
#[test]
fn targets_have_the_mean_square_of_their_class() -> Result<()> {
    for class in CLASSES {
        let tasks = tasks(class).sample(&mut batch_rng(1, 0), 2000)?;
        tasks.validate()?;
        let y = values(&tasks.support.y);
        let mean = y.iter().map(|y| f64::from(*y).powi(2)).sum::<f64>() / y.len() as f64;
        let expected = class.mean_square(6);
        assert!((mean / expected - 1.0).abs() < 0.1, "{class:?}: {mean}, expected {expected}");
    }
    Ok(())
}

/// The defining property of each class on drawn tasks.
#[test]
fn functions_are_of_their_class() -> Result<()> {
    let mut rng = batch_rng(2, 0);
    for _ in 0..20 {
        let x: Vec<f32> = (0..6).map(|_| normal(&mut rng)).collect();
        let opposite: Vec<f32> = x.iter().map(|x| -x).collect();
        let double: Vec<f32> = x.iter().map(|x| 2.0 * x).collect();
        let draw = |class, rng: &mut dyn RngCore| Function::draw(class, 6, 6, rng);
        for class in [FunctionClass::Linear, FunctionClass::Sparse(2)] {
            let f = draw(class, &mut rng);
            assert!((f.at(&x) + f.at(&opposite)).abs() < 1e-5);
            let Function::Linear(w) = f else { panic!("a linear function has weights") };
            let nonzero = w.iter().filter(|w| **w != 0.0).count();
            assert_eq!(nonzero, if class == FunctionClass::Linear { 6 } else { 2 });
        }
        // A network without biases is homogeneous; its even part is Σ a |wᵀx|/2, not zero as that of a linear function.
        let f = draw(FunctionClass::Network(7), &mut rng);
        assert!((f.at(&double) - 2.0 * f.at(&x)).abs() < 1e-4);
        assert!((f.at(&x) + f.at(&opposite)).abs() > 1e-6);
        // A tree looks at signs alone, and has 2^h values.
        let f = draw(FunctionClass::Tree(3), &mut rng);
        assert_eq!(f.at(&double), f.at(&x));
        let Function::Tree { coordinates, leaves } = &f else { panic!("a tree has leaves") };
        assert_eq!((coordinates.len(), leaves.len()), (7, 8));
        assert!(leaves.contains(&f.at(&x)));
    }
    Ok(())
}

/// The path through a tree of depth 2, written out.
#[test]
fn a_tree_goes_right_where_its_coordinate_is_positive() {
    let tree = Function::Tree { coordinates: vec![0, 1, 2], leaves: vec![1.0, 2.0, 3.0, 4.0] };
    let at = |x: [f32; 3]| tree.at(&x);
    assert_eq!([at([-1., -1., 1.]), at([-1., 1., -1.]), at([1., 1., -1.]), at([1., -1., 1.])], [1., 2., 3., 4.]);
}

/// The figures of appendix A.2: 5 coordinates and 11 points at first, 20 and 41 from iteration 30,000 on.
#[test]
fn the_curriculum_grows_and_stays_within_the_tasks() -> Result<()> {
    let tasks = FunctionTasks { curriculum: Some(Curriculum::linear()), ..FunctionTasks::linear(20, 40) };
    for (iteration, dims, shots) in [(0, 5, 10), (1999, 5, 10), (2000, 6, 12), (30_000, 20, 40), (u64::MAX, 20, 40)] {
        let batch = tasks.sample_at(&mut batch_rng(3, 0), 1, iteration)?;
        assert_eq!(batch.support.x.dims(), [1, shots, 20], "iteration {iteration}");
        for row in values(&batch.support.x).chunks(20) {
            assert!(row[..dims].iter().all(|x| *x != 0.0) && row[dims..].iter().all(|x| *x == 0.0));
        }
    }
    assert_eq!(Curriculum::long().shots.at(6000), 40);
    // Without an iteration, and with tasks that are smaller than the curriculum's end.
    assert_eq!(tasks.sample(&mut batch_rng(3, 0), 1)?.support.x.dims(), [1, 40, 20]);
    let small = FunctionTasks { dims: 3, shots: 4, ..tasks };
    assert_eq!(small.sample_at(&mut batch_rng(3, 0), 1, 1_000_000)?.support.x.dims(), [1, 4, 3]);
    Ok(())
}

/// A training that resumes at iteration 2,000 goes on with the tasks that it would have seen.
#[test]
fn prefetched_batches_follow_the_curriculum() -> Result<()> {
    let tasks = FunctionTasks { curriculum: Some(Curriculum::linear()), ..FunctionTasks::linear(20, 40) };
    let batches = crate::Prefetch::new(std::sync::Arc::new(tasks.then(crate::Shuffle)), 4, 1, 1999, 1)?;
    assert_eq!(batches.next()?.support.x.dims(), [1, 10, 20]);
    assert_eq!(batches.next()?.support.x.dims(), [1, 12, 20]);
    Ok(())
}

#[test]
fn bad_settings_are_named() {
    let message = |tasks: FunctionTasks| tasks.validate().unwrap_err().to_string();
    let with = |class| FunctionTasks { class, ..FunctionTasks::linear(5, 4) };
    assert!(message(FunctionTasks::linear(0, 4)).contains("`dims` is 0"));
    assert!(message(FunctionTasks { queries: 0, ..FunctionTasks::linear(5, 4) }).contains("`queries` is 0"));
    assert!(message(with(FunctionClass::Sparse(6))).contains("`Sparse` is 6"));
    assert!(message(with(FunctionClass::Tree(17))).contains("`Tree` is 17"));
    assert!(message(with(FunctionClass::Network(0))).contains("`Network` is 0"));
    assert!(FunctionTasks::linear(5, 0).sample(&mut batch_rng(0, 0), 1).is_err());
}
