#!/usr/bin/env python3
"""A brute-force oracle for fiverate's file replay.

It is written from the definitions of the measures and of the input contract alone, independently
of the real program.  It is slow and simple on purpose: each function corresponds to one sentence of
the definitions.  Where the definitions leave something open, a comment "Reading:" names the choice.

This file: input, verdicts, output. Reference data of outlets and SKUs: market.py; measures: windows.py, measures.py,
prices.py, rates.py; the book of an outlet and SKU: book.py; rules: stockout.py (R1), prediction.py (R2), overstock.py (R5),
regional.py (R3, R6), data_quality.py (R16), daily_condition.py (shared by R3, R5, R6, R16); the clock and the lines of alerts: alerts.py.

    oracle.py --in DIR --out DIR [--through DAY] [--days D1,D2,...] [--timezone Asia/Shanghai]
              [--outlet-day-documents-max N]

--days names each day that metrics.jsonl is written for (with the program it is a first and a last day).
"""

import argparse
import json
import pathlib
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import alerts
import prices
from days import DAY_MS, MINUTE_MS, day_of, format_day, parse_day, parse_time
from market import MARKET, Market
from measures import Measures
from rates import rates_of
from windows import WINDOWS, period_of, window_of

LATENESS_MS = {"order": 7 * DAY_MS, "delivery": 7 * DAY_MS, "visit": 14 * DAY_MS}
FUTURE_MS = 5 * MINUTE_MS
MEMORY_DAYS = 196
OUTLET_DAY_DOCUMENTS_MAX = 10_000
QUANTITY_MAX = 1_000_000_000
DEPTH_MAX = 64
PRICE_SAMPLE = 5
INPUT_FILES = ("reference.jsonl", "events.jsonl")

ACCEPTED, SUPERSEDED, DUPLICATE = "accepted", "superseded", "duplicate"


# --- decoding a line -----------------------------------------------------------------------------


class Malformed(Exception):
    pass


def refuse_constant(name):
    raise Malformed(f"{name} is not JSON")


def read_integer(digits):
    # Any integer this long is out of every range; Python would refuse to convert very long ones.
    return int(digits) if len(digits) < 100 else int(digits[:100])


def nesting_depth(text):
    """How deep arrays and objects are nested, brackets within strings not counted."""
    depth = deepest = 0
    for bracket in re.findall(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', text, re.DOTALL):
        if bracket in ("[", "{"):
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in ("]", "}"):
            depth -= 1
    return deepest


def decode(raw):
    """The object of one line. Of a repeated key the last counts (as Python's dict does)."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("not UTF-8") from None
    if nesting_depth(text) > DEPTH_MAX:
        raise Malformed(f"nested deeper than {DEPTH_MAX}")
    try:
        value = json.loads(text, parse_constant=refuse_constant, parse_int=read_integer)
    except ValueError as error:
        raise Malformed(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Malformed("not an object")
    try:
        # Reading: half of a surrogate pair is no Unicode text, and so not decodable.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise Malformed("half of a surrogate pair") from None
    return value


# --- the known payloads and their fields ---------------------------------------------------------

LEVELS = ("COUNTRY", "PROVINCE", "CITY", "COUNTY")  # of regions, the highest first


@dataclass(frozen=True)
class Field:
    name: str
    type: str  # text, free_text, quantity, value, pack, flag, date, time, enum, list, object
    need: str = "always"  # always: also if cancelled; uncancelled: else; never: optional
    choices: tuple = ()
    fields: tuple = ()


def identifier(name, type="text"):
    return Field(name, type, "always")


def required(name, type="text", **more):
    return Field(name, type, "uncancelled", **more)


def optional(name, type="text", **more):
    return Field(name, type, "never", **more)


def list_of(name, *fields):
    """A missing list is an empty list."""
    return Field(name, "list", "never", fields=fields)


SCOPE = (
    optional("brand_group", "free_text"),
    optional("brand_id"),
    optional("region_id"),
    optional("class_dimension"),
    optional("class_value"),
)

COMMON = (
    identifier("event_id"),
    optional("source"),
    identifier("event_time", "time"),
    optional("arrival_time", "time"),
    optional("revision", "revision"),
    optional("cancelled", "flag"),
)

PAYLOADS = {
    "order": (
        identifier("order_id"),
        identifier("outlet_id"),
        optional("promised_date", "date"),
        list_of("lines", required("sku_id"), required("requested", "quantity"),
                required("confirmed", "quantity"), optional("declared_stock", "quantity")),
    ),
    "delivery": (
        identifier("delivery_id"),
        optional("order_id", "free_text"),
        identifier("outlet_id"),
        required("direction", "enum", choices=("OUT", "RETURN")),
        list_of("lines", required("sku_id"), required("quantity", "quantity")),
    ),
    "visit": (
        identifier("visit_id"),
        identifier("outlet_id"),
        required("visitor_id"),
        required("outcome", "enum", choices=("DONE", "CLOSED", "REFUSED")),
        list_of("checks", required("sku_id"), optional("count", "quantity"), optional("on_shelf", "flag"),
                optional("facings", "quantity"), optional("retail_price_fen", "quantity"),
                optional("price_tag", "enum", choices=("OK", "WRONG", "MISSING"))),
    ),
    "outlet": (
        identifier("outlet_id"),
        identifier("valid_from", "date"),
        required("region_id"),
        required("state", "enum", choices=("ACTIVE", "SUSPENDED", "CLOSED")),
        list_of("classes", required("dimension"), required("value")),
        optional("name", "free_text"),
    ),
    "sku": (
        identifier("sku_id"),
        required("brand_id"),
        identifier("valid_from", "date"),
        optional("guide_price_fen", "quantity"),
        optional("wholesale_price_fen", "quantity"),
        optional("brand_group", "free_text"),
        optional("pack", "pack"),
        optional("name", "free_text"),
    ),
    "region": (
        identifier("region_id"),
        optional("parent_id", "free_text"),
        required("level", "enum", choices=LEVELS),
        optional("name", "free_text"),
    ),
    "policy": (
        identifier("policy_id"),
        identifier("valid_from", "date"),
        list_of("rules", required("rule"), required("scope", "object", fields=SCOPE),
                list_of("set", required("name"), required("value", "value"))),
    ),
    "target": (
        identifier("target_id"),
        identifier("valid_from", "date"),
        required("rate"),
        required("scope", "object", fields=SCOPE),
        required("value_bp", "quantity"),
    ),
    "plan": (
        identifier("plan_id"),
        identifier("valid_from", "date"),
        required("class_dimension"),
        required("class_value"),
        required("visits_per_month", "quantity"),
    ),
    "allocation": (
        identifier("sku_id"),
        identifier("region_id"),
        identifier("valid_from", "date"),
        required("valid_to", "date"),
        required("quantity", "quantity"),
        required("rationed", "flag"),
    ),
    "calendar": (
        identifier("day", "date"),
        required("kind", "enum", choices=("HOLIDAY", "NO_ORDERS", "SPRING_FESTIVAL")),
    ),
    "command": (
        identifier("command_id"),
        required("author"),
        required("verb", "enum", choices=("ACK", "ASSIGN", "COMMENT", "VERDICT", "SILENCE", "UNSILENCE")),
        optional("alert_id"),
        optional("assignee"),
        optional("true_alarm", "flag"),
        optional("text"),
        optional("silence", "object", fields=(
            required("silence_id"), list_of("matchers", required("field"), required("value")),
            required("starts_at", "time"), required("ends_at", "time"))),
    ),
    "mark": (required("complete_through", "time"),),
}

DOCUMENT_KINDS = ("order", "delivery", "visit")
REFERENCE_KINDS = ("region", "sku", "outlet", "policy", "target", "plan", "allocation", "calendar")
IDENTITY = {
    "order": ("outlet_id", "order_id"),
    "delivery": ("outlet_id", "delivery_id"),
    "visit": ("outlet_id", "visit_id"),
    "region": ("region_id",),
    "sku": ("sku_id", "valid_from"),
    "outlet": ("outlet_id", "valid_from"),
    "policy": ("policy_id", "valid_from"),
    "target": ("target_id", "valid_from"),
    "plan": ("plan_id", "valid_from"),
    "allocation": ("sku_id", "region_id", "valid_from"),
    "calendar": ("day",),
}

# One reason a record: the kinds of faults in the order in which they are looked for.
FIELD_REASONS = ("missing_field", "bad_value", "negative_quantity", "duplicate_sku")


def is_absent(value, type):
    """null = absent; an empty string = absent except in free text."""
    return value is None or (value == "" and type != "free_text")


def is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


class FieldReader:
    """Decodes the known fields of one record and collects every fault found on the way."""

    def __init__(self, cancelled):
        self.cancelled = cancelled
        self.faults = []

    def fault(self, reason, path):
        self.faults.append((reason, f"{path}: {reason}"))

    def first_fault(self):
        """missing_field anywhere comes before bad_value anywhere, and so on."""
        for reason in FIELD_REASONS:
            for fault in self.faults:
                if fault[0] == reason:
                    return fault
        return None

    def is_needed(self, spec):
        return spec.need == "always" or (spec.need == "uncancelled" and not self.cancelled)

    def read_fields(self, source, specs, path):
        decoded = {}
        for spec in specs:
            value, where = source.get(spec.name), path + spec.name
            if not is_absent(value, spec.type):
                decoded[spec.name] = self.read_value(value, spec, where)
            elif spec.type == "list":
                decoded[spec.name] = []
            elif self.is_needed(spec):
                self.fault("missing_field", where)
        return decoded

    def read_value(self, value, spec, path):
        if spec.type == "list":
            return self.read_list(value, spec, path)
        if spec.type == "object":
            return self.read_object(value, spec.fields, path)
        if spec.type == "quantity":
            return self.read_quantity(value, path)
        reader = getattr(self, "as_" + spec.type)
        decoded = reader(value, spec)
        if decoded is None:
            self.fault("bad_value", path)
        return decoded

    def read_object(self, value, specs, path):
        if not isinstance(value, dict):
            self.fault("bad_value", path)
            return None
        return self.read_fields(value, specs, path + ".")

    def read_list(self, value, spec, path):
        if not isinstance(value, list):
            self.fault("bad_value", path)
            return []
        items = [self.read_object(item, spec.fields, f"{path}[{i}]") for i, item in enumerate(value)]
        self.check_repeats(items, "sku_id", "duplicate_sku", path)
        self.check_repeats(items, "dimension", "bad_value", path)
        return items

    def check_repeats(self, items, name, reason, path):
        """A SKU at most once per document, a dimension at most once per outlet version."""
        given = [item[name] for item in items if item and item.get(name) is not None]
        if len(given) != len(set(given)):
            self.fault(reason, f"{path}.{name} twice")

    def read_quantity(self, value, path):
        """JSON integers in 0..1,000,000,000 (so 1.0 and 1e3 are not)."""
        if not is_integer(value) or value > QUANTITY_MAX:
            self.fault("bad_value", path)
            return None
        if value < 0:
            self.fault("negative_quantity", path)
        return value

    @staticmethod
    def as_text(value, spec):
        return value if isinstance(value, str) else None

    as_free_text = as_text

    @staticmethod
    def as_flag(value, spec):
        return value if isinstance(value, bool) else None

    @staticmethod
    def as_revision(value, spec):
        return value if is_integer(value) and value >= 1 else None

    @staticmethod
    def as_date(value, spec):
        return parse_day(value) if isinstance(value, str) else None

    @staticmethod
    def as_time(value, spec):
        return parse_time(value) if isinstance(value, str) else None

    @staticmethod
    def as_enum(value, spec):
        return value if isinstance(value, str) and value in spec.choices else None

    @staticmethod
    def as_pack(value, spec):
        """Reading: the definitions do not define a pack; a text or an integer in range passes."""
        return value if isinstance(value, str) or (is_integer(value) and 0 <= value <= QUANTITY_MAX) else None

    @staticmethod
    def as_value(value, spec):
        """Reading: a policy's value is any text, number or flag."""
        return value if isinstance(value, (str, int, float)) else None


# --- records -------------------------------------------------------------------------------------


@dataclass
class Record:
    file: str
    line: int
    raw: bytes
    kind: str = None  # None if it is unknown
    event_id: str = None  # as far as it can be read
    event_time: int = None
    arrival: int = None
    revision: int = 1
    cancelled: bool = False
    payload: dict = field(default_factory=dict)
    reason: str = None
    detail: str = ""
    verdict: str = None  # accepted, superseded, duplicate or the reason of its quarantine
    day: int = None
    arrival_day: int = None

    def quarantine(self, reason, detail):
        self.verdict = self.reason = reason
        self.detail = detail

    def identity(self):
        return (self.kind,) + tuple(self.payload[name] for name in IDENTITY[self.kind])

    def event_id_scope(self):
        """event_id is unique per outlet and kind; for reference events among all of them."""
        if self.kind in DOCUMENT_KINDS:
            return (self.kind, self.payload["outlet_id"])
        return ("reference",)

    def content(self):
        """event_time, cancelled and the decoded payload; not event_id, source, arrival_time."""
        return json.dumps([self.event_time, self.cancelled, self.payload], sort_keys=True)

    def canonical_order(self):
        return (self.arrival, self.event_id.encode("utf-8"), self.raw)


def readable_time(value):
    return parse_time(value) if isinstance(value, str) else None


def readable_arrival(source):
    """arrival_time, by default event_time.

    Reading: an arrival_time that is there but cannot be read is not replaced by event_time.
    """
    if not is_absent(source.get("arrival_time"), "time"):
        return readable_time(source["arrival_time"])
    return readable_time(source.get("event_time"))


def known_payloads(source):
    return [kind for kind in PAYLOADS if not is_absent(source.get(kind), "object")]


def read_record(file, line, raw):
    """decode > payload > fields, the first three checks."""
    record = Record(file, line, raw)
    try:
        source = decode(raw)
    except Malformed as error:
        record.quarantine("malformed", str(error))
        return record
    if isinstance(source.get("event_id"), str) and source["event_id"]:
        record.event_id = source["event_id"]
    record.arrival = readable_arrival(source)
    kinds = known_payloads(source)
    if len(kinds) != 1:
        record.quarantine("bad_payload", "payloads: " + (", ".join(kinds) or "none"))
        return record
    record.kind = kinds[0]
    read_fields_of(record, source)
    return record


def read_fields_of(record, source):
    record.cancelled = source.get("cancelled") is True
    reader = FieldReader(record.cancelled)
    common = reader.read_fields(source, COMMON, "")
    # Reading: a payload that is not an object has a wrong type, its fields are not missing.
    record.payload = reader.read_object(source[record.kind], PAYLOADS[record.kind], record.kind)
    fault = reader.first_fault()
    if fault:
        record.quarantine(*fault)
        return
    record.event_time = common["event_time"]
    record.revision = common.get("revision", 1)


def read_lines(folder):
    """Both files are one set; blank lines are skipped but numbered."""
    records = []
    for file in INPUT_FILES:
        path = pathlib.Path(folder) / file
        if not path.exists():
            continue
        for number, raw in enumerate(path.read_bytes().split(b"\n"), start=1):
            if raw.strip(b" \t\r"):
                records.append(read_record(file, number, raw))
    return records


def give_days(records, zone):
    """A line whose arrival cannot be read gets the arrival of the earliest readable line."""
    earliest = min((r.arrival for r in records if r.arrival is not None), default=None)
    for record in records:
        if record.arrival is None:
            record.arrival = earliest
        if record.arrival is not None:
            record.arrival_day = day_of(record.arrival, zone)
        if record.event_time is not None:
            record.day = day_of(record.event_time, zone)


# --- identity ------------------------------------------------------------------------------------


class Document:
    """All kept revisions of one document (or of one reference version)."""

    def __init__(self):
        self.revisions = {}

    def counted(self):
        """The highest revision counts, whatever the order of arrival."""
        return self.revisions[max(self.revisions)]


class Identities:
    """Which documents and event_ids have been seen. Quarantined records and duplicates occupy none."""

    def __init__(self, outlet_day_documents_max=OUTLET_DAY_DOCUMENTS_MAX):
        self.outlet_day_documents_max = outlet_day_documents_max
        self.documents = []  # every document there ever was, also forgotten ones: their facts stay
        self.documents_of_outlet = {}
        self.document_by_id = {}
        self.holder_by_event_id = {}

    @staticmethod
    def remembers(document, record):
        """Identity is compared only with documents at most 196 d before the day of arrival.

        Reading: the day of a document is that of its counted revision.
        """
        if record.kind not in DOCUMENT_KINDS:
            return True
        return record.arrival_day - document.counted().day <= MEMORY_DAYS

    def document_of(self, record):
        document = self.document_by_id.get(record.identity())
        return document if document and self.remembers(document, record) else None

    def holder_of_event_id(self, record):
        document, holder = self.holder_by_event_id.get((record.event_id_scope(), record.event_id), (None, None))
        return holder if document and self.remembers(document, record) else None

    def is_day_full(self, record):
        """Whether the outlet has as many documents of this day as it may have, cancelled ones included.

        Reading: the day of a document is that of its counted revision.
        """
        documents = self.documents_of_outlet.get(record.payload["outlet_id"], ())
        if len(documents) < self.outlet_day_documents_max:
            return False
        return sum(document.counted().day == record.day for document in documents) >= self.outlet_day_documents_max

    def compare(self, record):
        """event_id > revision conflict > superseded; what is left is accepted."""
        holder = self.holder_of_event_id(record)
        if holder:
            return DUPLICATE if is_same(holder, record) else "event_id_conflict"
        document = self.document_of(record)
        if document is None:
            return ACCEPTED
        if record.revision in document.revisions:
            return DUPLICATE if is_same(document.revisions[record.revision], record) else "revision_conflict"
        if record.revision < document.counted().revision:
            return SUPERSEDED
        return ACCEPTED

    def keep(self, record):
        """An accepted or superseded record occupies its document, revision and event_id."""
        document = self.document_of(record)
        if document is None:
            document = Document()
            self.documents.append(document)
            if record.kind in DOCUMENT_KINDS:
                self.documents_of_outlet.setdefault(record.payload["outlet_id"], []).append(document)
            self.document_by_id[record.identity()] = document
        document.revisions[record.revision] = record
        self.holder_by_event_id[(record.event_id_scope(), record.event_id)] = (document, record)


def is_same(one, other):
    """The same document, revision and content."""
    return (one.identity(), one.revision, one.content()) == (other.identity(), other.revision, other.content())


def finish(record, verdict, identities, detail=""):
    """Notes the verdict; kept records occupy their ids."""
    if verdict in (ACCEPTED, SUPERSEDED):
        identities.keep(record)
    if verdict in (ACCEPTED, SUPERSEDED, DUPLICATE):
        record.verdict = verdict
    else:
        record.quarantine(verdict, detail or f"{record.kind} {record.identity()[1:]}")


# --- reference data ------------------------------------------------------------------------------


@dataclass
class Region:
    parent: str = None  # "" for none; None as long as only cancelled events are known
    level: str = None
    child_levels: set = field(default_factory=set)  # those of the regions directly below, whose levels are fixed


@dataclass
class OutletVersion:
    valid_from: int
    region: str
    state: str
    classes: tuple


class Reference:
    def __init__(self):
        self.identities = Identities()
        self.regions = {}
        self.brand_by_sku = {}  # None as long as only cancelled events are known
        self.outlets = set()

    # What is known.

    def unknown_id(self, record):
        """The first id of the record that is not known, as (reason, id).

        Reading: ids that are given are looked up in cancelled records too. A scope's ids are not.
        """
        payload = record.payload
        region = payload.get("parent_id") if record.kind == "region" else payload.get("region_id")
        if record.kind in ("region", "outlet", "allocation") and region and region not in self.regions:
            return "unknown_region", region
        if record.kind in DOCUMENT_KINDS and payload["outlet_id"] not in self.outlets:
            return "unknown_outlet", payload["outlet_id"]
        for sku in skus_of(record):
            if sku not in self.brand_by_sku:
                return "unknown_sku", sku
        return None

    # What never changes.

    def contradiction(self, record):
        """Parent and level of a region and the brand of a SKU never change.

        Reading: they are fixed by the first kept event that is not cancelled, and only events
        that are not cancelled are compared.
        """
        if record.cancelled:
            return None
        if record.kind == "region":
            known = self.regions.get(record.payload["region_id"], Region())
            given = (record.payload.get("parent_id", ""), record.payload["level"])
            if known.level is not None and given != (known.parent, known.level):
                return f"region was {known.parent!r} {known.level}"
        if record.kind == "sku":
            known = self.brand_by_sku.get(record.payload["sku_id"])
            if known is not None and record.payload["brand_id"] != known:
                return f"brand was {known!r}"
        return None

    # Where a region may be.

    def misplacement(self, record):
        """A region's parent is of a higher level: COUNTRY, PROVINCE, CITY, COUNTY.

        Reading: compared when an uncancelled event fixes parent and level, with the parent and with
        the children, as far as their levels are fixed.
        """
        if record.kind != "region" or record.cancelled:
            return None
        known = self.regions.get(record.payload["region_id"], Region())
        parent, level = record.payload.get("parent_id", ""), LEVELS.index(record.payload["level"])
        if known.level is not None:
            return None
        if parent and parent == record.payload["region_id"]:
            return "is its own parent"
        above = self.regions[parent].level if parent else None
        if above is not None and LEVELS.index(above) >= level:
            return f"parent {parent!r} is a {above}"
        if any(LEVELS.index(below) <= level for below in known.child_levels):
            return "has children of its level or a higher one"
        return None

    # Applying an event.

    def apply(self, record):
        """ids known > what never changes > levels of regions > event_id > revision conflict > superseded.

        Reading: reference_conflict stands where it stands in the list of reasons, after unknown
        ids and before event_id_conflict. Reference events are neither late nor future.
        """
        unknown = self.unknown_id(record)
        if unknown:
            record.quarantine(unknown[0], f"{unknown[1]!r} is not known")
            return
        contradiction = self.contradiction(record)
        if contradiction:
            record.quarantine("reference_conflict", contradiction)
            return
        misplacement = self.misplacement(record)
        if misplacement:
            record.quarantine("bad_value", misplacement)
            return
        finish(record, self.identities.compare(record), self.identities)
        if record.verdict in (ACCEPTED, SUPERSEDED):
            self.register(record)

    def register(self, record):
        """A cancelled event makes its id known too, but fixes nothing."""
        payload = record.payload
        if record.kind == "region":
            region = self.regions.setdefault(payload["region_id"], Region())
            if not record.cancelled and region.level is None:
                region.parent, region.level = payload.get("parent_id", ""), payload["level"]
                if region.parent:
                    self.regions[region.parent].child_levels.add(region.level)
        elif record.kind == "sku":
            known = self.brand_by_sku.get(payload["sku_id"])
            self.brand_by_sku[payload["sku_id"]] = known or (None if record.cancelled else payload["brand_id"])
        elif record.kind == "outlet":
            self.outlets.add(payload["outlet_id"])

    def apply_regions(self, records):
        """A region whose parent is unknown waits for it; records that share an id with it wait behind it.

        In a file replay regions come first, so it waits at most to the last of them.
        """
        pending = sorted(records, key=Record.canonical_order)
        while pending:
            ready = [r for i, r in enumerate(pending)
                     if not self.unknown_id(r) and not waits_behind(r, pending[:i])]
            # With none ready, the parent of the first never comes: it is quarantined as unknown.
            chosen = ready[0] if ready else pending[0]
            pending.remove(chosen)
            self.apply(chosen)

    # The state on a day.

    def is_cancelled(self, identity):
        """A region or a version exists unless its highest revision is cancelled."""
        return self.identities.document_by_id[identity].counted().cancelled

    def versions_of_outlets(self):
        """Of each outlet its versions by valid_from; of each version its highest revision, if uncancelled."""
        versions = {outlet: [] for outlet in self.outlets}
        for document in self.identities.documents:
            record = document.counted()
            if record.kind == "outlet" and not record.cancelled:
                versions[record.payload["outlet_id"]].append(outlet_version(record.payload))
        for of_outlet in versions.values():
            of_outlet.sort(key=lambda version: version.valid_from)
        return versions

    def with_ancestors(self, region):
        """The region, the regions above it, and the whole market."""
        chain = []
        while region:
            chain.append(region)
            region = self.regions[region].parent
        return chain + [MARKET]

    def counties(self):
        """All regions of level COUNTY, with or without outlets; a cancelled one is none."""
        return [region for region, known in self.regions.items()
                if known.level == "COUNTY" and not self.is_cancelled(("region", region))]


def skus_of(record):
    """The SKUs that a document or an allocation names."""
    if record.kind == "allocation":
        return [record.payload["sku_id"]]
    if record.kind in DOCUMENT_KINDS:
        lines = record.payload["checks" if record.kind == "visit" else "lines"]
        return [line["sku_id"] for line in lines if "sku_id" in line]
    return []


def waits_behind(record, earlier):
    return any(record.identity() == other.identity() or record.event_id == other.event_id for other in earlier)


def outlet_version(payload):
    classes = tuple((item["dimension"], item["value"]) for item in payload["classes"])
    return OutletVersion(payload["valid_from"], payload["region_id"], payload["state"], classes)


# --- documents -----------------------------------------------------------------------------------


def apply_document(record, reference, identities):
    """ids known > future > late > event_id > revision conflict > superseded > late by the replaced version > day full."""
    lateness = LATENESS_MS[record.kind]
    unknown = reference.unknown_id(record)
    if unknown:
        record.quarantine(unknown[0], f"{unknown[1]!r} is not known")
    elif record.event_time > record.arrival + FUTURE_MS:
        record.quarantine("future", f"{record.event_time - record.arrival} ms ahead of its arrival")
    elif record.arrival - record.event_time > lateness:
        record.quarantine("late", f"{record.arrival - record.event_time} ms old at its arrival")
    else:
        verdict = identities.compare(record)
        replaced = identities.document_of(record) if verdict == ACCEPTED else None
        if replaced and record.arrival - replaced.counted().event_time > lateness:
            verdict = "late"
        if verdict == ACCEPTED and identities.document_of(record) is None and identities.is_day_full(record):
            finish(record, "bad_value", identities, "too_many_documents")
        else:
            finish(record, verdict, identities)


def replay(records, outlet_day_documents_max=OUTLET_DAY_DOCUMENTS_MAX):
    """Regions, then SKUs, then outlets; the rest in order of arrival. Returns (reference, documents)."""
    reference, documents = Reference(), Identities(outlet_day_documents_max)
    valid = [r for r in records if r.reason is None]
    reference.apply_regions([r for r in valid if r.kind == "region"])
    for kind in ("sku", "outlet"):
        for record in sorted((r for r in valid if r.kind == kind), key=Record.canonical_order):
            reference.apply(record)
    rest = [r for r in valid if r.verdict is None]
    for record in sorted(rest, key=Record.canonical_order):
        if record.kind in DOCUMENT_KINDS:
            apply_document(record, reference, documents)
        elif record.kind in REFERENCE_KINDS:
            reference.apply(record)
        # Valid commands and marks mean nothing to a replay of these measures.
    return reference, documents


# --- data quality --------------------------------------------------------------------------------

DOCUMENT_REASONS = (
    "malformed", "bad_payload", "missing_field", "bad_value", "negative_quantity", "duplicate_sku",
    "unknown_outlet", "unknown_sku", "future", "late", "event_id_conflict", "revision_conflict",
)


def is_document(record):
    """Documents, and lines of unknown kind: malformed ones and those without exactly one payload."""
    return record.kind is None or record.kind in DOCUMENT_KINDS


def data_quality(records, first, last):
    """By day of arrival. In a file replay all reference data is known first, so no document is pending."""
    arrived = [r for r in records if is_document(r) and r.arrival_day is not None and first <= r.arrival_day <= last]
    verdicts = Counter(record.verdict for record in arrived)
    quality = {
        "received": len(arrived),
        "accepted": verdicts[ACCEPTED],
        "superseded": verdicts[SUPERSEDED],
        "duplicates": verdicts[DUPLICATE],
        "parked": 0,
    }
    for reason in DOCUMENT_REASONS:
        quality["quarantined_" + reason] = verdicts[reason]
    return quality


# --- output --------------------------------------------------------------------------------------


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def metrics_line(day, brand, cell, window, measures, rates):
    region, (dimension, class_value) = cell
    line = {"as_of": format_day(day), "brand_id": brand, "region_id": region, "class_dimension": dimension,
            "class_value": class_value, "window_days": window}
    if window == 0:
        line["period"] = period_of(day)
    line.update({"status": "FINAL", "revision": 1, "measures": measures})
    if measures.get("price_readings"):
        line["price_status"] = "LOW_SAMPLE" if measures["price_readings"] < PRICE_SAMPLE else "OK"
    return compact(line)[:-1] + ',"rates":{' + ",".join(f'"{name}":{text}' for name, text in rates.items()) + "}}"


def metrics_lines(market, measures, days):
    """All lines, sorted by day, brand, region, class (as UTF-8 bytes) and window (as a number)."""
    for day in days:
        active, dormant = map(frozenset, market.population(day))
        stocks = measures.stocks(day, active)
        rows = []
        for window in WINDOWS:
            quality = data_quality(market.records, *window_of(day, window))
            for cell, values in measures.of_no_brand(day, window, active, dormant, quality).items():
                rows.append((("", cell), window, values, {}))
            for key, (values, *more) in measures.of_brands(day, window, active, dormant, stocks).items():
                rows.append((key, window, values, rates_of(values, *more)))
        rows.sort(key=lambda row: line_order(*row[:2]))
        for (brand, cell), window, values, rates in rows:
            yield metrics_line(day, brand, cell, window, values, rates)


def line_order(key, window):
    brand, (region, (dimension, value)) = key
    return tuple(text.encode("utf-8") for text in (brand, region, dimension, value)) + (window,)


def quarantine_line(record, reason, detail, **more):
    line = {"reason": reason, "detail": detail}
    if record.event_id:
        line["event_id"] = record.event_id
    return compact(line | more | {"file": record.file, "line": record.line})


def quarantine_lines(records, implausible, out_of_range):
    """Whole records, and single counts and prices of accepted documents; by file, line, SKU and reason."""
    lines = [(record.file, record.line, "", record.reason, quarantine_line(record, record.reason, record.detail))
             for record in records if record.reason]
    for reason, what, single in (("count_implausible", "count", implausible), (prices.OUT_OF_RANGE, "price", out_of_range)):
        lines += [(record.file, record.line, sku, reason, quarantine_line(record, reason, f"a {what} of {value}", sku_id=sku))
                  for record, sku, value in single]
    return [line for *_, line in sorted(lines)]


def accepted_days(records):
    """The days of all accepted documents, also of those replaced or cancelled later."""
    return [r.day for r in records if r.kind in DOCUMENT_KINDS and r.verdict == ACCEPTED]


def days_to_write(records, through=None):
    """From the first to the last day of any accepted document, also one replaced or cancelled later.

    Reading: --through moves the last day only; records that arrive after it are still applied.
    """
    accepted = accepted_days(records)
    if not accepted:
        return range(0)
    return range(min(accepted), (max(accepted) if through is None else through) + 1)


def run(folder, zone=ZoneInfo("Asia/Shanghai"), through=None, only=None, outlet_day_documents_max=OUTLET_DAY_DOCUMENTS_MAX):
    """Returns (records with their verdicts, lines of metrics, of quarantine, of alerts)."""
    records = read_lines(folder)
    give_days(records, zone)
    reference, documents = replay(records, outlet_day_documents_max)
    market = Market(reference, documents, records)
    days = days_to_write(records, through)
    measures = Measures(market, days)
    metrics = list(metrics_lines(market, measures, [day for day in days if only is None or day in only]))
    alert_lines, implausible = alerts.run(market, documents, days, zone)
    out_of_range = prices.quarantined_prices(records, market.sku_versions)
    return records, metrics, quarantine_lines(records, implausible, out_of_range), alert_lines


def write_lines(path, lines):
    path.write_bytes("".join(line + "\n" for line in lines).encode("utf-8"))


def day_argument(text):
    day = parse_day(text)
    if day is None:
        raise argparse.ArgumentTypeError(f"not a day: {text}")
    return day


def main():
    parser = argparse.ArgumentParser(description="brute-force oracle of a file replay")
    parser.add_argument("--in", dest="input", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--through", type=day_argument)
    parser.add_argument("--days", type=lambda text: {day_argument(part) for part in text.split(",")})
    parser.add_argument("--timezone", type=ZoneInfo, default=ZoneInfo("Asia/Shanghai"))
    parser.add_argument("--outlet-day-documents-max", type=int, default=OUTLET_DAY_DOCUMENTS_MAX)
    arguments = parser.parse_args()
    _, metrics, quarantine, alert_lines = run(
        arguments.input, arguments.timezone, arguments.through, arguments.days, arguments.outlet_day_documents_max)
    out = pathlib.Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    write_lines(out / "metrics.jsonl", metrics)
    write_lines(out / "quarantine.jsonl", quarantine)
    write_lines(out / "alerts.jsonl", alert_lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
