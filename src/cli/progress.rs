//! Long steps of a submission, shown while they take their time.

use std::{sync::Mutex, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use trainer_core::request::{Progress, ProgressEvent};

/// Shows each step on standard error, with the latest line that it said; nothing where that is no terminal.
pub(super) fn on_terminal() -> Progress {
    let current: Mutex<Option<ProgressBar>> = Mutex::new(None);
    Progress::to(move |event| {
        let Ok(mut current) = current.lock() else { return };
        match event {
            ProgressEvent::Began(step) => {
                let bar = ProgressBar::new_spinner().with_style(style()).with_prefix(step);
                bar.enable_steady_tick(Duration::from_millis(100));
                if let Some(before) = current.replace(bar) {
                    before.finish_and_clear();
                }
            }
            ProgressEvent::Said(line) => {
                if let Some(bar) = &*current {
                    bar.set_message(line);
                }
            }
            ProgressEvent::Done => {
                if let Some(bar) = current.take() {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
    })
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {prefix} ({elapsed})  {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}
