use std::collections::HashSet;
use std::io::{Read, Write};
use std::sync::Mutex;
use std::thread::ThreadId;

use super::*;

/// An acceptor on a free port, whose connections are served by `serve`.
fn start(live: &Live, serve: impl Fn(Accepted) + Send + Sync + 'static) -> (Acceptor, SocketAddr) {
    start_with_rest(live, move |accepted| {
        serve(accepted);
        None
    })
}

/// The same, with a rest to be done.
fn start_with_rest(
    live: &Live,
    serve: impl Fn(Accepted) -> Option<Rest> + Send + Sync + 'static,
) -> (Acceptor, SocketAddr) {
    let listener = bind(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), 0).unwrap();
    let address = listener.local_addr().unwrap();
    (Acceptor::start(listener, "test", live.clone(), &[], serve).unwrap(), address)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(60)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// Everything until the end.
fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn an_accepted_socket_has_its_options() {
    let (_acceptor, address) = start(&Live::new(9), |mut accepted| {
        let socket = &accepted.socket;
        let options = (
            sockopt::tcp_nodelay(socket).unwrap(),
            sockopt::socket_keepalive(socket).unwrap(),
            sockopt::tcp_keepidle(socket).unwrap().as_secs(),
            sockopt::tcp_keepintvl(socket).unwrap().as_secs(),
            sockopt::tcp_keepcnt(socket).unwrap(),
            socket.read_timeout().unwrap().map(|time| time.as_secs()),
            socket.write_timeout().unwrap().map(|time| time.as_secs()),
        );
        accepted.socket.write_all(format!("{options:?}").as_bytes()).unwrap();
    });
    assert_eq!(rest(connect(address)), "(true, true, 60, 10, 6, Some(10), Some(30))");
}

#[test]
fn connections_that_come_one_by_one_are_served_by_few_threads() {
    let threads: Arc<Mutex<HashSet<ThreadId>>> = Arc::default();
    let seen = Arc::clone(&threads);
    let (acceptor, address) = start(&Live::new(9), move |mut accepted| {
        seen.lock().unwrap().insert(std::thread::current().id());
        accepted.socket.write_all(b"x").unwrap();
    });
    for _ in 0..100 {
        assert_eq!(rest(connect(address)), "x");
    }
    drop(acceptor);
    // One more for each time that a thread was kept from coming back until nobody else was left: that is rare.
    let used = threads.lock().unwrap().len();
    assert!(used < 50, "{used} threads");
}

/// Each waits until all are there, so that none can be served before another.
#[test]
fn connections_that_stay_are_served_side_by_side_and_do_not_keep_the_acceptor() {
    const MANY: usize = 3 * seats::SEATS;
    let live = Live::new(MANY);
    let (acceptor, address) = start(&live, |mut accepted| {
        accepted.socket.write_all(b"x").unwrap();
        let _ = accepted.socket.read(&mut [0]);
    });
    let mut all: Vec<TcpStream> = (0..MANY).map(|_| connect(address)).collect();
    for stream in &mut all {
        stream.read_exact(&mut [0]).unwrap();
    }
    drop(acceptor);
    assert_eq!(live.count(), MANY);
    assert!(TcpStream::connect_timeout(&address, Duration::from_secs(60)).is_err());
    drop(all);
    assert!(live.wait_empty(Duration::from_secs(60)));
}

#[test]
fn a_panic_costs_one_connection() {
    let live = Live::new(1);
    let (_acceptor, address) = start(&live, |mut accepted| {
        assert!(accepted.permit.id() > 20, "the first twenty fail");
        accepted.socket.write_all(b"x").unwrap();
    });
    for _ in 0..20 {
        assert_eq!(rest(connect(address)), "");
        assert!(live.wait_empty(Duration::from_secs(60)));
    }
    assert_eq!(rest(connect(address)), "x");
}

#[test]
fn who_finds_no_room_is_refused_and_counted_until_there_is_room() {
    let live = Live::new(1);
    let (acceptor, address) = start(&live, |mut accepted| {
        accepted.socket.write_all(b"x").unwrap();
        let _ = accepted.socket.read(&mut [0]);
    });
    let mut only = connect(address);
    only.read_exact(&mut [0]).unwrap();
    for refused in 1..=3 {
        let mut stream = connect(address);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        assert!(rest(stream).starts_with("HTTP/1.1 503 "));
        assert_eq!(acceptor.port.refused.load(Ordering::Relaxed), refused);
    }
    drop(only);
    assert!(live.wait_empty(Duration::from_secs(60)));
    connect(address).read_exact(&mut [0]).unwrap();
    assert_eq!(acceptor.port.refused.load(Ordering::Relaxed), 0);
}

#[test]
fn the_rest_is_done_on_a_fresh_stack_where_the_used_one_is_deep() {
    for deep in [true, false] {
        let (acceptor, address) = start_with_rest(&Live::new(9), move |mut accepted| {
            let served = std::thread::current().id();
            let id = accepted.permit.id();
            let work = Box::new(move || {
                let elsewhere = std::thread::current().id() != served;
                accepted.socket.write_all(format!("{elsewhere}").as_bytes()).unwrap();
            });
            Some(Rest { id, work, deep })
        });
        // The thread that was handed over from goes on accepting.
        for _ in 0..3 {
            assert_eq!(rest(connect(address)), deep.to_string());
        }
        drop(acceptor);
    }
}
