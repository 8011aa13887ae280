"""Deliver at a steady rate to a service on loopback while it grades; print latencies and memory.

    python benchmarks/load.py --rate 200 --seconds 30
    python benchmarks/load.py --postgresql     # a web process and a worker instead of SQLite

The rate is kept whether or not answers come (open loop): a slow answer delays no other delivery,
and the latency of each is counted from when it was due. Graders need no wall. Exit code 0:
everything was accepted, the 99th percentile is below --p99, and the queue was worked off.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import func, select

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # the root first: tests/ has a reference/ as well

from service import postgresql
from service.processes import Process, answers, free_port
from service.senders import body, signed

from grader.service import migrations
from grader.service.database import Database
from grader.service.tables import WAITING, Grading, Result
from grader.service.webhooks import sources

CONNECTIONS = 64


class Sender:
    """Keeps connections open and times deliveries on them."""

    def __init__(self, port: int, secret: str) -> None:
        self._port, self._secret = port, secret
        self._free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        self._free = asyncio.Queue()  # in turn: none idles until it is closed
        self.latencies: list[float] = []
        self.statuses: dict[int, int] = {}

    async def open(self) -> None:
        for _ in range(CONNECTIONS):
            self._free.put_nowait(await asyncio.open_connection("127.0.0.1", self._port))

    async def deliver(self, number: int, due: float) -> None:
        content = body(f"score={number % 101} n={number}", context=f"course-{number % 20}")
        lines = [
            "POST /hooks/submissions/campus HTTP/1.1",
            "host: 127.0.0.1",
            f"content-length: {len(content)}",
            *(f"{k}: {v}" for k, v in signed(self._secret, content, f"msg_{number}").items()),
        ]
        reader, writer = await self._free.get()
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
        await reader.readexactly(int(length.partition(":")[2]))
        self._free.put_nowait((reader, writer))
        status = int(head.split()[1])
        self.latencies.append(time.monotonic() - due)
        self.statuses[status] = self.statuses.get(status, 0) + 1

    async def run(self, rate: float, seconds: float) -> None:
        await self.open()
        start, tasks = time.monotonic() + 0.1, []
        for number in range(int(rate * seconds)):
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tasks.append(asyncio.create_task(self.deliver(number, due)))
        await asyncio.gather(*tasks)
        while not self._free.empty():
            self._free.get_nowait()[1].close()


def resident_mib(process: Process) -> float:
    """Return the resident set of a process."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def cpu_s(process: Process) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Run it and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--p99", type=float, default=0.25)
    parser.add_argument("--postgresql", action="store_true")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="grader-load-"))
    if not asked.postgresql:
        return run(asked, folder, f"sqlite:///{folder}/data/grader.sqlite")
    server, data = postgresql.start()
    try:
        return run(asked, folder, server.url)
    finally:
        server.stop()
        shutil.rmtree(data)


def run(asked: argparse.Namespace, folder: Path, url: str) -> int:
    database = Database(url)
    migrations.upgrade(database)
    secret, port = sources.add(database, "campus"), free_port()
    environment = {"GRADER_PORT": str(port), "GRADER_DATA": str(folder / "data")}
    environment["GRADER_QUEUE_DEPTH"] = "100000"
    roles = ["all"]
    if asked.postgresql:
        environment["GRADER_DATABASE_URL"] = url
        roles = ["web", "worker"]
    processes = [Process(role, folder / "log", **environment) for role in roles]
    try:
        answers(f"http://127.0.0.1:{port}")
        memory, cpu = [resident_mib(processes[0])], cpu_s(processes[0])
        sender = Sender(port, secret)
        asyncio.run(sender.run(asked.rate, asked.seconds))
        memory.append(resident_mib(processes[0]))
        began, cpu = count(database, Result), cpu_s(processes[0]) - cpu
        drained_s = drain(database)
        memory.append(resident_mib(processes[0]))
    finally:
        for process in processes:
            process.kill()
    print(f"web process  {cpu:.1f} CPU s while deliveries came")
    return verdict(asked, sender, memory, began, drained_s, count(database, Result))


def count(database: Database, table: type[Result]) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def drain(database: Database, at_most_s: float = 600.0) -> float:
    """Wait until nothing waits; return how long that took."""
    start = time.monotonic()
    while time.monotonic() < start + at_most_s:
        with database.reading() as session:
            if not session.scalar(select(func.count()).where(Grading.state == WAITING)):
                break
        time.sleep(0.5)
    return time.monotonic() - start


def verdict(
    asked: argparse.Namespace,
    sender: Sender,
    memory: list[float],
    during: int,
    drained_s: float,
    results: int,
) -> int:
    """Print what was measured; return 0 when it is as promised."""
    total = int(asked.rate * asked.seconds)
    sorted_s = sorted(sender.latencies)
    p50, p99, worst = (sorted_s[min(total - 1, int(total * q))] for q in (0.5, 0.99, 1.0))
    print(f"deliveries   {total} at {asked.rate:.0f} a second, answered {sender.statuses}")
    print(
        f"latency      p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, {worst * 1000:.0f} worst"
    )
    print(f"graded       {during} meanwhile, {results} in all, drained {drained_s:.1f} s later")
    print("memory, MiB  " + ", ".join(f"{one:.0f}" for one in memory) + " (start, after, drained)")
    good = sender.statuses == {202: total} and p99 < asked.p99 and results == total
    print("PASS" if good else "FAIL")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
