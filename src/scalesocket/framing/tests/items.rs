//! Lines, items between delimiters, and chunks.

use super::*;

#[test]
fn lines_end_at_line_feeds() {
    check(&lines(), "", &[]);
    check(&lines(), "a\nbc\n", &[text("a"), text("bc")]);
    check(&lines(), "a\n\nb", &[text("a"), text(""), text("b")]);
    check(&lines(), "\n", &[text("")]);
    check(&lines(), " a \0b\u{b}\n", &[text(" a \0b\u{b}")]);
    check(&lines(), "ä\n€\n😀\n", &[text("ä"), text("€"), text("😀")]);
}

#[test]
fn one_carriage_return_goes_with_the_line_feed() {
    check(&lines(), "a\r\nb\r\r\n\r\nc\rd\n", &[text("a"), text("b\r"), text(""), text("c\rd")]);
    check(&lines(), "a\r", &[text("a")]);
    check(&lines(), "a\n\r", &[text("a")]);
    for pieces in [["a", "\r\nb"], ["a\r", "\nb"], ["a\r\n", "b"], ["a\r\nb", ""]] {
        assert_eq!(hear(&lines(), None, &pieces).heard, [text("a"), text("b")], "{pieces:?}");
    }
}

#[test]
fn delimiters_end_items_and_nothing_is_stripped() {
    check(&split(Split::At(vec![0])), "a\r\n\0\0b", &[text("a\r\n"), text(""), text("b")]);
    check(&split(Split::At(b",;".to_vec())), "a,b;;c\n,", &[text("a"), text("b"), text(""), text("c\n")]);
    check(&split(Split::At(b"\n\0|".to_vec())), "a\nb\0c|d", &[text("a"), text("b"), text("c"), text("d")]);
    check(&split(Split::At(b"1234".to_vec())), "a1b2c3d4e", &["a", "b", "c", "d", "e"].map(text));
}

#[test]
fn delimiters_inside_of_characters_leave_halves_that_are_repaired() {
    let heap = hear(&split(Split::At(vec![0xa4])), None, &["aä\u{a4}b"]);
    assert_eq!(heap.heard, [text("a\u{fffd}"), text("\u{fffd}"), text("b")]);
}

#[test]
fn binary_chunks_are_messages_as_they_are() {
    let data = split(Split::Binary);
    assert_eq!(hear(&data, None, &[&b"a\n\xff"[..], b"", b"b"]).heard, [bytes(b"a\n\xff"), bytes(b"b")]);
    check(&data, vec![7; 100_000], &[bytes(&vec![7; 100_000])]);
}

#[test]
fn text_that_is_not_utf8_is_repaired_and_told_once() {
    let heap = hear(&lines(), None, &[&b"good\nb\xffd\nw\xc3\n"[..], b"\xe2\x82\nlast\xf0"]);
    assert_eq!(
        heap.heard,
        [text("good"), text("b\u{fffd}d"), text("w\u{fffd}"), text("\u{fffd}"), text("last\u{fffd}")]
    );
    assert_eq!(heap.complaints.len(), 1);
    assert!(heap.complaints[0].contains("not UTF-8") && heap.complaints[0].contains("--binary"));
}

#[test]
fn a_character_may_come_in_pieces() {
    let heap = hear(&lines(), None, &[&b"\xe2"[..], b"\x82", b"\xac\n"]);
    assert_eq!(heap.heard, [text("€")]);
    assert_eq!(heap.complaints.len(), 0);
}

#[test]
fn what_is_read_at_once_is_one_batch() {
    let spoken = "a line of some length, as programs print them\n".repeat(1400);
    let heap = hear(&lines(), None, &[&spoken]);
    assert_eq!((heap.batches, heap.heard.len()), (1, 1400));
    // The line that began in the piece before belongs to it.
    let mut unframer = Unframer::new(&lines(), None);
    let (mut said, mut complaints) = (Vec::new(), Vec::new());
    unframer.feed(b"a line", &mut said, &mut complaints).unwrap();
    assert_eq!(said, []);
    unframer.feed(b"\nand two\nmore\n", &mut said, &mut complaints).unwrap();
    assert_eq!(said.len(), 1);
}

#[test]
fn batches_of_many_messages_are_bounded() {
    let heap = hear(&lines(), None, &["\n".repeat(1_000_000)]);
    assert_eq!(heap.heard.len(), 1_000_000);
    assert!((10..20).contains(&heap.batches), "{}", heap.batches);
}

#[test]
fn with_a_cache_every_message_is_alone() {
    let heap = hear(&lines(), Some(all(8)), &["a\nb\n"]);
    let kept = |message| Heard::Message(Recipient::All, Message::text(message), true);
    assert_eq!((heap.batches, heap.heard), (2, vec![kept("a"), kept("b")]));
}

#[test]
fn a_long_line_is_collected_where_its_frame_will_be() {
    for size in [4 * 1024, 4 * 1024 + 1, 65_535, 65_536, 3_000_000] {
        let line = "é".repeat(size / 2);
        let mut unframer = Unframer::new(&lines(), None);
        let (mut said, mut complaints) = (Vec::new(), Vec::new());
        for piece in line.as_bytes().chunks(1000) {
            unframer.feed(piece, &mut said, &mut complaints).unwrap();
        }
        unframer.feed(b"\r\nshort\n", &mut said, &mut complaints).unwrap();
        let heard: Vec<_> = said
            .into_iter()
            .flat_map(|said| if let Said::Batch(batch) = said { read(&batch) } else { vec![] })
            .collect();
        assert_eq!(heard, [text(&line), text("short")], "{size}");
    }
}

#[test]
fn a_line_without_an_end_is_bounded() {
    let mut unframer = Unframer::new(&lines(), None);
    let (mut said, mut complaints) = (Vec::new(), Vec::new());
    let piece = vec![b'x'; LONGEST_MESSAGE / 4];
    for _ in 0..4 {
        assert_eq!(unframer.feed(&piece, &mut said, &mut complaints), Ok(()));
    }
    let Err(Broken(why)) = unframer.feed(b"x", &mut said, &mut complaints) else { panic!("no end") };
    assert_eq!(why, "the command said more than 268435456 bytes without a separator");
}

#[test]
fn a_short_line_before_a_long_one_takes_little_memory() {
    let mut unframer = Unframer::new(&lines(), None);
    let (mut said, mut complaints) = (Vec::new(), Vec::new());
    unframer.feed(format!("short\n{}", "x".repeat(60_000)).as_bytes(), &mut said, &mut complaints).unwrap();
    let [Said::Batch(batch)] = said.as_slice() else { panic!("{said:?}") };
    assert!(batch.frames.capacity() < 100, "{}", batch.frames.capacity());
}
