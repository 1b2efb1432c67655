#include "schemas/json_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace fiverate {
namespace {

using namespace std::string_literals;

TEST(JsonText, EscapesOnlyWhatMustBeEscaped) {
  std::string out;
  append_json_string("a\"\\/\b\f\n\r\t\0\x1f\x7f\u5e97"s, out);
  EXPECT_EQ(out, R"("a\"\\/\b\f\n\r\t\u0000\u001f)"s + "\x7f\u5e97\"");
}

TEST(JsonText, WriterSetsCommasBetweenValues) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object();
  writer.text("text", "{");
  writer.key("list");
  writer.begin_array();
  writer.integer(std::numeric_limits<std::int64_t>::min());
  writer.boolean(true);
  writer.begin_object();
  writer.end_object();
  writer.begin_array();
  writer.end_array();
  writer.end_array();
  writer.literal(R"("more":1,"members":2)");
  writer.integer("last", 3);
  writer.end_object();
  EXPECT_EQ(out, R"({"text":"{","list":[-9223372036854775808,true,{},[]],"more":1,"members":2,"last":3})");
}

TEST(JsonText, WriterAppendsLines) {
  std::string out = "1\n";
  JsonWriter writer(out);
  writer.integer(2);
  out += '\n';
  writer.text("3");
  EXPECT_EQ(out, "1\n2\n\"3\"");
}

TEST(JsonText, KeysOfSeveralParts) {
  EXPECT_EQ(json_array({"a", "", "b\"c"}), R"(["a","","b\"c"])");
}

}  // namespace
}  // namespace fiverate
