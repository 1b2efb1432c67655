"""Retail prices seen on visits: which are accepted, and their quantiles."""

QUARTILES = (("q1", 25), ("median", 50), ("q3", 75))
OUT_OF_RANGE = "price_out_of_range"


def is_out_of_range(price, guide):
    """0; and with a guide price g less than 30 % or more than 300 % of it."""
    return price == 0 or (guide is not None and (10 * price < 3 * guide or price > 3 * guide))


def price_index(price, guide):
    """In basis points of the guide price."""
    return 10_000 * price // guide


def quantile(readings, percent):
    """Element ceil(n*p/100) of the sorted readings, counted from 1."""
    return sorted(readings)[-(-len(readings) * percent // 100) - 1]


def price_checks(record):
    """(SKU, price) of a DONE visit."""
    if record.kind != "visit" or record.cancelled or record.payload["outcome"] != "DONE":
        return []
    return [(check["sku_id"], check["retail_price_fen"]) for check in record.payload["checks"] if "retail_price_fen" in check]


def quarantined_prices(records, sku_versions):
    """(record, SKU, price) of the single lines of accepted visits.

    Reading: each accepted visit is checked once, also one that is replaced or cancelled later. The guide price
    is that of the visit's day.
    """
    return [(record, sku, price) for record in records if record.verdict == "accepted"
            for sku, price in price_checks(record)
            if is_out_of_range(price, sku_versions.guide_price(sku, record.day))]
