"""Days and times.

A day is the number of days since 1970-01-01, a time the number of milliseconds since then (UTC).
"""

import re
from datetime import date, datetime, timedelta, timezone

DAY_MS = 86_400_000
MINUTE_MS = 60_000

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# datetime cannot name a local time after the year 9999; offsets do not change there any more.
LAST_OFFSET_LOOKUP_MS = (date(9999, 12, 30) - date(1970, 1, 1)).days * DAY_MS

TIME_FORM = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
DATE_FORM = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")


def parse_day(text):
    """YYYY-MM-DD of a day that exists, year 1970 to 9999; None if it is anything else."""
    match = DATE_FORM.fullmatch(text)
    if not match:
        return None
    year, month, day = map(int, match.groups())
    if year < 1970:
        return None
    try:
        return (date(year, month, day) - date(1970, 1, 1)).days
    except ValueError:
        return None


def format_day(day):
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def parse_offset_minutes(text):
    """'Z' or '+08:00' in minutes; None if there is no such offset."""
    if text in "Zz":
        return 0
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        return None
    return (hours * 60 + minutes) * (-1 if text[0] == "-" else 1)


def parse_time(text):
    """RFC 3339 with an offset, truncated to milliseconds; None for any other text.

    Reading: no leap second (":60"), no blank instead of the "T", written year 1970 to 9999.
    """
    match = TIME_FORM.fullmatch(text)
    if not match:
        return None
    day = parse_day(match[1])
    hour, minute, second = int(match[2]), int(match[3]), int(match[4])
    offset = parse_offset_minutes(match[6])
    if day is None or offset is None or hour > 23 or minute > 59 or second > 59:
        return None
    # Digits after the third are dropped, never rounded: .9999 does not reach the next second.
    millisecond = int(((match[5] or "") + "000")[:3])
    minutes = (day * 24 + hour) * 60 + minute - offset
    return (minutes * 60 + second) * 1000 + millisecond


def day_of(time_ms, zone):
    """The date of a time in the market's zone; 00:00:00.000 belongs to the new day."""
    instant = EPOCH + timedelta(milliseconds=min(time_ms, LAST_OFFSET_LOOKUP_MS))
    offset = instant.astimezone(zone).utcoffset()
    return (time_ms + offset // timedelta(milliseconds=1)) // DAY_MS


def start_of_day(day, zone):
    """00:00:00.000 of the day in the market's zone: its first millisecond."""
    midnight = datetime.combine(date(1970, 1, 1) + timedelta(days=day), datetime.min.time(), zone)
    return (midnight - EPOCH) // timedelta(milliseconds=1)


def format_time(time_ms, zone):
    """In the market's zone with its offset and three decimals: 2026-03-02T12:00:00.000+08:00."""
    local = (EPOCH + timedelta(milliseconds=time_ms)).astimezone(zone)
    return local.isoformat(timespec="milliseconds")
