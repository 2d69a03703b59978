//! A parsed file as a tree that knows, for every key and value, the file and the bytes it came
//! from; and the merging of two such trees. Must not know which keys exist.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeFloat, DeInteger, DeTable, DeValue};

/// Bytes of one of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At {
    pub(super) file: usize,
    pub(super) span: Range<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    String(String),
    /// `None`: beyond 128 bits.
    Integer(Option<i128>),
    Float(f64),
    Boolean(bool),
    Datetime,
    Array(Vec<Node>),
    Table(Table),
}

impl Value {
    /// With its article, for messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Boolean(_) => "a boolean",
            Self::Datetime => "a date",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

/// Entries in the order of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_at: At,
    pub(super) node: Node,
}

impl Table {
    pub(super) fn new(file: usize, table: &DeTable<'_>) -> Self {
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().clone().into_owned(),
                key_at: At { file, span: key.span() },
                node: Node::new(file, value),
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_at.span.start);
        Self { entries }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Puts `over` on top: tables merge, everything else is replaced.
    pub(super) fn overlay(&mut self, over: Self) {
        let own: BTreeMap<_, _> =
            (self.entries.iter().enumerate()).map(|(index, entry)| (entry.key.clone(), index)).collect();
        for entry in over.entries {
            match own.get(&entry.key) {
                Some(index) => self.entries[*index].overlay(entry),
                None => self.entries.push(entry),
            }
        }
    }
}

impl Entry {
    fn overlay(&mut self, over: Self) {
        match (&mut self.node.value, over.node.value) {
            (Value::Table(own), Value::Table(over)) => own.overlay(over),
            (_, value) => {
                self.key_at = over.key_at;
                self.node = Node { at: over.node.at, value };
            }
        }
    }
}

impl Node {
    fn new(file: usize, value: &Spanned<DeValue<'_>>) -> Self {
        let at = At { file, span: value.span() };
        let value = match value.get_ref() {
            DeValue::String(text) => Value::String(text.clone().into_owned()),
            DeValue::Integer(number) => Value::Integer(integer(number)),
            DeValue::Float(number) => Value::Float(float(number)),
            DeValue::Boolean(value) => Value::Boolean(*value),
            DeValue::Datetime(_) => Value::Datetime,
            DeValue::Array(items) => Value::Array(items.iter().map(|item| Self::new(file, item)).collect()),
            DeValue::Table(table) => Value::Table(Table::new(file, table)),
        };
        Self { at, value }
    }
}

fn integer(number: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Overflow becomes infinity, which every range refuses.
fn float(number: &DeFloat<'_>) -> f64 {
    number.as_str().parse().unwrap_or(f64::NAN)
}
