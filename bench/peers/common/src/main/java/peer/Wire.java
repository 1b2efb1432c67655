package peer;

/** A reader of Protobuf's wire format over a part of an array, and big-endian numbers in packed messages. */
public final class Wire {
    public byte[] b;
    public int at, end;

    public Wire on(byte[] bytes, int from, int to) {
        b = bytes;
        at = from;
        end = to;
        return this;
    }
    public boolean more() { return at < end; }
    public long varint() {
        byte first = b[at++];
        if (first >= 0) return first;
        long value = first & 127;
        for (int shift = 7; ; shift += 7) {
            byte next = b[at++];
            value |= (long) (next & 127) << shift;
            if (next >= 0) return value;
        }
    }
    public void skip(int tag) {
        switch (tag & 7) {
            case 0 -> varint();
            case 1 -> at += 8;
            case 2 -> { int length = (int) varint(); at += length; }
            case 5 -> at += 4;
            default -> throw new IllegalStateException("wire type " + (tag & 7));
        }
    }

    public static int u8(byte[] b, int at) { return b[at] & 255; }
    public static int u16(byte[] b, int at) { return (b[at] & 255) << 8 | b[at + 1] & 255; }
    public static int i32(byte[] b, int at) { return u16(b, at) << 16 | u16(b, at + 2); }
    public static long i64(byte[] b, int at) { return (long) i32(b, at) << 32 | i32(b, at + 4) & 0xffffffffL; }
    public static void put16(byte[] b, int at, int v) { b[at] = (byte) (v >> 8); b[at + 1] = (byte) v; }
    public static void put32(byte[] b, int at, int v) { put16(b, at, v >> 16); put16(b, at + 2, v); }
    public static void put64(byte[] b, int at, long v) { put32(b, at, (int) (v >> 32)); put32(b, at + 4, (int) v); }
    /** Writes a varint and returns the position behind it. */
    public static int putVarint(byte[] b, int at, int v) {
        while ((v & ~127) != 0) {
            b[at++] = (byte) (v | 128);
            v >>>= 7;
        }
        b[at++] = (byte) v;
        return at;
    }
}
