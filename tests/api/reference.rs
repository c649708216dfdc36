//! The reference pages, against the contract and their own examples.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use regex::Regex;
use valkeeper::cli::validate::Report;
use valkeeper_api::Kind;

use crate::contract::{self, Facts};

fn page(kind: Kind) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference").join(kind.service_type());
    std::fs::read_to_string(path.with_extension("md")).unwrap()
}

/// The fields a page lists, as in the contract.
fn listed(page: &str) -> BTreeMap<String, Facts> {
    let section = Regex::new(r#"^<a id="([^"]+)"></a>$"#).unwrap();
    let entry = Regex::new(r"^- (?:<a [^>]*></a>)?`([A-Za-z_0-9]+)` \(((?:[^`)]|`[^`]*`)*)\)\. ").unwrap();
    let (mut path, mut required, mut fields) = (String::new(), false, BTreeMap::new());
    for line in page.lines() {
        if let Some(anchor) = section.captures(line) {
            anchor[1].clone_into(&mut path);
        } else if line == "**Required**" || line == "**Optional**" {
            required = line == "**Required**";
        } else if let Some(field) = entry.captures(line) {
            let mut facts = facts(&field[2]);
            if required {
                facts.insert("Required".into(), String::new());
            }
            fields.insert(format!("{path}.{}", &field[1]), facts);
        }
    }
    fields
}

/// The facts between parentheses, by name; values may hold commas inside backticks.
fn facts(text: &str) -> Facts {
    let fact = Regex::new(r"([A-Z][A-Za-z -]*?)(?:: ((?:`[^`]*`|[^,`]+)(?:, `[^`]*`)*))?(?:, |$)").unwrap();
    let (kind, rest) = text.split_once(", ").unwrap_or((text, ""));
    let mut facts = Facts::from([("Type".to_owned(), kind.to_owned())]);
    for found in fact.captures_iter(rest) {
        let value = found.get(2).map_or("", |value| value.as_str());
        match &found[1] {
            "AdditionalProperties" => facts.insert(format!("AdditionalProperties: {value}"), String::new()),
            name => facts.insert(name.to_owned(), value.to_owned()),
        };
    }
    facts.remove("Create-only");
    facts
}

#[test]
fn every_field_and_bound_of_the_contract_is_on_the_page() {
    for kind in Kind::ALL {
        let mut listed = listed(&page(kind));
        for (path, facts) in contract::fields(kind) {
            let listed =
                listed.remove(&path).unwrap_or_else(|| panic!("{kind:?}: {path} is not on the page"));
            assert_eq!(contract::without_added(&path, listed), facts, "{kind:?} {path}");
        }
        let ours = |path: &&String| contract::is_added(path) || path.starts_with("status.");
        let beyond: Vec<_> = listed.keys().filter(|path| !ours(path)).collect();
        assert!(beyond.is_empty(), "{kind:?}: {beyond:?}");
    }
}

#[test]
fn every_link_on_a_page_leads_somewhere() {
    let (links, anchors) =
        (Regex::new(r"\]\(#([^)]+)\)").unwrap(), Regex::new(r#"<a id="([^"]+)">"#).unwrap());
    for kind in Kind::ALL {
        let page = page(kind);
        let anchors: Vec<_> = anchors.captures_iter(&page).map(|anchor| anchor[1].to_owned()).collect();
        let unique: BTreeSet<_> = anchors.iter().collect();
        assert_eq!(unique.len(), anchors.len(), "anchors are unique");
        for link in links.captures_iter(&page) {
            assert!(unique.contains(&link[1].to_owned()), "{kind:?}: {}", &link[1]);
        }
    }
}

#[test]
fn every_field_has_an_anchor_that_is_its_path() {
    for kind in Kind::ALL {
        let page = page(kind);
        for path in contract::fields(kind).keys() {
            assert!(page.contains(&format!("<a id=\"{path}\"></a>")), "{kind:?}: {path}");
        }
    }
}

#[test]
fn every_example_on_a_page_is_valid() {
    let example = Regex::new(r"(?s)```yaml\n(.*?)```").unwrap();
    for kind in Kind::ALL {
        let mut report = Report::default();
        for found in example.captures_iter(&page(kind)) {
            report.judge("page", &found[1]);
        }
        assert_eq!(report.judged, 1);
        assert!(report.findings.is_empty(), "{:?}", report.findings);
    }
}

#[test]
fn pages_name_the_keys_of_the_connection_secret() {
    for kind in Kind::ALL {
        for key in ["HOST", "PORT", "USER", "PASSWORD", "SSL"] {
            assert!(page(kind).contains(&format!("`{}{key}`", kind.secret_prefix())));
        }
    }
}
