"""The market as it is known at the end of a replay: where an outlet counts, whether it is active, what a SKU should cost."""

from collections import Counter, defaultdict

ACTIVITY_DAYS = 56
ALL_CLASSES = ("", "")
MARKET = ""


def counted_documents(documents):
    """The highest revision of every document; a cancelled document is no activity."""
    counted = [document.counted() for document in documents.documents]
    return [record for record in counted if not record.cancelled]


def is_activity(record):
    """An uncancelled order, delivery in either direction or DONE visit."""
    return not record.cancelled and (record.kind != "visit" or record.payload["outcome"] == "DONE")


def activity_days(counted):
    """Per outlet the days with activity."""
    days = defaultdict(set)
    for record in counted:
        if is_activity(record):
            days[record.payload["outlet_id"]].add(record.day)
    return days


def is_active_by(days, day):
    """Any of these days in [D-55, D]."""
    return any(day - ACTIVITY_DAYS < active_day <= day for active_day in days)


class SkuVersions:
    """Of each SKU its versions by valid_from; of each version the highest revision, if uncancelled."""

    def __init__(self, reference):
        self.versions = defaultdict(list)
        for document in reference.identities.documents:
            record = document.counted()
            if record.kind == "sku" and not record.cancelled:
                self.versions[record.payload["sku_id"]].append(record.payload)
        for of_sku in self.versions.values():
            of_sku.sort(key=lambda payload: payload["valid_from"])

    def version_on(self, sku, day):
        """Before the first version the first one applies too; a SKU without a version has none."""
        versions = self.versions[sku]
        begun = [payload for payload in versions if payload["valid_from"] <= day] or versions[:1]
        return begun[-1] if begun else {}

    def has_brand_group(self, sku, day):
        """An empty one is none."""
        return bool(self.version_on(sku, day).get("brand_group"))

    def guide_price(self, sku, day):
        """None: the version has none. Reading: a guide price of 0 is a guide price."""
        return self.version_on(sku, day).get("guide_price_fen")


class Market:
    """Everything known at the end of the replay."""

    def __init__(self, reference, documents, records):
        self.reference = reference
        self.records = records
        self.known_cells = {}
        self.known_population = {}
        self.counted = counted_documents(documents)
        self.activity = activity_days(self.counted)
        self.versions = reference.versions_of_outlets()
        self.sku_versions = SkuVersions(reference)
        self.counties = reference.counties()
        self.counties_at_or_under = Counter(
            region for county in self.counties for region in reference.with_ancestors(county))

    def brand_of(self, sku):
        """A SKU of which only cancelled events are known has no brand (None), and counts for none."""
        return self.reference.brand_by_sku[sku]

    # Assignment.

    def version_on(self, outlet, day):
        """The version with the greatest valid_from <= day; before the first version, the first."""
        versions = self.versions[outlet]
        begun = [version for version in versions if version.valid_from <= day]
        if begun:
            return begun[-1]
        return versions[0] if versions else None

    def cells_on(self, outlet, day):
        """The (region, class) pairs an outlet counts in on a day.

        An outlet without a dimension is in no line of it; one without a version counts nowhere.
        """
        if (outlet, day) not in self.known_cells:  # cached: called very often
            version = self.version_on(outlet, day)
            self.known_cells[outlet, day] = [] if version is None else [
                (region, value)
                for region in self.reference.with_ancestors(version.region)
                for value in (ALL_CLASSES,) + version.classes]
        return self.known_cells[outlet, day]

    # Population.

    def is_in_population(self, outlet, day):
        """ACTIVE on the day; before its first version an outlet is not in the population."""
        if (outlet, day) not in self.known_population:
            version = self.version_on(outlet, day)
            self.known_population[outlet, day] = (
                version is not None and version.valid_from <= day and version.state == "ACTIVE")
        return self.known_population[outlet, day]

    def population(self, day):
        """The ACTIVE outlets of the day: (active, dormant)."""
        outlets = [outlet for outlet in self.versions if self.is_in_population(outlet, day)]
        active = [outlet for outlet in outlets if is_active_by(self.activity[outlet], day)]
        dormant = [outlet for outlet in outlets if outlet not in set(active)]
        return active, dormant

    def count_outlets(self, outlets, day):
        """Outlets per cell, in their region and class on the day."""
        return Counter(cell for outlet in outlets for cell in self.cells_on(outlet, day))
