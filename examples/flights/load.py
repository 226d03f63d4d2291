"""A small load generator: it never stops asking, and keeps count of each answer."""

import collections
import http.client
import json
import threading
import time


class Load:
    """Threads that predict one row over and over, counting every answer. An HTTP error or a lost connection is a failure."""

    def __init__(self, port, model, row, threads=2):
        self._port = port
        self._path = f"/v1/models/{model}:predict"
        self._body = json.dumps({"instances": [row]})
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        self.answers = collections.Counter()  # prediction as JSON → how often
        self.failures = collections.Counter()  # what went wrong → how often
        self.slowest = 0.0  # seconds

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        """No further requests; those under way are still answered and counted."""
        self._stop.set()

    def __exit__(self, *_):
        self.stop()
        for thread in self._threads:
            thread.join()

    @property
    def sent(self):
        with self._lock:
            return self.answers.total() + self.failures.total()

    def answered(self, prediction):
        """How often that was the answer."""
        with self._lock:
            return self.answers[json.dumps(prediction)]

    def _run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                connection.request("POST", self._path, self._body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                text = response.read()
                if response.status != 200:
                    self._fail(f"HTTP {response.status}: {text[:200].decode(errors='replace')}")
                    continue
                answer = json.loads(text)["predictions"][0]
            except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
                self._fail(f"{type(error).__name__}: {error}")
                connection.close()
                continue
            with self._lock:
                self.answers[json.dumps(answer)] += 1
                self.slowest = max(self.slowest, time.monotonic() - started)

    def _fail(self, what):
        with self._lock:
            self.failures[what] += 1
