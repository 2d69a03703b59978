//! Owns which lines count as alike: those that differ only in numbers, identifiers, times, durations and
//! sizes. Where in a file something is, is none of these. Must not know where lines come from.

const UUID_BYTES: usize = 36;
/// Stands for whatever varies; no character of a clean line.
const VARIES: u8 = 1;
/// From this length on a word of hexadecimal letters alone is an identifier.
const HEX_WORD_BYTES: usize = 8;
/// `swift`, and the like of it.
const EXTENSION_BYTES: usize = 6;
/// From this length on a word that goes to and fro between letters and digits is an identifier.
const ID_BYTES: usize = 8;

/// The same number for lines of the same shape, and with overwhelming likelihood no other.
/// `text` is clean: see [`plain_text`](super::plain_text).
pub fn template(text: &str) -> u64 {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0, hash: Hash::new(0), last: 0 };
    while reader.at < reader.bytes.len() {
        reader.step();
    }
    reader.hash.finish()
}

/// The same number for equal texts, and with overwhelming likelihood for no other.
pub fn fingerprint(text: &[u8]) -> u64 {
    let mut hash = Hash::new(0);
    let words = text.chunks_exact(8);
    let rest = words.remainder();
    for word in words {
        hash.eight(word);
    }
    let mut bytes = [0; 8];
    bytes[..rest.len()].copy_from_slice(rest);
    hash.word(u64::from_le_bytes(bytes));
    hash.word(text.len() as u64);
    hash.finish()
}

/// Two such numbers as one; the order matters.
pub fn combine(a: u64, b: u64) -> u64 {
    let mut hash = Hash::new(a);
    hash.word(b);
    hash.finish()
}

/// Takes in bytes by eights. Each step is reversible, so two texts that differ in one step never meet in it.
#[derive(Debug, Clone, Copy)]
struct Hash {
    sum: u64,
    pending: u64,
    count: u32,
}

impl Hash {
    fn new(seed: u64) -> Hash {
        Hash { sum: seed ^ 0x9e37_79b9_7f4a_7c15, pending: 0, count: 0 }
    }

    fn word(&mut self, word: u64) {
        self.sum = (self.sum ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(31);
    }

    fn eight(&mut self, eight: &[u8]) {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(eight);
        self.word(u64::from_le_bytes(bytes));
    }

    fn byte(&mut self, byte: u8) {
        self.pending = self.pending << 8 | u64::from(byte);
        self.count += 1;
        if self.count.is_multiple_of(8) {
            self.word(self.pending);
            self.pending = 0;
        }
    }

    fn finish(mut self) -> u64 {
        self.word(self.pending);
        self.word(u64::from(self.count));
        self.sum ^= self.sum >> 32;
        self.word(0);
        self.sum ^ self.sum >> 29
    }
}

#[derive(Debug)]
struct Reader<'t> {
    bytes: &'t [u8],
    at: usize,
    hash: Hash,
    /// What was taken in last, if it was no part of a word: repetitions of it count once.
    last: u8,
}

impl Reader<'_> {
    fn step(&mut self) {
        let byte = self.bytes[self.at];
        if is_word(byte) {
            self.last = 0;
            self.word();
            return;
        }
        let sign = matches!(byte, b'-' | b'+') && self.is_digit(self.at + 1);
        let after_word = self.at > 0 && is_word(self.bytes[self.at - 1]);
        if byte != self.last && (!sign || after_word) {
            self.hash.byte(byte);
            self.last = byte;
        }
        self.at += 1;
    }

    fn word(&mut self) {
        let word = self.word_at(self.at);
        if word.len() == 8 && self.bytes.get(self.at..self.at + UUID_BYTES).is_some_and(is_uuid) {
            self.varies(UUID_BYTES);
            return;
        }
        if !word.iter().any(u8::is_ascii_digit) {
            let hex = word.len() >= HEX_WORD_BYTES && word.iter().all(u8::is_ascii_hexdigit);
            return if hex { self.varies(word.len()) } else { self.plain(word.len()) };
        }
        let leading = word.iter().take_while(|b| b.is_ascii_digit()).count();
        if leading == word.len() && self.is_after_file() {
            self.place();
        } else if leading > 0 && (leading == word.len() || is_unit(&word[leading..])) {
            self.number();
        } else if is_identifier(word) {
            self.varies(word.len());
        } else if leading > 0 && matches!(&word[leading..], b"e" | b"E") {
            self.number();
        } else {
            self.mixed(word.len());
        }
    }

    /// A number with its fraction, further parts (`12:34:56.7`, `10.0.0.1`, `1,234`), exponent and unit.
    fn number(&mut self) {
        let mut end = self.at;
        loop {
            let word = self.word_at(end);
            let leading = word.iter().take_while(|b| b.is_ascii_digit()).count();
            let tail = &word[leading..];
            end += leading;
            if matches!(tail, b"e" | b"E") && matches!(self.bytes.get(end + 1), Some(b'-' | b'+')) {
                end += 2;
                end += self.word_at(end).iter().take_while(|b| b.is_ascii_digit()).count();
                break;
            }
            if is_unit(tail) {
                end += tail.len();
                break;
            }
            let goes_on = tail.is_empty()
                && matches!(self.bytes.get(end), Some(b'.' | b',' | b':'))
                && self.is_digit(end + 1);
            if !goes_on {
                break;
            }
            end += 1;
        }
        if self.bytes.get(end) == Some(&b' ') {
            let next = self.word_at(end + 1);
            if is_unit(next) && (next.len() > 1 || matches!(next, b"s" | b"B")) {
                end += 1 + next.len();
            }
        }
        self.varies(end - self.at);
    }

    /// Whether a line number is next: `src/main.rs:12:5`, `app.ts(12,5)`, `File "app.py", line 12`.
    fn is_after_file(&self) -> bool {
        let before = &self.bytes[..self.at];
        let Some(file) = before.strip_suffix(b":").or_else(|| before.strip_suffix(b"(")) else {
            return before.ends_with(b"\", line ");
        };
        let letters = file.iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let name = &file[..file.len() - letters];
        (1..=EXTENSION_BYTES).contains(&letters)
            && matches!(name, [.., before, b'.'] if is_word(*before) && !before.is_ascii_digit())
    }

    /// Line and column as they are: two errors of one kind are two errors.
    fn place(&mut self) {
        loop {
            self.plain(self.word_at(self.at).len());
            if !matches!(self.bytes.get(self.at), Some(b':' | b',')) || !self.is_digit(self.at + 1) {
                return;
            }
            self.hash.byte(self.bytes[self.at]);
            self.at += 1;
        }
    }

    /// Letters as they are, numbers among them as what varies: `worker-12b`, `x86_64`.
    fn mixed(&mut self, len: usize) {
        let word = &self.bytes[self.at..self.at + len];
        let mut in_number = false;
        for &byte in word {
            if !byte.is_ascii_digit() {
                self.hash.byte(byte);
            } else if !in_number {
                self.hash.byte(VARIES);
            }
            in_number = byte.is_ascii_digit();
        }
        self.at += len;
    }

    fn plain(&mut self, len: usize) {
        let word = &self.bytes[self.at..self.at + len];
        let eights = word.chunks_exact(8);
        let rest = eights.remainder();
        eights.for_each(|eight| self.hash.eight(eight));
        rest.iter().for_each(|byte| self.hash.byte(*byte));
        self.at += len;
    }

    fn varies(&mut self, len: usize) {
        self.hash.byte(VARIES);
        self.at += len;
    }

    fn word_at(&self, at: usize) -> &[u8] {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let len = rest.iter().position(|b| !is_word(*b)).unwrap_or(rest.len());
        &rest[..len]
    }

    fn is_digit(&self, at: usize) -> bool {
        self.bytes.get(at).is_some_and(u8::is_ascii_digit)
    }
}

const WORD: [bool; 256] = {
    let mut word = [false; 256];
    let mut at = 0;
    while at < word.len() {
        let byte = at as u8;
        word[at] = byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
        at += 1;
    }
    word
};

fn is_word(byte: u8) -> bool {
    WORD[usize::from(byte)]
}

/// A word after a number that belongs to it, since it changes with its size.
fn is_unit(word: &[u8]) -> bool {
    match word {
        [] => false,
        [one] => b"smhdbkKBMGZ".contains(one),
        [_, _] => matches!(
            word,
            b"ns" | b"us" | b"ms" | b"KB" | b"kB" | b"MB" | b"GB" | b"TB" | b"Ki" | b"Mi" | b"Gi"
        ),
        // Micro seconds, with either letter for micro.
        [0xc2, 0xb5, b's'] | [0xce, 0xbc, b's'] => true,
        [_, _, _] => matches!(word, b"sec" | b"min" | b"KiB" | b"MiB" | b"GiB" | b"TiB"),
        [_, _, _, _, rest @ ..] if rest.len() <= 1 => matches!(word, b"secs" | b"byte" | b"bytes"),
        _ => false,
    }
}

fn is_uuid(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// Has digits and looks like `0x7ffe`, `9f86d08` or `a8F3kZ9q`.
fn is_identifier(word: &[u8]) -> bool {
    if word.starts_with(b"0x") || (word.len() >= 6 && word.iter().all(u8::is_ascii_hexdigit)) {
        return true;
    }
    let turns = word.windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count();
    word.len() >= ID_BYTES && turns >= 3
}

#[cfg(test)]
mod tests {
    use super::{fingerprint, template};

    #[test]
    fn what_varies_from_line_to_line_is_no_difference() {
        for (a, b) in [
            ("tick 1", "tick 299999"),
            ("took 987.65µs", "took 1.234567ms"),
            ("took 12 ms", "took 1.5 s"),
            ("read 512 bytes", "read 3.4 MiB"),
            ("2026-11-21T06:58:49Z up", "2027-01-02T03:04:05.123456Z up"),
            ("[06:58:49.1] GET /a 200", "[23:01:02] GET /a 404"),
            ("id 6ba7b810-9dad-11d1-80b4-00c04fd430c8", "id ffffffff-abcd-beef-cafe-deadbeefdead"),
            ("at 0x7ffe01", "at 0xdead"),
            ("commit 9f86d08", "commit 1234abc"),
            ("loss=-0.5", "loss=1.5e-05"),
            ("[=>      ]  5 %", "[======> ] 75 %"),
            ("worker12 done", "worker7 done"),
            ("10.0.0.1:80", "192.168.1.20:54321"),
            ("total 1,234,567", "total 9"),
            ("at line 3", "at line 4"),
            ("12:30:01.5 main.rs:7 up", "12:30:02.5 main.rs:7 up"),
            ("read config.toml in 3 ms", "read config.toml in 4 ms"),
            ("req a8F3kZ9q2", "req Zk10aa9bb1"),
        ] {
            assert_eq!(template(a), template(b), "{a} / {b}");
        }
    }

    #[test]
    fn what_is_said_is_a_difference() {
        for (a, b) in [
            ("tick 1", "tock 1"),
            ("ready", "ready 1"),
            ("listening on 3000", "listening at 3000"),
            ("", " "),
            ("a b", "ab"),
            ("x-1", "x1"),
            ("12 errors", "12 warnings"),
            ("facade", "decade"),
            ("GET /a 200", "GET /b 200"),
            (" --> src/main.rs:2:20", " --> src/main.rs:3:20"),
            (" --> src/main.rs:2:20", " --> src/main.rs:2:2"),
            (" --> src/main.rs:2:20", " --> src/main.rs:2:20:1"),
            ("app.ts(3,7): error TS2322", "app.ts(3,9): error TS2322"),
            ("  File \"app.py\", line 3", "  File \"app.py\", line 4"),
            ("main.c:3: warning", "main.c:4: warning"),
        ] {
            assert_ne!(template(a), template(b), "{a} / {b}");
        }
    }

    #[test]
    fn equal_texts_alone_have_equal_fingerprints() {
        let texts = ["", "\0", "a", "b", "abcdefgh", "abcdefgh\0", "abcdefg", "tick 1", "tick 2"];
        for (i, a) in texts.iter().enumerate() {
            for (j, b) in texts.iter().enumerate() {
                assert_eq!(fingerprint(a.as_bytes()) == fingerprint(b.as_bytes()), i == j, "{a:?} {b:?}");
            }
        }
    }
}
