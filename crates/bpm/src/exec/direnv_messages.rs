//! Reads what direnv and bash print on stderr while an `.envrc` is evaluated. Pure; owns the patterns
//! by which a shell error is told from a program's own words.

/// The end of the output that is kept for an error's text.
const KEPT_BYTES: usize = 4 * 1024;
/// Lines of a shell error that are kept.
const KEPT_ERROR_LINES: usize = 10;
/// A longer line is cut.
const LINE_BYTES: usize = 1024;

/// What bash says when it cannot parse a file, or gives up evaluating an expansion, after
/// `FILE:LINE: `. direnv has bash use this form; a shell that an `.envrc` merely runs says
/// `FILE: line LINE: `, which is that program's own affair.
const SHELL_ERRORS: &[&str] = &[
    "syntax error near ",
    "syntax error: ",
    "syntax error in conditional expression",
    "unexpected EOF while looking for ",
    "unexpected argument ",
    "unexpected token ",
    "conditional binary operator expected",
    "conditional unary operator expected",
    "expected `)'",
    "warning: here-document at line ",
];

/// The same, in any place of the message: the expression stands before it.
const EXPANSION_ERRORS: &[&str] =
    &[": syntax error: ", ": syntax error in expression", ": arithmetic syntax error", ": bad substitution"];

/// The messages of one evaluation, taken piece by piece.
#[derive(Debug, Default)]
pub struct Messages {
    line: Vec<u8>,
    last: String,
    shell_errors: Vec<String>,
    is_blocked: bool,
}

impl Messages {
    /// Takes the next piece.
    pub fn take(&mut self, piece: &[u8]) {
        for &byte in piece {
            match byte {
                b'\n' => self.finish(),
                _ if self.line.len() < LINE_BYTES => self.line.push(byte),
                _ => {}
            }
        }
    }

    /// There is no more.
    pub fn finish(&mut self) {
        let line = without_colour(&String::from_utf8_lossy(&std::mem::take(&mut self.line)));
        if line.is_empty() {
            return;
        }
        self.is_blocked |= line.starts_with("direnv: error ") && line.contains(".envrc is blocked");
        let goes_on = self.shell_errors.last().is_some_and(|last| is_quotation(last, &line));
        if (is_shell_error(&line) || goes_on) && self.shell_errors.len() < KEPT_ERROR_LINES {
            self.shell_errors.push(line.clone());
        }
        self.last.push_str(&line);
        self.last.push('\n');
        if self.last.len() > KEPT_BYTES {
            let over = self.last.len() - KEPT_BYTES;
            let from = (over..).find(|from| self.last.is_char_boundary(*from)).unwrap_or(over);
            self.last.drain(..from);
        }
    }

    /// direnv refused to load the file.
    #[must_use]
    pub fn says_blocked(&self) -> bool {
        self.is_blocked
    }

    /// What bash said about an error of syntax or expansion, with file and line.
    #[must_use]
    pub fn shell_error(&self) -> Option<String> {
        (!self.shell_errors.is_empty()).then(|| self.shell_errors.join("\n"))
    }

    /// The end of the output, without direnv's own routine lines.
    #[must_use]
    pub fn last_words(&self) -> String {
        let routine =
            |line: &&str| line.starts_with("direnv: loading ") || line.starts_with("direnv: export ");
        let lines: Vec<&str> = self.last.lines().filter(|line| !routine(line)).collect();
        if lines.is_empty() { "it printed nothing".to_owned() } else { lines.join("\n") }
    }
}

/// `FILE:LINE: message` or `FILE: eval:LINE: message`, with one of bash's own messages.
fn is_shell_error(line: &str) -> bool {
    let Some(message) = message(line) else { return false };
    SHELL_ERRORS.iter().any(|start| message.starts_with(start))
        || EXPANSION_ERRORS.iter().any(|part| message.contains(part))
}

fn message(line: &str) -> Option<&str> {
    line.match_indices(": ").find_map(|(end, _)| {
        let (file, number) = line[..end].rsplit_once(':')?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        (is_number && !file.is_empty()).then(|| &line[end + 2..])
    })
}

/// After a syntax error bash shows the line: FILE:LINE: `text'
fn is_quotation(error: &str, line: &str) -> bool {
    let place = |text: &str| message(text).map(|message| text[..text.len() - message.len()].to_owned());
    place(error).is_some()
        && place(error) == place(line)
        && message(line).is_some_and(|text| text.starts_with('`'))
}

fn without_colour(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            // `ESC [ … letter`
            '\x1b' => drop(chars.find(char::is_ascii_alphabetic)),
            '\t' => clean.push(' '),
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Messages {
        let mut messages = Messages::default();
        for piece in text.as_bytes().chunks(7) {
            messages.take(piece);
        }
        messages.finish();
        messages
    }

    #[test]
    fn every_form_of_bashs_own_errors_is_one() {
        for line in [
            "./.envrc:4: syntax error: unexpected end of file",
            "./.envrc:4: syntax error: unexpected end of file from `if' command on line 2",
            "./.envrc:2: syntax error near unexpected token `fi'",
            "./.envrc:2: unexpected EOF while looking for matching `\"'",
            "./.envrc: eval:2: syntax error: unexpected end of file",
            "./.envrc:2: conditional binary operator expected",
            "./.envrc:2: 1+: syntax error: operand expected (error token is \"+\")",
            "./.envrc:2: ((: 1+: arithmetic syntax error: operand expected",
            "./.envrc:2: ${foo!bar}: bad substitution",
            "./.envrc:3: warning: here-document at line 2 delimited by end-of-file (wanted `X')",
            "/home/a b/x: y.sh:12: syntax error near unexpected token `}'",
        ] {
            assert_eq!(messages(line).shell_error().as_deref(), Some(line));
        }
    }

    #[test]
    fn what_programs_say_is_not() {
        for line in [
            "direnv: loading /p/.envrc",
            "./.envrc:2: nosuchcmd: command not found",
            "bash: -c: line 2: syntax error: unexpected end of file",
            "tool.sh: line 3: syntax error near unexpected token `fi'",
            "foo.c:3: syntax error, unexpected IDENT",
            "foo.c:3:1: error: expected ';'",
            "awk: line 1: syntax error at or near }",
            "syntax error: x",
            "",
        ] {
            assert_eq!(messages(line).shell_error(), None, "{line}");
        }
    }

    #[test]
    fn the_quoted_line_goes_with_its_error_and_colour_goes() {
        let text =
            "\x1b[31m./.envrc:2: syntax error near unexpected token `fi'\x1b[0m\n./.envrc:2: `fi'\nother\n";
        let expected = "./.envrc:2: syntax error near unexpected token `fi'\n./.envrc:2: `fi'";
        assert_eq!(messages(text).shell_error().as_deref(), Some(expected));
    }

    #[test]
    fn an_error_is_found_before_any_amount_of_output_and_the_rest_is_bounded() {
        let mut all = messages("./.envrc:1: syntax error: x\n");
        for _ in 0..10_000 {
            all.take("warning é é é é é é é é é é é é é é é é é é é\n".as_bytes());
        }
        assert!(all.shell_error().is_some() && all.last_words().len() <= KEPT_BYTES);
        all.take(&vec![b'x'; 10 * LINE_BYTES]);
        all.finish();
        assert!(all.last_words().ends_with(&"x".repeat(LINE_BYTES)));
    }

    #[test]
    fn blocked_is_direnvs_own_word() {
        let said =
            "\x1b[31mdirenv: error /p/.envrc is blocked. Run `direnv allow` to approve its content\x1b[0m\n";
        assert!(messages(said).says_blocked());
        assert!(!messages("the road to .envrc is blocked\n").says_blocked());
    }

    #[test]
    fn last_words_leave_out_the_routine() {
        let said = messages("direnv: loading /p/.envrc\nboom\ndirenv: error exit status 3\n");
        assert_eq!(said.last_words(), "boom\ndirenv: error exit status 3");
        assert_eq!(messages("direnv: loading /p/.envrc\n").last_words(), "it printed nothing");
    }
}
