"""A terminal for one program: a pty, and as much of a screen as is needed to see what the program has drawn."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

PATIENCE_SECONDS = 30
# Finished sequences of any kind: CSI, OSC, two characters.
SEQUENCE = re.compile(rb"\x1b(?:\[([?>]?)([0-9;]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()*+#].|[=>78cDEHM])")


class Failed(Exception):
    """Something did not happen."""


class Screen:
    """Cells without colours. One column for each character: the programs that are measured print ASCII."""

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.cells = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0
        self.rest = b""

    def feed(self, data):
        data = self.rest + data
        at = 0
        while at < len(data):
            escape = data.find(b"\x1b", at)
            end = len(data) if escape < 0 else escape
            at = self._print(data, at, end)
            if escape < 0 or at < end:
                break
            sequence = SEQUENCE.match(data, at)
            if not sequence:
                break
            self._obey(sequence)
            at = sequence.end()
        # a sequence or a character that is not there as a whole
        self.rest = data[at:]

    def _print(self, data, at, end):
        text = data[at:end].decode("utf-8", "surrogateescape")
        if end == len(data):
            # up to three bytes may be the beginning of a character
            whole = data[at:end]
            for cut in range(1, min(4, len(whole) + 1)):
                lead = whole[-cut]
                if lead >= 0xC0:
                    if cut < (2 if lead < 0xE0 else 3 if lead < 0xF0 else 4):
                        end -= cut
                        text = whole[:-cut].decode("utf-8", "surrogateescape")
                    break
        for character in text:
            if character == "\r":
                self.column = 0
            elif character == "\n":
                self.row = min(self.row + 1, self.rows - 1)
            elif character >= " ":
                if self.row < self.rows and self.column < self.columns:
                    self.cells[self.row][self.column] = character
                self.column += 1
        return end

    def _obey(self, sequence):
        private, words, final = sequence[1], sequence[2], sequence[3]
        if final is None or private:
            return
        numbers = [int(word or 0) for word in words.split(b";")] if words else []
        first = numbers[0] if numbers else 0
        if final in b"Hf":
            self.row = max(first, 1) - 1
            self.column = max(numbers[1] if len(numbers) > 1 else 1, 1) - 1
        elif final == b"G":
            self.column = max(first, 1) - 1
        elif final == b"d":
            self.row = max(first, 1) - 1
        elif final == b"C":
            self.column += max(first, 1)
        elif final == b"J" and first == 2:
            self.cells = [[" "] * self.columns for _ in range(self.rows)]
        elif final == b"K" and self.row < self.rows:
            row = self.cells[self.row]
            row[self.column :] = [" "] * len(row[self.column :])

    def text(self):
        return "\n".join("".join(row) for row in self.cells)


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, command, directory, environment, columns=120, rows=40):
        self.screen = Screen(columns, rows)
        self.drawn_bytes = 0
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            os.execvpe(command[0], command, environment)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.set_blocking(self.master, False)

    def _take(self, seconds):
        """What is drawn within that time, as soon as there is any."""
        ready, _, _ = select.select([self.master], [], [], max(0, seconds))
        if not ready:
            return b""
        try:
            data = os.read(self.master, 1 << 16)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError:
            raise Failed("the program has ended") from None
        self.drawn_bytes += len(data)
        return data

    def pass_time(self, seconds, look=False):
        """Reads for that long what is drawn. Where nobody looks, the screen is wrong afterwards."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            data = self._take(left)
            if look:
                self.screen.feed(data)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def until(self, what, holds):
        """The time at which it held first."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds(self.screen.text()):
            if time.monotonic() > deadline:
                raise Failed(f"waited in vain: {what}\n{self.screen.text()}")
            self.screen.feed(self._take(0.5))
        return time.monotonic()

    def close(self):
        """Quits as a user does."""
        try:
            self.press("\x03")
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                self._take(0.1)
        except (Failed, OSError):
            pass
        os.close(self.master)
        try:
            os.kill(self.pid, signal.SIGHUP)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)
