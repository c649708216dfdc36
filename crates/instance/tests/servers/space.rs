//! Verifications and restorations on volumes with a size, in mounts of their own.

use crate::{
    backups::{ended, request, restore},
    checked::inside,
    world::{LeaseKind, Setup, World, valkey},
};
use std::{path::Path, process::Command};
use valkeeper_failover::protocol::Role;
use valkeeper_instance::restore::RestoreStatus;

/// A volume of this many megabytes, which becomes larger when it is mounted again.
fn mount(folder: &Path, megabytes: u32, again: bool) {
    std::fs::create_dir_all(folder).unwrap();
    let size = format!("{}size={megabytes}m", if again { "remount," } else { "" });
    let status =
        Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).status().unwrap();
    assert!(status.success());
}

#[test]
fn backup_that_the_volume_has_no_space_for_is_not_read() {
    inside("space::volume_with_a_size");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "in namespaces of its own, which backup_that_the_volume_has_no_space_for_is_not_read makes"]
async fn volume_with_a_size() {
    let program = valkey().unwrap();
    let setup = Setup { lease: LeaseKind::Alone, ..Setup::default() };
    let mut world = World::new(&program, 1, &setup);
    let data = world.nodes[0].folder.join("data");
    mount(&data, 16, false);
    world.nodes[0].start();
    world.nodes[0].until("primary", |status| matches!(status.status.role, Role::Primary(_))).await;
    let mut server = world.nodes[0].server().await.unwrap();
    let value: String =
        (0..100_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_string()).collect();
    for number in 0..10 {
        server.call(&["SET", &format!("key-{number}"), &format!("{number}{value}")]).await.unwrap();
    }
    let (node, folder) = (&world.nodes[0], world.folder.path());
    node.client.back_up(&request("one", folder, true)).await.unwrap();
    let answer = ended(node, "one").await;
    let (manifest, found) = (answer.manifest.unwrap(), answer.verification.unwrap());
    assert!(manifest.bytes < 16 << 20, "without the reserve it has the space: {}", manifest.bytes);
    assert!(found.inconclusive && found.message.contains("the volume has"), "{found:?}");
    // With more space, the same is verified.
    mount(&data, 64, true);
    let again = valkeeper_instance::backups::BackupRequest {
        key: "n/c/one".to_owned(),
        existing: true,
        ..request("two", folder, false)
    };
    node.client.back_up(&again).await.unwrap();
    let found = ended(node, "two").await.verification.unwrap();
    assert!(found.verified, "{found:?}");
    // A volume that is smaller than the data.
    let setup = Setup { more: "restore: a\n".to_owned(), ..Setup::default() };
    let mut restored = World::new(&program, 1, &setup);
    let small = restored.nodes[0].folder.join("data");
    mount(&small, 2, false);
    restored.nodes[0].start();
    let node = &restored.nodes[0];
    node.until("waiting", |status| status.restore == Some(RestoreStatus::Waiting)).await;
    node.client.restore(&restore("n/c/one", folder, false, "8.0")).await.unwrap();
    let failed = |status: &valkeeper_instance::status::StatusAnswer| {
        matches!(status.restore, Some(RestoreStatus::Failed(_)))
    };
    let status = node.until("failed", failed).await;
    let Some(RestoreStatus::Failed(failure)) = status.restore else { unreachable!() };
    assert!(failure.passing && failure.message.contains("the volume has"), "{failure:?}");
    mount(&small, 64, true);
    node.client.restore(&restore("n/c/one", folder, false, "8.0")).await.unwrap();
    node.until("held", |status| status.status.role == Role::Held).await;
}
