//! What a command has to work with: the configuration, and the way to a client.

use std::marker::PhantomData;

use serde_json::Value;
use trainer_core::{
    Error, ErrorKind, Job, JobName, JobRequest, Result, TrainerClient, registry::BackendRegistry,
    runtimes::RuntimeCatalog,
};

use super::{
    arguments::{OneJob, Target},
    folders,
    reference::{JobRef, Place},
    settings::{Settings, known},
    submitted::{Submissions, Submitted},
};

/// This invocation of the command, for the backends `B`.
pub(super) struct App<B> {
    settings: Settings,
    backends: PhantomData<fn() -> B>,
}

impl<B: BackendRegistry> App<B> {
    /// Reads the configuration.
    ///
    /// # Errors
    /// As [`Settings::read`] and [`Settings::check_backends`].
    pub(super) fn new() -> Result<Self> {
        let settings = Settings::read(B::COMMAND, B::CONFIG_FOLDER)?;
        settings.check_backends::<B>()?;
        Ok(Self { settings, backends: PhantomData })
    }

    /// The configuration.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// `request`, with what the configuration says of the names in it.
    pub(super) fn configured(&self, mut request: JobRequest) -> JobRequest {
        request.volumes = self.settings.volumes().clone();
        request.secret_keys = self.settings.secret_keys().clone();
        request
    }

    /// A client of the backend that `target` and the configuration choose.
    ///
    /// # Errors
    /// `Invalid` if nobody chose one; otherwise as [`Settings::connect`].
    pub(super) fn client(&self, target: &Target) -> Result<TrainerClient<B>> {
        self.client_of(&self.chosen(target)?, &target.settings)
    }

    /// A client of the backend `selected`.
    ///
    /// # Errors
    /// As [`Settings::connect`].
    pub(super) fn client_of(&self, selected: &str, settings: &[(String, Value)]) -> Result<TrainerClient<B>> {
        Ok(TrainerClient::new(self.settings.connect(selected, settings)?))
    }

    /// The training runtimes that the user's and the project's files add to the built-in ones.
    ///
    /// # Errors
    /// As [`RuntimeCatalog::with_folder`].
    pub(super) fn runtimes(&self) -> Result<RuntimeCatalog> {
        let catalog = RuntimeCatalog::builtin();
        let catalog = match folders::config(B::CONFIG_FOLDER) {
            Some(folder) => catalog.with_folder(folder.join("runtimes"))?,
            None => catalog,
        };
        catalog.with_folder(folders::project(B::CONFIG_FOLDER).join(format!(".{}", B::CONFIG_FOLDER)).join("runtimes"))
    }

    /// The name of the backend that `target` and the configuration choose.
    ///
    /// # Errors
    /// `Invalid` if nobody chose one.
    pub(super) fn chosen(&self, target: &Target) -> Result<String> {
        let setting = self.settings.backend(target.backend.as_deref(), B::DEFAULT_BACKEND);
        setting.map(|setting| setting.value).ok_or_else(|| {
            let names: Vec<_> = B::KNOWN.iter().filter(|known| known.enabled).map(|known| known.name).collect();
            let hint = match names[..] {
                [] => "this binary was built without any".to_owned(),
                _ => format!("`--backend NAME`, where NAME is one of {}", names.join(", ")),
            };
            Error::invalid("no backend is chosen").with_hint(hint)
        })
    }

    /// The client and the name that stand for `job`.
    ///
    /// # Errors
    /// `NotFound` if it is the last one and there is none; otherwise as [`client`](Self::client).
    pub(super) async fn find(&self, job: &OneJob) -> Result<(TrainerClient<B>, JobName)> {
        if let Some(reference) = &job.job {
            return Ok((self.client_for(reference, &job.target).await?, reference.name.clone()));
        }
        let last = Submissions::of(B::CONFIG_FOLDER).latest().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "nothing has been submitted from here yet")
                .with_hint("`trainer list` shows the jobs there are")
        })?;
        Ok((self.client_at(&last, &job.target)?, last.name))
    }

    /// A client of the backend that has the job: the one that is named, the one that it was submitted to
    /// from here, or the usual one.
    ///
    /// # Errors
    /// `Invalid` if two are named; otherwise as [`client`](Self::client).
    pub(super) async fn client_for(&self, job: &JobRef, target: &Target) -> Result<TrainerClient<B>> {
        match (&job.place, &target.backend) {
            (Some(_), Some(_)) => {
                Err(Error::invalid(format!("`{job}` says where the job is, and so does `--backend`")))
            }
            (Some(Place { backend, namespace }), None) => {
                self.client_of(backend, &in_namespace::<B>(backend, namespace, &target.settings)?)
            }
            (None, Some(_)) => self.client(target),
            (None, None) => match Submissions::of(B::CONFIG_FOLDER).latest_of(&job.name) {
                Some(hint) if known::<B>(&hint.backend).is_some_and(|known| known.enabled) => {
                    let client = self.client_at(&hint, target)?;
                    let usual = self.chosen(target).is_ok_and(|usual| is_same::<B>(&usual, &hint.backend));
                    if !usual && client.get(&job.name).await.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                        return self.client(target);
                    }
                    Ok(client)
                }
                _ => self.client(target),
            },
        }
    }

    /// Remembers where `job` was submitted to.
    pub(super) fn remember(&self, job: &Job) {
        Submissions::of(B::CONFIG_FOLDER).remember(job);
    }

    fn client_at(&self, submitted: &Submitted, target: &Target) -> Result<TrainerClient<B>> {
        let backend = target.backend.as_deref().unwrap_or(&submitted.backend);
        let settings = match &submitted.namespace {
            Some(namespace) if has_namespaces::<B>(backend) => in_namespace::<B>(backend, namespace, &target.settings)?,
            _ => target.settings.clone(),
        };
        self.client_of(backend, &settings)
    }
}

fn is_same<B: BackendRegistry>(one: &str, other: &str) -> bool {
    known::<B>(one).is_some_and(|one| known::<B>(other) == Some(one))
}

/// The key of a backend's configuration that chooses a namespace, for the backends that have such a thing.
const NAMESPACE: &str = "namespace";

fn has_namespaces<B: BackendRegistry>(backend: &str) -> bool {
    let keys = known::<B>(backend).and_then(|known| B::keys(known.name));
    keys.is_some_and(|(config, _)| config.iter().any(|key| key.name == NAMESPACE))
}

fn in_namespace<B: BackendRegistry>(
    backend: &str,
    namespace: &str,
    settings: &[(String, Value)],
) -> Result<Vec<(String, Value)>> {
    let mut settings = settings.to_vec();
    if has_namespaces::<B>(backend) {
        settings.push((NAMESPACE.to_owned(), Value::from(namespace)));
    } else if namespace != "default" && known::<B>(backend).is_some() {
        return Err(Error::invalid(format!("the backend `{backend}` has no namespace `{namespace}`"))
            .with_hint(format!("`{backend}/default/NAME`, or the name alone")));
    }
    Ok(settings)
}
