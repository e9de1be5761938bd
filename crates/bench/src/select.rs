//! Which experiments a command line asks for.

use std::fmt::Write as _;

use anyhow::{Result, bail};

use crate::Experiment;

/// A registry of experiments, in the order of the report.
pub(crate) type Registry = [Box<dyn Experiment>];

/// The experiments that `wanted` names, in registry order and each once; the default set if it names none.
///
/// A name is a full id or a leading part of one that ends at a `/`: `maml` takes `maml/sinusoid` and `maml/omniglot`.
pub(crate) fn select<'a>(registry: &'a Registry, wanted: &[String]) -> Result<Vec<&'a dyn Experiment>> {
    if let Some(unknown) = wanted.iter().find(|name| !registry.iter().any(|e| names(name, e.id()))) {
        bail!("{}", unknown_id(registry, unknown));
    }
    let chosen = |e: &dyn Experiment| match wanted {
        [] => e.in_default_run(),
        _ => wanted.iter().any(|name| names(name, e.id())),
    };
    Ok(registry.iter().map(AsRef::as_ref).filter(|e| chosen(*e)).collect())
}

/// One line an experiment: id, whether a default run includes it, whether it needs data, title.
pub(crate) fn list(registry: &Registry) -> String {
    let width = registry.iter().map(|e| e.id().len()).max().unwrap_or(0).max(2);
    let mut out = format!("{:width$}  default  data  title\n", "id");
    for e in registry {
        let yes = |flag| if flag { "yes" } else { "-" };
        let (default, data) = (yes(e.in_default_run()), yes(e.needs_data()));
        writeln!(out, "{:width$}  {default:7}  {data:4}  {}", e.id(), e.title()).expect("a String takes every write");
    }
    out
}

fn names(name: &str, id: &str) -> bool {
    let name = name.trim_end_matches('/');
    id.strip_prefix(name).is_some_and(|rest| !name.is_empty() && (rest.is_empty() || rest.starts_with('/')))
}

fn unknown_id(registry: &Registry, unknown: &str) -> String {
    let ids: Vec<_> = registry.iter().map(|e| e.id()).collect();
    let mut near: Vec<_> =
        ids.iter().map(|id| (likeness(unknown, id), *id)).filter(|(score, _)| *score > 0.8).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<_> = near.iter().take(3).map(|(_, id)| *id).collect();
    let hint = if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) };
    format!("no experiment or group is called `{unknown}`{hint}\nall ids: {}", ids.join(", "))
}

/// How alike a typed name is to an id or to any one part of it, from 0 to 1.
fn likeness(typed: &str, id: &str) -> f64 {
    id.split('/').chain([id]).map(|part| strsim::jaro_winkler(typed, part)).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Context;

    struct Fake(&'static str, bool);

    impl Experiment for Fake {
        fn id(&self) -> &'static str {
            self.0
        }
        fn title(&self) -> &'static str {
            "A fake"
        }
        fn about(&self) -> &'static str {
            ""
        }
        fn in_default_run(&self) -> bool {
            self.1
        }
        fn run(&self, _: &mut Context) -> Result<()> {
            Ok(())
        }
    }

    fn ids(wanted: &[&str]) -> Result<Vec<&'static str>> {
        let registry: [Box<dyn Experiment>; 4] = [
            Box::new(Fake("maml/sinusoid", true)),
            Box::new(Fake("maml/omniglot", false)),
            Box::new(Fake("maml-rl/bandit", false)),
            Box::new(Fake("speed/tape", true)),
        ];
        let wanted: Vec<_> = wanted.iter().map(ToString::to_string).collect();
        Ok(select(&registry, &wanted)?.iter().map(|e| e.id()).collect())
    }

    #[test]
    fn full_ids_and_groups_are_taken_once_in_registry_order() -> Result<()> {
        assert_eq!(ids(&["speed/tape", "maml/sinusoid"])?, ["maml/sinusoid", "speed/tape"]);
        assert_eq!(ids(&["maml"])?, ["maml/sinusoid", "maml/omniglot"]);
        assert_eq!(ids(&["maml/", "maml/omniglot"])?, ["maml/sinusoid", "maml/omniglot"]);
        Ok(())
    }

    #[test]
    fn no_names_mean_the_default_set() -> Result<()> {
        assert_eq!(ids(&[])?, ["maml/sinusoid", "speed/tape"]);
        Ok(())
    }

    #[test]
    fn an_unknown_name_is_answered_with_its_likes_and_all_ids() {
        let error = ids(&["maml/omniglto"]).unwrap_err().to_string();
        assert!(error.contains("did you mean maml/omniglot"), "{error}");
        assert!(error.contains("all ids: maml/sinusoid, maml/omniglot, maml-rl/bandit, speed/tape"), "{error}");
        let error = ids(&["zzz"]).unwrap_err().to_string();
        assert!(!error.contains("did you mean"), "{error}");
        assert!(ids(&[""]).is_err() && ids(&["mam"]).is_err() && ids(&["/"]).is_err());
    }
}
