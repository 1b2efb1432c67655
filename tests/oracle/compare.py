#!/usr/bin/env python3
"""Compares two output folders of a replay: compare.py A B; exit 0 if they agree, 1 if not.

metrics.jsonl must agree byte for byte; of quarantine.jsonl only (reason, file, line) counts,
because the detail is free text.
"""

import json
import pathlib
import sys
from itertools import zip_longest

KEY = ("as_of", "brand_id", "region_id", "class_dimension", "class_value", "window_days")
SHOWN = 20


def read_lines(folder, name):
    path = pathlib.Path(folder) / name
    return path.read_bytes().split(b"\n") if path.exists() else None


def parse(raw):
    """The line as an object, or None; it may be anything if the other side is wrong."""
    try:
        value = json.loads(raw)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def flatten(value, path=""):
    """{"rates": {"buying": {...}}} as {"rates.buying.numerator": ...}."""
    if not isinstance(value, dict):
        return {path: value}
    flat = {}
    for name, inner in value.items():
        flat.update(flatten(inner, f"{path}.{name}" if path else name))
    return flat or {path: {}}


def key_of(line):
    return " ".join(f"{name}={line.get(name)!r}" for name in KEY)


def sort_key(line):
    """The order the files are in, to tell which side lacks a line."""
    texts = tuple(str(line.get(name, "")).encode("utf-8", "surrogatepass") for name in KEY[:-1])
    window = line.get(KEY[-1])
    return texts + (window if isinstance(window, int) else -1,)


def describe_difference(number, left, right):
    print(f"metrics.jsonl: first difference at line {number}")
    one, other = parse(left or b""), parse(right or b"")
    if one is None or other is None:
        print(f"  A: {(left or b'')[:400]!r}\n  B: {(right or b'')[:400]!r}")
        return
    if sort_key(one) != sort_key(other):
        only_in_a = sort_key(one) < sort_key(other)
        print(f"  only in {'A' if only_in_a else 'B'}: {key_of(one if only_in_a else other)}")
        print(f"  measures: {(one if only_in_a else other).get('measures')}")
        return
    print(f"  {key_of(one)}")
    describe_fields(flatten(one), flatten(other), left, right)


def describe_fields(one, other, left, right):
    names = list(one) + [name for name in other if name not in one]
    differing = [name for name in names if one.get(name, "absent") != other.get(name, "absent")]
    for name in differing:
        print(f"  {name}: A {one.get(name, 'absent')!r}, B {other.get(name, 'absent')!r}")
    if not differing:
        print(f"  same values, other bytes (order of keys, spaces, digits)\n  A: {left!r}\n  B: {right!r}")


def compare_metrics(folder_a, folder_b):
    a, b = read_lines(folder_a, "metrics.jsonl"), read_lines(folder_b, "metrics.jsonl")
    if a is None or b is None:
        print(f"metrics.jsonl: missing in {'A' if a is None else 'B'}")
        return False
    differing = [(i, x, y) for i, (x, y) in enumerate(zip_longest(a, b), start=1) if x != y]
    if not differing:
        return True
    describe_difference(*differing[0])
    print(f"  lines: A {len(a) - 1}, B {len(b) - 1}")
    return False


def quarantined(folder):
    lines = read_lines(folder, "quarantine.jsonl")
    if lines is None:
        return None
    parsed = [parse(raw) or {} for raw in lines if raw]
    return {(line.get("reason"), line.get("file"), line.get("line")): line for line in parsed}


def compare_quarantine(folder_a, folder_b):
    a, b = quarantined(folder_a), quarantined(folder_b)
    if a is None or b is None:
        print(f"quarantine.jsonl: missing in {'A' if a is None else 'B'}")
        return False
    differing = sorted(set(a) ^ set(b), key=lambda key: (str(key[1]), str(key[2]).zfill(9), str(key[0])))
    for key in differing[:SHOWN]:
        reason, file, line = key
        entry = a.get(key) or b.get(key)
        print(f"quarantine.jsonl: only in {'A' if key in a else 'B'}: {file}:{line} {reason}: {entry.get('detail')}")
    if len(differing) > SHOWN:
        print(f"  and {len(differing) - SHOWN} more")
    return not differing


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    same_quarantine = compare_quarantine(*sys.argv[1:])
    same_metrics = compare_metrics(*sys.argv[1:])
    return 0 if same_quarantine and same_metrics else 1


if __name__ == "__main__":
    sys.exit(main())
