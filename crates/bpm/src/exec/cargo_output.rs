//! Understands what `cargo build --message-format=json` prints, line by line: what a person would have
//! seen, the diagnostics, the executable. Pure: no process, file or clock.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Errors that are kept in full; the rest are counted.
const KEPT_ERRORS: usize = 20;
/// Rendered text of one diagnostic is clipped to this.
const RENDERED_BYTES: usize = 8 * 1024;
/// Linked paths and variables of build scripts beyond this are not recorded.
const BUILD_SCRIPT_ITEMS: usize = 4096;

/// One error of the compiler or of cargo itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The file, as the compiler names it.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u64>,
    /// Column, from 1.
    pub column: Option<u64>,
    /// The compiler's code, `E0308`.
    pub code: Option<String>,
    /// The message in one line.
    pub message: String,
    /// The text that the compiler or cargo shows.
    pub rendered: String,
}

/// What a build script of any package asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct BuildScript {
    /// The package it belongs to.
    pub package_id: String,
    /// Search paths, with cargo's `native=` prefixes.
    #[serde(default)]
    pub linked_paths: Vec<String>,
    /// Variables by `cargo::rustc-env`.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// Its `OUT_DIR`.
    #[serde(default)]
    pub out_dir: String,
}

#[derive(Deserialize)]
#[serde(tag = "reason")]
enum Message {
    #[serde(rename = "compiler-message")]
    Compiler { message: CompilerMessage },
    #[serde(rename = "compiler-artifact")]
    Artifact { manifest_path: PathBuf, target: ArtifactTarget, executable: Option<PathBuf> },
    #[serde(rename = "build-script-executed")]
    Script(BuildScript),
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct CompilerMessage {
    message: String,
    level: String,
    code: Option<Code>,
    #[serde(default)]
    spans: Vec<Span>,
    rendered: Option<String>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: u64,
    column_start: u64,
    is_primary: bool,
}

#[derive(Deserialize)]
struct ArtifactTarget {
    name: String,
    kind: Vec<String>,
}

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// One of cargo's JSON messages, with the text that a person would see, if any.
    Json(Option<String>),
    /// Text, to be shown as it came.
    Text,
    /// Text that says that cargo waits for the file lock of what is named here.
    Blocking(String),
}

/// What is known so far of one build.
#[derive(Debug)]
pub struct Reader {
    manifest: PathBuf,
    bin: String,
    /// Where the binary was put.
    pub executable: Option<PathBuf>,
    /// The first errors.
    pub diagnostics: Vec<Diagnostic>,
    /// Errors of the compiler.
    pub errors: u64,
    /// Warnings of the compiler.
    pub warnings: u64,
    /// What build scripts asked for.
    pub build_scripts: Vec<BuildScript>,
    cargo_errors: CargoErrors,
}

impl Reader {
    /// A reader for the build of `bin` of the package at `manifest`.
    #[must_use]
    pub fn new(manifest: &Path, bin: &str) -> Self {
        Self {
            manifest: manifest.to_owned(),
            bin: bin.to_owned(),
            executable: None,
            diagnostics: Vec::new(),
            errors: 0,
            warnings: 0,
            build_scripts: Vec::new(),
            cargo_errors: CargoErrors::default(),
        }
    }

    /// Takes the next line, without its line feed.
    pub fn line(&mut self, line: &[u8]) -> Line {
        if line.starts_with(b"{\"reason\":")
            && let Ok(message) = serde_json::from_slice(line)
        {
            return Line::Json(self.message(message));
        }
        let text = String::from_utf8_lossy(line);
        self.cargo_errors.line(&text);
        match text.trim_start().strip_prefix("Blocking waiting for file lock on ") {
            Some(what) => Line::Blocking(what.trim_end().to_owned()),
            None => Line::Text,
        }
    }

    /// The build has ended. Cargo's own errors count only where the compiler gave none, for then
    /// they merely say that it did.
    pub fn finish(&mut self, success: bool) {
        let own = std::mem::take(&mut self.cargo_errors).finish();
        if success || self.errors > 0 {
            return;
        }
        self.errors = own.len() as u64;
        self.diagnostics.extend(own.into_iter().take(KEPT_ERRORS));
    }

    fn message(&mut self, message: Message) -> Option<String> {
        match message {
            Message::Compiler { message } => return self.compiler_message(message),
            Message::Artifact { manifest_path, target, executable } => {
                let is_bin = target.kind.iter().any(|kind| kind == "bin");
                if is_bin && target.name == self.bin && manifest_path == self.manifest {
                    self.executable = executable.or(self.executable.take());
                }
            }
            Message::Script(script) => {
                let items = |script: &BuildScript| 1 + script.linked_paths.len() + script.env.len();
                if self.build_scripts.iter().map(items).sum::<usize>() + items(&script) <= BUILD_SCRIPT_ITEMS
                {
                    self.build_scripts.push(script);
                }
            }
            Message::Other => {}
        }
        None
    }

    fn compiler_message(&mut self, message: CompilerMessage) -> Option<String> {
        // Summaries of single crates, which cargo leaves out for a person too.
        let text = &message.message;
        if text.starts_with("aborting due to ")
            || text.ends_with("warning emitted")
            || text.ends_with("warnings emitted")
        {
            return None;
        }
        match message.level.as_str() {
            "warning" => self.warnings += 1,
            level if level.starts_with("error") => {
                self.errors += 1;
                if self.diagnostics.len() < KEPT_ERRORS {
                    self.diagnostics.push(diagnostic(&message));
                }
            }
            _ => {}
        }
        Some(message.rendered.unwrap_or(message.message))
    }
}

fn diagnostic(message: &CompilerMessage) -> Diagnostic {
    let span = message.spans.iter().find(|span| span.is_primary).or(message.spans.first());
    Diagnostic {
        file: span.map(|span| span.file_name.clone()),
        line: span.map(|span| span.line_start),
        column: span.map(|span| span.column_start),
        code: message.code.as_ref().map(|code| code.code.clone()),
        message: message.message.clone(),
        rendered: clip(message.rendered.as_deref().unwrap_or(&message.message)),
    }
}

fn clip(text: &str) -> String {
    if text.len() <= RENDERED_BYTES {
        return text.to_owned();
    }
    let end = (0..=RENDERED_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}\n[{} bytes left out]\n", &text[..end], text.len() - end)
}

/// The errors in text that cargo printed: `error: …` and what follows it.
#[must_use]
pub fn cargo_errors(text: &str) -> Vec<Diagnostic> {
    let mut errors = CargoErrors::default();
    text.lines().for_each(|line| errors.line(line));
    errors.finish()
}

#[derive(Debug, Default)]
struct CargoErrors {
    found: Vec<Diagnostic>,
    open: bool,
}

impl CargoErrors {
    fn line(&mut self, line: &str) {
        if let Some(message) = line.strip_prefix("error: ") {
            self.open = self.found.len() < KEPT_ERRORS;
            if self.open {
                let message = message.trim_end().to_owned();
                self.found.push(Diagnostic { message, ..Diagnostic::default() });
            }
        } else if line.starts_with("warning: ") || is_status(line) {
            self.open = false;
        }
        let Some(error) = self.found.last_mut().filter(|_| self.open) else { return };
        if error.rendered.len() < RENDERED_BYTES {
            error.rendered.push_str(&clip(line));
            error.rendered.push('\n');
        }
        if error.file.is_none()
            && let Some((file, line, column)) = line.trim_start().strip_prefix("--> ").and_then(location)
        {
            (error.file, error.line, error.column) = (Some(file), Some(line), Some(column));
        }
    }

    fn finish(mut self) -> Vec<Diagnostic> {
        for error in &mut self.found {
            let text = error.rendered.trim_end().len();
            error.rendered.truncate(text);
        }
        self.found
    }
}

/// Cargo's status lines have a right-aligned capitalised verb of at most twelve characters.
pub(super) fn is_status(line: &str) -> bool {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let verb = line[indent..].split(' ').next().unwrap_or_default();
    indent + verb.len() == 12 && verb.starts_with(|first: char| first.is_ascii_uppercase())
}

fn location(text: &str) -> Option<(String, u64, u64)> {
    let mut parts = text.trim_end().rsplitn(3, ':');
    let column = parts.next()?.parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    Some((parts.next()?.to_owned(), line, column))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader() -> Reader {
        Reader::new(Path::new("/p/Cargo.toml"), "my-app")
    }

    fn compiler(level: &str, message: &str) -> String {
        format!(
            r#"{{"reason":"compiler-message","package_id":"x","message":{{"message":"{message}","level":"{level}","code":{{"code":"E1"}},"spans":[{{"file_name":"n.rs","line_start":9,"column_start":9,"is_primary":false}},{{"file_name":"m.rs","line_start":3,"column_start":5,"is_primary":true}}],"rendered":"R {message}\n"}}}}"#
        )
    }

    #[test]
    fn an_error_has_its_primary_place_and_text_and_is_counted() {
        let mut reader = reader();
        assert_eq!(reader.line(compiler("error", "bad").as_bytes()), Line::Json(Some("R bad\n".into())));
        reader.line(compiler("error: internal compiler error", "ice").as_bytes());
        reader.line(compiler("warning", "unused").as_bytes());
        assert_eq!(
            reader.line(compiler("error", "aborting due to 1 previous error").as_bytes()),
            Line::Json(None)
        );
        assert_eq!((reader.errors, reader.warnings), (2, 1));
        let expected = Diagnostic {
            file: Some("m.rs".into()),
            line: Some(3),
            column: Some(5),
            code: Some("E1".into()),
            message: "bad".into(),
            rendered: "R bad\n".into(),
        };
        assert_eq!(reader.diagnostics[0], expected);
    }

    #[test]
    fn errors_beyond_the_limit_are_counted_and_long_ones_clipped() {
        let mut reader = reader();
        for _ in 0..30 {
            reader.line(compiler("error", &"é".repeat(RENDERED_BYTES)).as_bytes());
        }
        assert_eq!((reader.diagnostics.len(), reader.errors), (KEPT_ERRORS, 30));
        assert!(reader.diagnostics[0].rendered.ends_with(" bytes left out]\n"));
        assert!(reader.diagnostics[0].rendered.len() < RENDERED_BYTES + 64);
    }

    #[test]
    fn the_executable_is_the_one_of_this_binary_of_this_package() {
        let artifact = |manifest: &str, kind: &str, name: &str, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"{manifest}","target":{{"name":"{name}","kind":["{kind}"]}},"executable":{executable}}}"#
            )
        };
        let mut reader = reader();
        for line in [
            artifact("/q/Cargo.toml", "bin", "my-app", r#""/t/other-package""#),
            artifact("/p/Cargo.toml", "bin", "other", r#""/t/other-bin""#),
            artifact("/p/Cargo.toml", "lib", "my-app", "null"),
            artifact("/p/Cargo.toml", "bin", "my-app", r#""/t/my-app""#),
            artifact("/p/Cargo.toml", "custom-build", "build-script-build", "null"),
        ] {
            assert_eq!(reader.line(line.as_bytes()), Line::Json(None));
        }
        assert_eq!(reader.executable.as_deref(), Some(Path::new("/t/my-app")));
    }

    #[test]
    fn everything_else_is_text_even_if_it_looks_like_json() {
        let mut reader = reader();
        for text in [&b"   Compiling x v0.1.0"[..], b"{\"reason\":\"comp", b"{}", b"\xff\xfe", b""] {
            assert_eq!(reader.line(text), Line::Text);
        }
        assert_eq!(reader.line(br#"{"reason":"a-new-one","x":1}"#), Line::Json(None));
    }

    #[test]
    fn waiting_for_a_lock_is_noticed() {
        let line = reader().line(b"    Blocking waiting for file lock on build directory");
        assert_eq!(line, Line::Blocking("build directory".into()));
    }

    #[test]
    fn errors_of_cargo_itself_are_diagnostics_with_their_place_and_causes() {
        let errors = cargo_errors(
            "warning: unused key\nerror: unclosed array\n --> Cargo.toml:3:7\n  |\n3 | x = [\n  |     ^\n\nCaused by:\n  deep\nwarning: later\nerror: second\n",
        );
        assert_eq!(errors.len(), 2);
        assert_eq!(errors[0].message, "unclosed array");
        let place = (errors[0].file.as_deref(), errors[0].line, errors[0].column);
        assert_eq!(place, (Some("Cargo.toml"), Some(3), Some(7)));
        assert!(errors[0].rendered.ends_with("Caused by:\n  deep"), "{}", errors[0].rendered);
        assert_eq!(errors[1].rendered, "error: second");
    }

    #[test]
    fn cargos_summary_does_not_add_to_the_compilers_errors() {
        let mut reader = reader();
        reader.line(compiler("error", "bad").as_bytes());
        reader.line(b"error: could not compile `x` (bin \"x\") due to 1 previous error");
        reader.finish(false);
        assert_eq!((reader.errors, reader.diagnostics.len()), (1, 1));
    }
}
