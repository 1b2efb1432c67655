package peer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.LocalDate;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Table BROKER REFERENCE-TOPIC ROWS-TOPIC FIRST-DAY DAYS OUT: the committed rows as the dense table of bench/reduced_job.cc. */
public final class Table {
    public static void main(String[] a) throws Exception {
        Reference reference = Reference.of(a[0], a[1]);
        int first = (int) LocalDate.parse(a[3]).toEpochDay(), days = Integer.parseInt(a[4]);
        int brands = reference.brands.size(), counties = reference.counties.size(), values = reference.values.size();
        int[] valueNumber = new int[values];
        for (int v = 0; v < values; v++) valueNumber[v] = number(reference.values.name(v));
        int perRegion = (values + 1) * 12;
        ByteBuffer cells = ByteBuffer.allocate(days * brands * (counties + 1) * perRegion * 4).order(ByteOrder.LITTLE_ENDIAN);
        boolean[] seen = new boolean[days * brands * (counties + 1)];
        Properties p = new Properties();
        p.put("bootstrap.servers", a[0]);
        p.put("isolation.level", "read_committed");
        p.put("max.poll.records", 20000);
        p.put("max.partition.fetch.bytes", 8388608);
        long rows = 0, repeated = 0;
        Wire w = new Wire();
        try (var consumer = new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = consumer.partitionsFor(a[2]).stream().map(i -> new TopicPartition(a[2], i.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            var ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(one -> consumer.position(one) < ends.get(one)))
                for (var record : consumer.poll(Duration.ofMillis(500))) {
                    String[] key = new String(record.key(), StandardCharsets.UTF_8).split("\\|");
                    int day = (int) LocalDate.parse(key[2]).toEpochDay() - first;
                    if (day < 0 || day >= days) continue;
                    int at = (day * brands + number(key[0]) - 1) * (counties + 1) + (key[1].isEmpty() ? 0 : number(key[1]));
                    if (seen[at]) repeated++;
                    seen[at] = true;
                    w.on(record.value(), 0, record.value().length);
                    for (int v = 0; v <= values; v++)
                        for (int i = 0; i < 12; i++) cells.putInt((at * perRegion + (v == 0 ? 0 : valueNumber[v - 1]) * 12 + i) * 4, (int) w.varint());
                    if (w.more()) throw new IllegalStateException("a row that is too long");
                    rows++;
                }
        }
        try (var out = FileChannel.open(Path.of(a[5]), StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE)) {
            while (cells.hasRemaining()) out.write(cells);
        }
        System.out.printf("%d records, %d of them repeated%n", rows, repeated);
    }

    /** "B007", "R012", "V3": 7, 12, 3. */
    private static int number(String id) { return Integer.parseInt(id.substring(1)); }
}
