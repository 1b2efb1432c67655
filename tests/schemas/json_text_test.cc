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
  JsonWriter json(out);
  json.begin_object();
  json.text("text", "{");
  json.key("list");
  json.begin_array();
  json.integer(std::numeric_limits<std::int64_t>::min());
  json.boolean(true);
  json.begin_object();
  json.end_object();
  json.begin_array();
  json.end_array();
  json.end_array();
  json.literal(R"("more":1,"members":2)");
  json.integer("last", 3);
  json.end_object();
  EXPECT_EQ(out, R"({"text":"{","list":[-9223372036854775808,true,{},[]],"more":1,"members":2,"last":3})");
}

TEST(JsonText, WriterAppendsLines) {
  std::string out = "1\n";
  JsonWriter json(out);
  json.integer(2);
  out += '\n';
  json.text("3");
  EXPECT_EQ(out, "1\n2\n\"3\"");
}

TEST(JsonText, KeysOfSeveralParts) {
  EXPECT_EQ(json_array({"a", "", "b\"c"}), R"(["a","","b\"c"])");
}

}  // namespace
}  // namespace fiverate
