//! The columns of our engines in the table of fields.
#![allow(missing_docs, clippy::unwrap_used)]

use trainer::{
    fields,
    registry::{Backend, BackendKind, BackendRegistry},
};

#[test]
fn the_column_of_each_engine_fits_the_schema() {
    for kind in BackendKind::ALL {
        let column = Backend::fields(kind.name()).unwrap();
        assert!(!column.is_empty(), "{kind} has no column");
        assert_eq!(fields::mistakes(column), [] as [&str; 0], "{kind}");
    }
}
