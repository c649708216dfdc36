//! A migration, from its declaration to its end, and that it has only one.

use super::*;
use valkeeper_api::status::{Migration, MigrationPhase};

fn declared(host: &str) -> Value {
    json!({"spec": {"userConfig": {"migration": {"host": host, "port": 1, "password": "p"}}}})
}

/// A service that has the migration from `host`.
fn migrating(host: &str) -> ObservedService {
    let mut service = service();
    let shown = json!({"host": host, "port": 1, "password": "<redacted>", "ssl": true});
    service.user_config.insert("migration".to_owned(), shown);
    service
}

fn known(host: &str, phase: MigrationPhase) -> Desired {
    let mut desired = resource(declared(host));
    let source = migration::identity(&desired).unwrap();
    desired.migration = Some(Migration { source, phase });
    desired
}

fn reported(desired: &Desired, observed: &Observed) -> (bool, &'static str) {
    match decide(desired, observed).report.migration {
        MigrationNote::Now { complete, reason, .. } => (complete, reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn migration_is_written_down_sent_and_followed_to_its_end() {
    let fresh = edited(json!({}), declared("a"));
    let Step::Record { migration: Some(begun), .. } = decide(&fresh, &seen(service())).step else { panic!() };
    assert_eq!(begun.phase, MigrationPhase::Started);
    assert_eq!(reported(&fresh, &seen(service())), (false, reason::MIGRATING));
    assert_eq!(outcome(&fresh, &seen(service())).0, "update");

    let started = known("a", MigrationPhase::Started);
    assert_eq!(outcome(&started, &seen(migrating("a"))).0, "wait", "it is too early to ask");
    let after = remembered_migration(&started, &seen(migrating("a"))).unwrap();
    assert_eq!(after.phase, MigrationPhase::Running);

    let running = known("a", MigrationPhase::Running);
    assert_eq!(outcome(&running, &seen(migrating("a"))).0, "observe migration");
    let at = |state| Observed { migration: Some(state), ..seen(migrating("a")) };
    let syncing = decide(&running, &at(MigrationState::Running("syncing".to_owned())));
    assert_eq!(syncing.step.name(), "wait");
    assert!(syncing.report.password_exposed);
    for end in [MigrationState::Done, MigrationState::Forgotten] {
        assert_eq!(reported(&running, &at(end.clone())), (true, reason::MIGRATED));
        assert_eq!(remembered_migration(&running, &at(end)).unwrap().phase, MigrationPhase::Complete);
    }
}

#[test]
fn complete_migration_is_never_sent_again_while_it_is_declared() {
    let complete = known("a", MigrationPhase::Complete);
    // It was removed at the provider, as the condition advises.
    assert_eq!(outcome(&complete, &seen(service())), ("done", reason::RUNNING, Ready::Yes));
    assert_eq!(outcome(&complete, &seen(migrating("a"))).0, "done");
    // The password moved into a Secret.
    let mut moved = complete.clone();
    moved.migration_password_in_secret = true;
    assert_eq!(outcome(&moved, &seen(service())).0, "done");
    // A status from before the phase was recorded.
    let condition = json!({"type": "MigrationComplete", "status": "True", "reason": "Migrated", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let mut changes = declared("a");
    changes["status"]["conditions"] = json!([condition]);
    let before = resource(changes);
    assert_eq!(outcome(&before, &seen(service())).0, "done");
    assert_eq!(remembered_migration(&before, &seen(service())).unwrap().phase, MigrationPhase::Complete);
}

#[test]
fn changed_migration_starts_with_password_and_resets_condition() {
    let mut other = known("a", MigrationPhase::Complete);
    other.user_config = resource(declared("b")).user_config;
    other.declared = resource(declared("b")).declared;
    other.migration_password_in_secret = true;
    let observed = seen(service());
    assert_eq!(decide(&other, &observed).step.name(), "observe migration password");
    let read = Observed { migration_password_is_known: true, ..observed };
    assert_eq!(decide(&other, &read).step.name(), "record");
    assert_eq!(reported(&other, &read), (false, reason::MIGRATING));
    assert_eq!(outcome(&other, &read).0, "update");
}

#[test]
fn failed_migration_is_not_ended_by_being_forgotten() {
    let failed = known("a", MigrationPhase::Failed);
    let forgotten = Observed { migration: Some(MigrationState::Forgotten), ..seen(migrating("a")) };
    assert_eq!(decide(&failed, &forgotten).report.migration, MigrationNote::Unchanged);
    assert_eq!(remembered_migration(&failed, &forgotten).unwrap().phase, MigrationPhase::Failed);
    let failing = Observed { migration: Some(MigrationState::Failed("no".to_owned())), ..forgotten };
    assert_eq!(reported(&failed, &failing), (false, reason::MIGRATION_FAILED));
    assert_eq!(remembered_migration(&resource(json!({})), &failing), None, "not declared any more");
}
