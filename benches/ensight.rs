//! What EnSight's REST API costs beside the gRPC call beneath it.
//!
//! `cargo bench --bench ensight` needs a Python with `grpcio` and `ansys-api-pyensight` (`BERTH_TEST_PYTHON`, or the one
//! that `tests/run` makes). The same source is evaluated by the same stand-in for EnSight, straight by gRPC and through
//! REST. Both ways take turns, so that a slow moment of the machine falls on both. Clients ask without a pause; each
//! has a connection of its own, which stays open.
#![allow(clippy::unwrap_used, reason = "a panic ends a benchmark, and nothing here comes from outside")]
#![allow(clippy::indexing_slicing, clippy::print_stdout, reason = "a benchmark prints its results")]
#![allow(clippy::cast_precision_loss, reason = "three digits are shown")]
#![allow(clippy::disallowed_methods, reason = "a benchmark connects to itself, and its threads end with it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;

#[path = "support/process.rs"]
#[allow(dead_code, reason = "shared with the other benchmarks")]
mod process;

const ROUNDS: usize = 7;
/// Calls of each client in a round.
const CALLS: usize = 150;
const CROWD: usize = 16;
const EXPRESSION: &str = "6 * 7";
/// What the server sends for it. A change there makes this less like it, which the first call would show.
const SOURCE: &str = r#"_wss_rest_v1.out(eval(__import__("json").loads("\"(\\n6 * 7\\n)\"")),None)"#;

#[derive(Clone, PartialEq, prost::Message)]
struct PythonRequest {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    command: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PythonReply {
    #[prost(string, tag = "1")]
    value: String,
    #[prost(int32, tag = "2")]
    error: i32,
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ensight, grpc_port) = start_ensight();
    let mut command = Command::new(env!("CARGO_BIN_EXE_websocketserver"));
    command.args(["-1", "--bind_address", "127.0.0.1", "--http_port", "0", "--http_directory"]).arg(folder.path());
    command.args(["--client_hostname", "127.0.0.1", "--grpc_port", &grpc_port.to_string()]);
    let server = process::Process::start(&mut command, "http").unwrap();
    // The helper is there from now on, for both ways.
    through_rest(server.port, 1);
    println!("| clients | gRPC, median ms | REST, median ms | REST costs, ms | limit |");
    println!("| ---: | ---: | ---: | ---: | ---: |");
    for clients in [1, CROWD] {
        let (mut direct, mut rest) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            direct.extend(by_grpc(grpc_port, clients));
            rest.extend(through_rest(server.port, clients));
        }
        let (direct, rest) = (median(direct), median(rest));
        println!("| {clients} | {direct:.3} | {rest:.3} | {:+.3} | 0.5 |", rest - direct);
    }
    ensight.kill().unwrap();
    ensight.wait().unwrap();
}

/// Milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1_000.0
}

fn start_ensight() -> (Child, u16) {
    let default = || concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-venv/bin/python").into();
    let python = std::env::var_os("BERTH_TEST_PYTHON").unwrap_or_else(default);
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ensight/standin.py"));
    command.args(["-grpc_server", "0", "-guarded"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.env_remove("ENSIGHT_SECURITY_TOKEN").spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().strip_prefix("listening ").unwrap().parse().unwrap();
    (child, port)
}

/// The time of each call.
fn by_grpc(port: u16, clients: usize) -> Vec<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clients: Vec<_> = (0..clients).map(|_| tokio::spawn(grpc_client(port))).collect();
        let mut times = Vec::new();
        for client in clients {
            times.extend(client.await.unwrap());
        }
        times
    })
}

async fn grpc_client(port: u16) -> Vec<Duration> {
    let channel = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap().connect().await.unwrap();
    let mut grpc = Grpc::new(channel);
    let mut times = Vec::new();
    for _ in 0..CALLS {
        let began = Instant::now();
        grpc.ready().await.unwrap();
        let path = PathAndQuery::from_static("/ensightservice.EnSightService/RunPython");
        let request = tonic::Request::new(PythonRequest { kind: 2, command: SOURCE.to_owned() });
        let codec: ProstCodec<PythonRequest, PythonReply> = ProstCodec::default();
        let reply = grpc.unary(request, path, codec).await.unwrap().into_inner();
        times.push(began.elapsed());
        assert_eq!((reply.error, reply.value.as_str()), (0, "\"42\""));
    }
    times
}

/// The time of each call.
fn through_rest(port: u16, clients: usize) -> Vec<Duration> {
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(|| rest_client(port))).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

fn rest_client(port: u16) -> Vec<Duration> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let body = format!("\"{EXPRESSION}\"");
    let request = format!(
        "PUT /ensight/v1/session/eval HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut times = Vec::new();
    for _ in 0..CALLS {
        let began = Instant::now();
        stream.write_all(request.as_bytes()).unwrap();
        let answer = read_answer(&mut stream);
        times.push(began.elapsed());
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n42\n"), "{answer}");
    }
    times
}

/// One answer: the body is short and ends in a line feed.
fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut piece = [0; 1_024];
    loop {
        let count = stream.read(&mut piece).unwrap();
        answer.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&answer);
        if count == 0 || text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.ends_with('\n')) {
            return text.into_owned();
        }
    }
}
