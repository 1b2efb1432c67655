package peer;

import java.lang.management.ManagementFactory;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The reduced job in Kafka Streams, exactly once. App BROKER DELIVERIES REFERENCE ROWS STATE-FOLDER APPLICATION-ID SOURCE-PARTITIONS
 *
 *   deliveries (keyed by outlet) -> one record of state each outlet, cached -> differences, one packed message a document
 *   -> repartition by county -> cells on the heap, rows when the marks of all source partitions close a day -> rows
 *                               partial sums of the market by day -> repartition to one task -> rows of the market
 *
 * It runs until SIGTERM. -D properties change the settings that matter, see main.
 */
public final class App {
    static final int FINAL_AFTER_DAYS = 15;     // a day is final when the marks are at its end + 15 days, as in fiverate
    static final String OUTLETS = "outlets", CELLS = "cells", MARKET = "market";
    static int partitions, sourcePartitions;
    static Reference reference;

    /** Documents of an outlet to differences of its county; a mark goes to all partitions as [0xffff][source partition u16][ms i64]. */
    static final class Outlets implements Processor<byte[], byte[], Integer, byte[]> {
        private ProcessorContext<Integer, byte[]> context;
        private KeyValueStore<Bytes, byte[]> store;
        private final Documents documents = new Documents(reference);
        private final OutletRecord record = new OutletRecord(reference);

        @Override public void init(ProcessorContext<Integer, byte[]> c) {
            context = c;
            store = c.getStateStore(OUTLETS);
        }
        @Override public void process(Record<byte[], byte[]> in) {
            byte[] d = documents.pack(in.value());
            if (Documents.isMark(d)) {
                byte[] mark = new byte[12];
                Wire.put16(mark, 0, 0xffff);
                Wire.put16(mark, 2, context.taskId().partition());
                Wire.put64(mark, 4, Documents.completeThrough(d));
                for (int q = 0; q < partitions; q++) context.forward(new Record<>(q, mark, in.timestamp()));
                return;
            }
            byte[] number = new byte[4];
            System.arraycopy(d, 0, number, 0, 4);
            Bytes key = Bytes.wrap(number);
            byte[] old = store.get(key);
            byte[] now = record.apply(old, d, m -> context.forward(new Record<>(Wire.u16(m, 0) % partitions, m, in.timestamp())));
            if (now != old) store.put(key, now);
        }
    }

    /** Differences and marks to rows; partial sums of the market have a null key. */
    static final class Cells implements Processor<Integer, byte[], byte[], byte[]> {
        private ProcessorContext<byte[], byte[]> context;
        private CellStore store;
        private final RowKeys keys = new RowKeys(reference);
        private final int[] totals = new int[12 * (reference.values.size() + 1) * reference.brands.size()];

        @Override public void init(ProcessorContext<byte[], byte[]> c) {
            context = c;
            store = c.getStateStore(CELLS);
            store.load(reference);
            if (store.marks.length == 0) {
                store.marks = new long[sourcePartitions];
                java.util.Arrays.fill(store.marks, Long.MIN_VALUE);
            }
        }
        @Override public void process(Record<Integer, byte[]> in) {
            byte[] m = in.value();
            int county = Wire.u16(m, 0);
            if (county != 0xffff) {
                if (store.closed == Integer.MIN_VALUE) store.closed = Wire.u16(m, 4) - 1 - FINAL_AFTER_DAYS;
                store.county(county, reference).add(m);
                return;
            }
            store.marks[Wire.u16(m, 2)] = Wire.i64(m, 4);
            long clock = Long.MAX_VALUE;
            for (long one : store.marks) clock = Math.min(clock, one);
            if (clock == Long.MIN_VALUE || store.closed == Integer.MIN_VALUE) return;
            for (int through = Documents.day(clock) - FINAL_AFTER_DAYS - 1; store.closed < through; ) close(++store.closed, in.timestamp());
        }
        private void close(int day, long time) {
            java.util.Arrays.fill(totals, 0);
            for (County county : store.counties.values())
                county.close((brand, value) -> context.forward(new Record<>(keys.key(brand, county.county, day), value, time), "rows"), totals);
            byte[] sums = County.encodeTotals(totals), partial = new byte[4 + sums.length];
            Wire.put16(partial, 0, day);
            Wire.put16(partial, 2, context.taskId().partition());
            System.arraycopy(sums, 0, partial, 4, sums.length);
            context.forward(new Record<>(null, partial, time), "partial");
        }
    }

    /** Partial sums of all tasks to rows of the market. A day is published when the sums of all of them are there. */
    static final class Market implements Processor<Integer, byte[], byte[], byte[]> {
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<Integer, byte[]> store;
        private final RowKeys keys = new RowKeys(reference);

        @Override public void init(ProcessorContext<byte[], byte[]> c) {
            context = c;
            store = c.getStateStore(MARKET);
        }
        @Override public void process(Record<Integer, byte[]> in) {
            byte[] m = in.value();
            int day = Wire.u16(m, 0), task = Wire.u16(m, 2);
            byte[][] parts = new byte[partitions][];
            for (int q = 0; q < partitions; q++) {
                parts[q] = q == task ? m : store.get(day * partitions + q);
                if (parts[q] != null) continue;
                store.put(day * partitions + task, m);
                return;
            }
            int[] sums = new int[12 * (reference.values.size() + 1) * reference.brands.size()];
            for (int q = 0; q < partitions; q++) {
                County.addTotals(parts[q], 4, sums);
                if (q != task) store.delete(day * partitions + q);
            }
            for (int brand = 0; brand < reference.brands.size(); brand++) {
                byte[] value = County.totalRow(sums, brand, reference.values.size());
                if (value != null) context.forward(new Record<>(keys.key(brand, -1, day), value, in.timestamp()));
            }
            System.out.println("published " + java.time.LocalDate.ofEpochDay(day));
        }
    }

    static Topology topology(Properties p, String deliveries, String rows) {
        StreamsBuilder b = new StreamsBuilder();
        b.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(OUTLETS), Serdes.Bytes(), Serdes.ByteArray())
            .withLoggingEnabled(Map.of()).withCachingEnabled());
        b.addStateStore(CellStore.builder(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(CELLS), Serdes.Bytes(), Serdes.ByteArray())
            .withLoggingEnabled(Map.of()).withCachingDisabled()));
        b.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(MARKET), Serdes.Integer(), Serdes.ByteArray())
            .withLoggingEnabled(Map.of()).withCachingDisabled());
        var differences = Repartitioned.<Integer, byte[]>as("differences").withKeySerde(Serdes.Integer()).withValueSerde(Serdes.ByteArray())
            .withNumberOfPartitions(partitions).withStreamPartitioner((topic, q, v, n) -> Optional.of(Set.of(q % n)));
        b.stream(deliveries, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
            .process(Outlets::new, OUTLETS)
            .repartition(differences)
            .process(Cells::new, org.apache.kafka.streams.kstream.Named.as("close"), CELLS);
        Topology t = b.build(p);
        t.addSink("rows", rows, Serdes.ByteArray().serializer(), Serdes.ByteArray().serializer(), "close");
        t.addSink("partial", partialTopic(rows), Serdes.ByteArray().serializer(), Serdes.ByteArray().serializer(), "close");
        t.addSource("partial-source", Serdes.Integer().deserializer(), Serdes.ByteArray().deserializer(), partialTopic(rows));
        t.addProcessor("sum", Market::new, "partial-source");
        t.connectProcessorAndStateStores("sum", MARKET);
        t.addSink("market-rows", rows, Serdes.ByteArray().serializer(), Serdes.ByteArray().serializer(), "sum");
        return t;
    }
    /** One partition; it is created with the topic of the rows. */
    static String partialTopic(String rows) { return rows + "-partial"; }

    public static void main(String[] a) throws Exception {
        reference = Reference.of(a[0], a[2]);
        sourcePartitions = Integer.parseInt(a[6]);
        partitions = Integer.getInteger("partitions", 2);
        Properties p = new Properties();
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, a[0]);
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, a[5]);
        p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        p.put(StreamsConfig.STATE_DIR_CONFIG, a[4]);
        p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Integer.getInteger("threads", 2));
        p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, Integer.getInteger("commit.ms", 2000));
        p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, Long.getLong("cache.bytes", 512L << 20));
        p.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
        p.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, Integer.getInteger("buffered", 5000));
        p.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, RocksSettings.class);
        p.put(StreamsConfig.ENABLE_METRICS_PUSH_CONFIG, false);
        p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        p.put("auto.offset.reset", "earliest");
        p.put(StreamsConfig.producerPrefix("compression.type"), "lz4");
        p.put(StreamsConfig.producerPrefix("linger.ms"), Integer.getInteger("linger.ms", 100));
        p.put(StreamsConfig.producerPrefix("batch.size"), 524288);
        p.put(StreamsConfig.producerPrefix("buffer.memory"), 134217728L);
        p.put(StreamsConfig.producerPrefix("max.request.size"), 8388608);
        p.put(StreamsConfig.producerPrefix("transaction.timeout.ms"), 60000);
        p.put(StreamsConfig.consumerPrefix("max.poll.records"), 5000);
        p.put(StreamsConfig.consumerPrefix("max.partition.fetch.bytes"), 4194304);
        p.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 10000);
        p.put(StreamsConfig.restoreConsumerPrefix("max.poll.records"), 20000);
        p.put(StreamsConfig.restoreConsumerPrefix("max.partition.fetch.bytes"), 16777216);
        long jvm = ManagementFactory.getRuntimeMXBean().getStartTime();
        Topology t = topology(p, a[1], a[3]);
        KafkaStreams streams = new KafkaStreams(t, p);
        streams.setStateListener((now, old) -> System.out.printf("state %s after %d ms%n", now, System.currentTimeMillis() - jvm));
        streams.setUncaughtExceptionHandler(e -> {
            e.printStackTrace();
            return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
        });
        CountDownLatch done = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            report(streams);
            streams.close(java.time.Duration.ofSeconds(60));
            done.countDown();
        }));
        System.out.println(t.describe().toString().replaceAll("(?m)^", "# "));
        streams.start();
        while (!done.await(500, TimeUnit.MILLISECONDS)) if (streams.state() == KafkaStreams.State.ERROR) System.exit(1);
    }

    /** Bytes and records as the producers sent them: compressed batches, by topic. */
    static void report(KafkaStreams streams) {
        Map<String, double[]> byTopic = new java.util.TreeMap<>();
        streams.metrics().forEach((name, metric) -> {
            if (!name.group().equals("producer-topic-metrics")) return;
            double[] sums = byTopic.computeIfAbsent(name.tags().get("topic"), topic -> new double[2]);
            if (name.name().equals("byte-total")) sums[0] += (double) metric.metricValue();
            if (name.name().equals("record-send-total")) sums[1] += (double) metric.metricValue();
        });
        byTopic.forEach((topic, sums) -> System.out.printf("sent %s bytes %.0f records %.0f%n", topic, sums[0], sums[1]));
        ManagementFactory.getGarbageCollectorMXBeans().forEach(g -> System.out.printf("gc %s count %d ms %d%n", g.getName(), g.getCollectionCount(), g.getCollectionTime()));
    }
}
