"""Runs one server and puts load on it: processes, CPU and memory accounting, wrk and h2load."""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import uuid

import cases
import servers

MARK = "HEADRACE_BENCH_SERVER"
TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")
SERVER_CORE, CLIENT_CORE = "0", "1"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Running:
    """A server started for one model on SERVER_CORE. Its processes are found by a mark in their environment, so that daemons and
    re-parented workers count too."""

    def __init__(self, name, model, home, build, log_folder, spec=None):
        spec = spec or servers.SERVERS[name]
        self.name, self.spec, self.model, self.home = name, spec, model, home
        self._work = tempfile.TemporaryDirectory(prefix="headrace-bench-")
        self.ports = {"http": free_port(), "grpc": free_port(), "metrics": free_port()}
        self._words = {**self.ports, "model": model, "home": home, "here": servers.HERE, "build": build}
        self._mark = uuid.uuid4().hex
        for file, text in spec.files.items():
            pathlib.Path(self._work.name, file).write_text(self.fill(text))
        environment = os.environ | {MARK: self._mark, "OMP_NUM_THREADS": "1", "MODEL_NAME": model,
                                    "MODEL_FILE": f"{home}/repository/{model}/1/model.onnx"}
        environment |= {key: self.fill(value) for key, value in spec.environment.items()}
        self.log = log_folder / f"{name}.{model}.log"
        with open(self.log, "wb") as log:
            self.started = time.monotonic()
            self._process = subprocess.Popen(["taskset", "-c", SERVER_CORE, *map(self.fill, spec.command)], cwd=self._work.name,
                                             env=environment, stdout=log, stderr=log, start_new_session=True)

    def fill(self, text):
        for key, value in self._words.items():
            text = text.replace("{%s}" % key, str(value))
        return text

    def pids(self):
        wanted, found = f"{MARK}={self._mark}".encode(), []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def cpu_us(self):
        """User and system time of all its processes so far."""
        total = 0
        for pid in self.pids():
            try:
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                total += int(fields[11]) + int(fields[12])
            except OSError:
                continue
        return total * TICK_US

    def memory_mib(self):
        """Resident set; summed over processes as proportional set, so that shared pages count once."""
        pids, total = self.pids(), 0
        for pid in pids:
            try:
                field = "Rss:" if len(pids) == 1 else "Pss:"
                lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                total += next(int(line.split()[1]) for line in lines if line.startswith(field))
            except (OSError, StopIteration):
                continue
        return total / 1024

    def wait_ready(self, case, protocol, patience=90):
        """Seconds from the start to the first answer."""
        last = None
        while time.monotonic() - self.started < patience:
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self._process.returncode}, see {self.log}")
            try:
                self.once(case, protocol)
                return time.monotonic() - self.started
            except Exception as error:  # not up yet: any failure may be that
                last = error
                time.sleep(0.005)
        raise RuntimeError(f"{self.name}: no answer after {patience} s: {last}")

    def once(self, case, protocol):
        """One request; raises unless it is answered well."""
        path, body = self.fill(self.spec.protocols[protocol]), (self.home / f"bodies/{case}.{protocol}").read_bytes()
        if protocol.endswith("grpc"):
            import grpc
            with grpc.insecure_channel(f"127.0.0.1:{self.ports['grpc']}") as channel:
                call = channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
                return call(body[5:], timeout=20)
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["http"], timeout=20)
        try:
            connection.request("POST", path, body, self.headers(case, protocol))
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"HTTP {answer.status}: {content[:200]!r}")
            return content
        finally:
            connection.close()

    def headers(self, case, protocol):
        if protocol != "oip-binary":
            return {"Content-Type": "application/json"}
        length = (self.home / f"bodies/{case}.oip-binary.json-length").read_text()
        return {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": length}

    def settle(self, patience=20):
        """Waits until requests that a client gave up on no longer use CPU."""
        until, last = time.monotonic() + patience, self.cpu_us()
        while time.monotonic() < until:
            time.sleep(0.2)
            last, before = self.cpu_us(), last
            if last - before < 1e5:
                return

    def warm_up(self, case, protocol, connections):
        with contextlib.suppress(RuntimeError):  # nothing was answered within the second
            self.measure(case, protocol, connections, 1)
        self.settle()

    def measure(self, case, protocol, connections, seconds, rate=None):
        """{"rps", "p50_ms", "p99_ms", "cpu_us" (per request), "errors"} of one window. With `rate` (gRPC only) each connection asks
        so many times a second whether or not it has been answered, so that a stall shows in full."""
        before = self.cpu_us()
        if protocol.endswith("grpc"):
            result = h2load(self, case, protocol, connections, seconds, rate)
        else:
            result = wrk(self, case, protocol, connections, seconds)
        cpu = self.cpu_us() - before
        if not result["requests"]:
            raise RuntimeError(f"{self.name}: no request was answered, {result['errors']} errors")
        return {"rps": result["requests"] / result["seconds"], "p50_ms": result["p50_us"] / 1e3,
                "p99_ms": result["p99_us"] / 1e3, "cpu_us": cpu / result["requests"], "errors": result["errors"]}

    def stop(self):
        for number, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
            for pid in self.pids():
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
            until = time.monotonic() + patience
            while time.monotonic() < until and (self._process.poll() is None or self.pids()):
                time.sleep(0.05)
        self._process.wait()
        self._work.cleanup()


def wrk(server, case, protocol, connections, seconds):
    headers = server.headers(case, protocol)
    environment = os.environ | {"BODY": f"{server.home}/bodies/{case}.{protocol}", "CONTENT_TYPE": headers["Content-Type"],
                                "JSON_LENGTH": headers.get("Inference-Header-Content-Length", "")}
    url = f"http://127.0.0.1:{server.ports['http']}{server.fill(server.spec.protocols[protocol])}"
    out = subprocess.run(["taskset", "-c", CLIENT_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s",
                          "-s", servers.HERE / "post.lua", url], env=environment, capture_output=True, text=True, check=True)
    return json.loads(out.stdout.strip().splitlines()[-1])


def h2load(server, case, protocol, connections, seconds, rate=None):
    url = f"http://127.0.0.1:{server.ports['grpc']}{server.fill(server.spec.protocols[protocol])}"
    with tempfile.NamedTemporaryFile("r") as log:
        subprocess.run(["taskset", "-c", CLIENT_CORE, "h2load", "-t1", f"-c{connections}", *(["-m100", f"--rps={rate}"] if rate else ["-m1"]),
                        f"-D{seconds}", "--warm-up-time=0", "-d", server.home / f"bodies/{case}.{protocol}", "-H", "content-type: application/grpc",
                        "-H", "te: trailers", f"--log-file={log.name}", url], capture_output=True, check=True)
        rows = [line.split("\t") for line in log.read().splitlines()]
    took = sorted(int(row[2]) for row in rows if row[1] == "200")
    return {"requests": len(took), "seconds": seconds, "errors": len(rows) - len(took),
            "p50_us": took[len(took) // 2] if took else 0, "p99_us": took[len(took) * 99 // 100] if took else 0}


def raw_onnxruntime(case, home, build):
    """CPU microseconds of one inference in ONNX Runtime alone."""
    program = build / "bench_raw_onnxruntime"
    model = home / "repository" / cases.CASES[case][0] / "1/model.onnx"
    shape = map(str, cases.SHAPES[case])
    return float(subprocess.run(["taskset", "-c", SERVER_CORE, program, model, *shape], capture_output=True, text=True,
                                check=True).stdout)
