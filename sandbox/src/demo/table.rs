//! The output of `kubectl get`, made from the same Table that the API server sends to `kubectl`.
//! Guarantees its column widths and its names with the resource in front.

use super::manifests::NAMESPACE;
use http::{Request, header};
use kube::Client;
use serde_json::Value;
use valkeeper_api::{GROUP, Kind, VERSION};

/// What makes an API server answer with a Table.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// The lines that `kubectl get` prints for a kind when several kinds are requested.
pub(crate) async fn get(client: &Client, kind: Kind) -> anyhow::Result<Vec<String>> {
    let path = format!("/apis/{GROUP}/{VERSION}/namespaces/{NAMESPACE}/{}", kind.plural());
    let request = Request::get(path).header(header::ACCEPT, TABLE).body(Vec::new())?;
    let table: Value = client.request(request).await?;
    let columns: Vec<(usize, String)> = array(&table["columnDefinitions"])
        .iter()
        .enumerate()
        .filter(|(_, column)| column["priority"].as_i64().unwrap_or_default() == 0)
        .map(|(index, column)| (index, column["name"].as_str().unwrap_or_default().to_uppercase()))
        .collect();
    let mut rows = vec![columns.iter().map(|(_, title)| title.clone()).collect::<Vec<_>>()];
    for row in array(&table["rows"]) {
        let cell = |(index, title): &(usize, String)| {
            let text = match &row["cells"][index] {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            let singular = kind.name().to_lowercase();
            if title == "NAME" { format!("{singular}.{GROUP}/{text}") } else { text }
        };
        rows.push(columns.iter().map(cell).collect());
    }
    Ok(align(&rows))
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Three spaces between columns, as `kubectl` does.
fn align(rows: &[Vec<String>]) -> Vec<String> {
    let width =
        |index: usize| rows.iter().filter_map(|row| row.get(index)).map(String::len).max().unwrap_or(0);
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(index, cell)| format!("{cell:0$}", width(index) + 3));
        cells.collect::<String>().trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell_and_three_spaces() {
        let rows = [
            vec!["NAME".to_owned(), "PLAN".to_owned()],
            vec!["valkey.aiven.io/a".to_owned(), "s".to_owned()],
        ];
        assert_eq!(align(&rows), ["NAME                PLAN", "valkey.aiven.io/a   s"]);
    }
}
