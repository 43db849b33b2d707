//! Waits for two sockets at once.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::net::transport::retry;

/// Waits until one of the sockets has something that is wanted of it, `time` at most, and answers what each has of that. An
/// end or an error counts as everything: the call that follows tells.
pub(super) fn sides(sides: [&TcpStream; 2], wanted: [PollFlags; 2], time: Duration) -> io::Result<[PollFlags; 2]> {
    let [first, second] = sides;
    let mut files = [PollFd::new(first, wanted[0]), PollFd::new(second, wanted[1])];
    // An end is reported also to who asks for nothing; then it would be reported without end.
    let asked = match wanted.map(|flags| flags.is_empty()) {
        [false, false] => &mut files[..],
        [false, true] => &mut files[..1],
        [true, false] => &mut files[1..],
        [true, true] => &mut [],
    };
    let time = Timespec::try_from(time).ok();
    retry(|| poll(asked, time.as_ref()).map_err(io::Error::from))?;
    let [first, second] = files.map(|file| file.revents());
    Ok([answer(first, wanted[0]), answer(second, wanted[1])])
}

fn answer(found: PollFlags, wanted: PollFlags) -> PollFlags {
    if found.intersects(PollFlags::HUP | PollFlags::ERR) { wanted } else { found & wanted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::backend;
    use std::io::Write;
    use std::net::TcpListener;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let one = backend::connect("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
        (one, listener.accept().unwrap().0)
    }

    #[test]
    fn only_what_is_wanted_is_answered() {
        let ((a, mut far_a), (b, _far_b)) = (pair(), pair());
        let (none, bytes, room) = (PollFlags::empty(), PollFlags::IN, PollFlags::OUT);
        let look = |wanted| sides([&a, &b], wanted, Duration::ZERO).unwrap();
        assert_eq!(look([bytes, bytes]), [none, none]);
        assert_eq!(look([bytes, bytes | room]), [none, room]);
        far_a.write_all(b"x").unwrap();
        assert_eq!(sides([&a, &b], [bytes, bytes], Duration::from_secs(9)).unwrap(), [bytes, none]);
        assert_eq!(look([none, none]), [none, none]);
    }

    #[test]
    fn a_socket_that_nothing_is_wanted_of_wakes_nobody_with_its_end() {
        let ((a, far_a), (b, _far_b)) = (pair(), pair());
        let (none, bytes, room) = (PollFlags::empty(), PollFlags::IN, PollFlags::OUT);
        a.shutdown(std::net::Shutdown::Write).unwrap();
        drop(far_a);
        let both = bytes | room;
        assert_eq!(sides([&a, &b], [both, none], Duration::from_secs(9)).unwrap(), [both, none]);
        assert_eq!(sides([&a, &b], [none, bytes], Duration::ZERO).unwrap(), [none, none]);
    }
}
