//! The `websocketserver` command.
fn main() {}
