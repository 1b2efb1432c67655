package peer;

import java.nio.charset.StandardCharsets;
import java.time.LocalDate;

/** Keys of the rows, "brand|county|2026-01-05"; the county of the market is empty. */
public final class RowKeys {
    private final Reference reference;
    private final byte[][] prefixes;
    private byte[] date;
    private int day = -1;

    public RowKeys(Reference reference) {
        this.reference = reference;
        prefixes = new byte[(reference.counties.size() + 1) * reference.brands.size()][];
    }

    /** county -1 = the market. */
    public byte[] key(int brand, int county, int ofDay) {
        if (day != ofDay) {
            day = ofDay;
            date = LocalDate.ofEpochDay(day).toString().getBytes(StandardCharsets.US_ASCII);
        }
        int at = (county + 1) * reference.brands.size() + brand;
        if (prefixes[at] == null)
            prefixes[at] = (reference.brands.name(brand) + "|" + (county < 0 ? "" : reference.counties.name(county)) + "|").getBytes(StandardCharsets.UTF_8);
        byte[] key = java.util.Arrays.copyOf(prefixes[at], prefixes[at].length + date.length);
        System.arraycopy(date, 0, key, prefixes[at].length, date.length);
        return key;
    }
}
