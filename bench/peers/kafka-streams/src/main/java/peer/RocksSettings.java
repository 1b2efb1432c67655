package peer;

import java.util.Map;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.WriteBufferManager;

/** One limited block cache and one budget of write buffers for all stores of the process. */
public final class RocksSettings implements RocksDBConfigSetter {
    private static final Cache CACHE = new LRUCache(512L << 20, -1, false, 0.1);
    private static final WriteBufferManager BUFFERS = new WriteBufferManager(384L << 20, CACHE);

    @Override public void setConfig(String store, Options o, Map<String, Object> configs) {
        BlockBasedTableConfig t = (BlockBasedTableConfig) o.tableFormatConfig();
        t.setBlockCache(CACHE).setCacheIndexAndFilterBlocks(true).setPinTopLevelIndexAndFilter(true).setFilterPolicy(new BloomFilter(10, false));
        o.setTableFormatConfig(t);
        o.setWriteBufferManager(BUFFERS).setWriteBufferSize(32L << 20).setMaxWriteBufferNumber(3).setMinWriteBufferNumberToMerge(1);
    }

    @Override public void close(String store, Options o) {}
}
