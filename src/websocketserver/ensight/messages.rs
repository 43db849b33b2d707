//! The messages of EnSight's gRPC service (package `ensightservice`, proto3) that are spoken here.

/// A source to run.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct PythonRequest {
    /// 0 runs it, 1 answers with Python's `repr`, 2 with JSON.
    #[prost(int32, tag = "1")]
    pub(super) kind: i32,
    #[prost(string, tag = "2")]
    pub(super) command: String,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct PythonReply {
    #[prost(string, tag = "1")]
    pub(super) value: String,
    /// Negative: `value` is the text of an error.
    #[prost(int32, tag = "2")]
    pub(super) error: i32,
}

/// Asks for the events whose tags begin with a prefix.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct EventStreamRequest {
    #[prost(string, tag = "1")]
    pub(super) prefix: String,
}

/// One event.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct EventReply {
    #[prost(string, tag = "1")]
    pub(super) tag: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    #[test]
    fn requests_are_on_the_wire_as_the_service_defines_them() {
        let request = PythonRequest { kind: 2, command: "1+1".to_owned() };
        assert_eq!(request.encode_to_vec(), [0x08, 0x02, 0x12, 0x03, 0x31, 0x2b, 0x31]);
        let exec = PythonRequest { kind: 0, command: "1".to_owned() };
        assert_eq!(exec.encode_to_vec(), [0x12, 0x01, 0x31]);
        let reply =
            PythonReply::decode(&[0x0a, 0x01, 0x78, 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1][..]);
        assert_eq!(reply, Ok(PythonReply { value: "x".to_owned(), error: -1 }));
    }
}
