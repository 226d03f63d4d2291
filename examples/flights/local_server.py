"""A Headrace server on this machine as a child process: started, waited for, stopped by its process id."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def binary():
    """HEADRACE_BINARY, else what ./dev build leaves."""
    path = pathlib.Path(os.environ.get("HEADRACE_BINARY", REPOSITORY / "build" / "headrace"))
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run ./dev build, or name the program in HEADRACE_BINARY")
    return path


def free_ports(count):
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def port_is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Ended(Exception):
    """A server ended by itself."""


def wait_until(condition, what, seconds=30.0, pause=0.05):
    """The first true result of `condition`; its last exception is shown when time is up."""
    deadline = time.monotonic() + seconds
    last = None
    while time.monotonic() < deadline:
        try:
            result = condition()
            if result:
                return result
        except Ended:
            raise
        except Exception as error:  # noqa: BLE001 (what is waited for may fail in any way until it is there)
            last = error
        time.sleep(pause)
    raise TimeoutError(f"waited {seconds:.0f} s for {what}" + (f"; the last error was: {last}" if last else ""))


class HttpError(Exception):
    """A server's answer that is not 2xx; code, body."""

    def __init__(self, url, code, body):
        super().__init__(f"{url}: HTTP {code}: {body}")
        self.code = code
        self.body = body


def get_json(url, body=None, timeout=30):
    """The JSON answer of a GET, or of a POST of `body`. An HTTP error is raised with the server's own text."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise HttpError(url, error.code, error.read().decode(errors="replace")) from error


class Program:
    """A server of Headrace's as a child process. A subclass says its command and how to see that it is ready. What it
    prints goes to the file `printed`, what it logs to `log`."""

    def __init__(self, command, log):
        self.command = [str(binary()), *map(str, command)]
        self.log = pathlib.Path(log)
        self.printed = self.log.with_name(self.log.name + ".out")
        self.process = None

    def is_ready(self):
        raise NotImplementedError

    def start(self, seconds=30.0):
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log, self.printed.open("wb") as printed:
            # A session of its own: Ctrl-C in a terminal ends what started it, not the server.
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=printed, stderr=log, start_new_session=True
            )
        try:
            wait_until(self._lives_and_is_ready, " ".join(self.command[:2]), seconds)
        except TimeoutError as error:
            self.stop()
            raise RuntimeError(f"{error}\n{self.log_tail()}") from error
        return self

    def _lives_and_is_ready(self):
        if self.process.poll() is not None:
            raise Ended(f"{' '.join(self.command)} ended with exit code {self.process.returncode}\n{self.log_tail()}")
        return self.is_ready()

    def log_tail(self, lines=20):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, seconds=35.0):
        """SIGTERM, and SIGKILL when that does not end it: the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                return self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()

    def kill(self):
        self.process.kill()
        return self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class ModelServer(Program):
    """`headrace serve` with TensorFlow Serving's flags: the model in a base path, or what a configuration file says. It
    picks its ports itself: `rest` and `grpc`, known once it is ready."""

    def __init__(self, log, arguments):
        self.rest = self.grpc = None
        self._ports_file = pathlib.Path(f"{log}.ports")
        own = ["--rest_api_port=auto", "--port=auto", f"--ports_file={self._ports_file}"]
        super().__init__(["serve", *own, *arguments], log)

    def start(self, seconds=30.0):
        self._ports_file.unlink(missing_ok=True)
        return super().start(seconds)

    @property
    def models_url(self):
        return f"http://127.0.0.1:{self.rest}/v1/models"

    def is_ready(self):
        ports = json.loads(self._ports_file.read_text())
        self.rest, self.grpc = ports["rest"], ports["grpc"]
        return True

    def versions(self, model):
        """{version: state} as the model's status says; empty when the model is not known."""
        try:
            status = get_json(f"{self.models_url}/{model}")
        except HttpError:
            return {}
        return {int(version["version"]): version["state"] for version in status["model_version_status"]}

    def wait_for_version(self, model, version):
        wait_until(lambda: self.versions(model).get(version) == "AVAILABLE", f"{model}/{version} to be served")


class Server(ModelServer):
    """`headrace up`: the control plane and the model server, with all state in one folder. It listens on `ports` (of the
    control plane, REST and gRPC), or picks them itself: `http`, `rest` and `grpc`, known once it is ready."""

    def __init__(self, data_dir, ports=None, arguments=()):
        self.data_dir = pathlib.Path(data_dir)
        self.http, self.rest, self.grpc = ports or (0, 0, 0)
        own = [f"--port={self.http}", f"--rest-api-port={self.rest}", f"--grpc-port={self.grpc}", "--json"]
        Program.__init__(self, ["up", "--data-dir", self.data_dir, *own, *arguments], self.data_dir / "server.log")

    def start(self, seconds=30.0):
        return Program.start(self, seconds)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http}"

    def is_ready(self):
        doors = json.loads(self.printed.read_text())
        self.http, self.rest, self.grpc = (
            int(doors[door].rsplit(":", 1)[1]) for door in ("control_plane", "models_rest", "models_grpc")
        )
        return True

    def run(self, run_id):
        """The run as KFP's API gives it. A cached task's state is SKIPPED there; what says so is a field of Headrace's
        own, and its state becomes CACHED here."""
        run = get_json(f"{self.url}/apis/v2beta1/runs/{run_id}")
        for task in run.get("run_details", {}).get("task_details", []):
            if task.get("cached"):
                task["state"] = "CACHED"
        return run

    def pushed(self, model):
        """The versions in the models folder, whether served or not."""
        return sorted(int(path.name) for path in (self.data_dir / "models" / model).glob("*") if path.name.isdigit())
