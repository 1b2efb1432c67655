"""Rule R16, data quality of a source topic: the share of rejected documents, evaluated when a day closes.

Held records, the other condition of the rule, do not exist in a file replay.
"""

from collections import Counter

from daily_condition import CRITICAL, WARNING, DailyCondition
from days import DAY_MS, day_of, format_day, start_of_day

RULE, UNIT, WINDOW = "R16", "records", 7
# A line without exactly one known payload counts as a delivery.
TOPICS = {"order": "orders", "delivery": "deliveries", "visit": "visits", None: "deliveries"}
OUTCOMES_OF_DOCUMENTS = ("accepted", "superseded", "duplicate")
UNKNOWN = ("unknown_outlet", "unknown_sku")
DAYS_TO_FIRE, DAYS_TO_RESOLVE = 1, 3


def holds(rejected, documents):
    return rejected >= 20 and rejected / documents >= 0.01


def clears(rejected, documents):
    return rejected < 10 or rejected / documents < 0.005


def severity(rejected, documents):
    return CRITICAL if documents and rejected / documents >= 0.10 else WARNING


def day_of_outcome(record, zone):
    """A live run finds that an outlet or SKU is unknown when the document has waited for more than a day."""
    waited = DAY_MS + 1 if record.verdict in UNKNOWN else 0
    return day_of(record.arrival + waited, zone)


def outcomes(records, zone):
    """(topic, day) -> documents, and of these the rejected ones. Reading: a line without any arrival has no day."""
    documents, rejected = Counter(), Counter()
    for record in records:
        if record.kind in TOPICS and record.arrival is not None:
            key = TOPICS[record.kind], day_of_outcome(record, zone)
            documents[key] += 1
            rejected[key] += record.verdict not in OUTCOMES_OF_DOCUMENTS
    return documents, rejected


def run(records, last_day, alert_log):
    """Closes all days before the last, from the first that has an outcome on."""
    documents, rejected = outcomes(records, alert_log.zone)
    for topic in sorted(set(TOPICS.values())):
        condition, sent = DailyCondition(DAYS_TO_FIRE, DAYS_TO_RESOLVE), 0
        first = min((day for other, day in documents if other == topic), default=last_day)
        for day in range(first, last_day):
            counts = rejected[topic, day], documents[topic, day]
            change = condition.evaluate(start_of_day(day + 1, alert_log.zone), holds(*counts), clears(*counts), severity(*counts))
            if change:
                sent += 1
                alert_log.write_of_topic(RULE, topic, sent, change, *counts, UNIT, row(day))


def row(day):
    return {"as_of": format_day(day), "brand_id": "", "region_id": "", "class_dimension": "", "class_value": "",
            "window_days": WINDOW}
