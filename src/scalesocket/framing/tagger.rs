//! From members' messages to the command's bytes.

use serde_json::Value;

use super::binary::{BINARY, TEXT, header};
use super::{Complaint, Kind};
use crate::scalesocket::config::{ByteOrder, DataConfig, FrameMode, JsonKeys, Split};

/// Turns members' messages into bytes for the command.
#[derive(Debug)]
pub struct Tagger {
    framing: Option<FrameMode>,
    order: ByteOrder,
    keys: JsonKeys,
    /// A command that speaks in lines, or anything like them, is spoken to in lines.
    lines: bool,
}

impl Tagger {
    /// As the command line has it.
    pub fn new(data: &DataConfig) -> Self {
        Self {
            framing: data.client_frame,
            order: data.byte_order,
            keys: data.json_keys,
            lines: data.split != Split::Binary,
        }
    }

    /// The bytes for a message of member `id`.
    ///
    /// # Errors
    /// The message is not what the framing asks for, and is left out.
    pub fn tag(&self, id: u32, kind: Kind, message: Vec<u8>) -> Result<Vec<u8>, Complaint> {
        let tagged = match self.framing {
            None => message,
            Some(FrameMode::Json) => self.json(id, &message)?,
            Some(FrameMode::Binary) => self.binary(id, kind, &message)?,
        };
        Ok(self.ended(tagged))
    }

    /// The bytes for a message of our own (`--joinmsg`, `--leavemsg`), which is never framed.
    pub fn plain(&self, text: String) -> Vec<u8> {
        self.ended(text.into_bytes())
    }

    fn ended(&self, mut message: Vec<u8>) -> Vec<u8> {
        if self.lines {
            // The usual way doubles the memory of a message that just fits.
            message.reserve_exact(1);
            message.push(b'\n');
        }
        message
    }

    /// Written anew: compact, keys in bytewise order.
    fn json(&self, id: u32, message: &[u8]) -> Result<Vec<u8>, Complaint> {
        let mut value: Value =
            serde_json::from_slice(message).map_err(|_| Complaint("message is not valid JSON".to_owned()))?;
        let object = value.as_object_mut().ok_or_else(|| Complaint("message is not a JSON object".to_owned()))?;
        let key = match self.keys {
            JsonKeys::Id => "id",
            JsonKeys::FromTo => "_from",
        };
        object.insert(key.to_owned(), id.into());
        serde_json::to_vec(&value).map_err(|error| Complaint(format!("message cannot be written as JSON: {error}")))
    }

    fn binary(&self, id: u32, kind: Kind, message: &[u8]) -> Result<Vec<u8>, Complaint> {
        let length = u32::try_from(message.len())
            .map_err(|_| Complaint("message is longer than binary framing can say".to_owned()))?;
        let kind = match kind {
            Kind::Text => TEXT,
            Kind::Binary => BINARY,
        };
        let header = header(self.order, id, kind, length);
        let mut bytes = Vec::with_capacity(header.len() + message.len() + usize::from(self.lines));
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(message);
        Ok(bytes)
    }
}
