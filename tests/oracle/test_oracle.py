#!/usr/bin/env python3
"""Tiny histories with results computed by hand, which a person who knows the trade can check.

    python3 tests/oracle/test_oracle.py

Input and the measures of deliveries here; the other measures in test_measures.py, the book and the alerts in
test_alerts.py, rules R3, R5, R6 and R16 in test_overstock.py, test_regional.py and test_data_quality.py; all of them run.
"""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest
from unittest import mock
from zoneinfo import ZoneInfo

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import compare  # noqa: E402
import generate  # noqa: E402
import generate_market  # noqa: E402
import oracle  # noqa: E402
import rates  # noqa: E402
from tables import MARKET, NOON, Replay, delivery, event, outlet, region, sku, visit  # noqa: E402
from test_alerts import Acceptance, Book, ConfirmedStockout, PredictedStockout  # noqa: E402, F401
from test_data_quality import DataQuality  # noqa: E402, F401
from test_measures import Months, Orders, Prices, SellThrough, Shelves, States, Stock  # noqa: E402, F401
from test_overstock import OverstockOutlet  # noqa: E402, F401
from test_regional import OverstockRegion, RegionalRules, StockoutRegion  # noqa: E402, F401

def verdicts_of(*documents):
    """What became of documents added to the market above."""
    return Replay(MARKET + list(documents)).verdicts()[len(MARKET):]


class Measures(unittest.TestCase):
    def test_one_delivery(self):
        replay = Replay(MARKET + [delivery("1", "n", "2026-03-02", 10)])
        self.assertEqual(
            replay.metrics[-1],
            '{"as_of":"2026-03-02","brand_id":"B","region_id":"North","class_dimension":"size","class_value":"big",'
            '"window_days":91,"status":"FINAL","revision":1,"measures":{"active_outlets":1,"dormant_outlets":0,'
            '"delivered_units":10,"returned_units":0,"net_delivered_units":10,"previous_net_delivered_units":0,'
            '"net_delivered_units_change":10,"buying_outlets":1,"repeat_buying_outlets":0,"ordering_outlets":0,'
            '"requesting_outlets":0,"counties":1,"covered_counties":1,"on_shelf_outlets":1,"shelf_checks":0,"shelf_present":0,'
            '"requested_units":0,"confirmed_units":0,"filled_units":0,"unmet_units":0,"order_lines":0,"full_lines":0,'
            '"confirmed_lines":0,"price_readings":0,"price_index_readings":0,"stockout_days_estimated":0,'
            '"price_tags_checked":0,"price_tags_ok":0,"stockout_days":0,"known_days":1,"unknown_days":0,"listed_counts":0,'
            '"zero_counts":0,"available_units":0,"sold_units":0,"holding_outlets":0,"moving_outlets":0,"stock_units":0,'
            '"stocks_known":0},"rates":{"buying":{"numerator":1,"denominator":1,"value":1.000000,"status":"LOW_SAMPLE"},'
            '"on_shelf":{"numerator":1,"denominator":1,"value":1.000000,"status":"LOW_SAMPLE"},'
            '"coverage":{"numerator":1,"denominator":1,"value":1.000000,"status":"OK"},'
            '"on_shelf_audited":{"numerator":0,"denominator":0,"status":"NO_DENOMINATOR"},'
            '"unit_fill":{"numerator":0,"denominator":0,"status":"NO_DENOMINATOR"},'
            '"line_fill":{"numerator":0,"denominator":0,"status":"NO_DENOMINATOR"},'
            '"purchase_face":{"numerator":0,"denominator":0,"status":"NO_DENOMINATOR"},'
            '"order_demand":{"numerator":0,"denominator":0,"status":"NO_DENOMINATOR"},'
            '"repurchase":{"numerator":0,"denominator":1,"value":0.000000,"status":"LOW_SAMPLE"},'
            '"growth":{"numerator":10,"denominator":0,"status":"NO_DENOMINATOR"},'
            '"growth_yoy":{"numerator":10,"denominator":0,"status":"NO_DENOMINATOR"},'
            '"price_tag":{"numerator":0,"denominator":0,"status":"NO_DENOMINATOR"},'
            '"stockout_rate":{"numerator":0,"denominator":1,"value":0.000000,"status":"LOW_SAMPLE","observed":1.000000},'
            '"stockout_instances":{"numerator":0,"denominator":0,"status":"NO_DENOMINATOR"},'
            '"sell_through":{"numerator":0,"denominator":0,"status":"NO_DENOMINATOR"},'
            '"moving_share":{"numerator":0,"denominator":0,"status":"NO_DENOMINATOR"},'
            '"stock_to_sales":{"numerator":0,"denominator":0,"status":"NO_DENOMINATOR"}}}')
        # Market, City and North have lines, each for all classes and for size=big; South sold nothing.
        self.assertEqual(sorted({key[2:5] for key in replay.rows if key[1] == "B"}), sorted(
            (name, *value) for name in ("", "City", "North") for value in (("", ""), ("size", "big"))))
        self.assertEqual(replay.row("2026-03-02", region="City")["rates"]["coverage"]["value"], 0.5)

    def test_windows_and_growth(self):
        # Week 1: 40 out.  Week 2: 30 out, 5 back.  On day 14 of them: 25 against 40.
        replay = Replay(MARKET + [
            delivery("1", "n", "2026-03-01", 40),
            delivery("2", "n", "2026-03-08", 30),
            delivery("3", "z", "2026-03-14", 5, "RETURN"),
        ])
        names = ("delivered_units", "returned_units", "net_delivered_units", "previous_net_delivered_units",
                 "net_delivered_units_change", "buying_outlets", "repeat_buying_outlets", "covered_counties", "counties")
        self.assertEqual(replay.measures(*names, day="2026-03-07"), (40, 0, 40, 0, 40, 1, 0, 1, 2))
        self.assertEqual(replay.measures(*names, day="2026-03-14"), (30, 5, 25, 40, -15, 1, 1, 1, 2))
        self.assertEqual(replay.measures(*names, day="2026-03-14", window=28), (70, 5, 65, 0, 65, 1, 0, 1, 2))
        # South: something came back that never went out; it is active (a return is activity), but no buyer.
        self.assertEqual(replay.measures(*names, day="2026-03-14", region="South"), (0, 5, -5, 0, -5, 0, 0, 0, 1))
        growth = replay.row("2026-03-14")["rates"]["growth"]
        self.assertEqual(growth, {"numerator": -15, "denominator": 40, "value": -0.375, "status": "OK"})

    def test_line_exists_for_the_window_before_only(self):
        """The shop closed on the day after, so nothing is known of its shelf."""
        closed = outlet("n", "North", "2026-03-02", state="CLOSED")
        replay = Replay(MARKET + [closed, delivery("1", "n", "2026-03-01", 4)], through=oracle.parse_day("2026-03-15"))
        self.assertEqual(replay.measures("delivered_units", "previous_net_delivered_units", day="2026-03-08"), (0, 4))
        self.assertEqual(replay.measures("previous_net_delivered_units", day="2026-03-14"), (4,))
        self.assertIsNone(replay.row("2026-03-15"))
        self.assertIsNotNone(replay.row("2026-03-15", brand=""))

    def test_active_for_56_days(self):
        replay = Replay(MARKET + [visit("1", "n", "2026-01-05"), visit("2", "z", "2026-01-05", "CLOSED")],
                        through=oracle.parse_day("2026-03-02"))
        names = ("active_outlets", "dormant_outlets")
        # A visit to a closed outlet is no activity.
        self.assertEqual(replay.measures(*names, day="2026-01-05", brand=""), (1, 1))
        self.assertEqual(replay.measures(*names, day="2026-03-01", brand=""), (1, 1))
        self.assertEqual(replay.measures(*names, day="2026-03-02", brand=""), (0, 2))

    def test_only_active_outlets_are_buying(self):
        replay = Replay(MARKET + [
            delivery("1", "z", "2026-03-01", 5), delivery("2", "n", "2026-03-03", 5),
            outlet("z", "South", "2026-03-02", state="SUSPENDED"),
        ])
        names = ("active_outlets", "dormant_outlets", "delivered_units", "buying_outlets", "covered_counties")
        self.assertEqual(replay.measures(*names, day="2026-03-01"), (1, 1, 5, 1, 1))
        # Its units still count; the outlet is neither active nor dormant any more.
        self.assertEqual(replay.measures(*names, day="2026-03-03"), (1, 0, 10, 1, 2))

    def test_outlet_moves_and_takes_its_facts_along(self):
        replay = Replay(MARKET + [
            delivery("1", "n", "2026-03-01", 5), outlet("n", "South", "2026-03-02", size="small"),
            delivery("2", "z", "2026-03-02", 1),
        ])
        names = ("delivered_units", "buying_outlets", "active_outlets")
        # Units stay where they were delivered, the buyer stands where it is now.
        self.assertEqual(replay.measures(*names, day="2026-03-02", region="North"), (5, 0, 0))
        self.assertEqual(replay.measures(*names, day="2026-03-02", region="South"), (1, 2, 2))
        self.assertEqual(replay.measures(*names, day="2026-03-02", dimension="size", value="big"), (5, 0, 0))
        self.assertEqual(replay.measures(*names, day="2026-03-02", dimension="size", value="small"), (0, 1, 1))

    def test_before_the_first_version(self):
        replay = Replay(MARKET + [outlet("new", "South", "2026-03-10", size="big"), delivery("1", "new", "2026-03-01", 5)])
        names = ("delivered_units", "buying_outlets", "active_outlets", "covered_counties")
        self.assertEqual(replay.measures(*names, day="2026-03-01", region="South"), (5, 0, 0, 1))
        self.assertEqual(replay.measures(*names, day="2026-03-01", dimension="size", value="big"), (5, 0, 0, 1))

    def test_only_version_cancelled(self):
        ghost = outlet("ghost", "South")
        gone = dict(ghost, event_id="gone", event_time="2026-01-02" + NOON, revision=2, cancelled=True)
        replay = Replay(MARKET + [ghost, gone, delivery("1", "ghost", "2026-03-01", 5)])
        self.assertEqual(replay.verdicts()[-3:], ["accepted"] * 3)
        self.assertIsNone(replay.row("2026-03-01"))
        self.assertEqual(replay.measures("accepted", "dormant_outlets", day="2026-03-01", brand=""), (1, 2))

    def test_return_does_not_undo_buying_and_zero_is_no_purchase(self):
        replay = Replay(MARKET + [
            delivery("1", "n", "2026-03-01", 5), delivery("2", "n", "2026-03-01", 5, "RETURN"), delivery("3", "z", "2026-03-01", 0)])
        names = ("net_delivered_units", "buying_outlets", "covered_counties")
        self.assertEqual(replay.measures(*names, day="2026-03-01"), (0, 1, 0))
        self.assertIsNone(replay.row("2026-03-01", region="South"))

    def test_cancelled_county_is_none(self):
        gone = event("gone", "2026-01-02" + NOON, "region", {"region_id": "South"}, revision=2, cancelled=True)
        replay = Replay(MARKET + [gone, delivery("1", "n", "2026-03-01", 5), delivery("2", "z", "2026-03-01", 5)])
        self.assertEqual(replay.measures("counties", "covered_counties", "delivered_units", day="2026-03-01"), (1, 1, 10))

    def test_midnight_belongs_to_the_new_day(self):
        replay = Replay(MARKET + [
            delivery("1", "n", None, 1, time="2026-03-01T15:59:59.9999Z"), delivery("2", "n", None, 2, time="2026-03-01T16:00:00Z")])
        self.assertEqual(replay.measures("delivered_units", day="2026-03-01"), (1,))
        self.assertEqual(replay.measures("delivered_units", day="2026-03-02"), (3,))
        utc = Replay(MARKET + [delivery("2", "n", None, 2, time="2026-03-01T16:00:00Z")], zone=ZoneInfo("UTC"))
        self.assertEqual(utc.measures("delivered_units", day="2026-03-01"), (2,))

    def test_days_start_with_a_document_that_was_moved_away(self):
        first = delivery("1", "n", "2026-03-01", 5)
        moved = delivery("1", "n", "2026-03-03", 5, revision=2, event_id="m")
        replay = Replay(MARKET + [first, moved])
        self.assertEqual(sorted({key[0] for key in replay.rows}), ["2026-03-01", "2026-03-02", "2026-03-03"])
        self.assertIsNone(replay.row("2026-03-02"))


class Rates(unittest.TestCase):
    def test_half_away_from_zero(self):
        self.assertEqual(rates.six_digits(83, 120), "0.691667")
        self.assertEqual(rates.six_digits(1, 2_000_000), "0.000001")
        self.assertEqual(rates.six_digits(-1, 2_000_000), "-0.000001")
        self.assertEqual(rates.six_digits(-1, 3_000_000), "0.000000")
        self.assertEqual(rates.six_digits(-7, 2), "-3.500000")

    def test_status(self):
        self.assertIn('"status":"LOW_SAMPLE"', rates.rate(1, 29))
        self.assertIn('"status":"OK"', rates.rate(1, 30))
        self.assertIn('"status":"OK"', rates.rate(1, 3, may_be_small_sample=False))
        self.assertEqual(rates.rate(5, -3), '{"numerator":5,"denominator":-3,"status":"NO_DENOMINATOR"}')


class Documents(unittest.TestCase):
    def test_revisions_in_any_order(self):
        documents = [
            delivery("1", "n", "2026-03-01", 30, revision=3, event_id="a"),
            delivery("1", "n", "2026-03-01", 20, revision=2, event_id="b"),
        ]
        self.assertEqual(verdicts_of(*documents), ["accepted", "superseded"])
        self.assertEqual(Replay(MARKET + documents).measures("delivered_units", day="2026-03-01"), (30,))

    def test_cancelled_and_brought_back(self):
        cancelled = event("b", "2026-03-01" + NOON, "delivery", {"delivery_id": "1", "outlet_id": "n"}, revision=2, cancelled=True)
        documents = [delivery("1", "n", "2026-03-01", 10, event_id="a"), cancelled]
        replay = Replay(MARKET + documents)
        self.assertIsNone(replay.row("2026-03-01"))
        self.assertEqual(replay.measures("active_outlets", "accepted", day="2026-03-01", brand=""), (0, 2))
        documents.append(delivery("1", "n", "2026-03-01", 7, revision=3, event_id="c"))
        self.assertEqual(Replay(MARKET + documents).measures("delivered_units", day="2026-03-01"), (7,))

    def test_duplicates_and_conflicts(self):
        first = delivery("1", "n", "2026-03-01", 10, event_id="a")
        self.assertEqual(verdicts_of(
            first,
            dict(first, source="again", event_time="2026-03-01T04:00:00Z", arrival_time="2026-03-01T12:00:00.001+08:00"),
            dict(first, event_id="b", arrival_time="2026-03-01T12:00:00.002+08:00"),
            delivery("1", "n", "2026-03-01", 11, event_id="a", arrival_time="2026-03-01T12:00:00.003+08:00"),
            delivery("1", "n", "2026-03-01", 11, event_id="c", arrival_time="2026-03-01T12:00:00.004+08:00"),
            delivery("2", "n", "2026-03-01", 11, event_id="b", arrival_time="2026-03-01T12:00:00.005+08:00"),
            delivery("1", "z", "2026-03-01", 11, event_id="a", arrival_time="2026-03-01T12:00:00.006+08:00"),
        ), ["accepted", "duplicate", "duplicate", "event_id_conflict", "revision_conflict", "accepted", "accepted"])

    def test_order_at_one_instant_is_that_of_event_ids(self):
        self.assertEqual(verdicts_of(
            delivery("1", "n", "2026-03-01", 1, event_id="🏮"), delivery("1", "n", "2026-03-01", 2, event_id="Ａ"),
        ), ["revision_conflict", "accepted"])

    def test_late_and_future(self):
        arrivals = {
            "2026-03-08T12:00:00+08:00": "accepted", "2026-03-08T12:00:00.001+08:00": "late",
            "2026-03-01T11:55:00+08:00": "accepted", "2026-03-01T11:54:59.999+08:00": "future",
        }
        for arrival, verdict in arrivals.items():
            self.assertEqual(verdicts_of(delivery("1", "n", "2026-03-01", 1, arrival_time=arrival)), [verdict])
        fortnight = dict(visit("1", "n", "2026-03-01"), arrival_time="2026-03-15T12:00:00+08:00")
        self.assertEqual(verdicts_of(fortnight), ["accepted"])

    def test_late_by_the_replaced_version(self):
        first = delivery("1", "n", "2026-03-01", 1, event_id="a")
        in_time = delivery("1", "n", "2026-03-08", 1, event_id="b", revision=2)
        too_late = delivery("1", "n", "", 1, event_id="b", revision=2, time="2026-03-08T12:00:00.001+08:00")
        self.assertEqual(verdicts_of(first, in_time), ["accepted", "accepted"])
        self.assertEqual(verdicts_of(first, too_late), ["accepted", "late"])

    def test_documents_of_one_outlet_and_day(self):
        first = delivery("1", "n", "2026-03-01", 1, event_id="a")
        events = [
            first, dict(visit("2", "n", "2026-03-01"), event_id="b"), delivery("3", "n", "2026-03-01", 1, event_id="c"),
            delivery("4", "z", "2026-03-01", 1, event_id="d"),
            delivery("1", "n", "2026-03-02", 2, event_id="e", revision=2),
            delivery("5", "n", "", 1, time="2026-03-01T12:00:00+08:00", arrival_time="2026-03-02T13:00:00+08:00"),
            delivery("6", "n", "", 1, time="2026-03-01T12:00:00+08:00", arrival_time="2026-03-02T14:00:00+08:00"),
        ]
        replay = Replay(MARKET + events, outlet_day_documents_max=2)
        self.assertEqual(replay.verdicts()[len(MARKET):],
                         ["accepted", "accepted", "bad_value", "accepted", "accepted", "accepted", "bad_value"])
        self.assertEqual([line["detail"] for line in replay.quarantine], ["too_many_documents"] * 2)

    def test_memory_of_ids(self):
        first = delivery("1", "n", "2026-01-01", 1, event_id="a")
        remembered = delivery("1", "n", "2026-07-16", 2, event_id="b")
        forgotten = delivery("1", "n", "2026-07-17", 2, event_id="a")
        self.assertEqual(verdicts_of(first, remembered), ["accepted", "revision_conflict"])
        replay = Replay(MARKET + [first, forgotten], only={oracle.parse_day("2026-01-01"), oracle.parse_day("2026-07-17")})
        self.assertEqual(replay.verdicts()[-2:], ["accepted", "accepted"])
        self.assertEqual(replay.measures("delivered_units", day="2026-01-01"), (1,))  # and stays
        self.assertEqual(replay.measures("delivered_units", day="2026-07-17"), (2,))

    def test_quarantined_record_occupies_no_id(self):
        self.assertEqual(verdicts_of(
            delivery("1", "n", "2026-03-01", -1, event_id="a"), delivery("1", "n", "2026-03-01", 1, event_id="a"),
        ), ["negative_quantity", "accepted"])

    def test_reasons(self):
        good = delivery("1", "n", "2026-03-01", 1)

        def changed(**fields):
            return dict(good, delivery=dict(good["delivery"], **fields))

        cases = [
            ("malformed", b"{"), ("malformed", b"[1]"), ("malformed", b'{"a":NaN}'), ("malformed", b'{"a":"\xff"}'),
            ("malformed", b'{"a":' + b"[" * 64 + b"]" * 64 + b"}"),
            ("bad_payload", b'{"a":' + b"[" * 63 + b"]" * 63 + b"}"),
            ("bad_payload", dict(good, visit={})), ("accepted", dict(good, visit=None)),
            ("missing_field", dict(good, event_id="")), ("missing_field", changed(direction=None)),
            ("missing_field", changed(direction="", lines=5)), ("accepted", changed(lines=None)), ("accepted", changed(order_id="")),
            ("bad_value", changed(direction="IN")), ("bad_value", dict(good, event_time="2026-03-01T12:00:00")),
            ("bad_value", dict(good, revision=0)), ("bad_value", dict(good, cancelled="yes")),
            ("bad_value", changed(lines=[{"sku_id": "s", "quantity": 1.0}])),
            ("bad_value", changed(lines=[{"sku_id": "s", "quantity": 1_000_000_001}, {"sku_id": "t", "quantity": -1}])),
            ("accepted", changed(lines=[{"sku_id": "s", "quantity": 1_000_000_000}])),
            ("negative_quantity", changed(lines=[{"sku_id": "s", "quantity": -1}, {"sku_id": "s", "quantity": 1}])),
            ("duplicate_sku", changed(lines=[{"sku_id": "s", "quantity": 1}, {"sku_id": "s", "quantity": 1}])),
            ("unknown_outlet", changed(outlet_id="?", lines=[{"sku_id": "?", "quantity": 1}])),
            ("unknown_sku", changed(lines=[{"sku_id": "?", "quantity": 1}])),
            ("accepted", b'{"event_id":5,' + json.dumps(good).encode()[1:]),  # of a repeated key the last counts
        ]
        for verdict, line in cases:
            self.assertEqual(verdicts_of(line), [verdict], line)

    def test_data_quality_is_counted_by_day_of_arrival(self):
        replay = Replay(MARKET + [
            delivery("1", "n", "2026-03-01", 1),
            delivery("2", "n", "2026-03-01", 1, arrival_time="2026-03-09" + NOON),
            delivery("3", "n", "2026-03-09", 1),
            b"   ",
            b"{}",  # no time: counted where the earliest line of all is, on 1 January
            dict(sku("s", "other"), event_id="x", revision=2),
        ])
        names = ("received", "accepted", "parked", "quarantined_late", "quarantined_bad_payload")
        self.assertEqual(replay.measures(*names, day="2026-03-08", brand=""), (0, 0, 0, 0, 0))
        self.assertEqual(replay.measures(*names, day="2026-03-09", brand=""), (2, 1, 0, 1, 0))
        self.assertEqual(replay.measures(*names, day="2026-03-09", brand="", window=91), (4, 2, 0, 1, 1))
        self.assertEqual([(q["reason"], q.get("event_id"), q["file"], q["line"]) for q in replay.quarantine], [
            ("late", "e2", "events.jsonl", 8), ("bad_payload", None, "events.jsonl", 11), ("reference_conflict", "x", "events.jsonl", 12)])


class ReferenceData(unittest.TestCase):
    def verdicts(self, *events):
        return Replay(events).verdicts()

    def test_regions_wait_for_their_parents(self):
        grandchild, child = region("a", "COUNTY", "b"), region("b", "CITY", "c")
        self.assertEqual(self.verdicts(grandchild, child, region("c", "PROVINCE")), ["accepted"] * 3)
        self.assertEqual(self.verdicts(grandchild, child), ["unknown_region"] * 2)
        self.assertEqual(self.verdicts(region("a", "CITY", "b"), region("b", "CITY", "a")), ["unknown_region"] * 2)

    def test_a_parent_is_of_a_higher_level(self):
        self.assertEqual(self.verdicts(region("p", "PROVINCE"), region("q", "COUNTY", "p"), region("r", "COUNTY", "q"), region("s", "PROVINCE", "q")),
                         ["accepted", "accepted", "bad_value", "bad_value"])
        self.assertEqual(self.verdicts(region("a", "CITY", "b"), region("b", "CITY")), ["bad_value", "accepted"])
        gone = dict(region("m", "CITY"), cancelled=True)
        back = dict(region("m", "COUNTY"), event_id="2", event_time="2026-01-03" + NOON, revision=2)
        child = dict(region("n", "COUNTY", "m"), event_time="2026-01-02" + NOON)
        self.assertEqual(self.verdicts(gone, child, back), ["accepted", "accepted", "bad_value"])

    def test_what_never_changes(self):
        city = region("c", "CITY")
        self.assertEqual(self.verdicts(
            city,
            dict(region("c", "COUNTY"), event_id="2", event_time="2026-01-02" + NOON, revision=2),
            dict(region("c", "CITY"), event_id="3", event_time="2026-01-03" + NOON, revision=2),
        ), ["accepted", "reference_conflict", "accepted"])
        self.assertEqual(self.verdicts(sku("s", "B"), sku("s", "C", "2026-02-01")), ["accepted", "reference_conflict"])

    def test_event_id_is_unique_among_all_reference_events(self):
        self.assertEqual(self.verdicts(region("c", "CITY"), dict(sku("s", "B"), event_id="r c")), ["accepted", "event_id_conflict"])

    def test_version_is_its_highest_uncancelled_revision(self):
        south = outlet("n", "South", "2026-03-02")
        cancelled = dict(south, event_id="x", revision=2, cancelled=True, event_time="2026-01-02" + NOON)
        documents = [delivery("1", "n", "2026-03-02", 5)]
        self.assertIsNotNone(Replay(MARKET + [south] + documents).row("2026-03-02", region="South"))
        self.assertIsNotNone(Replay(MARKET + [south, cancelled] + documents).row("2026-03-02", region="North"))


class Tools(unittest.TestCase):
    def test_same_seed_same_bytes_and_compare(self):
        with tempfile.TemporaryDirectory() as scratch:
            folders = [pathlib.Path(scratch) / name for name in ("a", "b")]
            for folder in folders:
                generate.History(1, 3, 10, 0.5).build().write(folder, False)
                _, metrics, quarantine, alerts = oracle.run(folder)
                oracle.write_lines(folder / "metrics.jsonl", metrics)
                oracle.write_lines(folder / "quarantine.jsonl", quarantine)
                oracle.write_lines(folder / "alerts.jsonl", alerts)
            for name in ("events.jsonl", "reference.jsonl"):
                self.assertEqual((folders[0] / name).read_bytes(), (folders[1] / name).read_bytes())
            self.assertEqual(self.compare(*folders), (0, ""))
            text = (folders[1] / "metrics.jsonl").read_text(encoding="utf-8")
            (folders[1] / "metrics.jsonl").write_text(text.replace('"active_outlets":1,', '"active_outlets":2,', 1), encoding="utf-8")
            status, output = self.compare(*folders)
            self.assertEqual(status, 1)
            self.assertIn("measures.active_outlets: A 1, B 2", output)

    def test_a_missing_line_hides_no_other_difference(self):
        replay = Replay(MARKET + [delivery("1", "n", "2026-03-01", 10), visit("2", "z", "2026-03-02")])
        wrong = [line.replace('"known_days":1', '"known_days":3') for line in replay.metrics[1:]]
        with tempfile.TemporaryDirectory() as scratch:
            folders = [pathlib.Path(scratch) / name for name in ("a", "b")]
            for folder, lines in zip(folders, (replay.metrics, wrong)):
                folder.mkdir()
                oracle.write_lines(folder / "metrics.jsonl", lines)
                for name in ("quarantine.jsonl", "alerts.jsonl"):
                    oracle.write_lines(folder / name, [])
            status, output = self.compare(*folders)
        self.assertEqual(status, 1)
        self.assertIn("only in A: 1 lines", output)
        self.assertIn("measures.known_days: A 1, B 3", output)

    def test_every_profile_writes_the_same_bytes_again(self):
        for kind in generate_market.KINDS:
            with tempfile.TemporaryDirectory() as scratch:
                folders = [pathlib.Path(scratch) / name for name in ("a", "b")]
                for folder in folders:
                    kind(1, 3, 20, 0.5).build().write(folder, False)
                for name in ("events.jsonl", "days.txt"):
                    self.assertEqual((folders[0] / name).read_bytes(), (folders[1] / name).read_bytes())

    @staticmethod
    def compare(a, b):
        output = io.StringIO()
        with mock.patch.object(sys, "argv", ["compare.py", str(a), str(b)]), contextlib.redirect_stdout(output):
            return compare.main(), output.getvalue()


if __name__ == "__main__":
    unittest.main()
