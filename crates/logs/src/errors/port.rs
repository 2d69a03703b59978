//! Owns reading the port out of a line that says an address is in use.

use std::sync::LazyLock;

use regex_automata::meta::Regex;
use regex_automata::util::captures::Captures;

/// Behind the word, as the end of an address, as Python writes a pair.
const FORMS: [&str; 3] = [
    r#"(?i)\bport["']?[ :=]+["']?(\d{1,5})\b"#,
    r#"(?:\*|\]|::|\d\.\d{1,3}|localhost|[\s"'(]):(\d{1,5})(?:[^\d.:]|[.:]?(?:\s|$)|:\s)"#,
    r#"['"], (\d{1,5})\)"#,
];

static PATTERNS: LazyLock<Vec<Regex>> =
    LazyLock::new(|| FORMS.iter().filter_map(|form| Regex::new(form).ok()).collect());

/// The TCP port in a line like `listen EADDRINUSE: address already in use :::3000`, where there is one.
pub fn port_in_use(line: &str) -> Option<u16> {
    PATTERNS.iter().find_map(|pattern| {
        let mut captures: Captures = pattern.create_captures();
        pattern.captures(line, &mut captures);
        let port = captures.get_group(1)?;
        line[port.start..port.end].parse().ok().filter(|port| *port != 0)
    })
}
