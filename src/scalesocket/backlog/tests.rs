use super::*;
use crossbeam_channel::{Receiver, Sender, bounded};

const DEADLINE: Duration = Duration::from_secs(20);

/// Takes `room` bytes without waiting; `write` takes the rest when it is let.
struct Tap {
    room: Mutex<usize>,
    keeps: bool,
    got: Arc<Mutex<Vec<u8>>>,
    gate: Receiver<io::Result<()>>,
    ended: Sender<()>,
}

struct Hand {
    got: Arc<Mutex<Vec<u8>>>,
    gate: Sender<io::Result<()>>,
    ended: Receiver<()>,
}

fn tap(room: usize, keeps: bool) -> (Tap, Hand) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let (open, gate) = bounded(100);
    let (ended, end) = bounded(100);
    (Tap { room: Mutex::new(room), keeps, got: Arc::clone(&got), gate, ended }, Hand { got, gate: open, ended: end })
}

impl Outlet for Tap {
    fn offer(&self, bytes: &[u8]) -> io::Result<Offer> {
        let mut room = self.room.lock().unwrap();
        let count = bytes.len().min(*room);
        *room -= count;
        self.got.lock().unwrap().extend_from_slice(&bytes[..count]);
        Ok(match count == bytes.len() {
            true if self.keeps => Offer::Kept,
            true => Offer::All,
            false => Offer::Part(count),
        })
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.gate.recv_timeout(DEADLINE).expect("nobody opens the gate")?;
        self.got.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&self) {
        self.ended.send(()).unwrap();
    }

    fn drained(&self, _waiting: usize) {}
}

fn parcel(text: &str) -> Parcel {
    Parcel::new(format!("??{text}").into_bytes(), 2)
}

fn push(backlog: &Arc<Backlog<Tap>>, text: &str) -> bool {
    matches!(backlog.push(parcel(text)), Pushed::Taken)
}

fn text(hand: &Hand) -> String {
    String::from_utf8(hand.got.lock().unwrap().clone()).unwrap()
}

fn backlog(limit: usize, tap: Tap) -> Arc<Backlog<Tap>> {
    Backlog::new("test".to_owned(), limit, Some(tap))
}

#[test]
fn what_goes_at_once_needs_no_thread() {
    let (tap, hand) = tap(100, false);
    let backlog = backlog(10, tap);
    assert!(push(&backlog, "hello ") && push(&backlog, "world"));
    assert_eq!(text(&hand), "hello world");
    assert_eq!(backlog.lock().writer, Writer::Absent);
    backlog.end();
    assert!(backlog.is_over());
    hand.ended.try_recv().unwrap();
    assert!(matches!(backlog.push(parcel("late")), Pushed::Ended));
}

#[test]
fn the_rest_follows_in_order_and_the_end_behind_it() {
    let (tap, hand) = tap(4, false);
    let backlog = backlog(100, tap);
    assert!(push(&backlog, "abcdef") && push(&backlog, "ghi"));
    backlog.end();
    assert!(hand.ended.try_recv().is_err(), "not before everything is out");
    for _ in 0..3 {
        hand.gate.send(Ok(())).unwrap();
    }
    assert!(backlog.wait_until_over(DEADLINE));
    assert_eq!(text(&hand), "abcdefghi");
    hand.ended.recv_timeout(DEADLINE).unwrap();
}

#[test]
fn what_the_outlet_keeps_is_waited_for() {
    let (tap, hand) = tap(100, true);
    let backlog = backlog(100, tap);
    assert!(push(&backlog, "kept"));
    backlog.end();
    assert!(!backlog.is_over(), "the outlet has not let go of it");
    hand.gate.send(Ok(())).unwrap();
    assert!(backlog.wait_until_over(DEADLINE));
    assert_eq!(text(&hand), "kept");
}

#[test]
fn a_full_queue_gives_the_parcel_back_and_says_when_there_is_room() {
    let (tap, hand) = tap(0, false);
    let backlog = backlog(5, tap);
    // The first is taken by the thread, sooner or later; then five bytes may wait, and what begins below the limit passes.
    assert!(push(&backlog, "1"));
    while backlog.waiting() > 0 {
        std::thread::yield_now();
    }
    assert!(push(&backlog, "2222") && push(&backlog, "33"));
    let Pushed::Full(again) = backlog.push(parcel("4")) else { panic!("there was room") };
    assert_eq!(again.bytes(), b"4");
    assert!(!backlog.wait_for_room(Duration::ZERO), "nothing was taken");
    for _ in 0..3 {
        hand.gate.send(Ok(())).unwrap();
    }
    let mut parcel = again;
    while let Pushed::Full(again) = backlog.push(parcel) {
        assert!(backlog.wait_for_room(DEADLINE), "something is taken sooner or later");
        parcel = again;
    }
    hand.gate.send(Ok(())).unwrap();
    backlog.end();
    assert!(backlog.wait_until_over(DEADLINE));
    assert_eq!(text(&hand), "12222334");
}

#[test]
fn an_early_end_completes_only_what_has_begun() {
    let (tap, hand) = tap(2, false);
    let backlog = backlog(100, tap);
    assert!(push(&backlog, "abc") && push(&backlog, "def"));
    backlog.end_early();
    for _ in 0..2 {
        hand.gate.send(Ok(())).unwrap();
    }
    assert!(backlog.wait_until_over(DEADLINE));
    // The thread may have had both in hand already.
    assert!(["abc", "abcdef"].contains(&text(&hand).as_str()), "{}", text(&hand));
    let (tap, hand) = super::tests::tap(0, false);
    let held: Arc<Backlog<Tap>> = Backlog::new("test".to_owned(), 100, None);
    assert!(push(&held, "never begun"));
    held.end_early();
    held.open(tap);
    assert_eq!(text(&hand), "");
    hand.ended.recv_timeout(DEADLINE).unwrap();
}

#[test]
fn everything_waits_for_an_outlet() {
    let (tap, hand) = tap(0, false);
    let backlog: Arc<Backlog<Tap>> = Backlog::new("test".to_owned(), 100, None);
    assert!(push(&backlog, "a") && push(&backlog, "b"));
    backlog.open(tap);
    backlog.end();
    for _ in 0..2 {
        hand.gate.send(Ok(())).unwrap();
    }
    assert!(backlog.wait_until_over(DEADLINE));
    assert_eq!(text(&hand), "ab");
}

#[test]
fn an_outlet_that_fails_ends_everything() {
    let (tap, hand) = tap(0, false);
    let backlog = backlog(1, tap);
    assert!(push(&backlog, "a"));
    hand.gate.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
    assert!(backlog.wait_until_over(DEADLINE));
    hand.ended.recv_timeout(DEADLINE).unwrap();
    assert!(matches!(backlog.push(parcel("b")), Pushed::Ended));
    assert!(backlog.wait_for_room(DEADLINE), "nobody waits for what will never be");
    backlog.abort();
    assert!(hand.ended.try_recv().is_err(), "finished once");
}
