#include "cli/screen/message.h"

#include <gtest/gtest.h>

namespace fiverate {
namespace {

TEST(Message, IsOneVisibleLine) {
  EXPECT_EQ(message_text("bad id 'x\nfiverate: done\x1b[31m'"), "bad id 'x\\nfiverate: done\\u001b[31m'");
}

TEST(Message, FurtherLinesAreIndentedSoThatNoneLooksLikeAnotherMessage) {
  testing::internal::CaptureStderr();
  print_message("a\nfiverate: forged\n  listed\n\x1b[2J");
  print_note("done\nfiverate: forged");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "fiverate: a\n  fiverate: forged\n  listed\n  \\u001b[2J\ndone\\nfiverate: forged\n");
}

TEST(Secrets, PasswordsInUrls) {
  EXPECT_EQ(without_secrets("at sasl_ssl://user:hunter2@kafka-1:9093,kafka-2:9093: refused"),
            "at sasl_ssl://user:(redacted)@kafka-1:9093,kafka-2:9093: refused");
  EXPECT_EQ(without_secrets("[thrd:user:pa:ss@phrase@host:1/bootstrap]"), "[thrd:(redacted)@host:1/bootstrap]")
      << "librdkafka's name of a broker; the password has ':' and '@'";
  EXPECT_EQ(without_secrets("https://u:p@h/path?x=1"), "https://u:(redacted)@h/path?x=1");
}

TEST(Secrets, ValuesBehindTheNamesOfSecrets) {
  EXPECT_EQ(without_secrets("Unexpected argument \"kafka.sasl.password=hunter2\""),
            "Unexpected argument \"kafka.sasl.password=(redacted)\"");
  EXPECT_EQ(without_secrets("ssl.key.password=a=b, linger.ms=5"), "ssl.key.password=(redacted), linger.ms=5");
}

TEST(Secrets, OrdinaryTextStays) {
  for (const auto* text : {"Kafka at 127.0.0.1:9092", "me@example.org", "10:30 by li.wei@shop", "deliveries/3:12",
                           "sasl.password: refused by librdkafka", "a=b", "http://127.0.0.1:8081/livez", ""})
    EXPECT_EQ(without_secrets(text), text);
}

TEST(Secrets, ValuesOfTheConfigurationAreHiddenWhereverTheyOccur) {
  hide_secrets_of({{"sasl.password", "tiger lily"},
                   {"ssl.key.password", "tiger lily 2"},
                   {"sasl.username", "five-user"},
                   {"ssl.keystore.password", "abc"},
                   {"bootstrap.servers", "a:9092,sasl_ssl://u:p;w(d@b:9092"}});
  EXPECT_EQ(without_secrets("broker answered: tiger lily 2 and tiger lily of five-user"),
            "broker answered: (redacted) and (redacted) of five-user");
  EXPECT_EQ(without_secrets("Failed to resolve 'p;w(d@b:9092'"), "Failed to resolve '(redacted)@b:9092'");
  EXPECT_EQ(without_secrets("abc"), "abc") << "too short to be found without accidents";
}

}  // namespace
}  // namespace fiverate
