//! What holds for all bytes, in all pieces.

use proptest::prelude::*;

use super::*;

fn any_data() -> impl Strategy<Value = DataConfig> {
    let split = prop_oneof![
        3 => Just(Split::Lines),
        1 => Just(Split::At(vec![b'\n', 0, b'a', 0xa4])),
        1 => Just(Split::At(vec![0])),
        1 => Just(Split::Binary),
    ];
    let frame = prop::sample::select(vec![None, Some(FrameMode::Json), Some(FrameMode::Binary)]);
    let order = prop::sample::select(vec![ByteOrder::Little, ByteOrder::Big]);
    let keys = prop::sample::select(vec![JsonKeys::Id, JsonKeys::FromTo]);
    (split, frame.clone(), frame, order, keys).prop_map(|(split, client_frame, server_frame, byte_order, json_keys)| {
        DataConfig { split, client_frame, server_frame, byte_order, json_keys }
    })
}

/// Text, halves of text, JSON, frames and pieces of them.
fn any_speech() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[a-cäö€\r\n]{0,12}".prop_map(String::into_bytes),
        2 => Just(b"\n".to_vec()),
        2 => (0_u32..3, 1_u32..4, "[a\n]{0,4}").prop_map(|(id, kind, text)| {
            let length = u32::try_from(text.len()).unwrap();
            [id.to_le_bytes(), kind.to_le_bytes(), length.to_le_bytes()].concat().into_iter().chain(text.bytes()).collect()
        }),
        2 => prop::sample::select(vec!["{\"id\":1}", "{\"_to\":2}", "{\"_meta\":true}", "{\"_cache\":true,\"id\":0}", "[1]"])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => Just(vec![b'x'; 5000]),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn cut(speech: &[u8], at: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut ends: Vec<_> = at.iter().map(|index| index.index(speech.len() + 1)).chain([0, speech.len()]).collect();
    ends.sort_unstable();
    ends.windows(2).map(|ends| speech[ends[0]..ends[1]].to_vec()).collect()
}

proptest! {
    #[test]
    fn the_splits_do_not_matter(
        data in any_data(),
        cached in any::<bool>(),
        speech in any_speech(),
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let chunks_count = data.split == Split::Binary && data.server_frame != Some(FrameMode::Binary);
        let cache = cached.then(|| all(8));
        let whole = hear(&data, cache, &[&speech]);
        let pieces = hear(&data, cache, &cut(&speech, &at));
        if !chunks_count {
            prop_assert_eq!(&whole.heard, &pieces.heard);
            prop_assert_eq!(&whole.broken, &pieces.broken);
            prop_assert_eq!(&whole.complaints, &pieces.complaints);
        }
        prop_assert!(whole.complaints.len() <= 4);
    }

    #[test]
    fn lines_are_what_the_standard_library_takes_them_for(speech in "[ab\r\n€]{0,40}") {
        let expected: Vec<_> = speech.lines().map(text).collect();
        // At the end the standard library keeps a carriage return that no line feed follows.
        prop_assume!(!speech.ends_with('\r'));
        prop_assert_eq!(hear(&lines(), None, &[&speech]).heard, expected);
    }

    #[test]
    fn no_message_of_a_member_panics(data in any_data(), id in any::<u32>(), message in any_speech()) {
        let tagger = Tagger::new(&data);
        for kind in [Kind::Text, Kind::Binary] {
            if let Ok(told) = tagger.tag(id, kind, message.clone()) {
                prop_assert_eq!(told.ends_with(b"\n"), data.split != Split::Binary || message.ends_with(b"\n") && data.client_frame != Some(FrameMode::Json));
            }
        }
    }

    #[test]
    fn junk_takes_no_memory(data in any_data(), junk in prop::collection::vec(any::<u8>(), 1..2000)) {
        let mut unframer = Unframer::new(&data, None);
        let mut complaints = Vec::new();
        for _ in 0..50 {
            let mut said = Vec::new();
            if unframer.feed(&junk, &mut said, &mut complaints).is_err() {
                break;
            }
            // What has been said is gone; only what is still to be said may be held.
            let held = match &unframer.source {
                Source::Items(items) => items.held(),
                Source::Chunks => 0,
                Source::Frames(frames) => frames.held(),
            };
            prop_assert!(held <= 50 * 2 * junk.len() + 10, "{held}");
        }
        prop_assert!(complaints.len() <= 4);
    }
}
