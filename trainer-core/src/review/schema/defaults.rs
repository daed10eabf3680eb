//! What the API server fills in, and the nulls that it drops.

use serde_json::Value;

use super::Schema;

/// Sets defaults where a field is absent or null, and drops every other null that is a field's value.
/// A null in a list stays, and is refused later.
pub(super) fn fill(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, node) in &schema.properties {
                if let Some(default) = &node.get().default
                    && fields.get(name).is_none_or(Value::is_null)
                {
                    fields.insert(name.clone(), default.clone());
                }
            }
            fields.retain(|name, value| {
                let Some(node) = schema.properties.get(name).or(schema.values.as_ref()) else { return true };
                fill(node.get(), value);
                !value.is_null()
            });
        }
        Value::Array(items) => {
            if let Some(node) = &schema.items {
                items.iter_mut().for_each(|item| fill(node.get(), item));
            }
        }
        _ => {}
    }
}
