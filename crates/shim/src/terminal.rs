//! A pseudo-terminal: the side that a person would sit at, and the program's. Knows neither the program nor the log.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{fcntl_dupfd_cloexec, ioctl_fionbio};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{
    InputModes, OptionalActions, SpecialCodeIndex, Winsize, tcgetattr, tcsetattr, tcsetwinsize,
};

/// A terminal of one program.
///
/// The program's side stays open here, too. So the other side never reports a hang-up while the program has merely closed what it had
/// and may yet open `/dev/tty` again, and what was printed can be read after everybody has gone.
#[derive(Debug)]
pub(crate) struct Terminal {
    master: OwnedFd,
    slave: OwnedFd,
}

impl Terminal {
    /// Makes a terminal of this size, in the modes that the kernel gives a new one, and erasing whole UTF-8 characters.
    pub(crate) fn open(rows: u16, columns: u16) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        unlockpt(&master)?;
        // Not by name: `/dev/pts` may be that of another mount namespace.
        let slave = ioctl_tiocgptpeer(&master, flags)?;
        ioctl_fionbio(&master, true)?;
        let mut modes = tcgetattr(&slave)?;
        modes.input_modes |= InputModes::IUTF8;
        tcsetattr(&slave, OptionalActions::Now, &modes)?;
        let terminal = Self { master, slave };
        terminal.resize(rows, columns)?;
        Ok(terminal)
    }

    /// The side that reads what the program prints and writes what it is to read. Does not block.
    pub(crate) fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// Another descriptor of the same side.
    pub(crate) fn clone_master(&self) -> io::Result<OwnedFd> {
        Ok(fcntl_dupfd_cloexec(&self.master, 3)?)
    }

    /// Another descriptor of the program's side.
    pub(crate) fn clone_slave(&self) -> io::Result<OwnedFd> {
        Ok(fcntl_dupfd_cloexec(&self.slave, 3)?)
    }

    /// Changes the size. The kernel tells the foreground program, if it is another one than before.
    pub(crate) fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        Ok(tcsetwinsize(&self.master, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?)
    }

    /// What has to be typed for end-of-file; `None` where the program has disabled it.
    pub(crate) fn end_of_file(&self) -> Option<u8> {
        const DISABLED: u8 = 0;
        let key = tcgetattr(&self.master).ok()?.special_codes[SpecialCodeIndex::VEOF];
        (key != DISABLED).then_some(key)
    }
}
