//! What may stand at a place of a document, for the table of fields.

use super::Schema;

/// What a value is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Fields of these names.
    Fields(Vec<&'static str>),
    /// Keys that the user chooses, such as the names of resources.
    Keys,
    /// Nothing: a text, a number, or what the schema leaves open.
    Leaf,
}

/// What stands at `path` below `schema`, lists taken for one of their items. `None`: there is no such field.
pub(super) fn at<'a>(schema: &'static Schema, path: impl IntoIterator<Item = &'a str>) -> Option<Shape> {
    let mut schema = item(schema);
    for field in path {
        schema = item(schema.properties.get(field).or(schema.values.as_ref())?.get());
    }
    Some(if !schema.properties.is_empty() {
        Shape::Fields(schema.properties.keys().map(String::as_str).collect())
    } else if schema.values.is_some() {
        Shape::Keys
    } else {
        Shape::Leaf
    })
}

fn item(mut schema: &'static Schema) -> &'static Schema {
    while let Some(items) = &schema.items {
        schema = items.get();
    }
    schema
}

/// A value for `schema` in which the field at `path` is set, beside what must be.
#[cfg(test)]
pub(super) fn sample(schema: &Schema, path: &[&str]) -> serde_json::Value {
    use super::Kind;
    use serde_json::{Map, Value, json};

    if let Some(items) = &schema.items {
        return json!([sample(items.get(), path)]);
    }
    match schema.kind {
        Kind::Object => {
            // An object in which nothing is set may be lost on its way.
            let some_key = schema.values.as_ref().map(|_| "example.com/widget");
            let some_field = schema.properties.keys().map(String::as_str).find(|_| schema.required.is_empty());
            let something = some_key.or(some_field).map(|field| (field, &[][..]));
            let set = path.first().map(|field| (*field, &path[1..])).or(something);
            let required = schema.required.iter().map(|field| (field.as_str(), &[][..]));
            let mut fields = Map::new();
            for (name, below) in required.chain(set) {
                let node = schema.properties.get(name).or(schema.values.as_ref());
                fields.insert(name.to_owned(), node.map_or(Value::Null, |node| sample(node.get(), below)));
            }
            Value::Object(fields)
        }
        Kind::Array => json!(["x"]),
        Kind::String | Kind::DateTime => schema.one_of.first().map_or(json!("x"), |one| json!(one)),
        Kind::Boolean => json!(true),
        Kind::Integer | Kind::Int32 | Kind::Int64 | Kind::Number | Kind::IntOrString => json!(1),
        Kind::Quantity => json!("1"),
    }
}
