//! The puppet's steps that read, and those that look at a terminal. Must not know what is being tested.

use std::fs::OpenOptions;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcgetwinsize, tcsetattr};

const WINCH: i32 = 28;

/// What is read, line by line and at once, until the end, which is said.
pub(crate) fn echo() -> io::Result<()> {
    for line in io::stdin().lock().split(b'\n') {
        let mut line = line?;
        line.splice(..0, *b"echo ");
        line.push(b'\n');
        io::stdout().write_all(&line).and_then(|()| io::stdout().flush())?;
    }
    writeln!(io::stdout(), "end of input")
}

/// How many bytes there are to read until the end, and their sum.
pub(crate) fn count() -> io::Result<()> {
    let (mut buffer, mut bytes, mut sum) = ([0; 4096], 0, 0);
    loop {
        match io::stdin().lock().read(&mut buffer)? {
            0 => return writeln!(io::stdout(), "read {bytes} bytes, sum {sum}"),
            len => {
                bytes += len;
                sum += buffer[..len].iter().map(|byte| u64::from(*byte)).sum::<u64>();
            }
        }
    }
}

pub(crate) fn is_a_terminal() -> io::Result<()> {
    let all = [io::stdin().is_terminal(), io::stdout().is_terminal(), io::stderr().is_terminal()];
    writeln!(io::stdout(), "terminal {all:?}")
}

/// Writes to whatever is the controlling terminal.
pub(crate) fn controlling() -> io::Result<()> {
    OpenOptions::new().write(true).open("/dev/tty")?.write_all(b"by way of /dev/tty\n")
}

pub(crate) fn size() -> io::Result<()> {
    let size = tcgetwinsize(io::stdin())?;
    writeln!(io::stdout(), "size {} {}", size.ws_row, size.ws_col)
}

/// The size now, and again each time that the program is told of a new one.
pub(crate) fn sizes() -> io::Result<()> {
    let (mut changes, theirs) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(WINCH, theirs)?;
    loop {
        size()?;
        changes.read_exact(&mut [0])?;
    }
}

/// A line that is not shown while it is typed.
pub(crate) fn secret() -> io::Result<()> {
    let before = tcgetattr(io::stdin())?;
    let mut modes = before.clone();
    modes.local_modes -= LocalModes::ECHO;
    tcsetattr(io::stdin(), OptionalActions::Flush, &modes)?;
    write!(io::stdout(), "password: ").and_then(|()| io::stdout().flush())?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    tcsetattr(io::stdin(), OptionalActions::Flush, &before)?;
    writeln!(io::stdout(), "{} bytes", line.trim_end().len())
}

/// Everything as it is typed, nothing done or shown by the terminal; ends with a `q`.
pub(crate) fn raw() -> io::Result<()> {
    let mut modes = tcgetattr(io::stdin())?;
    modes.make_raw();
    tcsetattr(io::stdin(), OptionalActions::Flush, &modes)?;
    writeln!(io::stdout(), "raw")?;
    let mut buffer = [0; 64];
    loop {
        let len = io::stdin().lock().read(&mut buffer)?;
        writeln!(io::stdout(), "typed {:?}", &buffer[..len])?;
        if len == 0 || buffer[..len].contains(&b'q') {
            return Ok(());
        }
    }
}
