//! Walks a tree, hands out its fields and collects faults: unknown keys, wrong types, missing
//! keys. Must not know what a single key means.

use super::fault::{Fault, FaultKind, MAX_KEPT, What, tick};
use super::keys;
use super::text::Text;
use super::tree::{At, Entry, Node, Table, Value};

#[derive(Debug)]
pub(super) struct Reader<'a> {
    files: &'a [Text<'a>],
    /// With the index of the file.
    faults: Vec<(usize, Fault)>,
    more: usize,
    /// Whether a key that is not in the tree is really absent: not so if part of a file could
    /// not be parsed, or if a second file is still to be merged.
    whole: bool,
    /// Keys that were looked for, to be compared with the table of keys.
    #[cfg(test)]
    pub(super) asked: std::collections::BTreeSet<String>,
}

/// A table whose keys are known.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    /// Its name in the table of keys.
    section: &'static str,
    /// Its dotted name in the file.
    path: String,
    /// Where to point when something is missing in it.
    at: &'n At,
    table: &'n Table,
}

/// A key and its value, or an element of an array.
#[derive(Debug)]
pub(super) struct Field<'n> {
    /// Dotted, from the top.
    pub(super) path: String,
    /// The key, or the index in brackets.
    pub(super) name: String,
    /// For messages: the key, within a smaller table with the table's name.
    pub(super) label: String,
    pub(super) key_at: &'n At,
    pub(super) node: &'n Node,
}

impl<'n> Field<'n> {
    /// `parent` is the dotted name of the table, `label` what messages call it (perhaps nothing).
    pub(super) fn new(parent: &str, label: &str, entry: &'n Entry) -> Self {
        let within = |table: &str| match table {
            "" => entry.key.clone(),
            table => format!("{table}.{}", entry.key),
        };
        Self {
            path: within(parent),
            name: entry.key.clone(),
            label: within(label),
            key_at: &entry.key_at,
            node: &entry.node,
        }
    }

    pub(super) fn element(&self, index: usize, node: &'n Node) -> Self {
        let within = |array: &str| format!("{array}[{index}]");
        Self {
            path: within(&self.path),
            name: within(""),
            label: within(&self.label),
            key_at: &node.at,
            node,
        }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(files: &'a [Text<'a>], whole: bool) -> Self {
        Self {
            files,
            faults: Vec::new(),
            more: 0,
            whole,
            #[cfg(test)]
            asked: std::collections::BTreeSet::new(),
        }
    }

    /// The faults with the index of their file, and how many more were not kept.
    pub(super) fn into_faults(self) -> (Vec<(usize, Fault)>, usize) {
        (self.faults, self.more)
    }

    pub(super) fn fault(&mut self, at: &At, what: What) {
        if self.faults.len() < MAX_KEPT {
            let fault = Fault::new(&self.files[at.file], at.span.clone(), what);
            self.faults.push((at.file, fault));
        } else {
            self.more += 1;
        }
    }

    /// The fields of a table; keys that it should not have are reported here.
    pub(super) fn fields<'n>(
        &mut self,
        section: &'static str,
        path: &str,
        at: &'n At,
        table: &'n Table,
    ) -> Fields<'n> {
        for entry in &table.entries {
            if !keys::children(section).any(|known| known == entry.key) {
                self.unknown_key(section, path, entry);
            }
        }
        Fields { section, path: path.to_owned(), at, table }
    }

    /// As [`Self::fields`], for a field that must be a table; `section` is its name in the table
    /// of keys.
    pub(super) fn table<'n>(&mut self, section: &'static str, field: &Field<'n>) -> Option<Fields<'n>> {
        match &field.node.value {
            Value::Table(table) => Some(self.fields(section, &field.path, field.key_at, table)),
            _ => {
                let names: Vec<_> = keys::children(section).collect();
                let form = format!("a table `{{ {} }}`", names.join(", "));
                self.wrong_type(field, &form, None);
                None
            }
        }
    }

    pub(super) fn get<'n>(&mut self, fields: &Fields<'n>, name: &'static str) -> Option<Field<'n>> {
        #[cfg(test)]
        self.asked.insert(format!("{}.{name}", fields.section).trim_start_matches('.').to_owned());
        debug_assert!(keys::children(fields.section).any(|known| known == name));
        let entry = fields.table.get(name)?;
        let label = match fields.section {
            keys::PROCESS => "",
            section => section.rsplit('.').next().unwrap_or_default(),
        };
        Some(Field::new(&fields.path, label, entry))
    }

    /// As [`Self::get`], with a fault when the key is absent.
    pub(super) fn need<'n>(&mut self, fields: &Fields<'n>, name: &'static str) -> Option<Field<'n>> {
        let found = self.get(fields, name);
        if found.is_none() {
            let message = format!("{} lacks `{name}`", tick(&fields.path));
            self.missing(fields.at, &fields.path, message, None);
        }
        found
    }

    fn unknown_key(&mut self, section: &'static str, path: &str, entry: &Entry) {
        let found = tick(&entry.key);
        let (kind, message, suggestion) = if keys::comes_later(section, &entry.key) {
            let message = format!("this version does not have {found} yet");
            (FaultKind::NotYet, message, Some("remove it".to_owned()))
        } else {
            let place = match path {
                "" => String::new(),
                path => format!(" in {}", tick(path)),
            };
            let message = format!("unknown key {found}{place}");
            (FaultKind::UnknownKey, message, suggest_key(section, entry))
        };
        let what = What { kind, key: Field::new(path, "", entry).path, message, suggestion };
        self.fault(&entry.key_at, what);
    }

    pub(super) fn wrong_type(&mut self, field: &Field<'_>, expected: &str, help: Option<String>) {
        let found = field.node.value.type_name();
        let message = format!("{} expects {expected}, found {found}", tick(&field.label));
        self.about(field, FaultKind::WrongType, message, help);
    }

    pub(super) fn bad_value(&mut self, field: &Field<'_>, expected: &str, help: Option<String>) {
        let At { file, span } = &field.node.at;
        let found = match &field.node.value {
            Value::String(text) => tick(text),
            _ => tick(&self.files[*file].text[span.clone()]),
        };
        let message = format!("{} is {found}, expected {expected}", tick(&field.label));
        self.about(field, FaultKind::BadValue, message, help);
    }

    /// A fault at the field's value.
    pub(super) fn about(
        &mut self,
        field: &Field<'_>,
        kind: FaultKind,
        message: String,
        suggestion: Option<String>,
    ) {
        let what = What { kind, key: field.path.clone(), message, suggestion };
        self.fault(&field.node.at, what);
    }

    /// A fault at the field's key, for example because of its name.
    pub(super) fn about_key(&mut self, field: &Field<'_>, kind: FaultKind, message: String) {
        let what = What { kind, key: field.path.clone(), message, suggestion: None };
        self.fault(field.key_at, what);
    }

    /// A fault at the field's key; said only of the whole configuration.
    pub(super) fn conflict(&mut self, field: &Field<'_>, message: String, help: Option<String>) {
        if self.whole {
            let what = What { kind: FaultKind::Conflict, key: field.path.clone(), message, suggestion: help };
            self.fault(field.key_at, what);
        }
    }

    /// A fault about what is not there; said only of the whole configuration.
    pub(super) fn missing(&mut self, at: &At, path: &str, message: String, help: Option<String>) {
        if self.whole {
            let what = What { kind: FaultKind::Missing, key: path.to_owned(), message, suggestion: help };
            self.fault(at, what);
        }
    }
}

fn suggest_key(section: &'static str, entry: &Entry) -> Option<String> {
    match keys::elsewhere(section, &entry.key) {
        Some("") => {
            return Some("it belongs at the top of the file, before the first `[table]`".to_owned());
        }
        Some(_) if section.is_empty() => {
            return Some("it belongs in a `[process.NAME]` table".to_owned());
        }
        _ => {}
    }
    if let Some(near) = keys::nearest(&entry.key, keys::children(section)) {
        return Some(format!("did you mean `{near}`?"));
    }
    let is_table = matches!(entry.node.value, Value::Table(_));
    if section.is_empty() && is_table {
        let header = tick(&format!("[process.{}]", entry.key));
        return Some(format!("a process is written {header}"));
    }
    None
}
