//! The flags of `scalesocket`.

use crate::cli::table::{Command, Flag, Group, Positional, Trailing};

/// The command.
pub const COMMAND: Command = Command {
    name: "scalesocket",
    about: "Puts a command behind websockets: each room of visitors shares one process, which is started for the \
            first of them and stopped after the last.",
    positional: Positional { name: "<CMD>", help: "The command to run", claims: |_| false },
    trailing: Some(Trailing { name: "<ARGS>...", help: "Its arguments, as they are" }),
    groups: &[LISTENING, COMMAND_LINE, MESSAGES, ROOMS, HTTP, LOGGING, OTHER],
    examples: &[
        ("A chat room for each path, out of a command that repeats what it hears:", "scalesocket cat"),
        (
            "A game whose page is in web, with messages to single players:",
            "scalesocket --frame=json --staticdir web python3 -- game.py",
        ),
    ],
};

const LISTENING: Group = Group {
    title: "Listening",
    flags: &[
        Flag::value("--addr", "ADDR", "Listen on this address and port").default("0.0.0.0:9000"),
        Flag::value("--cert", "FILE", "Certificate chain (PEM); the port then speaks TLS").ours(),
        Flag::value("--key", "FILE", "Private key (PEM)").default("the one in the certificate file").ours(),
        Flag::value("--allow_origin", "ORIGIN", "Let pages from this origin in, or from any (*); may be repeated")
            .aliases(&["--allow-origin"])
            .repeatable()
            .ours(),
        Flag::value("--max_connections", "COUNT", "Most connections at once")
            .aliases(&["--max-connections"])
            .default("what the system allows")
            .ours(),
        Flag::value("--heartbeat", "SECONDS", "Time between pings on a websocket; 0 sends none").default("30").ours(),
    ],
};

const COMMAND_LINE: Group = Group {
    title: "Command",
    flags: &[
        Flag::value("--joinmsg", "MSG", "Tell the command this when a member comes; #ID becomes the member's number"),
        Flag::value("--leavemsg", "MSG", "Tell it this when a member goes"),
        Flag::value("--passenv", "LIST", "Variables that the command gets from our environment, by commas")
            .default("PATH,DYLD_LIBRARY_PATH")
            .repeatable(),
        Flag::switch("--tcp", "Talk to the command over TCP: it listens on PORT of 127.0.0.1"),
        Flag::value("--tcpports", "START:END", "Ports for that, without END itself").default("9001:9999"),
        Flag::value("--cmd-attach-delay", "SECONDS", "Wait this long before talking to the command")
            .aliases(&["--delay"])
            .default("1 with --tcp, else 0"),
    ],
};

const MESSAGES: Group = Group {
    title: "Messages",
    flags: &[
        Flag::switch("--binary", "Pass on what the command says as it is, and not line by line").short("-b"),
        Flag::attached("--delimiters", "CHARS", "Any of these characters ends a message, in place of the line end")
            .ours(),
        Flag::switch("--null", "A zero byte ends a message; alone, or with --delimiters").ours(),
        Flag::optional(
            "--frame",
            "MODE",
            "binary",
            "Tell the command who speaks, and send what it says to whom it names. json: by the key id of an object. \
             binary (without MODE): by 12 bytes in front, which are member, type and length",
        )
        .aliases(&["--strict"])
        .repeatable(),
        Flag::attached("--client-frame", "MODE", "The same for what members say only").aliases(&["--clientframe"]),
        Flag::attached("--server-frame", "MODE", "The same for what the command says only").aliases(&["--serverframe"]),
        Flag::value("--json-keys", "id|from-to", "Keys of json: id both ways; or _from, _to, _meta and _cache")
            .default("id")
            .ours(),
        Flag::value("--byte-order", "little|big", "Order of the bytes of binary's numbers; gwsocket's is big")
            .default("little")
            .ours(),
    ],
};

const ROOMS: Group = Group {
    title: "Rooms",
    flags: &[
        Flag::switch("--oneshot", "Serve one room, and end with its first member or with its command"),
        Flag::value("--rooms", "LIST", "The only rooms there are, by commas").default("any").ours(),
        Flag::value("--maxrooms", "COUNT", "Most rooms at once").aliases(&["--maxforks"]).ours(),
        Flag::value(
            "--cache",
            "[TYPE:]SIZE",
            "Tell who comes later the last 1, 8 or 64 messages: of all, or of those tagged with _cache",
        )
        .ours(),
        Flag::switch("--cachepersist", "Keep them when the command has ended").ours(),
        Flag::value(
            "--slow",
            "close|block|drop",
            "A member that does not keep up is sent away, waited for (by all), or misses messages",
        )
        .default("close")
        .ours(),
        Flag::value("--mailbox", "BYTES", "What may wait for one member before that").default("16777216").ours(),
    ],
};

const HTTP: Group = Group {
    title: "HTTP",
    flags: &[
        Flag::value("--staticdir", "DIR", "Serve the files in DIR"),
        Flag::switch("--stats", "Serve a room's numbers at /ROOM/stats"),
        Flag::switch("--api", "Serve rooms and their metadata at /api/rooms and /api/ROOM").ours(),
        Flag::switch("--metrics", "Serve OpenMetrics at /metrics"),
    ],
};

const LOGGING: Group = Group {
    title: "Logging",
    flags: &[
        Flag::count("-v", "Log more; -vv logs everything"),
        Flag::switch("--json", "Log in JSON, as --log json does"),
        Flag::value("--log", "text|json", "Form of a log line").default("text").ours(),
        Flag::value("--log_file", "FILE", "Append the log to FILE")
            .aliases(&["--log-file"])
            .default("-, the standard output")
            .ours(),
    ],
};

const OTHER: Group = Group {
    title: "Other",
    flags: &[
        Flag::info("--help", "Print this text").short("-h"),
        Flag::info("--version", "Print the version").short("-V"),
    ],
};
