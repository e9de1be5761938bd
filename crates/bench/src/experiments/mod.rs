//! The experiments, in the order of the report.

mod actor_mimic;
mod adapt_digits;
mod adapt_office;
mod adapt_randomise;
mod bandits_baselines;
mod bandits_optimal;
mod cifar_fs_proto;
mod classic;
mod curriculum_teacher;
mod family_omniglot;
mod few_shot_all;
mod few_shot_plans;
mod finetune;
mod goal_rnn;
mod in_context_functions;
mod in_context_linear;
mod in_parts;
mod maml_characters;
mod maml_sinusoid;
mod maze_rl2;
mod mdp_baselines;
mod meta_dataset_across;
mod meta_dataset_sampler;
mod meta_dataset_within;
mod metric_glyphs;
mod metric_omniglot;
mod model_based_omniglot;
mod modular;
mod multitask;
mod neural_process;
mod options;
mod point_maml;
mod progressive;
mod reptile_sinusoid;
mod rl2;
mod rl2_cells;
mod self_supervision;
mod soft_q;
mod speed_envs;
mod speed_growth;
mod speed_gru;
mod speed_in_context;
mod speed_kernels;
mod speed_maml_conv4;
mod speed_maml_sinusoid;
mod speed_peers;
mod speed_point_maml;
mod speed_proto_conv4;
mod speed_rl2;
mod speed_tape;
mod successor;
mod zsl_flowers;
mod zsl_glyphs;

mod actor_mimic_held_out;
mod addition;
mod attention;
mod bandit_agents;
mod black_boxes;
mod canvas;
mod catch_soup;
mod descent;
mod embedding;
mod episodes;
mod few_shot;
mod finetune_report;
mod learners;
mod lenet;
mod maze_picture;
mod maze_shortest;
mod mdp_agents;
mod meta_dataset_sources;
mod meta_dataset_study;
mod meta_iterations;
mod meta_training;
mod navigation;
mod one_core;
mod peers;
mod pooled;
mod prompts;
mod ranks;
mod settings;
mod sine_plot;
mod successor_reacher;
mod successor_rooms;
mod training;
mod turns;
mod units;

use crate::Experiment;

/// Every experiment.
pub fn all() -> Vec<Box<dyn Experiment>> {
    vec![
        Box::new(maml_sinusoid::MamlSinusoid),
        Box::new(reptile_sinusoid::ReptileSinusoid),
        Box::new(maml_characters::MamlGlyphs),
        Box::new(maml_characters::MamlOmniglot),
        Box::new(family_omniglot::FamilyOmniglot),
        Box::new(few_shot_all::FewShotAll),
        Box::new(meta_dataset_sampler::MetaDatasetSampler),
        Box::new(meta_dataset_within::MetaDatasetWithin),
        Box::new(meta_dataset_across::MetaDatasetAcross),
        Box::new(metric_glyphs::MetricGlyphs),
        Box::new(metric_omniglot::MetricOmniglot),
        Box::new(cifar_fs_proto::CifarFsProto),
        Box::new(neural_process::NeuralProcessSinusoid),
        Box::new(neural_process::NeuralProcessGaussian),
        Box::new(in_context_linear::InContextLinear),
        Box::new(in_context_functions::InContextFunctions),
        Box::new(model_based_omniglot::ModelBasedOmniglot),
        Box::new(bandits_optimal::BanditsOptimal),
        Box::new(bandits_baselines::BanditsBaselines),
        Box::new(mdp_baselines::MdpBaselines),
        Box::new(rl2::BanditsRl2),
        Box::new(rl2::MdpRl2),
        Box::new(point_maml::PointMaml),
        Box::new(goal_rnn::GoalRnn),
        Box::new(maze_rl2::MazeRl2),
        Box::new(classic::ClassicPpo),
        Box::new(classic::ClassicTrpo),
        Box::new(adapt_digits::AdaptDigits),
        Box::new(adapt_office::AdaptOffice),
        Box::new(adapt_randomise::AdaptRandomise),
        Box::new(zsl_glyphs::ZslGlyphs),
        Box::new(zsl_flowers::ZslFlowers),
        Box::new(curriculum_teacher::CurriculumTeacher),
        Box::new(finetune::FinetuneGlyphs),
        Box::new(finetune::Finetune),
        Box::new(multitask::Multitask),
        Box::new(progressive::ProgressiveNets),
        Box::new(successor::TransferSuccessor),
        Box::new(soft_q::TransferSoftQ),
        Box::new(actor_mimic::TransferActorMimic),
        Box::new(modular::TransferModular),
        Box::new(options::TransferOptions),
        Box::new(self_supervision::TransferSelfSupervision),
        Box::new(speed_kernels::SpeedKernels),
        Box::new(speed_tape::SpeedTape),
        Box::new(speed_maml_sinusoid::SpeedMamlSinusoid),
        Box::new(speed_maml_sinusoid::SpeedMamlSinusoid5),
        Box::new(speed_maml_conv4::SpeedMamlConv4),
        Box::new(speed_proto_conv4::SpeedProtoConv4),
        Box::new(speed_gru::SpeedGru),
        Box::new(speed_in_context::SpeedInContext),
        Box::new(speed_rl2::SpeedBanditRollout),
        Box::new(speed_rl2::SpeedRl2Update),
        Box::new(speed_point_maml::SpeedPointMaml),
        Box::new(speed_envs::SpeedEnvs),
        Box::new(speed_growth::SpeedGrowth),
        Box::new(speed_peers::SpeedPeers),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// An id is a folder below `--out`, so none may lie inside another's.
    #[test]
    fn ids_are_distinct_and_no_id_is_a_group() {
        let ids: BTreeSet<_> = all().iter().map(|e| e.id()).collect();
        assert_eq!(ids.len(), all().len());
        for id in &ids {
            let group = format!("{id}/");
            assert!(!ids.iter().any(|other| other.starts_with(&group)), "{id}");
            assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || "/-_".contains(c)), "{id}");
        }
    }

    #[test]
    fn the_default_run_needs_no_data() {
        assert!(all().iter().all(|e| !(e.in_default_run() && e.needs_data())));
    }
}
