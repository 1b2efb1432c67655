package peer;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.StateStoreContext;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.internals.CachedStateStore;

/**
 * The cells of the counties of a task on the heap, over a RocksDB store with a changelog. Kafka Streams flushes a cached store before each
 * commit; then the vectors that have changed are written, each once. Keys: [county u16][series u8][day u16], and [0xffff] for the task.
 */
final class CellStore implements StateStore, CachedStateStore<Bytes, byte[]> {
    private final KeyValueStore<Bytes, byte[]> inner;
    final Map<Integer, County> counties = new TreeMap<>();
    int closed = Integer.MIN_VALUE;
    long[] marks = new long[0];     // by partition of the source

    private CellStore(KeyValueStore<Bytes, byte[]> inner) { this.inner = inner; }

    static StoreBuilder<CellStore> builder(StoreBuilder<KeyValueStore<Bytes, byte[]>> inner) {
        return new StoreBuilder<>() {
            @Override public StoreBuilder<CellStore> withCachingEnabled() { return this; }
            @Override public StoreBuilder<CellStore> withCachingDisabled() { return this; }
            @Override public StoreBuilder<CellStore> withLoggingEnabled(Map<String, String> config) { inner.withLoggingEnabled(config); return this; }
            @Override public StoreBuilder<CellStore> withLoggingDisabled() { inner.withLoggingDisabled(); return this; }
            @Override public CellStore build() { return new CellStore(inner.build()); }
            @Override public Map<String, String> logConfig() { return inner.logConfig(); }
            @Override public boolean loggingEnabled() { return inner.loggingEnabled(); }
            @Override public String name() { return inner.name(); }
        };
    }

    /** Reads what an earlier run has left. */
    void load(Reference reference) {
        if (!counties.isEmpty()) return;
        List<KeyValue<Bytes, byte[]>> all = new ArrayList<>();
        try (KeyValueIterator<Bytes, byte[]> entries = inner.all()) { entries.forEachRemaining(all::add); }
        for (var one : all) {
            if (one.key.get().length != 2) continue;
            closed = Wire.i32(one.value, 0);
            marks = new long[(one.value.length - 4) / 8];
            for (int i = 0; i < marks.length; i++) marks[i] = Wire.i64(one.value, 4 + 8 * i);
        }
        for (boolean running : new boolean[] {true, false})
            for (var one : all) {
                byte[] k = one.key.get();
                if (k.length != 5) continue;
                int key = k[2] << 16 | Wire.u16(k, 3);
                if ((key == County.runningKey()) == running) county(Wire.u16(k, 0), reference).restore(key, one.value);
            }
    }
    County county(int number, Reference reference) {
        return counties.computeIfAbsent(number, n -> new County(n, reference.brands.size(), reference.values.size(), closed));
    }

    private void write() {
        if (closed == Integer.MIN_VALUE) return;
        for (County county : counties.values())
            county.flush((key, value) -> {
                byte[] k = new byte[5];
                Wire.put16(k, 0, county.county);
                k[2] = (byte) (key >> 16);
                Wire.put16(k, 3, key & 0xffff);
                inner.put(Bytes.wrap(k), value);
            });
        byte[] task = new byte[4 + 8 * marks.length];
        Wire.put32(task, 0, closed);
        for (int i = 0; i < marks.length; i++) Wire.put64(task, 4 + 8 * i, marks[i]);
        inner.put(Bytes.wrap(new byte[] {-1, -1}), task);
    }

    @Override public void flushCache() { write(); }
    @Override public void clearCache() { counties.clear(); }
    @Override public boolean setFlushListener(org.apache.kafka.streams.state.internals.CacheFlushListener<Bytes, byte[]> listener, boolean old) { return false; }
    @Override public String name() { return inner.name(); }
    @Override public void init(StateStoreContext context, StateStore root) { inner.init(context, this); }
    @Override public void flush() { inner.flush(); }
    @Override public void close() { inner.close(); }
    @Override public boolean persistent() { return true; }
    @Override public boolean isOpen() { return inner.isOpen(); }
}
