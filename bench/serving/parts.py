"""What is measured of headrace alone: a version's lookup, and latency while versions are swapped."""
import json
import pathlib
import subprocess
import tempfile
import threading

import load
import servers

PROTOCOL = "oip-grpc"
SWAPS_PER_SECOND = 1
CONNECTIONS = 32
RATE = 100  # requests a second on each: a fraction of what one core answers
WINDOWS = 10


def lookup_ns(build):
    """CPU nanoseconds of finding a model's version among 100 models."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as out:
        subprocess.run(["taskset", "-c", load.SERVER_CORE, build / "serving_bench", "--benchmark_filter=^BM_Lookup/threads:1$",
                        f"--benchmark_out={out.name}", "--benchmark_out_format=json", "--benchmark_min_time=0.5"],
                       capture_output=True, check=True)
        return json.load(out)["benchmarks"][0]["cpu_time"]


class Publisher:
    """Publishes a model's file as versions 1, 2, 3, …"""

    def __init__(self, source, base_path):
        self.source, self.base_path, self.version = source, base_path, 0

    def publish(self):
        self.version += 1
        aside = self.base_path / f"{self.version}.aside"
        aside.mkdir(parents=True)
        (aside / "model.onnx").hardlink_to(self.source)
        aside.rename(self.base_path / str(self.version))


def swapping_window(server, publisher, case, seconds):
    """One window of load in which a new version comes SWAPS_PER_SECOND times a second."""
    ended = threading.Event()

    def publish():
        while not ended.wait(1 / SWAPS_PER_SECOND):
            publisher.publish()

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        return server.measure(case, PROTOCOL, CONNECTIONS, seconds, RATE)
    finally:
        ended.set()
        thread.join()


def hot_swap(chosen, record, log_folder, case="logreg"):
    """Windows without and with swaps in turn, on one server."""
    with tempfile.TemporaryDirectory(prefix="swap-", dir=chosen.home) as folder:
        publisher = Publisher(chosen.home / f"repository/{case}/1/model.onnx", pathlib.Path(folder) / case)
        publisher.publish()
        spec = servers.headrace("--file_system_poll_wait_seconds=0.1", base_path=str(publisher.base_path))
        server = load.Running("headrace", case, chosen.home, chosen.build, log_folder, spec)
        try:
            server.wait_ready(case, PROTOCOL)
            server.measure(case, PROTOCOL, CONNECTIONS, 1, RATE)
            seconds = max(chosen.seconds, 3)
            for number in range(WINDOWS if chosen.rounds > 1 else 1):
                of = {"case": "hot-swap", "protocol": PROTOCOL, "connections": CONNECTIONS, "round": number}
                record(**of, server="steady", **server.measure(case, PROTOCOL, CONNECTIONS, seconds, RATE))
                record(**of, server="headrace", **swapping_window(server, publisher, case, seconds))
        finally:
            server.stop()
