//! Transcripts: each reads like the specification. A line is a second, what happens then, and what is asked for.

use std::time::Duration;

use super::*;

/// Drives a machine by sentences and writes down what it asks for.
struct Story {
    state: State<&'static str>,
    start: Instant,
}

const S: Duration = Duration::from_secs(1);

impl Story {
    fn new(counts: &[u32], grace: u64) -> Self {
        let rules =
            Rules { timeout: 300 * S, reconnect_grace: S * u32::try_from(grace).unwrap(), launch_timeout: 60 * S };
        Self { state: State::new(rules, counts), start: Instant::now() }
    }

    /// Does what `event` says at second `at`, and answers what was asked for since.
    fn act(&mut self, at: u64, event: &str) -> String {
        let now = self.start + Duration::from_secs(at);
        self.state.expire(now);
        let words: Vec<&str> = event.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let answer = match words[0] {
            "reserve" => match self.state.reserve(now, 0, words[1].to_owned(), Options::new(), 5.0) {
                Ok(index) => format!("index {index}"),
                Err(refused) => format!("{refused:?}"),
            },
            "release" => self.state.release(words[1]).map_or_else(|refused| format!("{refused:?}"), |()| String::new()),
            "claim" => {
                let claimed = self.state.claim(now, number(1), words[2]);
                claimed.map_or_else(|refused| format!("{refused:?}"), |_| String::new())
            }
            verb => {
                match verb {
                    "started" => self.state.started(number(1), &"address"),
                    "connected" => self.state.connected(number(1)),
                    "unclaim" => self.state.unclaim(now, number(1)),
                    "crashed" => self.state.exited(number(1), "exited with code 3", true),
                    "ended" => self.state.exited(number(1), "exited with code 0", false),
                    "gone" => self.state.gone(number(1)),
                    "shutdown" => self.state.shut_down(),
                    "wait" => {}
                    unknown => panic!("{unknown} is no event"),
                }
                String::new()
            }
        };
        let effects: Vec<String> = self.state.take_effects().iter().map(tell).collect();
        [answer].into_iter().filter(|text| !text.is_empty()).chain(effects).collect::<Vec<_>>().join("; ")
    }

    fn phases(&self) -> Vec<Phase> {
        self.state.view(0).map(|slot| slot.phase).collect()
    }
}

fn tell(effect: &Effect<&'static str>) -> String {
    match effect {
        Effect::Launch { launch, index, token, .. } => format!("launch #{launch} at {index} for {token}"),
        Effect::Stop { launch } => format!("stop #{launch}"),
        Effect::Ready { claim, started } => format!("{claim} gets {started}"),
        Effect::Close { claim, code, reason } => format!("{claim} closes {code} {reason}"),
        Effect::Epitaph { claim, code, reason } => format!("{claim} hears {code} {reason}"),
        Effect::Note { index, note: Note::Free, .. } => format!("slot {index} free"),
        Effect::Note { index, note, .. } => format!("slot {index} {note:?}"),
    }
}

/// Plays a transcript of `second: event -> effects` lines.
fn check(counts: &[u32], grace: u64, transcript: &str) -> Story {
    let mut story = Story::new(counts, grace);
    for line in transcript.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (at, rest) = line.split_once("s ").unwrap();
        let (event, wanted) = rest.split_once("->").unwrap();
        let asked = story.act(at.parse().unwrap(), event.trim());
        assert_eq!(asked, wanted.trim(), "in line: {line}");
    }
    story
}

#[test]
fn a_reservation_is_launched_by_its_websocket_and_freed_after_it() {
    let story = check(
        &[1],
        0,
        "0s  reserve t           -> index 0
         9s  claim 1 t           -> launch #0 at 0 for t
         11s started 0           -> 1 gets address
         12s connected 1         -> slot 0 Connected
         40s unclaim 1           -> stop #0
         41s gone 0              -> slot 0 free",
    );
    assert_eq!(story.phases(), [Phase::Free]);
}

#[test]
fn an_unused_reservation_is_reclaimed_at_its_deadline_and_not_before() {
    check(
        &[1],
        0,
        "0s   reserve a -> index 0
         299s reserve b -> Full
         300s reserve b -> index 0; slot 0 Expired; slot 0 free
         301s claim 1 a -> UnknownToken",
    );
}

#[test]
fn an_expired_slot_can_be_reserved_at_once() {
    let mut story = Story::new(&[1], 0);
    assert_eq!(story.act(0, "reserve a"), "index 0");
    assert_eq!(story.state.next_deadline(), Some(story.start + 300 * S));
    assert_eq!(story.act(300, "wait"), "slot 0 Expired; slot 0 free");
    assert_eq!(story.act(300, "reserve b"), "index 0");
    assert_eq!(story.act(599, "wait"), "");
}

#[test]
fn connections_share_a_launch_and_the_last_one_ends_it() {
    check(
        &[2],
        0,
        "0s reserve t    -> index 0
         0s reserve u    -> index 1
         0s reserve v    -> Full
         1s claim 1 t    -> launch #0 at 0 for t
         1s claim 2 t    ->
         2s started 0    -> 1 gets address; 2 gets address
         3s claim 3 t    -> 3 gets address
         3s connected 2  -> slot 0 Connected
         4s unclaim 1    ->
         4s unclaim 2    ->
         5s unclaim 3    -> stop #0
         5s claim 4 t    -> UnknownToken
         5s reserve v    -> Full
         6s gone 0       -> slot 0 free
         6s reserve v    -> index 0",
    );
}

#[test]
fn a_grace_keeps_the_instance_for_who_comes_back() {
    check(
        &[1],
        10,
        "0s  reserve t   -> index 0
         0s  claim 1 t   -> launch #0 at 0 for t
         1s  started 0   -> 1 gets address
         1s  connected 1 -> slot 0 Connected
         2s  unclaim 1   ->
         11s claim 2 t   -> 2 gets address
         50s unclaim 2   ->
         59s wait        ->
         60s wait        -> stop #0
         60s claim 3 t   -> UnknownToken
         61s gone 0      -> slot 0 free",
    );
}

#[test]
fn who_leaves_during_the_launch_stops_it_even_with_a_grace() {
    check(
        &[1],
        10,
        "0s reserve t -> index 0
         0s claim 1 t -> launch #0 at 0 for t
         1s unclaim 1 -> stop #0
         2s started 0 ->
         3s gone 0    -> slot 0 free",
    );
}

#[test]
fn a_launch_that_takes_too_long_has_failed() {
    let failure = "it did not accept a connection within 60 s";
    check(
        &[1],
        0,
        &format!(
            "0s  reserve t    -> index 0
             1s  claim 1 t    -> launch #0 at 0 for t
             2s  started 0    -> 1 gets address
             60s wait         ->
             61s wait         -> slot 0 Failed(\"{failure}\"); 1 closes 1011 {failure}; stop #0
             61s unclaim 1    ->
             62s gone 0       -> slot 0 free"
        ),
    );
}

#[test]
fn a_launch_that_fails_tells_all_who_wait_and_the_status() {
    let story = check(
        &[1],
        0,
        "0s reserve t    -> index 0
         1s claim 1 t    -> launch #0 at 0 for t
         1s claim 2 t    ->
         2s crashed 0    -> slot 0 Failed(\"exited with code 3\"); 1 closes 1011 exited with code 3; 2 closes 1011 exited with code 3; stop #0
         2s gone 0       -> slot 0 free",
    );
    assert_eq!(story.state.view(0).next().unwrap().error, Some("exited with code 3"));
}

#[test]
fn a_process_that_dies_leaves_its_tunnels_their_last_words() {
    check(
        &[1],
        0,
        "0s reserve t    -> index 0
         1s claim 1 t    -> launch #0 at 0 for t
         2s started 0    -> 1 gets address
         2s connected 1  -> slot 0 Connected
         3s crashed 0    -> slot 0 Failed(\"exited with code 3\"); 1 hears 1011 exited with code 3; stop #0
         3s unclaim 1    ->
         4s gone 0       -> slot 0 free",
    );
    check(
        &[1],
        5,
        "0s reserve t    -> index 0
         1s claim 1 t    -> launch #0 at 0 for t
         2s started 0    -> 1 gets address
         2s connected 1  -> slot 0 Connected
         3s ended 0      -> 1 hears 1000 exited with code 0; stop #0
         4s gone 0       -> slot 0 free
         5s unclaim 1    ->",
    );
}

#[test]
fn a_release_ends_a_reservation_in_every_phase() {
    check(
        &[1],
        9,
        "0s reserve a    -> index 0
         0s release a    -> slot 0 free
         0s release a    -> UnknownToken
         1s reserve b    -> index 0
         1s claim 1 b    -> launch #0 at 0 for b
         1s release b    -> 1 closes 1000 the reservation was released; stop #0
         1s unclaim 1    ->
         2s gone 0       -> slot 0 free
         3s reserve c    -> index 0
         3s claim 2 c    -> launch #1 at 0 for c
         3s started 1    -> 2 gets address
         3s connected 2  -> slot 0 Connected
         4s unclaim 2    ->
         5s release c    -> stop #1
         5s release c    -> UnknownToken
         6s gone 1       -> slot 0 free",
    );
}

#[test]
fn a_launch_that_is_gone_without_a_word_frees_its_slot_too() {
    check(
        &[1],
        0,
        "0s reserve a -> index 0
         0s claim 1 a -> launch #0 at 0 for a
         1s gone 0    -> slot 0 Failed(\"it ended without a word\"); 1 closes 1011 it ended without a word; stop #0; slot 0 free",
    );
}

#[test]
fn a_shutdown_ends_everything_once_and_refuses_what_comes() {
    let story = check(
        &[3],
        0,
        "0s reserve a -> index 0
         0s reserve b -> index 1
         0s claim 1 a -> launch #0 at 0 for a
         1s shutdown  -> 1 closes 1001 the server is stopping; stop #0; slot 1 free
         1s reserve c -> Stopping
         1s claim 2 b -> UnknownToken
         2s shutdown  ->
         3s gone 0    -> slot 0 free",
    );
    assert!(story.state.is_idle());
}
