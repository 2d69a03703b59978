//! The project's token: made when it is first needed, kept from one manager to the next. Must not know who shows it.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

use super::paths::Project;
use crate::token::Token;

/// So many random bytes, in hexadecimal digits.
const BYTES: usize = 32;

/// The one in the project's state directory; a new one where there is none, or not one that only its user knows.
///
/// # Errors
/// It cannot be made, or not be kept.
pub fn of(project: &Project) -> io::Result<Token> {
    let path = project.token();
    match Token::from_file(&path) {
        Ok(token) if is_ours(token.reveal()) => return Ok(token),
        Ok(_) => tracing::warn!("`{}` is not a token of ours: a new one takes its place", path.display()),
        Err(error) if path.exists() => tracing::warn!(%error, "a new token takes its place"),
        Err(_) => {}
    }
    let text = random()?;
    super::write_atomically(&path, format!("{text}\n").as_bytes())?;
    Token::parse(&text).map_err(|error| io::Error::other(error.message))
}

fn is_ours(text: &str) -> bool {
    text.len() == 2 * BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn random() -> io::Result<String> {
    let mut bits = [0_u8; BYTES];
    let length = getrandom(&mut bits, GetRandomFlags::empty())?;
    if length != bits.len() {
        return Err(io::Error::other(format!("the kernel gave {length} of {BYTES} random bytes")));
    }
    Ok(bits.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::of;
    use crate::store::paths::Project;

    #[test]
    fn it_is_made_once_and_replaced_only_where_others_may_know_it() {
        let dir = tempfile::tempdir().unwrap();
        let project = Project { root: "/srv/shop".into(), id: "0".repeat(16), state: dir.path().to_owned() };
        let path = project.token();
        let first = of(&project).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n", first.reveal()));
        assert!(text.len() == 65 && text.trim().bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(of(&project).unwrap().is(text.trim().as_bytes()));

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let second = of(&project).unwrap();
        assert!(!second.is(text.trim().as_bytes()), "others may have read it");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for bad in ["", "short", "\u{0}"] {
            fs::write(&path, bad).unwrap();
            let made = of(&project).unwrap();
            assert!(!made.is(second.reveal().as_bytes()) && !made.is(bad.as_bytes()));
        }
    }

    #[test]
    fn where_it_cannot_be_kept_there_is_none() {
        let project = Project { root: "/srv/shop".into(), id: "0".repeat(16), state: "/nonexistent".into() };
        assert!(of(&project).is_err());
    }
}
