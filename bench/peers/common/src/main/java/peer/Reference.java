package peer;

import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * SKUs, outlets, counties and class values, numbered in the order of the topic `reference`, which is read to its end before the job starts.
 * The job has one version of each and one class dimension.
 */
public final class Reference {
    public final Names skus = new Names(), outlets = new Names(), brands = new Names(), counties = new Names(), values = new Names();
    public int[] brandOf = new int[1024], countyOf = new int[1024], valueOf = new int[1024];

    private static Reference read;

    /** One copy for the process. */
    public static synchronized Reference of(String broker, String topic) {
        if (read == null) read = new Reference(broker, topic);
        return read;
    }

    private Reference(String broker, String topic) {
        Properties p = new Properties();
        p.put("bootstrap.servers", broker);
        p.put("max.partition.fetch.bytes", 8388608);
        p.put("max.poll.records", 10000);
        Wire w = new Wire();
        try (var consumer = new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            var partition = new TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            while (consumer.position(partition) < end)
                for (var record : consumer.poll(Duration.ofMillis(500))) event(w.on(record.value(), 0, record.value().length));
        }
        if (brands.size() > 255 || values.size() > 15) throw new IllegalStateException("packed messages hold at most 255 brands and 15 class values");
    }

    private void event(Wire w) {
        while (w.more()) {
            int tag = (int) w.varint();
            if (tag != (13 << 3 | 2) && tag != (14 << 3 | 2)) { w.skip(tag); continue; }
            int length = (int) w.varint(), end = w.end;
            w.end = w.at + length;
            if (tag >> 3 == 13) outlet(w); else sku(w);
            w.end = end;
        }
    }

    private void sku(Wire w) {
        int sku = -1, brand = -1;
        while (w.more()) {
            int tag = (int) w.varint();
            if (tag == (1 << 3 | 2)) sku = text(w, skus);
            else if (tag == (2 << 3 | 2)) brand = text(w, brands);
            else w.skip(tag);
        }
        brandOf = put(brandOf, sku, brand);
    }

    private void outlet(Wire w) {
        int outlet = -1, county = -1, value = -1;
        while (w.more()) {
            int tag = (int) w.varint();
            if (tag == (1 << 3 | 2)) outlet = text(w, outlets);
            else if (tag == (3 << 3 | 2)) county = text(w, counties);
            else if (tag == (5 << 3 | 2)) {
                int length = (int) w.varint(), end = w.end;
                w.end = w.at + length;
                while (w.more()) {
                    tag = (int) w.varint();
                    if (tag == (2 << 3 | 2)) value = text(w, values); else w.skip(tag);
                }
                w.end = end;
            } else w.skip(tag);
        }
        countyOf = put(countyOf, outlet, county);
        valueOf = put(valueOf, outlet, value);
    }

    private static int text(Wire w, Names names) {
        int length = (int) w.varint(), number = names.add(w.b, w.at, length);
        w.at += length;
        return number;
    }
    private static int[] put(int[] a, int at, int v) {
        if (at >= a.length) a = java.util.Arrays.copyOf(a, Math.max(at + 1, 2 * a.length));
        a[at] = v;
        return a;
    }
}
