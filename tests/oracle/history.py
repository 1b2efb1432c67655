#!/usr/bin/env python3
"""Prints the records of one outlet and SKU in a history and the alerts of the oracle for them, in order of the clock.

    history.py --in DIR --outlet ID --sku ID [--from DAY] [--to DAY] [--timezone Asia/Shanghai]

Each record is printed with its verdict, its facts of the SKU, and the book after it (level and rate in units, the
intervals of R1). A count that is not accepted has a "!". --from and --to are days of the clock.
"""

import argparse
import json
import sys
from zoneinfo import ZoneInfo

import alerts
import oracle
from book import OUT, RETURN, UNIT, Book, facts_of, order_lines_of
from days import day_of, format_day, format_time, start_of_day
from stockout import intervals_of

NAMES = {OUT: "OUT", RETURN: "RETURN"}


def short(time, zone):
    return "open" if time is None else format_time(time, zone)[:-6]


def describe_fact(book, index):
    fact = book.facts[index]
    mark = "" if not fact.is_count() or book.is_accepted(index) else "!"
    return f"{NAMES.get(fact.kind, 'count')} {fact.quantity}{mark}"


def describe_record(record, sku, zone):
    texts = [f"{NAMES.get(fact.kind, 'count')} {fact.quantity}" for fact in facts_of(record, sku)]
    texts += [f"requested {line.requested} confirmed {line.confirmed}" for line in order_lines_of(record, sku)]
    if record.cancelled:
        texts = ["cancelled"]
    document = record.payload[record.kind + "_id"]
    return (f"{record.kind} {document!r} r{record.revision} event {record.event_id!r} of {short(record.event_time, zone)}: "
            f"{', '.join(texts) or 'nothing of the SKU'} ({record.verdict})")


def describe_alert(line):
    events = ", ".join(repr(item["event_id"]) for item in line["evidence"])
    return (f"=> {line['rule']} {line['transition']}. {line['state']} {line['severity']} episode {line['episode']} "
            f"at {line['at'][:-6]} since {line['since'][:-6]} {line['value']}/{line['threshold']} [{events}]")


class Story:
    def __init__(self, folder, zone, outlet, sku):
        self.zone, self.outlet, self.sku = zone, outlet, sku
        self.records = oracle.read_lines(folder)
        oracle.give_days(self.records, zone)
        reference, self.documents = oracle.replay(self.records)
        self.market = oracle.Market(reference, self.documents, self.records)
        self.versions = self.market.sku_versions
        self.alerts, _ = alerts.run(self.market, self.documents, oracle.days_to_write(self.records), zone)

    def is_active(self, day):
        return self.market.is_in_population(self.outlet, day)

    def print_versions(self):
        for version in self.market.versions.get(self.outlet, []):
            print(f"outlet from {format_day(version.valid_from)}: {version.state} in {version.region!r}")
        for payload in self.versions.versions[self.sku]:
            print(f"SKU from {format_day(payload['valid_from'])}: brand_group {payload.get('brand_group')!r}")

    def lines(self):
        """(clock, order within the clock, text)"""
        counted = {}
        for change in alerts.applied_documents(self.documents).get(self.outlet, []):
            if self.sku in alerts.affected_skus(change):
                counted[id(change.document)] = change.record
                yield change.record.arrival, 0, describe_record(change.record, self.sku, self.zone)
                yield change.record.arrival, 1, self.describe_book(list(counted.values()), change.record.arrival)
        for line in map(json.loads, self.alerts):
            if (line["outlet_id"], line["sku_id"]) == (self.outlet, self.sku):
                yield oracle.parse_time(line["known_at"]), 2, describe_alert(line)

    def describe_book(self, known, clock):
        book = Book([fact for record in known for fact in facts_of(record, self.sku)],
                    [line for record in known for line in order_lines_of(record, self.sku)])
        day = day_of(clock, self.zone)
        level, rate = book.until(day).level_and_rate(day)
        found = intervals_of(book, self.is_active, lambda day: start_of_day(day, self.zone), lambda day: 1)
        recent = [describe_fact(book, index) for index in range(len(book.facts))][-8:]
        stretches = [f"{short(i.start, self.zone)}..{short(i.end, self.zone)}" for i in found[-3:]]
        shown = "none" if level is None else f"{level / UNIT:.6f}"
        return f"   level {shown} rate {rate / UNIT:.6f}; last facts {', '.join(recent)}; out {', '.join(stretches) or 'never'}"


def main():
    parser = argparse.ArgumentParser(description="the history of one outlet and SKU, and its alerts")
    parser.add_argument("--in", dest="input", required=True)
    parser.add_argument("--outlet", required=True)
    parser.add_argument("--sku", required=True)
    parser.add_argument("--from", dest="first", type=oracle.day_argument, default=0)
    parser.add_argument("--to", dest="last", type=oracle.day_argument, default=10**7)
    parser.add_argument("--timezone", type=ZoneInfo, default=ZoneInfo("Asia/Shanghai"))
    arguments = parser.parse_args()
    story = Story(arguments.input, arguments.timezone, arguments.outlet, arguments.sku)
    story.print_versions()
    for clock, _, text in sorted(story.lines(), key=lambda line: line[:2]):
        if arguments.first <= day_of(clock, arguments.timezone) <= arguments.last:
            print(f"{short(clock, arguments.timezone)}  {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
