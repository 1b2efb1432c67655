"""Runs commands with limits, measures them, and collects the table of bench/run."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
CLEAN_ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("FIVERATE_")}


def progress(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Failed(Exception):
    """A part cannot continue. The message reports what happened and what to do."""


@dataclasses.dataclass
class Run:
    wall_s: float
    cpu_s: float
    peak_mib: float = 0.0
    output: str = ""


def run(*command, within=600, cwd=None, log=None, environment=None):
    """Runs a command to its end. CPU is user + system of the process with all its threads; stderr and stdout are in `output`."""
    command = [str(part) for part in command]
    begun = time.monotonic()
    with open(log or os.devnull, "wb") if log else contextlib.nullcontext() as file:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file or subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd,
                                 env={**CLEAN_ENVIRONMENT, **(environment or {})}, start_new_session=True)
        late = threading.Event()

        def stop():
            late.set()
            os.killpg(child.pid, signal.SIGKILL)

        timer = threading.Timer(within, stop)
        timer.start()
        try:
            output = child.stdout.read().decode(errors="replace") if child.stdout else ""
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:  # an interrupt must not leave the child behind
            os.killpg(child.pid, signal.SIGKILL)
            raise
        finally:
            timer.cancel()
    child.returncode = os.waitstatus_to_exitcode(status)
    if log:
        output = pathlib.Path(log).read_text(errors="replace")
    if late.is_set():
        raise Failed(f"{command[0]} did not end within {within} s:\n{output[-2000:]}")
    if child.returncode != 0:
        raise Failed(f"{' '.join(command)[:300]} ended with {child.returncode}:\n{output[-3000:]}")
    return Run(time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def cpu_of(pid):
    """User + system seconds of a living process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mib(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def folder_bytes(folder):
    """While files come and go in it."""
    size = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                size += os.stat(os.path.join(path, name)).st_size
    return size


def spread(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


class Results:
    """One line of the table for each measurement; it is saved after each, so that an interrupted run leaves what it has measured."""

    def __init__(self, folder, head):
        self.folder, self.head, self.rows, self.notes = folder, head, [], []
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, part, what, runs, lines=0, **more):
        """`lines` of input a run; `more` are figures of the last run."""
        row = {"part": part, "what": what, "runs": len(runs), "lines": lines,
               "cpu_s": spread([one.cpu_s for one in runs]), "wall_s": spread([one.wall_s for one in runs])}
        if any(one.peak_mib for one in runs):
            row["peak_mib"] = max(one.peak_mib for one in runs)
        if lines:
            row["cpu_us_per_line"] = row["cpu_s"]["median"] / lines * 1e6
            row["lines_per_cpu_s"] = lines / max(row["cpu_s"]["median"], 1e-9)
        row.update(more)
        self.rows.append(row)
        self.save()
        progress(f"  {what}: CPU {row['cpu_s']['median']:.2f} s, wall {row['wall_s']['median']:.2f} s"
                 + (f", {row['cpu_us_per_line']:.2f} us/line" if lines else ""))
        return row

    def figure(self, part, what, **more):
        """A line without a time of its own."""
        self.rows.append({"part": part, "what": what, **more})
        self.save()
        progress(f"  {what}: {', '.join(f'{name} {value}' for name, value in more.items())}")

    def note(self, text):
        self.notes.append(text)
        self.save()
        progress(f"  note: {text}")

    def markdown(self):
        lines = ["# bench/run", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {value if isinstance(value, str) else json.dumps(value)} |" for name, value in self.head.items()]
        lines += ["", "CPU is user + system of the measured process with all threads; min / median / max of the runs.", "",
                  "| part | what | runs | CPU s | wall s | CPU us a line | peak MiB | more |", "|---|---|---|---|---|---|---|---|"]
        known = {"part", "what", "runs", "lines", "cpu_s", "wall_s", "peak_mib", "cpu_us_per_line", "lines_per_cpu_s"}

        def three(values):
            return "" if values is None else " / ".join(f"{values[name]:.2f}" for name in ("min", "median", "max"))

        def number(value, digits):
            return "" if value is None else f"{value:,.{digits}f}"

        for row in self.rows:
            more = ", ".join(f"{name.replace('_', ' ')} {value:,.2f}" if isinstance(value, float) else f"{name.replace('_', ' ')} {value}"
                             for name, value in row.items() if name not in known)
            lines.append(f"| {row['part']} | {row['what']} | {row.get('runs', '')} | {three(row.get('cpu_s'))} | {three(row.get('wall_s'))} "
                         f"| {number(row.get('cpu_us_per_line'), 2)} | {number(row.get('peak_mib'), 0)} | {more} |")
        lines += [""] + [f"- {note}" for note in self.notes]
        return "\n".join(lines) + "\n"

    def save(self):
        (self.folder / "results.json").write_text(json.dumps({**self.head, "rows": self.rows, "notes": self.notes}, indent=1) + "\n")
        (self.folder / "results.md").write_text(self.markdown())
