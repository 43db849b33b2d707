//! The bytes between messages.

use crate::scalesocket::config::Split;

/// Bytes of which any one ends a message.
#[derive(Debug)]
pub(super) enum Separators {
    One(u8),
    Two(u8, u8),
    Three(u8, u8, u8),
    Many(Vec<u8>),
}

impl Separators {
    /// Those of a way to split; binary has none.
    pub(super) fn new(split: &Split) -> Option<Self> {
        match split {
            Split::Lines => Some(Self::One(b'\n')),
            Split::At(set) => Some(match *set.as_slice() {
                [a] => Self::One(a),
                [a, b] => Self::Two(a, b),
                [a, b, c] => Self::Three(a, b, c),
                _ => Self::Many(set.clone()),
            }),
            Split::Binary => None,
        }
    }

    /// Where the first one is.
    pub(super) fn first(&self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::One(a) => memchr::memchr(*a, bytes),
            Self::Two(a, b) => memchr::memchr2(*a, *b, bytes),
            Self::Three(a, b, c) => memchr::memchr3(*a, *b, *c, bytes),
            Self::Many(set) => bytes.iter().position(|byte| set.contains(byte)),
        }
    }

    /// Where the last one is.
    pub(super) fn last(&self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::One(a) => memchr::memrchr(*a, bytes),
            Self::Two(a, b) => memchr::memrchr2(*a, *b, bytes),
            Self::Three(a, b, c) => memchr::memrchr3(*a, *b, *c, bytes),
            Self::Many(set) => bytes.iter().rposition(|byte| set.contains(byte)),
        }
    }

    /// Whether none can be a part of a character: text between them is then UTF-8 where the whole is.
    pub(super) fn are_ascii(&self) -> bool {
        match self {
            Self::One(a) => a.is_ascii(),
            Self::Two(a, b) => a.is_ascii() && b.is_ascii(),
            Self::Three(a, b, c) => a.is_ascii() && b.is_ascii() && c.is_ascii(),
            Self::Many(set) => set.is_ascii(),
        }
    }
}
