//! The Python that nodes run on: the active one, or an environment layered on it.

mod environment;
mod install;
mod interpreter;
mod key;

use trainer_core::backend::Finding;

pub(super) use environment::Environments;
use interpreter::Interpreter;

/// What `check` says about Python.
pub(super) async fn check() -> Finding {
    let subject = "python".to_owned();
    match Interpreter::active().await {
        Ok(python) => {
            Finding { ok: true, subject, detail: format!("{} ({})", python.version, python.executable.display()) }
        }
        Err(error) => {
            let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            Finding { ok: false, subject, detail: format!("{error}{hint}") }
        }
    }
}

/// What `check` says about the installation of packages.
pub(super) async fn check_installer() -> Finding {
    let subject = "packages".to_owned();
    let (ok, detail) = match (install::uv(), Interpreter::active().await) {
        (Some(uv), _) => (true, format!("installed with {}", uv.display())),
        (None, Ok(Interpreter { pip: Some(pip), .. })) => (true, format!("installed with pip {pip}")),
        (None, Ok(_)) => {
            (false, "neither uv nor pip is here: `--package` won't work; install uv or python3-pip".to_owned())
        }
        (None, Err(_)) => (false, "there is no Python to install for".to_owned()),
    };
    Finding { ok, subject, detail }
}
