//! The thread that writes log lines, and the queue to it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::sys::thread;

/// Lines that may wait for a slow output.
const QUEUE: usize = 4_096;
/// Bytes of a line; the rest is cut.
pub(super) const LONGEST_LINE: usize = 8 * 1024;
/// How long the writing thread leaves the queue alone after it has written in a rush: what comes meanwhile wakes nobody, and
/// leaves in one write.
const PAUSE: Duration = Duration::from_millis(5);
/// Writes close behind each other that make a rush. What a program says when it starts is none: somebody waits for it.
const RUSH: u32 = 16;
/// Bytes that are written together, unless a single line is longer: as many as a pipe takes whole (`PIPE_BUF`), whoever
/// else writes to it.
const BATCH: usize = 4_096;
/// How long the end of the process waits for a slow output.
const FLUSH_WAIT: Duration = Duration::from_secs(1);

enum Message {
    Line(Vec<u8>),
    Reopen,
    Flush(Sender<()>),
}

/// Reopens and flushes the log.
#[derive(Clone)]
pub struct LogControl {
    queue: Sender<Message>,
}

impl LogControl {
    /// Opens the log file anew by its name, after a log rotation. Standard output stays as it is.
    pub fn reopen(&self) {
        // A full queue means that the output is stuck: reopening waits behind it like everything else, but not the caller.
        let _ = self.queue.try_send(Message::Reopen);
    }

    /// Waits until what was logged is written, for one second at most.
    pub fn flush(&self) {
        let (done, wait) = bounded(1);
        if self.queue.send_timeout(Message::Flush(done), FLUSH_WAIT).is_ok() {
            let _ = wait.recv_timeout(FLUSH_WAIT);
        }
    }
}

/// Collects what the loggers write and hands whole lines to the queue.
pub(super) struct LineWriter {
    line: Vec<u8>,
    queue: Sender<Message>,
    lost: Arc<AtomicU64>,
}

impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let ends = bytes.ends_with(b"\n");
        let room = LONGEST_LINE.saturating_sub(self.line.len());
        self.line.extend(bytes.iter().take(room));
        if ends {
            if !self.line.ends_with(b"\n") {
                self.line.push(b'\n');
            }
            let line = Message::Line(std::mem::take(&mut self.line));
            if let Err(TrySendError::Full(_)) = self.queue.try_send(line) {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How the writing thread puts words of its own into the log: a whole line from a sentence.
pub(super) type Note = fn(&str) -> Vec<u8>;

/// Opens the output and starts the writing thread.
pub(super) fn start(path: Option<PathBuf>, note: Note) -> Result<(LineWriter, LogControl), String> {
    let lost = Arc::new(AtomicU64::new(0));
    let mut output = Output { sink: open(path.as_deref())?, path, note, lost: Arc::clone(&lost) };
    let (queue, inbox) = bounded(QUEUE);
    let writer = LineWriter { line: Vec::new(), queue: queue.clone(), lost };
    thread::spawn("log", move || output.run(&inbox))
        .map_err(|error| format!("cannot start the log's thread: {error}"))?;
    Ok((writer, LogControl { queue }))
}

fn open(path: Option<&Path>) -> Result<Box<dyn Write + Send>, String> {
    let Some(path) = path else {
        return Ok(Box::new(io::stdout()));
    };
    append(path)
        .map(|file| Box::new(file) as Box<dyn Write + Send>)
        .map_err(|error| format!("cannot open the log file {}: {error}", path.display()))
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Lines that are written together.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    lines: u64,
}

impl Batch {
    fn add(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.lines += 1;
    }
}

/// Whether much is said.
#[derive(Default)]
struct Rush {
    /// Writes in a row that had no rest before them.
    close: u32,
}

impl Rush {
    /// Another write, so long after the one before was done with. True when a pause is to follow it.
    fn after(&mut self, rest: Duration) -> bool {
        self.close = if rest < PAUSE { self.close.saturating_add(1) } else { 0 };
        self.close >= RUSH
    }
}

struct Output {
    sink: Box<dyn Write + Send>,
    path: Option<PathBuf>,
    note: Note,
    lost: Arc<AtomicU64>,
}

impl Output {
    fn run(&mut self, inbox: &Receiver<Message>) {
        let (mut rush, mut done_at) = (Rush::default(), Instant::now());
        while let Ok(first) = inbox.recv() {
            let pause = rush.after(done_at.elapsed());
            let mut batch = Batch::default();
            for message in std::iter::once(first).chain(inbox.try_iter()) {
                match message {
                    Message::Line(line) => {
                        if batch.bytes.len() + line.len() > BATCH {
                            self.write(&mut batch);
                        }
                        batch.add(&line);
                    }
                    Message::Reopen => {
                        self.write(&mut batch);
                        self.reopen();
                    }
                    Message::Flush(done) => {
                        self.write(&mut batch);
                        let _ = done.send(());
                    }
                }
            }
            self.write(&mut batch);
            if pause {
                std::thread::sleep(PAUSE);
            }
            done_at = Instant::now();
        }
    }

    fn write(&mut self, batch: &mut Batch) {
        let Batch { bytes, lines } = std::mem::take(batch);
        if lines == 0 {
            return;
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let note = (self.note)(&format!("{lost} log lines were lost: the output was full or too slow"));
            if self.put(&note).is_err() {
                self.lost.fetch_add(lost, Ordering::Relaxed);
            }
        }
        if self.put(&bytes).is_err() {
            self.lost.fetch_add(lines, Ordering::Relaxed);
        }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sink.write_all(bytes)?;
        self.sink.flush()
    }

    /// Keeps the old file when the new one cannot be opened.
    fn reopen(&mut self) {
        match open(self.path.as_deref()) {
            Ok(sink) => self.sink = sink,
            Err(error) => {
                let note = (self.note)(&format!("{error}; still writing to the old file"));
                let _ = self.put(&note);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Keeps each write by itself.
    #[derive(Clone, Default)]
    struct Writes(Arc<Mutex<Vec<String>>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_pause_follows_many_writes_without_rest_and_none_follows_a_few() {
        let mut rush = Rush::default();
        for _ in 1..RUSH {
            assert!(!rush.after(Duration::ZERO));
        }
        assert!(rush.after(Duration::ZERO), "the rush has begun");
        assert!(rush.after(PAUSE / 2), "and goes on");
        assert!(!rush.after(PAUSE), "until there was a rest");
        assert!(!rush.after(Duration::ZERO));
    }

    #[test]
    fn lines_that_wait_leave_together_and_before_a_flush_is_answered() {
        let writes = Writes::default();
        let note: Note = |text| text.as_bytes().to_vec();
        let mut output = Output { sink: Box::new(writes.clone()), path: None, note, lost: Arc::default() };
        let (queue, inbox) = bounded(QUEUE);
        let (done, wait) = bounded(1);
        let line = |text: &str| queue.send(Message::Line(text.into())).unwrap();
        line("a\n");
        line("b\n");
        queue.send(Message::Flush(done)).unwrap();
        line("c\n");
        let long = "d".repeat(BATCH);
        line(&long);
        line("e\n");
        drop(queue);
        output.run(&inbox);
        assert!(wait.try_recv().is_ok());
        assert_eq!(*writes.0.lock().unwrap(), ["a\nb\n", "c\n", &*long, "e\n"]);
    }
}
