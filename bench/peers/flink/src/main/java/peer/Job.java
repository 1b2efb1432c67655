package peer;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.BasicTypeInfo;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * The reduced job in Flink. Job BROKER DELIVERIES REFERENCE ROWS WORK-FOLDER [CHECKPOINT-MS 10000]; it ends when it has read what is there.
 *
 *   deliveries -> packed documents, watermarks from the marks -> keyed by outlet: one record of state each, differences
 *   -> keyed by county: cells on the heap, rows when the watermark closes a day -> rows
 *                                           partial sums of the market by day -> rows of the market
 *
 * Outlet records and cells are on the heap while they are in use, and are written to RocksDB before the barrier of a checkpoint, once for each
 * that has changed. Checkpoints are incremental, and rows are written in Kafka transactions (exactly once).
 */
public final class Job {
    static final TypeInformation<byte[]> BYTES = PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO;
    static final int FINAL_AFTER_DAYS = 15;     // a day is final when the watermark is at its end + 15 days, as in fiverate
    static final int OUTLETS_ON_HEAP = 250_000;

    static String broker, referenceTopic;
    static Reference reference() { return Reference.of(broker, referenceTopic); }

    static final class Decode implements KafkaRecordDeserializationSchema<byte[]> {
        private transient Documents documents;

        @Override public void deserialize(ConsumerRecord<byte[], byte[]> r, Collector<byte[]> out) {
            if (documents == null) documents = new Documents(reference());
            out.collect(documents.pack(r.value()));
        }
        @Override public TypeInformation<byte[]> getProducedType() { return BYTES; }
    }

    static final class Marks implements WatermarkGenerator<byte[]> {
        @Override public void onEvent(byte[] d, long time, WatermarkOutput out) {
            if (Documents.isMark(d)) out.emitWatermark(new Watermark(Documents.completeThrough(d)));
        }
        @Override public void onPeriodicEmit(WatermarkOutput out) {}
    }

    /** Documents of an outlet to differences of its county. */
    static final class Outlets extends AbstractStreamOperator<byte[]> implements OneInputStreamOperator<byte[], byte[]>, BoundedOneInput {
        private transient ValueState<byte[]> state;
        private transient Map<Integer, byte[]> heap;
        private transient List<Integer> changed;
        private transient BitSet isChanged;
        private transient OutletRecord record;
        private transient StreamRecord<byte[]> reused;

        @Override public void open() throws Exception {
            super.open();
            state = getRuntimeContext().getState(new ValueStateDescriptor<>("outlet", BYTES));
            heap = new HashMap<>();
            changed = new ArrayList<>();
            isChanged = new BitSet();
            record = new OutletRecord(reference());
            reused = new StreamRecord<>(null);
        }
        @Override public void processElement(StreamRecord<byte[]> element) throws Exception {
            byte[] d = element.getValue();
            int outlet = Wire.i32(d, 0);
            byte[] old = heap.get(outlet);
            if (old == null) old = state.value();       // the key is set by the task
            byte[] now = record.apply(old, d, m -> output.collect(reused.replace(m)));
            if (now == null || now == old) return;
            heap.put(outlet, now);
            if (!isChanged.get(outlet)) {
                isChanged.set(outlet);
                changed.add(outlet);
            }
            if (heap.size() >= OUTLETS_ON_HEAP) {
                flush();
                heap.clear();
            }
        }
        private void flush() throws Exception {
            for (int outlet : changed) {
                setCurrentKey(outlet);
                state.update(heap.get(outlet));
            }
            changed.clear();
            isChanged.clear();
        }
        @Override public void prepareSnapshotPreBarrier(long id) throws Exception { flush(); }
        @Override public void endInput() throws Exception { flush(); }
    }

    /** Differences to rows of the counties; side output by shape: a record with an empty key is a partial sum of the market. */
    static final class Cells extends AbstractStreamOperator<byte[]> implements OneInputStreamOperator<byte[], byte[]> {
        private transient MapState<Integer, byte[]> state;
        private transient Map<Integer, County> counties;
        private transient Reference reference;
        private transient RowKeys keys;
        private transient StreamRecord<byte[]> reused;
        private transient int firstDay, closed;
        private transient ListState<Integer> closedState;
        private transient int[] totals;

        @Override public void initializeState(StateInitializationContext c) throws Exception {
            super.initializeState(c);
            closedState = c.getOperatorStateStore().getUnionListState(new ListStateDescriptor<>("closed", Types.INT));
            closed = Integer.MIN_VALUE;
            for (int one : closedState.get()) closed = Math.max(closed, one);
        }
        @Override public void open() throws Exception {
            super.open();
            state = getRuntimeContext().getMapState(new MapStateDescriptor<>("cells", BasicTypeInfo.INT_TYPE_INFO, BYTES));
            counties = new TreeMap<>();
            reference = reference();
            keys = new RowKeys(reference);
            reused = new StreamRecord<>(null);
            totals = new int[12 * (reference.values.size() + 1) * reference.brands.size()];
            if (closed != Integer.MIN_VALUE)
                getKeyedStateBackend().getKeys("cells", org.apache.flink.runtime.state.VoidNamespace.INSTANCE).forEach(key -> {
                    setCurrentKey(key);
                    load((Integer) key);
                });
        }
        private County load(int number) {
            try {
                County county = new County(number, reference.brands.size(), reference.values.size(), closed);
                byte[] running = state.get(County.runningKey());
                if (running != null) {
                    county.restore(County.runningKey(), running);
                    for (var entry : state.entries()) if (entry.getKey() != County.runningKey()) county.restore(entry.getKey(), entry.getValue());
                }
                counties.put(number, county);
                return county;
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }
        @Override public void processElement(StreamRecord<byte[]> element) {
            byte[] m = element.getValue();
            int number = Wire.u16(m, 0);
            if (closed == Integer.MIN_VALUE) closed = Wire.u16(m, 4) - 1 - FINAL_AFTER_DAYS;
            County county = counties.get(number);
            if (county == null) {
                county = new County(number, reference.brands.size(), reference.values.size(), closed);
                counties.put(number, county);
            }
            county.add(m);
        }
        @Override public void processWatermark(org.apache.flink.streaming.api.watermark.Watermark mark) throws Exception {
            if (closed != Integer.MIN_VALUE && mark.getTimestamp() != Long.MAX_VALUE) {
                int through = Documents.day(mark.getTimestamp()) - FINAL_AFTER_DAYS - 1;
                while (closed < through) close(++closed);
            }
            super.processWatermark(mark);
        }
        private void close(int day) {
            java.util.Arrays.fill(totals, 0);
            for (County county : counties.values())
                county.close((brand, value) -> output.collect(reused.replace(row(keys.key(brand, county.county, day), value))), totals);
            byte[] sums = County.encodeTotals(totals), partial = new byte[3 + sums.length];
            Wire.put16(partial, 1, day);
            System.arraycopy(sums, 0, partial, 3, sums.length);
            output.collect(reused.replace(partial));
        }
        @Override public void prepareSnapshotPreBarrier(long id) throws Exception { flush(); }
        @Override public void snapshotState(StateSnapshotContext c) throws Exception {
            super.snapshotState(c);
            closedState.update(List.of(closed));
        }
        private void flush() {
            for (County county : counties.values()) {
                setCurrentKey(county.county);
                county.flush((key, value) -> {
                    try {
                        if (value == null) state.remove(key); else state.put(key, value);
                    } catch (Exception e) {
                        throw new IllegalStateException(e);
                    }
                });
            }
        }
    }

    /** [key size u8][key][value] */
    static byte[] row(byte[] key, byte[] value) {
        byte[] r = new byte[1 + key.length + value.length];
        r[0] = (byte) key.length;
        System.arraycopy(key, 0, r, 1, key.length);
        System.arraycopy(value, 0, r, 1 + key.length, value.length);
        return r;
    }

    /** Partial sums of the tasks to rows of the market. The watermark is behind the sums of all tasks. */
    static final class Market extends AbstractStreamOperator<byte[]> implements OneInputStreamOperator<byte[], byte[]> {
        private transient TreeMap<Integer, int[]> days;
        private transient ListState<byte[]> saved;
        private transient Reference reference;
        private transient RowKeys keys;
        private transient StreamRecord<byte[]> reused;

        @Override public void initializeState(StateInitializationContext c) throws Exception {
            super.initializeState(c);
            reference = reference();
            keys = new RowKeys(reference);
            reused = new StreamRecord<>(null);
            days = new TreeMap<>();
            saved = c.getOperatorStateStore().getListState(new ListStateDescriptor<>("partial", BYTES));
            for (byte[] one : saved.get()) add(one);
        }
        private void add(byte[] partial) {
            int[] sums = days.computeIfAbsent(Wire.u16(partial, 1), d -> new int[12 * (reference.values.size() + 1) * reference.brands.size()]);
            County.addTotals(partial, 3, sums);
        }
        @Override public void processElement(StreamRecord<byte[]> element) { add(element.getValue()); }
        @Override public void processWatermark(org.apache.flink.streaming.api.watermark.Watermark mark) throws Exception {
            int through = mark.getTimestamp() == Long.MAX_VALUE ? Integer.MAX_VALUE : Documents.day(mark.getTimestamp()) - FINAL_AFTER_DAYS - 1;
            while (!days.isEmpty() && days.firstKey() <= through) {
                var day = days.pollFirstEntry();
                for (int brand = 0; brand < reference.brands.size(); brand++) {
                    byte[] value = County.totalRow(day.getValue(), brand, reference.values.size());
                    if (value != null) output.collect(reused.replace(row(keys.key(brand, -1, day.getKey()), value)));
                }
            }
            super.processWatermark(mark);
        }
        @Override public void snapshotState(StateSnapshotContext c) throws Exception {
            super.snapshotState(c);
            List<byte[]> all = new ArrayList<>();
            days.forEach((day, sums) -> {
                byte[] encoded = County.encodeTotals(sums), one = new byte[3 + encoded.length];
                Wire.put16(one, 1, day);
                System.arraycopy(encoded, 0, one, 3, encoded.length);
                all.add(one);
            });
            saved.update(all);
        }
    }

    static final class Rows implements KafkaRecordSerializationSchema<byte[]> {
        private final String topic;
        Rows(String topic) { this.topic = topic; }
        @Override public ProducerRecord<byte[], byte[]> serialize(byte[] r, KafkaSinkContext c, Long time) {
            int size = r[0];
            return new ProducerRecord<>(topic, java.util.Arrays.copyOfRange(r, 1, 1 + size), java.util.Arrays.copyOfRange(r, 1 + size, r.length));
        }
    }

    public static void main(String[] a) throws Exception {
        broker = a[0];
        referenceTopic = a[2];
        long begun = System.nanoTime();
        Configuration c = new Configuration();
        c.setString("restart-strategy.type", "none");
        c.setString("state.backend.type", "rocksdb");
        c.setString("execution.checkpointing.incremental", "true");
        c.setString("execution.checkpointing.storage", "filesystem");
        c.setString("execution.checkpointing.dir", "file://" + a[4] + "/checkpoints");
        c.setString("state.backend.rocksdb.localdir", a[4] + "/rocks");
        c.setString("state.backend.rocksdb.thread.num", "2");
        c.setString("state.backend.rocksdb.use-bloom-filter", "true");
        c.setString("taskmanager.memory.managed.size", "1gb");
        c.setString("taskmanager.memory.network.min", "128mb");
        c.setString("taskmanager.memory.network.max", "128mb");
        c.setString("pipeline.object-reuse", "true");
        c.setString("execution.buffer-timeout.interval", "100 ms");
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(Integer.getInteger("parallelism", 2), c);
        env.enableCheckpointing(a.length > 5 ? Long.parseLong(a[5]) : 10_000, CheckpointingMode.EXACTLY_ONCE);
        KafkaSource<byte[]> source = KafkaSource.<byte[]>builder().setBootstrapServers(broker).setTopics(a[1]).setGroupId("flink-peer")
            .setStartingOffsets(OffsetsInitializer.earliest()).setBounded(OffsetsInitializer.latest()).setDeserializer(new Decode())
            .setProperty("max.poll.records", "5000").setProperty("fetch.max.bytes", "52428800").setProperty("max.partition.fetch.bytes", "8388608").build();
        var marks = WatermarkStrategy.<byte[]>forGenerator(context -> new Marks());
        DataStream<byte[]> rows = env.fromSource(source, marks, "deliveries").filter(d -> !Documents.isMark(d))
            .keyBy(d -> Wire.i32(d, 0), Types.INT).transform("outlets", BYTES, new Outlets())
            .keyBy(d -> Wire.u16(d, 0), Types.INT).transform("cells", BYTES, new Cells());
        SingleOutputStreamOperator<byte[]> market = rows.filter(r -> r[0] == 0).transform("market", BYTES, new Market());
        market.setParallelism(1);
        rows.filter(r -> r[0] != 0).sinkTo(sink(a[3], "counties"));     // two sinks, so that each is chained to its operator
        market.sinkTo(sink(a[3], "market")).setParallelism(1);
        env.execute();
        System.out.printf("flink: %.1f s%n", (System.nanoTime() - begun) / 1e9);
        System.exit(0);
    }

    static KafkaSink<byte[]> sink(String topic, String name) {
        return KafkaSink.<byte[]>builder().setBootstrapServers(broker).setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
            .setTransactionalIdPrefix("flink-peer-" + name + System.currentTimeMillis()).setProperty("transaction.timeout.ms", "600000")
            .setProperty("compression.type", "lz4").setProperty("linger.ms", "100").setProperty("batch.size", "524288")
            .setProperty("buffer.memory", "67108864").setRecordSerializer(new Rows(topic)).build();
    }
}
