package peer;

import java.util.ArrayList;
import java.util.List;

/** Numbers for names, in the order in which they are added. A slice of a record is looked up without making a String. */
public final class Names {
    private byte[][] keys = new byte[1024][];
    private int[] numbers = new int[1024];
    private final List<String> names = new ArrayList<>();

    public int size() { return names.size(); }
    public String name(int number) { return names.get(number); }

    /** The number of the name, which is added if it is new. */
    public int add(byte[] b, int at, int length) {
        int slot = slot(b, at, length);
        if (keys[slot] != null) return numbers[slot];
        if (2 * names.size() > keys.length) {
            grow();
            slot = slot(b, at, length);
        }
        keys[slot] = java.util.Arrays.copyOfRange(b, at, at + length);
        numbers[slot] = names.size();
        names.add(new String(keys[slot], java.nio.charset.StandardCharsets.UTF_8));
        return numbers[slot];
    }

    /** -1 if the name is unknown. */
    public int find(byte[] b, int at, int length) {
        int slot = slot(b, at, length);
        return keys[slot] == null ? -1 : numbers[slot];
    }

    private int slot(byte[] b, int at, int length) {
        int hash = length;
        for (int i = at; i < at + length; i++) hash = hash * 31 + b[i];
        hash *= 0x9e3779b1;
        for (int slot = hash >>> 8 & keys.length - 1; ; slot = slot + 1 & keys.length - 1) {
            byte[] key = keys[slot];
            if (key == null || key.length == length && java.util.Arrays.equals(key, 0, length, b, at, at + length)) return slot;
        }
    }

    private void grow() {
        byte[][] oldKeys = keys;
        int[] oldNumbers = numbers;
        keys = new byte[2 * oldKeys.length][];
        numbers = new int[keys.length];
        for (int i = 0; i < oldKeys.length; i++)
            if (oldKeys[i] != null) {
                int slot = slot(oldKeys[i], 0, oldKeys[i].length);
                keys[slot] = oldKeys[i];
                numbers[slot] = oldNumbers[i];
            }
    }
}
