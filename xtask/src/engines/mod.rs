//! `cargo xtask engines`: real engines for the tests, and the images that they run.
//!
//! The scripts of `tests/engines/` do the work, and tests call them, too; here is what is done when, and in which
//! folder. An engine that a person names is used as it is, and never ended.

mod engine;
mod image;

use std::{process::ExitCode, sync::Arc};

use crate::{
    Result,
    part::{self, Log, Part, Verdict},
    workspace::Workspace,
};

pub(crate) use engine::Engine;
use image::{Image, Slots};

const USAGE: &str = "\
usage: cargo xtask engines up docker|podman|all [--images NAME,…]
       cargo xtask engines down docker|podman|all
       cargo xtask engines status";

/// The image that the behaviour suite runs.
const SUITES_IMAGE: &str = "python";

/// `engines …`, as typed.
pub(crate) fn run(arguments: &[&str], workspace: &Workspace) -> Result<ExitCode> {
    match arguments {
        ["up", which, rest @ ..] => {
            let engines = named(which, workspace)?;
            let images = match rest {
                [] => Image::all(workspace)?,
                ["--images", names] => {
                    names.split(',').map(|name| Image::named(name, workspace)).collect::<Result<_>>()?
                }
                _ => return Err(USAGE.into()),
            };
            let code = part::run(up(&engines, images), &workspace.logs());
            println!();
            for (variable, value) in environment(&engines) {
                println!("export {variable}={value}");
            }
            Ok(code)
        }
        ["down", which] => {
            end(&named(which, workspace)?)?;
            Ok(ExitCode::SUCCESS)
        }
        ["status"] => {
            status(workspace)?;
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(USAGE.into()),
    }
}

/// Brings up everything that there is, and at the end of the run ends what didn't run before it.
pub(crate) fn for_a_run(workspace: &Workspace) -> Result<Vec<Part>> {
    let engines = Engine::all(workspace);
    let ours: Vec<_> = engines.iter().filter(|engine| !engine.answers()).cloned().collect();
    let mut parts = up(&engines, Image::all(workspace)?);
    if !ours.is_empty() {
        let end = move |_: &mut Log| end(&ours).map(|()| Verdict::Passed);
        parts.push(Part::new("end of the engines", end).last());
    }
    Ok(parts)
}

/// Starts the engines, makes the images, and brings them into each: all at once, alongside the parts that follow.
fn up(engines: &[Engine], images: Vec<Image>) -> Vec<Part> {
    let mut parts: Vec<_> = engines.iter().cloned().map(starting).collect();
    let slots = Arc::new(Slots::one_a_core());
    parts.extend(images.into_iter().map(|image| making(image, Arc::clone(&slots), engines.to_owned())));
    parts
}

fn starting(engine: Engine) -> Part {
    Part::new(engine.name(), move |log| {
        engine.start(log)?;
        Ok(Verdict::Passed)
    })
    .alongside()
}

fn making(image: Image, slots: Arc<Slots>, engines: Vec<Engine>) -> Part {
    let name = format!("image {}", image.name);
    let work = move |log: &mut Log| {
        image.build(&slots, log)?;
        for engine in &engines {
            engine.wait_until_it_answers()?;
            image.import(engine, log)?;
        }
        Ok(Verdict::Passed)
    };
    Part::new(name, work).alongside()
}

/// Those that answer and have the image of the suite.
pub(crate) fn found(workspace: &Workspace) -> Vec<Engine> {
    let mut engines = Engine::all(workspace);
    engines.retain(|engine| engine.answers() && engine.recipe_of(&image::reference(SUITES_IMAGE)).is_some());
    engines
}

/// Ends those that are ours, with all of their containers.
fn end(engines: &[Engine]) -> Result {
    engines.iter().try_for_each(Engine::stop)
}

/// Where tests find the engines and their image.
pub(crate) fn environment(engines: &[Engine]) -> Vec<(&'static str, String)> {
    let mut variables: Vec<_> = engines.iter().map(|engine| (engine.variable(), engine.host.clone())).collect();
    if !variables.is_empty() {
        variables.push(("TRAINER_TEST_IMAGE", image::reference(SUITES_IMAGE)));
    }
    variables
}

/// The name by which engines have an image of the tests.
pub(crate) fn image(name: &str) -> String {
    image::reference(name)
}

fn named(which: &str, workspace: &Workspace) -> Result<Vec<Engine>> {
    let mut engines = Engine::all(workspace);
    engines.retain(|engine| which == "all" || which == engine.name());
    if engines.is_empty() { Err(format!("no such engine: `{which}`\n\n{USAGE}").into()) } else { Ok(engines) }
}

fn status(workspace: &Workspace) -> Result {
    let images = Image::all(workspace)?;
    for engine in Engine::all(workspace) {
        if !engine.answers() {
            println!("{}  down  `cargo xtask engines up {0}` starts it", engine.name());
            continue;
        }
        let has = |image: &&Image| engine.recipe_of(&image.reference()).is_some_and(|recipe| recipe == image.recipe);
        let (there, lacking): (Vec<_>, Vec<_>) = images.iter().partition(has);
        println!("{}  up    {}", engine.name(), engine.host);
        println!("        images: {}; missing or old: {}", image::names(&there), image::names(&lacking));
    }
    Ok(())
}
