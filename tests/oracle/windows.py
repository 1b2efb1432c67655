"""Which days a line is about: windows of 7, 28 and 91 days and the calendar month to date (0)."""

from datetime import date, timedelta

from days import format_day

WINDOWS = (0, 7, 28, 91)
YEAR_DAYS = 364  # 52 weeks: the same days of the week


def first_of_month(day):
    start = date(1970, 1, 1) + timedelta(days=day)
    return day - (start.day - 1)


def period_of(day):
    """The month of a day: 2026-03."""
    return format_day(day)[:7]


def window_of(day, window_days):
    """W as (first, last). The month is to date: from its first day to D."""
    return (first_of_month(day) if window_days == 0 else day - window_days + 1), day


def window_before(day, window_days):
    """P: the window before W.

    For a month to date it is the same number of days from the first of the month before, at most that whole month: March up
    to the 28th, 29th, 30th and 31st are all compared with the whole of a February of 28 days.
    """
    first, last = window_of(day, window_days)
    if window_days:
        return first - window_days, first - 1
    month_before = first_of_month(first - 1)
    return month_before, min(month_before + (last - first), first - 1)


def window_of_last_year(day, window_days):
    """[D-363-window_days, D-364], which is W moved back by 364 days; of a month the same dates, 29 February read as 28."""
    first, last = window_of(day, window_days)
    if window_days == 0:
        return date_last_year(first), date_last_year(last)
    return first - YEAR_DAYS, last - YEAR_DAYS


def date_last_year(day):
    then = date(1970, 1, 1) + timedelta(days=day)
    if (then.month, then.day) == (2, 29):
        then = then.replace(day=28)
    return (then.replace(year=then.year - 1) - date(1970, 1, 1)).days
