//! What nodes write, byte by byte.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;
use trainer_core::{
    ErrorKind, NodeIndex, Phase, TrainerBackend,
    job::{LogItem, LogQuery, OutputStream},
};

use crate::{
    lab::Lab,
    transcript::Transcript,
    trial::{Behaviour, Outcome, behaviours},
};

pub(super) fn behaviours<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    behaviours![
        a_log_has_the_lines_of_all_nodes,
        a_log_has_standard_error_too,
        standard_error_is_told_from_standard_output(SeparateStreams),
        a_log_of_one_node_has_that_node_only,
        a_node_or_step_that_does_not_exist_is_not_found,
        the_tail_is_taken_of_each_node,
        since_leaves_out_what_came_before,
        following_starts_with_the_first_line_and_ends_with_the_job,
        followers_see_a_line_when_it_is_written,
        an_unfinished_line_is_seen_before_it_ends,
        a_last_line_without_an_end_is_kept,
        unicode_survives,
        binary_output_survives,
        a_long_line_survives,
        empty_lines_survive,
        megabytes_arrive_complete_and_in_order,
        a_log_can_be_read_after_the_end,
    ]
}

async fn a_log_has_the_lines_of_all_nodes<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let log = lab.sh("echo a $TRAINER_NODE; echo b $TRAINER_NODE").nodes(3).complete().await?.log().await?;
    for node in 0..3 {
        assert_eq!(log.node(node), [format!("a {node}"), format!("b {node}")]);
    }
    assert!(log.lines.iter().all(|line| line.step == "node"), "{log}");
    Ok(())
}

async fn a_log_has_standard_error_too<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let log = lab.sh("echo out; echo err >&2").complete().await?.log().await?;
    assert_eq!(log.sorted(), ["err", "out"]);
    Ok(())
}

async fn standard_error_is_told_from_standard_output<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let log = lab.sh("echo out; echo err >&2").complete().await?.log().await?;
    assert_eq!(log.of_stream(0, OutputStream::Stdout), ["out"]);
    assert_eq!(log.of_stream(0, OutputStream::Stderr), ["err"]);
    Ok(())
}

async fn a_log_of_one_node_has_that_node_only<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("echo from $TRAINER_NODE").nodes(3).complete().await?;
    let query = LogQuery { nodes: vec![NodeIndex(1)], ..LogQuery::default() };
    assert_eq!(job.log_of(&query).await?.sorted(), ["from 1"]);
    let query = LogQuery { nodes: vec![NodeIndex(2), NodeIndex(0)], ..LogQuery::default() };
    assert_eq!(job.log_of(&query).await?.sorted(), ["from 0", "from 2"]);
    let query = LogQuery { step: Some("node".to_owned()), ..LogQuery::default() };
    assert_eq!(job.log_of(&query).await?.sorted(), ["from 0", "from 1", "from 2"]);
    Ok(())
}

async fn a_node_or_step_that_does_not_exist_is_not_found<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("echo").nodes(2).complete().await?;
    for query in [
        LogQuery { nodes: vec![NodeIndex(2)], ..LogQuery::default() },
        LogQuery { step: Some("launcher".to_owned()), ..LogQuery::default() },
    ] {
        let error = job.client.logs(&job.name, &query).await.err().map(|error| error.kind());
        assert_eq!(error, Some(ErrorKind::NotFound), "{query:?}");
    }
    Ok(())
}

async fn the_tail_is_taken_of_each_node<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("seq 1 100").nodes(2).complete().await?;
    for (tail, expected) in [(3, &["98", "99", "100"][..]), (0, &[])] {
        let log = job.log_of(&LogQuery { tail: Some(tail), ..LogQuery::default() }).await?;
        assert_eq!((log.node(0), log.node(1)), (words(expected), words(expected)), "tail {tail}");
    }
    let log = job.log_of(&LogQuery { tail: Some(1000), ..LogQuery::default() }).await?;
    assert_eq!(log.lines.len(), 200);
    let log = job.log_of(&LogQuery { tail: Some(1), ..follow() }).await?;
    assert_eq!(log.sorted(), ["100", "100"]);
    Ok(())
}

async fn since_leaves_out_what_came_before<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    // Engines whose times have seconds only get their chance.
    let job = lab.sh("echo early; sleep 1.1; echo late").complete().await?;
    let all = job.log().await?;
    let Some(late) = all.lines.last() else { panic!("the log is empty") };
    assert!(all.lines[0].time < late.time, "{all:?}");
    let log = job.log_of(&LogQuery { since: Some(late.time), ..LogQuery::default() }).await?;
    assert_eq!(log.node(0), ["late"]);
    Ok(())
}

async fn following_starts_with_the_first_line_and_ends_with_the_job<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("for i in 1 2 3 4 5; do echo $i; sleep 0.1; done").nodes(2).submit().await?;
    let log = job.log_of(&follow()).await?;
    for node in 0..2 {
        assert_eq!(log.node(node), ["1", "2", "3", "4", "5"]);
    }
    assert_eq!(job.get().await?.phase, Phase::Complete, "whoever followed to the end sees how it ended");
    Ok(())
}

async fn followers_see_a_line_when_it_is_written<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("while :; do date +%s%N; sleep 0.2; done").submit().await?;
    job.says("", 1).await?;
    // A line from before following would only tell when following began.
    let mut items = job.client.logs(&job.name, &LogQuery { tail: Some(0), ..follow() }).await?;
    let mut delays = Vec::new();
    while delays.len() < 5 {
        let Some(LogItem::Line(line)) = items.next().await.transpose()? else { panic!("the log ended") };
        let seen = jiff::Timestamp::now().as_nanosecond();
        let written: i128 = String::from_utf8_lossy(&line.bytes).trim().parse()?;
        delays.push(Duration::from_nanos(u64::try_from(seen - written).unwrap_or_default()));
    }
    delays.sort();
    assert!(delays[2] < Duration::from_secs(2), "{delays:?}");
    Ok(())
}

async fn an_unfinished_line_is_seen_before_it_ends<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("printf 'epoch 1: 50%%'; sleep 3; printf ' 100%%\\n'").submit().await?;
    let mut items = job.client.logs(&job.name, &follow()).await?;
    let first = timeout(Duration::from_secs(60), items.next()).await?;
    let Some(LogItem::Line(part)) = first.transpose()? else { panic!("the log ended") };
    // One that waits for the end of the line would come as a whole.
    assert_eq!((&*part.bytes, part.partial), (&b"epoch 1: 50%"[..], true));

    let mut transcript = Transcript::default();
    transcript.add(LogItem::Line(part))?;
    while let Some(item) = items.next().await {
        transcript.add(item?)?;
    }
    assert_eq!(transcript.node(0), ["epoch 1: 50% 100%"]);
    Ok(())
}

async fn a_last_line_without_an_end_is_kept<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    assert_eq!(lab.sh("printf 'a\\nb'").complete().await?.log().await?.node(0), ["a", "b"]);
    Ok(())
}

async fn unicode_survives<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let text = "grüße, 模型, مرحبا, 🚂, e\u{301}";
    assert_eq!(lab.job(&["printf", "%s\\n", text]).complete().await?.log().await?.node(0), [text]);
    Ok(())
}

async fn binary_output_survives<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let program = "import sys; sys.stdout.buffer.write(bytes(b for b in range(256) if b != 10) + b'\\n')";
    let log = lab.python(program).complete().await?.log().await?;
    let expected: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
    let lines: Vec<_> = log.lines.iter().map(|line| line.bytes.as_slice()).collect();
    assert_eq!(lines, [expected]);
    Ok(())
}

async fn a_long_line_survives<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let log = lab.python("print('x' * 300_000 + 'y'); print('z')").complete().await?.log().await?;
    let lines = log.node(0);
    assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [300_001, 1]);
    assert!(lines[0].ends_with("xxy"));
    Ok(())
}

async fn empty_lines_survive<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    assert_eq!(
        lab.sh("printf '\\na\\n\\n\\nb\\r\\n'").complete().await?.log().await?.node(0),
        ["", "a", "", "", "b\r"]
    );
    Ok(())
}

async fn megabytes_arrive_complete_and_in_order<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    const LINES: usize = 100_000;
    let program = format!("for i in range({LINES}): print(f'{{i:050}}')");
    let job = lab.python(&program).nodes(2).submit().await?;
    let query = follow();
    let (followed, _) = tokio::try_join!(job.log_of(&query), job.reaches(Phase::Complete))?;
    let read = job.log().await?;
    for (how, log) in [("followed", followed), ("read", read)] {
        for node in 0..2 {
            let lines = log.node(node);
            assert_eq!(lines.len(), LINES, "{how}, node {node}");
            let wrong = lines.iter().enumerate().find(|(index, line)| **line != format!("{index:050}"));
            assert_eq!(wrong, None, "{how}, node {node}");
        }
    }
    Ok(())
}

async fn a_log_can_be_read_after_the_end<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let (job, _) = lab.sh("echo last words; exit 1").fail().await?;
    assert_eq!(job.log().await?.node(0), ["last words"]);
    assert_eq!(job.log_of(&follow()).await?.node(0), ["last words"], "following a settled job ends at once");
    Ok(())
}

fn follow() -> LogQuery {
    LogQuery { follow: true, ..LogQuery::default() }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
