//! When a service counts as one without a resource.

use crate::orphans::*;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;
use valkeeper_api::names;

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

fn is_known(owner: &str) -> bool {
    owner == "known"
}

#[test]
fn a_service_counts_that_stays_without_a_resource() {
    let mut orphans = Orphans::default();
    orphans.listed(["known", "lost"], is_known, at(0));
    assert_eq!(orphans.count(at(0)), 0, "its resource may be on its way");
    orphans.listed(["known", "lost", "late"], is_known, at(9));
    assert_eq!(orphans.count(at(11)), 1);
    assert_eq!(orphans.count(at(20)), 2);
}

#[test]
fn a_service_that_is_gone_or_owned_again_does_not_count() {
    let mut orphans = Orphans::default();
    orphans.listed(["gone", "owned"], is_known, at(0));
    orphans.listed(["owned"], |_| true, at(30));
    assert_eq!(orphans.count(at(60)), 0);
    orphans.listed(["owned"], is_known, at(60));
    assert_eq!(orphans.count(at(65)), 0, "its time starts again");
}

#[test]
fn foreign_services_carry_no_ownership_tag() {
    assert_eq!(owner(&BTreeMap::from([("env".to_owned(), "test".to_owned())])), None);
    assert_eq!(owner(&BTreeMap::from([(names::OWNER_TAG.to_owned(), "uid".to_owned())])), Some("uid"));
}
