//! Paths in settings.

use std::path::Path;

use serde_json::Value;
use trainer_core::{Error, Result, folders};

use super::Origin;

/// The path that `text` means: `~` is the user's home, and in a file a relative path counts from the file's folder.
///
/// # Errors
/// `Invalid` if there is no home, or the whole is no text.
pub(super) fn resolve(text: &str, origin: &Origin) -> Result<Value> {
    let path = if let Some(below) = text.strip_prefix('~').filter(|below| below.is_empty() || below.starts_with('/')) {
        let home = folders::home();
        let home = home.ok_or_else(|| Error::invalid(format!("{origin}: there is no home directory for `{text}`")))?;
        home.join(below.trim_start_matches('/'))
    } else if let Origin::File(file, ..) = origin {
        file.parent().unwrap_or(Path::new("")).join(text)
    } else {
        text.into()
    };
    path.to_str()
        .map(Value::from)
        .ok_or_else(|| Error::invalid(format!("{origin}: the path {} is not UTF-8 text", path.display())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_relative_path_counts_from_the_file_it_stands_in() {
        let file = Origin::File("/project/trainer.toml".into(), 1, 1);
        let flag = Origin::Flag("-B");
        assert_eq!(resolve("data", &file).unwrap(), "/project/data");
        assert_eq!(resolve("data", &flag).unwrap(), "data");
        for origin in [file, flag] {
            assert_eq!(resolve("/data", &origin).unwrap(), "/data");
            assert_eq!(resolve("~/data", &origin).unwrap(), *folders::home().unwrap().join("data").to_str().unwrap());
        }
    }
}
