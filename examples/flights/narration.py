"""What a person sees: plain lines, and on a terminal one live line for what is going on."""

import shutil
import sys
import time


class Stage:
    def __init__(self):
        self._live = sys.stdout.isatty()
        self._width = shutil.get_terminal_size().columns - 1
        self._started = time.monotonic()

    def act(self, title):
        self.line()
        self.line(f"── {title} " + "─" * max(0, 76 - len(title)))

    def line(self, text=""):
        print(("\r\x1b[K" if self._live else "") + text, flush=True)

    def live(self, text):
        if self._live:
            print(f"\r\x1b[K{text[: self._width]}", end="", flush=True)

    def seconds(self):
        return time.monotonic() - self._started
