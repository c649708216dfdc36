//! A list of objects, or a page of one, as of one revision.

use std::sync::Arc;

use serde_json::{Value, json};

use super::object::Object;

/// A list or a page of it.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) items: Vec<Arc<Object>>,
    pub(crate) revision: u64,
    /// The token for the next page.
    pub(crate) next: Option<String>,
    /// How many objects follow, where the number is available without reading them.
    pub(crate) remaining: Option<usize>,
}

impl Listing {
    /// The `metadata` of the list.
    pub(crate) fn metadata(&self) -> Value {
        let mut metadata = json!({"resourceVersion": self.revision.to_string()});
        if let Some(next) = &self.next {
            metadata["continue"] = next.as_str().into();
        }
        if let Some(remaining) = self.remaining {
            metadata["remainingItemCount"] = remaining.into();
        }
        metadata
    }
}
