#!/usr/bin/env python3
"""Checks the #includes of all folders: dependencies point inward, and the core uses no I/O, threads, logging, clocks or random numbers.
Only cli/screen writes to the terminal, where one function escapes data (schemas/visible_text.h).

CMake cannot check it: the include path of every target is the root of the tree.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAY_INCLUDE = {  # folder -> the folders of ours that it may include
    "schemas": ["schemas"],
    "processors/trade": ["schemas", "processors/trade"],
    "processors/stream": ["schemas", "processors/stream"],
    "processors/stages": ["schemas", "processors/trade", "processors/stream", "processors/stages"],
    "processors/runtime": ["schemas", "processors/trade", "processors/stages", "processors/stream", "processors/runtime"],
    "processors/edge": ["schemas", "processors/trade", "processors/stream", "processors/edge"],
    "producers": ["schemas", "processors", "producers"],
    "readers": ["schemas", "processors", "readers"],
}
CORE = ["processors/trade", "processors/stages", "processors/stream", "processors/runtime"]
IO = re.compile(r"librdkafka|rocksdb|openssl|spdlog|curl|boost(?!/container|/sort)|fstream|filesystem|iostream|cstdio|sys/|unistd|csignal")
THREADS = re.compile(r"thread$|mutex|shared_mutex|condition_variable|atomic|future|stop_token|semaphore")
TIME_AND_CHANCE = re.compile(r"chrono|ctime|random")
# (folder or file, header): stream and runtime measure lengths of time; a failpoint counts over the threads of a process.
ALLOWED = {("processors/stream", "chrono"), ("processors/runtime", "chrono"), ("processors/stream/failpoint.cc", "atomic")}
# A clock is a parameter of what needs one. std::chrono::steady_clock::now may be its default, but is not called here.
CLOCKS = re.compile(r"system_clock|high_resolution_clock|gettimeofday|clock_gettime|\btime\(\s*(NULL|nullptr|0)?\s*\)|random_device|\brand\(|steady_clock::now\(\)")
PRINTS = re.compile(r"\bf?printf\(|\bf?puts\(|\bfmt::print\(|std::(cout|cerr|clog)\b")
MAY_PRINT = re.compile(r"cli/screen/|schemas/check\.h$")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)
OURS = ("schemas", "producers", "processors", "readers", "cli", "tests")


def faults_of(folder, path):
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text()
    for include in INCLUDE.findall(text):
        if include.split("/")[0] in OURS:
            if not any(include.startswith(other + "/") for other in MAY_INCLUDE[folder]):
                yield f"{name} includes {include}: {folder} may include only {', '.join(MAY_INCLUDE[folder])}"
        elif folder in CORE and any(kind.match(include) for kind in (IO, THREADS, TIME_AND_CHANCE)):
            if (folder, include) not in ALLOWED and (name, include) not in ALLOWED:
                yield f"{name} includes <{include}>: the core uses no I/O, threads, logging, clocks or random numbers"
    if folder in CORE and (found := CLOCKS.search(text)):
        yield f"{name} calls {found[0]}: time is an argument"


faults = []
for folder in MAY_INCLUDE:
    paths = [path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in (".h", ".cc")]
    if not paths:
        faults.append(f"{folder} has no C++ files")
    for path in paths:
        faults += faults_of(folder, path)
for path in sorted(path for folder in OURS[:-1] for path in (ROOT / folder).rglob("*") if path.suffix in (".h", ".cc")):
    name = path.relative_to(ROOT).as_posix()
    if not MAY_PRINT.match(name) and (found := PRINTS.search(path.read_text())):
        faults.append(f"{name} calls {found[0]}: print through cli/screen (print_message, print_note, TextOutput), which escapes data")
print("\n".join(faults) or "all includes point inward")
sys.exit(bool(faults))
