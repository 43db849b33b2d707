//! What a JSON message says about itself: whom it is for, and what else it is.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::scalesocket::config::JsonKeys;

const META: &str = "_meta";

/// What stands in a message about itself. Nothing, when the message is no JSON object.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Header {
    /// For this member only.
    pub(super) to: Option<u32>,
    /// To be kept for those who come later.
    pub(super) cache: bool,
    /// Not a message at all: the room's new metadata.
    pub(super) metadata: Option<Value>,
}

/// Reads a message's header. What stands beside the header's keys is checked to be JSON, and not kept.
pub(super) fn header(text: &str, keys: JsonKeys) -> Header {
    let found: Found = match json_object(text, keys) {
        Some(found) => found,
        None => return Header::default(),
    };
    match keys {
        JsonKeys::Id => Header { to: found.to.number(), ..Header::default() },
        JsonKeys::FromTo => {
            let Some((to, meta, cache)) = found.checked() else { return Header::default() };
            if !meta {
                return Header { to, cache, metadata: None };
            }
            // Seldom, so it may cost reading it twice. Deeper than serde_json's limit it is a message like any other.
            let metadata = serde_json::from_str(text).ok().map(|mut metadata: Value| {
                metadata.as_object_mut().and_then(|object| object.remove(META));
                metadata
            });
            Header { metadata, ..Header::default() }
        }
    }
}

fn json_object(text: &str, keys: JsonKeys) -> Option<Found> {
    // Most of what is not an object needs no parser to be told.
    if !text.trim_ascii_start().starts_with('{') {
        return None;
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let found = reader.deserialize_map(Object(keys)).ok()?;
    reader.end().ok()?;
    Some(found)
}

/// The values of the header's keys; of a key that comes twice the last.
#[derive(Default)]
struct Found {
    to: Scalar,
    meta: Scalar,
    cache: Scalar,
}

impl Found {
    /// Recipient, `_meta` and `_cache`; nothing if one of them is of the wrong type. `null` is as good as absent.
    fn checked(&self) -> Option<(Option<u32>, bool, bool)> {
        let to = match self.to {
            Scalar::Absent => None,
            Scalar::Number(id) => Some(id),
            _ => return None,
        };
        Some((to, self.meta.flag()?, self.cache.flag()?))
    }
}

/// A value, as far as a header knows values.
#[derive(Clone, Copy, Default)]
enum Scalar {
    #[default]
    Absent,
    Number(u32),
    Flag(bool),
    Other,
}

impl Scalar {
    fn number(self) -> Option<u32> {
        if let Self::Number(id) = self { Some(id) } else { None }
    }

    fn flag(self) -> Option<bool> {
        match self {
            Self::Absent => Some(false),
            Self::Flag(flag) => Some(flag),
            Self::Number(_) | Self::Other => None,
        }
    }
}

#[derive(Clone, Copy)]
enum Key {
    To,
    Meta,
    Cache,
    Other,
}

struct Object(JsonKeys);

impl<'de> Visitor<'de> for Object {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Found, M::Error> {
        let mut found = Found::default();
        while let Some(key) = map.next_key_seed(KeyName(self.0))? {
            match key {
                Key::To => found.to = map.next_value()?,
                Key::Meta => found.meta = map.next_value()?,
                Key::Cache => found.cache = map.next_value()?,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

struct KeyName(JsonKeys);

impl<'de> DeserializeSeed<'de> for KeyName {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Key, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyName {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        Ok(match (self.0, name) {
            (JsonKeys::Id, "id") | (JsonKeys::FromTo, "_to") => Key::To,
            (JsonKeys::FromTo, META) => Key::Meta,
            (JsonKeys::FromTo, "_cache") => Key::Cache,
            _ => Key::Other,
        })
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(u32::try_from(number).map_or(Scalar::Other, Scalar::Number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Scalar, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Absent)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Scalar, S::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Scalar, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}
