"""A network between this machine and a namespace of its own, made of two TUN devices and a relay that delays and loses
packets, or hands none on. Needs root."""

import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time
from dataclasses import dataclass, field

HUB, FAR, OTHER = "10.213.7.1", "10.213.7.2", "10.213.7.3"
_TUNSETIFF, _TUN_PLAIN = 0x400454CA, 0x1001
_PACKET = 65_536


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _device(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_PLAIN))
    return descriptor


@dataclass
class FarNetwork:
    """Network while it is open. ``delay_s`` each way, give or take half of it; ``loss`` of the packets; ``cut``: of all."""

    delay_s: float = 0.0
    loss: float = 0.0
    cut: bool = False
    namespace: str = field(default_factory=lambda: f"ph-far-{os.getpid()}")
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "FarNetwork":
        _run("ip", "netns", "add", self.namespace)
        number = os.getpid() % 100_000
        near, far = f"phn{number}", f"phf{number}"
        self._ends = _device(near), _device(far)
        self._far = far
        _run("ip", "addr", "add", f"{HUB}/24", "dev", near)
        _run("ip", "link", "set", near, "up")
        _run("ip", "link", "set", far, "netns", self.namespace)
        self.inside("ip", "link", "set", "lo", "up")
        self.inside("ip", "addr", "add", f"{FAR}/24", "dev", far)
        self.inside("ip", "link", "set", far, "up")
        self._thread = threading.Thread(target=self._relay)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for end in self._ends:
            os.close(end)
        subprocess.run(["ip", "netns", "del", self.namespace], check=False, capture_output=True)

    def inside(self, *command: str) -> None:
        """Run a command in the namespace."""
        _run("ip", "netns", "exec", self.namespace, *command)

    def move(self, before: str, after: str) -> None:
        """Give the far machine another address. Nobody is told."""
        self.inside("ip", "addr", "del", f"{before}/24", "dev", self._far)
        self.inside("ip", "addr", "add", f"{after}/24", "dev", self._far)

    def _relay(self) -> None:
        draw, count = random.Random(7), 0
        waiting: list[tuple[float, int, int, bytes]] = []
        across = dict(zip(self._ends, reversed(self._ends), strict=True))
        while not self._stop.is_set():
            rest = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 0.05
            for end in select.select(self._ends, [], [], min(rest, 0.05))[0]:
                packet = os.read(end, _PACKET)
                if self.cut or draw.random() < self.loss:
                    continue
                count += 1
                due = time.monotonic() + self.delay_s * draw.uniform(0.5, 1.5)
                heapq.heappush(waiting, (due, count, across[end], packet))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, end, packet = heapq.heappop(waiting)
                try:
                    os.write(end, packet)
                except OSError:  # the device is full, or down: a lost packet
                    continue
