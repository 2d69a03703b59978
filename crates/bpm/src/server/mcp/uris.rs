//! The addresses of what can be read. Knows nothing of what is there.

/// Templates, with the name of their one variable.
pub(super) const PROCESS_LOGS: (&str, &str) = ("bpm://process/{name}/logs", "name");
pub(super) const TASK_LOGS: (&str, &str) = ("bpm://task/{id}/logs", "id");
const STATUS: &str = "bpm://status";

/// In the order in which they are listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Uri {
    Status,
    ProcessLogs(String),
    TaskLogs(String),
}

impl Uri {
    pub(super) fn parse(text: &str) -> Option<Uri> {
        if text == STATUS {
            return Some(Uri::Status);
        }
        let (kind, name) = text.strip_prefix("bpm://")?.strip_suffix("/logs")?.split_once('/')?;
        let name = decode(name).filter(|name| !name.is_empty())?;
        match kind {
            "process" => Some(Uri::ProcessLogs(name)),
            "task" => Some(Uri::TaskLogs(name)),
            _ => None,
        }
    }

    /// The process or task whose log it is.
    pub(super) fn target(&self) -> Option<&str> {
        match self {
            Uri::Status => None,
            Uri::ProcessLogs(name) | Uri::TaskLogs(name) => Some(name),
        }
    }
}

impl std::fmt::Display for Uri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Uri::Status => f.write_str(STATUS),
            Uri::ProcessLogs(name) => write!(f, "bpm://process/{}/logs", encode(name)),
            Uri::TaskLogs(id) => write!(f, "bpm://task/{}/logs", encode(id)),
        }
    }
}

fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                // `from_str_radix` takes a sign, too.
                digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
            }
            b'/' => return None,
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::Uri;

    #[test]
    fn every_name_has_an_address_and_comes_back() {
        for name in ["api", "my app", "a/b", "é", "50%", "..", "logs", "t3", "{name}"] {
            for uri in [Uri::ProcessLogs(name.to_owned()), Uri::TaskLogs(name.to_owned())] {
                let text = uri.to_string();
                assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
                assert_eq!(Uri::parse(&text), Some(uri), "{text}");
            }
        }
        assert_eq!(Uri::parse(&Uri::Status.to_string()), Some(Uri::Status));
    }

    #[test]
    fn anything_else_is_none_of_ours() {
        for text in [
            "",
            "bpm://",
            "bpm://status/",
            "bpm://process//logs",
            "bpm://process/api",
            "bpm://process/a/b/logs",
            "bpm://build/api/logs",
            "bpm://process/%/logs",
            "bpm://process/%+1/logs",
            "bpm://process/%ff/logs",
            "file:///etc/passwd",
        ] {
            assert_eq!(Uri::parse(text), None, "{text}");
        }
    }
}
