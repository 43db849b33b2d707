"""Runs one script of a service, for websocketserver: `python3 -u -c <this> SCRIPT`.

Standard input brings commands, one JSON value per line: {"start": {"index", "options", "common_options"}} and
{"stop": {}}. The original standard output takes the answers: {"started": {"host", "port", "endpoints"}} or
{"failed": "sentence"}. Both are moved out of the way before the script runs, so that whatever it or its children
print goes to standard error, which is the log. The end of the input means that the server is gone.

`stop` of the script is called once at most: when asked for, at the end of the input, at SIGTERM, and when `start` has
raised. It is called on the main thread; if `start` still runs PATIENCE seconds later, on another.
"""

import atexit
import io
import json
import os
import select
import signal
import sys
import threading
import traceback
import types

PATIENCE = 2.0
LONGEST = 500
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class RemoteServiceScript:
    """Base class of scripts: `from remote_service_script import RemoteServiceScript`."""

    def __init__(self, common_options=None):
        self._common_options = {} if common_options is None else common_options

    def start(self, index, options):
        """Starts instance `index`; returns (host, port), or a dict with "host", "port" and perhaps "endpoints"."""
        raise NotImplementedError("the script's class has no start()")

    def stop(self):
        """Ends what `start` has started."""


class Fault(Exception):
    """A sentence about the script, with nothing to add."""


class Quiet(io.FileIO):
    """An output that writes everything and never fails: nobody may be there to read it any more."""

    def write(self, data):
        view = memoryview(data).cast("B")
        done = 0
        try:
            while done < len(view):
                done += super().write(view[done:]) or 0
        except (OSError, ValueError):
            pass
        return len(view)


def text_output(number):
    return io.TextIOWrapper(Quiet(number, "w", closefd=False), "utf-8", "backslashreplace", write_through=True)


class Host:
    def __init__(self, script):
        self.script = script
        self.name = os.path.basename(script)
        self.pid = os.getpid()
        self.order = None
        self.awake = threading.Event()  # an order, or the end
        self.asked = threading.Event()  # to stop
        self.idle = threading.Event()  # the main thread is not in the script
        self.lock = threading.Lock()
        self.stopped = False
        self.service = None
        self.take_streams()
        self.wake_read, self.wake_write = os.pipe()
        os.set_blocking(self.wake_write, False)
        self.channel = (self.commands, self.replies, self.wake_read, self.wake_write)
        for number in SIGNALS:
            signal.signal(number, self.on_signal)
        # Written by the interpreter even while the main thread is stuck in a library.
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        os.register_at_fork(after_in_child=self.after_fork)

    def take_streams(self):
        self.commands = os.dup(0)
        self.replies = os.dup(1)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(2, 1)
        os.close(null)
        sys.stdout = sys.__stdout__ = text_output(1)
        sys.stderr = sys.__stderr__ = text_output(2)

    def after_fork(self):
        """A copy of this process is not the host: it has no channel, and signals mean to it what they always do."""
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        mine, self.channel = self.channel, ()  # once: a copy of the copy may use these numbers for its own files
        for number in mine:
            os.close(number)

    def on_signal(self, number, _frame):
        self.ask_to_stop()
        try:
            os.write(self.wake_write, bytes([number]))  # the script may have put another descriptor in its place
        except OSError:
            pass

    def ask_to_stop(self):
        self.asked.set()
        self.awake.set()

    def reply(self, word):
        data = (json.dumps(word) + "\n").encode()
        with self.lock:
            try:
                while data:
                    data = data[os.write(self.replies, data) :]
            except OSError:
                pass

    # The listening thread.

    def listen(self):
        try:
            self.hear()
        finally:
            self.ask_to_stop()
            if not self.idle.wait(PATIENCE):
                # The main thread hangs in the script; it will not come back to end this process.
                os._exit(self.stop_service())

    def hear(self):
        poll = select.poll()
        poll.register(self.commands, select.POLLIN)
        poll.register(self.wake_read, select.POLLIN)
        heard = b""
        while True:
            for number, _events in poll.poll():
                data = os.read(number, 65536)
                if number == self.wake_read:
                    if any(signum in data for signum in SIGNALS):
                        return
                    continue
                if not data:
                    self.close_log()
                    return
                heard += data
                *lines, heard = heard.split(b"\n")
                for line in lines:
                    command = json.loads(line)
                    if "stop" in command:
                        return
                    self.order = command["start"]
                    self.awake.set()

    def close_log(self):
        """The server is gone, and with it the reader of the log: children must not die from what they print."""
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.close(null)

    # The main thread.

    def run(self):
        threading.Thread(target=self.listen, daemon=True).start()
        self.awake.wait()
        failed = self.order is not None and not self.launch(self.order)
        self.idle.set()
        if not failed:
            self.asked.wait()
        code = self.stop_service()
        try:
            atexit._run_exitfuncs()
        except BaseException:
            traceback.print_exc()
        # Not sys.exit: threads that the script has left would keep this process alive.
        os._exit(1 if failed else code)

    def launch(self, order):
        """Whether the script has started its service."""
        try:
            module = self.load(order["common_options"])
            self.service = self.find(module, order["common_options"])
            answer = self.service.start(order["index"], order["options"])
            self.leave_copies(0)
            self.reply({"started": self.endpoints(answer)})
            return True
        except BaseException as error:
            self.leave_copies(error.code if isinstance(error, SystemExit) else 1)
            self.reply({"failed": self.describe(error)})
            return False

    def leave_copies(self, code):
        """Ends a child that the script has forked and let come back from `start`."""
        if os.getpid() != self.pid:
            os._exit(code if isinstance(code, int) else 0 if code is None else 1)

    def load(self, common_options):
        folder, stem = os.path.dirname(self.script), os.path.splitext(self.name)[0]
        helper = types.ModuleType("remote_service_script")
        helper.RemoteServiceScript = RemoteServiceScript
        helper.common_options = common_options
        RemoteServiceScript.__module__ = helper.__name__
        sys.modules[helper.__name__] = helper
        # As if the script had been run: its folder comes first, in place of the working directory.
        if sys.path and sys.path[0] == "":
            sys.path[0] = folder
        else:
            sys.path.insert(0, folder)
        sys.argv = [self.script]
        module = types.ModuleType(stem)
        module.__file__ = self.script
        sys.modules.setdefault(stem, module)
        with open(self.script, "rb") as file:
            code = compile(file.read(), self.script, "exec")
        exec(code, module.__dict__)
        return module

    def find(self, module, common_options):
        values = list(vars(module).values())
        instances = list({id(value): value for value in values if isinstance(value, RemoteServiceScript)}.values())
        if len(instances) > 1:
            raise Fault(f"{self.name} has {len(instances)} instances of RemoteServiceScript, and one is needed")
        if instances:
            if not getattr(instances[0], "_common_options", None):
                instances[0]._common_options = common_options
            return instances[0]
        classes = [value for value in values if isinstance(value, type) and issubclass(value, RemoteServiceScript)]
        own = {value for value in classes if value.__module__ == module.__name__}
        # A class that others in the file are made from is not the one that is meant.
        last = [value for value in own if not any(value in other.__mro__[1:] for other in own)]
        if len(last) != 1:
            names = ", ".join(sorted(value.__name__ for value in last)) or "none"
            raise Fault(f"{self.name} must define one subclass of RemoteServiceScript, and has {names}")
        service = last[0](common_options)
        if not hasattr(service, "_common_options"):
            service._common_options = common_options
        return service

    def endpoints(self, answer):
        if isinstance(answer, dict):
            unknown = set(answer) - {"host", "port", "endpoints"}
            if unknown:
                raise Fault(f"start() returned a dict with unknown keys: {', '.join(sorted(map(repr, unknown)))}")
            for key in ("host", "port"):
                if key not in answer:
                    raise Fault(f"start() returned a dict without '{key}'")
            host, port = self.address((answer["host"], answer["port"]), "start() returned")
            named = answer.get("endpoints") or {}
            if not isinstance(named, dict):
                raise Fault(f"start() returned endpoints that are {show(named)}, and not a dict")
            checked = {}
            for name, value in named.items():
                if not isinstance(name, str) or not name:
                    raise Fault(f"start() returned an endpoint whose name is {show(name)}, and not a string")
                checked[name] = self.address(value, f"start() returned for the endpoint {name!r}")
            return {"host": host, "port": port, "endpoints": checked}
        host, port = self.address(answer, "start() returned")
        return {"host": host, "port": port, "endpoints": {}}

    def address(self, value, what):
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise Fault(f"{what} {show(value)}, and not (host, port) or a dict with 'host' and 'port'")
        host, port = value
        if not isinstance(host, str) or not host or len(host) > 255 or any(c.isspace() or ord(c) < 32 for c in host):
            raise Fault(f"{what} the host {show(host)}, and not the name or address of a host")
        if isinstance(port, bool) or not isinstance(port, int):
            raise Fault(f"{what} the port {show(port)}, and not an int")
        if not 1 <= port <= 65535:
            raise Fault(f"{what} the port {show(port)}, and not one from 1 to 65535")
        return host, int(port)

    def describe(self, error):
        """One line about an exception, and all of it in the log."""
        if isinstance(error, Fault):
            return str(error)[:LONGEST]
        trace = error.__traceback__
        while trace and trace.tb_frame.f_code.co_filename != self.script:
            trace = trace.tb_next
        traceback.print_exception(type(error), error, trace)
        line = None
        while trace:
            if trace.tb_frame.f_code.co_filename == self.script:
                line = trace.tb_lineno
            trace = trace.tb_next
        where = f"{self.name}, line {line}" if line else self.name
        if isinstance(error, SystemExit):
            return f"{where}: the script called sys.exit({show(error.code)})"
        last = traceback.format_exception_only(type(error), error)[-1].strip()
        if isinstance(error, SyntaxError):
            where = f"{where}, line {error.lineno}"
        return f"{where}: {last}"[:LONGEST]

    def stop_service(self):
        """Calls the script's `stop` unless that was done; answers the exit code. Waits for one that runs."""
        with self.lock:
            mine, self.stopped = not self.stopped, True
        if not mine:
            threading.Event().wait()  # whoever calls it ends the process after it
        if self.service is None:
            return 0
        try:
            self.service.stop()
            return 0
        except BaseException:
            self.leave_copies(1)
            traceback.print_exc()
            return 1


def show(value):
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else text[:79] + "…"


Host(sys.argv[1]).run()
