//! What `cargo metadata` says of the workspace's members.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process::cargo_at_root;

/// One package of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Package name.
    pub(crate) name: String,
    /// Names of the packages that it depends on directly, as a normal, build or development dependency.
    pub(crate) dependencies: Vec<String>,
    /// Whether it is a library that others can take from the registry.
    pub(crate) published_library: bool,
    /// Whether its `default` feature turns anything on.
    pub(crate) has_default_features: bool,
}

/// The `cargo metadata` of this workspace; only manifests are read, so no network is needed.
fn metadata() -> Result<Value> {
    let mut command = cargo_at_root(["metadata", "--format-version", "1", "--no-deps"]);
    let output = command.output().context("cannot start cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata did not print JSON")
}

/// The folder of build outputs, wherever the user's configuration puts it.
pub(crate) fn target_folder() -> Result<PathBuf> {
    Ok(text(&metadata()?, "target_directory")?.into())
}

/// Every member of this workspace.
pub(crate) fn members() -> Result<Vec<Member>> {
    parse(&metadata()?)
}

fn parse(metadata: &Value) -> Result<Vec<Member>> {
    list(metadata, "packages")?.iter().map(member).collect()
}

fn member(package: &Value) -> Result<Member> {
    let is_library = list(package, "targets")?.iter().any(|target| target["kind"] == serde_json::json!(["lib"]));
    // `publish` is null where any registry is allowed and an empty list where none is.
    let may_publish = package["publish"].as_array().is_none_or(|registries| !registries.is_empty());
    let mut dependencies =
        list(package, "dependencies")?.iter().map(|dependency| text(dependency, "name")).collect::<Result<Vec<_>>>()?;
    dependencies.sort();
    dependencies.dedup();
    Ok(Member {
        name: text(package, "name")?,
        dependencies,
        published_library: is_library && may_publish,
        has_default_features: package["features"]["default"].as_array().is_some_and(|list| !list.is_empty()),
    })
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value[key].as_array().with_context(|| format!("cargo metadata has no list `{key}`"))
}

fn text(value: &Value, key: &str) -> Result<String> {
    Ok(value[key].as_str().with_context(|| format!("cargo metadata has no text `{key}`"))?.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_package_is_read_from_its_metadata() {
        let metadata = json!({ "packages": [{
            "name": "rekindle-nn",
            "targets": [{ "kind": ["test"] }, { "kind": ["lib"] }],
            "publish": null,
            "features": { "default": ["std"], "std": [] },
            "dependencies": [{ "name": "rekindle-autodiff" }, { "name": "candle-core" }, { "name": "candle-core" }],
        }, {
            "name": "rekindle-bench",
            "targets": [{ "kind": ["lib"] }, { "kind": ["bin"] }],
            "publish": [],
            "features": {},
            "dependencies": [],
        }]});
        let members = parse(&metadata).expect("well-formed metadata");
        let nn = Member {
            name: "rekindle-nn".into(),
            dependencies: vec!["candle-core".into(), "rekindle-autodiff".into()],
            published_library: true,
            has_default_features: true,
        };
        assert_eq!(members[0], nn);
        assert!(!members[1].published_library && !members[1].has_default_features);
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = parse(&json!({ "packages": [{ "name": "x" }] })).expect_err("targets are missing");
        assert!(error.to_string().contains("`targets`"), "{error}");
    }
}
