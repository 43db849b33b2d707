//! Binary framing of what the command says.

use super::*;

fn in_lines() -> DataConfig {
    framed(Split::Lines, FrameMode::Binary)
}

fn in_bytes() -> DataConfig {
    framed(Split::Binary, FrameMode::Binary)
}

/// A frame with any numbers, little-endian.
fn frame(id: u32, kind: u32, length: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame: Vec<u8> = [id, kind, length].into_iter().flat_map(u32::to_le_bytes).collect();
    frame.extend(payload);
    frame
}

/// A good frame.
fn good(id: u32, payload: &str) -> Vec<u8> {
    frame(id, 1, u32::try_from(payload.len()).unwrap(), payload.as_bytes())
}

/// However the frames are cut, they give these messages and this many complaints.
#[track_caller]
fn check_split(data: &DataConfig, frames: &[Vec<u8>], expected: &[Heard], complaints: usize) {
    let whole = frames.concat();
    for size in [1, 2, 3, 7, 11, 12, 13, 1000] {
        let pieces: Vec<_> = whole.chunks(size).collect();
        let heap = hear(data, None, &pieces);
        assert_eq!(heap.heard, expected, "in pieces of {size}");
        assert_eq!((heap.complaints.len(), &heap.broken), (complaints, &None), "{:?}", heap.complaints);
    }
}

#[test]
fn frames_are_addressed_and_end_where_they_say() {
    let binary = Heard::Message(Recipient::One(7), Message::binary("b\nc"), false);
    check_split(&in_bytes(), &[good(0, "a"), good(7, "b\nc"), good(0, "")], &[bytes(b"a"), binary, bytes(b"")], 0);
    check_split(
        &in_lines(),
        &[good(0, "a"), good(7, "b\nc"), good(0, "")],
        &[text("a"), text_to(7, "b\nc"), text("")],
        0,
    );
}

#[test]
fn the_type_does_not_choose_the_kind_of_message() {
    check_split(&in_lines(), &[frame(0, 2, 1, b"a")], &[text("a")], 0);
    check_split(&in_bytes(), &[frame(0, 1, 1, b"a")], &[bytes(b"a")], 0);
}

#[test]
fn numbers_may_be_big_endian() {
    let wire = [0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 2, b'h', b'i'];
    check(&DataConfig { byte_order: ByteOrder::Big, ..in_lines() }, wire, &[text_to(9, "hi")]);
}

#[test]
fn a_separator_behind_a_payload_is_skipped() {
    let line = |payload: &str, end: &str| [good(0, payload), end.into()].concat();
    check_split(
        &in_lines(),
        &[line("a", "\n"), line("b", ""), line("", "\n"), line("\n", "\n")],
        &["a", "b", "", "\n"].map(text),
        0,
    );
    check_split(
        &framed(Split::At(b";,".to_vec()), FrameMode::Binary),
        &[line("a", ","), line("b", ";"), line("c", "")],
        &["a", "b", "c"].map(text),
        0,
    );
    // Of bytes that look like separators, those in headers and payloads are none.
    check_split(
        &in_lines(),
        &[line("0123456789", "\n"), frame(10, 1, 10, b"\n\n\n\n\n\n\n\n\n\n"), b"\n".to_vec(), good(2570, "x")],
        &[text("0123456789"), text_to(10, "\n\n\n\n\n\n\n\n\n\n"), text_to(2570, "x")],
        0,
    );
}

#[test]
fn in_binary_mode_there_are_no_separators() {
    check_split(
        &in_bytes(),
        &[good(0, "a"), frame(10, 1, 1, b"b")],
        &[bytes(b"a"), Heard::Message(Recipient::One(10), Message::binary("b"), false)],
        0,
    );
}

#[test]
fn text_is_repaired() {
    check_split(
        &in_lines(),
        &[frame(3, 1, 2, b"\xffa"), frame(0, 1, 1, b"\xc3")],
        &[text_to(3, "\u{fffd}a"), text("\u{fffd}")],
        1,
    );
}

#[test]
fn unknown_types_are_left_out_by_their_length() {
    let strange = [frame(0, 3, 5, b"1\n345"), b"\n".to_vec(), frame(0, 0, 0, b""), frame(0, 255, 2, b"xx")];
    check_split(&in_lines(), &[&strange[..], &[good(0, "a")]].concat(), &[text("a")], 1);
    check_split(&in_bytes(), &[frame(0, u32::MAX, 2, b"xx"), good(0, "a")], &[bytes(b"a")], 1);
}

#[test]
fn junk_is_left_out_up_to_the_next_separator() {
    let junk = b"Traceback (most recent call last):\n".to_vec();
    check_split(&in_lines(), &[good(0, "a\n"), junk.clone(), good(0, "b")], &[text("a\n"), text("b")], 1);
    // Separators inside of what was taken for a header count.
    check_split(&in_lines(), &[b"no\n".to_vec(), good(0, "b\n")], &[text("b\n")], 1);
    check_split(&in_lines(), &[b"no\nnot\nagain\n".to_vec(), good(0, "b\n")], &[text("b\n")], 1);
}

#[test]
fn without_separators_junk_is_the_end() {
    let heap = hear(&in_bytes(), None, &[good(0, "a"), b"Traceback (most".to_vec(), good(0, "b")]);
    assert_eq!(heap.heard, [bytes(b"a")]);
    assert_eq!(heap.broken.unwrap(), "the command said a frame of 1831346283 bytes, which is more than 268435456");
}

#[test]
fn a_frame_that_stays_incomplete_is_left_out() {
    for cut in [1, 11, 12, 13] {
        let whole = good(0, "ab");
        let heap = hear(&in_lines(), None, &[&whole[..cut]]);
        assert_eq!(heap.heard, []);
        assert_eq!(heap.complaints, ["the command ended inside a frame, which was left out"]);
    }
}

#[test]
fn no_announced_length_takes_memory() {
    let mut unframer = Unframer::new(&in_bytes(), None);
    let (mut said, mut complaints) = (Vec::new(), Vec::new());
    let longest = u32::try_from(LONGEST_MESSAGE).unwrap();
    unframer.feed(&frame(0, 1, longest, b"only this"), &mut said, &mut complaints).unwrap();
    let Source::Frames(frames) = &unframer.source else { panic!("no frames") };
    assert!(frames.held() < 1000, "{}", frames.held());
}

#[test]
fn long_payloads_arrive_whole() {
    let long = "ö".repeat(100_000);
    let wire = [good(0, &long), b"\n".to_vec(), good(5, &long), good(0, "x")].concat();
    let pieces: Vec<_> = wire.chunks(8192).collect();
    assert_eq!(hear(&in_lines(), None, &pieces).heard, [text(&long), text_to(5, &long), text("x")]);
}

#[test]
fn messages_for_everybody_are_kept() {
    let heap = hear(&in_lines(), Some(all(1)), &[good(0, "a"), good(1, "b")]);
    let keeps: Vec<_> = heap.heard.iter().map(|heard| matches!(heard, Heard::Message(_, _, true))).collect();
    assert_eq!((keeps, heap.batches), (vec![true, false], 2));
}
