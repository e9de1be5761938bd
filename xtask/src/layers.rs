//! The direction of dependencies between crates: a crate may only depend on crates of strictly lower layers.
//!
//! The one edge inside a layer is `autodiff → kernels`. What the layers mean stands in `docs/ARCHITECTURE.md`.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::workspace::{self, Member};

/// Every crate of the workspace and its layer.
const LAYERS: &[(&str, u8)] = &[
    ("rekindle-kernels", 0),
    ("rekindle-autodiff", 0),
    ("rekindle-nn", 1),
    ("rekindle-optim", 1),
    ("rekindle-tasks", 1),
    ("rekindle-envs", 1),
    ("rekindle-meta", 2),
    ("rekindle-rl", 2),
    ("rekindle-meta-rl", 3),
    ("rekindle-transfer", 3),
    ("rekindle", 4),
    ("rekindle-bench", 4),
    ("workspace-tests", 5),
    ("xtask", 5),
];

/// The edge that joins two crates of one layer.
const SIDEWAYS: (&str, &str) = ("rekindle-autodiff", "rekindle-kernels");

/// What a crate must not depend on although the layers would allow it: (crate, start of the other's name, reason).
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("rekindle-tasks", "rekindle-autodiff", "tasks know nothing of gradients"),
    ("rekindle-envs", "rekindle-autodiff", "environments know nothing of gradients"),
    ("rekindle-kernels", "candle", "kernels take plain slices and know no tensors"),
    ("xtask", "candle", "xtask must build in seconds"),
    ("xtask", "rekindle", "xtask must build in seconds"),
];

/// Fails with every wrong edge of this workspace.
pub(crate) fn check() -> Result<()> {
    let wrong = violations(&workspace::members()?);
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}

fn violations(members: &[Member]) -> Vec<String> {
    let ours: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let mut wrong = Vec::new();
    for member in members {
        let Some(layer) = layer(&member.name) else {
            wrong.push(format!("{} has no layer: add it to LAYERS in xtask/src/layers.rs", member.name));
            continue;
        };
        for dependency in &member.dependencies {
            wrong.extend(forbidden(&member.name, dependency));
            if ours.contains(dependency.as_str()) {
                wrong.extend(upward(&member.name, layer, dependency));
            }
        }
    }
    wrong
}

fn layer(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer)
}

fn forbidden(name: &str, dependency: &str) -> Option<String> {
    let (_, _, reason) = FORBIDDEN.iter().find(|(from, to, _)| *from == name && dependency.starts_with(to))?;
    Some(format!("{name} must not depend on {dependency}: {reason}"))
}

fn upward(name: &str, own: u8, dependency: &str) -> Option<String> {
    // An unknown dependency is reported once, as the member that it is.
    let other = layer(dependency)?;
    let allowed = other < own || (name, dependency) == SIDEWAYS;
    (!allowed).then(|| {
        format!("{name} (layer {own}) must not depend on {dependency} (layer {other}): edges go to lower layers only")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, dependencies: &[&str]) -> Member {
        Member {
            name: name.into(),
            dependencies: dependencies.iter().map(ToString::to_string).collect(),
            published_library: true,
            has_default_features: false,
        }
    }

    #[test]
    fn this_workspace_has_no_upward_edge() {
        check().expect("every dependency goes down");
    }

    #[test]
    fn downward_edges_and_foreign_crates_are_fine() {
        let members = [
            member("rekindle-kernels", &["gemm"]),
            member("rekindle-autodiff", &["candle-core", "rekindle-kernels"]),
            member("rekindle-meta", &["rekindle-autodiff"]),
            member("xtask", &["serde_json"]),
        ];
        assert_eq!(violations(&members), Vec::<String>::new());
    }

    #[test]
    fn wrong_edges_are_named() {
        let cases = [
            ("rekindle-nn", "rekindle-meta", "layer 1) must not depend on rekindle-meta (layer 2"),
            ("rekindle-meta", "rekindle-rl", "layer 2) must not depend on rekindle-rl (layer 2"),
            ("rekindle-kernels", "rekindle-autodiff", "layer 0) must not depend on rekindle-autodiff (layer 0"),
            ("rekindle", "rekindle-bench", "layer 4) must not depend on rekindle-bench (layer 4"),
            ("rekindle-tasks", "rekindle-autodiff", "tasks know nothing of gradients"),
            ("rekindle-kernels", "candle-core", "know no tensors"),
            ("xtask", "rekindle-tasks", "build in seconds"),
        ];
        for (name, dependency, expected) in cases {
            let members = [member(name, &[dependency]), member(dependency, &[])];
            let found = violations(&members);
            assert!(found.iter().any(|line| line.starts_with(name) && line.contains(expected)), "{name}: {found:?}");
        }
    }

    #[test]
    fn a_crate_without_a_layer_is_reported_once() {
        let found = violations(&[member("rekindle-new", &[]), member("rekindle-meta", &["rekindle-new"])]);
        assert_eq!(found, ["rekindle-new has no layer: add it to LAYERS in xtask/src/layers.rs"]);
    }
}
