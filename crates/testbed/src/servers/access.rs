//! The users of a service as users of its server. Guarantees that the control user is never touched, and
//! that a user whose rules the server does not understand may do nothing.

use super::control::{Control, USER};
use super::wanted::AclUser;

/// Makes the server's users those in `wanted`; `known` are those made before.
pub(super) async fn apply(control: &mut Control, known: &mut Vec<AclUser>, wanted: &[AclUser]) {
    if known == wanted {
        return;
    }
    for user in wanted.iter().filter(|user| !known.contains(user) && user.name != USER) {
        if let Err(error) = set(control, user).await {
            tracing::warn!(user = user.name, "the rules of a user were refused: {error:#}");
            // Neither the old rules nor half of the new ones.
            let _ = control.run(&["ACL", "SETUSER", &user.name, "reset"]).await;
        }
    }
    for gone in known.iter().filter(|known| wanted.iter().all(|user| user.name != known.name)) {
        // The default user cannot be deleted; it is never gone.
        let _ = control.run(&["ACL", "DELUSER", &gone.name]).await;
    }
    *known = wanted.to_vec();
}

async fn set(control: &mut Control, user: &AclUser) -> anyhow::Result<()> {
    let password = format!(">{}", user.password);
    let mut words = vec!["ACL", "SETUSER", &user.name, "reset", "on", &password];
    words.extend(user.rules.iter().map(String::as_str));
    control.run(&words).await.map(drop)
}
