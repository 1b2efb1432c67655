"""Parts `kafka` and `peers`: Kafka to Kafka, by fiverate and by the same job in Kafka Streams and in Flink, on one broker."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

from .job import REDUCED, knows_reduced
from .measure import CLEAN_ENVIRONMENT, ROOT, Failed, Run, cpu_of, folder_bytes, peak_mib, progress, run

PEERS = ROOT / "bench" / "peers"
BUILT = ROOT / "build" / "bench" / "peers"
SOURCE_PARTITIONS, MARKET_PARTITIONS = 4, 2
POLL_S = 1.0
INTERNAL = ("ledger", "deltas", "signals", "checkpoints", "seals")
JAVA_QUIET = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]
JAVA_SMALL = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *JAVA_QUIET]
FLINK_OPENS = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in ("util", "lang", "time")]


def support():
    """tests/system/support.py: a broker, and markets on it."""
    sys.path.insert(0, str(ROOT / "tests" / "system"))
    import support as module  # noqa: PLC0415  (it creates a folder, so only the parts that need it import it)

    return module


def build_peers():
    """With Maven, when a source is newer than what was built."""
    done = BUILT / "done"
    newest = max(path.stat().st_mtime for path in PEERS.rglob("*") if path.is_file())
    if done.exists() and done.stat().st_mtime > newest:
        return
    progress("building bench/peers with Maven")
    BUILT.mkdir(parents=True, exist_ok=True)
    if shutil.which("mvn") is None or shutil.which("java") is None:
        raise Failed("bench/peers needs mvn and JDK 17: deploy/install --dev")
    run("mvn", "-q", "-B", "-f", PEERS / "pom.xml", "package", f"-Dbuild.root={BUILT}", within=900)
    done.touch()


def classes(peer):
    return f"{BUILT / peer / (peer + '-1.jar')}:{BUILT / peer / 'lib' / '*'}"


def topics(address, prefix, **created):
    """Deletes all topics with the prefix, and creates others."""
    run("java", *JAVA_SMALL, "-cp", classes("kafka-streams"), "peer.Topics", address, prefix,
        *(f"{name.replace('_', '-')}={count}" for name, count in created.items()), within=120)


class Kafka:
    """A broker for this run of bench/run, and the input of each job in its topics."""

    def __init__(self):
        self.support, self.case = support(), unittest.TestCase()
        progress("starting a broker")
        self.address = self.support.shared_kafka()
        self.folder = self.support.scratch() / "kafka"
        pid = self.folder / "kafka.pid"  # missing if FIVERATE_TEST_KAFKA names a broker
        self.pid = int(pid.read_text()) if pid.exists() else None
        self.inputs = {}

    def close(self):
        self.case.doCleanups()

    def broker_cpu(self):
        return cpu_of(self.pid) if self.pid else 0.0

    def topic_bytes(self, prefix, without=()):
        """Bytes of the records in all topics with this prefix, but for some, as the broker has stored them."""
        if not self.pid:
            return 0
        sizes = 0
        for folder in (self.folder / "data").glob(f"{prefix}*"):
            if not folder.name[len(prefix):].rsplit("-", 1)[0].startswith(tuple(without)):
                sizes += sum(log.stat().st_size for log in folder.glob("*.log"))  # the indexes are sparse files of a fixed size
        return sizes

    def market(self, job, **sections):
        """Topics with all of the job's input in them."""
        market = self.support.Market(self.case, self.address, partitions=(SOURCE_PARTITIONS, SOURCE_PARTITIONS, MARKET_PARTITIONS), **sections)
        market.create_topics()
        took = run(*market.command("import", *sorted(job.files().glob("*.jsonl"))), within=900, cwd=market.folder)
        market.ends = re.search(r"the market's clock goes to (\S+)", took.output).group(1)
        return market, took

    def input_of(self, job):
        """A market for the peers to read. fiverate never runs on it."""
        if job.name not in self.inputs:
            self.inputs[job.name] = self.market(job)[0]
        return self.inputs[job.name]


def backlog(kafka, job, results, repeat, reduced, truths, within):
    """All input is in the topics before `run` starts; its time ends when `status` reports all tasks at the last watermark, without lag."""
    program = kafka.support.program()
    what = "all measures"
    sections = {}
    if reduced:
        if not knows_reduced(program):
            results.note("this program has no settings rates.measures and rates.windows: the reduced job runs as the full job")
            return None
        what, sections = "reduced job", {"rates": REDUCED}
    runs, more = [], {}
    for _ in range(repeat):
        market, imported = kafka.market(job, **sections)
        before, begun = kafka.broker_cpu(), time.monotonic()
        process = market.run()
        while not market.up_to_date():
            if not process.is_alive():
                raise Failed(f"`run` ended early:\n{process.text()[-2000:]}")
            if time.monotonic() - begun > within:
                raise Failed(f"`run` did not finish {job.name} within {within} s: {json.dumps(market.status())}")
            time.sleep(POLL_S)
        runs.append(Run(time.monotonic() - begun, cpu_of(process.child.pid), peak_mib(process.child.pid)))
        internal = {name: kafka.topic_bytes(market.prefix + name) / job.lines for name in INTERNAL}
        more = {"broker_cpu_s": kafka.broker_cpu() - before, "state_mb": folder_bytes(market.state) / 1e6,
                "bytes_per_line": ", ".join(f"{name} {size:.0f}" for name, size in internal.items()),
                "live_rows_mb": kafka.topic_bytes(market.prefix + "metrics-", ("final",)) / 1e6,
                "final_rows_mb": kafka.topic_bytes(market.prefix + "metrics-final") / 1e6,
                "import_cpu_s": imported.cpu_s}
        process.stop()
        if len(runs) == 1:
            days = None if reduced else [job.days - 1]
            first = "2000-01-01" if reduced else str(job.last_day)
            out = kafka.support.scratch() / "fiverate.table"
            job.table(market.command("rates", "--final", "--from", first, "--through", str(job.last_day), "-o", "json"), out)
            more["rows"] = truths.check(job, out, "fiverate", days)
        topics(kafka.address, market.prefix)
        shutil.rmtree(market.state, ignore_errors=True)
    return results.add("kafka", f"fiverate run, {what}, backlog, {job.name}", runs, job.lines, **more)


def paced(kafka, results, rate, seconds, outlets, reduced):
    """A live market: deliveries of 30 lines at a fixed rate; the CPU of `run` while they come."""
    sys.path.insert(0, str(ROOT / "bench"))
    from live_feed import Producer, event, outlet_id  # noqa: PLC0415

    if reduced and not knows_reduced(kafka.support.program()):
        return
    sections = {"rates": REDUCED} if reduced else {}
    market = kafka.support.Market(kafka.case, kafka.address, partitions=(SOURCE_PARTITIONS, SOURCE_PARTITIONS, MARKET_PARTITIONS),
                                  intake={"clock": "wall"}, **sections).create_topics()
    process = market.run().is_working()
    reference, deliveries = Producer(market, "reference"), Producer(market, "deliveries")
    for number in range(100):
        reference.send("", event(f"c{number}", region={"region_id": f"c{number}", "level": "COUNTY"}))
    for number in range(150):
        reference.send("", event(f"s{number}", sku={"sku_id": f"S{number}", "brand_id": f"B{number}", "valid_from": "2020-01-01"}))
    for number in range(outlets):
        reference.send("", event(f"o{number}", outlet={"outlet_id": outlet_id(number), "valid_from": "2020-01-01", "region_id": f"c{number % 100}",
                                                       "state": "ACTIVE", "classes": [{"dimension": "class1", "value": f"V{number % 6}"}]}))
    reference.close()
    kafka.support.eventually(market.up_to_date, 120, lambda: json.dumps(market.status()), every=0.5)
    before, begun, documents = cpu_of(process.child.pid), time.monotonic(), rate // 30 * seconds
    for number in range(documents):
        time.sleep(max(0.0, begun + number * 30 / rate - time.monotonic()))
        name = outlet_id(number * 7919 % outlets)
        deliveries.send(name, event(f"d{number}", delivery={"delivery_id": f"d{number}", "outlet_id": name, "direction": "OUT", "lines": [
            {"sku_id": f"S{(number * 31 + line) % 150}", "quantity": 1 + line % 7} for line in range(30)]}))
    took, cpu = time.monotonic() - begun, cpu_of(process.child.pid) - before
    peak = peak_mib(process.child.pid)
    deliveries.close()
    process.stop()
    topics(kafka.address, market.prefix)
    results.add("kafka", f"fiverate run, {'reduced job' if reduced else 'all measures'}, live at {rate:,} lines/s, {outlets:,} outlets",
                [Run(took, cpu, peak)], documents * 30, reached_lines_per_s=round(documents * 30 / took), cores=cpu / took)


# ---- peers -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def java(log, *command):
    """A JVM in the background, ended by its process id."""
    with open(log, "wb") as file:
        child = subprocess.Popen(["java", *map(str, command)], stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=CLEAN_ENVIRONMENT)
    try:
        yield child
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            with contextlib.suppress(ChildProcessError):
                child.wait()


def flink(address, deliveries, reference, folder, within, job):
    """It ends by itself when it has read what is there."""
    begun = run("java", "-Xms3g", "-Xmx3g", "-XX:+UseParallelGC", *FLINK_OPENS, *JAVA_QUIET, "-cp", classes("flink"), "peer.Job", address, deliveries,
                reference, "peer-flink-rows", folder, 10_000, within=within, log=folder / "flink.log")
    return begun


def kafka_streams(address, deliveries, reference, folder, within, job):
    """It runs on after its work: SIGTERM follows when it has published the last day, and the close commits. Its CPU is that of all its life."""
    log, last = folder / "kafka-streams.log", f"published {job.last_day}"
    begun = time.monotonic()
    with java(log, "-Xms3g", "-Xmx3g", "-Xmn2g", "-XX:+UseParallelGC", *JAVA_QUIET, "-cp", classes("kafka-streams"), "peer.App", address, deliveries,
              reference, "peer-kafka-streams-rows", folder, f"peer-kafka-streams-{time.time_ns()}", SOURCE_PARTITIONS) as child:
        while last not in log.read_text(errors="replace"):
            if child.poll() is not None or time.monotonic() - begun > within:
                raise Failed(f"the Kafka Streams peer did not finish within {within} s:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        child.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    return Run(time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, log.read_text(errors="replace"))


def peers(kafka, jobs, results, repeat, truths, within):
    build_peers()
    measured = {}
    for peer, start, more_topics in (("flink", flink, {}), ("kafka-streams", kafka_streams, {"peer-kafka-streams-rows-partial": 1})):
        name = {"flink": "Flink", "kafka-streams": "Kafka Streams"}[peer]
        for job in jobs:
            market, runs, more = kafka.input_of(job), [], {}
            for _ in range(repeat):
                rows = f"peer-{peer}-rows"
                topics(kafka.address, f"peer-{peer}", **{rows: MARKET_PARTITIONS}, **more_topics)
                folder = kafka.support.scratch() / peer
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                before = kafka.broker_cpu()
                runs.append(start(kafka.address, market.prefix + "deliveries", market.prefix + "reference", folder, within, job))
                more["broker_cpu_s"] = kafka.broker_cpu() - before
                if len(runs) == 1:
                    table = kafka.support.scratch() / f"{peer}.table"
                    done = run("java", "-Xmx3g", "-XX:+UseSerialGC", *JAVA_QUIET, "-cp", classes("kafka-streams"), "peer.Table", kafka.address,
                               market.prefix + "reference", rows, "2026-01-05", job.days, table, within=300)
                    more.update(row_records=int(done.output.split()[0]), rows=truths.check(job, table, name))
                more["rows_mb"] = kafka.topic_bytes(rows) / 1e6
            measured[peer, job.name] = results.add("peers", f"{name}, exactly once, backlog, {job.name}", runs, job.lines, **more)
        if len(jobs) > 1:
            small, large = jobs[0], jobs[-1]
            cpu = measured[peer, large.name]["cpu_s"]["median"] - measured[peer, small.name]["cpu_s"]["median"]
            results.figure("peers", f"{name}, without the start of the JVM ({large.name} less {small.name})",
                           cpu_us_per_line=round(cpu / (large.lines - small.lines) * 1e6, 2))
        topics(kafka.address, f"peer-{peer}")
    return measured


