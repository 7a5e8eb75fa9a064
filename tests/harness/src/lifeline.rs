//! Lifeline: a child process never outlives the process that started it.
//!
//! Decides how children are forked: each in a process group of its own, each killed by the kernel when this
//! process ends, `kill -9` included. Does not know what the children are or how they are supervised.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Sender, SyncSender};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};

/// A command to start, and where the answer goes.
type Order = (Command, SyncSender<io::Result<Child>>);

/// The one thread that forks. The kernel ties the death signal to the *thread* that forked, so a test's own
/// thread would take the shared control plane with it; this one lives as long as the process.
static FORKER: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();

/// Starts `command` in its own process group, to be killed with this process.
pub(crate) fn spawn(mut command: Command) -> io::Result<Child> {
    command.process_group(0);
    end_with_parent(&mut command);
    let (answer, child) = mpsc::sync_channel(1);
    FORKER
        .get_or_init(start_forker)
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send((command, answer))
        .map_err(|_| io::Error::other("the forking thread has ended"))?;
    child
        .recv()
        .map_err(|_| io::Error::other("the forking thread gave no answer"))?
}

fn start_forker() -> Mutex<Sender<Order>> {
    let (orders, inbox) = mpsc::channel::<Order>();
    thread::spawn(move || {
        for (mut command, answer) in inbox {
            // Whoever asked may be gone; the child then ends here, as its handle is dropped with it killed.
            if let Err(mpsc::SendError(Ok(mut orphan))) = answer.send(command.spawn()) {
                let _ = orphan.kill();
            }
        }
    });
    Mutex::new(orders)
}

#[expect(
    unsafe_code,
    reason = "the death signal can only be set between fork and exec; prctl and getppid are async-signal-safe and allocate nothing"
)]
fn end_with_parent(command: &mut Command) {
    let parent = Pid::this();
    let ask_for_the_signal = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have died before the request: then the signal never comes.
        if getppid() == parent {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(nix::libc::ESRCH))
        }
    };
    // SAFETY: the closure makes two system calls and touches no memory shared with other threads.
    unsafe { command.pre_exec(ask_for_the_signal) };
}
