//! What violates the structural schema, in the words of the API server.

use serde_json::{Map, Value, json};

use super::{Findings, Kind, Schema, join, rule};
use crate::Violation;

const QUANTITY: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";

pub(super) fn document(schema: &Schema, document: &Value) -> Findings {
    let mut findings = Findings::default();
    for (name, value) in document.as_object().into_iter().flatten() {
        if let Some(node) = schema.properties.get(name) {
            findings.check(node.get(), value, name);
        }
    }
    findings
}

impl Findings {
    fn check(&mut self, schema: &Schema, value: &Value, path: &str) {
        match (schema.kind, value) {
            (Kind::Object, Value::Object(fields)) => self.object(schema, fields, path),
            (Kind::Array, Value::Array(items)) => self.array(schema, items, path),
            (Kind::String | Kind::DateTime, Value::String(text)) => self.text(schema, text, path),
            (Kind::Boolean, Value::Bool(_))
            | (Kind::Number, Value::Number(_))
            | (Kind::IntOrString, Value::String(_)) => {}
            (Kind::Quantity, Value::String(text)) => {
                if !is_quantity(text) {
                    self.invalid(path, json!(text), format!("{path} in body should match '{QUANTITY}'"));
                }
            }
            (Kind::Int32 | Kind::Int64 | Kind::Integer | Kind::Quantity | Kind::IntOrString, Value::Number(number))
                if is_whole(number) =>
            {
                self.number(schema, value, path);
            }
            (Kind::Quantity | Kind::IntOrString, _) => {
                let given = type_name(value);
                self.wrong_type(path, "integer,string", given);
                let message = format!("\"{path}\" must validate at least one schema (anyOf)");
                self.fatal(violation(path, Some("<nil>"), "Invalid value", message).value(json!("")));
                self.wrong_type(path, "integer", given);
            }
            (kind, value) => self.wrong_type(path, schema_type(kind), type_name(value)),
        }
    }

    fn object(&mut self, schema: &Schema, fields: &Map<String, Value>, path: &str) {
        for name in &schema.required {
            if !fields.contains_key(name) {
                self.required(&join(path, name));
            }
        }
        if let Some(least) = schema.min_properties.filter(|least| fields.len() < *least) {
            let message = format!("{path} in body should have at least {least} properties");
            self.invalid(path, json!(fields.len()), message);
        }
        for (name, value) in fields {
            if let Some(node) = schema.properties.get(name).or(schema.values.as_ref()) {
                self.check(node.get(), value, &join(path, name));
            }
        }
    }

    fn array(&mut self, schema: &Schema, items: &[Value], path: &str) {
        if let Some(most) = schema.max_items.filter(|most| items.len() > *most) {
            let message = format!("must have at most {most} items");
            self.fatal(violation(path, Some(path), "Too many", message).value(json!(items.len())));
        }
        if let Some(least) = schema.min_items.filter(|least| items.len() < *least) {
            let message = format!("{path} in body should have at least {least} items");
            self.invalid(path, json!(items.len()), message);
        }
        if let Some(node) = &schema.items {
            for (index, item) in items.iter().enumerate() {
                self.check(node.get(), item, &format!("{path}[{index}]"));
            }
        }
        let identity = |item: &Value| -> Option<Value> {
            if schema.set {
                return Some(item.clone());
            }
            let keys: Option<Map<String, Value>> =
                schema.keys.iter().map(|key| Some((key.clone(), item.get(key)?.clone()))).collect();
            keys.filter(|keys| !keys.is_empty()).map(Value::Object)
        };
        let mut seen: Vec<(Value, bool)> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Some(identity) = identity(item) else { continue };
            match seen.iter_mut().find(|(other, _)| *other == identity) {
                None => seen.push((identity, false)),
                Some((_, reported)) if *reported => {}
                Some((_, reported)) => {
                    *reported = true;
                    let field = format!("{path}[{index}]");
                    let message = format!("Duplicate value: {identity}");
                    self.violations.push(violation(path, Some(&field), "Duplicate value", message).value(identity));
                }
            }
        }
    }

    fn text(&mut self, schema: &Schema, text: &str, path: &str) {
        let length = text.chars().count();
        if let Some(most) = schema.max_length.filter(|most| length > *most) {
            self.fatal(violation(path, Some(path), "Too long", format!("may not be more than {most} bytes")));
        }
        if let Some(least) = schema.min_length.filter(|least| length < *least) {
            self.invalid(path, json!(text), format!("{path} in body should be at least {least} chars long"));
        }
        if !schema.one_of.is_empty() && schema.one_of.iter().all(|allowed| allowed != text) {
            let allowed: Vec<String> = schema.one_of.iter().map(|allowed| format!("{allowed:?}")).collect();
            let message = format!("supported values: {}", allowed.join(", "));
            self.fatal(violation(path, Some(path), "Unsupported value", message).value(json!(text)));
        }
    }

    fn number(&mut self, schema: &Schema, value: &Value, path: &str) {
        let number = value.as_f64().unwrap_or_default();
        if let Some(least) = schema.minimum.filter(|least| number < *least as f64) {
            self.invalid(path, value.clone(), format!("{path} in body should be greater than or equal to {least}"));
        }
        if let Some(most) = schema.maximum.filter(|most| number > *most as f64) {
            self.invalid(path, value.clone(), format!("{path} in body should be less than or equal to {most}"));
        }
    }

    fn invalid(&mut self, path: &str, value: Value, message: String) {
        self.violations.push(violation(path, Some(path), "Invalid value", message).value(value));
    }

    fn required(&mut self, path: &str) {
        self.fatal(violation(path, Some(path), "Required value", "Required value".to_owned()));
    }

    fn wrong_type(&mut self, path: &str, wanted: &str, given: &str) {
        let message = format!("{path} in body must be of type {wanted}: \"{given}\"");
        self.fatal(violation(path, Some(path), "Invalid value", message).value(json!(given)));
    }

    fn fatal(&mut self, violation: Violation) {
        self.violations.push(violation);
        self.too_broken_for_rules = true;
    }
}

fn violation(path: &str, field: Option<&str>, kind: &str, message: String) -> Violation {
    Violation::new(rule(path), field.map(str::to_owned), message).kind(kind)
}

fn schema_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Object => "object",
        Kind::Array => "array",
        Kind::String | Kind::DateTime => "string",
        Kind::Boolean => "boolean",
        Kind::Number => "number",
        Kind::Int32 | Kind::Int64 | Kind::Integer => "integer",
        Kind::Quantity | Kind::IntOrString => "integer,string",
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if is_whole(number) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_whole(number: &serde_json::Number) -> bool {
    !number.is_f64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
}

/// Whether the text matches [`QUANTITY`].
fn is_quantity(text: &str) -> bool {
    let number = |text: &str| -> Option<usize> {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = digits(text);
        match text.as_bytes().get(whole) {
            Some(b'.') => {
                let fraction = digits(&text[whole + 1..]);
                (whole + fraction > 0).then_some(whole + 1 + fraction)
            }
            _ => (whole > 0).then_some(whole),
        }
    };
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let Some(end) = number(text) else { return false };
    let suffix = &text[end..];
    match suffix.as_bytes() {
        [] => true,
        [unit] => b"numkMGTPE".contains(unit),
        [unit, b'i'] => b"KMGTPE".contains(unit),
        [b'e' | b'E', ..] => {
            let exponent = &suffix[1..];
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            number(exponent) == Some(exponent.len())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_stricter_on_quantities_than_the_controller() {
        for sound in ["1", "+1", "-1.", ".5", "1.5", "500m", "1Gi", "2e3", "1E-3", "1e+.5", "7E"] {
            assert!(is_quantity(sound), "{sound}");
        }
        for bad in ["", ".", "m", "+", "1 Gi", "1gi", "1i", "1e", "1e3m", "--1", "1..5", "1mm", "ä"] {
            assert!(!is_quantity(bad), "{bad}");
        }
    }
    #[test]
    fn a_number_has_two_bounds() {
        let schema: Schema =
            serde_json::from_str(r#"{"type": "int32", "minimum": 0, "maximum": 100}"#).unwrap_or_default();
        for (number, sound) in [(-1, false), (0, true), (100, true), (101, false)] {
            let mut findings = Findings::default();
            findings.check(&schema, &json!(number), "n");
            assert_eq!(findings.violations.is_empty(), sound, "{number}");
        }
    }
}
