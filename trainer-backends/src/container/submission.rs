//! What a submission makes in an engine before the first node, and what is undone if it comes to nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use trainer_core::{
    Error, ErrorKind, Result,
    job::Severity,
    plan::{Container, LaunchPlan, PlannedStep},
    request::{ProgressEvent, ReviewedJob, VolumeSource},
};
use trainer_supervisor::{JobFolder, OutputFolder, Submission, working_directory};

use super::{
    anchor,
    config::ContainerOptions,
    engine::Engine,
    files, gpus, images, keys, labels,
    network::JobNetwork,
    objects,
    placement::Placement,
    prepared::{OUTPUT, Output, PinnedImage, Prepared, SOURCE, Source},
    source,
    user::{self, UserChoice},
};

/// A submission to an engine.
pub(super) struct Setting<'a> {
    pub(super) engine: &'a Engine,
    pub(super) job: &'a ReviewedJob,
    pub(super) folder: &'a JobFolder,
    pub(super) submission: &'a Submission,
    pub(super) options: ContainerOptions,
    /// The image of nodes whose job names none.
    pub(super) image: Option<&'a str>,
}

impl Setting<'_> {
    /// Has the images, the anchor, the network and the user's files where nodes will look for them. On an error the
    /// engine is as it was.
    ///
    /// # Errors
    /// `AlreadyExists` if another machine has a job of this name there; what pulling says; the engine's.
    pub(super) async fn prepare(&self) -> Result<Prepared> {
        let directory = working_directory(self.job)?;
        let output = OutputFolder::of(self.job, &directory);
        self.review_folders()?;
        gpus::review_requests(self.job.plan(), self.options.gpus, self.engine)?;
        let images = self.provide_images().await?;
        let prepared = self.make(images, &directory, output).await;
        if prepared.is_err() {
            self.undo().await;
        }
        prepared
    }

    async fn make(
        &self,
        images: BTreeMap<String, PinnedImage>,
        directory: &Path,
        output: OutputFolder,
    ) -> Result<Prepared> {
        let labels = labels::of_job(self.submission, &self.folder.state_root());
        let volumes = if self.engine.is_local() { Vec::new() } else { self.volumes() };
        for (volume, _) in &volumes {
            objects::create_volume(self.engine, volume, labels.clone()).await?;
        }
        let planned = containers(self.job.plan()).last().and_then(|(_, container)| container.image.clone());
        let image = images.get(planned.as_deref().unwrap_or_default()).map_or("", |image| image.id.as_str());
        anchor::claim(self.engine, self.submission, &self.folder.state_root(), image, &volumes).await?;
        let mut prepared = Prepared {
            endpoint: self.engine.endpoint.clone(),
            images,
            source: None,
            output: Output::Folder(output.clone()),
            errors: None,
            user: self.options.user.resolve(self.engine),
            options: self.options.clone(),
        };
        self.keep_keys().await?;
        if !self.job.plan().suspend {
            JobNetwork::provide(self.engine, &self.submission.name, &self.submission.uid, &labels).await?;
        }
        if self.engine.is_local() {
            self.provide_folders(&mut prepared, directory, output).await?;
        } else {
            self.fill_volumes(&mut prepared, volumes, directory, output.path()).await?;
        }
        Ok(prepared)
    }

    /// Removes what was made. What can't be removed now, the next command does.
    pub(super) async fn undo(&self) {
        let _ = objects::remove_all(self.engine, &self.submission.uid).await;
    }

    /// Folders that are mounted must be there: engines differ in what they do where they aren't.
    fn review_folders(&self) -> Result<()> {
        let request = self.job.request();
        if !self.engine.is_local() {
            return Ok(());
        }
        for (step, container) in containers(self.job.plan()) {
            for mounted in request.volumes.mounted(&request.mounts, step, container)? {
                if let VolumeSource::Folder(folder) = mounted.volume.for_container()?
                    && !folder.is_dir()
                {
                    let name = &mounted.volume.name;
                    return Err(Error::invalid(format!("the volume `{name}` is no folder: {}", folder.display())));
                }
            }
            let placed = Placement::of(self.job.plan(), step, container, &request.volumes, &request.mounts)?;
            for folder in placed.mounts.iter().filter_map(|mount| mount.source.as_deref()) {
                if folder.starts_with('/') && !Path::new(folder).exists() {
                    return Err(Error::invalid(format!("there is no {folder} to mount (step `{}`)", step.name)));
                }
            }
        }
        Ok(())
    }

    /// The volumes of a job whose engine doesn't see this machine's files, and where the job sees them.
    fn volumes(&self) -> Vec<(String, &'static str)> {
        let (name, uid) = (&self.submission.name, &self.submission.uid);
        let short = uid.get(..8).unwrap_or(uid);
        let mut volumes = vec![(format!("{name}-output-{short}"), OUTPUT)];
        if self.job.request().source.is_some() {
            volumes.push((format!("{name}-source-{short}"), SOURCE));
        }
        volumes
    }

    /// Has the images of the job.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub(super) async fn provide_images(&self) -> Result<BTreeMap<String, PinnedImage>> {
        let mut provided: BTreeMap<String, PinnedImage> = BTreeMap::new();
        let progress = &self.job.request().progress;
        for (step, container) in containers(self.job.plan()) {
            let planned = container.image.clone().unwrap_or_default();
            if provided.contains_key(&planned) {
                continue;
            }
            let Some(wanted) = self.image_of(step, container) else {
                return Err(Error::invalid(format!("no image is named for the step `{}`", step.name))
                    .with_hint("name one with `--image`"));
            };
            let own =
                container.rest.get("imagePullPolicy").and_then(|policy| serde_json::from_value(policy.clone()).ok());
            let image = images::provide(self.engine, &wanted, self.options.pull.or(own), progress).await?;
            for warning in &image.warnings {
                self.folder.record_event(Severity::Warning, "Image", "job", warning.clone());
            }
            let digest = image.digest.as_deref().unwrap_or(&image.id);
            self.folder.record_event(Severity::Normal, "Image", "job", format!("{wanted} is {digest}"));
            provided.insert(planned, PinnedImage { id: image.id, digest: image.digest });
        }
        Ok(provided)
    }

    /// The image of a container: where the job names none, the configured one takes the place of the runtime's.
    fn image_of(&self, step: &PlannedStep, container: &Container) -> Option<String> {
        let own = self.job.request().job.spec.trainer.as_ref().and_then(|trainer| trainer.image.as_ref());
        let trains = step.ancestor.as_deref() == Some("trainer") || matches!(step.name.as_str(), "node" | "launcher");
        let configured = self.image.filter(|_| own.is_none() && trains).map(str::to_owned);
        configured.or_else(|| container.image.clone())
    }

    /// Output in a folder of this machine, and a copy of the user's files, which may be changed while the job runs.
    async fn provide_folders(&self, prepared: &mut Prepared, directory: &Path, output: OutputFolder) -> Result<()> {
        let request = self.job.request();
        let errors = self.folder.path().join("errors");
        prepared.errors = Some(errors).filter(|_| self.writes_as_caller(prepared));
        if request.source.is_some() {
            let target = self.folder.path().join("source");
            request.progress.report(ProgressEvent::Began(format!("copying {}", directory.display())));
            let (from, to, spared) = (directory.to_owned(), target.clone(), self.spared(directory, output.path()));
            let copied = tokio::task::spawn_blocking(move || source::snapshot(&from, &to, &spared)).await;
            request.progress.report(ProgressEvent::Done);
            copied.map_err(|error| Error::new(ErrorKind::Internal, format!("the copy died: {error}")))??;
            prepared.source = Some(Source::Folder(target));
        }
        prepared.output = Output::Folder(output.create()?);
        Ok(())
    }

    /// Whether programs may write where the caller may.
    fn writes_as_caller(&self, prepared: &Prepared) -> bool {
        let contexts = containers(self.job.plan()).map(|(step, container)| user::of_container(step, container, None));
        let usual = matches!(self.options.user, UserChoice::Caller);
        usual && (prepared.user.is_some() || contexts.into_iter().all(|user| user.is_none()))
    }

    /// Both in volumes, where the engine doesn't see this machine's files.
    async fn fill_volumes(
        &self,
        prepared: &mut Prepared,
        volumes: Vec<(String, &'static str)>,
        directory: &Path,
        output: &Path,
    ) -> Result<()> {
        let request = self.job.request();
        let anchor = self.submission.name.as_str();
        for (volume, path) in volumes {
            if path == SOURCE {
                let what = format!("copying {} to {}", directory.display(), self.engine.endpoint);
                request.progress.report(ProgressEvent::Began(what));
                let archive = source::archive(directory, &self.spared(directory, output))?;
                objects::upload(self.engine, anchor, SOURCE, archive).await?;
                request.progress.report(ProgressEvent::Done);
                prepared.source = Some(Source::Volume(volume));
            } else {
                objects::upload(self.engine, anchor, "/", files::open_folder(OUTPUT)?).await?;
                let said = format!(
                    "the engine is on another machine, and the job is supervised from this one: output stays in the \
                     engine's volume `{volume}` until the job is deleted"
                );
                self.folder.record_event(Severity::Warning, "OutputElsewhere", "job", said);
                prepared.output = Output::Volume(volume);
            }
        }
        Ok(())
    }

    /// What earlier jobs left is no source.
    fn spared(&self, directory: &Path, output: &Path) -> PathBuf {
        if self.job.request().output.is_none() { directory.join("outputs") } else { output.to_owned() }
    }

    /// The Secrets that the controller would make: ssh keys.
    async fn keep_keys(&self) -> Result<()> {
        let names: BTreeSet<&str> = self.job.plan().secrets.iter().map(|secret| secret.name.as_str()).collect();
        for name in names {
            let pair = keys::pair();
            anchor::keep_secret(self.engine, &self.submission.name, name, &pair).await?;
        }
        Ok(())
    }
}

/// Every container of a plan, once a step: the nodes of a step are alike but for their index.
pub(super) fn containers(plan: &LaunchPlan) -> impl Iterator<Item = (&PlannedStep, &Container)> {
    plan.steps.iter().filter_map(|step| Some((step, step.nodes.first()?))).flat_map(|(step, node)| {
        node.init_containers.iter().chain(&node.containers).map(move |container| (step, container))
    })
}
