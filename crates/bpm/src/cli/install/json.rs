//! Puts an entry into JSON and JSONC and takes it out again, leaving comments, order, indentation and line
//! endings as they are. The text is parsed for its places only; what is written are splices. Knows no files.

use std::ops::Range;

use jsonc_parser::ast::{Object, ObjectProp, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::tokens::{Token, TokenAndRange};
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};

use super::edit::{Difference, Entry, Fault, Field, Found, Made, Slot, Splice, apply, indent, newline};

/// What is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// JSON as the standard has it.
    Strict,
    /// With comments and trailing commas.
    Relaxed,
}

/// A file that can be edited.
#[derive(Debug)]
pub(super) struct Json<'t> {
    text: &'t str,
    root: Option<Object<'t>>,
    tokens: Vec<Mark>,
}

/// Something in the text that is no white space.
#[derive(Clone, Debug)]
struct Mark {
    range: Range<usize>,
    sign: Sign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Comma,
    Brace,
    /// Comments, too.
    Other,
}

impl<'t> Json<'t> {
    /// # Errors
    /// The first place that is no JSON, or where something else than an object stands.
    pub(super) fn parse(text: &'t str, dialect: Dialect) -> Result<Json<'t>, Fault> {
        let relaxed = dialect == Dialect::Relaxed;
        let options = ParseOptions {
            allow_comments: relaxed,
            allow_trailing_commas: relaxed,
            allow_loose_object_property_names: false,
            allow_missing_commas: false,
            allow_single_quoted_strings: false,
            allow_hexadecimal_numbers: false,
            allow_unary_plus_numbers: false,
            allow_bare_decimal_point_numbers: false,
            allow_non_finite_numbers: false,
            allow_extended_string_escapes: false,
        };
        // collected ones count as allowed
        let comments =
            if relaxed { CommentCollectionStrategy::AsTokens } else { CommentCollectionStrategy::Off };
        let collect = CollectOptions { comments, tokens: true };
        let parsed = parse_to_ast(text, &collect, &options).map_err(|error| {
            let message = error.kind().to_string();
            let mut letters = message.chars();
            let first = letters.next().map(|c| c.to_ascii_lowercase());
            Fault::at(text, error.range().start, first.into_iter().chain(letters).collect::<String>())
        })?;
        let root = match parsed.value {
            None => None,
            Some(Value::Object(root)) => Some(root),
            Some(other) => {
                let message = format!("expected an object, found {}", kind(&other));
                return Err(Fault::at(text, other.start(), message));
            }
        };
        let mark = |token: TokenAndRange<'_>| {
            let sign = match token.token {
                Token::Comma => Sign::Comma,
                Token::OpenBrace | Token::CloseBrace => Sign::Brace,
                _ => Sign::Other,
            };
            Mark { range: token.range.start..token.range.end, sign }
        };
        let tokens = parsed.tokens.unwrap_or_default().into_iter().map(mark).collect();
        Ok(Json { text, root, tokens })
    }

    /// What is there for `entry`.
    pub(super) fn find(&self, slot: Slot, entry: &Entry) -> Result<Found, Fault> {
        let Some(container) = self.container(slot)? else { return Ok(Found::Nothing) };
        let Some(found) = last(container, slot.name) else { return Ok(Found::Nothing) };
        let Some(object) = as_server(&found.value) else {
            return Ok(Found::Different(self.whole(&found.value, entry)));
        };
        let differs = |(key, field): &(&'static str, Field)| {
            let had = last(object, key).map(|property| &property.value);
            let before = had.map(|value| value.text(self.text));
            (!had.is_some_and(|value| says(value, field)))
                .then(|| Difference::new(key, before, Some(on_a_line(field))))
        };
        let differences: Vec<Difference> = entry.0.iter().filter_map(differs).collect();
        Ok(if differences.is_empty() { Found::Same } else { Found::Different(differences) })
    }

    /// How to have `entry` there. Nothing, if it is; what the user added to it stays.
    pub(super) fn put(&self, slot: Slot, entry: &Entry) -> Result<(Vec<Splice>, Made), Fault> {
        let Some(root) = &self.root else {
            let style = Style { newline: newline(self.text), unit: "  ", on_a_line: false, gap: " " };
            let value = style.object("  ", &[(slot.name, style.entry("    ", entry))]);
            let document = style.object("", &[(slot.container, value)]);
            let start = if self.text.is_empty() || self.text.ends_with('\n') { "" } else { style.newline };
            let text = format!("{start}{document}{}", style.newline);
            return Ok((vec![Splice::put(self.text.len(), text)], Made::Container));
        };
        let style = self.style(root);
        let Some(container) = self.container(slot)? else {
            let value = |style: Style<'_>, indent: &str| {
                let deeper = format!("{indent}{}", style.unit);
                style.object(indent, &[(slot.name, style.entry(&deeper, entry))])
            };
            return Ok((self.insert(root, style, slot.container, value), Made::Container));
        };
        let Some(found) = last(container, slot.name) else {
            let value = |style: Style<'_>, indent: &str| style.entry(indent, entry);
            return Ok((self.insert(container, style, slot.name, value), Made::Entry));
        };
        let splices = match as_server(&found.value) {
            Some(object) if !object.properties.is_empty() => self.amend(object, style, entry),
            _ => {
                let text = style.entry(indent(self.text, found.start()), entry);
                vec![Splice { range: range(&found.value), text }]
            }
        };
        Ok((splices, Made::Entry))
    }

    /// How to have it there no more; `made` says what may go with it. Nothing, if it is not there. One of
    /// several of the same name at a time.
    pub(super) fn take(&self, slot: Slot) -> Result<Vec<Splice>, Fault> {
        let Some(container) = self.container(slot)? else { return Ok(Vec::new()) };
        Ok(self.remove(container, slot.name))
    }

    /// How to take out the object that entries are in, if nothing is left in it.
    pub(super) fn take_container(&self, slot: Slot) -> Result<Vec<Splice>, Fault> {
        match (&self.root, self.container(slot)?) {
            (Some(root), Some(container)) if self.is_bare(container) => Ok(self.remove(root, slot.container)),
            _ => Ok(Vec::new()),
        }
    }

    /// Whether there is nothing in it, not even a comment.
    pub(super) fn is_empty(&self) -> bool {
        self.tokens.iter().all(|token| token.sign == Sign::Brace)
            && self.root.as_ref().is_none_or(|root| root.properties.is_empty())
    }

    fn container(&self, slot: Slot) -> Result<Option<&Object<'t>>, Fault> {
        let Some(property) = self.root.as_ref().and_then(|root| last(root, slot.container)) else {
            return Ok(None);
        };
        match &property.value {
            Value::Object(object) => Ok(Some(object)),
            other => {
                let message = format!("expected an object as `{}`, found {}", slot.container, kind(other));
                Err(Fault::at(self.text, other.start(), message))
            }
        }
    }

    /// What an entry that is replaced as a whole says, and what it is to say.
    fn whole(&self, value: &Value<'_>, entry: &Entry) -> Vec<Difference> {
        let wanted = |key: &str| entry.0.iter().find(|(wanted, _)| *wanted == key);
        let mut differences = Vec::new();
        let properties = value.as_object().map_or(&[][..], |object| &object.properties[..]);
        for property in properties.iter().filter(|property| wanted(property.name.as_str()).is_none()) {
            let before = property.value.text(self.text);
            differences.push(Difference::new(property.name.as_str(), Some(before), None));
        }
        for (key, field) in &entry.0 {
            let had = properties.iter().find(|property| property.name.as_str() == *key);
            if !had.is_some_and(|property| says(&property.value, field)) {
                let before = had.map(|property| property.value.text(self.text));
                differences.push(Difference::new(key, before, Some(on_a_line(field))));
            }
        }
        differences
    }

    /// Makes the fields of an entry as wanted and leaves the others.
    fn amend(&self, object: &Object<'t>, style: Style<'_>, entry: &Entry) -> Vec<Splice> {
        let mut splices = Vec::new();
        for (key, field) in &entry.0 {
            match last(object, key) {
                Some(property) if says(&property.value, field) => {}
                Some(property) => {
                    splices.push(Splice { range: range(&property.value), text: on_a_line(field) });
                }
                None => splices.extend(self.insert(object, style, key, |_, _| on_a_line(field))),
            }
        }
        splices
    }

    /// How the file is written, as far as what is put in should look the same.
    fn style(&self, root: &Object<'t>) -> Style<'t> {
        let unit = root.properties.first().filter(|first| self.begins_line(root.start() + 1, first.start()));
        let unit = unit.map(|first| {
            let (inner, outer) = (indent(self.text, first.start()), indent(self.text, root.start()));
            inner.strip_prefix(outer).unwrap_or(inner)
        });
        Style {
            newline: newline(self.text),
            unit: unit.filter(|unit| !unit.is_empty()).unwrap_or("  "),
            on_a_line: !root.properties.is_empty() && !root.text(self.text).contains('\n'),
            gap: self.gap(root),
        }
    }

    /// What follows a colon there, as far as one can tell.
    fn gap(&self, object: &Object<'t>) -> &'static str {
        let colon = object.properties.first().map(|first| &self.text[first.name.end()..first.value.start()]);
        if colon.is_some_and(|colon| colon.ends_with(':')) { "" } else { " " }
    }

    /// Puts a member at the end of an object. `value` is given the indentation of the member.
    fn insert(
        &self,
        object: &Object<'t>,
        style: Style<'_>,
        key: &str,
        value: impl Fn(Style<'_>, &str) -> String,
    ) -> Vec<Splice> {
        let (open, close) = (object.start() + 1, object.end() - 1);
        let member =
            |style: Style<'_>, indent: &str| format!("{}:{}{}", quoted(key), style.gap, value(style, indent));
        let (Some(first), Some(last)) = (object.properties.first(), object.properties.last()) else {
            return self.fill(open..close, style, member);
        };
        let comma = self.tokens_in(last.end()..close).find(|token| token.sign == Sign::Comma);
        let anchor = comma.map_or(last.end(), |comma| comma.range.end);
        let (at, text) = if self.begins_line(open, first.start()) {
            let indent = indent(self.text, first.start());
            (self.end_of_line(anchor, close), format!("{}{indent}{}", style.newline, member(style, indent)))
        } else {
            let style = Style { on_a_line: true, gap: self.gap(object), ..style };
            (anchor, format!("{}{}", style.gap, member(style, "")))
        };
        match comma {
            Some(_) => vec![Splice::put(at, format!("{text},"))],
            None => vec![Splice::put(last.end(), ","), Splice::put(at, text)],
        }
    }

    /// Puts a member into an object that has none.
    fn fill(
        &self,
        inner: Range<usize>,
        style: Style<'_>,
        member: impl Fn(Style<'_>, &str) -> String,
    ) -> Vec<Splice> {
        let outer = indent(self.text, inner.start);
        let deeper = format!("{outer}{}", style.unit);
        let comment = self.tokens_in(inner.clone()).last().map(|token| token.range.end);
        if style.on_a_line && comment.is_none() {
            return vec![Splice::put(inner.start, member(style, ""))];
        }
        let begin = comment.unwrap_or(inner.start);
        let ends_line = self.text[begin..inner.end].contains('\n');
        let at = if ends_line { begin } else { inner.end };
        let end = if ends_line { String::new() } else { format!("{}{outer}", style.newline) };
        vec![Splice::put(at, format!("{}{deeper}{}{end}", style.newline, member(style, &deeper)))]
    }

    /// Takes out the last member of that name.
    fn remove(&self, object: &Object<'t>, name: &str) -> Vec<Splice> {
        let Some(position) = object.properties.iter().rposition(|property| property.name.as_str() == name)
        else {
            return Vec::new();
        };
        let (member, close) = (range(&object.properties[position]), object.end() - 1);
        let next = object.properties.get(position + 1).map_or(close, Ranged::start);
        let comma = self.tokens_in(member.end..next).find(|token| token.sign == Sign::Comma);
        let end = comma.map_or(member.end, |comma| comma.range.end);
        let before = self.text[..member.start].trim_end().len().max(object.start() + 1);
        let blank = |range: Range<usize>| self.text[range].trim().is_empty();
        if object.properties.len() == 1 && blank(object.start() + 1..member.start) && blank(end..close) {
            return vec![Splice::take(object.start() + 1..close)];
        }
        let mut splices = Vec::new();
        if comma.is_none() && position > 0 {
            let previous = object.properties[position - 1].end();
            let comma = self.tokens_in(previous..member.start).find(|token| token.sign == Sign::Comma);
            splices.extend(comma.map(|comma| Splice::take(comma.range.clone())));
        }
        let rest = &self.text[end..];
        let same_line = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let next = self.text[end + same_line..].chars().next();
        let ends_line = matches!(next, None | Some('\n' | '\r' | '}'));
        let range = match (self.begins_line(before, member.start), ends_line) {
            // a whole line, with the line feed before it
            (true, true) => {
                let feed = self.text[..member.start].rfind('\n').unwrap_or(before);
                feed - usize::from(self.text[..feed].ends_with('\r'))..end
            }
            (false, true) => before..end,
            (true | false, false) => member.start..end + same_line,
        };
        splices.push(Splice::take(range));
        splices
    }

    /// Whether nothing but white space and a line feed is right before `at`, down to `from`.
    fn begins_line(&self, from: usize, at: usize) -> bool {
        let before = &self.text[from.min(at)..at];
        before.trim_end_matches([' ', '\t']).ends_with('\n')
    }

    /// Behind the comments that are on the same line as `at`.
    fn end_of_line(&self, mut at: usize, limit: usize) -> usize {
        for token in self.tokens_in(at..limit) {
            if self.text[at..token.range.start].contains('\n') {
                break;
            }
            at = token.range.end;
        }
        at
    }

    fn is_bare(&self, object: &Object<'t>) -> bool {
        self.tokens_in(object.start() + 1..object.end() - 1).next().is_none()
    }

    fn tokens_in(&self, range: Range<usize>) -> impl Iterator<Item = &Mark> {
        let first = self.tokens.partition_point(|token| token.range.start < range.start);
        self.tokens[first..].iter().take_while(move |token| token.range.end <= range.end)
    }
}

/// How text is laid out.
#[derive(Clone, Copy, Debug)]
struct Style<'t> {
    newline: &'static str,
    unit: &'t str,
    on_a_line: bool,
    /// After a colon, and after a comma on a line.
    gap: &'static str,
}

impl Style<'_> {
    fn entry(&self, indent: &str, entry: &Entry) -> String {
        let fields: Vec<_> = entry.0.iter().map(|(key, field)| (*key, on_a_line(field))).collect();
        self.object(indent, &fields)
    }

    /// `indent` is that of the line on which it begins.
    fn object(&self, indent: &str, members: &[(&str, String)]) -> String {
        let Style { newline, unit, on_a_line, gap } = self;
        let members = members.iter().map(|(key, value)| format!("{}:{gap}{value}", quoted(key)));
        if *on_a_line {
            return format!("{{{}}}", members.collect::<Vec<_>>().join(&format!(",{gap}")));
        }
        let members: Vec<_> = members.map(|member| format!("{newline}{indent}{unit}{member}")).collect();
        format!("{{{}{newline}{indent}}}", members.join(","))
    }
}

/// An entry as a document of its own.
pub(super) fn document(slot: Slot, entry: &Entry) -> String {
    let splices = Json { text: "", root: None, tokens: Vec::new() }.put(slot, entry);
    splices.map(|(splices, _)| apply("", &splices)).unwrap_or_default()
}

/// The last one counts, as everybody has it.
fn last<'o, 't>(object: &'o Object<'t>, name: &str) -> Option<&'o ObjectProp<'t>> {
    object.properties.iter().rfind(|property| property.name.as_str() == name)
}

/// An entry whose fields can be amended: one that starts a program.
fn as_server<'v, 't>(value: &'v Value<'t>) -> Option<&'v Object<'t>> {
    const REMOTE: [&str; 3] = ["url", "httpUrl", "serverUrl"];
    value.as_object().filter(|object| !REMOTE.iter().any(|key| last(object, key).is_some()))
}

fn says(value: &Value<'_>, field: &Field) -> bool {
    let text = |value: &Value<'_>| value.as_string_lit().map(|text| text.value.clone().into_owned());
    match field {
        Field::Text(wanted) => text(value).as_ref() == Some(wanted),
        Field::List(wanted) => value.as_array().is_some_and(|array| {
            array.elements.iter().map(text).eq(wanted.iter().map(|word| Some(word.clone())))
        }),
    }
}

fn on_a_line(field: &Field) -> String {
    match field {
        Field::Text(text) => quoted(text),
        Field::List(words) => {
            format!("[{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn range(of: &impl Ranged) -> Range<usize> {
    of.start()..of.end()
}

fn kind(value: &Value<'_>) -> &'static str {
    match value {
        Value::StringLit(_) => "a string",
        Value::NumberLit(_) => "a number",
        Value::BooleanLit(_) => "a boolean",
        Value::Object(_) => "an object",
        Value::Array(_) => "an array",
        Value::NullKeyword(_) => "null",
    }
}
