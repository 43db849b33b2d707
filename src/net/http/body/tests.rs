use super::*;
use proptest::prelude::*;

const LIMIT: usize = 1_000;

/// A body that is complete, and what is behind it.
type Decoded = Result<Option<(Vec<u8>, Vec<u8>)>, Refused>;

/// Feeds `bytes` in pieces that end at `cuts`: the body, and what is behind it.
fn decode(length: BodyLength, bytes: &[u8], cuts: &[usize]) -> Decoded {
    let mut decoder = Decoder::new(length, LIMIT)?;
    let (mut input, mut body) = (Vec::new(), Vec::new());
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    let mut complete = false;
    for pair in cuts.windows(2) {
        input.extend_from_slice(&bytes[pair[0]..pair[1]]);
        complete = complete || decoder.feed(&mut input, &mut body)?;
    }
    Ok(complete.then_some((body, input)))
}

fn chunked(text: &str) -> Decoded {
    decode(BodyLength::Chunked, text.as_bytes(), &[])
}

#[test]
fn a_body_ends_where_it_says() {
    let known = |length| decode(BodyLength::Known(length), b"hello and more", &[3]);
    assert_eq!(known(5).unwrap(), Some((b"hello".to_vec(), b" and more".to_vec())));
    assert_eq!(known(14).unwrap(), Some((b"hello and more".to_vec(), vec![])));
    assert_eq!(known(15).unwrap(), None);
    assert_eq!(known(LIMIT as u64 + 1).unwrap_err().0, 413);
    let (body, rest) = chunked("3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET /").unwrap().unwrap();
    assert_eq!((body.as_slice(), rest.as_slice()), (&b"abc0123456789"[..], &b"GET /"[..]));
    assert_eq!(chunked("0\r\n\r\n").unwrap(), Some((vec![], vec![])));
    for part in ["", "3", "3\r", "3\r\nab", "3\r\nabc\r", "3\r\nabc\r\n0\r\n", "3\r\nabc\r\n0\r\nX: y\r\n"] {
        assert_eq!(chunked(part), Ok(None), "{part:?}");
    }
}

#[test]
fn chunks_that_readers_would_split_differently_are_refused() {
    for text in [
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\n",
        " 1\r\n",
        "1 \r\na\r\n",
        "1_0\r\n",
        "1\n",
        "1;x\n\r\n",
        "1;\rx\r\n",
        "1;\0\r\n",
        "11111111111111111\r\n",
        "1\r\nab\r\n",
        "1\r\na\n",
        "1\r\na\rx",
        "0\r\nX: y\n\r\n",
        "0\r\nX\r\n\r\n",
        "0\r\nX: a\rb\r\n\r\n",
    ] {
        assert_eq!(chunked(text).unwrap_err().0, 400, "{text:?}");
    }
    assert_eq!(chunked("ffffffffffffffff\r\n").unwrap_err().0, 413);
    assert_eq!(chunked(&format!("1\r\na\r\n{LIMIT:x}\r\n")).unwrap_err().0, 413);
    assert_eq!(chunked(&format!("1;{}", "x".repeat(MAX_CHUNK_LINE))).unwrap_err().0, 400);
    assert_eq!(chunked(&format!("0\r\n{}", "X: y\r\n".repeat(MAX_TRAILERS / 6 + 1))).unwrap_err().0, 400);
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..90), 0..9),
        behind in proptest::collection::vec(any::<u8>(), 0..20),
        cuts in proptest::collection::vec(any::<usize>(), 0..30),
        trailer in any::<bool>(),
    ) {
        let body = chunks.concat();
        let mut wire = Vec::new();
        for chunk in &chunks {
            wire.extend(format!("{:x}\r\n", chunk.len()).bytes());
            wire.extend(chunk.iter().chain(b"\r\n"));
        }
        wire.extend(if trailer { &b"0\r\nA: b\r\n\r\n"[..] } else { b"0\r\n\r\n" });
        wire.extend(&behind);
        prop_assert_eq!(decode(BodyLength::Chunked, &wire, &cuts), Ok(Some((body.clone(), behind.clone()))));
        let plain = [body.as_slice(), &behind].concat();
        let length = BodyLength::Known(body.len() as u64);
        prop_assert_eq!(decode(length, &plain, &cuts), Ok(Some((body, behind))));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in any::<usize>()) {
        let _ = decode(BodyLength::Chunked, &bytes, &[cut]);
    }
}
