//! Many rooms.

use std::sync::Barrier;

use crate::members::{ask, join, next_text};
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::wait::{DEADLINE, eventually};
use crate::support::ws::Ws;

const ROOMS: usize = 1_000;
/// Threads of the client.
const CLIENTS: usize = 16;

#[test]
fn a_thousand_rooms_leave_nothing_behind() {
    let server = Server::scalesocket(&["--heartbeat", "0", "sh", "--", "-c", "echo \"$PORT\"; exec cat"]);
    assert_eq!(next_text(&mut join(&server, "/first")), "9001");
    server.wait_children(0);
    server.wait_rest();
    let before = server.resources();
    let port = server.room_port();
    let all_open = Barrier::new(CLIENTS);
    let mut ports: Vec<String> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                scope.spawn({
                    let all_open = &all_open;
                    move || visit_rooms(port, client, all_open)
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    // One port for each, as long as there were any.
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 999, "998 ports, and none for the last two");
    server.wait_children(0);
    server.wait_resources(before);
    eventually(DEADLINE, "the first port is free", || next_text(&mut join(&server, "/last")) == "9001");
}

/// Opens this client's share of the rooms, waits until all clients have, and closes them.
fn visit_rooms(port: u16, client: usize, all_open: &Barrier) -> Vec<String> {
    let rooms = (client..ROOMS).step_by(CLIENTS);
    let mut open: Vec<(Ws, String)> = rooms
        .map(|room| {
            let mut ws = Ws::open_with(Conn::plain(port), &format!("/r{room}"), &[]).unwrap();
            let told = next_text(&mut ws);
            (ws, told)
        })
        .collect();
    all_open.wait();
    for (index, (ws, _)) in open.iter_mut().enumerate() {
        let said = format!("{client} {index}");
        assert_eq!(ask(ws, &said), said);
    }
    open.into_iter()
        .map(|(ws, told)| {
            assert_eq!(ws.close().0, 1000);
            told
        })
        .collect()
}
