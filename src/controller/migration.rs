//! The shell around a migration: the password of the source, read from its Secret and put into what is
//! sent, and the provider's word on how far the data has come.

use super::{error::PassError, observe, pass::Pass};
use crate::{
    api::{ManagedService, names::reason},
    cluster::secrets,
    engine::{MigrationState, ObservedService, Power},
};
use secrecy::ExposeSecret as _;
use serde_json::Value;

impl<K: ManagedService> Pass<K> {
    /// Reads the password that `spec.migrationSecretSource` names, while it is still of use.
    pub(super) async fn read_migration_password(&mut self) -> Result<(), PassError> {
        let Some(source) = self.object.service().migration_secret_source.clone() else { return Ok(()) };
        let wanted = self.desired.user_config.contains_key("migration") && !self.desired.migration_complete;
        if !wanted || self.desired.deleting {
            return Ok(());
        }
        let value =
            secrets::read_key(&self.context.client, &self.namespace, &source.name, &source.key).await?;
        let missing = || PassError::Missing {
            reason: reason::MIGRATION_SECRET_MISSING,
            message: format!(
                "Secret {}/{} with key {}, which spec.migrationSecretSource names, does not exist. Create it with the password of the server to migrate from",
                self.namespace, source.name, source.key
            ),
        };
        self.migration_password = Some(value.flatten().ok_or_else(missing)?);
        self.insert_migration_password();
        Ok(())
    }

    pub(super) fn insert_migration_password(&mut self) {
        if let Some(password) = &self.migration_password
            && let Some(Value::Object(migration)) = self.desired.user_config.get_mut("migration")
        {
            migration.insert("password".to_owned(), Value::from(password.expose_secret()));
        }
    }

    /// Asks how far the data has come, until it has arrived.
    pub(super) async fn follow_migration(&mut self, service: &ObservedService) -> Result<(), PassError> {
        let asked = service.user_config.get("migration").is_some_and(|migration| !migration.is_null());
        let declared = self.desired.user_config.contains_key("migration") && !self.desired.migration_complete;
        if !asked || !declared || service.state.power() != Power::Serving || self.desired.deleting {
            return Ok(());
        }
        if !self.desired.migration_seen {
            // Right after it was asked for, the provider may not know of it yet, which looks like its end.
            self.observed.migration = Some(MigrationState::Running("starting".to_owned()));
            return Ok(());
        }
        let token = self.token().await?;
        let (provider, reference) = (self.provider.clone(), self.reference());
        let found = self.during(provider.migration(&token, &reference)).await?;
        self.observed.migration = Some(observe::migration(found));
        Ok(())
    }
}
