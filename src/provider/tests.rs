//! Answers that are almost right. Every part of a full answer is changed in every way, one at a time. The answer is
//! read nevertheless, or the error names the missing part.

use super::{
    elements::{Elements, Listed},
    lenient::{self, Part},
    service::Service,
};
use serde_json::{Value, json};

/// A full answer about one service, with everything that the API documents.
const SAMPLE: &str = include_str!("tests/service.json");

/// What no decision can be made without. Its name stands here and in the error.
const NEEDED: [&str; 3] = ["service_type", "state", "plan"];

fn sample() -> Value {
    let mut answer: Value = serde_json::from_str(SAMPLE).unwrap();
    answer["service"].take()
}

/// The path of each part, however deep.
fn paths(value: &Value, at: &str, into: &mut Vec<String>) {
    let mut go = |key: &str, part: &Value| {
        let path = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        into.push(path.clone());
        paths(part, &path, into);
    };
    match value {
        Value::Object(parts) => parts.iter().for_each(|(key, part)| go(key, part)),
        Value::Array(parts) => parts.iter().enumerate().for_each(|(at, part)| go(&at.to_string(), part)),
        _ => {}
    }
}

/// The sample with the part at `path` replaced, or removed, in every way; each with a name.
fn changed(sample: &Value, path: &str) -> Vec<(String, Value)> {
    let (parent, key) = path.rsplit_once('/').unwrap();
    let mut all = Vec::new();
    let others = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(16384.0),
        json!(1.5),
        json!(1e300),
        json!(""),
        json!("16384"),
        json!([]),
        json!([null, 1, "x", [], {}]),
        json!({}),
        json!({"x": null}),
    ];
    for other in others {
        let mut service = sample.clone();
        *service.pointer_mut(path).unwrap() = other.clone();
        all.push((format!("{path} = {other}"), service));
    }
    let mut service = sample.clone();
    match service.pointer_mut(parent).unwrap() {
        Value::Object(parts) => drop(parts.remove(key)),
        Value::Array(parts) => drop(parts.remove(key.parse().unwrap())),
        _ => unreachable!("a parent has parts"),
    }
    all.push((format!("without {path}"), service));
    all
}

fn read(service: &Value) -> Result<Service, String> {
    let text = service.to_string();
    let service = lenient::decode::<Service>(text.as_bytes())?.ok_or("not an object")?;
    service.complete(Some("cache-prod")).map_err(|lacking| lacking.to_string())
}

#[test]
fn answer_with_one_wrong_part_is_read_or_names_the_needed_part() {
    let (sample, mut all, mut read_all_the_same, mut refused) = (sample(), Vec::new(), 0, Vec::new());
    paths(&sample, "", &mut all);
    assert!(all.len() > 100, "{}", all.len());
    for (name, service) in all.iter().flat_map(|path| changed(&sample, path)) {
        match read(&service) {
            Ok(_) => read_all_the_same += 1,
            Err(error) => {
                let needed = NEEDED.iter().find(|needed| error == format!("it has no usable {needed}"));
                assert!(needed.is_some_and(|needed| name.contains(&format!("/{needed}"))), "{name}: {error}");
                refused.push(name);
            }
        }
    }
    assert!(read_all_the_same > 1_000, "{read_all_the_same}");
    // Null, empty, a list, an object, nothing: what a needed text cannot be read from.
    assert_eq!(refused.len(), NEEDED.len() * 7, "{refused:?}");
}

#[test]
fn wrong_part_changes_nothing_else_of_the_answer() {
    let before = read(&sample()).unwrap();
    for path in ["/components/0/port", "/backups/0/backup_name", "/tech_emails/0/email", "/tags/env"] {
        let mut service = sample();
        *service.pointer_mut(path).unwrap() = Value::Null;
        let after = read(&service).unwrap();
        assert_eq!(after.service_uri_params, before.service_uri_params, "{path}");
        assert_eq!(after.user_config, before.user_config, "{path}");
        assert_eq!(after.components.unwrap().len(), before.components.as_ref().unwrap().len(), "{path}");
    }
}

#[test]
fn numbers_and_texts_stand_for_each_other() {
    let with = |path: &str, value: Value| {
        let mut service = sample();
        *service.pointer_mut(path).unwrap() = value;
        read(&service).unwrap()
    };
    for size in [json!(16384), json!(16384.0), json!("16384"), json!(" 16384.0 ")] {
        assert_eq!(with("/disk_space_mb", size).disk_space_mb, Some(16384));
    }
    for size in [json!(1.5), json!(-1), json!("big"), json!(true), json!(null)] {
        assert_eq!(with("/disk_space_mb", size).disk_space_mb, None);
    }
    for port in [json!(11570), json!(11570.0), json!("11570")] {
        let service = with("/service_uri_params/port", port.clone());
        assert_eq!(service.service_uri_params.unwrap()["port"].as_deref(), Some("11570"));
        let service = with("/components/0/port", port);
        assert_eq!(service.components.unwrap()[0].port.as_deref(), Some("11570"));
    }
    assert_eq!(with("/termination_protection", json!("true")).termination_protection, Some(true));
}

#[test]
fn unknown_parts_are_distinguished_from_empty_ones() {
    let mut service = sample();
    service["tags"] = json!(null);
    service["user_config"] = json!([]);
    service["tech_emails"] = json!([]);
    let read = read(&service).unwrap();
    assert!(read.tags.is_none() && read.user_config.is_none());
    assert!(read.tech_emails.is_some_and(|emails| emails.is_empty()));
}

#[test]
fn answer_that_is_no_object_is_refused() {
    for text in ["null", "[]", "\"\"", "7"] {
        assert!(lenient::decode::<Service>(text.as_bytes()).unwrap().is_none(), "{text}");
    }
    let error = lenient::decode::<Service>(b"<html>").unwrap_err();
    assert_eq!(error, "it is not JSON at line 1 column 1");
    assert!(serde_json::from_str::<Part<Service>>("{}").is_ok());
}

mod lists {
    use super::*;
    use proptest::prelude::*;

    /// What a list of two services and a changed one between them yields: names, those that cannot be read, and
    /// how many have no name.
    fn listed(middle: &str, limit: usize, pieces: &[usize]) -> (Vec<String>, Vec<String>, usize) {
        let minimal =
            |name: &str| json!({"service_name": name, "service_type": "valkey", "state": "x", "plan": "x"});
        let (first, last) = (minimal("first"), minimal("last"));
        let text = format!(r#"{{"services": [{first}, {middle}, {last}], "message": null}}"#);
        let (mut elements, mut rest, mut sizes) =
            (Elements::new(limit), text.as_bytes(), pieces.iter().cycle());
        let (mut names, mut unreadable) = (Vec::new(), Vec::new());
        while !rest.is_empty() {
            let (mut piece, after) = rest.split_at((*sizes.next().unwrap()).clamp(1, rest.len()));
            rest = after;
            while !piece.is_empty() {
                let (read, found) = elements.take(piece, &mut |_, _| true);
                piece = &piece[read..];
                match found {
                    Some(Listed::Service(service)) => names.push(service.service_name),
                    Some(Listed::Unreadable { name, .. }) => unreadable.push(name),
                    None => {}
                }
            }
        }
        assert!(elements.is_whole());
        (names, unreadable, elements.nameless())
    }

    #[test]
    fn list_with_one_wrong_service_shows_all_other_services() {
        let (sample, mut all) = (sample(), Vec::new());
        paths(&sample, "", &mut all);
        for (name, service) in all.iter().flat_map(|path| changed(&sample, path)) {
            let (names, unreadable, nameless) = listed(&service.to_string(), usize::MAX, &[4096]);
            assert!(names.contains(&"first".to_owned()) && names.contains(&"last".to_owned()), "{name}");
            assert_eq!(names.len() + unreadable.len() + nameless, 3, "{name}");
        }
        for middle in ["{}", r#"{"service_name": 7}"#, r#"{"service_name": "x", "state": nan}"#] {
            let (names, ..) = listed(middle, usize::MAX, &[100]);
            assert_eq!(names, ["first", "last"], "{middle}");
        }
    }

    proptest! {
        #[test]
        fn service_beyond_the_limit_is_left_out_and_counted(size in 1_usize..40_000, piece in 1_usize..5000) {
            // A plan without a name cannot be read.
            let middle = json!({"service_name": "big", "service_type": "valkey", "state": "x", "plan": "x".repeat(size)});
            let (names, _, nameless) = listed(&middle.to_string(), 20_000, &[piece]);
            prop_assert_eq!(names.len() + nameless, 3);
            prop_assert_eq!(nameless, usize::from(middle.to_string().len() > 20_000));
        }
    }
}
