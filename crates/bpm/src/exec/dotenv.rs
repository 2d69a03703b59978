//! Reads dotenv files. Owns their grammar and its faults; substitution sees the variables it is given,
//! never those of this process, and no fault ever shows a value.
//!
//! One assignment a line: `NAME=value`, optionally after `export`. An unquoted value ends at ` #`;
//! `'...'` is literal, `"..."` knows `\n \r \t \\ \" \$`, both may span lines and stand side by side.
//! `$NAME` and `${NAME}` are replaced outside single quotes; an unset name is empty.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use super::environment::Env;

/// Larger files are refused: no environment of that size can be given to a program.
const MAX_BYTES: u64 = 1024 * 1024;

/// Why a dotenv file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DotenvError {
    /// The file is not there.
    #[error("`env_file` names `{}`, which does not exist", file.display())]
    Missing {
        /// The file asked for.
        file: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the `env_file` `{}`: {source}", file.display())]
    Unreadable {
        /// The file asked for.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than any environment may be.
    #[error("the `env_file` `{}` is larger than {MAX_BYTES} bytes", file.display())]
    TooLarge {
        /// The file asked for.
        file: PathBuf,
    },
    /// A line is not an assignment.
    #[error("{}:{line}: {fault}", file.display())]
    Faulty {
        /// The file.
        file: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What was found and what was expected, without any value.
        fault: String,
    },
}

/// Reads `file`. `$NAME` in it stands for an earlier assignment of the file, else for `base`'s variable.
///
/// # Errors
/// The file is missing, unreadable, too large or has a faulty line.
pub fn read(file: &Path, base: &Env) -> Result<Vec<(OsString, OsString)>, DotenvError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => DotenvError::Missing { file: file.to_owned() },
        _ => DotenvError::Unreadable { file: file.to_owned(), source },
    };
    let mut text = Vec::new();
    let opened = File::open(file).map_err(unreadable)?;
    opened.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(DotenvError::TooLarge { file: file.to_owned() });
    }
    let parser = Parser { text: &text, at: 0, line: 1, known: base.clone(), found: Vec::new() };
    parser.file().map_err(|(line, fault)| DotenvError::Faulty { file: file.to_owned(), line, fault })
}

type Fault = (usize, String);

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
    known: Env,
    found: Vec<(OsString, OsString)>,
}

impl Parser<'_> {
    fn file(mut self) -> Result<Vec<(OsString, OsString)>, Fault> {
        if self.text.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
        loop {
            self.skip_blanks();
            match self.peek() {
                None => return Ok(self.found),
                Some(b'\n') => self.advance(),
                Some(b'#') => self.skip_line(),
                Some(_) => self.assignment()?,
            }
        }
    }

    fn assignment(&mut self) -> Result<(), Fault> {
        let mut name = self.name()?;
        if name == "export" && matches!(self.peek(), Some(b' ' | b'\t')) {
            self.skip_blanks();
            name = self.name()?;
        }
        self.skip_blanks();
        if self.peek() != Some(b'=') {
            return self.fault(format!("expected `=` after `{name}`"));
        }
        self.advance();
        self.skip_blanks();
        let value = OsString::from_vec(self.value(&name)?);
        self.known.set(&name, &value);
        self.found.push((name.into(), value));
        Ok(())
    }

    fn name(&mut self) -> Result<String, Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b) if b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) {
            self.advance();
        }
        let name = &self.text[start..self.at];
        if name.is_empty() || name[0].is_ascii_digit() {
            return self.fault("expected `NAME=value`, `# comment` or an empty line".to_owned());
        }
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    fn value(&mut self, name: &str) -> Result<Vec<u8>, Fault> {
        let mut value = Vec::new();
        // Blanks between unquoted words count, those before the end of the line do not.
        let mut blanks = Vec::new();
        let mut quoted = false;
        loop {
            match self.peek() {
                None | Some(b'\n') => return Ok(value),
                Some(b'#') if !blanks.is_empty() || (value.is_empty() && !quoted) => {
                    self.skip_line();
                    return Ok(value);
                }
                Some(blank @ (b' ' | b'\t' | b'\r')) => {
                    blanks.push(blank);
                    self.advance();
                    continue;
                }
                Some(_) => value.append(&mut blanks),
            }
            match self.peek() {
                Some(b'\'') => self.single_quoted(name, &mut value)?,
                Some(b'"') => self.double_quoted(name, &mut value)?,
                Some(b'$') => self.substitution(name, &mut value)?,
                Some(b'\\') => self.unquoted_escape(&mut value),
                Some(other) => {
                    value.push(other);
                    self.advance();
                    continue;
                }
                None => {}
            }
            quoted = true;
        }
    }

    fn unquoted_escape(&mut self, value: &mut Vec<u8>) {
        self.advance();
        match self.peek() {
            None | Some(b'\n') => value.push(b'\\'),
            Some(escaped) => {
                value.push(escaped);
                self.advance();
            }
        }
    }

    fn single_quoted(&mut self, name: &str, value: &mut Vec<u8>) -> Result<(), Fault> {
        let opened = self.line;
        self.advance();
        loop {
            match self.peek() {
                None => return Err((opened, format!("the value of `{name}` has no closing `'`"))),
                Some(b'\'') => break,
                Some(byte) => value.push(byte),
            }
            self.advance();
        }
        self.advance();
        Ok(())
    }

    fn double_quoted(&mut self, name: &str, value: &mut Vec<u8>) -> Result<(), Fault> {
        let opened = self.line;
        self.advance();
        loop {
            match self.peek() {
                None => return Err((opened, format!("the value of `{name}` has no closing `\"`"))),
                Some(b'"') => break,
                Some(b'$') => {
                    self.substitution(name, value)?;
                    continue;
                }
                Some(b'\\') => {
                    self.advance();
                    match self.peek() {
                        Some(b'n') => value.push(b'\n'),
                        Some(b'r') => value.push(b'\r'),
                        Some(b't') => value.push(b'\t'),
                        Some(same @ (b'\\' | b'"' | b'$')) => value.push(same),
                        Some(other) => value.extend([b'\\', other]),
                        None => continue,
                    }
                }
                Some(byte) => value.push(byte),
            }
            self.advance();
        }
        self.advance();
        Ok(())
    }

    fn substitution(&mut self, name: &str, value: &mut Vec<u8>) -> Result<(), Fault> {
        self.advance();
        let braced = self.peek() == Some(b'{');
        if braced {
            self.advance();
        }
        let start = self.at;
        while matches!(self.peek(), Some(b) if b.is_ascii_alphanumeric() || b == b'_') {
            self.advance();
        }
        let wanted = &self.text[start..self.at];
        if braced {
            if wanted.is_empty() || self.peek() != Some(b'}') {
                return self.fault(format!("the value of `{name}` has a `${{` that is not `${{NAME}}`"));
            }
            self.advance();
        } else if wanted.is_empty() {
            value.push(b'$');
            return Ok(());
        }
        if let Some(known) = self.known.get(OsStr::from_bytes(wanted)) {
            value.extend_from_slice(known.as_bytes());
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn advance(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r')) {
            self.advance();
        }
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.advance();
        }
    }

    fn fault<T>(&self, fault: String) -> Result<T, Fault> {
        Err((self.line, fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &[u8]) -> Result<Vec<(String, Vec<u8>)>, DotenvError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(".env");
        std::fs::write(&file, text).unwrap();
        let base = [("HOME".into(), "/h".into())].into_iter().collect();
        let read = read(&file, &base)?;
        Ok(read.into_iter().map(|(n, v)| (n.into_string().unwrap(), v.into_vec())).collect())
    }

    fn one(text: &str) -> String {
        let found = parse(text.as_bytes()).unwrap();
        assert_eq!(found.len(), 1, "{text:?} gave {found:?}");
        String::from_utf8(found[0].1.clone()).unwrap()
    }

    fn fault(text: &str) -> (usize, String) {
        match parse(text.as_bytes()) {
            Err(DotenvError::Faulty { line, fault, .. }) => (line, fault),
            other => panic!("{text:?} gave {other:?}"),
        }
    }

    #[test]
    fn values_of_every_form_are_read() {
        for (text, value) in [
            ("A=b", "b"),
            ("export A=b", "b"),
            ("  A = b c  \r\n", "b c"),
            ("A=", ""),
            ("A= # comment", ""),
            ("A=#comment", ""),
            ("A=b#c", "b#c"),
            ("A=b # c", "b"),
            ("A='$HOME \\n # x'", "$HOME \\n # x"),
            ("A=\"$HOME\\t${HOME}\\$x \\\\ \\q\" # c", "/h\t/h$x \\ \\q"),
            ("A=$HOME/x$UNSET.$", "/h/x.$"),
            ("A='b'\"c\"d", "bcd"),
            ("A=\"\"#c", "#c"),
            ("A=b\\ c", "b c"),
            ("A='one\ntwo'", "one\ntwo"),
            ("\u{feff}A=b=c", "b=c"),
        ] {
            assert_eq!(one(text), value, "{text:?}");
        }
    }

    #[test]
    fn a_later_line_sees_an_earlier_one_and_several_lines_make_several_variables() {
        let found = parse(b"# head\n\nA=1\nB=${A}2\nexport\tC=\xff\n").unwrap();
        let expected = [("A", &b"1"[..]), ("B", b"12"), ("C", b"\xff")];
        assert_eq!(found, expected.map(|(n, v)| (n.to_owned(), v.to_vec())));
    }

    #[test]
    fn faults_name_the_line_and_never_the_value() {
        assert_eq!(fault("A=1\nB s3cret\n"), (2, "expected `=` after `B`".into()));
        assert_eq!(fault("\n\n1A=s3cret").0, 3);
        assert_eq!(fault("A=1\n\nB='s3cret\nx\n"), (3, "the value of `B` has no closing `'`".into()));
        assert_eq!(fault("B=\"s3cret\\").1, "the value of `B` has no closing `\"`");
        assert_eq!(fault("B=s3cret${x"), (1, "the value of `B` has a `${` that is not `${NAME}`".into()));
        assert_eq!(fault("=x").0, 1);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("/nonexistent/.env"), &Env::new()).unwrap_err();
        assert_eq!(error.to_string(), "`env_file` names `/nonexistent/.env`, which does not exist");
        let error = read(Path::new("/"), &Env::new()).unwrap_err();
        assert!(error.to_string().starts_with("cannot read the `env_file` `/`: "), "{error}");
    }
}
