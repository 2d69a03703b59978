//! The few system calls that `rustix` does not have, each behind a safe function. The only `unsafe` of this crate.
#![expect(unsafe_code, reason = "fork, exec, wait4, signal masks and dispositions have no safe form")]

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use crate::protocol::{Status, Usage};

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Closes what a careless ancestor left inheritable. To be called before this process has opened anything of its own.
pub(crate) fn close_inherited() {
    // SAFETY: at the start of `main` no descriptor from 3 up is owned by anything in this process.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

/// Puts `null` on the three standard descriptors.
pub(crate) fn replace_stdio(null: BorrowedFd<'_>) -> io::Result<()> {
    for standard in 0..3 {
        // SAFETY: plain descriptor numbers; std treats 0, 1 and 2 as always open and never as owned.
        check(unsafe { libc::dup2(null.as_raw_fd(), standard) })?;
    }
    Ok(())
}

/// The name that `ps` shows.
pub(crate) fn set_name(name: &CStr) {
    // SAFETY: the kernel reads at most 16 bytes up to the terminator of a valid C string.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// Has the allocator give back what is freed where it would keep it for the next time: here that is mostly never.
pub(crate) fn keep_little_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets numbers in the allocator; there is no other thread.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 10);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 16 << 10);
        libc::mallopt(libc::M_TOP_PAD, 4 << 10);
    }
}

/// Gives back to the system what has been freed in small pieces.
pub(crate) fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the allocator gives up pages that hold nothing.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Ignores everything by which a terminal, a service manager or a broken pipe would end this process.
pub(crate) fn ignore_signals() {
    let ignored = [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGTERM,
        libc::SIGPIPE,
        libc::SIGALRM,
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGXFSZ,
        libc::SIGXCPU,
        libc::SIGVTALRM,
        libc::SIGPROF,
        libc::SIGIO,
        libc::SIGPWR,
    ];
    for signal in ignored {
        // SAFETY: `SIG_IGN` installs no handler, so no code of ours runs in signal context.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Blocks SIGCHLD and returns a non-blocking descriptor that is readable when a child changed state.
pub(crate) fn child_signals() -> io::Result<OwnedFd> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initialises the set that the other calls read; the descriptor is new and ours.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        check(libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), ptr::null_mut()))?;
        let fd = check(libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// A child that is no more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reaped {
    pub(crate) pid: u32,
    pub(crate) status: Status,
    pub(crate) usage: Usage,
}

/// What there is to reap.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reap {
    One(Reaped),
    /// Children are left, none has ended.
    Waiting,
    /// No children at all.
    Childless,
}

/// Reaps one ended child of whatever kind, if there is one.
pub(crate) fn reap() -> Reap {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers are valid for writing; a zeroed `rusage` is a valid one.
        let (pid, usage) = unsafe {
            (
                libc::wait4(-1, &raw mut status, libc::WNOHANG | libc::__WALL, usage.as_mut_ptr()),
                usage.assume_init_ref(),
            )
        };
        return match u32::try_from(pid) {
            Ok(0) => Reap::Waiting,
            Ok(pid) => Reap::One(Reaped { pid, status: decode_status(status), usage: decode_usage(usage) }),
            Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => Reap::Childless,
        };
    }
}

fn decode_status(status: libc::c_int) -> Status {
    if libc::WIFSIGNALED(status) {
        Status::Signal { signal: libc::WTERMSIG(status), core: libc::WCOREDUMP(status) }
    } else {
        Status::Code(libc::WEXITSTATUS(status))
    }
}

fn decode_usage(usage: &libc::rusage) -> Usage {
    let micros = |time: libc::timeval| u64::try_from(time.tv_sec * 1_000_000 + time.tv_usec).unwrap_or(0);
    Usage {
        user_us: micros(usage.ru_utime),
        system_us: micros(usage.ru_stime),
        max_rss_kib: u64::try_from(usage.ru_maxrss).unwrap_or(0),
    }
}

/// KILL to a whole process group, named by a pidfd of its (former) leader: exact even after the leader is gone.
/// Needs Linux 6.9; an error means nothing was done.
pub(crate) fn kill_group(leader: BorrowedFd<'_>) -> io::Result<()> {
    const PIDFD_SIGNAL_PROCESS_GROUP: libc::c_uint = 1 << 2;
    // SAFETY: a valid descriptor, a signal number, no siginfo.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            leader.as_raw_fd(),
            libc::SIGKILL,
            ptr::null::<libc::siginfo_t>(),
            PIDFD_SIGNAL_PROCESS_GROUP,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Everything the child needs between fork and exec, made before the fork: the child must not allocate.
#[derive(Debug)]
pub(crate) struct Image {
    /// Tried in order: the ways to read the program's name through `PATH`.
    pub(crate) candidates: Vec<CString>,
    pub(crate) argv: Vec<CString>,
    pub(crate) env: Vec<CString>,
    pub(crate) cwd: CString,
    pub(crate) umask: u32,
    /// Soft limit of open files.
    pub(crate) open_files: Option<u64>,
}

/// The descriptors of a child to be.
#[derive(Debug)]
pub(crate) struct ChildFds<'a> {
    /// `None`: this process's own, `/dev/null`.
    pub(crate) stdin: Option<BorrowedFd<'a>>,
    pub(crate) stdout: BorrowedFd<'a>,
    pub(crate) stderr: BorrowedFd<'a>,
    /// Stdout is a terminal, which becomes the controlling one.
    pub(crate) terminal: bool,
    /// The group to be born into.
    pub(crate) cgroup: Option<GroupFds<'a>>,
    /// Takes [`notes`](ChildNote); closed by exec, so end-of-file without a fatal note means that the program runs.
    pub(crate) notes: BorrowedFd<'a>,
}

/// A cgroup's directory, and its `cgroup.procs`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupFds<'a> {
    pub(crate) dir: BorrowedFd<'a>,
    pub(crate) procs: BorrowedFd<'a>,
}

/// What a child says before exec: eight bytes, kind and errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChildNote {
    /// It could not join its cgroup, and goes on.
    Cgroup(i32),
    /// It could not enter its directory, and is gone.
    Cwd(i32),
    /// It could not execute its program, and is gone.
    Exec(i32),
    /// It did not get its controlling terminal, and is gone.
    Terminal(i32),
}

impl ChildNote {
    pub(crate) const BYTES: usize = 8;

    fn encode(self) -> [u8; Self::BYTES] {
        let (kind, errno) = match self {
            Self::Cgroup(errno) => (1, errno),
            Self::Cwd(errno) => (2, errno),
            Self::Exec(errno) => (3, errno),
            Self::Terminal(errno) => (4, errno),
        };
        let mut bytes = [0; Self::BYTES];
        bytes[0] = kind;
        bytes[4..].copy_from_slice(&errno.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: [u8; Self::BYTES]) -> Option<Self> {
        let errno = i32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        match bytes[0] {
            1 => Some(Self::Cgroup(errno)),
            2 => Some(Self::Cwd(errno)),
            3 => Some(Self::Exec(errno)),
            4 => Some(Self::Terminal(errno)),
            _ => None,
        }
    }
}

/// Forks and executes. The child's pid; how the exec went comes through `fds.notes`.
///
/// The child is born into its cgroup where the kernel has that (5.7): moving it there later makes the kernel wait for all
/// processors, about ten milliseconds.
pub(crate) fn fork_exec(image: &Image, fds: &ChildFds<'_>) -> io::Result<u32> {
    let argv = pointers(&image.argv);
    let env = pointers(&image.env);
    // SAFETY: this process has one thread, so the child may run anything; it runs only `child`, which never returns.
    let pid = unsafe {
        let parent = libc::getpid();
        let (pid, joins) = match fds.cgroup.map(|group| fork_into(group.dir)) {
            Some(Ok(pid)) => (pid, None),
            Some(Err(_)) => (check(libc::fork())?, fds.cgroup),
            None => (check(libc::fork())?, None),
        };
        if pid == 0 {
            child(image, fds, joins, &argv, &env, parent);
        }
        pid
    };
    u32::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH))
}

/// SAFETY: as `fork`; the C library does not know of the child, so it may use system calls only.
unsafe fn fork_into(cgroup: BorrowedFd<'_>) -> io::Result<libc::pid_t> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    // SAFETY: all zeroes is a valid value of this structure of integers.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = CLONE_INTO_CGROUP;
    args.exit_signal = u64::try_from(libc::SIGCHLD).unwrap_or(0);
    args.cgroup = u64::try_from(cgroup.as_raw_fd()).unwrap_or(u64::MAX);
    // SAFETY: the structure lives across the call and its size is its own; without CLONE_VM the child has a copy of everything.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    check(libc::c_int::try_from(result).unwrap_or(-1))
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

type Pointers = [*const libc::c_char];

/// SAFETY: only in a freshly forked child; the pointer slices end in null and their strings outlive the call.
unsafe fn child(
    image: &Image,
    fds: &ChildFds<'_>,
    joins: Option<GroupFds<'_>>,
    argv: &Pointers,
    env: &Pointers,
    parent: libc::pid_t,
) -> ! {
    // SAFETY: system calls on valid descriptors, C strings and local memory only; nothing allocates or locks.
    unsafe {
        libc::setsid();
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::getppid() != parent {
            libc::_exit(127);
        }
        if let Some(group) = joins
            && libc::write(group.procs.as_raw_fd(), c"0".as_ptr().cast(), 1) < 0
        {
            note(fds, ChildNote::Cgroup(errno()));
        }
        libc::umask(image.umask);
        limit_open_files(image.open_files);
        if fds.terminal && libc::ioctl(fds.stdout.as_raw_fd(), libc::TIOCSCTTY, 0) < 0 {
            note(fds, ChildNote::Terminal(errno()));
            libc::_exit(127);
        }
        if let Some(stdin) = fds.stdin {
            libc::dup2(stdin.as_raw_fd(), libc::STDIN_FILENO);
        }
        libc::dup2(fds.stdout.as_raw_fd(), libc::STDOUT_FILENO);
        libc::dup2(fds.stderr.as_raw_fd(), libc::STDERR_FILENO);
        default_signals();
        if libc::chdir(image.cwd.as_ptr()) < 0 {
            note(fds, ChildNote::Cwd(errno()));
            libc::_exit(127);
        }
        let mut failure = libc::ENOENT;
        for candidate in &image.candidates {
            libc::execve(candidate.as_ptr(), argv.as_ptr(), env.as_ptr());
            match errno() {
                libc::ENOENT | libc::ENOTDIR => {}
                libc::EACCES => failure = libc::EACCES,
                other => {
                    failure = other;
                    break;
                }
            }
        }
        note(fds, ChildNote::Exec(failure));
        libc::_exit(127)
    }
}

/// The manager raises its own limit; a program that uses `select` must not inherit that.
fn limit_open_files(soft: Option<u64>) {
    let Some(soft) = soft else { return };
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a valid, initialised structure of this stack frame.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = soft.min(limit.rlim_max);
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

/// Default dispositions and nothing blocked, whatever was inherited.
fn default_signals() {
    const KERNEL_SIGNALS: libc::c_int = 64;
    const KERNEL_SET_BYTES: usize = 8;
    // The kernel's `sigaction` of any architecture, with `SIG_DFL` (0) and no flags. Not by way of the C library, which
    // refuses the two signals that it keeps for itself, and these too may have been inherited as ignored.
    let default = [0_u64; 8];
    let mut none = MaybeUninit::uninit();
    // SAFETY: `default` is larger than what is read, no handler is installed; `sigemptyset` initialises the set.
    unsafe {
        for signal in 1..=KERNEL_SIGNALS {
            let nothing = ptr::null_mut::<u64>();
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), nothing, KERNEL_SET_BYTES);
        }
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
}

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

fn note(fds: &ChildFds<'_>, note: ChildNote) {
    let bytes = note.encode();
    // SAFETY: a valid descriptor and a buffer of that length. Eight bytes into an empty pipe are never cut.
    unsafe { libc::write(fds.notes.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
}
