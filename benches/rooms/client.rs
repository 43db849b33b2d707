//! A websocket client that counts messages and looks at nothing else.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A server that does not answer by then never will.
const DEADLINE: Duration = Duration::from_secs(20);
const MASK: u8 = 0x80;

pub(crate) struct Client {
    socket: TcpStream,
    /// Bytes of a header that is not complete.
    header: Vec<u8>,
    /// Bytes of the payload at hand that have not come.
    left: u64,
    /// Whole messages so far.
    pub(crate) messages: u64,
    /// When the last one came.
    pub(crate) last: Instant,
    ended: bool,
}

impl Client {
    pub(crate) fn open(port: u16, path: &str) -> io::Result<Self> {
        let mut socket = TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), DEADLINE)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        socket.write_all(request.as_bytes())?;
        let mut client = Self { socket, header: Vec::new(), left: 0, messages: 0, last: Instant::now(), ended: false };
        let mut head = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let count = client.socket.read(&mut buffer)?;
            assert!(count > 0, "no answer to the handshake: {}", String::from_utf8_lossy(&head));
            head.extend_from_slice(&buffer[..count]);
            if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
                client.take(&head[end + 4..]);
                return Ok(client);
            }
        }
    }

    /// Sends a text message of at most 125 bytes, masked with zeros.
    pub(crate) fn say(&mut self, text: &[u8]) -> io::Result<()> {
        let mut frame = vec![0x81, MASK | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
        frame.extend_from_slice(text);
        self.socket.write_all(&frame)
    }

    pub(crate) fn wait_for_message(&mut self) {
        let before = self.messages;
        let mut buffer = [0; 4096];
        while self.messages == before {
            let count = self.socket.read(&mut buffer).unwrap();
            assert!(count > 0, "the end before a message");
            self.take(&buffer[..count]);
        }
    }

    /// Says goodbye and waits for the end.
    pub(crate) fn close(mut self) {
        // Whoever has closed already is not asked.
        let _ = self.socket.write_all(&[0x88, MASK | 2, 0, 0, 0, 0, 0x03, 0xe8]);
        let _ = self.socket.shutdown(Shutdown::Write);
        let mut buffer = [0; 4096];
        while matches!(self.socket.read(&mut buffer), Ok(1..)) {}
    }

    /// Walks over the frames in `bytes`.
    fn take(&mut self, mut bytes: &[u8]) {
        let before = self.messages;
        while !bytes.is_empty() {
            if self.left > 0 {
                let step = usize::try_from(self.left).unwrap().min(bytes.len());
                bytes = &bytes[step..];
                self.left -= step as u64;
                self.messages += u64::from(self.left == 0);
                continue;
            }
            // The common case without a copy: a small frame that is all here.
            if self.header.is_empty() && bytes.len() >= 2 && bytes[0] == 0x81 && bytes[1] < 126 {
                let size = 2 + usize::from(bytes[1]);
                if bytes.len() >= size {
                    self.messages += 1;
                    bytes = &bytes[size..];
                    continue;
                }
            }
            self.header.push(bytes[0]);
            bytes = &bytes[1..];
            self.finish_header();
        }
        if self.messages != before {
            self.last = Instant::now();
        }
    }

    fn finish_header(&mut self) {
        let [opcode, length, extended @ ..] = self.header.as_slice() else { return };
        let want = match length {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if extended.len() < want {
            return;
        }
        let number = extended.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        let size = if want == 0 { u64::from(*length) } else { number };
        // A close frame is the end; pings are not waited for that long.
        self.ended |= *opcode == 0x88;
        self.messages += u64::from(size == 0);
        self.left = size;
        self.header.clear();
    }
}

/// Reads from all until each has `lines` messages or has ended, or `deadline` has passed.
pub(crate) fn read_all(clients: &mut [Client], lines: u64, deadline: Instant) {
    let mut buffer = vec![0; 256 * 1024];
    for client in clients.iter() {
        client.socket.set_nonblocking(true).unwrap();
    }
    while Instant::now() < deadline {
        let mut open: Vec<&mut Client> =
            clients.iter_mut().filter(|client| client.messages < lines && !client.ended).collect();
        if open.is_empty() {
            return;
        }
        let mut files: Vec<PollFd<'_>> =
            open.iter().map(|client| PollFd::from_borrowed_fd(borrow(&client.socket), PollFlags::IN)).collect();
        poll(&mut files, Some(&Timespec { tv_sec: 1, tv_nsec: 0 })).unwrap();
        let ready: Vec<bool> = files.iter().map(|file| !file.revents().is_empty()).collect();
        drop(files);
        for (client, _) in open.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            match client.socket.read(&mut buffer) {
                Ok(0) => client.ended = true,
                Ok(count) => client.take(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => client.ended = true,
            }
        }
    }
}

fn borrow(socket: &TcpStream) -> std::os::fd::BorrowedFd<'_> {
    std::os::fd::AsFd::as_fd(socket)
}
