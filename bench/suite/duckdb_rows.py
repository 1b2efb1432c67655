"""Rows of the reduced job from JSON lines, computed by DuckDB. Runs in the virtual environment of bench/run.

    duckdb_rows.py DIR OUT.jsonl DAY        the rows of one day
    duckdb_rows.py DIR OUT.jsonl all DAYS   the rows of that many days, from the first one

The data has one version of each outlet and SKU and no revisions, so the queries do not look for them. One day is an aggregation by outlet
and brand. All days are differences: a purchase adds an outlet on [max(day, last + W), day + W); running sums over the days make the rows.
"""
import sys

import duckdb

FIRST = "DATE '2026-01-05'"
LINES = """
create or replace view reference as select * from read_json('{folder}/reference.jsonl', format='newline_delimited', columns={{
  outlet: 'STRUCT(outlet_id VARCHAR, region_id VARCHAR, classes STRUCT(dimension VARCHAR, "value" VARCHAR)[])',
  sku: 'STRUCT(sku_id VARCHAR, brand_id VARCHAR)'}});
create table outlets as select (row_number() over ())::INTEGER as outlet, outlet.outlet_id as name, outlet.region_id as region, outlet.classes[1]."value" as class_value
  from reference where outlet is not null;
create table skus as select sku.sku_id as sku, sku.brand_id as brand from reference where sku is not null;
create view lines as select outlet, day, brand, quantity from (
  select outlet, event_time[:10]::DATE as day, unnest(delivery.lines) as line from read_json('{folder}/events.jsonl',
    format='newline_delimited', columns={{event_time: 'VARCHAR',
    delivery: 'STRUCT(outlet_id VARCHAR, lines STRUCT(sku_id VARCHAR, quantity INTEGER)[])'}}) join outlets on name = delivery.outlet_id) documents
  cross join lateral (select line.sku_id as sku, line.quantity as quantity) join skus using (sku);
"""
SETS = "grouping sets ((brand, {w}), (brand, {w}, region), (brand, {w}, class_value), (brand, {w}, region, class_value))"
OUTPUT = """copy (select {day} as as_of, brand as brand_id, coalesce(region, '') as region_id,
  case when class_value is null then '' else 'class1' end as class_dimension, coalesce(class_value, '') as class_value,
  w as window_days, b as buying_outlets, r as repeat_buying_outlets, u as delivered_units, p as previous_net_delivered_units
  from rows where b <> 0 or r <> 0 or u <> 0 or p <> 0) to '{out}' (format json)"""


def one_day(connection, day, out):
    sums = ", ".join(f"sum(quantity) filter (day > DATE '{day}' - {w} and day <= DATE '{day}') as u{w}, "
                     f"sum(quantity) filter (day > DATE '{day}' - {2 * w} and day <= DATE '{day}' - {w}) as p{w}" for w in (7, 28, 91))
    counts = ", ".join(f"count(*) filter (u{w} > 0 and is_active) as b{w}, count(*) filter (u{w} > 0 and p{w} > 0 and is_active) as r{w}, "
                       f"coalesce(sum(u{w}), 0) as u{w}, coalesce(sum(p{w}), 0) as p{w}" for w in (7, 28, 91))
    connection.execute(f"""
create table pairs as select outlet, brand, max(day) as last, {sums} from lines where day <= DATE '{day}' group by outlet, brand;
create table active as select outlet, max(last) > DATE '{day}' - 56 as is_active from pairs group by outlet;
create table cells as select brand, region, class_value, {counts} from pairs join active using (outlet) join outlets using (outlet) group by all;
create view rows as """ + " union all ".join(f"""
select brand, region, class_value, {w} as w, sum(b{w}) as b, sum(r{w}) as r, sum(u{w}) as u, sum(p{w}) as p
  from cells group by {SETS.format(w='()').replace(', ()', '')}""" for w in (7, 28, 91)))
    connection.execute(OUTPUT.format(day=f"'{day}'", out=out))


def all_days(connection, days, out):
    connection.execute("""
create table purchases as select brand, region, class_value, day, lag(day) over (partition by outlet, brand order by day) as last, quantity
  from (select outlet, brand, day, sum(quantity) as quantity from lines group by all) join outlets using (outlet);
create view windows as select unnest([7, 28, 91]) as w;
create view spans as select brand, region, class_value, w, day, quantity, greatest(day, coalesce(last + w, day)) as begins, day + w as ends,
  case when last is null then day else least(day + w, last + 2 * w) end as repeat_ends from purchases cross join windows;
create table differences as select brand, region, class_value, w, day, sum(b) as b, sum(r) as r, sum(u) as u, sum(p) as p from (
  select brand, region, class_value, w, begins as day, 1 as b, case when repeat_ends > begins then 1 else 0 end as r, 0 as u, 0 as p
    from spans where begins < ends
  union all select brand, region, class_value, w, ends, -1, 0, 0, 0 from spans where begins < ends
  union all select brand, region, class_value, w, repeat_ends, 0, -1, 0, 0 from spans where begins < ends and repeat_ends > begins
  union all select brand, region, class_value, w, day, 0, 0, quantity, 0 from spans
  union all select brand, region, class_value, w, day + w, 0, 0, -quantity, quantity from spans
  union all select brand, region, class_value, w, day + 2 * w, 0, 0, 0, -quantity from spans
) group by all;""")
    connection.execute(f"""
create view days as select {FIRST} + unnest(range({days}))::INTEGER as day;
create table summed as select brand, region, class_value, w, day, sum(b) as b, sum(r) as r, sum(u) as u, sum(p) as p
  from differences where day < {FIRST} + {days}
  group by {SETS.format(w='w, day')};
create view cells as select distinct brand, region, class_value, w from summed;
create view rows as select brand, region, class_value, w, day, sum(b) over history as b, sum(r) over history as r,
  sum(u) over history as u, sum(p) over history as p from (
    select cells.*, days.day, coalesce(b, 0) as b, coalesce(r, 0) as r, coalesce(u, 0) as u, coalesce(p, 0) as p
    from cells cross join days left join summed on summed.brand = cells.brand and summed.w = cells.w and summed.day = days.day
      and summed.region is not distinct from cells.region and summed.class_value is not distinct from cells.class_value)
  window history as (partition by brand, region, class_value, w order by day);""")
    connection.execute(OUTPUT.format(day="strftime(day, '%Y-%m-%d')", out=out))


def main():
    folder, out, day = sys.argv[1:4]
    connection = duckdb.connect()
    connection.execute("set preserve_insertion_order = false; set threads = 2")
    connection.execute(LINES.format(folder=folder))
    if day == "all":
        all_days(connection, int(sys.argv[4]), out)
    else:
        one_day(connection, day, out)


if __name__ == "__main__":
    main()
