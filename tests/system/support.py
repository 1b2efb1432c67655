"""Shared by the system tests: a broker, markets on it, the program as a child process, and functions that wait.

    market = Market(self, shared_kafka())          # topics of its own, a folder of its own
    market.create_topics()
    run = market.run()                             # `fiverate run`; killed at the end of the test if still there
    market.import_history(small_market())
    market.await_final(replayed(small_market()))   # FINAL rows from Kafka, byte for byte those of a replay of the files
    run.stop()

Environment, all optional: FIVERATE_TEST_PROGRAM (else the newer of build/release and build/dev), FIVERATE_TEST_ROOT,
FIVERATE_TEST_KAFKA (address of a running broker; else one is started for this process and stopped at its end).
Nothing here waits for a fixed time: every wait polls a condition and has a limit.
"""

import atexit
import functools
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter, namedtuple

ROOT = pathlib.Path(os.environ.get("FIVERATE_TEST_ROOT", pathlib.Path(__file__).resolve().parents[2]))
KAFKA = ROOT / "deploy" / "kafka" / "kafka"
ORACLE = ROOT / "tests" / "oracle"
# The program reads FIVERATE_*: the environment of the tests must not configure it.
CLEAN_ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("FIVERATE_")}

BROKER_WITHIN = 90  # s; a broker starts in 4 to 10
DONE_WITHIN = 60  # s; any command that ends by itself
FINAL_WITHIN = 90  # s; the histories of these tests take 2 to 20


def program():
    if "FIVERATE_TEST_PROGRAM" in os.environ:
        return os.environ["FIVERATE_TEST_PROGRAM"]
    built = [path for path in (ROOT / "build/release/fiverate", ROOT / "build/dev/fiverate") if path.exists()]
    if not built:
        sys.exit("no fiverate: build it, or name it in FIVERATE_TEST_PROGRAM")
    return str(max(built, key=lambda path: path.stat().st_mtime))


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # with everything that atexit has to stop


@functools.cache
def scratch():
    """A folder for this process. It is removed when the process ends."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fiverate-system-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


# ---- waiting -----------------------------------------------------------------------------------------------------------


def eventually(probe, within, what, every=0.05):
    """The first true value of probe(); an AssertionError with `what` (text, or a function of no arguments) after `within` s."""
    deadline = time.monotonic() + within
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what() if callable(what) else what}")
        time.sleep(every)


# ---- the broker --------------------------------------------------------------------------------------------------------


class Broker:
    """One broker of deploy/kafka/kafka in a folder. It is stopped when this process ends."""

    def __init__(self, folder, advertise=None, port=None, controller_port=None, cluster_id=None, properties=None):
        self.folder, self.port, self.properties = pathlib.Path(folder), port, properties or {}
        self.options = {"advertise": advertise, "controller-port": controller_port, "cluster-id": cluster_id}
        atexit.register(self.command, "kill")

    def start(self):
        port = self.port or (None if (self.folder / "address").exists() else 0)  # after a stop, the same port as before
        options = [part for name, value in {**self.options, "port": port}.items() if value is not None for part in (f"--{name}", str(value))]
        options += [part for name, value in self.properties.items() for part in ("--property", f"{name}={value}")]

        def attempt():
            done = self.command("start", *options)
            if done.returncode != 0 and "in use" not in done.stderr:  # the system releases the ports of a killed broker a moment later
                raise AssertionError(f"no broker: {done.stdout}{done.stderr}")
            return done.returncode == 0

        eventually(attempt, 10, f"the broker in {self.folder} starts: its port is still in use")
        self.address = (self.folder / "address").read_text().strip()
        return self

    def stop(self):
        self.command("stop")

    def kill(self):
        self.command("kill")

    def command(self, *arguments):
        return subprocess.run([KAFKA, *arguments, "--dir", self.folder], capture_output=True, text=True, timeout=BROKER_WITHIN,
                              stdin=subprocess.DEVNULL)


@functools.cache
def shared_kafka():
    """The address of the broker that all tests share. Tests that stop brokers start their own."""
    return os.environ.get("FIVERATE_TEST_KAFKA") or Broker(scratch() / "kafka").start().address


def delete_records(address, topic, before):
    """Deletes all records before an offset, {partition: offset}, as retention does: DeleteRecords version 0, which kcat cannot send."""
    def text(value):
        return struct.pack(">h", len(value)) + value.encode()

    partitions = b"".join(struct.pack(">iq", *one) for one in before.items())
    body = struct.pack(">hhi", 21, 0, 1) + text("tests") + struct.pack(">i", 1) + text(topic) + struct.pack(">i", len(before)) + partitions
    body += struct.pack(">i", 10_000)
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        with connection.makefile("rb") as answers:
            answer = answers.read(struct.unpack(">i", answers.read(4))[0])
    at = 4 + 4 + 4 + 2 + len(topic) + 4  # correlation, throttle time, one topic and its name, how many partitions
    for _ in before:
        partition, _, error = struct.unpack_from(">iqh", answer, at)
        if error:
            raise AssertionError(f"records of {topic} partition {partition} are not deleted: error {error} of Kafka")
        at += 14


# ---- histories ---------------------------------------------------------------------------------------------------------


@functools.cache
def small_market(outlets=20, days=60, seed=1, brands=3, skus=12, rates=("broken=0",)):
    """A simulated history. By default it has no broken records: a truncated line has no arrival time, so a replay of files reads it first,
    and an import has to send it first (parts_of does so)."""
    folder = scratch() / "-".join(map(str, ["market", outlets, days, seed, brands, skus, *rates]))
    subprocess.run([program(), "simulate", "--out", folder, "--outlets", str(outlets), "--days", str(days), "--seed", str(seed),
                    "--brands", str(brands), "--skus", str(skus), *(part for rate in rates for part in ("--rate", rate))],
                   check=True, env=CLEAN_ENVIRONMENT, stderr=subprocess.DEVNULL, timeout=DONE_WITHIN)
    return folder


@functools.cache
def replayed(folder):
    """metrics.jsonl of a replay of the files, without Kafka."""
    out = pathlib.Path(f"{folder}-replayed")
    subprocess.run([program(), "replay", "--in", folder, "--out", out], check=True, env=CLEAN_ENVIRONMENT,
                   stderr=subprocess.DEVNULL, timeout=DONE_WITHIN)
    return (out / "metrics.jsonl").read_bytes()


@functools.cache
def nasty(seed, *options):
    folder = scratch() / "-".join(["nasty", str(seed), *options]).replace("--", "")
    subprocess.run([sys.executable, ORACLE / "generate.py", "--seed", str(seed), "--out", folder, *options],
                   check=True, timeout=DONE_WITHIN)
    return folder


@functools.cache
def oracle_of(folder):
    """The folder with metrics.jsonl and quarantine.jsonl of the reference program, tests/oracle."""
    out = pathlib.Path(f"{folder}-oracle")
    subprocess.run([sys.executable, ORACLE / "oracle.py", "--in", folder, "--out", out], check=True, timeout=2 * DONE_WITHIN)
    return out


def lines_of(folder):
    return b"\n".join(path.read_bytes() for path in sorted(folder.glob("*.jsonl"))).split(b"\n")


def shuffled(folder, seed):
    """All lines of both files in one file, in random order: an import sorts them."""
    lines = lines_of(folder)
    random.Random(seed).shuffle(lines)
    file = pathlib.Path(f"{folder}-shuffled.jsonl")
    file.write_bytes(b"\n".join(lines))
    return file


def is_json(line):
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


@functools.cache
def parts_of(folder, count):
    """A history as files that are imported one after another. They end at midnights. The first one starts with the reference data and the
    lines without an arrival time, which a replay reads first."""
    first = (folder / "reference.jsonl").read_bytes()
    by_day = {}
    for line in (folder / "events.jsonl").read_bytes().splitlines(keepends=True):
        found = re.search(rb'"arrival_time":"(\d{4}-\d\d-\d\d)', line) if is_json(line) else None
        by_day.setdefault(found.group(1) if found else b"", []).append(line)
    first += b"".join(by_day.pop(b"", ()))
    days = sorted(by_day)
    parts = []
    for number in range(count):
        chosen = days[len(days) * number // count : len(days) * (number + 1) // count]
        part = pathlib.Path(f"{folder}-part-{number}-of-{count}.jsonl")
        part.write_bytes((first if number == 0 else b"") + b"".join(line for day in chosen for line in by_day[day]))
        parts.append(part)
    return parts


# ---- the program -------------------------------------------------------------------------------------------------------

Record = namedtuple("Record", "partition offset key value headers")
numbers = itertools.count(1)


class Market:
    """A topics.prefix and a folder with fiverate.toml; partitions = (source, ledger, market)."""

    def __init__(self, test, address, partitions=(4, 4, 2), **sections):
        self.test, self.address = test, address
        name = f"{scratch().name.removeprefix('fiverate-')}-{next(numbers)}"  # unique over processes: a broker may outlive many of them, and process ids repeat
        self.prefix = name + "."
        self.folder = scratch() / name
        self.folder.mkdir()
        self.config = self.folder / "fiverate.toml"
        self.state = self.folder / "state"
        self.ends = None  # the watermark at the end of a history that was imported completely
        source, ledger, market = partitions
        settings = {
            "kafka": {"bootstrap.servers": address},
            "topics": {"prefix": self.prefix, "source_partitions": source, "ledger_partitions": ledger, "market_partitions": market},
            "state": {"dir": str(self.state)},
        }
        for section, values in sections.items():
            settings.setdefault(section, {}).update(values)
        self.config.write_text("".join(
            f"[{section}]\n" + "".join(f"{json.dumps(key)} = {json.dumps(value)}\n" for key, value in values.items())
            for section, values in settings.items()))
        test.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def command(self, *arguments):
        return [program(), "--config", str(self.config), *map(str, arguments)]

    def call(self, *arguments, within=DONE_WITHIN):
        """Runs a command to its end. Returns stdout as bytes and stderr as text."""
        done = subprocess.run(self.command(*arguments), capture_output=True, stdin=subprocess.DEVNULL, env=CLEAN_ENVIRONMENT,
                              cwd=self.folder, timeout=within)
        done.stderr = done.stderr.decode(errors="replace")
        return done

    def ok(self, *arguments, within=DONE_WITHIN):
        done = self.call(*arguments, within=within)
        self.test.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr}")
        return done.stdout

    def fails(self, code, *arguments, message=(), within=DONE_WITHIN):
        """The command ends with this code. Its stderr matches `message`, one regular expression or several."""
        done = self.call(*arguments, within=within)
        self.test.assertEqual(done.returncode, code, f"{arguments}: {done.stderr}")
        for pattern in [message] if isinstance(message, str) else message:
            self.test.assertRegex(done.stderr, pattern)
        return done

    def create_topics(self):
        self.ok("topics", "create")
        return self

    def import_files(self, *files, open=False):
        done = self.call("import", *files, *(["--open"] if open else []))
        self.test.assertEqual(done.returncode, 0, done.stderr)
        if not open:
            self.ends = re.search(r"the market's clock goes to (\S+)", done.stderr).group(1)
        return done

    def import_history(self, folder):
        return self.import_files(*sorted(folder.glob("*.jsonl")))

    def run(self, *options, state=None, failpoint=None, preexec=None):
        """failpoint: as in processors/stream/failpoint.h. preexec: called in the child before the program."""
        return Process(self, "run", *options, *(["-X", f"state.dir={state}"] if state else []), preexec=preexec,
                       environment={"FAILPOINT": failpoint} if failpoint else {})

    # ---- results ----

    def status(self):
        """The rows of `status`, one per stage and partition; none if Kafka does not answer."""
        done = self.call("status", "-o", "json")
        return [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []

    def up_to_date(self):
        """All tasks have processed all records and reached the last watermark, as `status` reports it."""
        tasks = self.status()
        return bool(tasks) and all(task["lag_records"] == 0 and self.at_the_end(task) for task in tasks)

    def at_the_end(self, task):
        """The task has reached the last watermark. The alert manager reads no progress records, so its clock may be earlier."""
        return not self.ends or task["watermark"] == self.ends or task["stage"] == "desk"

    def await_up_to_date(self, within=FINAL_WITHIN):
        eventually(self.up_to_date, within, lambda: json.dumps([task for task in self.status() if task["lag_records"] != 0 or not self.at_the_end(task)], indent=0))

    def final(self, expected=b""):
        """All FINAL rows through the last day of `expected`."""
        last = json.loads(expected.rstrip().rsplit(b"\n", 1)[-1])["as_of"] if expected else "9999-12-31"
        return self.ok("rates", "--final", "--through", last, "-o", "json")

    def await_final(self, expected, within=FINAL_WITHIN):
        """The FINAL rows are these, byte for byte, and no key was written with two values."""
        self.await_up_to_date(within)
        self.assert_final(expected)

    def assert_final(self, expected):
        same_lines(self.test, self.final(expected), expected)
        self.assert_written_once()

    def same_alerts(self, least=0):
        """The transitions of all alerts of the live run are those of a replay of its ledger. Returns the folder of that replay."""
        out = self.folder / f"from-kafka-{next(numbers)}"
        self.ok("replay", "--kafka", "--out", out)
        expected = (out / "alerts.jsonl").read_bytes()
        self.test.assertGreaterEqual(expected.count(b'"state":"RESOLVED"'), least)
        eventually(lambda: self.ok("alerts", "log").count(b"\n") >= expected.count(b"\n"), 60, "all alerts are logged")
        same_lines(self.test, self.ok("alerts", "log"), expected)
        self.assert_written_once("alert-log")
        return out

    def records(self, topic):
        """All records of a topic, repetitions included."""
        raw = subprocess.run(["kcat", "-C", "-b", self.address, "-t", self.prefix + topic, "-e", "-q", "-f", "%p %o %K %S %h\n%k%s"],
                             capture_output=True, check=True, timeout=DONE_WITHIN).stdout
        at, records = 0, []
        while at < len(raw):
            end = raw.index(b"\n", at)
            partition, offset, key_size, value_size, headers = raw[at:end].split(b" ", 4)
            key_end = end + 1 + max(0, int(key_size))
            at = key_end + max(0, int(value_size))
            records.append(Record(int(partition), int(offset), raw[end + 1 : key_end], raw[key_end:at], headers))
        return records

    def assert_written_once(self, topic="metrics-final"):
        """A crash may repeat a record of this topic, but only with the same key, value and cause. Returns the number of repetitions."""
        seen, repeated = {}, 0
        for record in self.records(topic):
            what = (record.partition, record.value, record.headers)
            earlier = seen.setdefault(record.key, what)
            self.test.assertEqual(earlier, what, f"{record.key!r} of {topic} was written with two values")
            repeated += earlier is not what
        return repeated

    def quarantined(self):
        """The number of quarantined records by reason: the reason is the first field of the value, and the key is the cause."""
        return Counter(value[2 : 2 + value[1]].decode() for value in {record.key: record.value for record in self.records("quarantine")}.values())


def same_lines(test, found, expected):
    """Compares byte for byte, and names the first line that differs."""
    if found == expected:
        return
    for number, (one, other) in enumerate(itertools.zip_longest(found.splitlines(), expected.splitlines()), start=1):
        if one != other:
            test.fail(f"line {number} differs ({found.count(10)} lines, expected are {expected.count(10)})\n"
                      f"  found    {one!r}\n  expected {other!r}")
    test.fail("the line ends differ")


class Process:
    """A command that runs in the background. Its output goes to files."""

    def __init__(self, market, *arguments, environment=None, preexec=None):
        self.test = market.test
        self.log = market.folder / f"{arguments[0]}-{next(numbers)}.log"
        self.out = self.log.with_suffix(".out")
        with open(self.log, "wb") as log, open(self.out, "wb") as out:
            self.child = subprocess.Popen(market.command(*arguments), stdout=out, stderr=log, stdin=subprocess.DEVNULL,
                                          env={**CLEAN_ENVIRONMENT, **(environment or {})}, cwd=market.folder,
                                          preexec_fn=preexec)
        self.test.addCleanup(self.end)

    def text(self):
        return self.log.read_text(errors="replace")

    def is_alive(self):
        return self.child.poll() is None

    def logs(self, pattern, within, times=1):
        """Waits until its log matches the pattern this many times."""
        def probe():
            if len(re.findall(pattern, self.text())) >= times:
                return True
            self.test.assertTrue(self.is_alive(), f"ended with {self.child.poll()} before it logged {pattern!r}:\n{self.text()}")
            return False

        eventually(probe, within, lambda: f"{pattern!r} {times} times in\n{self.text()}")

    def is_working(self):
        """Waits until this process has tasks of every stage."""
        self.logs(r"market/\d+: reading deltas", 40)
        self.logs("reference/0: reading reference", 40)
        self.logs(r"outlet/\d+: reading ledger", 40)
        self.logs(r"desk/\d+: reading signals", 40)
        return self

    def send(self, number):
        self.child.send_signal(number)

    def kill(self):
        self.send(signal.SIGKILL)
        self.child.wait(timeout=10)

    def is_frozen(self):
        """Whether SIGSTOP has stopped it."""
        return pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"

    def memory_mib(self, what="VmRSS"):
        return int(re.search(rf"{what}:\s+(\d+) kB", pathlib.Path(f"/proc/{self.child.pid}/status").read_text()).group(1)) / 1024

    def ends(self, code, within=30):
        """Waits until it ends by itself with this code. Returns its log."""
        try:
            found = self.child.wait(timeout=within)
        except subprocess.TimeoutExpired:
            self.test.fail(f"is still running after {within} s:\n{self.text()}")
        self.test.assertEqual(found, code, self.text())
        return self.text()

    def stop(self, number=signal.SIGTERM):
        """Requests an orderly end, which has to come within the 10 s that an operator waits. Returns its log."""
        self.test.assertTrue(self.is_alive(), f"ended with {self.child.poll()}:\n{self.text()}")
        self.send(number)
        return self.ends(0, within=12)

    def end(self):
        if self.is_alive():
            self.send(signal.SIGCONT)
            self.kill()
        self.test.assertNotIn("Sanitizer", self.text())  # the exit code of a killed process does not report it
