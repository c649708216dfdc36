//! How the token of a resource is released. Its Secret was protected from deletion while the resource had something
//! at Aiven, and is released before the resource. The same holds for services and VPCs.
//!
//! ```text
//!   nothing left at Aiven ─▶ read which token Secrets are held
//!        none ────────────────────────────────────────────────▶ release the finalizer
//!        some ─▶ note on the resource that it is settled ─▶ release all ─▶ release the finalizer
//! ```
//!
//! Invariant: a protected token Secret has a resource with a finalizer that refers to it. Once a Secret was released,
//! the note states that the token is no longer needed, so that a crash between two steps leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};
use valkeeper_api::names;

/// The token Secrets that these annotations of a resource name: more than one while it changes from one to another.
pub(super) fn noted(annotations: &BTreeMap<String, String>) -> impl Iterator<Item = &str> {
    let names = annotations.get(names::TOKEN_SECRET).into_iter();
    names.flat_map(|names| names.split(',')).filter(|name| !name.is_empty())
}

/// The noted token Secrets that are not the `current` one.
pub(super) fn former<'a>(
    current: Option<&str>,
    annotations: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let current = current.map(str::to_owned);
    noted(annotations).filter(move |name| Some(*name) != current.as_deref())
}

/// The annotation that is missing before the `current` token Secret may be held: nothing else would remind of it,
/// should the resource name another one in the next moment.
pub(super) fn missing_note(
    current: Option<&str>,
    annotations: &BTreeMap<String, String>,
) -> Option<BTreeMap<&'static str, Option<String>>> {
    let current = current.filter(|current| noted(annotations).all(|name| name != *current))?;
    let all: Vec<_> = [current].into_iter().chain(noted(annotations)).collect();
    Some(BTreeMap::from([(names::TOKEN_SECRET, Some(all.join(",")))]))
}

/// What comes next when nothing is left at Aiven.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// See which token Secrets are held.
    Observe,
    /// Note on the resource that it is settled: without the token this could not be determined later.
    Note,
    /// Let this token Secret go.
    Token(String),
    /// Let the resource go, whose finalizer is the only thing that reminds of the token Secrets.
    Resource,
}

/// The next step to release a resource with these `held` token Secrets; `is_settled` states whether it carries the
/// note.
pub(super) fn release(held: Option<&BTreeSet<String>>, is_settled: bool) -> Release {
    match held.map(BTreeSet::first) {
        None => Release::Observe,
        Some(None) => Release::Resource,
        Some(Some(_)) if !is_settled => Release::Note,
        Some(Some(name)) => Release::Token(name.clone()),
    }
}

/// What comes before the note of the `current` token Secret replaces those of former ones: nothing would remind of one
/// that is still held.
pub(super) fn before_note(
    current: Option<&str>,
    annotations: &BTreeMap<String, String>,
    held: Option<&BTreeSet<String>>,
) -> Option<Release> {
    let mut former = former(current, annotations);
    match held {
        None => former.next().map(|_| Release::Observe),
        Some(held) => former.find(|name| held.contains(*name)).map(|name| Release::Token(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_after_the_note_and_before_the_resource() {
        let held = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(release(None, false), Release::Observe);
        assert_eq!(release(None, true), Release::Observe);
        assert_eq!(release(Some(&held(&["a", "b"])), false), Release::Note);
        assert_eq!(release(Some(&held(&["a", "b"])), true), Release::Token("a".to_owned()));
        assert_eq!(release(Some(&held(&[])), true), Release::Resource);
        assert_eq!(release(Some(&held(&[])), false), Release::Resource, "no token, no note");
    }

    #[test]
    fn former_token_is_the_noted_one_where_it_is_another() {
        let noted = BTreeMap::from([(names::TOKEN_SECRET.to_owned(), "old".to_owned())]);
        let former = |current, noted| super::former(current, noted).collect::<Vec<_>>();
        assert_eq!(former(Some("new"), &noted), ["old"]);
        assert_eq!(former(None, &noted), ["old"]);
        assert_eq!(former(Some("old"), &noted), [""; 0]);
        assert_eq!(former(Some("new"), &BTreeMap::new()), [""; 0]);
    }

    #[test]
    fn former_token_that_is_held_comes_before_the_note() {
        let noted = BTreeMap::from([(names::TOKEN_SECRET.to_owned(), "new,old".to_owned())]);
        let held = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(before_note(Some("new"), &noted, None), Some(Release::Observe));
        assert_eq!(
            before_note(Some("new"), &noted, Some(&held(&["new", "old"]))),
            Some(Release::Token("old".to_owned()))
        );
        assert_eq!(before_note(Some("new"), &noted, Some(&held(&["new"]))), None);
        assert_eq!(before_note(Some("new"), &BTreeMap::new(), None), None);
    }

    #[test]
    fn token_is_noted_beside_the_former_before_it_is_held() {
        let noted = |names: &str| BTreeMap::from([(names::TOKEN_SECRET.to_owned(), names.to_owned())]);
        let note = |current, annotations: &BTreeMap<_, _>| {
            missing_note(current, annotations)
                .map(|mut note| note.remove(names::TOKEN_SECRET).unwrap().unwrap())
        };
        assert_eq!(note(Some("new"), &noted("old")).as_deref(), Some("new,old"));
        assert_eq!(note(Some("new"), &BTreeMap::new()).as_deref(), Some("new"));
        assert_eq!(note(Some("old"), &noted("new,old")), None);
        assert_eq!(note(None, &noted("old")), None);
    }
}
