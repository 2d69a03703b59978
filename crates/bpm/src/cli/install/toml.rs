//! Puts an entry into TOML, as a table of its own at the end, and takes it out again, leaving everything else
//! as it is. The text is parsed for its places only; what is written are splices. Knows no files.

use std::ops::Range;

use toml_edit::{Document, Item, Key, Table, TableLike};

use super::edit::{Difference, Entry, Fault, Field, Found, Slot, Splice, line_start, newline};

/// A file that can be edited.
#[derive(Debug)]
pub(super) struct Toml<'t> {
    text: &'t str,
    document: Document<&'t str>,
}

impl<'t> Toml<'t> {
    /// # Errors
    /// The first place that is no TOML.
    pub(super) fn parse(text: &'t str) -> Result<Toml<'t>, Fault> {
        match Document::parse(text) {
            Ok(document) => Ok(Toml { text, document }),
            Err(error) => {
                let at = error.span().map_or(text.len(), |span| span.start);
                Err(Fault::at(text, at, error.message().replace('\n', ", ")))
            }
        }
    }

    /// What is there for `entry`.
    pub(super) fn find(&self, slot: Slot, entry: &Entry) -> Result<Found, Fault> {
        let Some((_, found)) = self.entry(slot)? else { return Ok(Found::Nothing) };
        let Some(table) = found.as_table_like() else {
            return Err(self.no_table(found, &format!("{}.{}", slot.container, slot.name)));
        };
        let mut differences = Vec::new();
        for (key, value) in table.iter().filter(|(key, _)| is_remote(table) && !wants(entry, key)) {
            differences.push(Difference::new(key, self.shown(value).as_deref(), None));
        }
        for (key, field) in &entry.0 {
            let had = table.get(key);
            if !had.is_some_and(|value| says(value, field)) {
                let before = had.and_then(|value| self.shown(value));
                differences.push(Difference::new(key, before.as_deref(), Some(written(field))));
            }
        }
        Ok(if differences.is_empty() { Found::Same } else { Found::Different(differences) })
    }

    /// How to have `entry` there; what the user added to it stays.
    pub(super) fn put(&self, slot: Slot, entry: &Entry) -> Result<Vec<Splice>, Fault> {
        let Some((_, found)) = self.entry(slot)? else { return self.append(slot, entry) };
        match found {
            Item::Table(table) if !table.is_dotted() && !table.is_implicit() && !is_remote(table) => {
                self.amend(table, entry)
            }
            _ => {
                let mut splices = self.take(slot)?;
                splices.extend(self.append(slot, entry)?);
                Ok(splices)
            }
        }
    }

    /// How to have it there no more. Comments on lines of their own stay.
    pub(super) fn take(&self, slot: Slot) -> Result<Vec<Splice>, Fault> {
        let Some((key, found)) = self.entry(slot)? else { return Ok(Vec::new()) };
        let mut lines = Vec::new();
        self.lines_of(key, found, &mut lines);
        lines.sort_by_key(|range| range.start);
        let mut splices: Vec<Splice> = Vec::new();
        for range in lines {
            match splices.last_mut() {
                Some(last) if range.start <= last.range.end => {
                    last.range.end = last.range.end.max(range.end);
                }
                _ => splices.push(Splice::take(range)),
            }
        }
        for Splice { range, .. } in &mut splices {
            range.start = self.without_blank_line(range.start, range.end);
        }
        Ok(splices)
    }

    /// The entry and its key.
    fn entry(&self, slot: Slot) -> Result<Option<(&Key, &Item)>, Fault> {
        let Some(container) = self.document.as_table().get(slot.container) else { return Ok(None) };
        let Some(table) = container.as_table_like() else {
            return Err(self.no_table(container, slot.container));
        };
        let found = table.get_key_value(slot.name);
        match (found, container) {
            (Some(_), Item::Value(_)) => Err(self.inline(container, slot)),
            (found, _) => Ok(found),
        }
    }

    fn append(&self, slot: Slot, entry: &Entry) -> Result<Vec<Splice>, Fault> {
        if let Some(container) = self.document.as_table().get(slot.container).filter(|item| item.is_value()) {
            return Err(self.inline(container, slot));
        }
        let newline = newline(self.text);
        let mut text = String::new();
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            text.push_str(newline);
        }
        if !self.text.trim().is_empty() && !self.text.ends_with(&format!("{newline}{newline}")) {
            text.push_str(newline);
        }
        text.push_str(&section(slot, entry, newline));
        Ok(vec![Splice::put(self.text.len(), text)])
    }

    /// Makes the fields of a table as wanted and leaves the others.
    fn amend(&self, table: &Table, entry: &Entry) -> Result<Vec<Splice>, Fault> {
        let header = table.span().unwrap_or_default();
        let mut splices = Vec::new();
        for (key, field) in &entry.0 {
            match table.get(key) {
                Some(value) if says(value, field) => {}
                Some(Item::Value(value)) => {
                    let range = value.span().unwrap_or_default();
                    splices.push(Splice { range, text: written(field) });
                }
                Some(other) => return Err(self.no_value(other, key)),
                None => {
                    let at = self.line_end(header.end);
                    let newline = newline(self.text);
                    let start = if self.text[..at].ends_with('\n') { "" } else { newline };
                    splices.push(Splice::put(at, format!("{start}{key} = {}{newline}", written(field))));
                }
            }
        }
        Ok(splices)
    }

    /// The whole lines on which an item is written.
    fn lines_of(&self, key: &Key, item: &Item, lines: &mut Vec<Range<usize>>) {
        match item {
            Item::Table(table) => {
                if !table.is_dotted() && !table.is_implicit() {
                    lines.extend(table.span().map(|span| self.whole_lines(span)));
                }
                for (name, item) in table {
                    if let Some((key, _)) = table.get_key_value(name) {
                        self.lines_of(key, item, lines);
                    }
                }
            }
            Item::ArrayOfTables(tables) => {
                for table in tables {
                    self.lines_of(key, &Item::Table(table.clone()), lines);
                }
            }
            Item::Value(value) => {
                let start = key.span().map(|span| span.start);
                if let (Some(start), Some(span)) = (start, value.span()) {
                    lines.push(self.whole_lines(start..span.end));
                }
            }
            Item::None => {}
        }
    }

    fn whole_lines(&self, range: Range<usize>) -> Range<usize> {
        line_start(self.text, range.start)..self.line_end(range.end)
    }

    /// Behind the line feed of the line that `at` is on.
    fn line_end(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |feed| at + feed + 1)
    }

    /// The blank line before it goes too, if there is another after it, or the end.
    fn without_blank_line(&self, start: usize, end: usize) -> usize {
        let blank_after = self.text[end..].lines().next().is_none_or(|line| line.trim().is_empty());
        let before = &self.text[..start];
        let Some(line) = before.strip_suffix('\n') else { return start };
        let last = line_start(line, line.len());
        if blank_after && line[last..].trim().is_empty() { last } else { start }
    }

    fn shown(&self, item: &Item) -> Option<String> {
        item.span().and_then(|span| self.text.get(span)).map(str::to_owned)
    }

    fn no_table(&self, item: &Item, name: &str) -> Fault {
        let message = format!("expected a table as `{name}`, found {}", item.type_name());
        Fault::at(self.text, item.span().map_or(0, |span| span.start), message)
    }

    fn no_value(&self, item: &Item, key: &str) -> Fault {
        let message = format!("expected a value for `{key}`, found {}", item.type_name());
        Fault::at(self.text, item.span().map_or(0, |span| span.start), message)
    }

    fn inline(&self, container: &Item, slot: Slot) -> Fault {
        let message = format!(
            "expected tables like `[{0}.{1}]`, found all of `{0}` in one inline table",
            slot.container, slot.name
        );
        Fault::at(self.text, container.span().map_or(0, |span| span.start), message)
    }
}

/// An entry as a document of its own.
pub(super) fn document(slot: Slot, entry: &Entry) -> String {
    section(slot, entry, "\n")
}

fn section(slot: Slot, entry: &Entry, newline: &str) -> String {
    let mut text = format!("[{}.{}]{newline}", slot.container, slot.name);
    for (key, field) in &entry.0 {
        text.push_str(&format!("{key} = {}{newline}", written(field)));
    }
    text
}

fn is_remote(table: &dyn TableLike) -> bool {
    table.contains_key("url")
}

fn wants(entry: &Entry, key: &str) -> bool {
    entry.0.iter().any(|(wanted, _)| *wanted == key)
}

fn says(item: &Item, field: &Field) -> bool {
    match field {
        Field::Text(wanted) => item.as_str() == Some(wanted),
        Field::List(wanted) => item.as_array().is_some_and(|array| {
            array.iter().map(toml_edit::Value::as_str).eq(wanted.iter().map(|word| Some(word.as_str())))
        }),
    }
}

fn written(field: &Field) -> String {
    match field {
        Field::Text(text) => quoted(text),
        Field::List(words) => {
            format!("[{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A basic string: JSON's escapes are TOML's, but for DEL, which TOML wants escaped, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}
