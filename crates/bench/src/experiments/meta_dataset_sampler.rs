//! The sizes of Meta-Dataset's episodes.

use anyhow::Result;
use rekindle_rl::instances::Summary;
use rekindle_tasks::{DatasetSpec, MetaDataset, SpecSplit, batch_rng};

use super::settings;
use crate::{Context, Experiment, Published, Table};

pub(super) struct MetaDatasetSampler;

/// Descriptions whose test classes episodes are drawn from; ways and shots that a Python program, which shares no code
/// with this one, found for them in 20,000 episodes.
const SPECS: [(&str, f64, f64); 10] = [
    ("ilsvrc_2012", 14.83, 33.38),
    ("omniglot", 19.03, 4.82),
    ("aircraft", 10.03, 35.54),
    ("cu_birds", 17.46, 19.42),
    ("dtd", 6.00, 46.94),
    ("quickdraw", 27.60, 20.37),
    ("fungi", 27.64, 15.51),
    ("vgg_flower", 10.51, 28.71),
    ("traffic_sign", 24.04, 22.30),
    ("mscoco", 22.45, 23.32),
];

const SEED: u64 = 15;

impl Experiment for MetaDatasetSampler {
    fn id(&self) -> &'static str {
        "meta-dataset/sampler"
    }

    fn title(&self) -> &'static str {
        "Sizes of Meta-Dataset's episodes"
    }

    fn about(&self) -> &'static str {
        "Episodes of Meta-Dataset have any number of classes and uneven shots. Sizes are drawn from the official descriptions \
         of the ten data sets, test classes, hierarchies of Omniglot and ImageNet included; no image is read. The figures are \
         means over episodes, 2,000 in the quick run and 20,000 else: of the ways, and of the mean shots of a class.\n\n\
         Source: Triantafillou et al. 2020, §3.2. Reference figures: another program, after the official sampler."
    }

    fn needs_data(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let folder = ctx.data_set("meta_dataset")?.join("dataset_specs");
        let n_episodes = ctx.mode().of([2_000, 20_000, 20_000]);
        let columns = ["data set", "classes", "ways", "support", "shots", "fewest shots", "most shots", "queries"];
        let mut table = Table::new("Means over episodes of the test classes", columns);
        let progress = ctx.progress("data sets", SPECS.len() as u64);
        for (name, ways, shots) in SPECS {
            let spec = DatasetSpec::read(folder.join(format!("{name}_dataset_spec.json")))?;
            let sizes = Sizes::draw(&spec, n_episodes)?;
            let mean = |values: &[f64]| Ok::<_, anyhow::Error>(Summary::of(values)?);
            ctx.metric(&format!("{name}/ways"), settings::estimate(&mean(&sizes.ways)?), "classes")?;
            ctx.metric(&format!("{name}/shots"), settings::estimate(&mean(&sizes.shots)?), "examples")?;
            ctx.published(&format!("{name}/ways"), Published::new(ways, "independent program"));
            ctx.published(&format!("{name}/shots"), Published::new(shots, "independent program"));
            let mut cells = vec![name.to_owned(), spec.split(SpecSplit::Test).len().to_string()];
            for values in [&sizes.ways, &sizes.support, &sizes.shots, &sizes.fewest, &sizes.most, &sizes.queries] {
                cells.push(format!("{:.1}", mean(values)?.mean));
            }
            table.row(cells);
            progress.inc(1);
        }
        ctx.table(table)
    }
}

/// Sizes of many episodes, an entry each.
#[derive(Default)]
struct Sizes {
    ways: Vec<f64>,
    support: Vec<f64>,
    shots: Vec<f64>,
    fewest: Vec<f64>,
    most: Vec<f64>,
    queries: Vec<f64>,
}

impl Sizes {
    fn draw(spec: &DatasetSpec, n_episodes: usize) -> Result<Self> {
        let (rule, pool, sizes) = (MetaDataset::default(), spec.pool(SpecSplit::Test), spec.sizes());
        let (mut rng, mut found) = (batch_rng(SEED, 0), Self::default());
        for _ in 0..n_episodes {
            let plan = rule.plan(&mut rng, &pool, &sizes)?;
            let (ways, support) = (plan.ways() as f64, plan.n_support() as f64);
            found.ways.push(ways);
            found.support.push(support);
            found.shots.push(support / ways);
            found.fewest.push(plan.shots.iter().min().map_or(0.0, |&k| k as f64));
            found.most.push(plan.shots.iter().max().map_or(0.0, |&k| k as f64));
            found.queries.push(plan.queries as f64);
        }
        Ok(found)
    }
}
