"""The README's commands do what it says: every block of them is marked, and the marked ones run in a copy of the tree.

The line before a block is an HTML comment:
    <!-- tested -->                 runs and ends with exit code 0
    <!-- tested: prints TEXT -->    and TEXT is in what it prints
    <!-- tested: server -->         is a program that stays up while the next blocks run, until the next one of these
    <!-- not tested here: WHY -->
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest
from conftest import REPOSITORY
from local_server import binary, free_ports, get_json, wait_until

BLOCK = re.compile(r"(?:<!-- (?P<mark>[^>]*) -->\n)?```bash\n(?P<commands>.*?)```", re.DOTALL)
USUAL_PORTS = ("8080", "8501", "8500")


def blocks():
    return [match.groupdict() for match in BLOCK.finditer((REPOSITORY / "README.md").read_text())]


def test_every_block_says_whether_it_is_tested():
    marks = [block["mark"] or "" for block in blocks()]
    assert marks and all(re.match(r"tested($|: server$|: prints )|not tested here: ", mark) for mark in marks), marks


class Reader:
    """Somebody who follows the README in a fresh copy, on ports of their own."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = dict(zip(USUAL_PORTS, map(str, free_ports(3))))
        self.log = folder / "server.log"
        self.server = None

    def translate(self, commands):
        for usual, mine in self.ports.items():
            commands = re.sub(rf"(?<=[:=]){usual}\b", mine, commands)
        ports = " ".join(
            f"--{name}={port}" for name, port in zip(("port", "rest-api-port", "grpc-port"), self.ports.values())
        )
        return re.sub(r"^(build/headrace up .*)$", rf"\1 {ports}", commands, flags=re.MULTILINE)

    def run(self, commands):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.translate(commands)],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{commands}\nended with {done.returncode}:\n{done.stdout}\n{self.log_text()}"
        return done.stdout

    def serve(self, commands):
        self.stop()
        with self.log.open("wb") as log:
            self.server = subprocess.Popen(
                ["bash", "-euc", "exec " + self.translate(commands)], cwd=self.folder, stdout=log, stderr=log
            )
        # The README's next command waits for itself, or, with KFP's client, needs the API to be there.
        if "headrace up" in commands:
            url = f"http://127.0.0.1:{self.ports['8080']}/apis/v2beta1/healthz"
            wait_until(lambda: self.server.poll() is not None or get_json(url), "headrace up")

    def stop(self):
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
            assert self.server.wait(40) == 0, self.log_text()

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


@pytest.fixture
def reader(tmp_path):
    files = subprocess.check_output(["git", "ls-files", "-z"], cwd=REPOSITORY, text=True).split("\0")
    for name in filter(None, files):
        if (REPOSITORY / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, tmp_path / name)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "headrace").symlink_to(binary())
    (tmp_path / ".deps").symlink_to(os.environ.get("HEADRACE_DEPS", REPOSITORY / ".deps"))
    someone = Reader(tmp_path)
    yield someone
    if someone.server and someone.server.poll() is None:
        someone.server.kill()


def test_the_readmes_commands_work(reader):
    for block in blocks():
        mark, commands = block["mark"], block["commands"]
        if mark == "tested: server":
            reader.serve(commands)
        elif mark.startswith("tested"):
            printed = reader.run(commands)
            if ": prints " in mark:
                assert mark.split(": prints ", 1)[1] in printed
    reader.stop()
