//! Reads single values: numbers with their ranges, sizes, strings, choices, command lines.
//! Owns what is possible for a value. Must not know which key has which.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::fault::FaultKind;
use super::keys;
use super::model::{CommandLine, PerMode, Signal};
use super::reader::{Field, Fields, Reader};
use super::tree::Value;

const KIB: u64 = 1024;
/// A program that writes 64 KiB without a pause would otherwise lose what it just said.
const MIN_LOG_BYTES: u64 = 64 * KIB;
const MAX_LOG_BYTES: u64 = 16 * KIB * KIB * KIB * KIB;

/// Unit of a duration key; the keys carry it in their names.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    Seconds,
    Minutes,
    Hours,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Minutes => "minutes",
            Self::Hours => "hours",
        }
    }

    fn seconds(self) -> f64 {
        match self {
            Self::Seconds => 1.0,
            Self::Minutes => 60.0,
            Self::Hours => 3600.0,
        }
    }
}

impl Reader<'_> {
    /// A number in the range, as a duration; fractions are allowed.
    pub(super) fn duration(
        &mut self,
        field: &Field<'_>,
        unit: Unit,
        range: RangeInclusive<f64>,
    ) -> Option<Duration> {
        let number = match &field.node.value {
            Value::Integer(Some(number)) => *number as f64,
            Value::Integer(None) => f64::INFINITY,
            Value::Float(number) => *number,
            value => {
                let help = unquoted(value, |text| text.parse::<f64>().is_ok());
                self.wrong_type(field, &format!("a number of {}", unit.name()), help);
                return None;
            }
        };
        let duration = Duration::try_from_secs_f64(number * unit.seconds()).ok();
        if duration.is_none() || !range.contains(&number) {
            let (least, most) = range.into_inner();
            let expected = format!("{least} to {most} {}", unit.name());
            self.bad_value(field, &expected, None);
            return None;
        }
        duration
    }

    pub(super) fn integer(&mut self, field: &Field<'_>, range: RangeInclusive<u32>) -> Option<u32> {
        let (least, most) = (range.start(), range.end());
        let expected = format!("an integer from {least} to {most}");
        match &field.node.value {
            Value::Integer(number) => {
                let number = number.and_then(|number| u32::try_from(number).ok());
                let number = number.filter(|number| range.contains(number));
                if number.is_none() {
                    self.bad_value(field, &expected, None);
                }
                number
            }
            value => {
                let help = unquoted(value, |text| text.parse::<u32>().is_ok());
                self.wrong_type(field, &expected, help);
                None
            }
        }
    }

    /// Bytes: an integer, or a string with a suffix.
    pub(super) fn log_bytes(&mut self, field: &Field<'_>) -> Option<u64> {
        let bytes = match &field.node.value {
            Value::Integer(number) => number.and_then(|number| u64::try_from(number).ok()),
            Value::String(text) => match size(text) {
                Some(bytes) => Some(bytes),
                None => {
                    let help = size_help(text);
                    self.bad_value(field, "a size such as `512M`", Some(help));
                    return None;
                }
            },
            _ => {
                let expected = "a number of bytes or a size such as \"512M\"";
                self.wrong_type(field, expected, None);
                return None;
            }
        };
        let bytes = bytes.filter(|bytes| (MIN_LOG_BYTES..=MAX_LOG_BYTES).contains(bytes));
        if bytes.is_none() {
            let help = "K, M, G and T are powers of 1024".to_owned();
            self.bad_value(field, "64K (65536 bytes) to 16T", Some(help));
        }
        bytes
    }

    pub(super) fn boolean(&mut self, field: &Field<'_>) -> Option<bool> {
        match &field.node.value {
            Value::Boolean(value) => Some(*value),
            value => {
                let help = unquoted(value, |text| text == "true" || text == "false");
                self.wrong_type(field, "`true` or `false`", help);
                None
            }
        }
    }

    /// Any string that the system can take, the empty one too.
    pub(super) fn string<'n>(&mut self, field: &Field<'n>) -> Option<&'n str> {
        match &field.node.value {
            Value::String(text) if text.contains('\0') => {
                let message = format!("`{}` contains a NUL character", field.label);
                let help = "no program can be given one".to_owned();
                self.about(field, FaultKind::BadValue, message, Some(help));
                None
            }
            Value::String(text) => Some(text),
            value => {
                let help = match value {
                    Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime => {
                        Some("put it in quotes".to_owned())
                    }
                    Value::String(_) | Value::Array(_) | Value::Table(_) => None,
                };
                self.wrong_type(field, "a string", help);
                None
            }
        }
    }

    /// A string with something in it.
    pub(super) fn text(&mut self, field: &Field<'_>) -> Option<String> {
        let text = self.string(field)?;
        if text.trim().is_empty() {
            let message = format!("`{}` is empty", field.label);
            self.about(field, FaultKind::BadValue, message, None);
            return None;
        }
        Some(text.to_owned())
    }

    /// A name that cargo takes as an argument of its own.
    pub(super) fn cargo_name(&mut self, field: &Field<'_>) -> Option<String> {
        let name = self.text(field)?;
        if name.starts_with('-') || name.contains(char::is_whitespace) {
            self.bad_value(field, "a name without blanks that does not begin with `-`", None);
            return None;
        }
        Some(name)
    }

    pub(super) fn profile(&mut self, field: &Field<'_>) -> Option<String> {
        let name = self.cargo_name(field)?;
        if name == "debug" {
            let help = "cargo calls it `dev`".to_owned();
            self.bad_value(field, "a cargo profile", Some(help));
            return None;
        }
        Some(name)
    }

    pub(super) fn array<T>(
        &mut self,
        field: &Field<'_>,
        mut read: impl FnMut(&mut Self, &Field<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::Array(items) = &field.node.value else {
            let help = match &field.node.value {
                Value::String(_) => Some("put it in brackets".to_owned()),
                _ => None,
            };
            self.wrong_type(field, "an array of strings", help);
            return None;
        };
        let read: Vec<_> =
            (items.iter().enumerate()).map(|(index, node)| read(self, &field.element(index, node))).collect();
        read.into_iter().collect()
    }

    pub(super) fn strings(&mut self, field: &Field<'_>) -> Option<Vec<String>> {
        self.array(field, |reader, item| reader.string(item).map(str::to_owned))
    }

    pub(super) fn choice<T: Copy>(&mut self, field: &Field<'_>, choices: &[(&'static str, T)]) -> Option<T> {
        let names = || choices.iter().map(|(name, _)| *name);
        let Value::String(found) = &field.node.value else {
            self.wrong_type(field, &one_of(names()), None);
            return None;
        };
        let choice = choices.iter().find(|(name, _)| name == found);
        if choice.is_none() {
            let near = keys::nearest(found, names());
            let help = near.map(|near| format!("did you mean `{near}`?"));
            self.bad_value(field, &one_of(names()), help);
        }
        choice.map(|(_, value)| *value)
    }

    pub(super) fn signal(&mut self, field: &Field<'_>) -> Option<Signal> {
        let by_number = |number| {
            let signal = Signal::from_number(number)?;
            Some(format!("write \"{}\"", signal.name()))
        };
        let names = || Signal::ALL.iter().map(|signal| signal.name());
        match &field.node.value {
            Value::String(found) => {
                let signal = Signal::from_name(found);
                if signal.is_none() {
                    let near = keys::nearest(found, names());
                    let near = near.map(|near| format!("did you mean `{near}`?"));
                    let number = found.parse().ok().and_then(by_number);
                    self.bad_value(field, &one_of(names()), number.or(near));
                }
                signal
            }
            Value::Integer(number) => {
                let help = number.and_then(by_number);
                self.wrong_type(field, "the name of a signal", help);
                None
            }
            _ => {
                self.wrong_type(field, "the name of a signal", None);
                None
            }
        }
    }

    /// An argv array, or a string for a shell.
    pub(super) fn command_line(&mut self, field: &Field<'_>) -> Option<CommandLine> {
        match &field.node.value {
            Value::String(_) => self.text(field).map(CommandLine::Shell),
            Value::Array(items) if items.is_empty() => {
                let message = format!("`{}` is an empty array, expected a program", field.label);
                let help = "for example [\"npm\", \"run\", \"dev\"]".to_owned();
                self.about(field, FaultKind::BadValue, message, Some(help));
                None
            }
            Value::Array(items) => {
                let argv = self.strings(field)?;
                if argv[0].trim().is_empty() {
                    self.text(&field.element(0, &items[0]))?;
                }
                Some(CommandLine::Argv(argv))
            }
            _ => {
                self.wrong_type(field, "an array of strings, or a string for a shell", None);
                None
            }
        }
    }

    /// A value for both modes, or a table with one for each.
    pub(super) fn per_mode<T: Clone>(
        &mut self,
        section: &'static str,
        field: &Field<'_>,
        mut read: impl FnMut(&mut Self, &Field<'_>) -> Option<T>,
    ) -> PerMode<Option<T>> {
        let Value::Table(table) = &field.node.value else {
            let value = read(self, field);
            return PerMode { dev: value.clone(), release: value };
        };
        if table.entries.is_empty() {
            let message = format!("`{}` is empty, expected `dev`, `release` or both", field.label);
            self.missing(&field.node.at, &field.path, message, None);
        }
        let fields = self.fields(section, &field.path, field.key_at, table);
        let mut side = |name| {
            let field = self.get(&fields, name)?;
            read(self, &field)
        };
        PerMode { dev: side("dev"), release: side("release") }
    }

    /// What `read` makes of the field, if the table has it.
    pub(super) fn optional<'n, T>(
        &mut self,
        fields: &Fields<'n>,
        name: &'static str,
        read: impl FnOnce(&mut Self, &Field<'n>) -> Option<T>,
    ) -> Option<T> {
        let field = self.get(fields, name)?;
        read(self, &field)
    }
}

/// `512M` and the like; a bare number is bytes.
fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let power = match &text[digits.len()..] {
        "" => 0,
        "K" | "k" | "KiB" => 1,
        "M" | "m" | "MiB" => 2,
        "G" | "g" | "GiB" => 3,
        "T" | "t" | "TiB" => 4,
        _ => return None,
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // What does not fit is out of every range.
    let number: u64 = match digits.parse() {
        Ok(number) => number,
        Err(_) if digits.is_empty() => return None,
        Err(_) => u64::MAX,
    };
    Some(number.saturating_mul(KIB.pow(power)))
}

fn size_help(text: &str) -> String {
    let short = text.trim().trim_end_matches(['b', 'B']).replace(' ', "");
    match size(&short) {
        Some(_) if !short.is_empty() => format!("write \"{short}\""),
        _ => "a whole number, then nothing, K, M, G or T (powers of 1024)".to_owned(),
    }
}

/// Help for a number or boolean that was put in quotes.
fn unquoted(value: &Value, fits: impl Fn(&str) -> bool) -> Option<String> {
    match value {
        Value::String(text) if text.len() <= 20 && fits(text) => Some(format!("write {text} without quotes")),
        _ => None,
    }
}

/// "`a`, `b` or `c`"
fn one_of(names: impl Iterator<Item = &'static str>) -> String {
    let names: Vec<_> = names.collect();
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        let before = match index {
            0 => "",
            _ if index + 1 == names.len() => " or ",
            _ => ", ",
        };
        let _ = write!(text, "{before}`{name}`");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{KIB, one_of, size, size_help};

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(size("65536"), Some(65536));
        assert_eq!(size("64K"), Some(64 * KIB));
        assert_eq!(size("512m"), Some(512 * KIB * KIB));
        assert_eq!(size("1GiB"), Some(KIB * KIB * KIB));
        assert_eq!(size("2T"), Some(2 * KIB * KIB * KIB * KIB));
        for bad in ["", "K", "1.5G", "-1K", "1 G", "1KB", "1X", "ü", "1ü", "0x10"] {
            assert_eq!(size(bad), None, "{bad:?}");
        }
        assert_eq!(size("99999999999999999999999T"), Some(u64::MAX));
    }

    #[test]
    fn a_size_that_is_nearly_right_is_corrected() {
        assert_eq!(size_help("64KB"), "write \"64K\"");
        assert_eq!(size_help("1 G"), "write \"1G\"");
        assert!(size_help("much").starts_with("a whole number"));
    }

    #[test]
    fn lists_read_like_speech() {
        assert_eq!(one_of(["a"].into_iter()), "`a`");
        assert_eq!(one_of(["a", "b", "c"].into_iter()), "`a`, `b` or `c`");
    }
}
