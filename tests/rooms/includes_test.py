#!/usr/bin/env python3
"""Dependencies point inward, and the core touches nothing outside: looks at the #includes, which CMake cannot hide."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAY_SEE = {  # a room: the rooms of ours that it may include
    "schemas": ["schemas"],
    "processors/trade": ["schemas", "processors/trade"],
    "processors/stream": ["schemas", "processors/stream"],
    "processors/stages": ["schemas", "processors/trade", "processors/stream", "processors/stages"],
    "processors/edge": ["schemas", "processors/trade", "processors/stream", "processors/edge"],
    "producers": ["schemas", "processors", "producers"],
    "readers": ["schemas", "processors", "readers"],
}
CORE = ["processors/trade", "processors/stages", "processors/stream"]
OUTSIDE = re.compile(r"librdkafka|rocksdb|random|fstream|filesystem|iostream|ctime|csignal|sys/|unistd|thread$|future|curl|boost(?!/container)")
# The loop asks a steady clock when to commit, and waits in lengths of time; a log in memory is shared by threads.
ALLOWED = {("processors/stream", "chrono"), ("processors/stream", "stop_token"), ("processors/stream", "mutex"),
           ("processors/stream", "condition_variable")}
NOT_IN_CORE = re.compile(r"chrono|stop_token|mutex|condition_variable|atomic")
CLOCKS = re.compile(r"system_clock|high_resolution_clock|gettimeofday|clock_gettime|\btime\(\s*(NULL|nullptr|0)?\s*\)|random_device|\brand\(")
STEADY_CLOCK_IN = {f"processors/stream/{name}" for name in ("worker.h", "worker.cc", "standby.h", "standby.cc")}

faults = []
for room, may_see in MAY_SEE.items():
    for path in sorted(p for p in (ROOT / room).rglob("*") if p.suffix in (".h", ".cc")):
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text()
        for include in re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', text, re.M):
            ours = include.split("/")[0] in ("schemas", "producers", "processors", "readers", "cli", "tests")
            if ours and not any(include.startswith(other + "/") for other in may_see):
                faults.append(f"{name} includes {include}")
            if room in CORE and (OUTSIDE.match(include) or NOT_IN_CORE.match(include) and (room, include) not in ALLOWED):
                faults.append(f"{name} includes <{include}>: the core touches nothing outside")
        if room in CORE and (CLOCKS.search(text) or "steady_clock" in text and name not in STEADY_CLOCK_IN):
            faults.append(f"{name} asks a clock or chance: time is an argument")
print("\n".join(faults) or "all rooms keep to themselves")
sys.exit(bool(faults))
