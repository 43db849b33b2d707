use super::*;
use proptest::prelude::*;

/// A client's frame, with every bit free to be wrong.
fn frame(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = vec![first];
    let bit = if mask.is_some() { 0x80 } else { 0 };
    match payload.len() {
        short @ 0..=125 => bytes.push(bit | u8::try_from(short).unwrap()),
        medium @ 126..=0xffff => {
            bytes.push(bit | 0x7e);
            bytes.extend(u16::try_from(medium).unwrap().to_be_bytes());
        }
        _ => {
            bytes.push(bit | 0x7f);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    let mut payload = payload.to_vec();
    if let Some(mask) = mask {
        bytes.extend(mask);
        unmask(&mut payload, mask);
    }
    bytes.extend(payload);
    bytes
}

const MASK: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

/// Decodes `wire` in pieces of `split` bytes: payload, signals, and the violation that ended it.
fn decode(wire: &[u8], split: usize) -> (Vec<u8>, Vec<Signal>, Option<Violation>) {
    let mut decoder = Decoder::default();
    let (mut payload, mut signals) = (Vec::new(), Vec::new());
    for piece in wire.chunks(split.max(1)) {
        let mut bytes = piece.to_vec();
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            let step = decoder.decode(rest);
            step.payload.of(rest).for_each(|piece| payload.extend_from_slice(piece));
            match step.stop {
                Stop::Drained => break,
                Stop::Full | Stop::Message { .. } => {}
                Stop::Signal(signal) => signals.push(signal),
                Stop::Violation(violation) => return (payload, signals, Some(violation)),
            }
            rest = &mut rest[step.used..];
        }
    }
    (payload, signals, None)
}

#[test]
fn the_rfc_example_is_unmasked() {
    // RFC 6455 section 5.7: a masked text message "Hello".
    let wire = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    for split in 1..=wire.len() {
        assert_eq!(decode(&wire, split), (b"Hello".to_vec(), vec![], None));
    }
}

/// Decodes `wire` in pieces of `split` bytes into whole messages.
fn messages(wire: &[u8], split: usize) -> Vec<(bool, Vec<u8>)> {
    let mut decoder = Decoder::of_messages();
    let (mut message, mut messages) = (Vec::new(), Vec::new());
    for piece in wire.chunks(split) {
        let mut bytes = piece.to_vec();
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            let step = decoder.decode(rest);
            step.payload.of(rest).for_each(|piece| message.extend_from_slice(piece));
            if let Stop::Message { text } = step.stop {
                messages.push((text, std::mem::take(&mut message)));
            }
            rest = &mut rest[step.used..];
        }
    }
    messages
}

#[test]
fn messages_end_where_the_client_ended_them() {
    let mut wire = frame(0x81, b"one", MASK);
    wire.extend(frame(0x82, b"", MASK));
    wire.extend(frame(0x01, b"fra", MASK));
    wire.extend(frame(0x89, b"beat", MASK));
    wire.extend(frame(0x00, b"gmen", MASK));
    wire.extend(frame(0x80, b"", MASK));
    wire.extend(frame(0x82, &[7; 300], MASK));
    let wanted = [(true, b"one".to_vec()), (false, vec![]), (true, b"fragmen".to_vec()), (false, vec![7; 300])];
    for split in 1..=wire.len() {
        assert_eq!(messages(&wire, split), wanted, "{split}");
    }
}

#[test]
fn control_frames_may_stand_inside_a_fragmented_message() {
    let mut wire = frame(0x02, b"one ", MASK);
    wire.extend(frame(0x89, b"beat", MASK));
    wire.extend(frame(0x00, b"", MASK));
    wire.extend(frame(0x8a, b"", MASK));
    wire.extend(frame(0x80, b"two", MASK));
    wire.extend(frame(0x88, &[0x03, 0xe8, b'b', b'y', b'e'], MASK));
    let signals = vec![Signal::Ping(b"beat".to_vec()), Signal::Pong, Signal::Close(Some((1000, "bye".to_owned())))];
    for split in 1..=wire.len() {
        assert_eq!(decode(&wire, split), (b"one two".to_vec(), signals.clone(), None));
    }
}

#[test]
fn violations_have_their_code_and_what_came_before_is_kept() {
    let long_close = frame(0x88, &[0x03, 0xe8, 0xff], MASK);
    let cases: Vec<(Vec<u8>, u16, &str)> = vec![
        (frame(0x82, b"x", None), 1002, "not masked"),
        (frame(0xc2, b"x", MASK), 1002, "reserved bit"),
        (frame(0x83, b"x", MASK), 1002, "unknown opcode"),
        (frame(0x8b, b"", MASK), 1002, "unknown opcode"),
        (frame(0x09, b"", MASK), 1002, "fragmented"),
        (frame(0x89, &[0; 126], MASK), 1002, "longer than 125"),
        (frame(0x80, b"x", MASK), 1002, "continues nothing"),
        ([frame(0x02, b"", MASK), frame(0x82, b"", MASK)].concat(), 1002, "inside a fragmented"),
        (vec![0x82, 0xfe, 0, 5, 1, 2, 3, 4], 1002, "shortest"),
        ([vec![0x82, 0xff], vec![0xff; 8], vec![0; 4]].concat(), 1002, "highest bit"),
        (frame(0x88, &[3], MASK), 1002, "half a code"),
        (frame(0x88, &[0x03, 0xed], MASK), 1002, "may not be sent"),
        (frame(0x88, &[0x00, 0x05], MASK), 1002, "may not be sent"),
        (frame(0x88, &[0x13, 0x88], MASK), 1002, "may not be sent"),
        (long_close, 1007, "UTF-8"),
    ];
    for (bad, code, reason) in cases {
        let wire = [frame(0x82, b"kept", MASK), bad].concat();
        for split in [1, 2, 3, wire.len()] {
            let (payload, _, violation) = decode(&wire, split);
            let violation = violation.unwrap_or_else(|| panic!("{reason} was accepted"));
            assert_eq!(payload, b"kept", "{reason}");
            assert_eq!(violation.code, code, "{reason}");
            assert!(violation.reason.contains(reason), "{} is not {reason}", violation.reason);
        }
    }
}

#[test]
fn what_the_server_sends_is_as_the_rfc_says() {
    let header = |length| {
        let mut space = [0xaa; SERVER_HEADER];
        let size = header_before(&mut space, OpCode::Data(Data::Binary), length);
        space[SERVER_HEADER - size..].to_vec()
    };
    assert_eq!(header(0), [0x82, 0]);
    assert_eq!(header(125), [0x82, 125]);
    assert_eq!(header(126), [0x82, 126, 0, 126]);
    assert_eq!(header(65_535), [0x82, 126, 0xff, 0xff]);
    assert_eq!(header(65_536), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(control_frame(Control::Pong, b"ab"), [0x8a, 2, b'a', b'b']);
    assert_eq!(close_frame(None), [0x88, 0]);
    assert_eq!(close_frame(Some((1001, "x"))), [0x88, 3, 0x03, 0xe9, b'x']);
}

#[test]
fn a_long_close_reason_is_cut_between_characters() {
    let frame = close_frame(Some((1011, &"é".repeat(100))));
    assert_eq!(frame.len(), 2 + 2 + 122);
    assert!(std::str::from_utf8(&frame[4..]).is_ok());
}

#[test]
fn payload_in_many_places_is_told_in_several_calls() {
    let big = vec![7; WORTH_MOVING];
    let mut wire = Vec::new();
    let mut expected = Vec::new();
    for at in 0..3 * MAX_PIECES {
        wire.extend(frame(0x82, &big, MASK));
        wire.extend(frame(0x82, &[u8::try_from(at).unwrap()], MASK));
        expected.extend_from_slice(&big);
        expected.push(u8::try_from(at).unwrap());
    }
    assert_eq!(decode(&wire, wire.len()), (expected.clone(), vec![], None));
    assert_eq!(decode(&wire, 5_001), (expected, vec![], None));
}

proptest! {
    #[test]
    fn any_bytes_in_any_split_decode_alike(wire in proptest::collection::vec(any::<u8>(), 0..300), split in 1usize..64) {
        prop_assert_eq!(decode(&wire, split), decode(&wire, wire.len()));
    }

    #[test]
    fn payload_survives_any_framing(
        parts in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..400), any::<[u8; 4]>(), any::<bool>()), 0..12),
        split in 1usize..500,
    ) {
        let mut wire = Vec::new();
        let mut expected = Vec::new();
        let mut pings = 0;
        let mut inside = false;
        for (payload, mask, fin) in &parts {
            let opcode = if inside { 0 } else { 2 };
            wire.extend(frame(if *fin { 0x80 } else { 0 } | opcode, payload, Some(*mask)));
            inside = !fin;
            if payload.len() % 2 == 1 {
                wire.extend(frame(0x89, &payload[..payload.len().min(125)], Some(*mask)));
                pings += 1;
            }
            expected.extend_from_slice(payload);
        }
        let (payload, signals, violation) = decode(&wire, split);
        prop_assert_eq!(violation, None);
        prop_assert_eq!(payload, expected);
        prop_assert_eq!(signals.len(), pings);
    }
}
