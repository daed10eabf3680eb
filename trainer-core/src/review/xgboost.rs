//! `mlPolicy.xgboost`: V21.

use crate::{Violation, api::TrainJob};

const RESERVED: [&str; 4] = ["DMLC_NUM_WORKER", "DMLC_TASK_ID", "DMLC_TRACKER_PORT", "DMLC_TRACKER_URI"];

pub(super) fn check(job: &TrainJob) -> Vec<Violation> {
    let env = job.spec.trainer.as_ref().and_then(|trainer| trainer.env.as_deref()).unwrap_or_default();
    env.iter()
        .enumerate()
        .filter(|(_, variable)| RESERVED.contains(&variable.name.as_str()))
        .map(|(index, variable)| {
            let field = format!("spec.trainer.env[{index}]");
            Violation::new("V21", Some(field), format!("{} is reserved for the XGBoost runtime", variable.name))
                .kind("Forbidden")
        })
        .collect()
}
