package peer;

import java.util.Arrays;

/**
 * An Event of the topic `deliveries` (schemas/proto/event.proto) as a packed document:
 *   [outlet i32][id i64][revision u16][day u16][lines u8] then lines of [brand u8][quantity u16]
 * and a mark as [-1 i32][complete_through ms i64]. A day counts from 1970 in the time zone of the market, UTC+8; the id is a 64-bit hash.
 */
public final class Documents {
    public static final int HEADER = 17, LINE = 3;
    public static final long DAY_MS = 86_400_000L, ZONE_MS = 8 * 3_600_000L;

    private final Reference reference;
    private final Wire w = new Wire();
    private byte[] packed = new byte[HEADER + 255 * LINE];

    public Documents(Reference reference) { this.reference = reference; }

    public static boolean isMark(byte[] d) { return Wire.i32(d, 0) == -1; }
    public static long completeThrough(byte[] mark) { return Wire.i64(mark, 4); }
    public static int day(long ms) { return (int) Math.floorDiv(ms + ZONE_MS, DAY_MS); }
    public static long startOf(int day) { return day * DAY_MS - ZONE_MS; }

    public byte[] pack(byte[] event) {
        w.on(event, 0, event.length);
        int revision = 1, size = HEADER;
        long time = 0;
        while (w.more()) {
            int tag = (int) w.varint();
            switch (tag) {
                case 3 << 3 | 2 -> time = timestamp();
                case 5 << 3 -> revision = (int) w.varint();
                case 6 << 3 -> { if (w.varint() != 0) throw new IllegalStateException("the job has no cancelled deliveries"); }
                case 11 << 3 | 2 -> size = delivery();
                case 22 << 3 | 2 -> { return mark(); }
                default -> w.skip(tag);
            }
        }
        Wire.put16(packed, 12, revision);
        Wire.put16(packed, 14, day(time));
        packed[16] = (byte) ((size - HEADER) / LINE);
        return Arrays.copyOf(packed, size);
    }

    private long timestamp() {
        int end = w.at + 1 + w.b[w.at];
        w.at++;
        long seconds = 0, nanos = 0;
        while (w.at < end) {
            int tag = (int) w.varint();
            long value = w.varint();
            if (tag == 1 << 3) seconds = value; else nanos = value;
        }
        return seconds * 1000 + nanos / 1_000_000;
    }

    private byte[] mark() {
        int length = (int) w.varint(), end = w.at + length;
        byte[] m = new byte[12];
        Wire.put32(m, 0, -1);
        while (w.at < end) {
            int tag = (int) w.varint();
            if (tag == (1 << 3 | 2)) Wire.put64(m, 4, timestamp()); else w.skip(tag);
        }
        return m;
    }

    private int delivery() {
        int length = (int) w.varint(), end = w.at + length, size = HEADER;
        byte[] b = w.b;
        while (w.at < end) {
            int tag = (int) w.varint();
            switch (tag) {
                case 1 << 3 | 2 -> {
                    int n = (int) w.varint();
                    long hash = 0xcbf29ce484222325L;
                    for (int stop = w.at + n; w.at < stop; w.at++) hash = (hash ^ b[w.at]) * 0x100000001b3L;
                    Wire.put64(packed, 4, hash);
                }
                case 3 << 3 | 2 -> {
                    int n = (int) w.varint(), outlet = reference.outlets.find(b, w.at, n);
                    if (outlet < 0) throw new IllegalStateException("unknown outlet");
                    w.at += n;
                    Wire.put32(packed, 0, outlet);
                }
                case 4 << 3 -> { if (w.varint() != 1) throw new IllegalStateException("the job has no returns"); }
                case 5 << 3 | 2 -> {
                    int n = (int) w.varint(), stop = w.at + n, sku = -1;
                    long quantity = 0;
                    while (w.at < stop) {
                        int field = (int) w.varint();
                        if (field == (1 << 3 | 2)) {
                            int size1 = (int) w.varint();
                            sku = reference.skus.find(b, w.at, size1);
                            w.at += size1;
                        } else if (field == 2 << 3) quantity = w.varint();
                        else w.skip(field);
                    }
                    if (sku < 0 || quantity > 65535 || size + LINE > packed.length) throw new IllegalStateException("a line that the job does not have");
                    packed[size] = (byte) reference.brandOf[sku];
                    Wire.put16(packed, size + 1, (int) quantity);
                    size += LINE;
                }
                default -> w.skip(tag);
            }
        }
        return size;
    }
}
