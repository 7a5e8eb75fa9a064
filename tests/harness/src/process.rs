//! Process: one supervised child, its log and its end.
//!
//! Decides how a program is started, watched and ended. Does not know what the program does, nor when it is ready.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::lifeline;

/// How many lines of a log are shown when its program fails.
const SHOWN_LINES: usize = 40;

/// A running program: killed, with its whole process group, when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    group: Pid,
    child: Mutex<Child>,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; what it prints is appended to the file `log`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(log);
        let file = file.with_context(|| format!("open the log of {name}: {}", log.display()))?;
        let second = file
            .try_clone()
            .with_context(|| format!("open the log of {name}: {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file).stderr(second);
        let program = command.get_program().to_os_string();
        let child = lifeline::spawn(command)
            .with_context(|| format!("start {name}: {}", program.display()))?;
        let group =
            Pid::from_raw(i32::try_from(child.id()).context("a process id that is no i32")?);
        Ok(Self {
            name: name.to_owned(),
            group,
            child: Mutex::new(child),
            log: log.to_owned(),
        })
    }

    /// The process id, which is also the id of its process group.
    pub fn id(&self) -> i32 {
        self.group.as_raw()
    }

    /// The file that holds what the program printed.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<ExitStatus> {
        self.child().try_wait().ok().flatten()
    }

    /// An error with the end of the log if the program is no longer running.
    pub fn check_alive(&self) -> Result<()> {
        match self.exit() {
            None => Ok(()),
            Some(status) => bail!(
                "{} ended by itself ({status}), its last words:\n{}",
                self.name,
                self.log_tail()
            ),
        }
    }

    /// The last lines that the program printed.
    pub fn log_tail(&self) -> String {
        tail(
            &fs::read_to_string(&self.log).unwrap_or_default(),
            SHOWN_LINES,
        )
    }

    /// Sends a signal to the program and whatever it started.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        killpg(self.group, signal).with_context(|| format!("send {signal} to {}", self.name))
    }

    /// Ends it at once and waits until it is gone; an ended process is left alone.
    pub fn kill(&self) {
        let mut child = self.child();
        if child.try_wait().ok().flatten().is_none() {
            let _ = killpg(self.group, Signal::SIGKILL);
            let _ = child.wait();
        }
    }

    /// Waits for an end that was asked for or is near. Blocks the thread.
    pub fn wait(&self) -> Result<ExitStatus> {
        self.child()
            .wait()
            .with_context(|| format!("wait for {}", self.name))
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a program that ran to its end left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit status; 128 + N when signal N ended it, as in a shell.
    pub status: i32,
    /// Standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
}

impl Output {
    /// Whether the exit status is zero.
    pub fn is_success(&self) -> bool {
        self.status == 0
    }

    /// The standard output of a success, or an error that holds both streams.
    pub fn ok(self) -> Result<String> {
        if self.is_success() {
            return Ok(self.stdout);
        }
        bail!(
            "exit status {}\n{}{}",
            self.status,
            self.stdout,
            self.stderr
        )
    }
}

/// Runs `command` to its end, feeding it `stdin`. Blocks the thread; the child ends with this process.
pub fn run(mut command: Command, stdin: Option<String>) -> Result<Output> {
    let program = command.get_program().to_os_string();
    let input = if stdin.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    };
    command
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child =
        lifeline::spawn(command).with_context(|| format!("run {}", program.display()))?;
    if let (Some(mut pipe), Some(text)) = (child.stdin.take(), stdin) {
        // A program that ends without reading its input is no failure of ours: its status tells.
        thread::spawn(move || pipe.write_all(text.as_bytes()));
    }
    let mut pipe = child.stderr.take();
    let errors = thread::spawn(move || pipe.as_mut().map(read_all).unwrap_or_default());
    let stdout = child.stdout.as_mut().map(read_all).unwrap_or_default();
    let status = child
        .wait()
        .with_context(|| format!("wait for {}", program.display()))?;
    let stderr = errors.join().unwrap_or_default();
    Ok(Output {
        status: status_code(status),
        stdout,
        stderr,
    })
}

fn read_all(pipe: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn status_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// The last `lines` lines of `text`.
fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all.iter()
        .skip(all.len().saturating_sub(lines))
        .copied()
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        command
    }

    #[test]
    fn a_program_that_ends_by_itself_is_reported_with_its_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let process = Process::start(
            "talker",
            shell("echo no such flag; exit 3"),
            &dir.path().join("log"),
        )
        .unwrap();
        process.wait().unwrap();
        let error = process.check_alive().unwrap_err().to_string();
        assert!(
            error.contains("talker ended by itself") && error.contains("no such flag"),
            "{error}"
        );
    }

    #[test]
    fn dropping_a_process_ends_what_it_started_too() {
        let dir = tempfile::tempdir().unwrap();
        let process = Process::start(
            "parent",
            shell("cat /dev/zero >/dev/null & wait"),
            &dir.path().join("log"),
        )
        .unwrap();
        let group = process.group;
        assert!(killpg(group, None).is_ok());
        drop(process);
        // The grandchild is reaped by init, which takes a moment; a dead one is no longer runnable.
        assert!(crate::testing::no_member_runs(group.as_raw()));
    }

    #[test]
    fn a_run_returns_status_and_both_streams() {
        let output = run(
            shell("cat; echo oops >&2; exit 7"),
            Some("hello".to_owned()),
        )
        .unwrap();
        assert_eq!(
            (
                output.status,
                output.stdout.as_str(),
                output.stderr.as_str()
            ),
            (7, "hello", "oops\n")
        );
        assert!(output.ok().unwrap_err().to_string().contains("oops"));
    }

    #[test]
    fn a_program_ended_by_a_signal_has_the_status_of_a_shell() {
        assert_eq!(run(shell("kill -9 $$"), None).unwrap().status, 137);
    }

    #[test]
    fn the_tail_of_a_log_is_its_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 5), "a");
    }
}
