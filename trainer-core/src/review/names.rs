//! What names must look like, in the words of Kubernetes. Each function returns the objections to a name.

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1123: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// A DNS subdomain (RFC 1123).
pub(super) fn subdomain(name: &str) -> Vec<String> {
    let sound = name.split('.').all(|label| is_label(label, |c| c.is_ascii_digit() || c.is_ascii_lowercase()));
    objections([too_long(name, 253), (!sound).then(|| SUBDOMAIN.to_owned())])
}

/// A DNS label that starts with a letter (RFC 1035).
pub(super) fn label_1035(name: &str) -> Vec<String> {
    objections([too_long(name, 63), (!is_label_1035(name)).then(|| LABEL_1035.to_owned())])
}

/// A DNS label (RFC 1123).
pub(super) fn label_1123(name: &str) -> Vec<String> {
    let sound = is_label(name, |c| c.is_ascii_digit() || c.is_ascii_lowercase());
    objections([too_long(name, 63), (!sound).then(|| LABEL_1123.to_owned())])
}

/// A label's or annotation's key: `team`, `example.com/team`.
pub(super) fn label_key(key: &str) -> Vec<String> {
    let (prefix, name) = match key.split('/').collect::<Vec<_>>()[..] {
        [name] => (None, name),
        [prefix, name] => (Some(prefix), name),
        _ => {
            return vec![format!(
                "a valid label key {QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    let mut found = match prefix {
        None => Vec::new(),
        Some("") => vec!["prefix part must be non-empty".to_owned()],
        Some(prefix) => subdomain(prefix).into_iter().map(|objection| format!("prefix part {objection}")).collect(),
    };
    if name.is_empty() {
        found.push("name part must be non-empty".to_owned());
    }
    found.extend(too_long(name, 63).map(|objection| format!("name part {objection}")));
    if !is_qualified(name) {
        found.push(format!("name part {QUALIFIED}"));
    }
    found
}

/// A label's value.
pub(super) fn label_value(value: &str) -> Vec<String> {
    let sound = value.is_empty() || is_qualified(value);
    objections([too_long(value, 63), (!sound).then(|| LABEL_VALUE.to_owned())])
}

/// Whether it is a DNS label that starts with a letter, of any length.
pub(super) fn is_label_1035(name: &str) -> bool {
    is_label(name, |c| c.is_ascii_lowercase())
}

/// Letters, digits and dashes; begins as `first` says, ends with no dash.
fn is_label(name: &str, first: impl Fn(char) -> bool) -> bool {
    name.starts_with(first)
        && !name.ends_with('-')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_qualified(name: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    name.starts_with(edge)
        && name.ends_with(edge)
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn too_long(text: &str, most: usize) -> Option<String> {
    (text.len() > most).then(|| format!("must be no more than {most} characters"))
}

fn objections<const N: usize>(found: [Option<String>; N]) -> Vec<String> {
    found.into_iter().flatten().collect()
}
