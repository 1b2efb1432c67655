package peer;

import java.util.Arrays;
import java.util.function.Consumer;

/**
 * The state of an outlet, one array: its deliveries of 196 days, each [id i64][revision u16][day u16][lines u8] and lines as in Documents.
 * A document becomes one packed message of differences for the cells of its county:
 *   [county u16][class value u8][sign i8][day u16][lines u8] then [brand u8][quantity u16][days since the purchase before u8][days to the next u8]
 * where 255 = none within 182 days, and 0 = the brand was bought on this day already, so that only the quantity counts.
 */
public final class OutletRecord {
    public static final int HEADER = 7, LINE = 5, NONE = 255;
    private static final int DOCUMENT = 13, KEPT_DAYS = 196, REACH = 182;

    private final Reference reference;
    private final int[] before = new int[256], after = new int[256];

    public OutletRecord(Reference reference) { this.reference = reference; }

    /** The new record; `old` itself (or null) if the document changes nothing. Differences go to `out`. */
    public byte[] apply(byte[] old, byte[] d, Consumer<byte[]> out) {
        int day = Wire.u16(d, 14), revision = Wire.u16(d, 12), newest = day, replaced = -1;
        long id = Wire.i64(d, 4);
        int size = old == null ? 0 : old.length;
        for (int at = 0; at < size; at += DOCUMENT + Documents.LINE * Wire.u8(old, at + 12)) {
            newest = Math.max(newest, Wire.u16(old, at + 10));
            if (Wire.i64(old, at) == id) replaced = at;
        }
        if (replaced >= 0 && Wire.u16(old, replaced + 8) >= revision) return old;
        if (day < newest - KEPT_DAYS) return old;
        int outlet = Wire.i32(d, 0);
        if (replaced >= 0) {
            int oldDay = Wire.u16(old, replaced + 10);
            neighbours(old, replaced, oldDay);
            out.accept(differences(outlet, -1, oldDay, old, replaced + DOCUMENT, Wire.u8(old, replaced + 12)));
        }
        neighbours(old, replaced, day);
        out.accept(differences(outlet, 1, day, d, Documents.HEADER, Wire.u8(d, 16)));

        int added = d.length - 4;
        byte[] r = new byte[size + added];
        int w = 0;
        for (int at = 0, next; at < size; at = next) {
            next = at + DOCUMENT + Documents.LINE * Wire.u8(old, at + 12);
            if (at == replaced || Wire.u16(old, at + 10) < newest - KEPT_DAYS) continue;
            System.arraycopy(old, at, r, w, next - at);
            w += next - at;
        }
        System.arraycopy(d, 4, r, w, added);
        w += added;
        return w == r.length ? r : Arrays.copyOf(r, w);
    }

    /** Of each brand, the days from the last purchase at or before the day, and to the first one after it, without the document at `skip`. */
    private void neighbours(byte[] old, int skip, int day) {
        Arrays.fill(before, NONE);
        Arrays.fill(after, NONE);
        if (old == null) return;
        for (int at = 0, next; at < old.length; at = next) {
            next = at + DOCUMENT + Documents.LINE * Wire.u8(old, at + 12);
            int since = day - Wire.u16(old, at + 10);
            if (at == skip || Math.abs(since) > REACH) continue;
            int[] nearest = since >= 0 ? before : after;
            int distance = Math.abs(since);
            for (int line = at + DOCUMENT; line < next; line += Documents.LINE) {
                int brand = old[line] & 255;
                if (distance < nearest[brand]) nearest[brand] = distance;
            }
        }
    }

    private byte[] differences(int outlet, int sign, int day, byte[] from, int at, int lines) {
        byte[] m = new byte[HEADER + LINE * lines];
        Wire.put16(m, 0, reference.countyOf[outlet]);
        m[2] = (byte) reference.valueOf[outlet];
        m[3] = (byte) sign;
        Wire.put16(m, 4, day);
        m[6] = (byte) lines;
        for (int w = HEADER; w < m.length; w += LINE, at += Documents.LINE) {
            int brand = from[at] & 255;
            m[w] = from[at];
            m[w + 1] = from[at + 1];
            m[w + 2] = from[at + 2];
            m[w + 3] = (byte) before[brand];
            m[w + 4] = (byte) after[brand];
            before[brand] = 0;      // a second SKU of the brand adds its quantity only
        }
        return m;
    }
}
