//! All processes at one moment, as `/proc` shows them.

use std::fs::{self, File};
use std::io::{self, Read};

use rustix::process::Pid;

/// Bytes of an environment that are searched for the cookie.
const MOST_ENVIRONMENT: u64 = 1024 * 1024;

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    /// Clock ticks between the machine's start and its own: with the id, a name that is never used again.
    pub(super) start: u64,
    /// Nothing of it runs any more; it waits to be reaped.
    pub(super) dead: bool,
    pub(super) cookie: Option<String>,
    /// It shows no environment at all. It may have none; or it is just replacing its program (`execve(2)`), and shows
    /// what it has inherited an instant later.
    pub(super) blank: bool,
    /// One of the kernel's own, which never has an environment.
    pub(super) kernel: bool,
}

/// Flag of the kernel's own threads (`PF_KTHREAD` of `include/linux/sched.h`).
const KERNEL_THREAD: u32 = 0x0020_0000;

/// A view of all processes.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) processes: Vec<Process>,
}

impl Table {
    /// Reads every process, with the value that the variable `cookie` has in its environment.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub(super) fn read(cookie: &str) -> io::Result<Self> {
        let mut processes = stats()?;
        for process in processes.iter_mut().filter(|process| !process.dead) {
            let Some(environment) = environment(process.pid) else { continue };
            process.blank = environment.is_empty() && !process.kernel;
            process.cookie = value(&environment, cookie);
        }
        Ok(Self { processes })
    }

    /// The dead among the children of `parent`.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub(super) fn dead_children_of(parent: Pid) -> io::Result<Vec<Process>> {
        let mut processes = stats()?;
        processes.retain(|process| process.dead && process.parent == parent.as_raw_pid());
        Ok(processes)
    }
}

/// Ids of the children of this process's first thread, dead ones too; `None` where the system does not tell.
pub(super) fn children_of_first_thread() -> Option<Vec<i32>> {
    let first = std::process::id();
    let ids = fs::read_to_string(format!("/proc/self/task/{first}/children")).ok()?;
    ids.split_ascii_whitespace().map(|id| id.parse().ok()).collect()
}

fn stats() -> io::Result<Vec<Process>> {
    let entries = fs::read_dir("/proc")?;
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(ids.filter_map(stat).collect())
}

/// The process with this id now; `None` when there is none.
pub(super) fn stat(pid: i32) -> Option<Process> {
    parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// `proc_pid_stat(5)`: `pid (name) state ppid pgrp …`; the name may hold anything, also `) `.
fn parse(line: &[u8]) -> Option<Process> {
    let end = line.iter().rposition(|&byte| byte == b')')?;
    let pid = std::str::from_utf8(line).map_or_else(
        |_| String::from_utf8_lossy(line).split(' ').next().map(str::to_owned),
        |text| text.split(' ').next().map(str::to_owned),
    )?;
    let rest = std::str::from_utf8(line.get(end + 1..)?).ok()?;
    // The first of these is field 3 of the manual page.
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).copied();
    let threads: u32 = field(20)?.parse().ok()?;
    // A process whose first thread has ended shows as a zombie while its other threads go on.
    let dead = matches!(field(3)?, "Z" | "X" | "x") && threads <= 1;
    Some(Process {
        pid: pid.parse().ok()?,
        parent: field(4)?.parse().ok()?,
        group: field(5)?.parse().ok()?,
        start: field(22)?.parse().ok()?,
        dead,
        cookie: None,
        blank: false,
        kernel: field(9)?.parse::<u32>().ok()? & KERNEL_THREAD != 0,
    })
}

/// `proc_pid_environ(5)`. Processes of other users are not readable, and not ours.
fn environment(pid: i32) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(format!("/proc/{pid}/environ")).ok()?.take(MOST_ENVIRONMENT).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The value of the variable `name`; entries end with NUL.
fn value(environment: &[u8], name: &str) -> Option<String> {
    let mut entries = environment.split(|&byte| byte == 0);
    let value = entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    Some(String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Process {
        /// One that lives, with a start time equal to its id.
        pub(in super::super) fn plain(pid: i32, parent: i32, group: i32) -> Self {
            let start = u64::try_from(pid).unwrap();
            Self { pid, parent, group, start, dead: false, cookie: None, blank: false, kernel: false }
        }
    }

    #[test]
    fn a_thread_of_the_kernel_is_not_blank() {
        let table = Table::read("PATH").unwrap();
        let threads: Vec<_> = table.processes.iter().filter(|process| process.kernel).collect();
        assert!(threads.iter().all(|thread| !thread.blank), "{threads:?}");
    }

    const TAIL: &str = "0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 1 1";

    #[test]
    fn a_name_may_hold_anything() {
        let line = format!("12 (a) R 1) S 3 4 5 {TAIL}");
        assert_eq!(parse(line.as_bytes()), Some(Process { start: 777, ..Process::plain(12, 3, 4) }));
        let mut junk = b"12 (\xff\xfe".to_vec();
        junk.extend_from_slice(format!(") Z 3 4 5 {TAIL}").as_bytes());
        assert!(parse(&junk).unwrap().dead);
    }

    #[test]
    fn a_zombie_with_threads_is_alive() {
        let line = format!("12 (a) Z 3 4 5 {}", TAIL.replace("20 0 1 0", "20 0 2 0"));
        assert!(!parse(line.as_bytes()).unwrap().dead);
        assert_eq!(parse(b"12 (a) Z 3"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn this_process_is_there() {
        let own = i32::try_from(std::process::id()).unwrap();
        let table = Table::read("PATH").unwrap();
        let process = table.processes.iter().find(|process| process.pid == own).unwrap();
        assert!(!process.dead && process.start > 0);
        assert_eq!(process.cookie, std::env::var("PATH").ok());
    }
}
