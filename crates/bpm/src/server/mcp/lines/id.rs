//! Whose a line is that cannot be read as a message: too long, cut off, nested too deeply, not UTF-8. Whoever sent
//! it waits for an answer to its `id`. Takes the bytes in pieces and keeps almost none; knows no other key.

use rmcp::model::RequestId;

/// The longest id or key that is kept, as it is written.
const MAX_BYTES: usize = 1024;

/// Finds the `id` of the outermost object. What is no JSON at all has none.
#[derive(Debug, Default)]
pub(super) struct IdScan {
    depth: u64,
    /// In a string, and perhaps right after a backslash.
    string: Option<Escape>,
    /// The key or value that is being read in the outermost object; `None`: too long to be of interest.
    text: Option<Vec<u8>>,
    is_id: bool,
    at_value: bool,
    id: Option<RequestId>,
    /// Something came that cannot be a request.
    hopeless: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    No,
    Next,
}

impl IdScan {
    pub(super) fn of(line: &[u8]) -> Option<RequestId> {
        let mut scan = IdScan::default();
        scan.feed(line);
        scan.found()
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.hopeless {
                return;
            }
            self.take(byte);
        }
    }

    pub(super) fn found(&mut self) -> Option<RequestId> {
        self.id.take()
    }

    fn take(&mut self, byte: u8) {
        if let Some(escape) = self.string {
            self.keep(byte);
            self.string = match (escape, byte) {
                (Escape::Next, _) => Some(Escape::No),
                (Escape::No, b'\\') => Some(Escape::Next),
                (Escape::No, b'"') => None,
                (Escape::No, _) => Some(Escape::No),
            };
            return;
        }
        match byte {
            b'"' if self.depth > 0 => {
                self.string = Some(Escape::No);
                self.keep(byte);
            }
            b'{' | b'[' => {
                self.hopeless = self.depth == 0 && byte == b'[';
                self.keep(byte);
                self.depth += 1;
                if self.depth == 1 {
                    self.begin(false);
                }
            }
            b':' if self.depth == 1 && !self.at_value => {
                self.is_id = self.text.as_deref() == Some(b"\"id\"");
                self.begin(true);
            }
            b',' | b'}' if self.depth == 1 => {
                self.end_of_value();
                self.hopeless |= byte == b'}';
                self.begin(false);
            }
            _ if byte.is_ascii_whitespace() => {}
            _ if self.depth == 0 => self.hopeless = byte.is_ascii(),
            b'}' | b']' => self.depth -= 1,
            _ => self.keep(byte),
        }
    }

    fn begin(&mut self, at_value: bool) {
        self.text = Some(Vec::new());
        self.at_value = at_value;
    }

    fn keep(&mut self, byte: u8) {
        if self.depth == 1
            && let Some(text) = &mut self.text
        {
            match text.len() < MAX_BYTES {
                true => text.push(byte),
                false => self.text = None,
            }
        }
    }

    fn end_of_value(&mut self) {
        if std::mem::take(&mut self.is_id) {
            self.id = self.text.take().and_then(|text| serde_json::from_slice(&text).ok());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{IdScan, MAX_BYTES};

    fn id(line: &str) -> Option<serde_json::Value> {
        IdScan::of(line.as_bytes()).map(|id| serde_json::to_value(id).unwrap())
    }

    #[test]
    fn the_id_of_the_outermost_object_is_found_wherever_it_stands() {
        for (line, found) in [
            (r#"{"id":7,"method":"a"}"#, Some(json!(7))),
            (r#" { "method" : "a" , "id" : "x-\"1" }"#, Some(json!("x-\"1"))),
            (r#"{"params":{"id":1,"a":[{"id":2}],"s":"\"id\":3"},"id":4}"#, Some(json!(4))),
            (r#"{"id":5,"params":{"a":[[[[["#, Some(json!(5))),
            ("\u{feff}{\"id\":6,", Some(json!(6))),
            (r#"{"id":5"#, None),
            (r#"{"id":{"id":1}}"#, None),
            (r#"{"id":null}"#, None),
            (r#"{"s":"id","t":1}"#, None),
            (r#"[{"id":1}]"#, None),
            (r#"nonsense {"id":1}"#, None),
            (r#"}{"id":1}"#, None),
            ("", None),
        ] {
            assert_eq!(id(line), found, "{line}");
        }
        let mut bytes = br#"{"id":9,"a":"x"#.to_vec();
        bytes.extend([0xff, 0, b'\n']);
        assert_eq!(IdScan::of(&bytes), Some(rmcp::model::RequestId::Number(9)));
    }

    #[test]
    fn pieces_are_as_good_as_the_whole_and_long_values_are_not_kept() {
        let line = format!(r#"{{"params":{{"a":"{}"}},"b":"{0}","id":"y"}}"#, "z".repeat(5 * MAX_BYTES));
        let mut scan = IdScan::default();
        for byte in line.bytes() {
            scan.feed(&[byte]);
            assert!(scan.text.as_ref().is_none_or(|text| text.capacity() <= 2 * MAX_BYTES));
        }
        assert_eq!(scan.found(), Some(rmcp::model::RequestId::String("y".into())));
    }
}
