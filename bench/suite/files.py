"""Part `files`: replay of files beside DuckDB on the same rows of the reduced job."""

import shutil
import sys

from .job import knows_reduced, reduced_options
from .measure import ROOT, Failed, progress, run

DUCKDB = ("duckdb==2.0.1",)
VENV = ROOT / "build" / "bench" / "venv"


def python():
    """A virtual environment with DuckDB in its pinned version."""
    program, done = VENV / "bin" / "python", VENV / "installed"
    if not done.exists() or done.read_text() != " ".join(DUCKDB):
        progress(f"installing {', '.join(DUCKDB)} into {VENV.relative_to(ROOT)}")
        run(sys.executable, "-m", "venv", VENV)
        run(VENV / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *DUCKDB)
        done.write_text(" ".join(DUCKDB))
    return program


def duckdb(job, out, *days):
    return run(python(), ROOT / "bench" / "suite" / "duckdb_rows.py", job.files(), out, *days, within=1200)


class Truths:
    """The dense table that all programs must reach: DuckDB's for the smallest job; for larger ones, whose rows of all days take DuckDB tens of
    gigabytes, that of the first program with rows of all days."""

    def __init__(self, smallest, scratch):
        self.smallest, self.scratch, self.tables = smallest, scratch, {}

    def check(self, job, table, program, days=None):
        if job is self.smallest and job.name not in self.tables:
            self.tables[job.name] = "DuckDB", self.duckdb(job)
        if job.name in self.tables:
            other, truth = self.tables[job.name]
            return f"{job.compare(table, truth, days)} to those of {other}"
        if days is not None:
            return "not compared"
        kept = job.folder / "first.table"
        shutil.copyfile(table, kept)
        self.tables[job.name] = program, kept
        return "the first, the others are compared with them"

    def duckdb(self, job):
        table = job.folder / "duckdb.table"
        job.files()
        if not table.exists() or table.stat().st_mtime < (job.folder / "done").stat().st_mtime:
            progress(f"all rows of {job.name} with DuckDB, for comparison")
            rows = self.scratch / "duckdb.jsonl"
            duckdb(job, rows, "all", job.days)
            job.table(rows, table)
            rows.unlink()
        return table


def measure(job, program, results, scratch, repeat, with_all_days):
    folder, reduced = job.files(), reduced_options(program)
    if not reduced:
        results.note("this program has no settings rates.measures and rates.windows: `replay` computes all measures and windows")
    what = "reduced" if reduced else "all measures"
    truth = job.folder / "duckdb.table"
    options = [("one day", ["--days", str(job.last_day)], [job.days - 1], [str(job.last_day)])]
    if with_all_days:
        options.append(("all days", [], None, ["all", str(job.days)]))
    for name, days, compared, duckdb_days in options:
        runs, ours, theirs = [], scratch / "ours.table", scratch / "duckdb.table"
        for _ in range(repeat):
            runs.append(duckdb(job, scratch / "duckdb.jsonl", *duckdb_days))
        rows = job.table(scratch / "duckdb.jsonl", theirs)
        if name == "all days":
            shutil.copyfile(theirs, truth)  # parts kafka and peers compare with it
        other = results.add("files", f"DuckDB, {name}, {job.name}", runs, job.lines, rows=int(rows.split()[0]),
                            output_mb=(scratch / "duckdb.jsonl").stat().st_size / 1e6)
        if name == "all days" and not knows_reduced(program):
            results.note("`replay` of all days is left out: with all measures it writes tens of gigabytes")
            continue
        runs = []
        for _ in range(repeat):
            out = scratch / "replayed"
            shutil.rmtree(out, ignore_errors=True)
            runs.append(run(program, *reduced, "replay", "--in", folder, "--out", out, *days, within=1800, cwd=scratch))
        job.table(out / "metrics.jsonl", ours)
        size = (out / "metrics.jsonl").stat().st_size
        shutil.rmtree(out)
        row = results.add("files", f"fiverate replay --in, {what}, {name}, {job.name}", runs, job.lines, output_mb=size / 1e6,
                          rows=job.compare(ours, theirs, compared) + " to those of DuckDB")
        results.figure("files", f"lines per CPU second, fiverate / DuckDB, {name}", ratio=round(other["cpu_s"]["median"] / row["cpu_s"]["median"], 3))


