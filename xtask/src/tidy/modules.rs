//! The modules of a crate and what each uses of the other modules, read from the sources: `use` statements and paths
//! in code. A re-exported name leads to the module that defines it.

use anyhow::{Context as _, Result};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use syn::{
    Attribute, Item, ItemMod, ItemUse, UseTree, Visibility,
    visit::{self, Visit},
};

/// Names that lead to a module, from the root of the crate.
type ModulePath = Vec<String>;

/// One file of a crate.
#[derive(Debug, Default)]
struct Module {
    file: PathBuf,
    /// Its re-exports: a name, and the path where that is.
    reexports: BTreeMap<String, Vec<String>>,
    /// Modules that it re-exports entirely.
    globs: Vec<Vec<String>>,
    /// Names that are defined in it.
    defined: BTreeSet<String>,
    /// Paths that it mentions, from the root of the crate.
    mentioned: BTreeSet<Vec<String>>,
}

/// The modules of a crate.
#[derive(Debug, Default)]
pub(crate) struct Modules(BTreeMap<ModulePath, Module>);

impl Modules {
    /// Reads the crate whose root is `root`, such as `src/lib.rs`.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut modules = Self::default();
        let folder = root.parent().context("a root file is in a folder")?;
        modules.add(root, folder, &Vec::new())?;
        Ok(modules)
    }

    /// Adds the module in `file`, whose submodules are in `folder`.
    fn add(&mut self, file: &Path, folder: &Path, path: &ModulePath) -> Result<()> {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let tree = syn::parse_file(&text).with_context(|| file.display().to_string())?;
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        let children = children(&tree.items);
        let mut reader = Reader { path: path.clone(), inside: 0, children: &children, module: &mut module };
        reader.visit_file(&tree);
        self.0.insert(path.clone(), module);
        for name in children {
            let (flat, nested) = (folder.join(&name).with_extension("rs"), folder.join(&name).join("mod.rs"));
            let file = if flat.exists() { flat } else { nested };
            let path: ModulePath = path.iter().cloned().chain([name.clone()]).collect();
            self.add(&file, &folder.join(&name), &path)?;
        }
        Ok(())
    }

    /// From each file to the files whose items it uses.
    pub(crate) fn edges(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let mut edges = BTreeMap::new();
        for module in self.0.values() {
            let used = module.mentioned.iter().filter_map(|path| self.home(path, 0));
            let used = used.filter(|file| *file != module.file);
            edges.insert(module.file.as_path(), used.collect());
        }
        edges
    }

    /// The file that defines what `path` leads to.
    fn home(&self, path: &[String], depth: usize) -> Option<&Path> {
        let length = (0..=path.len()).rev().find(|length| self.0.contains_key(&path[..*length]))?;
        let module = &self.0[&path[..length]];
        let Some(name) = path.get(length) else { return Some(&module.file) };
        if depth > 8 || module.defined.contains(name) {
            return Some(&module.file);
        }
        if let Some(target) = module.reexports.get(name) {
            let target: Vec<_> = target.iter().chain(&path[length + 1..]).cloned().collect();
            return self.home(&target, depth + 1);
        }
        for glob in &module.globs {
            let Some(inner) = self.0.get(glob) else { continue };
            if inner.defined.contains(name) || inner.reexports.contains_key(name) {
                let target: Vec<_> = glob.iter().chain(&path[length..]).cloned().collect();
                return self.home(&target, depth + 1);
            }
        }
        Some(&module.file)
    }
}

/// Names of the modules that have files of their own.
fn children(items: &[Item]) -> Vec<String> {
    let declared = items.iter().filter_map(|item| match item {
        Item::Mod(ItemMod { content: None, ident, attrs, .. }) if !only_for_tests(attrs) => {
            Some(ident.to_string())
        }
        _ => None,
    });
    declared.collect()
}

/// Collects what one file mentions.
struct Reader<'m> {
    path: ModulePath,
    /// How many modules within the file are around the place.
    inside: usize,
    children: &'m [String],
    module: &'m mut Module,
}

impl Reader<'_> {
    /// `path` from the root of the crate; nothing if it does not begin in the crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let first = path.first()?.as_str();
        if first == "crate" {
            return Some(path[1..].to_vec());
        }
        let mut base = self.path.clone();
        let up = path.iter().take_while(|step| *step == "super").count();
        if up > 0 {
            // Modules within a file are the file's.
            base.truncate(base.len().checked_sub(up.saturating_sub(self.inside))?);
            return Some(base.into_iter().chain(path[up..].iter().cloned()).collect());
        }
        let rest = if first == "self" { &path[1..] } else { path };
        let own = first == "self" || self.children.iter().any(|child| child == first);
        (own && self.inside == 0).then(|| base.into_iter().chain(rest.iter().cloned()).collect())
    }

    fn used(&mut self, tree: &UseTree, before: &[String], visible: bool) {
        let with =
            |name: &syn::Ident| -> Vec<String> { before.iter().cloned().chain([name.to_string()]).collect() };
        match tree {
            UseTree::Path(path) => self.used(&path.tree, &with(&path.ident), visible),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.used(tree, before, visible)),
            UseTree::Name(name) if name.ident == "self" => self.mention(before, None, visible),
            UseTree::Name(name) => self.mention(&with(&name.ident), Some(name.ident.to_string()), visible),
            UseTree::Rename(rename) => {
                self.mention(&with(&rename.ident), Some(rename.rename.to_string()), visible);
            }
            UseTree::Glob(_) => {
                let Some(path) = self.absolute(before) else { return };
                if visible {
                    self.module.globs.push(path.clone());
                }
                self.module.mentioned.insert(path);
            }
        }
    }

    fn mention(&mut self, path: &[String], name: Option<String>, visible: bool) {
        let Some(path) = self.absolute(path) else { return };
        let name = name.or_else(|| path.last().cloned());
        if let (true, Some(name)) = (visible && self.inside == 0, name) {
            self.module.reexports.insert(name, path.clone());
        }
        self.module.mentioned.insert(path);
    }
}

/// Whether the attributes keep something for tests alone, whose uses of other files do not count.
fn only_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if self.inside == 0
            && let Some(name) = name(item)
        {
            self.module.defined.insert(name);
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if only_for_tests(&item.attrs) {
            return;
        }
        self.inside += 1;
        visit::visit_item_mod(self, item);
        self.inside -= 1;
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        // A private `use` is visible to the modules below.
        self.used(&item.tree, &[], !matches!(item.vis, Visibility::Inherited) || self.inside == 0);
    }

    /// Where something may be seen is not a use of that place.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let steps: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if steps.len() > 1
            && let Some(path) = self.absolute(&steps)
        {
            self.module.mentioned.insert(path);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        if called.path.segments.len() > 1 {
            self.visit_path(&called.path);
        }
    }
}

/// The name that an item defines.
fn name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Mod(ItemMod { content: Some(_), ident, .. }) => ident,
        _ => return None,
    };
    Some(ident.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_lead_to_the_file_that_defines_the_item() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("lib.rs", "mod a;\nmod b;\nmod room;\npub use a::One;\n"),
            ("a.rs", "pub struct One;\n#[cfg(test)]\nmod tests {\n    use crate::b::two;\n}\n"),
            (
                "b.rs",
                "use crate::One;\npub(in crate::room) fn two(_: One) { super::room::inner::three(); }\n",
            ),
            ("room/mod.rs", "pub mod inner;\n"),
            ("room/inner.rs", "use super::super::a;\npub fn three() { let _ = a::One; }\n"),
        ] {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let modules = Modules::read(&folder.path().join("lib.rs")).unwrap();
        let short = |file: &Path| file.strip_prefix(folder.path()).unwrap().display().to_string();
        let edges = modules.edges();
        let found: Vec<(String, Vec<String>)> = edges
            .iter()
            .map(|(from, to)| (short(from), to.iter().map(|file| short(file)).collect()))
            .collect();
        let expected: [(&str, &[&str]); 5] = [
            ("a.rs", &[]),
            ("b.rs", &["a.rs", "room/inner.rs"]),
            ("lib.rs", &["a.rs"]),
            ("room/inner.rs", &["a.rs"]),
            ("room/mod.rs", &[]),
        ];
        assert_eq!(found.len(), expected.len());
        for ((from, to), (expected_from, expected_to)) in found.iter().zip(expected) {
            assert_eq!(
                (from.as_str(), to.iter().map(String::as_str).collect::<Vec<_>>()),
                (expected_from, expected_to.to_vec())
            );
        }
    }
}
