//! A secret that lets in whoever shows it: never printed, compared in constant time, read from a file that is its
//! user's own. Must not know what it opens, nor how it travels.

use std::fmt;
use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use bpm_api::{Code, Error};

/// Where a client looks for one that no option names.
pub const TOKEN_VARIABLE: &str = "BPM_TOKEN";
/// No token is longer, in bytes.
const LONGEST: usize = 1024;

/// See the top of the file.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// A token is visible ASCII, as it stands in a header.
    ///
    /// # Errors
    /// `invalid_parameter` for other text; the message does not repeat it.
    pub fn parse(text: &str) -> Result<Token, Error> {
        let fault = match text {
            "" => "is empty".to_owned(),
            text if text.len() > LONGEST => format!("has {} bytes, expected at most {LONGEST}", text.len()),
            text if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                "has characters that no token has: spaces, control characters or non-ASCII ones".to_owned()
            }
            text => return Ok(Token(text.into())),
        };
        Err(Error::new(Code::InvalidParameter, format!("the token {fault}")))
    }

    /// The one that a file holds, without the line's end.
    ///
    /// # Errors
    /// `invalid_parameter` where the file cannot be read, others may read it, or what it holds is no token.
    pub fn from_file(path: &Path) -> Result<Token, Error> {
        let unreadable = |error: std::io::Error| {
            let text = format!("cannot read the token file `{}`: {error}", path.display());
            Error::new(Code::InvalidParameter, text)
                .hint("`bpm status --json` on the manager's machine says where its token is")
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let meta = file.metadata().map_err(unreadable)?;
        let mode = meta.permissions().mode() & 0o777;
        // a pipe of the shell's (`<(…)`) is nobody else's, whatever it says
        if meta.is_file() && mode & 0o077 != 0 {
            let text = format!("others may use the token file `{}` (mode {mode:03o})", path.display());
            return Err(Error::new(Code::InvalidParameter, format!("{text}, expected 600"))
                .hint(format!("`chmod 600 {}`", path.display())));
        }
        let mut text = String::new();
        let most = LONGEST as u64 + 2; // and the line's end
        Read::by_ref(&mut file).take(most).read_to_string(&mut text).map_err(unreadable)?;
        Token::parse(text.trim_end_matches(['\r', '\n'])).map_err(|error| {
            let text = format!("`{}` is no token file: {}", path.display(), error.message);
            Error::new(Code::InvalidParameter, text)
        })
    }

    /// What `BPM_TOKEN` says; an empty one says nothing.
    ///
    /// # Errors
    /// `invalid_parameter` for what is no token.
    pub fn from_environment() -> Result<Option<Token>, Error> {
        let Some(text) = std::env::var_os(TOKEN_VARIABLE).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let token = Token::parse(&text.to_string_lossy());
        token.map(Some).map_err(|error| {
            Error::new(Code::InvalidParameter, format!("`{TOKEN_VARIABLE}`: {}", error.message))
        })
    }

    /// Whether it is this one. How long that takes says nothing about where the two differ.
    #[must_use]
    pub fn is(&self, shown: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differences =
            own.iter().zip(shown).fold(0, |found, (own, shown)| black_box(found | (own ^ shown)));
        own.len() == shown.len() && differences == 0
    }

    /// The secret itself, for the header or the file that it goes into.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use bpm_api::Code;

    use super::Token;

    #[test]
    fn only_the_same_text_is_the_same_token() {
        let token = Token::parse("abc123").unwrap();
        assert!(token.is(b"abc123"));
        for other in ["", "abc12", "abc1234", "Abc123", "abc124", "bbc123"] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn it_is_never_shown() {
        let shown = format!("{:?}", Some(Token::parse("s3cret").unwrap()));
        assert_eq!(shown, "Some(Token(…))");
        for secret in ["s3 cret", "s3cret\n", "s3crét", &"s3cret".repeat(1_000)] {
            let error = Token::parse(secret).unwrap_err();
            assert!(!format!("{error:?}").contains("s3c"), "{error:?}");
        }
    }

    #[test]
    fn a_file_gives_its_line_and_must_be_its_users_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let absent = Token::from_file(&path).unwrap_err();
        assert_eq!(absent.code, Code::InvalidParameter);
        assert!(absent.message.starts_with("cannot read the token file `"), "{absent}");
        let write = |text: &[u8], mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Token::from_file(&path)
        };
        for text in ["abc", "abc\n", "abc\r\n"] {
            assert!(write(text.as_bytes(), 0o600).unwrap().is(b"abc"), "{text:?}");
        }
        for mode in [0o640, 0o604, 0o622] {
            let open = write(b"abc\n", mode).unwrap_err();
            assert!(open.message.ends_with(&format!("(mode {mode:o}), expected 600")), "{open}");
            assert_eq!(open.hint, Some(format!("`chmod 600 {}`", path.display())));
        }
        let long = "x".repeat(5_000);
        for bad in [&b""[..], b"\n", b"a b", b"\xff\xfe", long.as_bytes()] {
            assert_eq!(write(bad, 0o600).unwrap_err().code, Code::InvalidParameter, "{bad:?}");
        }
    }
}
