"""Parts of bench/run around the whole program: raw limits, stages, latency, memory, recovery and growth."""

import contextlib
import json
import os
import re
import shutil
import sys
import time

from .job import Job, knows_reduced, reduced_options
from .kafka import build_peers, topics
from .measure import ROOT, Failed, Run, cpu_of, folder_bytes, peak_mib, run


def built(name, results, part):
    """A benchmark program of the build; a note if it is missing."""
    found = [path for path in (ROOT / "build" / "release" / "bench" / name,) if path.exists()]
    if os.environ.get("FIVERATE_BENCH_FOLDER"):
        found = [path for path in [ROOT.joinpath(os.environ["FIVERATE_BENCH_FOLDER"], name)] if path.exists()]
    if not found:
        results.note(f"part {part} is left out: {name} is missing. Build it with cmake --build --preset release --target {name}")
        return None
    return found[0]


def limits(kafka, job, results, scratch, repeat):
    program = built("limits_bench", results, "limits")
    if not program:
        return
    build_peers()
    market, steps = kafka.input_of(job), {}
    for _ in range(repeat):
        topics(kafka.address, "bench-limits", **{"bench-limits": 2})
        folder = scratch / "limits"
        shutil.rmtree(folder, ignore_errors=True)
        output = run(program, kafka.address, market.prefix + "deliveries", "bench-limits", folder, within=300).output
        for line in output.splitlines():
            if line.startswith("{"):
                step = json.loads(line)
                steps.setdefault(step["step"], []).append(Run(step["wall_s"], step["cpu_s"]))
                if step["lines"] != job.lines:
                    raise Failed(f"limits_bench has read {step['lines']} lines of {job.lines}")
    for step, runs in steps.items():
        results.add("limits", step, runs, job.lines)


def stages(results, scratch, repeat, quick):
    program = built("fiverate_bench", results, "stages")
    if not program:
        return
    chosen = "outlet_stage/all(/iterations.*)?$|market_stage/final_rows" if quick else "outlet_stage|first_stock|trade_core|market_stage|simulate_market"
    out = scratch / "stages.json"
    run(program, f"--benchmark_filter={chosen}", f"--benchmark_repetitions={repeat}", f"--benchmark_out={out}", "--benchmark_out_format=json",
        within=1800, environment={"FIVERATE_BENCH_OUTLETS": "300" if quick else "1000"})
    rounds, rates = {}, {}
    for one in json.loads(out.read_text())["benchmarks"]:
        if one.get("run_type") == "aggregate":
            continue
        unit = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}[one["time_unit"]]
        rounds.setdefault(one["run_name"], []).append(Run(one["real_time"] * unit, one["cpu_time"] * unit))
        rates[one["run_name"]] = {name: round(value) for name, value in one.items()
                                  if name.endswith(("/s", "per_second")) and isinstance(value, (int, float))}
    for name, runs in rounds.items():
        results.add("stages", name, runs, **rates[name])


def latency(program, results, quick):
    rates = "33" if quick else "33,300"
    output = run(sys.executable, ROOT / "bench" / "latency", "--rates", rates, "--seconds", 20 if quick else 40, within=900,
                 environment={"FIVERATE_TEST_PROGRAM": program}).output
    for line in output.splitlines():
        found = re.match(r"(.*\S)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)$", line)
        if found:
            numbers = list(map(int, found.groups()[1:]))
            results.figure("latency", found.group(1), events_per_s=numbers[0], events=numbers[1],
                           **dict(zip(("p50_ms", "p90_ms", "p99_ms", "most_ms"), numbers[2:])))


def recovery(program, results, pairs):
    output = run(sys.executable, ROOT / "bench" / "recovery", "--pairs", pairs, "--only", "kill,snapshot,replay", within=1800,
                 environment={"FIVERATE_TEST_PROGRAM": program}).output
    for line in output.splitlines():
        found = re.match(r"(build|kill|standby|snapshot|replay|history)\s+(\S.*)$", line)
        if found:
            results.figure("recovery", f"{found.group(1)}, {pairs:,} pairs of outlet and SKU", figures=found.group(2))


def replayed(program, job, scratch, *options):
    out = scratch / "replayed"
    shutil.rmtree(out, ignore_errors=True)
    measured = run(program, *reduced_options(program), "replay", "--in", job.files(), "--out", out, *options, within=1800, cwd=scratch)
    measured.output = str((out / "metrics.jsonl").stat().st_size)
    shutil.rmtree(out)
    return measured


def memory(program, results, scratch, seed, quick):
    """Peak memory of a replay by outlets and by class dimensions; rows of the last day only."""
    sizes = (1000, 3000) if quick else (5000, 20000)
    peaks = []
    for outlets in sizes:
        job = Job(outlets, 4, seed)
        one = replayed(program, job, scratch, "--days", str(Job(outlets, 4, seed).last_day))
        peaks.append(one.peak_mib)
        results.add("memory", f"replay --in, {job.name}", [one], job.lines)
    pairs = (sizes[1] - sizes[0]) * 85  # an outlet buys some 85 of the 150 SKUs within four weeks
    results.figure("memory", "more memory for each outlet-SKU", bytes=round((peaks[1] - peaks[0]) * 2**20 / pairs, 1))
    for dimensions in (1, 3, 6):
        job = Job(500 if quick else 2000, 4, seed, dimensions)
        one = replayed(program, job, scratch, "--days", str(job.last_day))
        results.add("memory", f"replay --in, {job.name}", [one], job.lines, output_mb=int(one.output) / 1e6)


def growth(kafka, results, sizes, seed, within):
    """The same number of lines a week and outlet; more outlets."""
    rates = []
    for outlets, weeks in sizes:
        job = Job(outlets, weeks, seed, lines=6)
        sections = {"rates": {"measures": ["purchases"], "windows": [7, 28, 91]}} if knows_reduced(kafka.support.program()) else {}
        market, _ = kafka.market(job, **sections)
        begun, process = time.monotonic(), market.run()
        while not market.up_to_date():
            if not process.is_alive() or time.monotonic() - begun > within:
                results.note(f"growth: {job.name} did not finish within {within} s")
                process.end()
                topics(kafka.address, market.prefix)
                return
            time.sleep(2)
        one = Run(time.monotonic() - begun, cpu_of(process.child.pid), peak_mib(process.child.pid))
        state = folder_bytes(market.state)
        process.stop()
        topics(kafka.address, market.prefix)
        with contextlib.suppress(OSError):
            shutil.rmtree(market.state)
        rates.append(results.add("growth", f"fiverate run, {outlets:,} outlets, {weeks} weeks, 6 lines a delivery", [one], job.lines,
                                 state_bytes_per_outlet=state / outlets)["lines_per_cpu_s"])
        shutil.rmtree(job.folder)
    if len(rates) > 1:
        results.figure("growth", "lines per CPU second, most outlets / fewest", ratio=round(rates[-1] / rates[0], 3))


