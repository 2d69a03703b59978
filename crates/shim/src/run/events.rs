//! The poll loop: waits for anything to happen, without a timeout unless something is due, and hands it to [`Life`].

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use bpm_logs::Now;

use super::life::Life;
use crate::control::Control;
use crate::output::Output;
use crate::protocol::Request;
use crate::sys;

/// Input after which memory is given back at once, in bytes.
const LONG_INPUT_BYTES: usize = 4 << 10;

/// What has happened.
#[derive(Debug, Default)]
struct Ready {
    signals: bool,
    listener: bool,
    notes: bool,
    outputs: [bool; 2],
    input: bool,
    connections: Vec<usize>,
}

impl Life {
    /// Lives until the run is over, then gives the connections back.
    pub(super) fn live(mut self, mut control: Control) -> Control {
        let mut busy = false;
        while !self.is_over() {
            let ready = self.wait(&control, busy);
            // First, so that the launcher, whose `Hello` is there before anything else can be, misses nothing.
            for index in ready.connections {
                let requests = control.receive(index);
                let is_long = |request: &Request| matches!(request, Request::Input { bytes, .. } if bytes.len() > LONG_INPUT_BYTES);
                let had_long = requests.iter().any(is_long);
                for request in requests {
                    self.obey(&mut control, index, &request);
                }
                // it grew in small pieces, and the program may say too little for idle memory to be looked for later
                if had_long {
                    sys::trim_heap();
                }
            }
            busy = ready.outputs != [false; 2] && self.read_outputs(&mut control, ready.outputs);
            if ready.input {
                // An error means that it has been closed, which the next to write hears.
                let _ = self.input.flush();
            }
            if ready.notes {
                self.read_notes(&mut control);
            }
            if ready.listener {
                control.accept();
            }
            if ready.signals {
                let _ = rustix::io::read(&self.signals, &mut [0; 512]);
                self.children_changed(&mut control);
            }
            self.act_on_time(&mut control);
            self.release_if_asked(&mut control);
            if control.sweep() {
                self.hurry(&control);
            }
        }
        control
    }

    fn wait(&mut self, control: &Control, busy: bool) -> Ready {
        // In a flood the next turn is waiting already: no need to settle, and none to block.
        if busy {
            let ready = self.poll(control, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
            if ready.outputs != [false; 2] {
                return ready;
            }
        }
        self.log.settle();
        let due = [self.log.flush_due(), self.killing.and_then(|killing| killing.next_mono_ns)]
            .into_iter()
            .flatten()
            .min();
        self.poll(control, due.map(until).as_ref())
    }

    fn poll(&self, control: &Control, timeout: Option<&Timespec>) -> Ready {
        let readable = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let notes = self.starting.as_ref().map(|starting| std::os::fd::AsFd::as_fd(&starting.notes));
        let outputs = [&self.stdout, &self.stderr].map(|output| output.as_ref().map(Output::fd));
        let fixed = [
            Some(std::os::fd::AsFd::as_fd(&self.signals)),
            control.listener(),
            notes,
            outputs[0],
            outputs[1],
        ];
        let input = self.input.fd();
        let writable = |fd| PollFd::from_borrowed_fd(fd, PollFlags::OUT);
        let mut fds: Vec<PollFd<'_>> = fixed
            .into_iter()
            .flatten()
            .map(readable)
            .chain(input.map(writable))
            .chain(control.poll_fds())
            .collect();
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::INTR) => {}
            // Out of memory for a moment: whatever is ready is still ready at the next call.
            Err(_) => return Ready::default(),
        }
        let mut happened = fds.iter().map(|fd| !fd.revents().is_empty());
        let mut is_ready = |there: bool| there && happened.next().unwrap_or(false);
        let mut ready = Ready {
            signals: is_ready(true),
            listener: is_ready(fixed[1].is_some()),
            notes: is_ready(fixed[2].is_some()),
            outputs: [is_ready(fixed[3].is_some()), is_ready(fixed[4].is_some())],
            input: is_ready(input.is_some()),
            connections: Vec::new(),
        };
        ready.connections =
            happened.enumerate().filter_map(|(index, ready)| ready.then_some(index)).collect();
        ready
    }

    fn act_on_time(&mut self, control: &mut Control) {
        let now = Now::read();
        if self.log.flush_due().is_some_and(|due| due <= now.mono_ns) {
            self.log.flush_tails(now);
            self.check_disk(control);
            if self.log.flush_due().is_none() {
                // The program has been silent for a while.
                sys::trim_heap();
            }
        }
        if self.killing.and_then(|killing| killing.next_mono_ns).is_some_and(|due| due <= now.mono_ns) {
            self.kill_round();
        }
    }
}

/// How long from now; zero when it is past.
fn until(due_mono_ns: u64) -> Timespec {
    let left = due_mono_ns.saturating_sub(Now::read().mono_ns);
    Timespec {
        tv_sec: i64::try_from(left / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(left % 1_000_000_000).unwrap_or(0),
    }
}
