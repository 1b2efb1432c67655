"""The reduced job: its data, its settings, and the comparison of its rows. bench/reduced_job.cc describes the data and the dense table."""

import datetime
import functools
import pathlib
import shutil
import subprocess

from .measure import CLEAN_ENVIRONMENT, ROOT, Failed, progress, run

FIRST_DAY = datetime.date(2026, 1, 5)
BRANDS, COUNTIES, VALUES, LINES = 150, 100, 6, 30
REDUCED = {"measures": ["purchases"], "windows": [7, 28, 91]}
TOOLS = ROOT / "build" / "bench" / "tools"


@functools.cache
def tool():
    """The generator, compiled again when its source is newer."""
    source, program = ROOT / "bench" / "reduced_job.cc", TOOLS / "reduced_job"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        TOOLS.mkdir(parents=True, exist_ok=True)
        progress("compiling bench/reduced_job.cc")
        run("c++", "-std=c++20", "-O2", "-o", program, source)
    return program


class Job:
    """A size of the reduced job; its files are made once and kept under build/bench."""

    def __init__(self, outlets, weeks, seed, dimensions=1, lines=LINES):
        self.outlets, self.weeks, self.days, self.seed, self.lines_each = outlets, weeks, 7 * weeks, seed, lines
        self.name = f"{outlets}x{weeks}" + (f", {dimensions} class dimensions" if dimensions != 1 else "")
        self.lines = outlets * weeks * lines
        self.last_day = FIRST_DAY + datetime.timedelta(days=self.days - 1)
        self.folder = ROOT / "build" / "bench" / "data" / f"{outlets}x{weeks}-{lines}-{dimensions}-{seed}"
        self.dimensions = dimensions

    def files(self):
        if (self.folder / "done").exists() and (self.folder / "done").stat().st_mtime > tool().stat().st_mtime:
            return self.folder
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        took = run(tool(), "generate", "--out", self.folder, "--outlets", self.outlets, "--weeks", self.weeks, "--lines", self.lines_each,
                   "--brands", BRANDS, "--counties", COUNTIES, "--values", VALUES, "--dimensions", self.dimensions, "--seed", self.seed)
        (self.folder / "done").touch()
        progress(f"generated {self.lines:,} lines in {took.wall_s:.1f} s into {self.folder.relative_to(ROOT)}")
        return self.folder

    # ---- rows ----

    def table(self, rows, out):
        """A file of JSON lines, or a command that prints them, as the dense table."""
        command = [tool(), "table", "--out", out, "--days", self.days, "--brands", BRANDS, "--counties", COUNTIES, "--values", VALUES]
        command = list(map(str, command))
        if isinstance(rows, (str, pathlib.Path)):
            return run(*command, rows, within=1200).output.strip()
        with subprocess.Popen(list(map(str, rows)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                              env=CLEAN_ENVIRONMENT) as source:
            done = subprocess.run(command, stdin=source.stdout, capture_output=True, text=True, timeout=1200, check=False)
            source.stdout.close()
            error = source.stderr.read().decode(errors="replace")
        if source.returncode != 0 or done.returncode != 0:
            raise Failed(f"no rows from {' '.join(map(str, rows))}: {error}{done.stderr}")
        return done.stdout.strip()

    def day_bytes(self):
        return BRANDS * (COUNTIES + 1) * (VALUES + 1) * 3 * 4 * 4

    def compare(self, one, other, days=None):
        """Whether two dense tables are equal on these days (default all). Raises Failed with the first difference."""
        with open(one, "rb") as first, open(other, "rb") as second:
            for day in range(self.days) if days is None else days:
                first.seek(day * self.day_bytes())
                second.seek(day * self.day_bytes())
                left, right = first.read(self.day_bytes()), second.read(self.day_bytes())
                if len(left) != self.day_bytes() or left != right:
                    raise Failed(self.difference(day, left, right, one, other))
        return "equal on all days" if days is None else f"equal on {', '.join(str(FIRST_DAY + datetime.timedelta(days=day)) for day in days)}"

    def difference(self, day, left, right, one, other):
        at = next((i for i in range(0, min(len(left), len(right)), 4) if left[i:i + 4] != right[i:i + 4]), None)
        if at is None:
            return f"{one} and {other} differ in size on day {day}: {len(left)} and {len(right)} bytes"
        place, measure = divmod(at // 4, 4)
        place, window = divmod(place, 3)
        place, value = divmod(place, VALUES + 1)
        brand, county = divmod(place, COUNTIES + 1)
        names = ("buying_outlets", "repeat_buying_outlets", "delivered_units", "previous_net_delivered_units")
        return (f"rows differ on {FIRST_DAY + datetime.timedelta(days=day)}, brand B{brand + 1:03}, region {county and f'R{county:03}'}, class value {value}, "
                f"window {(7, 28, 91)[window]}, {names[measure]}: {int.from_bytes(left[at:at + 4], 'little', signed=True)} in {one}, "
                f"{int.from_bytes(right[at:at + 4], 'little', signed=True)} in {other}")


@functools.cache
def knows_reduced(program):
    """Whether the program has the settings that select the measures and windows of the reduced job."""
    done = subprocess.run([program, "-X", "rates.measures=purchases", "config", "show"], capture_output=True, stdin=subprocess.DEVNULL,
                          env=CLEAN_ENVIRONMENT, timeout=60, check=False, cwd="/")
    return done.returncode == 0


def reduced_options(program):
    return ["-X", "rates.measures=purchases", "-X", "rates.windows=7,28,91"] if knows_reduced(program) else []
