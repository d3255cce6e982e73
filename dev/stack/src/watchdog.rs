//! Ends the processes of a temporary stack when the process that started it ends, however it ends.
//!
//! A shell holds the reading end of a pipe and learns the process groups line by line; the end of the pipe is the
//! end of the owner, be it by return, panic or `kill -9`, and then every group still known gets its signal.
//! Rejected: `PR_SET_PDEATHSIG` fires at the end of the *thread* that started the child, and the threads of a
//! test runner end long before its process does.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use crate::error::StackError;

/// `SIGNAL PID` adds a group, `- PID` forgets it.
const SCRIPT: &str = r#"
groups=""
while read -r signal pid; do
  kept=""
  for group in $groups; do [ "${group#*:}" = "$pid" ] || kept="$kept $group"; done
  groups="$kept"
  [ "$signal" = "-" ] || groups="$groups $signal:$pid"
done
for group in $groups; do kill -s "${group%%:*}" -- "-${group#*:}"; done 2>/dev/null
"#;

/// The running watchdog; dropping it closes the pipe.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Mutex<Child>,
}

impl Watchdog {
    pub(crate) fn start() -> Result<Self, StackError> {
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "foldstream-stack-watchdog"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // An interrupt from the terminal must reach the owner only.
            .process_group(0)
            .spawn()
            .map_err(|source| StackError::Spawn { program: "sh".to_owned(), source })?;
        Ok(Self { shell: Mutex::new(shell) })
    }

    /// From now on the group ends by `signal` when the owner ends.
    pub(crate) fn watch(&self, pid: u32, signal: &str) {
        self.tell(&format!("{signal} {pid}\n"));
    }

    /// The group has ended: its number may soon be another's.
    pub(crate) fn forget(&self, pid: u32) {
        self.tell(&format!("- {pid}\n"));
    }

    fn tell(&self, line: &str) {
        let mut shell = self.shell.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(pipe) = shell.stdin.as_mut() {
            // Without its watchdog a stack still works and is still stopped by its Drop.
            let _ = pipe.write_all(line.as_bytes());
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let shell = self.shell.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(shell.stdin.take());
        let _ = shell.wait();
    }
}
