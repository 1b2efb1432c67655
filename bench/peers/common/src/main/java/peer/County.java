package peer;

import java.util.Arrays;
import java.util.function.BiConsumer;

/**
 * The cells (class value x brand) of a county, on the heap: for each day the differences of that day, and running values up to the last
 * closed day. A day is closed once, in order; then its vector is added to the running values, and its rows are the sums of these.
 * Vectors that changed since the last flush are written to a map of state; key = [county u16][series u8][day u16].
 */
public final class County {
    public static final int[] WINDOWS = {7, 28, 91};
    /** Series: buyers of each window, repeat buyers of each window, units; then the running values. */
    private static final int COUNTS = 6, UNITS = 6, RUNNING = 7, UNIT_DAYS = 183;

    public final int county, brands, values, cells;
    private final Days[] series = new Days[COUNTS + 1];
    private final int[][] count = new int[COUNTS][], units = new int[3][], previous = new int[3][];
    private int closed;        // the last closed day
    private boolean runningChanged;
    private final byte[] row = new byte[4096];

    public County(int county, int brands, int values, int closed) {
        this.county = county;
        this.brands = brands;
        this.values = values;
        this.closed = closed;
        cells = brands * values;
        for (int s = 0; s <= COUNTS; s++) series[s] = new Days(closed - UNIT_DAYS);
        for (int s = 0; s < COUNTS; s++) count[s] = new int[cells];
        for (int w = 0; w < 3; w++) { units[w] = new int[cells]; previous[w] = new int[cells]; }
    }

    /** Vectors by day, with those that are not written yet. */
    private static final class Days {
        int base;
        short[][] vectors = new short[256][];
        boolean[] changed = new boolean[256];

        Days(int base) { this.base = base; }

        short[] get(int day) {
            int at = day - base;
            return at < 0 || at >= vectors.length ? null : vectors[at];
        }
        short[] make(int day, int cells) {
            int at = day - base;
            if (at >= vectors.length) {
                vectors = Arrays.copyOf(vectors, Math.max(at + 1, 2 * vectors.length));
                changed = Arrays.copyOf(changed, vectors.length);
            }
            changed[at] = true;
            short[] vector = vectors[at];
            return vector != null ? vector : (vectors[at] = new short[cells]);
        }
        void drop(int day) {
            int at = day - base;
            if (get(day) == null) return;
            vectors[at] = null;
            changed[at] = true;
        }
        /** After a flush: moves the base when many days before `oldest` are dropped. */
        void rebase(int oldest) {
            int by = oldest - base;
            if (by < 64) return;
            vectors = Arrays.copyOf(Arrays.copyOfRange(vectors, by, vectors.length), vectors.length);
            base = oldest;
        }
    }

    public int closed() { return closed; }

    /** Adds a message of OutletRecord. Differences of closed days are late and are left out; the result is whether this one was in time. */
    public boolean add(byte[] m) {
        int first = Wire.u8(m, 2) * brands, sign = m[3], s = Wire.u16(m, 4);
        if (s <= closed) return false;
        short[] unitsOfDay = series[UNITS].make(s, cells);
        for (int at = OutletRecord.HEADER; at < m.length; at += OutletRecord.LINE) {
            int cell = first + Wire.u8(m, at), before = Wire.u8(m, at + 3), after = Wire.u8(m, at + 4);
            add(unitsOfDay, cell, sign * Wire.u16(m, at + 1));
            if (before == 0) continue;
            int p = before == OutletRecord.NONE ? s - 100_000 : s - before;
            purchase(cell, sign, p, s);
            if (after != OutletRecord.NONE) {
                purchase(cell, sign, s, s + after);
                purchase(cell, -sign, p, s + after);
            }
        }
        return true;
    }

    /**
     * What a purchase on day s adds if the one before was on day p: buying on [max(s, p + W), s + W), since the days before are counted
     * already; of these, repeat buying while p lies in the window before, up to p + 2 W.
     */
    private void purchase(int cell, int sign, int p, int s) {
        for (int w = 0; w < 3; w++) {
            int window = WINDOWS[w], from = Math.max(s, p + window), to = s + window;
            if (from >= to) continue;
            add(series[w].make(from, cells), cell, sign);
            add(series[w].make(to, cells), cell, -sign);
            int repeatTo = Math.min(to, p + 2 * window);
            if (from >= repeatTo) continue;
            add(series[3 + w].make(from, cells), cell, sign);
            add(series[3 + w].make(repeatTo, cells), cell, -sign);
        }
    }

    private static void add(short[] to, int cell, int by) {
        int sum = to[cell] + by;
        if (sum != (short) sum) throw new IllegalStateException("a day of a cell holds at most 32,767");
        to[cell] = (short) sum;
    }

    /**
     * Closes the next day. Each brand with a value goes to `rows` as number and value: for all class values and each one, for each window,
     * buyers, repeat buyers, units, units of the window before, as varints. The same is added to `totals`, the market's.
     */
    public void close(BiConsumer<Integer, byte[]> rows, int[] totals) {
        int day = ++closed;
        runningChanged = true;
        for (int s = 0; s < COUNTS; s++) {
            short[] delta = series[s].get(day);
            if (delta == null) continue;
            add(count[s], delta, 1);
            series[s].drop(day);
        }
        for (int w = 0; w < 3; w++) {
            short[] in = series[UNITS].get(day), out = series[UNITS].get(day - WINDOWS[w]), old = series[UNITS].get(day - 2 * WINDOWS[w]);
            if (in != null) add(units[w], in, 1);
            if (out != null) { add(units[w], out, -1); add(previous[w], out, 1); }
            if (old != null) add(previous[w], old, -1);
        }
        series[UNITS].drop(day - UNIT_DAYS + 1);
        for (int brand = 0; brand < brands; brand++) row(brand, rows, totals);
    }

    private static void add(int[] to, short[] from, int sign) {
        if (sign > 0) for (int i = 0; i < to.length; i++) to[i] += from[i];
        else for (int i = 0; i < to.length; i++) to[i] -= from[i];
    }

    private final int[] sums = new int[12];

    private void row(int brand, BiConsumer<Integer, byte[]> rows, int[] totals) {
        Arrays.fill(sums, 0);
        int any = 0, stride = 12 * (values + 1), total = brand * stride;
        for (int v = 0, cell = brand, t = total + 12; v < values; v++, cell += brands, t += 12)
            for (int w = 0, i = 0; w < 3; w++, i += 4) {
                int a = count[w][cell], b = count[3 + w][cell], c = units[w][cell], d = previous[w][cell];
                sums[i] += a; sums[i + 1] += b; sums[i + 2] += c; sums[i + 3] += d;
                totals[t + i] += a; totals[t + i + 1] += b; totals[t + i + 2] += c; totals[t + i + 3] += d;
                any |= a | b | c | d;
            }
        if (any == 0) return;
        int at = 0;
        for (int i = 0; i < 12; i++) { totals[total + i] += sums[i]; at = Wire.putVarint(row, at, sums[i]); }
        for (int v = 0, cell = brand; v < values; v++, cell += brands)
            for (int w = 0; w < 3; w++) {
                at = Wire.putVarint(row, at, count[w][cell]);
                at = Wire.putVarint(row, at, count[3 + w][cell]);
                at = Wire.putVarint(row, at, units[w][cell]);
                at = Wire.putVarint(row, at, previous[w][cell]);
            }
        rows.accept(brand, Arrays.copyOf(row, at));
    }

    /** The rows of the market of one brand from totals, or null if all are 0. */
    public static byte[] totalRow(int[] totals, int brand, int values) {
        int stride = 12 * (values + 1), any = 0, at = 0;
        byte[] r = new byte[5 * stride];
        for (int i = brand * stride; i < (brand + 1) * stride; i++) {
            any |= totals[i];
            at = Wire.putVarint(r, at, totals[i]);
        }
        return any == 0 ? null : Arrays.copyOf(r, at);
    }

    // ---- state -----------------------------------------------------------------------------------------------------------

    /** Writes what has changed: key = series << 16 | day; null = removed. */
    public void flush(BiConsumer<Integer, byte[]> write) {
        for (int s = 0; s <= COUNTS; s++) {
            Days days = series[s];
            for (int at = 0; at < days.changed.length; at++) {
                if (!days.changed[at]) continue;
                days.changed[at] = false;
                short[] vector = days.vectors[at];
                write.accept(s << 16 | days.base + at, vector == null ? null : encode(vector));
            }
            days.rebase(closed - UNIT_DAYS);
        }
        if (!runningChanged) return;
        int[] all = new int[12 * cells + 1];
        all[0] = closed;
        int at = 1;
        for (int[][] group : new int[][][] {count, units, previous})
            for (int[] one : group) { System.arraycopy(one, 0, all, at, cells); at += cells; }
        write.accept(RUNNING << 16, encode(all));
        runningChanged = false;
    }

    /** Restores an entry that flush has written. The running values come first. */
    public void restore(int key, byte[] value) {
        int s = key >> 16, day = key & 0xffff;
        if (s < RUNNING) {
            short[] to = series[s].make(day, cells);
            int[] numbers = new int[cells];
            decode(value, numbers);
            for (int i = 0; i < cells; i++) to[i] = (short) numbers[i];
            series[s].changed[day - series[s].base] = false;
            return;
        }
        int[] all = new int[12 * cells + 1];
        decode(value, all);
        closed = all[0];
        for (Days days : series) days.base = closed - UNIT_DAYS;
        int at = 1;
        for (int[][] group : new int[][][] {count, units, previous})
            for (int[] one : group) { System.arraycopy(all, at, one, 0, cells); at += cells; }
    }
    public static int runningKey() { return RUNNING << 16; }

    /** Width in the first byte: 1, 2 or 4 bytes a number. */
    static byte[] encode(int[] v) {
        int min = 0, max = 0;
        for (int x : v) { min = Math.min(min, x); max = Math.max(max, x); }
        int width = min >= -128 && max < 128 ? 1 : min >= -32768 && max < 32768 ? 2 : 4;
        byte[] b = new byte[1 + width * v.length];
        b[0] = (byte) width;
        for (int i = 0, at = 1; i < v.length; i++, at += width)
            if (width == 1) b[at] = (byte) v[i]; else if (width == 2) Wire.put16(b, at, v[i]); else Wire.put32(b, at, v[i]);
        return b;
    }
    private static byte[] encode(short[] v) {
        int[] wide = new int[v.length];
        for (int i = 0; i < v.length; i++) wide[i] = v[i];
        return encode(wide);
    }
    static void decode(byte[] b, int[] v) {
        int width = b[0];
        for (int i = 0, at = 1; i < v.length; i++, at += width)
            v[i] = width == 1 ? b[at] : width == 2 ? (short) Wire.u16(b, at) : Wire.i32(b, at);
    }
    public static byte[] encodeTotals(int[] v) { return encode(v); }
    public static void addTotals(byte[] b, int at, int[] to) {
        int[] v = new int[to.length];
        decode(Arrays.copyOfRange(b, at, b.length), v);
        for (int i = 0; i < to.length; i++) to[i] += v[i];
    }
}
