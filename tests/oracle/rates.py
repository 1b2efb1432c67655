"""Rates from measures: numerator, denominator, value with six digits, status."""

SMALL_SAMPLE = 30

# (rate, numerator, denominator), in the order of a line. growth_yoy and stock_to_sales have a numerator and a
# denominator that are no measures.
RATES = (
    ("buying", "buying_outlets", "active_outlets"),
    ("on_shelf", "on_shelf_outlets", "active_outlets"),
    ("coverage", "covered_counties", "counties"),
    ("on_shelf_audited", "shelf_present", "shelf_checks"),
    ("unit_fill", "filled_units", "requested_units"),
    ("line_fill", "full_lines", "order_lines"),
    ("purchase_face", "confirmed_lines", "order_lines"),
    ("order_demand", "requesting_outlets", "ordering_outlets"),
    ("repurchase", "repeat_buying_outlets", "buying_outlets"),
    ("growth", "net_delivered_units_change", "previous_net_delivered_units"),
    ("growth_yoy", None, None),
    ("price_tag", "price_tags_ok", "price_tags_checked"),
    ("stockout_rate", "stockout_days", "known_days"),
    ("stockout_instances", "zero_counts", "listed_counts"),
    ("sell_through", "sold_units", "available_units"),
    ("moving_share", "moving_outlets", "holding_outlets"),
    ("stock_to_sales", None, None),
)


def six_digits(numerator, denominator):
    """numerator / denominator, rounded half away from zero to six digits, always written with six."""
    sign = -1 if numerator < 0 else 1
    millionths = (2 * abs(numerator) * 1_000_000 + denominator) // (2 * denominator)
    text = f"{millionths // 1_000_000}.{millionths % 1_000_000:06d}"
    return "-" + text if sign < 0 and millionths else text


def rate(numerator, denominator, may_be_small_sample=True, more=""):
    """The rate as JSON text, because the value is a number with exactly six decimals."""
    if denominator <= 0:
        return f'{{"numerator":{numerator},"denominator":{denominator},"status":"NO_DENOMINATOR"{more}}}'
    status = "LOW_SAMPLE" if may_be_small_sample and denominator < SMALL_SAMPLE else "OK"
    value = six_digits(numerator, denominator)
    return f'{{"numerator":{numerator},"denominator":{denominator},"value":{value},"status":"{status}"{more}}}'


def stock_to_sales(stock, sales):
    """Stock and no sales is no missing rate but the worst of stocks."""
    if sales == 0 and stock > 0:
        return f'{{"numerator":{stock},"denominator":0,"status":"INFINITE"}}'
    return rate(stock, sales)


def observed(measures):
    """What share of the listed outlet-SKU-days is known; nothing if there are none."""
    known, unknown = measures["known_days"], measures["unknown_days"]
    return f',"observed":{six_digits(known, known + unknown)}' if known + unknown else ""


def rates_of(measures, net_last_year, sales28):
    """coverage is never a low sample: it counts all counties, it does not sample them."""
    texts = {}
    for name, numerator, denominator in RATES:
        if name == "growth_yoy":
            texts[name] = rate(measures["net_delivered_units"] - net_last_year, net_last_year)
        elif name == "stock_to_sales":
            texts[name] = stock_to_sales(measures["stock_units"], sales28)
        else:
            texts[name] = rate(measures[numerator], measures[denominator], may_be_small_sample=name != "coverage",
                               more=observed(measures) if name == "stockout_rate" else "")
    return texts
