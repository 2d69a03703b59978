//! A pseudo-terminal: the side that a person would sit at, and the program's. Knows neither the program nor the log.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{fcntl_dupfd_cloexec, ioctl_fionbio};
use rustix::process::{Signal, kill_process_group};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{
    InputModes, OptionalActions, SpecialCodeIndex, Winsize, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr,
    tcsetwinsize,
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

    /// Changes the size, and tells the foreground program. The kernel tells it only of another size than before; one that is told the
    /// present size draws itself anew.
    pub(crate) fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let same = tcgetwinsize(&self.master).is_ok_and(|now| (now.ws_row, now.ws_col) == (rows, columns));
        tcsetwinsize(&self.master, size)?;
        if same && let Ok(foreground) = tcgetpgrp(&self.master) {
            // One of another user is not ours to tell: it is drawn anew when it likes.
            let _ = kill_process_group(foreground, Signal::WINCH);
        }
        Ok(())
    }

    /// What has to be typed for end-of-file; `None` where the program has disabled it.
    pub(crate) fn end_of_file(&self) -> Option<u8> {
        const DISABLED: u8 = 0;
        let key = tcgetattr(&self.master).ok()?.special_codes[SpecialCodeIndex::VEOF];
        (key != DISABLED).then_some(key)
    }
}
