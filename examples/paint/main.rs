//! A program to put behind a websocket: water that ripples where the mouse goes.
//!
//! `paint PORT` serves on that port. `paint COMMAND …` serves on a free port, and runs the command with `{port}` in its
//! words replaced by that port; both end together.
//!
//! What it speaks, on plain TCP: it sends width and height (16 bits each, big endian) and then pictures, four bytes per
//! pixel (red, green, blue, 255). It reads drops: x and y, 16 bits each, big endian.

#![allow(
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program to look at, not a part of the server"
)]

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

const WIDTH: usize = 320;
const HEIGHT: usize = 200;
/// Between two pictures.
const TICK: Duration = Duration::from_millis(33);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("paint: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> io::Result<ExitCode> {
    let Some((first, rest)) = words.split_first() else {
        return Err(io::Error::other("usage: paint PORT, or paint COMMAND … with {port} in it"));
    };
    if let (Ok(port), []) = (first.parse(), rest) {
        serve(&TcpListener::bind((Ipv4Addr::LOCALHOST, port))?);
        return Ok(ExitCode::SUCCESS);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port().to_string();
    thread::Builder::new().spawn(move || serve(&listener))?;
    let status = Command::new(first).args(rest.iter().map(|word| word.replace("{port}", &port))).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn serve(listener: &TcpListener) {
    for client in listener.incoming().flatten() {
        // A client that leaves ends its pond.
        let _ = thread::Builder::new().spawn(move || show(&client));
    }
}

fn show(mut client: &TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    client.set_nonblocking(true)?;
    let mut pond = Pond::new();
    let mut out = [size_bytes(WIDTH), size_bytes(HEIGHT)].concat();
    let mut unread = Vec::new();
    for tick in 0_usize.. {
        let began = Instant::now();
        read_available(client, &mut unread)?;
        let drops = unread.chunks_exact(4).map(|drop| [u16_at(drop, 0), u16_at(drop, 2)]);
        drops.for_each(|[x, y]| pond.drop(x, y, 500.0));
        unread.drain(..unread.len() / 4 * 4);
        if tick % 30 == 0 {
            // Rain, so that something lives before the mouse does.
            pond.drop(tick * 7919 % WIDTH, tick * 104_729 % HEIGHT, 900.0);
        }
        pond.step();
        pond.paint(&mut out);
        client.set_nonblocking(false)?;
        client.write_all(&out)?;
        client.set_nonblocking(true)?;
        out.clear();
        thread::sleep(TICK.saturating_sub(began.elapsed()));
    }
    Ok(())
}

fn size_bytes(size: usize) -> [u8; 2] {
    u16::try_from(size).unwrap_or_default().to_be_bytes()
}

fn u16_at(bytes: &[u8], at: usize) -> usize {
    let high = bytes.get(at).copied().unwrap_or_default();
    let low = bytes.get(at + 1).copied().unwrap_or_default();
    usize::from(u16::from_be_bytes([high, low]))
}

fn read_available(mut client: &TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut space = [0; 4_096];
    loop {
        match client.read(&mut space) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => bytes.extend(space.iter().take(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Heights of water, now and one step before.
struct Pond {
    now: Vec<f32>,
    before: Vec<f32>,
}

impl Pond {
    fn new() -> Self {
        Self { now: vec![0.0; WIDTH * HEIGHT], before: vec![0.0; WIDTH * HEIGHT] }
    }

    fn drop(&mut self, x: usize, y: usize, weight: f32) {
        for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            if let Some(height) = self.now.get_mut((y + dy).min(HEIGHT - 1) * WIDTH + (x + dx).min(WIDTH - 1)) {
                *height -= weight;
            }
        }
    }

    /// The wave equation on a grid: each point follows the mean of its neighbours, and overshoots.
    fn step(&mut self) {
        for y in 1..HEIGHT - 1 {
            for x in 1..WIDTH - 1 {
                let at = y * WIDTH + x;
                let around = self.now[at - 1] + self.now[at + 1] + self.now[at - WIDTH] + self.now[at + WIDTH];
                self.before[at] = (around / 2.0 - self.before[at]) * 0.985;
            }
        }
        std::mem::swap(&mut self.now, &mut self.before);
    }

    /// Light comes from the left: slopes are bright or dark.
    fn paint(&self, out: &mut Vec<u8>) {
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let at = y * WIDTH + x;
                let slope = self.now[at] - self.now[y * WIDTH + (x + 1).min(WIDTH - 1)];
                let shade = |base: f32| (base + slope).clamp(0.0, 255.0) as u8;
                out.extend([shade(20.0), shade(90.0), shade(150.0), 255]);
            }
        }
    }
}
