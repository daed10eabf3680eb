//! Times and durations as people write and read them.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use trainer_core::{Error, Job, Result};

/// Reads `90s`, `10m`, `1h30m`, `7d`.
///
/// # Errors
/// `Invalid` if it is none, or negative.
pub(super) fn parse_duration(text: &str) -> Result<Duration> {
    let wrong = |why: &str| {
        Error::invalid(format!("`{text}` is not a duration{why}")).with_hint("write `90s`, `10m`, `1h30m` or `7d`")
    };
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong(": it has no unit"));
    }
    let span: Span = text.parse().map_err(|_| wrong(""))?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong(""))?;
    Duration::try_from(duration).map_err(|_| wrong(": it is negative"))
}

/// Reads a moment: how long ago it was (`10m`), or RFC 3339.
///
/// # Errors
/// `Invalid` if it is neither.
pub(super) fn parse_moment(text: &str) -> Result<Timestamp> {
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    let ago = parse_duration(text).map_err(|_| {
        Error::invalid(format!("`{text}` is neither a duration nor a time"))
            .with_hint("write `10m` for ten minutes ago, or `2026-03-01T12:00:00Z`")
    })?;
    SignedDuration::try_from(ago)
        .ok()
        .and_then(|ago| Timestamp::now().checked_sub(ago).ok())
        .ok_or_else(|| Error::invalid(format!("`{text}` ago is before the beginning of time")))
}

/// The time between two moments, at the precision that matters: `420ms`, `12s`, `2m 10s`, `3h 5m`, `2d 4h`.
pub(super) fn span(from: Timestamp, to: Timestamp) -> String {
    duration(Duration::try_from(to.duration_since(from)).unwrap_or_default())
}

/// How long ago `moment` was.
pub(super) fn age(moment: Timestamp) -> String {
    let age = Duration::try_from(Timestamp::now().duration_since(moment)).unwrap_or_default();
    if age.as_secs() == 0 { "0s".to_owned() } else { duration(age) }
}

/// How long `job` ran, or has been running; nothing before it has started.
pub(super) fn took(job: &Job) -> String {
    job.started.map(|started| span(started, job.finished.unwrap_or_else(Timestamp::now))).unwrap_or_default()
}

fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{minutes}m {}s", seconds % 60),
        3_600..86_400 => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        assert_eq!(parse_duration("90s").unwrap(), Duration::from_secs(90));
        assert_eq!(parse_duration("1h30m").unwrap(), Duration::from_secs(5_400));
        assert_eq!(parse_duration("7d").unwrap(), Duration::from_secs(604_800));
        for wrong in ["", "10", "ten minutes", "-5m", "10 x"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_written_at_the_precision_that_matters() {
        let written = |millis| duration(Duration::from_millis(millis));
        assert_eq!(written(0), "0ms");
        assert_eq!(written(420), "420ms");
        assert_eq!(written(12_900), "12s");
        assert_eq!(written(130_000), "2m 10s");
        assert_eq!(written(11_100_000), "3h 5m");
        assert_eq!(written(187_200_000), "2d 4h");
    }

    #[test]
    fn a_moment_is_a_time_or_so_long_ago() {
        assert_eq!(parse_moment("2026-03-01T12:00:00Z").unwrap().as_second(), 1_772_366_400);
        assert!((Timestamp::now().duration_since(parse_moment("10m").unwrap()).as_secs() - 600).abs() <= 1);
        assert!(parse_moment("yesterday").is_err());
    }
}
