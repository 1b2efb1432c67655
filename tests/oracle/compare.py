#!/usr/bin/env python3
"""Compares two output folders of a replay: compare.py A B [--days D1,D2,...] [--no-alerts]; exit 0 if they agree, 1 if not.

metrics.jsonl and alerts.jsonl must agree byte for byte; of quarantine.jsonl only (reason, file, line, sku_id)
counts, because the detail is free text. Of metrics.jsonl each measure and rate that differs is named, with its first
line; a missing line hides no others. --days: of metrics.jsonl only the lines of these days, on both sides.
"""

import argparse
import json
import pathlib
import shlex
import sys
from collections import Counter
from itertools import zip_longest

KEY = ("as_of", "brand_id", "region_id", "class_dimension", "class_value", "window_days")
ALERT_KEY = ("rule", "brand_id", "sku_id", "outlet_id", "region_id", "class_dimension", "class_value", "source_topic", "transition")
AS_OF = b'{"as_of":"'
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
    """The order of the lines in the files; it shows on which side a line is missing."""
    texts = tuple(str(line.get(name, "")).encode("utf-8", "surrogatepass") for name in KEY[:-1])
    window = line.get(KEY[-1])
    return texts + (window if isinstance(window, int) else -1,)


def describe_fields(one, other, left, right):
    names = list(one) + [name for name in other if name not in one]
    differing = [name for name in names if one.get(name, "absent") != other.get(name, "absent")]
    for name in differing:
        print(f"  {name}: A {one.get(name, 'absent')!r}, B {other.get(name, 'absent')!r}")
    if not differing:
        print(f"  same values, other bytes (order of keys, spaces, digits)\n  A: {left!r}\n  B: {right!r}")


def by_key(lines):
    """The lines that are objects by their key; what is none has its bytes for a key."""
    found = {}
    for raw in lines:
        line = parse(raw)
        found[(b"", raw) if line is None else sort_key(line)] = line or {"not an object": repr(raw[:400])}
    return found


def describe_missing(side, lines):
    print(f"  only in {side}: {len(lines)} lines, the first:")
    for line in lines[:3]:
        values = {name: value for name, value in (line.get("measures") or {}).items() if value != 0}
        print(f"    {key_of(line)}: {values or line}")


def describe_differing(pairs):
    """Each field that differs: in how many lines, and in the first of them."""
    lines, first = Counter(), {}
    for one, other in pairs:
        flat, flat_other = flatten(one), flatten(other)
        names = list(flat) + [name for name in flat_other if name not in flat]
        for name in names:
            if flat.get(name, "absent") != flat_other.get(name, "absent"):
                lines[name] += 1
                first.setdefault(name, (key_of(one), flat.get(name, "absent"), flat_other.get(name, "absent")))
    print(f"  other values in {len(pairs)} lines:")
    for name in list(first)[:SHOWN]:
        key, value, other_value = first[name]
        print(f"    {name}: A {value!r}, B {other_value!r} ({lines[name]} lines) {key}")
    if len(first) > SHOWN:
        print(f"    and {len(first) - SHOWN} more fields")
    if not first and pairs:
        print("    none: other bytes (order of keys, spaces, digits)")


def is_of_days(raw, days):
    """Is the line of one of these days? A line without a day counts for all of them."""
    begin = raw.startswith(AS_OF) and raw[len(AS_OF):len(AS_OF) + 10].decode("ascii", "replace")
    return not begin or begin in days


def compare_metrics(folder_a, folder_b, days=None):
    a, b = read_lines(folder_a, "metrics.jsonl"), read_lines(folder_b, "metrics.jsonl")
    if a is None or b is None:
        print(f"metrics.jsonl: missing in {'A' if a is None else 'B'}")
        return False
    if days is not None:
        a, b = ([raw for raw in lines if is_of_days(raw, days)] for lines in (a, b))
    if a == b:
        return True
    number = next(i for i, (x, y) in enumerate(zip_longest(a, b), start=1) if x != y)
    print(f"metrics.jsonl: first difference at line {number}; lines: A {len(a) - 1}, B {len(b) - 1}")
    in_a, in_b = set(a), set(b)
    left, right = by_key(raw for raw in a if raw not in in_b), by_key(raw for raw in b if raw not in in_a)
    for side, own, other in (("A", left, right), ("B", right, left)):
        missing = [line for key, line in own.items() if key not in other]
        if missing:
            describe_missing(side, missing)
    pairs = [(line, right[key]) for key, line in left.items() if key in right]
    if pairs:
        describe_differing(pairs)
        one, other = (next(raw for raw in lines if raw not in others and parse(raw) == line)
                      for lines, others, line in ((a, in_b, pairs[0][0]), (b, in_a, pairs[0][1])))
        print(f"  the first of them:\n    A: {one.decode(errors='replace')}\n    B: {other.decode(errors='replace')}")
    if not left and not right:
        print("  the same lines in another order, or some of them twice")
    return False


def alert_sort_key(line):
    """The order the file is in: region_id counts as empty for outlet rules."""
    if line.get("outlet_id"):
        line = dict(line, region_id="")
    texts = tuple(str(line.get(name, "")).encode("utf-8", "surrogatepass") for name in ALERT_KEY[:-1])
    number = line.get(ALERT_KEY[-1])
    return texts + (number if isinstance(number, int) else -1,)


def readable_alert(line):
    evidence = ", ".join(str(item.get("event_id", item.get("as_of"))) for item in line.get("evidence") or [] if isinstance(item, dict))
    return (f"{line.get('transition')}. {line.get('state')} {line.get('severity')} episode {line.get('episode')} "
            f"at {line.get('at')} since {line.get('since')} known {line.get('known_at')} "
            f"{line.get('value')}/{line.get('threshold')} region {line.get('region_id')!r} [{evidence}]")


def describe_alert_difference(number, left, right, a, b):
    print(f"alerts.jsonl: first difference at line {number}")
    one, other = parse(left or b""), parse(right or b"")
    if one is None and other is None:
        print(f"  A: {(left or b'')[:600]!r}\n  B: {(right or b'')[:600]!r}")
        return
    # If the keys differ, the line with the earlier key is missing on the other side.
    first = min((line for line in (one, other) if line is not None), key=alert_sort_key)
    rule, outlet, sku = (first.get(name) for name in ("rule", "outlet_id", "sku_id"))
    print(f"  {rule} outlet {outlet!r} SKU {sku!r} brand {first.get('brand_id')!r} region {first.get('region_id')!r}")
    if one is not None and other is not None and alert_sort_key(one) == alert_sort_key(other):
        describe_fields(flatten(one), flatten(other), left, right)
    for name, lines in (("A", a), ("B", b)):
        print(f"  this alert around it in {name}:")
        for at, line in enumerate(map(parse, lines), start=1):
            is_same = line and line.get("alert_id") == first.get("alert_id")
            if is_same and abs(at - number) <= 3:
                print(f"  {'>' if at == number else ' '} {readable_alert(line)}")
    if outlet:
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
    parser.add_argument("--days", type=lambda text: frozenset(text.split(",")), help="compare metrics of these days only")
    arguments = parser.parse_args()
    folders = (arguments.a, arguments.b)
    same = [compare_quarantine(*folders, with_counts=not arguments.no_alerts), compare_metrics(*folders, days=arguments.days)]
    if not arguments.no_alerts:
        same.append(compare_alerts(*folders))
    return 0 if all(same) else 1


if __name__ == "__main__":
    sys.exit(main())
