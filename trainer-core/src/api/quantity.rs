//! Kubernetes quantities: `500m`, `4`, `1.5Gi`, `2e3`.

use std::{fmt, str::FromStr};

use serde_json::Value;

/// An amount of a resource, exact to a billionth as in Kubernetes; larger than `i64::MAX` is capped to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    nanos: i128,
    notation: Notation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notation {
    /// `k`, `M`, `m`, …
    Decimal,
    /// `Ki`, `Mi`, …
    Binary,
    /// `e3`
    Exponent,
}

/// A text that is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoQuantity;

impl fmt::Display for NoQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    }
}

impl std::error::Error for NoQuantity {}

const NANO: i128 = 1_000_000_000;
const CAP: i128 = i64::MAX as i128 * NANO;

const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

impl Quantity {
    /// From a string or a number, as both are allowed in an object.
    ///
    /// # Errors
    /// If it is neither, or no quantity.
    pub fn from_value(value: &Value) -> Result<Self, NoQuantity> {
        match value {
            Value::String(text) => text.parse(),
            Value::Number(number) => number.to_string().parse(),
            _ => Err(NoQuantity),
        }
    }

    /// The next whole number that isn't smaller.
    #[must_use]
    pub fn ceil(self) -> i64 {
        let whole = self.nanos.div_euclid(NANO) + i128::from(self.nanos.rem_euclid(NANO) > 0);
        i64::try_from(whole).unwrap_or(if whole < 0 { i64::MIN } else { i64::MAX })
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { nanos: (self.nanos + other.nanos).clamp(-CAP, CAP), ..self }
    }

    /// So many times as much.
    #[must_use]
    pub fn times(self, count: i64) -> Self {
        Self { nanos: self.nanos.saturating_mul(count.into()).clamp(-CAP, CAP), ..self }
    }

    /// Whether it is less than `other`.
    #[must_use]
    pub fn is_less_than(self, other: Self) -> bool {
        self.nanos < other.nanos
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }
}

impl FromStr for Quantity {
    type Err = NoQuantity;

    fn from_str(text: &str) -> Result<Self, NoQuantity> {
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(NoQuantity);
        }
        let (notation, scale) = suffix_scale(suffix).ok_or(NoQuantity)?;
        let (factor, exponent) = match scale {
            Scale::Ten(exponent) => (1, exponent),
            Scale::Two(exponent) => (1_i128 << exponent, 0),
        };
        // digits × 10^power, in billionths, rounded away from zero
        let digits = [whole, fraction].concat();
        let digits = digits.trim_start_matches('0');
        let power = exponent - i32::try_from(fraction.len()).map_err(|_| NoQuantity)? + 9;
        let nanos = scaled(digits, power, factor).min(CAP);
        Ok(Self { nanos: if negative { -nanos } else { nanos }, notation })
    }
}

enum Scale {
    Ten(i32),
    Two(u32),
}

fn suffix_scale(suffix: &str) -> Option<(Notation, Scale)> {
    if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((Notation::Decimal, Scale::Ten(*exponent)));
    }
    if let Some(index) = BINARY.iter().position(|name| *name == suffix) {
        return Some((Notation::Binary, Scale::Two(10 * (u32::try_from(index).ok()? + 1))));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let exponent: i64 = exponent.parse().ok()?;
    Some((Notation::Exponent, Scale::Ten(exponent.clamp(-1000, 1000) as i32)))
}

/// `digits × 10^power × factor`, rounded up, capped.
fn scaled(digits: &str, power: i32, factor: i128) -> i128 {
    if digits.is_empty() {
        return 0;
    }
    let mut value: i128 = 0;
    let mut power = power;
    let mut lost = false;
    for digit in digits.bytes() {
        match value.checked_mul(10).and_then(|value| value.checked_add(i128::from(digit - b'0'))) {
            // Room for the factor (2^60) and for one more step.
            Some(next) if next <= i128::MAX >> 62 => value = next,
            _ => {
                lost |= digit != b'0';
                power += 1;
            }
        }
    }
    value *= factor;
    while power > 0 && value < CAP {
        value = value.saturating_mul(10);
        power -= 1;
    }
    while power < 0 && value > 0 {
        lost |= value % 10 != 0;
        value /= 10;
        power += 1;
    }
    value.saturating_add(i128::from(lost))
}

/// The canonical form of Kubernetes: no fraction, the largest suffix that loses nothing.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let whole = self.nanos % NANO == 0;
        if self.notation == Notation::Binary && whole && self.nanos.abs() >= 1024 * NANO {
            let (mut value, mut suffix) = (self.nanos / NANO, "");
            for name in BINARY {
                if value % 1024 != 0 {
                    break;
                }
                (value, suffix) = (value / 1024, name);
            }
            return write!(f, "{value}{suffix}");
        }
        let (mut value, mut steps) = (self.nanos, 0);
        while value % 1000 == 0 && steps + 1 < DECIMAL.len() {
            value /= 1000;
            steps += 1;
        }
        let (suffix, exponent) = DECIMAL[steps];
        match self.notation {
            Notation::Exponent if exponent != 0 => write!(f, "{value}e{exponent}"),
            _ => write!(f, "{value}{suffix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_quantity_rounds_up_to_whole() {
        for (text, whole) in [
            ("4", 4),
            ("1500m", 2),
            ("2.001", 3),
            ("0.5", 1),
            (".5", 1),
            ("5.", 5),
            ("-1500m", -1),
            ("1Gi", 1 << 30),
            ("1.5Ki", 1536),
            ("2e3", 2000),
            ("1E", 1_000_000_000_000_000_000),
            ("0.1n", 1),
            ("+7", 7),
            ("99999999999999999999999999999999999999999999", i64::MAX),
            ("8Ei", i64::MAX),
            ("1e-400", 1),
            ("0", 0),
        ] {
            assert_eq!(text.parse::<Quantity>().unwrap().ceil(), whole, "{text}");
        }
    }

    #[test]
    fn a_quantity_is_written_in_canonical_form() {
        for (text, canonical) in [
            ("0.5", "500m"),
            ("1500m", "1500m"),
            ("2000m", "2"),
            ("1000", "1k"),
            ("1024Mi", "1Gi"),
            ("1000Gi", "1000Gi"),
            ("0.5Gi", "512Mi"),
            ("100Mi", "100Mi"),
            ("1e3", "1e3"),
            ("12e6", "12e6"),
            ("0.0", "0"),
            ("-2.5", "-2500m"),
        ] {
            assert_eq!(text.parse::<Quantity>().unwrap().to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "m", "1 Gi", "1.2.3", "1gi", "1KI", "e3", "1e", "1e3.5", "--1", "ä", "1mm"] {
            assert_eq!(text.parse::<Quantity>(), Err(NoQuantity), "{text}");
        }
    }
}
