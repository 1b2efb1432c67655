package peer;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;

/** Topics BROKER PREFIX NAME=PARTITIONS...: deletes all topics that begin with the prefix, and creates the named ones. */
public final class Topics {
    public static void main(String[] a) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", (Object) a[0]))) {
            var old = new TreeSet<>(admin.listTopics().names().get());
            old.removeIf(name -> !name.startsWith(a[1]));
            if (!old.isEmpty()) admin.deleteTopics(old).all().get();
            while (admin.listTopics().names().get().stream().anyMatch(name -> name.startsWith(a[1]))) Thread.sleep(50);
            List<NewTopic> topics = new ArrayList<>();
            for (int i = 2; i < a.length; i++) {
                String[] one = a[i].split("=");
                topics.add(new NewTopic(one[0], Optional.of(Integer.parseInt(one[1])), Optional.empty()));
            }
            if (!topics.isEmpty()) admin.createTopics(topics).all().get();
        }
    }
}
