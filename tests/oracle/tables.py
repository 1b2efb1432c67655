"""What tests of tiny histories share: events as dicts, a small market, and the oracle's output as objects."""

import json
import pathlib
import tempfile

import oracle

NOON = "T12:00:00+08:00"


def event(event_id, time, kind, payload, **common):
    return {"event_id": event_id, "event_time": time, **common, kind: payload}


def region(region_id, level, parent="", **common):
    return event("r " + region_id, "2026-01-01" + NOON, "region",
                 {"region_id": region_id, "level": level, "parent_id": parent}, **common)


def sku(sku_id, brand, valid_from="2026-01-01", **fields):
    return event("s " + sku_id + valid_from, "2026-01-01" + NOON, "sku",
                 {"sku_id": sku_id, "brand_id": brand, "valid_from": valid_from, **fields})


def outlet(outlet_id, region_id, valid_from="2026-01-01", state="ACTIVE", **classes):
    pairs = [{"dimension": name, "value": value} for name, value in classes.items()]
    return event("o " + outlet_id + valid_from, "2026-01-01" + NOON, "outlet",
                 {"outlet_id": outlet_id, "valid_from": valid_from, "region_id": region_id, "state": state, "classes": pairs})


def delivery(id, outlet_id, day, quantity, direction="OUT", sku_id="s", time=None, **common):
    lines = [{"sku_id": sku_id, "quantity": quantity}]
    return event(common.pop("event_id", "e" + id), time or day + NOON, "delivery",
                 {"delivery_id": id, "outlet_id": outlet_id, "direction": direction, "lines": lines}, **common)


def visit(id, outlet_id, day, outcome="DONE"):
    return event("v" + id, day + NOON, "visit", {"visit_id": id, "outlet_id": outlet_id, "visitor_id": "w", "outcome": outcome})


def checked(id, outlet_id, day, *checks, outcome="DONE", time=None):
    """A visit; checks are dicts, of SKU s where they name none."""
    return event("v" + id, time or day + NOON, "visit", {
        "visit_id": id, "outlet_id": outlet_id, "visitor_id": "w", "outcome": outcome,
        "checks": [dict({"sku_id": "s"}, **check) for check in checks]})


def counted(id, outlet_id, day, count, sku_id="s", time=None):
    return checked(id, outlet_id, day, {"sku_id": sku_id, "count": count}, time=time)


def ordered(id, outlet_id, day, *lines):
    """lines: (requested, confirmed) or (requested, confirmed, declared stock), of SKU s."""
    names = ("requested", "confirmed", "declared_stock")
    return event("q" + id, day + NOON, "order", {
        "order_id": id, "outlet_id": outlet_id, "lines": [dict({"sku_id": "s"}, **dict(zip(names, line))) for line in lines]})


# A city with the counties North and South, one SKU of brand B, one outlet in either county.
MARKET = [
    region("North", "COUNTY", "City"),  # before its parent
    region("South", "COUNTY", "City"),
    region("City", "CITY"),
    sku("s", "B"),
    outlet("n", "North", size="big"),
    outlet("z", "South"),
]


class Replay:
    """The oracle's output for a list of events (dicts, or bytes taken as they are)."""

    def __init__(self, events, **options):
        with tempfile.TemporaryDirectory() as folder:
            lines = [line if isinstance(line, bytes) else json.dumps(line, ensure_ascii=False).encode() for line in events]
            (pathlib.Path(folder) / "events.jsonl").write_bytes(b"\n".join(lines))
            self.records, self.metrics, quarantine, alerts = oracle.run(folder, **options)
        self.rows = {}
        for raw in self.metrics:
            row = json.loads(raw)
            key = (row["as_of"], row["brand_id"], row["region_id"], row["class_dimension"], row["class_value"], row["window_days"])
            self.rows[key] = row
        self.quarantine = [json.loads(raw) for raw in quarantine]
        self.alert_lines = alerts
        self.alerts = [json.loads(raw) for raw in alerts]

    def row(self, day, brand="B", region="", dimension="", value="", window=7):
        return self.rows.get((day, brand, region, dimension, value, window))

    def measures(self, *names, **key):
        row = self.row(**key)
        return tuple(row["measures"][name] for name in names) if row else None

    def rate(self, name, **key):
        """(numerator, denominator, value or None, status)."""
        found = self.row(**key)["rates"][name]
        return found["numerator"], found["denominator"], found.get("value"), found["status"]

    def verdicts(self):
        return [record.verdict for record in self.records]
