//! The environment, command and arguments of a container: references resolved, `$(NAME)` expanded, and the
//! paths of volumes replaced by the folders that stand in for them. Pure; reading objects is left to callers.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVarSource, Pod, Secret};

/// What references may lead to.
pub(super) struct Sources<'a> {
    pub(super) pod: &'a Pod,
    pub(super) address: &'a str,
    pub(super) host: &'a str,
    pub(super) secret: &'a dyn Fn(&str) -> Option<Secret>,
    pub(super) config_map: &'a dyn Fn(&str) -> Option<ConfigMap>,
}

/// The variables of a container, or what is missing.
pub(super) fn variables(
    container: &Container,
    sources: &Sources<'_>,
    mut found: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, String> {
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let (name, optional, entries) = if let Some(secret) = &source.secret_ref {
            let found = (sources.secret)(&secret.name).map(|secret| texts(secret.data));
            (format!("secret \"{}\"", secret.name), secret.optional, found)
        } else if let Some(map) = &source.config_map_ref {
            let found = (sources.config_map)(&map.name).map(|map| map.data.unwrap_or_default());
            (format!("configmap \"{}\"", map.name), map.optional, found)
        } else {
            continue;
        };
        match entries {
            Some(entries) => {
                found.extend(entries.into_iter().map(|(key, value)| (format!("{prefix}{key}"), value)));
            }
            None if optional == Some(true) => {}
            None => return Err(format!("{name} not found")),
        }
    }
    for variable in container.env.iter().flatten() {
        let value = match (&variable.value, &variable.value_from) {
            (Some(text), _) => Some(expand(text, &found)),
            (None, Some(source)) => resolve(source, container, sources)?,
            (None, None) => Some(String::new()),
        };
        if let Some(value) = value {
            found.insert(variable.name.clone(), value);
        }
    }
    Ok(found)
}

fn texts(data: Option<BTreeMap<String, ByteString>>) -> BTreeMap<String, String> {
    let text = |bytes: ByteString| String::from_utf8_lossy(&bytes.0).into_owned();
    data.unwrap_or_default().into_iter().map(|(key, value)| (key, text(value))).collect()
}

fn resolve(
    source: &EnvVarSource,
    container: &Container,
    sources: &Sources<'_>,
) -> Result<Option<String>, String> {
    let value_of = |kind: &str, name: &str, key: &str, data: Option<BTreeMap<String, String>>, optional| {
        let missing = match &data {
            None => format!("{kind} \"{name}\" not found"),
            Some(_) => format!("couldn't find key {key} in {kind} {name}"),
        };
        match data.and_then(|mut data| data.remove(key)) {
            None if optional != Some(true) => Err(missing),
            found => Ok(found),
        }
    };
    if let Some(field) = &source.field_ref {
        return field_value(sources, &field.field_path).map(Some);
    }
    if let Some(key) = &source.secret_key_ref {
        let data = (sources.secret)(&key.name).map(|secret| texts(secret.data));
        return value_of("secret", &key.name, &key.key, data, key.optional);
    }
    if let Some(key) = &source.config_map_key_ref {
        let data = (sources.config_map)(&key.name).map(|map| map.data.unwrap_or_default());
        return value_of("configmap", &key.name, &key.key, data, key.optional);
    }
    if let Some(field) = &source.resource_field_ref {
        let (kind, name) = field.resource.split_once('.').unwrap_or(("limits", &field.resource));
        let resources = container.resources.clone().unwrap_or_default();
        let amounts = if kind == "requests" { resources.requests } else { resources.limits };
        let amount = amounts.unwrap_or_default().remove(name);
        return Ok(Some(amount.map_or_else(|| "0".to_owned(), |amount| bytes_of(&amount.0))));
    }
    Err("this source of a variable is not supported".to_owned())
}

/// An amount as a whole number, the way a container sees its memory; other texts stay unchanged.
fn bytes_of(amount: &str) -> String {
    let factors = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40)];
    let found = factors.iter().find_map(|(suffix, shift)| {
        let number: u64 = amount.strip_suffix(suffix)?.parse().ok()?;
        number.checked_mul(1 << shift)
    });
    found.map_or_else(|| amount.to_owned(), |number| number.to_string())
}

/// A field of the pod, as the downward API names it.
pub(super) fn field_value(sources: &Sources<'_>, path: &str) -> Result<String, String> {
    let (metadata, spec) = (&sources.pod.metadata, sources.pod.spec.as_ref());
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    let lines = |map: Option<&BTreeMap<String, String>>| {
        let line = |(key, value): (&String, &String)| format!("{key}={value:?}");
        map.into_iter().flatten().map(line).collect::<Vec<_>>().join("\n")
    };
    let keyed = |map: &str| {
        let key = path.strip_prefix(map)?.strip_prefix("['")?.strip_suffix("']")?;
        Some(key.to_owned())
    };
    let entry = |map: Option<&BTreeMap<String, String>>, key: &str| {
        map.and_then(|map| map.get(key)).cloned().unwrap_or_default()
    };
    Ok(match path {
        "metadata.name" => text(metadata.name.as_ref()),
        "metadata.namespace" => text(metadata.namespace.as_ref()),
        "metadata.uid" => text(metadata.uid.as_ref()),
        "metadata.labels" => lines(metadata.labels.as_ref()),
        "metadata.annotations" => lines(metadata.annotations.as_ref()),
        "spec.nodeName" => text(spec.and_then(|spec| spec.node_name.as_ref())),
        "spec.serviceAccountName" => text(spec.and_then(|spec| spec.service_account_name.as_ref())),
        "status.podIP" | "status.podIPs" => sources.address.to_owned(),
        "status.hostIP" | "status.hostIPs" => sources.host.to_owned(),
        other => match (keyed("metadata.labels"), keyed("metadata.annotations")) {
            (Some(key), _) => entry(metadata.labels.as_ref(), &key),
            (None, Some(key)) => entry(metadata.annotations.as_ref(), &key),
            (None, None) => return Err(format!("unsupported fieldPath: {other}")),
        },
    })
}

/// Replaces `$(NAME)` by the variable, and `$$` by one `$`. Unknown names stay as they are.
pub(super) fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$$") {
            out.push('$');
            rest = after;
            continue;
        }
        let name = rest.strip_prefix("$(").and_then(|inner| Some(&inner[..inner.find(')')?]));
        if let Some((name, value)) = name.and_then(|name| Some((name, variables.get(name)?))) {
            out.push_str(value);
            rest = &rest[name.len() + 3..];
        } else {
            out.push('$');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

/// Replaces mount paths in a text by their folders: whole paths only, the longest first.
pub(super) fn rewrite(text: &str, mounts: &BTreeMap<String, String>) -> String {
    let mut mounts: Vec<(&str, &str)> =
        mounts.iter().map(|(path, folder)| (path.trim_end_matches('/'), folder.as_str())).collect();
    mounts.retain(|(path, _)| !path.is_empty());
    mounts.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    let part = |character: char| character.is_alphanumeric() || "-_.".contains(character);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let starts = !out.ends_with(|before: char| part(before) || before == '/');
        let found = mounts.iter().find(|(path, _)| {
            starts && rest.strip_prefix(path).is_some_and(|after| !after.starts_with(part))
        });
        if let Some((path, folder)) = found {
            out.push_str(folder);
            rest = &rest[path.len()..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_once() {
        let variables =
            BTreeMap::from([("A".to_owned(), "1".to_owned()), ("B".to_owned(), "$(A)".to_owned())]);
        let table = [
            ("$(A)", "1"),
            ("x$(A)y$(B)", "x1y$(A)"),
            ("$$(A)", "$(A)"),
            ("$(NO)", "$(NO)"),
            ("$A $", "$A $"),
        ];
        for (text, expected) in table {
            assert_eq!(expand(text, &variables), expected, "{text}");
        }
    }

    #[test]
    fn only_whole_mount_paths_are_rewritten() {
        let mounts = [("/data", "/tmp/v1"), ("/data/conf", "/tmp/v2"), ("/etc/x/", "/tmp/v3")];
        let mounts = mounts.map(|(path, folder)| (path.to_owned(), folder.to_owned())).into();
        let table = [
            ("/data", "/tmp/v1"),
            ("--dir=/data/sub", "--dir=/tmp/v1/sub"),
            ("cat /data/conf/a /data/b", "cat /tmp/v2/a /tmp/v1/b"),
            ("/database", "/database"),
            ("/var/data", "/var/data"),
            ("echo x >/etc/x/y; ls '/data'", "echo x >/tmp/v3/y; ls '/tmp/v1'"),
            ("/data:/data", "/tmp/v1:/tmp/v1"),
        ];
        for (text, expected) in table {
            assert_eq!(rewrite(text, &mounts), expected, "{text}");
        }
    }

    #[test]
    fn sources_of_variables_are_resolved_or_named() {
        let container: Container = serde_json::from_value(serde_json::json!({
            "name": "c",
            "env": [
                {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "ROLE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['role']"}}},
                {"name": "ADDRESS", "value": "$(IP):6379"},
                {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}},
                {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y", "optional": true}}},
            ],
            "envFrom": [{"prefix": "C_", "configMapRef": {"name": "m"}}],
        }))
        .unwrap();
        let pod: Pod =
            serde_json::from_value(serde_json::json!({"metadata": {"labels": {"role": "primary"}}})).unwrap();
        let secret = |name: &str| {
            let data = BTreeMap::from([("password".to_owned(), ByteString(b"p".to_vec()))]);
            (name == "s").then(|| Secret { data: Some(data), ..Secret::default() })
        };
        let config_map = |_: &str| {
            let data = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
            Some(ConfigMap { data: Some(data), ..ConfigMap::default() })
        };
        let sources = Sources {
            pod: &pod,
            address: "127.1.2.3",
            host: "127.1.2.1",
            secret: &secret,
            config_map: &config_map,
        };
        let found = variables(&container, &sources, BTreeMap::new()).unwrap();
        let expected = [
            ("ADDRESS", "127.1.2.3:6379"),
            ("C_k", "v"),
            ("IP", "127.1.2.3"),
            ("PASSWORD", "p"),
            ("ROLE", "primary"),
        ];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        let sources = Sources { secret: &|_| None, ..sources };
        let missing = variables(&container, &sources, BTreeMap::new());
        assert_eq!(missing, Err("secret \"s\" not found".to_owned()));
    }
}
