#!/usr/bin/env python3
"""Checks the rates that fiverate computed from the Iowa table against SQL on the table itself.

  pip install duckdb
  deploy/examples/iowa_check.py deliveries.csv.gz metrics.jsonl

The check is independent of the code of fiverate. Both use the same definitions:

  unit      a millilitre: litres x 1000, a half rounded up, exactly (decimal, not binary)
  day       an outlet's purchases of a week, at noon of the week's first day; so the day of a row is its week_start
  outlet    city and county; region: county, "IA" for the state, "" for the whole market
  window    the days [D - window + 1, D]; the window before it ends where this one begins
  active_outlets     outlets with any delivery in [D - 55, D]; there are no other events, and all outlets are ACTIVE from the first week
  buying_outlets     active outlets that took at least one unit of the brand in the window
  repeat_buying      of these, those that did so in the window before as well
  counties           all counties of the table under the region, from the first day on
  covered_counties   counties with at least one unit of the brand in the window

First it checks --rows random lines (brand, region, day, window). For a line that fiverate does not have, all values must be 0.
Then it checks the total of each brand and year in the whole market. The total up to a day D is the sum of the 7-day windows that end
on D, D - 7, D - 14, ... back to the first week, which cover each day exactly once. A year is the difference of two such totals, at
its 31 December and the one before.
"""
import argparse
import datetime
import json
import random
import sys

try:
    import duckdb
except ImportError:
    sys.exit("iowa_check: duckdb is missing: pip install duckdb")

STATE, WINDOWS, ACTIVE_DAYS = "IA", (7, 28, 91), 56
DAY = datetime.timedelta(days=1)

COMPARED = ("active_outlets", "delivered_units", "net_delivered_units", "previous_net_delivered_units", "net_delivered_units_change",
            "buying_outlets", "repeat_buying_outlets", "counties", "covered_counties")

# One line: $brand, $region, $day, $window.
SQL = """
with here as (
  select * from table_rows where $region in ('', $state, county)
), days as (
  select cast($day as date) as d, cast($window as integer) as w
), active as (
  select distinct outlet from here, days where day between d - (%d - 1) and d
), now as (
  select here.* from here, days where brand = $brand and day between d - (w - 1) and d
), before as (
  select here.* from here, days where brand = $brand and day between d - (2 * w - 1) and d - w
), buyers as (
  select distinct outlet from now where units >= 1 and outlet in (select outlet from active)
)
select
  (select count(*) from active),
  (select coalesce(sum(units), 0) from now),
  (select coalesce(sum(units), 0) from now),
  (select coalesce(sum(units), 0) from before),
  (select coalesce(sum(units), 0) from now) - (select coalesce(sum(units), 0) from before),
  (select count(*) from buyers),
  (select count(*) from buyers where outlet in (select outlet from before where units >= 1)),
  (select count(distinct county) from here),
  (select count(*) from (select county from now group by county having sum(units) >= 1))
""" % ACTIVE_DAYS


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("table", help="the CSV, also .gz")
    parser.add_argument("metrics", help="metrics.jsonl of a replay, or the final rows of a live run")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    table = Table(arguments.table)
    expected_keys = table.random_lines(arguments.rows, random.Random(arguments.seed))
    tiles = {key for brand, _, begin, end in table.years() for day in (begin - DAY, end) for key in table.tiles(brand, day)}
    lines, in_all = read_lines(arguments.metrics, set(expected_keys) | tiles)
    print(f"table: {table.rows} rows, {table.first} to {table.last}; metrics: {in_all} lines")
    differences = check_lines(table, expected_keys, lines) + check_totals(table, lines)
    print(f"{'FAILED' if differences else 'OK'}: {differences} differences (seed {arguments.seed})")
    return 1 if differences or not in_all else 0


class Table:
    def __init__(self, path):
        self.db = duckdb.connect()
        self.db.execute("set threads = 2")
        self.db.execute("""
            create table table_rows as
            select cast(week_start as date) as day, brand, county, city || '/' || county as outlet,
                   cast(round(cast(litres as decimal(38, 20)) * 1000, 0) as bigint) as units
            from read_csv(?, header = true, all_varchar = true)""", [path])
        self.rows, self.first, self.last = self.one("select count(*), min(day), max(day) from table_rows")
        self.brands = self.column("select distinct brand from table_rows order by 1")
        self.counties = self.column("select distinct county from table_rows order by 1")

    def one(self, sql, parameters=None):
        return self.db.execute(sql, parameters or []).fetchone()

    def column(self, sql):
        return [row[0] for row in self.db.execute(sql).fetchall()]

    # A third of the lines each is for counties, the state and the market. The days are within the table's.
    def random_lines(self, count, rng):
        days = (self.last - self.first).days + 1
        return [(rng.choice(self.brands), rng.choice([rng.choice(self.counties), STATE, ""]),
                 (self.first + rng.randrange(days) * DAY).isoformat(), rng.choice(WINDOWS)) for _ in range(count)]

    def line(self, brand, region, day, window):
        return dict(zip(COMPARED, self.one(SQL, {"brand": brand, "region": region, "day": day, "window": window, "state": STATE})))

    # (brand, year, first day, last day)
    def years(self):
        for brand in self.brands:
            for year in range(self.first.year, self.last.year + 1):
                yield brand, year, max(datetime.date(year, 1, 1), self.first), min(datetime.date(year, 12, 31), self.last)

    # The keys of the 7-day windows that cover all days up to a day.
    def tiles(self, brand, last):
        while last >= self.first:
            yield brand, "", last.isoformat(), 7
            last -= 7 * DAY


# The file has millions of lines. Only those of the keys are parsed, which are found by their canonical beginning.
def read_lines(path, keys):
    compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    heads = {compact({"as_of": day, "brand_id": brand, "region_id": region})[:-1] for brand, region, day, _ in keys}
    lines, in_all = {}, 0
    with open(path, encoding="utf-8") as file:
        for text in file:
            in_all += 1
            head_end = text.find(',"class_dimension":')
            if head_end < 0:
                sys.exit(f"iowa_check: line {in_all} of {path} is not a line of metrics.jsonl")
            if text[:head_end] not in heads:
                continue
            line = json.loads(text)
            key = (line["brand_id"], line["region_id"], line["as_of"], line["window_days"])
            if key in keys and line["class_dimension"] == "" and line["status"] == "FINAL":
                if key in lines:
                    sys.exit(f"iowa_check: {path} has {key} twice")
                lines[key] = line["measures"]
    return lines, in_all


# A line is absent if all its measures but these are 0.
ALWAYS_THERE = ("active_outlets", "counties")


def check_lines(table, keys, lines):
    differences = {name: [] for name in COMPARED}
    absent = 0
    for key in keys:
        expected, got = table.line(*key), lines.get(key)
        absent += got is None
        for name in COMPARED:
            if got is None and name in ALWAYS_THERE:
                continue
            value = 0 if got is None else got.get(name, 0)
            if value != expected[name]:
                differences[name].append(f"{key}: fiverate {value}, SQL {expected[name]}")
    print(f"\n{len(keys)} random lines, {absent} of them absent\n  {'measure':32} {'equal':>7} {'differ':>7}")
    for name, found in differences.items():
        compared = len(keys) - (absent if name in ALWAYS_THERE else 0)
        print(f"  {name:32} {compared - len(found):>7} {len(found):>7}")
        for text in found[:3]:
            print(f"    {text}")
    return sum(map(len, differences.values()))


def check_totals(table, lines):
    differences = 0
    print(f"\n  {'brand':20} {'year':>5} {'fiverate ml':>14} {'SQL ml':>14}")
    for brand, year, begin, end in table.years():
        def up_to(day, brand=brand):
            return sum(lines.get(key, {}).get("net_delivered_units", 0) for key in table.tiles(brand, day))
        ours = up_to(end) - up_to(begin - DAY)
        theirs = int(table.one("select coalesce(sum(units), 0) from table_rows where brand = ? and year(day) = ?", [brand, year])[0])
        differences += ours != theirs
        print(f"  {brand:20} {year:>5} {ours:>14} {theirs:>14}{'' if ours == theirs else '  DIFFERS'}")
    return differences


if __name__ == "__main__":
    sys.exit(main())
