//! Kubernetes quantities: `500m`, `4`, `1.5Gi`, `2e3`.

use std::{fmt, str::FromStr};

use serde_json::Value;

/// An amount of a resource, exact to a billionth as in Kubernetes; larger than `i64::MAX` is capped to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantity {
    nanos: i128,
    notation: Notation,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Notation {
    /// `k`, `M`, `m`, …
    #[default]
    Decimal,
    /// `Ki`, `Mi`, …
    Binary,
    /// `e3`
    Exponent,
}

/// Why a text is no quantity, in the words of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoQuantity {
    /// It isn't a number with a suffix.
    Shape,
    /// Its suffix isn't known.
    Suffix,
}

impl fmt::Display for NoQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shape => {
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            }
            Self::Suffix => "unable to parse quantity's suffix",
        })
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
            _ => Err(NoQuantity::Shape),
        }
    }

    /// How Kubernetes writes it after reading `text`: as it is where it looks canonical, otherwise in canonical form.
    ///
    /// # Errors
    /// If it is no quantity.
    pub fn canonical(text: &str) -> Result<String, NoQuantity> {
        let quantity: Self = text.parse()?;
        let parts = Parts::of(text)?;
        let digits = format!("{}{}", if parts.whole.is_empty() { "0" } else { parts.whole }, parts.fraction);
        let kept = match suffix_scale(parts.suffix) {
            Some((Notation::Binary, _)) => {
                parts.fraction.is_empty() && digits.parse::<i64>().is_ok_and(|number| number & 7 != 0)
            }
            Some((_, Scale::Ten(exponent))) => {
                let scale = exponent - i32::try_from(parts.fraction.len()).unwrap_or(i32::MAX);
                digits.len() <= 18
                    && scale >= -9
                    && scale % 3 == 0
                    && !digits.ends_with("000")
                    && !digits.starts_with('0')
            }
            _ => false,
        };
        Ok(if kept || text == "0" { text.to_owned() } else { quantity.to_string() })
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

    /// Whether it is as much as `other`, however both are written.
    #[must_use]
    pub fn equals(self, other: Self) -> bool {
        self.nanos == other.nanos
    }

    /// Whether it is a whole number.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.nanos % NANO == 0
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }
}

impl FromStr for Quantity {
    type Err = NoQuantity;

    /// As lenient as Kubernetes: a number that isn't there counts as 0.
    fn from_str(text: &str) -> Result<Self, NoQuantity> {
        if text.is_empty() {
            return Err(NoQuantity::Shape);
        }
        let parts = Parts::of(text)?;
        let (notation, scale) = suffix_scale(parts.suffix).ok_or(NoQuantity::Suffix)?;
        let (factor, exponent) = match scale {
            Scale::Ten(exponent) => (1, exponent),
            Scale::Two(exponent) => (1_i128 << exponent, 0),
        };
        // digits × 10^power, in billionths, rounded away from zero
        let digits = [parts.whole, parts.fraction].concat();
        let power = exponent - i32::try_from(parts.fraction.len()).map_err(|_| NoQuantity::Shape)? + 9;
        let nanos = scaled(digits.trim_start_matches('0'), power, factor).min(CAP);
        Ok(Self { nanos: if parts.negative { -nanos } else { nanos }, notation })
    }
}

/// The text of a quantity, taken apart.
struct Parts<'a> {
    negative: bool,
    /// Without leading zeros.
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, NoQuantity> {
        let negative = text.starts_with('-');
        let rest = text.strip_prefix(['+', '-']).unwrap_or(text).trim_start_matches('0');
        let split =
            |text: &'a str, inside: fn(char) -> bool| text.split_at(text.find(|c| !inside(c)).unwrap_or(text.len()));
        let (whole, rest) = split(rest, |c| c.is_ascii_digit());
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => split(rest, |c| c.is_ascii_digit()),
            None => ("", rest),
        };
        let (_, exponent) = split(suffix, |c| "eEinumkKMGTP".contains(c));
        let (_, beyond) = split(exponent.strip_prefix(['+', '-']).unwrap_or(exponent), |c| c.is_ascii_digit());
        if beyond.is_empty() { Ok(Self { negative, whole, fraction, suffix }) } else { Err(NoQuantity::Shape) }
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
            assert_eq!(Quantity::canonical(text).unwrap(), canonical, "{text}");
        }
    }

    #[test]
    fn what_looks_canonical_is_written_as_it_came() {
        for text in ["2.001", "1.500", "1500m", "20Gi", "+5", "1e3"] {
            assert_eq!(Quantity::canonical(text).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "1 Gi", "1.2.3", "ä", "true", "1e3.5", "1gi", "1KI"] {
            assert_eq!(text.parse::<Quantity>(), Err(NoQuantity::Shape), "{text}");
        }
        for text in ["e", "1e", "1mm", "1i", "--1"] {
            assert_eq!(text.parse::<Quantity>(), Err(NoQuantity::Suffix), "{text}");
        }
    }
}
