//! How the programs of a container are asked to end, and made to.

use bollard::{
    exec::{CreateExecOptions, StartExecOptions},
    query_parameters::KillContainerOptions,
};
use trainer_core::{ErrorKind, Result};
use trainer_supervisor::Ending;

use super::engine::Engine;

/// Signals the programs of a container. One that doesn't run is no error.
pub(super) async fn signal(engine: &Engine, container: &str, ending: Ending) -> Result<()> {
    if ending == Ending::Terminate && ask(engine, container).await {
        return Ok(());
    }
    let signal = match ending {
        Ending::Terminate => "SIGTERM",
        Ending::Kill => "SIGKILL",
    };
    let options = KillContainerOptions { signal: signal.to_owned() };
    match engine.ask("signal a container", engine.client.kill_container(container, Some(options))).await {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => Ok(()),
        other => other,
    }
}

/// Asks every program in the container to end, as far as it has a shell for that. An engine signals the first program
/// alone: a shell passes nothing on, and takes all else in the container with it when it ends.
async fn ask(engine: &Engine, container: &str) -> bool {
    let options = CreateExecOptions { cmd: Some(vec!["sh", "-c", ASK]), ..CreateExecOptions::default() };
    let Ok(exec) = engine.ask("run a program", engine.client.create_exec(container, options)).await else {
        return false;
    };
    let options = StartExecOptions { detach: true, ..StartExecOptions::default() };
    engine.ask("run a program", engine.client.start_exec(&exec.id, Some(options))).await.is_ok()
}

/// SIGTERM to every program that listens to it or has no children. One that would simply die of it, a shell, is asked
/// once the children that were asked have ended: the container ends with it. What is started from then on may be saving
/// a last checkpoint, and is left alone; so is what a program forked for itself, by its command line.
const ASK: &str = r#"
asked=' ' held=' ' first=1
while :; do
  alive=' ' pairs=' ' waiting=
  for place in /proc/[0-9]*; do
    pid=${place#/proc/} parent=0 state= caught= ignored=
    while read -r key value rest; do
      case $key in
        State:) state=$value ;; PPid:) parent=$value ;; SigCgt:) caught=$value ;; SigIgn:) ignored=$value ;;
      esac
    done < "$place/status" || continue
    # The init, what was run beside it (this script), and what has ended.
    [ "$pid" != 1 ] && [ "$parent" != 0 ] && [ "$parent" != $$ ] && [ "$state" != Z ] || continue
    if [ "$first" ]; then
      own= theirs=
      IFS= read -r own < "$place/cmdline"
      IFS= read -r theirs < "/proc/$parent/cmdline"
      case $own in
        '') ;;
        "$theirs" | *--multiprocessing-fork* | *multiprocessing.resource_tracker* | *multiprocessing.forkserver*) continue ;;
      esac
      case $caught in *[4-7c-f]???) listeners="$listeners $pid " ;; esac
      case $ignored in *[4-7c-f]???) listeners="$listeners $pid " ;; esac
    fi
    alive="$alive$pid " pairs="$pairs$parent>$pid "
  done
  if [ "$first" ]; then
    for pid in $alive; do
      case $listeners in *" $pid "*) asked="$asked$pid "; continue ;; esac
      case $pairs in *" $pid>"*) held="$held$pid " ;; *) asked="$asked$pid " ;; esac
    done
    first=
    for pid in $asked; do kill -TERM "$pid"; done
  fi
  for pid in $held; do
    case $asked in *" $pid "*) continue ;; esac
    case $alive in *" $pid "*) ;; *) continue ;; esac
    waits=
    for pair in $pairs; do
      case $pair in "$pid>"*) case $asked$held in *" ${pair#*>} "*) waits=1 ;; esac ;; esac
    done
    if [ "$waits" ]; then waiting=1; else asked="$asked$pid "; kill -TERM "$pid"; fi
  done
  [ "$waiting" ] || exit 0
  sleep 0.1 || sleep 1
done 2>/dev/null
"#;
