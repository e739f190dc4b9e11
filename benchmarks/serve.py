"""The service under load, on this machine alone: ``python benchmarks/serve.py``.

Starts ``lightwell serve`` on a free port of 127.0.0.1. So many clients send dark pictures for so many seconds, each
the next when it has the last; one further client sends a byte now and then and never ends. Printed: pictures a second,
against ``lightwell restore`` on such pictures with as many jobs and threads; the 50th and 95th percentile of waiting;
the service's memory after a tenth of the answers and at the end; how many answers had which status.
"""

from __future__ import annotations

import argparse
import http.client
import io
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

COMMAND = [sys.executable, "-c", "from lightwell.cli.app import main; main()"]


@dataclass
class Tally:
    """What the clients saw."""

    waits: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)


def dark_pictures(count: int, side: int) -> list[bytes]:
    random = np.random.default_rng(0)
    files = []
    for _ in range(count):
        coarse = Image.fromarray(random.integers(0, 60, (9, 9, 3), np.uint8)).resize((side, side))
        noisy = np.asarray(coarse, np.float32) + random.normal(0, 3, (side, side, 3))
        stream = io.BytesIO()
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(stream, "JPEG", quality=95)
        files.append(stream.getvalue())
    return files


def by_command(pictures: list[bytes], words: list[str], jobs: int) -> float:
    """Pictures a second of `lightwell restore`, its start included."""
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(pictures):
            (Path(folder) / f"{number}.jpg").write_bytes(data)
        started = time.perf_counter()
        command = [*COMMAND, "restore", folder, "-o", f"{folder}/out", "-q", "--jobs", str(jobs), *words]
        subprocess.run(command, check=True)
        return len(pictures) / (time.perf_counter() - started)


def resident(process: int) -> float:
    """Megabytes that a process has in memory; NaN where the system does not say."""
    status = Path(f"/proc/{process}/status")
    found = re.search(r"VmRSS:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else float("nan")


def client(port: int, pictures: list[bytes], first: int, ends: float, tally: Tally) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    number = first
    while time.perf_counter() < ends:
        started = time.perf_counter()
        try:
            connection.request("POST", "/v1/restore", pictures[number % len(pictures)])
            response = connection.getresponse()
            response.read()
        except OSError as error:
            tally.statuses[type(error).__name__] += 1
            connection.close()
            continue
        tally.statuses[str(response.status)] += 1
        if response.status == 200:
            tally.waits.append(time.perf_counter() - started)
        elif response.status == 429:
            time.sleep(float(response.headers["Retry-After"]))
        number += 1
    connection.close()


def never_ends(port: int, stop: threading.Event) -> None:
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"POST /v1/restore HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
        while not stop.wait(1):
            try:
                slow.sendall(b"x")
            except OSError:
                return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--side", type=int, default=256, help="of the pictures, in pixels")
    options = parser.parse_args()
    words = ["--threads", str(options.threads), *(["-m", options.model] if options.model else [])]
    pictures = dark_pictures(16, options.side)

    command = [*COMMAND, "serve", "--port", "0", "--jobs", str(options.jobs), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            found = re.search(r":(\d+)/", service.stdout.readline())
            assert found, "the service did not start"
            port, tally, stop = int(found[1]), Tally(), threading.Event()
            started = time.perf_counter()
            ends = started + min(options.seconds, 600)
            threads = [
                threading.Thread(target=client, args=(port, pictures, number, ends, tally))
                for number in range(min(options.clients, 64))
            ]
            threads.append(threading.Thread(target=never_ends, args=(port, stop)))
            for thread in threads:
                thread.start()
            time.sleep((ends - started) / 10)
            tally.memory.append(resident(service.pid))
            for thread in threads[:-1]:
                thread.join()
            took = time.perf_counter() - started
            tally.memory.append(resident(service.pid))
            stop.set()
            threads[-1].join()
        finally:
            service.terminate()
    served = len(tally.waits) / took
    count = max(8, min(400, round(served * options.seconds / 2)))
    commanded = by_command([pictures[k % len(pictures)] for k in range(count)], words, options.jobs)
    print(f"{options.clients} clients, {took:.0f} s, pictures of {options.side}x{options.side}")
    print(f"service   {served:.2f} pictures/s")
    print(f"command   {commanded:.2f} pictures/s over {count}; the service's share {served / commanded:.2f}")
    half, most = np.percentile(tally.waits, [50, 95])
    print(f"waiting   median {half:.2f} s, 95th percentile {most:.2f} s")
    print(f"memory    {tally.memory[0]:.0f} MB early, {tally.memory[1]:.0f} MB at the end")
    print("answers   " + ", ".join(f"{status}: {count}" for status, count in sorted(tally.statuses.items())))


if __name__ == "__main__":
    main()
