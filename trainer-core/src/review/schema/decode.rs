//! Wrong types in the words of Go's JSON: the defaulting webhook decodes a job before any schema is asked.

use serde_json::Value;

use super::{Kind, Schema, join};
use crate::api::Quantity;

/// The first error, as the controller would meet it: it reads fields in the order of the alphabet, goes on after
/// a wrong type, and stops at a quantity or time that it can't parse.
pub(super) fn error(schema: &Schema, document: &Value) -> Option<WrongType> {
    let mut decoder = Decoder::default();
    // `metadata` is the API server's, and a job that is created has no status.
    if let (Some(node), Some(spec)) = (schema.properties.get("spec"), document.get("spec")) {
        let place = Place { owner: "TrainJob", path: "spec", at: "spec" };
        if let Err(error) = decoder.decode(node.get(), spec, place) {
            return Some(error);
        }
    }
    decoder.wrong_type
}

/// What a field can't be decoded for.
#[derive(Debug)]
pub(in crate::review) struct WrongType {
    /// In the words of Go's JSON.
    pub(in crate::review) message: String,
    /// The field, where the words don't say it exactly.
    pub(in crate::review) place: String,
}

#[derive(Default)]
struct Decoder {
    wrong_type: Option<WrongType>,
}

/// The Go struct that holds a field, the field's path as Go prints it, and where it is.
#[derive(Clone, Copy)]
struct Place<'a> {
    owner: &'a str,
    path: &'a str,
    at: &'a str,
}

impl Place<'_> {
    fn refuse(self, message: String) -> WrongType {
        WrongType { message, place: self.at.to_owned() }
    }
}

/// What is wrong with the time `value` of the field `metadata.<field>`.
pub(in crate::review) fn metadata_time(value: &Value, field: &str) -> Option<String> {
    let path = format!("metadata.{field}");
    time(value, Place { owner: "ObjectMeta", path: &path, at: &path }).err()
}

impl Decoder {
    /// # Errors
    /// What stops the decoder.
    fn decode(&mut self, schema: &Schema, value: &Value, place: Place<'_>) -> Result<(), WrongType> {
        match (schema.kind, value) {
            (_, Value::Null) => {}
            (Kind::Quantity, _) => quantity(value).map_err(|message| place.refuse(message))?,
            (Kind::DateTime, _) => time(value, place).map_err(|message| place.refuse(message))?,
            (Kind::Object, Value::Object(fields)) => {
                let mut keys: Vec<&String> = fields.keys().collect();
                keys.sort();
                let owner = schema.go.as_deref().map_or(place.owner, |go| go.rsplit('.').next().unwrap_or(go));
                for key in keys {
                    if let Some(node) = schema.properties.get(key) {
                        let (path, at) = (join(place.path, key), join(place.at, key));
                        self.decode(node.get(), &fields[key], Place { owner, path: &path, at: &at })?;
                    } else if let Some(node) = &schema.values {
                        // A map's values have the path of the map.
                        let at = format!("{}[{key}]", place.at);
                        self.decode(node.get(), &fields[key], Place { at: &at, ..place })?;
                    }
                }
            }
            (Kind::Array, Value::Array(items)) => {
                if let Some(node) = &schema.items {
                    for (index, item) in items.iter().enumerate() {
                        let at = format!("{}[{index}]", place.at);
                        self.decode(node.get(), item, Place { at: &at, ..place })?;
                    }
                }
            }
            (Kind::String, Value::String(_))
            | (Kind::Boolean, Value::Bool(_))
            | (Kind::Number, Value::Number(_))
            | (Kind::IntOrString, Value::String(_) | Value::Number(_)) => {}
            (Kind::Int32, Value::Number(number)) if fits_32_bits(number) => {}
            (Kind::Int64 | Kind::Integer, Value::Number(number)) if number.is_i64() => {}
            (kind, value) => {
                let number = matches!(kind, Kind::Int32 | Kind::Int64 | Kind::Integer);
                let given = match value {
                    Value::Number(literal) if number => format!("number {literal}"),
                    value => json_type(value).to_owned(),
                };
                self.wrong_type.get_or_insert_with(|| {
                    let Place { owner, path, .. } = place;
                    place.refuse(format!(
                        "json: cannot unmarshal {given} into Go struct field {owner}.{path} of type {}",
                        go_type(schema)
                    ))
                });
            }
        }
        Ok(())
    }
}

fn fits_32_bits(number: &serde_json::Number) -> bool {
    number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn go_type(schema: &Schema) -> String {
    if let Some(go) = &schema.go {
        return go.clone();
    }
    match schema.kind {
        Kind::Array => format!("[]{}", schema.items.as_ref().map(|node| go_type(node.get())).unwrap_or_default()),
        Kind::Object => {
            format!("map[string]{}", schema.values.as_ref().map(|node| go_type(node.get())).unwrap_or_default())
        }
        Kind::String => "string".to_owned(),
        Kind::Boolean => "bool".to_owned(),
        Kind::Int32 => "int32".to_owned(),
        Kind::Int64 | Kind::Integer => "int64".to_owned(),
        Kind::Number => "float64".to_owned(),
        Kind::Quantity => "resource.Quantity".to_owned(),
        Kind::IntOrString => "intstr.IntOrString".to_owned(),
        Kind::DateTime => "v1.Time".to_owned(),
    }
}

fn quantity(value: &Value) -> Result<(), String> {
    let parsed = match value {
        Value::String(text) => text.trim().parse::<Quantity>(),
        other => other.to_string().parse(),
    };
    parsed.map(drop).map_err(|error| error.to_string())
}

/// The layout that Go parses times by, piece by piece, with what each piece may be.
const LAYOUT: [(&str, usize); 12] = [
    ("2006", 4),
    ("-", 0),
    ("01", 2),
    ("-", 0),
    ("02", 2),
    ("T", 0),
    ("15", 2),
    (":", 0),
    ("04", 2),
    (":", 0),
    ("05", 2),
    ("Z07:00", 0),
];

fn time(value: &Value, Place { owner, path, .. }: Place<'_>) -> Result<(), String> {
    let Value::String(text) = value else {
        let given = json_type(value);
        return Err(format!("json: cannot unmarshal {given} into Go struct field {owner}.{path} of type string"));
    };
    let mut rest = text.as_str();
    let refuse = |rest: &str, piece: &str| {
        Err(format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {rest:?} as {piece:?}"))
    };
    for (piece, digits) in LAYOUT {
        if piece == "Z07:00" {
            let fraction = rest.strip_prefix('.').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
            rest = fraction.unwrap_or(rest);
            let offset = rest.as_bytes();
            let is_offset = offset.len() == 6
                && matches!(offset[0], b'+' | b'-')
                && offset[3] == b':'
                && [1, 2, 4, 5].iter().all(|&index| offset[index].is_ascii_digit());
            return if rest == "Z" || is_offset { Ok(()) } else { refuse(rest, piece) };
        }
        let parsed = if digits == 0 {
            rest.strip_prefix(piece)
        } else {
            rest.get(..digits)
                .filter(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
                .map(|_| &rest[digits..])
        };
        match parsed {
            Some(after) => rest = after,
            None => return refuse(rest, piece),
        }
    }
    Ok(())
}
