//! Transcripts: what happens, and what the machine answers.

use super::*;

/// Runs a transcript: each line is `what happens -> what is answered`.
///
/// `join NAME` answers `room R member M`, with `new` and the port if it was opened, or the refusal; the others answer the
/// effects, or `-`.
fn check(rules: Rules, transcript: &str) {
    let mut state = State::new(rules);
    for line in transcript.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (event, wanted) = line.split_once(" -> ").expect(line);
        let words: Vec<&str> = event.split_whitespace().collect();
        let number = |at: usize| words[at].parse::<u32>().expect(line);
        let answer = match words[0] {
            "join" => match state.join(words[1], words.get(3).map(|id| id.parse().unwrap())) {
                Ok(Joined { room, member, opened }) => match opened {
                    Some(Opened { port: Some(port) }) => format!("room {room} member {member} new {port}"),
                    Some(Opened { port: None }) => format!("room {room} member {member} new"),
                    None => format!("room {room} member {member}"),
                },
                Err(refused) => format!("{refused:?}"),
            },
            "leave" => {
                state.leave(u64::from(number(1)), number(2));
                effects(&mut state)
            }
            "ended" => {
                state.ended(u64::from(number(1)));
                effects(&mut state)
            }
            "gone" => {
                state.gone(u64::from(number(1)));
                effects(&mut state)
            }
            "stop" => {
                state.shut_down();
                effects(&mut state)
            }
            "rooms" => {
                let rooms = state.open_rooms();
                let shown: Vec<_> = rooms.iter().map(|(name, id, count)| format!("{name}#{id}:{count}")).collect();
                if shown.is_empty() { "-".to_owned() } else { shown.join(" ") }
            }
            "empty?" => state.is_empty().to_string(),
            other => panic!("{other}"),
        };
        assert_eq!(answer, wanted, "{event}");
    }
}

fn effects(state: &mut State) -> String {
    let all: Vec<String> = state.take_effects().iter().map(|effect| format!("{effect:?}")).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(" ") }
}

fn ports(ports: Range<u16>) -> Rules {
    Rules { ports, ..Rules::default() }
}

#[test]
fn a_room_lives_from_its_first_member_to_its_last() {
    check(
        ports(9001..9003),
        "
        join a     -> room 1 member 1 new 9001
        join a     -> room 1 member 2
        join b     -> room 2 member 3 new 9002
        rooms      -> a#1:2 b#2:1
        leave 1 1  -> -
        rooms      -> a#1:1 b#2:1
        leave 1 2  -> Stop(1)
        rooms      -> b#2:1
        leave 1 2  -> -
        gone 1     -> -
        join a     -> room 3 member 4 new 9001
        ",
    );
}

#[test]
fn who_comes_while_a_room_closes_gets_a_new_one() {
    check(
        ports(9001..9003),
        "
        join a     -> room 1 member 1 new 9001
        leave 1 1  -> Stop(1)
        join a     -> room 2 member 2 new 9002
        ended 1    -> -
        gone 1     -> -
        rooms      -> a#2:1
        leave 2 2  -> Stop(2)
        ",
    );
}

#[test]
fn an_end_of_the_command_closes_the_room_and_a_member_that_missed_it_comes_again() {
    check(
        Rules::default(),
        "
        join a       -> room 1 member 1 new
        join a       -> room 1 member 2
        ended 1      -> -
        rooms        -> -
        join a as 2  -> room 2 member 2 new
        join a       -> room 2 member 3
        leave 1 2    -> -
        leave 1 1    -> -
        gone 1       -> -
        rooms        -> a#2:2
        ",
    );
}

#[test]
fn ports_are_lent_lowest_first_and_never_the_server_s_own() {
    let rules = Rules { needs_port: true, own_port: 9002, ..ports(9001..9004) };
    check(
        rules,
        "
        join a     -> room 1 member 1 new 9001
        join b     -> room 2 member 2 new 9003
        join c     -> NoPort
        join a     -> room 1 member 3
        leave 2 2  -> Stop(2)
        join c     -> NoPort
        gone 2     -> -
        join c     -> room 3 member 4 new 9003
        ",
    );
    check(ports(9001..9001), "join a -> room 1 member 1 new");
    // A range that ends before it begins is an empty one.
    check(Rules { needs_port: true, ..ports(Range { start: 9005, end: 9001 }) }, "join a -> NoPort");
}

#[test]
fn a_oneshot_server_serves_one_room_and_ends_with_its_first_member_or_its_command() {
    let rules = || Rules { oneshot: true, max_rooms: Some(1), ..Rules::default() };
    check(
        rules(),
        "
        join a     -> room 1 member 1 new
        join a     -> OneShot
        join b     -> OneShot
        leave 1 1  -> Stop(1) StopServer
        join a     -> OneShot
        ",
    );
    check(
        rules(),
        "
        join a     -> room 1 member 1 new
        ended 1    -> StopServer
        gone 1     -> -
        join a     -> OneShot
        ",
    );
}

#[test]
fn rooms_are_counted_while_they_are_open() {
    let rules = Rules { max_rooms: Some(1), ..Rules::default() };
    check(
        rules,
        "
        join a     -> room 1 member 1 new
        join b     -> TooManyRooms
        join a     -> room 1 member 2
        leave 1 1  -> -
        leave 1 2  -> Stop(1)
        join b     -> room 2 member 3 new
        ",
    );
}

#[test]
fn a_stop_ends_every_room_and_lets_nobody_in() {
    check(
        Rules::default(),
        "
        join a     -> room 1 member 1 new
        join b     -> room 2 member 2 new
        leave 2 2  -> Stop(2)
        stop       -> Stop(1)
        join a     -> Stopping
        empty?     -> false
        leave 1 1  -> -
        gone 2     -> -
        gone 1     -> -
        empty?     -> true
        ",
    );
}
