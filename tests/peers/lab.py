"""A network of its own for a test: a namespace with one address, made by the test and removed with it.

Ports never clash with anything, and no packet leaves it. baresip refuses a host that has only a loopback interface, so
there is a veth pair, both ends inside. Needs root; `reason_to_skip` says so where it is not given.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from patience import PATIENCE
from peers.child import Child

Made = TypeVar("Made")

ADDRESS = "10.77.0.1"
INTERFACE = "v0"
_CLONE_NEWNET = 0x40000000  # sched.h
_numbers = itertools.count()


def reason_to_skip() -> str:
    """Why no lab can be made here, or an empty text."""
    if not shutil.which("ip"):
        return "needs the command ip: apt-get install iproute2"
    if os.geteuid() != 0:
        return "needs root, to make a network namespace"
    trial = subprocess.run(["ip", "netns", "add", probe := _name()], capture_output=True, text=True, check=False)
    if trial.returncode:
        return f"this system lets nobody make a network namespace: {trial.stderr.strip()}"
    _ip("netns", "del", probe)
    return ""


class Lab:
    """The namespace and the children that run in it. `address` is where everything listens."""

    def __init__(self) -> None:
        self.address = ADDRESS
        self.interface = INTERFACE
        self.name = _name()
        self._children: list[Child] = []
        _ip("netns", "add", self.name)
        try:
            self._ip("link", "set", "lo", "up")
            self._ip("link", "add", INTERFACE, "type", "veth", "peer", "name", "v1")
            self._ip("address", "add", f"{ADDRESS}/24", "dev", INTERFACE)
            self._ip("link", "set", INTERFACE, "up")
            self._ip("link", "set", "v1", "up")
        except BaseException:
            self.close()
            raise

    def start(
        self, command: Sequence[str | Path], folder: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> Child:
        """Run a command inside. `ip netns exec` becomes the command: the child's pid is the command's."""
        child = Child(["ip", "netns", "exec", self.name, *command], folder, environment)
        self._children.append(child)
        return child

    def open_socket(self, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """A socket that lives inside, for a test that stays outside."""
        return self._inside(lambda: socket.socket(socket.AF_INET, kind))

    def free_port(self, kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
        """A port that nothing has."""
        with self.open_socket(kind) as trial:
            trial.bind((self.address, 0))
            port: int = trial.getsockname()[1]
            return port

    def wait_until_bound(self, port: int, kind: socket.SocketKind = socket.SOCK_DGRAM) -> None:
        """Return as soon as somebody has `port`, for children that do not say when they are ready."""
        deadline = time.monotonic() + PATIENCE
        pause = threading.Event()
        while time.monotonic() < deadline:
            with self.open_socket(kind) as trial:
                try:
                    trial.bind((self.address, port))
                except OSError as error:
                    assert error.errno == errno.EADDRINUSE, error
                    return
            pause.wait(0.01)
        raise AssertionError(f"nothing bound port {port} within {PATIENCE} s")

    def close(self) -> None:
        """Stop what still runs, by pid, then remove the namespace."""
        for child in self._children:
            child.stop()
        _ip("netns", "del", self.name)

    def _ip(self, *words: str) -> None:
        _ip("-n", self.name, *words)

    def _inside(self, make: Callable[[], Made]) -> Made:
        """Call `make` in a thread that has entered the namespace; what it made keeps working outside."""
        made: list[Made] = []
        failures: list[BaseException] = []

        def enter_and_make() -> None:
            try:
                with Path("/run/netns", self.name).open("rb") as namespace:
                    library = ctypes.CDLL(None, use_errno=True)
                    if library.setns(namespace.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                made.append(make())
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=enter_and_make)
        thread.start()
        thread.join()
        if failures:
            raise failures[0]
        return made[0]


def _name() -> str:
    return f"ivrnode-{os.getpid()}-{next(_numbers)}"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
