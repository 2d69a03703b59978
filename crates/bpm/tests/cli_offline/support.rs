//! A project in a temporary directory, with its state beside it, and logs written as a shim writes them.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use bpm::store::paths::Project;
use bpm_logs::{Limits, Now, Stream, Writer};
use tempfile::TempDir;

/// Where the clock of the written logs starts: 2026-03-01T09:30:00Z.
pub(crate) const START_NS: u64 = 1_772_357_400_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

pub(crate) struct Bench {
    dir: TempDir,
    project: Project,
}

impl Bench {
    /// A project with this configuration; empty: with none.
    pub(crate) fn new(config: &str) -> Bench {
        let dir = TempDir::new().unwrap();
        let root = dir.path().join("shop");
        std::fs::create_dir(&root).unwrap();
        if !config.is_empty() {
            std::fs::write(root.join(".mcp-run"), config).unwrap();
        }
        let found = Project::find(&root, true).unwrap();
        let state = dir.path().join("state/v1").join(&found.id);
        Bench { project: Project { state, ..found }, dir }
    }

    /// With processes of these names.
    pub(crate) fn with(names: &[&str]) -> Bench {
        let table = |name: &&str| format!("[process.{name}]\ncommand = [\"true\"]\n");
        Bench::new(&names.iter().map(table).collect::<String>())
    }

    pub(crate) fn root(&self) -> &Path {
        &self.project.root
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.root()).env("BPM_STATE_DIR", self.dir.path().join("state"));
        command.env("HOME", self.dir.path()).env("TERM", "xterm");
        for name in ["NO_COLOR", "COLUMNS", "BPM_LOG", "XDG_STATE_HOME"] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn bpm(&self, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_bpm"));
        command.args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.ran(self.bpm(args).output().unwrap())
    }

    /// What a program said, with this bench's directory taken out.
    pub(crate) fn ran(&self, output: Output) -> Ran {
        let dir = self.dir.path().canonicalize().unwrap().display().to_string();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&dir, "[DIR]");
        Ran {
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
            bytes: output.stdout,
        }
    }

    pub(crate) fn run_dir(&self, process: &str, number: u64) -> PathBuf {
        self.project.runs(process).join(number.to_string())
    }

    pub(crate) fn build_dir(&self, process: &str, number: u64) -> PathBuf {
        self.project.builds(process).join(number.to_string())
    }

    /// Lines on stdout, one second apart; runs are a hundred apart.
    pub(crate) fn write_run(&self, process: &str, number: u64, lines: &[&str]) {
        let lines: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
        let chunks = lines
            .iter()
            .enumerate()
            .map(|(at, line)| (Stream::Stdout, (number - 1) * 100 + at as u64, line.as_bytes()));
        write(&self.run_dir(process, number), &chunks.collect::<Vec<_>>());
    }
}

/// What a program did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) bytes: Vec<u8>,
}

impl Ran {
    /// It must have ended with this code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

/// That many seconds after [`START_NS`].
pub(crate) fn at(second: u64) -> Now {
    Now { wall_ns: START_NS + second * SECOND_NS, mono_ns: second * SECOND_NS }
}

/// Writes a whole log: stream, second and bytes of each chunk.
pub(crate) fn write(dir: &Path, chunks: &[(Stream, u64, &[u8])]) {
    let mut writer = writer(dir);
    let mut last = 0;
    for (stream, second, bytes) in chunks {
        print(&mut writer, *stream, bytes, *second);
        last = *second;
    }
    writer.finish(at(last));
}

/// Writes like a shim: what was read is settled at once.
pub(crate) fn print(writer: &mut Writer, stream: Stream, bytes: &[u8], second: u64) {
    writer.append(stream, bytes, at(second));
    writer.settle();
}

pub(crate) fn writer(dir: &Path) -> Writer {
    std::fs::create_dir_all(dir).unwrap();
    Writer::open(dir, Limits::for_max_bytes(64 << 20)).unwrap()
}

/// Lines of a program's output as they come.
pub(crate) struct Lines {
    lines: Receiver<String>,
}

impl Lines {
    pub(crate) fn of(output: impl Read + Send + 'static) -> Lines {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if line.is_err() || sender.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Lines { lines }
    }

    /// The next line, within half a minute.
    #[track_caller]
    pub(crate) fn next(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(30)).expect("a line in time")
    }

    /// What comes until the output ends, within half a minute per line.
    pub(crate) fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| match self.lines.recv_timeout(Duration::from_secs(30)) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the output does not end"),
        })
        .collect()
    }
}

/// A program that is killed when the test is over.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
