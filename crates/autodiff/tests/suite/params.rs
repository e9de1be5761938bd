//! Named parameters: files that are whole or not there, the task axis against loops, and conjugate gradients.

use std::collections::HashMap;
use std::fs;

use candle_core::{DType, Device, Tensor as Value};
use rekindle_autodiff::{CgConfig, Error, Order, Params, Result, Tensor, conjugate_gradient};

use crate::support::{assert_close, spread, strided};

fn named<const N: usize>(leaves: [(&str, Tensor); N]) -> Params {
    Params::new(leaves.map(|(name, leaf)| (name.to_owned(), leaf))).expect("different names")
}

/// Not in alphabetical order, which is how the file format sorts them.
fn sample() -> Params {
    named([("z.weight", spread(&[1, 3, 2], 1)), ("a.bias", spread(&[1, 2], 2)), ("m", spread(&[1], 3))])
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn a_file_gives_back_the_same_bits_in_the_same_order() -> Result<()> {
    let folder = folder();
    let path = folder.path().join("p.safetensors");
    let odd = [f32::NAN, -0.0, f32::MIN_POSITIVE / 2.0, f32::INFINITY, 1.0 + f32::EPSILON, -1e30];
    let single = Tensor::from_vec(odd.to_vec(), (2, 3))?;
    let params = sample()
        .merge(&named([
            ("single", single),
            ("view", strided(&spread(&[2, 3], 4))),
            ("half", spread(&[4], 5).to_dtype(DType::F16)?),
            ("empty", Tensor::zeros((1, 0), DType::F32, &Device::Cpu)?),
        ]))?
        .leaf();
    params.save(&path)?;
    let loaded = Params::load(&path, &Device::Cpu)?;
    assert_eq!(loaded.names().collect::<Vec<_>>(), params.names().collect::<Vec<_>>());
    assert!(!loaded.is_tracked());
    for ((name, a), (_, b)) in loaded.iter().zip(params.iter()) {
        assert_eq!((a.dtype(), a.dims()), (b.dtype(), b.dims()), "{name}");
        if a.dtype() == DType::F32 {
            let bits = |t: &Tensor| -> Result<Vec<u32>> {
                if t.elem_count() == 0 {
                    return Ok(Vec::new());
                }
                Ok(t.value().flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect())
            };
            assert_eq!(bits(a)?, bits(b)?, "{name}");
        } else {
            assert_eq!(a.to_vec_f64()?, b.to_vec_f64()?, "{name}");
        }
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing else is left behind");
    Ok(())
}

#[test]
fn texts_travel_in_the_same_file() -> Result<()> {
    let folder = folder();
    let path = folder.path().join("p.safetensors");
    let texts = HashMap::from([("iteration".to_owned(), "12".to_owned()), ("note".to_owned(), "ä\n\"".to_owned())]);
    sample().save_with(&path, texts.clone())?;
    let (loaded, found) = Params::load_with(&path, &Device::Cpu)?;
    assert_eq!(found, texts);
    loaded.check_like(&sample())
}

#[test]
fn another_programs_file_comes_sorted_by_name() -> Result<()> {
    let folder = folder();
    let path = folder.path().join("p.safetensors");
    let tensors: HashMap<String, Value> = sample().iter().map(|(n, t)| (n.to_owned(), t.value().clone())).collect();
    candle_core::safetensors::save(&tensors, &path)?;
    let loaded = Params::load(&path, &Device::Cpu)?;
    assert_eq!(loaded.names().collect::<Vec<_>>(), ["a.bias", "m", "z.weight"]);
    let ordered = loaded.ordered_like(&sample())?;
    assert_eq!(ordered.names().collect::<Vec<_>>(), ["z.weight", "a.bias", "m"]);
    Ok(())
}

#[test]
fn every_truncated_or_damaged_file_is_refused() -> Result<()> {
    let folder = folder();
    let path = folder.path().join("p.safetensors");
    sample().save(&path)?;
    let whole = fs::read(&path).expect("the file");
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).expect("a shorter file");
        let error = Params::load(&path, &Device::Cpu).expect_err("it is not whole");
        assert!(matches!(&error, Error::Corrupt { path: p, .. } if *p == path), "{len}: {error}");
    }
    fs::write(&path, [&whole[..], b"more"].concat()).expect("a longer file");
    assert!(matches!(Params::load(&path, &Device::Cpu), Err(Error::Corrupt { .. })));
    fs::write(&path, b"no safetensors file at all, but long enough").expect("a text");
    assert!(matches!(Params::load(&path, &Device::Cpu), Err(Error::Corrupt { .. })));
    let missing = Params::load(folder.path().join("absent"), &Device::Cpu).expect_err("there is no such file");
    assert!(missing.to_string().contains("absent"), "{missing}");
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_full_disk_the_old_file_stays() -> Result<()> {
    let folder = folder();
    let path = folder.path().join("p.safetensors");
    let old = named([("only", spread(&[2], 9))]);
    old.save(&path)?;
    // Writing to /dev/full fails as a full disk does; the link stands where the unfinished file would.
    std::os::unix::fs::symlink("/dev/full", folder.path().join("p.safetensors.partial")).expect("a link");
    let error = sample().save(&path).expect_err("the disk is full");
    assert!(matches!(&error, Error::File { path: p, .. } if *p == path), "{error}");
    Params::load(&path, &Device::Cpu)?.check_like(&old)?;
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "the unfinished file is gone");
    sample().save(&path)?;
    Params::load(&path, &Device::Cpu)?.check_like(&sample())?;
    let nowhere = sample().save(folder.path().join("none").join("p")).expect_err("there is no such folder");
    assert!(matches!(nowhere, Error::File { .. }));
    Ok(())
}

#[test]
fn what_differs_from_the_template_is_named() -> Result<()> {
    let (template, missing) = (sample(), sample().partition(|name| name != "m").0);
    let error = missing.check_like(&template).expect_err("m is missing").to_string();
    assert!(error.contains("missing [m], extra []"), "{error}");
    let more = template.merge(&named([("more", spread(&[1], 1))]))?;
    let error = more.check_like(&template).expect_err("one more").to_string();
    assert!(error.contains("missing [], extra [more]"), "{error}");
    let shaped = named([("z.weight", spread(&[1, 2, 3], 1)), ("a.bias", spread(&[1, 2], 2)), ("m", spread(&[1], 3))]);
    let error = shaped.check_like(&template).expect_err("another shape").to_string();
    assert!(error.contains("`z.weight`") && error.contains("[1, 2, 3]") && error.contains("[1, 3, 2]"), "{error}");
    let twice = Params::new([("w".to_owned(), spread(&[1], 1)), ("w".to_owned(), spread(&[1], 2))]);
    assert!(matches!(twice, Err(Error::DuplicateParam { name }) if name == "w"));
    assert!(matches!(template.merge(&template), Err(Error::DuplicateParam { .. })));
    let error = template.get("weight").expect_err("no such name").to_string();
    assert!(error.contains("`weight`") && error.contains("z.weight, a.bias, m"), "{error}");
    assert!(template.add(&missing).is_err() && template.with_leaves(Vec::new()).is_err());
    let turned = named([("m", spread(&[1], 3)), ("a.bias", spread(&[1, 2], 2)), ("z.weight", spread(&[1, 3, 2], 1))]);
    assert!(template.add(&turned).is_err(), "leaves are matched in order, so another order is no match");
    assert!(template.add(&turned.ordered_like(&template)?).is_ok());
    Ok(())
}

#[test]
fn parts_and_prefixes() -> Result<()> {
    let both = sample().prefixed("enc")?.merge(&sample().prefixed("encoder")?)?;
    assert_eq!((both.len(), both.count()), (6, 18));
    let part = both.sub_params("enc")?;
    assert_eq!(part.names().collect::<Vec<_>>(), sample().names().collect::<Vec<_>>());
    assert!(both.sub_params("en").is_err() && both.contains("enc.m") && !both.contains("m"));
    let (heads, rest) = both.partition(|name| name.starts_with("enc."));
    assert_eq!((heads.len(), rest.len()), (3, 3));
    Ok(())
}

/// Values for `m` tasks, and one leaf that they share.
fn batched(m: usize) -> Params {
    named([("w", spread(&[m, 2, 2], 1)), ("b", spread(&[m, 2], 2)), ("shared", spread(&[1, 3], 3))])
}

#[test]
fn the_task_axis_is_the_loop_over_tasks() -> Result<()> {
    let (m, params) = (3, batched(3).leaf());
    assert_eq!(params.n_tasks(), m);
    let each: Vec<Params> = (0..m).map(|i| params.narrow_tasks(i, 1)).collect::<Result<_>>()?;
    let whole = params.expand_tasks(m)?;
    assert!(whole.leaves().iter().all(|leaf| leaf.dims()[0] == m));
    let joined = Params::cat_tasks(&each)?;
    for (a, b) in joined.leaves().iter().zip(whole.leaves()) {
        assert_close("cat of narrows", a, b, 0.0);
    }
    let sum = each.iter().skip(1).try_fold(each[0].clone(), |sum, one| sum.add(one))?;
    for (a, b) in whole.sum_tasks()?.leaves().iter().zip(sum.leaves()) {
        assert_close("sum", a, b, 1e-15);
    }
    for (a, b) in whole.mean_tasks()?.leaves().iter().zip(sum.scale(1.0 / 3.0)?.leaves()) {
        assert_close("mean", a, b, 1e-15);
    }
    let dots = whole.dot_tasks(&whole)?.to_vec_f64()?;
    for (dot, one) in dots.iter().zip(&each) {
        assert!((dot - one.dot(one)?.to_f64()?).abs() < 1e-13);
    }
    assert!((dots.iter().sum::<f64>() - whole.dot(&whole)?.to_f64()?).abs() < 1e-12);
    assert!(params.expand_tasks(4).is_err() && params.narrow_tasks(2, 2).is_err() && Params::cat_tasks(&[]).is_err());
    Ok(())
}

#[test]
fn gradients_at_shared_leaves_sum_over_tasks() -> Result<()> {
    let shared = named([("w", spread(&[1, 2], 1))]).leaf();
    let tasks = shared.expand_tasks(3)?;
    let x = spread(&[3, 2], 2);
    let loss = tasks.get("w")?.mul(&x)?.sqr()?.sum_all()?;
    // ∂/∂w Σₘ (w xₘ)² = 2 w Σₘ xₘ², and before the sum over tasks each task has its own.
    let squares = x.sqr()?;
    let w = shared.get("w")?.detach().scale(2.0)?;
    assert_close("each", tasks.grad(&loss, Order::First)?.get("w")?, &squares.mul(&w)?, 1e-14);
    assert_close("all", shared.grad(&loss, Order::First)?.get("w")?, &squares.sum_keepdim(&[0])?.mul(&w)?, 1e-14);
    let unused = shared.merge(&named([("unused", spread(&[1], 1))]).leaf())?;
    assert!(matches!(unused.grad(&loss, Order::First), Err(Error::NotConnected { index: 1, .. })));
    Ok(())
}

#[test]
fn arithmetic_is_that_of_vectors() -> Result<()> {
    let (a, b) = (sample(), sample().scale(-0.5)?);
    let zero = a.add_scaled(&b, 2.0)?.add(&a.zeros_like()?)?.sub(&a.zeros_like()?)?;
    assert!(zero.leaves().iter().all(|leaf| leaf.to_vec_f64().expect("on the host").iter().all(|&v| v == 0.0)));
    assert_eq!(a.to_dtype(DType::F32)?.leaves()[0].dtype(), DType::F32);
    let third = a.zip3(&b, &a, |x, y, z| x.add(y)?.sub(&z.scale(0.5)?))?;
    assert!(third.leaves().iter().all(|leaf| leaf.to_vec_f64().expect("on the host").iter().all(|&v| v == 0.0)));
    assert!(named([]).dot(&named([])).is_err());
    Ok(())
}

/// Conjugate gradients reach the solution of n equations in n steps; each task has its own matrix.
#[test]
fn conjugate_gradients_solve_each_tasks_system() -> Result<()> {
    let (m, n) = (3, 4);
    let root = spread(&[m, n, n], 1);
    let identity = Tensor::new(Value::eye(n, DType::F64, &Device::Cpu)?);
    let a = root.transpose(1, 2)?.matmul(&root)?.add(&identity)?; // symmetric, positive definite
    let want = spread(&[m, n], 2);
    let apply = |v: &Params| v.map(|leaf| a.matmul(&leaf.unsqueeze(2)?)?.squeeze(2));
    let b = apply(&named([("x", want.clone())]))?;
    let x = conjugate_gradient(apply, &b, CgConfig { iterations: 2 * n, ..CgConfig::default() })?;
    assert_close("solution", x.get("x")?, &want, 1e-8);
    assert!(conjugate_gradient(apply, &b, CgConfig { iterations: 0, ..CgConfig::default() }).is_err());
    let zero = conjugate_gradient(apply, &b.zeros_like()?, CgConfig::default())?;
    assert_eq!(zero.get("x")?.to_vec_f64()?, vec![0.0; m * n]);
    Ok(())
}
