//! The Range header (RFC 9110 section 14).

/// What of a file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it.
    Whole,
    /// `length` bytes (at least one) from `offset` on.
    Part {
        /// First byte.
        offset: u64,
        /// Number of bytes.
        length: u64,
    },
    /// Only bytes that it does not have.
    Nothing,
}

/// Reads a Range header for a file of `size` bytes. Several ranges, other units and what is malformed ask for the whole
/// file: a server may ignore the header (RFC 9110 section 14.2).
pub(super) fn asked(value: &str, size: u64) -> Asked {
    single(value, size).unwrap_or(Asked::Whole)
}

/// `None` when the header is to be ignored.
fn single(value: &str, size: u64) -> Option<Asked> {
    let (unit, set) = value.split_once('=')?;
    // A list may hold empty elements (RFC 9110 section 5.6.1.2).
    let mut specs = set.split(',').map(str::trim).filter(|spec| !spec.is_empty());
    let (spec, None) = (specs.next()?, specs.next()) else {
        return None;
    };
    let (first, last) = spec.split_once('-')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    if first.is_empty() {
        return suffix(number(last)?, size);
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return None;
    }
    if first >= size {
        return Some(Asked::Nothing);
    }
    Some(Asked::Part { offset: first, length: last.min(size - 1) - first + 1 })
}

/// The last `count` bytes.
fn suffix(count: u64, size: u64) -> Option<Asked> {
    match (count, size) {
        (0, _) => Some(Asked::Nothing),
        // Satisfiable, but no Content-Range can say it.
        (_, 0) => None,
        _ => Some(Asked::Part { offset: size.saturating_sub(count), length: count.min(size) }),
    }
}

/// Digits only; more than fit mean a position beyond any file.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        let part = |offset, length| Asked::Part { offset, length };
        let table = [
            ("bytes=0-0", 10, part(0, 1)),
            ("bytes=0-9", 10, part(0, 10)),
            ("bytes=0-10", 10, part(0, 10)),
            ("bytes=3-", 10, part(3, 7)),
            ("bytes=9-", 10, part(9, 1)),
            ("BYTES=1-2", 10, part(1, 2)),
            ("bytes= 1-2 ,", 10, part(1, 2)),
            ("bytes=-3", 10, part(7, 3)),
            ("bytes=-30", 10, part(0, 10)),
            ("bytes=2-99999999999999999999999", 10, part(2, 8)),
            ("bytes=10-", 10, Asked::Nothing),
            ("bytes=10-20", 10, Asked::Nothing),
            ("bytes=99999999999999999999999-", 10, Asked::Nothing),
            ("bytes=-0", 10, Asked::Nothing),
            ("bytes=0-", 0, Asked::Nothing),
            ("bytes=-5", 0, Asked::Whole),
            ("bytes=5-4", 10, Asked::Whole),
            ("bytes=0-1,4-5", 10, Asked::Whole),
            ("bytes=", 10, Asked::Whole),
            ("bytes=-", 10, Asked::Whole),
            ("bytes=a-b", 10, Asked::Whole),
            ("bytes=+1-2", 10, Asked::Whole),
            ("bytes=1--2", 10, Asked::Whole),
            ("bytes 1-2", 10, Asked::Whole),
            ("lines=1-2", 10, Asked::Whole),
            ("", 10, Asked::Whole),
        ];
        for (value, size, expected) in table {
            assert_eq!(asked(value, size), expected, "{value} of {size}");
        }
    }

    proptest! {
        #[test]
        fn no_part_is_empty_or_reaches_beyond_the_file(value in "bytes=[0-9]{0,21}-[0-9]{0,21}", size: u64) {
            if let Asked::Part { offset, length } = asked(&value, size) {
                prop_assert!(length > 0 && offset.checked_add(length).is_some_and(|end| end <= size));
            }
        }
    }
}
