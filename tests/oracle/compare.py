#!/usr/bin/env python3
"""Compares two output folders of a replay: compare.py A B [--no-alerts]; exit 0 if they agree, 1 if not.

metrics.jsonl and alerts.jsonl must agree byte for byte; of quarantine.jsonl only (reason, file, line, sku_id)
counts, because the detail is free text.
"""

import argparse
import json
import pathlib
import shlex
import sys
from itertools import zip_longest

KEY = ("as_of", "brand_id", "region_id", "class_dimension", "class_value", "window_days")
ALERT_KEY = ("rule", "brand_id", "sku_id", "outlet_id", "class_dimension", "class_value", "transition")
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


def alert_sort_key(line):
    """The order the file is in: region_id counts as empty for outlet rules, the only ones so far."""
    texts = tuple(str(line.get(name, "")).encode("utf-8", "surrogatepass") for name in ALERT_KEY[:-1])
    number = line.get(ALERT_KEY[-1])
    return texts + (number if isinstance(number, int) else -1,)


def readable_alert(line):
    evidence = ", ".join(str(item.get("event_id")) for item in line.get("evidence") or [] if isinstance(item, dict))
    return (f"{line.get('transition')}. {line.get('state')} {line.get('severity')} episode {line.get('episode')} "
            f"at {line.get('at')} since {line.get('since')} known {line.get('known_at')} "
            f"{line.get('value')}/{line.get('threshold')} region {line.get('region_id')!r} [{evidence}]")


def describe_alert_difference(number, left, right, a, b):
    print(f"alerts.jsonl: first difference at line {number}")
    one, other = parse(left or b""), parse(right or b"")
    if one is None and other is None:
        print(f"  A: {(left or b'')[:600]!r}\n  B: {(right or b'')[:600]!r}")
        return
    # Of two different keys the earlier one is the one that the other side lacks a line of.
    first = min((line for line in (one, other) if line is not None), key=alert_sort_key)
    rule, outlet, sku = (first.get(name) for name in ("rule", "outlet_id", "sku_id"))
    print(f"  {rule} outlet {outlet!r} SKU {sku!r} brand {first.get('brand_id')!r}")
    if one is not None and other is not None and alert_sort_key(one) == alert_sort_key(other):
        describe_fields(flatten(one), flatten(other), left, right)
    for name, lines in (("A", a), ("B", b)):
        print(f"  this alert around it in {name}:")
        for at, line in enumerate(map(parse, lines), start=1):
            is_same = line and (line.get("rule"), line.get("outlet_id"), line.get("sku_id")) == (rule, outlet, sku)
            if is_same and abs(at - number) <= 3:
                print(f"  {'>' if at == number else ' '} {readable_alert(line)}")
    print(f"  its history: history.py --in IN --outlet {shlex.quote(str(outlet))} --sku {shlex.quote(str(sku))}")


def compare_alerts(folder_a, folder_b):
    a, b = read_lines(folder_a, "alerts.jsonl"), read_lines(folder_b, "alerts.jsonl")
    if a is None or b is None:
        print(f"alerts.jsonl: missing in {'A' if a is None else 'B'}")
        return False
    differing = [(i, x, y) for i, (x, y) in enumerate(zip_longest(a, b), start=1) if x != y]
    if not differing:
        return True
    describe_alert_difference(*differing[0], a, b)
    print(f"  lines: A {len(a) - 1}, B {len(b) - 1}")
    return False


def quarantined(folder, with_counts):
    lines = read_lines(folder, "quarantine.jsonl")
    if lines is None:
        return None
    parsed = [parse(raw) or {} for raw in lines if raw]
    if not with_counts:
        parsed = [line for line in parsed if line.get("reason") != "count_implausible"]
    return {(line.get("reason"), line.get("file"), line.get("line"), line.get("sku_id")): line for line in parsed}


def compare_quarantine(folder_a, folder_b, with_counts=True):
    a, b = quarantined(folder_a, with_counts), quarantined(folder_b, with_counts)
    if a is None or b is None:
        print(f"quarantine.jsonl: missing in {'A' if a is None else 'B'}")
        return False
    differing = sorted(set(a) ^ set(b), key=lambda key: (str(key[1]), str(key[2]).zfill(9), str(key[0]), str(key[3])))
    for key in differing[:SHOWN]:
        reason, file, line, sku = key
        entry = a.get(key) or b.get(key)
        print(f"quarantine.jsonl: only in {'A' if key in a else 'B'}: {file}:{line} {reason}"
              f"{'' if sku is None else f' of SKU {sku!r}'}: {entry.get('detail')}")
    if len(differing) > SHOWN:
        print(f"  and {len(differing) - SHOWN} more")
    return not differing


def main():
    parser = argparse.ArgumentParser(description="compares two output folders of a replay")
    parser.add_argument("a")
    parser.add_argument("b")
    parser.add_argument("--no-alerts", action="store_true", help="leave alerts.jsonl and count_implausible out")
    arguments = parser.parse_args()
    folders = (arguments.a, arguments.b)
    same = [compare_quarantine(*folders, with_counts=not arguments.no_alerts), compare_metrics(*folders)]
    if not arguments.no_alerts:
        same.append(compare_alerts(*folders))
    return 0 if all(same) else 1


if __name__ == "__main__":
    sys.exit(main())
