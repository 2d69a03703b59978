//! The program that tests supervise: does what its arguments say, one word after the other, and can be a shim's process itself.
//! Must not know what is being tested.
//!
//! ```text
//! puppet [--pids FILE] [--name NAME] STEP...
//!
//! lines N [--every-us U] [--stderr] [--prefix P]   numbered lines, one write each
//! spam [--stderr]              lines without end, in large writes
//! partial TEXT                 TEXT without a line feed
//! binary                       all 256 bytes, no line feed at the end
//! env NAME                     the variable's value, or nothing
//! cwd                          the working directory
//! echo                         what is read, line by line, with `echo ` before it, until the end
//! count                        how much there is to read, until the end
//! close-stdin                  reads no more
//! terminal                     which of stdin, stdout and stderr are terminals
//! controlling                  writes to /dev/tty
//! size                         the terminal's size
//! sizes                        the terminal's size, now and after each change, for ever
//! secret                       reads a line that is not echoed, prints its length
//! raw                          puts the terminal into raw mode, prints the bytes it reads, up to a `q`
//! gate FIFO                    waits until somebody opens FIFO for writing and closes it
//! sleep [--ms MS]              waits, without --ms for ever
//! ignore-term                  TERM does nothing from here on
//! own-session                  setsid
//! fork-grandchild              a child that sleeps
//! setsid-child                 a child in its own session that sleeps
//! launch DIR TAG STEP...       a shim in DIR with a puppet at a terminal; then sleeps
//! daemon                       double fork, own session, deaf to TERM, sleeps
//! fork-storm [--for-ms MS]     processes that each start the next, in new sessions, and end
//! listen PORT                  accepts and closes connections on loopback, for ever (0: any port, printed)
//! crash-signal SIG             sends SIG (a number) to itself
//! exit CODE [--after-ms MS]    ends
//! ```
//!
//! With `--pids FILE` every process appends a line `NAME PID` to FILE before its first step.

use std::collections::VecDeque;
use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{self, Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bpm_shim::plan::{Plan, Stdin};
use rustix::process::{Signal, getpid, kill_process, setsid};

mod input;

/// A storm that nobody ends ends itself.
const STORM: Duration = Duration::from_secs(20);
const STORM_WIDTH: usize = 4;
const SPAM_BYTES: usize = 64 << 10;

fn main() -> ExitCode {
    if env::args_os().next().is_some_and(|argv0| bpm_shim::is_shim(&argv0)) {
        return bpm_shim::main(env::args_os());
    }
    match Puppet::new(env::args().skip(1).collect()).and_then(Puppet::play) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "puppet: {error}");
            ExitCode::from(99)
        }
    }
}

struct Puppet {
    words: VecDeque<String>,
    pids: Option<PathBuf>,
}

type Played = io::Result<Option<ExitCode>>;

impl Puppet {
    fn new(words: VecDeque<String>) -> io::Result<Self> {
        let mut this = Self { words, pids: None };
        this.pids = this.option("--pids")?.map(PathBuf::from);
        let name = this.option("--name")?.unwrap_or_else(|| "leader".to_owned());
        if let Some(path) = &this.pids {
            let mut file = OpenOptions::new().append(true).create(true).open(path)?;
            file.write_all(format!("{name} {}\n", process::id()).as_bytes())?;
        }
        Ok(this)
    }

    fn play(mut self) -> io::Result<ExitCode> {
        while let Some(step) = self.words.pop_front() {
            if let Some(code) = self.step(&step)? {
                return Ok(code);
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn step(&mut self, step: &str) -> Played {
        match step {
            "lines" => self.lines()?,
            "spam" => self.spam()?,
            "partial" => {
                io::stdout().write_all(self.word("text")?.as_bytes()).and_then(|()| io::stdout().flush())?;
            }
            "binary" => {
                let all: Vec<u8> = (0..=255).collect();
                io::stdout().write_all(&all).and_then(|()| io::stdout().flush())?;
            }
            "env" => {
                let value = env::var(self.word("name")?).unwrap_or_default();
                writeln!(io::stdout(), "{value}")?;
            }
            "cwd" => writeln!(io::stdout(), "{}", env::current_dir()?.display())?,
            "echo" => input::echo()?,
            "count" => input::count()?,
            "close-stdin" => rustix::stdio::dup2_stdin(File::options().write(true).open("/dev/null")?)?,
            "terminal" => input::is_a_terminal()?,
            "controlling" => input::controlling()?,
            "size" => input::size()?,
            "sizes" => input::sizes()?,
            "secret" => input::secret()?,
            "raw" => input::raw()?,
            "launch" => self.launch()?,
            "gate" => {
                File::open(self.word("fifo")?)?.read_to_end(&mut Vec::new())?;
            }
            "sleep" => match self.number("--ms")? {
                Some(ms) => thread::sleep(Duration::from_millis(ms)),
                None => sleep_for_ever(),
            },
            "ignore-term" => {
                signal_hook::flag::register(15, Arc::new(AtomicBool::new(false)))?;
            }
            "own-session" => {
                setsid()?;
            }
            "fork-grandchild" => self.spawn("grandchild", &["sleep"])?,
            "setsid-child" => self.spawn("session", &["own-session", "sleep"])?,
            "daemon" => self.daemon()?,
            "daemon-middle" => self.spawn("daemon", &["ignore-term", "own-session", "sleep"])?,
            "fork-storm" => self.fork_storm()?,
            "storm" => self.storm()?,
            "listen" => self.listen()?,
            "crash-signal" => return self.crash(),
            "exit" => return self.exit().map(Some),
            other => return Err(wrong(format!("no such step `{other}`"))),
        }
        Ok(None)
    }

    fn word(&mut self, what: &str) -> io::Result<String> {
        self.words.pop_front().ok_or_else(|| wrong(format!("expected {what}")))
    }

    fn option(&mut self, name: &str) -> io::Result<Option<String>> {
        if self.words.front().is_none_or(|word| word != name) {
            return Ok(None);
        }
        self.words.pop_front();
        self.word(name).map(Some)
    }

    fn flag(&mut self, name: &str) -> bool {
        let there = self.words.front().is_some_and(|word| word == name);
        if there {
            self.words.pop_front();
        }
        there
    }

    fn number(&mut self, name: &str) -> io::Result<Option<u64>> {
        self.option(name)?.map(|text| parse(&text)).transpose()
    }

    fn lines(&mut self) -> io::Result<()> {
        let count: u64 = parse(&self.word("a number of lines")?)?;
        let every = self.number("--every-us")?;
        let mut out: Box<dyn Write> =
            if self.flag("--stderr") { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
        let prefix = self.option("--prefix")?.unwrap_or_else(|| "line ".to_owned());
        for number in 1..=count {
            out.write_all(format!("{prefix}{number}\n").as_bytes())?;
            if let Some(micros) = every {
                thread::sleep(Duration::from_micros(micros));
            }
        }
        out.flush()
    }

    fn spam(&mut self) -> io::Result<()> {
        let mut out: Box<dyn Write> =
            if self.flag("--stderr") { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
        let block =
            b"spam, spam, spam, spam, spam, spam, spam, spam, spam, baked beans\n".repeat(SPAM_BYTES / 66);
        loop {
            out.write_all(&block)?;
        }
    }

    /// Starts this program again with other steps; it inherits the outputs and is nobody's to wait for.
    fn spawn(&self, name: &str, steps: &[&str]) -> io::Result<()> {
        self.command(name, steps)?.spawn().map(drop)
    }

    fn command(&self, name: &str, steps: &[&str]) -> io::Result<Command> {
        let mut command = Command::new(env::current_exe()?);
        if let Some(pids) = &self.pids {
            command.arg("--pids").arg(pids);
        }
        command.args(["--name", name]).args(steps).stdin(process::Stdio::null());
        Ok(command)
    }

    /// What a manager does, by a process that can be killed.
    fn launch(&mut self) -> io::Result<()> {
        let (dir, tag) = (PathBuf::from(self.word("a directory")?), self.word("a tag")?);
        let puppet = env::current_exe()?;
        let plan = Plan {
            args: self.words.drain(..).map(Into::into).collect(),
            stdin: Stdin::Terminal { rows: 24, columns: 80 },
            ..Plan::new(tag, &puppet, "/")
        };
        let _launched = bpm_shim::launch::launch(&puppet, &dir, &plan)?;
        sleep_for_ever()
    }

    fn daemon(&self) -> io::Result<()> {
        self.command("middle", &["own-session", "daemon-middle"])?.status().map(drop)
    }

    fn fork_storm(&mut self) -> io::Result<()> {
        let length = self.number("--for-ms")?.map_or(STORM, Duration::from_millis);
        let until = (since_epoch() + length).as_millis().to_string();
        for _ in 0..STORM_WIDTH {
            Command::new(env::current_exe()?).args(["storm", &until]).spawn()?;
        }
        Ok(())
    }

    /// One link of the chain. It ends as soon as the next is there, so that its pid is stale when somebody has read it.
    fn storm(&mut self) -> io::Result<()> {
        let until = self.word("a time")?;
        setsid()?;
        if since_epoch().as_millis() < u128::from(parse(&until)?) {
            Command::new(env::current_exe()?).args(["storm", &until]).spawn()?;
        }
        Ok(())
    }

    fn listen(&mut self) -> io::Result<()> {
        let port: u64 = parse(&self.word("a port")?)?;
        let port = u16::try_from(port).map_err(|_| wrong(format!("{port} is no port")))?;
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        writeln!(io::stdout(), "listening on {}", listener.local_addr()?.port())?;
        listener.incoming().try_for_each(|connection| connection.map(drop))
    }

    fn crash(&mut self) -> Played {
        let number: u64 = parse(&self.word("a signal")?)?;
        let signal = i32::try_from(number).ok().and_then(Signal::from_named_raw);
        let signal = signal.ok_or_else(|| wrong(format!("{number} is no signal")))?;
        // The runtime's handler for stack overflows lets the first SEGV pass and steps aside.
        loop {
            kill_process(getpid(), signal)?;
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn exit(&mut self) -> io::Result<ExitCode> {
        let code: u64 = parse(&self.word("a code")?)?;
        if let Some(ms) = self.number("--after-ms")? {
            thread::sleep(Duration::from_millis(ms));
        }
        u8::try_from(code).map(ExitCode::from).map_err(|_| wrong(format!("{code} is no exit code")))
    }
}

fn sleep_for_ever() -> ! {
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn parse(text: &str) -> io::Result<u64> {
    text.parse().map_err(|_| wrong(format!("`{text}` is not a number")))
}

fn wrong(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
