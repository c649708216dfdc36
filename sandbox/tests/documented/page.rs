//! Pages, cut into what is typed, and what is applied. Guarantees that no block of commands is overlooked:
//! each has a fate.

use regex::Regex;
use std::path::{Path, PathBuf};

/// What becomes of a block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Run,
    /// `<!-- run by FILE: TEST -->`
    RunBy(String),
    /// `<!-- not run: REASON -->`
    NotRun(String),
}

pub(crate) struct Block {
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) fate: Fate,
}

pub(crate) struct Page {
    pub(crate) name: String,
    pub(crate) blocks: Vec<Block>,
    /// YAML, with the line where it begins.
    pub(crate) manifests: Vec<(usize, String)>,
    /// Code within sentences, with its line.
    pub(crate) inline: Vec<(usize, String)>,
}

pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The pages that people read.
pub(crate) fn all() -> Vec<Page> {
    let mut names: Vec<String> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "charts/valkeeper/README.md"]
            .map(String::from)
            .into();
    for folder in ["docs", "docs/guides", "docs/reference"] {
        let entries = std::fs::read_dir(repository(folder)).unwrap().flatten();
        let files = entries.map(|entry| entry.file_name().into_string().unwrap());
        names.extend(
            files
                .filter(|file| Path::new(file).extension().is_some_and(|extension| extension == "md"))
                .map(|file| format!("{folder}/{file}")),
        );
    }
    names.sort();
    names.into_iter().map(|name| read(&name)).collect()
}

fn read(name: &str) -> Page {
    let text = std::fs::read_to_string(repository(name)).unwrap();
    let inline = Regex::new("`([^`]+)`").unwrap();
    let mut page = Page { name: name.to_owned(), blocks: vec![], manifests: vec![], inline: vec![] };
    let mut before = "";
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            let found = inline.captures_iter(line).map(|found| (number + 1, found[1].to_owned()));
            page.inline.extend(found);
            if !line.trim().is_empty() {
                before = line.trim();
            }
            continue;
        };
        let indentation = line.len() - line.trim_start().len();
        let body =
            lines.by_ref().map(|(_, line)| line).take_while(|line| !line.trim_start().starts_with("```"));
        let body = body.map(|line| line.get(indentation..).unwrap_or("")).collect::<Vec<_>>().join("\n");
        match language {
            "sh" | "shell" | "bash" | "console" => {
                page.blocks.push(Block { line: number + 1, text: body, fate: fate(before) });
            }
            "yaml" => page.manifests.push((number + 1, body)),
            _ => {}
        }
        before = "";
    }
    page
}

/// Parses the comment before a block.
fn fate(before: &str) -> Fate {
    let comment = before.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")).unwrap_or("");
    match (comment.strip_prefix("run by "), comment.strip_prefix("not run: ")) {
        (Some(test), _) => Fate::RunBy(test.to_owned()),
        (_, Some(reason)) => Fate::NotRun(reason.to_owned()),
        _ => Fate::Run,
    }
}
