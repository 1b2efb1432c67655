#include "schemas/decode.h"

#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "schemas/format.h"

namespace fiverate {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using nlohmann::json;
using namespace std::string_literals;

// Otherwise Protobuf logs every invalid UTF-8 to stderr.
[[maybe_unused]] auto* const kLoudHandler = google::protobuf::SetLogHandler(nullptr);

constexpr std::string_view kPassed = "passed";

std::string outcome(const std::optional<Rejected>& rejected) {
  return std::string(rejected ? name_of(rejected->reason) : kPassed);
}

std::string outcome(std::string_view bytes) {
  Event event;
  return outcome(decode(bytes, event));
}

std::string framed(const std::string& protobuf) {
  return "\0\0\0\1\2\0"s + protobuf;
}

Event decoded(std::string_view bytes) {
  Event event;
  const auto rejected = decode(bytes, event);
  EXPECT_FALSE(rejected) << name_of(rejected->reason) << ": " << rejected->detail << "\n" << bytes;
  return event;
}

// ---- one good event of every kind, with every field -----------------------------------------------------------------

const std::map<std::string, std::string> kPayloads{
    {"order", R"({"order_id":"O1","outlet_id":"R1","promised_date":"2026-03-04","lines":[
        {"sku_id":"S1","requested":3,"confirmed":2,"declared_stock":0},{"sku_id":"S2","requested":1,"confirmed":1}]})"},
    {"delivery", R"({"delivery_id":"D1","order_id":"","outlet_id":"R1","direction":"RETURN","lines":[
        {"sku_id":"S1","quantity":1000000000},{"sku_id":"S2","quantity":0}]})"},
    {"visit", R"({"visit_id":"V1","outlet_id":"R1","visitor_id":"P1","outcome":"DONE","checks":[
        {"sku_id":"S1","count":4,"on_shelf":false,"facings":0,"retail_price_fen":2500,"price_tag":"MISSING"},
        {"sku_id":"S2"}]})"},
    {"outlet", R"({"outlet_id":"R1","valid_from":"2026-01-01","region_id":"G1","state":"CLOSED",
        "classes":[{"dimension":"channel","value":"shop"},{"dimension":"size","value":"shop"}],"name":"\u0000 \"\\ 店\n"})"},
    {"sku", R"({"sku_id":"S1","brand_id":"B1","valid_from":"2026-01-01","guide_price_fen":2600,
        "wholesale_price_fen":2300,"brand_group":"","pack":"carton","name":""})"},
    {"region", R"({"region_id":"G1","parent_id":"","level":"COUNTRY","name":"CN"})"},
    {"policy", R"({"policy_id":"P1","valid_from":"2026-01-01","rules":[{"rule":"R2","scope":{"brand_group":"g",
        "brand_id":"B1","region_id":"G1","class_dimension":"channel","class_value":"shop"},
        "set":[{"name":"days","value":2},{"name":"share","value":0.250},{"name":"mode","value":"on"}]},
        {"rule":"R3","scope":{},"set":[]}]})"},
    {"target",
     R"({"target_id":"T1","valid_from":"2026-01-01","rate":"buying","scope":{"brand_id":"B1"},"value_bp":2500})"},
    {"plan", R"({"plan_id":"N1","valid_from":"2026-01-01","class_dimension":"channel","class_value":"shop",
        "visits_per_month":2})"},
    {"allocation", R"({"sku_id":"S1","region_id":"G1","valid_from":"2026-01-01","valid_to":"2026-01-31","quantity":500,
        "rationed":false})"},
    {"calendar", R"({"day":"2026-02-17","kind":"SPRING_FESTIVAL"})"},
    {"command",
     R"({"command_id":"C1","author":"li","verb":"SILENCE","alert_id":"a1","assignee":"wang","true_alarm":false,
        "text":"later","silence":{"silence_id":"L1","matchers":[{"field":"brand_id","value":"B1"}],
        "starts_at":"2026-03-02T00:00:00+08:00","ends_at":"2026-03-09T00:00:00.250+08:00"}})"},
    {"mark", R"({"complete_through":"2026-03-02T00:00:00+08:00"})"},
};

json good(const std::string& payload) {
  json event = json::parse(R"({"event_id":"e1","source":"dms","event_time":"2026-03-02T12:00:00.123+08:00",
      "arrival_time":"2026-03-02T12:00:05Z","revision":2,"cancelled":false})");
  event[payload] = json::parse(kPayloads.at(payload));
  return event;
}

// The payload of good(payload) with one change.
json changed(const std::string& payload, const std::string& pointer, const json& value) {
  json event = good(payload);
  event[json::json_pointer(pointer)] = value;
  return event;
}

// ---- round trips ----------------------------------------------------------------------------------------------------

bool is_date(const std::string& field) {
  return field.starts_with("valid_") || field == "promised_date" || field == "day";
}

// Sets every field of the message, new ones of the schema too.
void fill(Message& message, int seed) {
  const auto* reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    if (field->real_containing_oneof() != nullptr) continue;
    if (field->is_repeated()) {
      fill(*reflection->AddMessage(&message, field), seed + 1);
      fill(*reflection->AddMessage(&message, field), seed + 2);
    } else if (field->message_type() != nullptr && field->message_type()->name() == "Timestamp") {
      set_millis(static_cast<google::protobuf::Timestamp&>(*reflection->MutableMessage(&message, field)),
                 1'772'380'800'007 + seed);
    } else if (field->message_type() != nullptr) {
      fill(*reflection->MutableMessage(&message, field), seed + 3);
    } else if (field->enum_type() != nullptr) {
      reflection->SetEnumValue(&message, field, field->enum_type()->value_count() - 1);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      const std::string text = is_date(field->name()) ? "2026-01-02"s : field->name() + "\"\\/\0\x01\t\u00e9\u5e97"s;
      reflection->SetString(&message, field, is_date(field->name()) ? text : text + std::to_string(seed));
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
      reflection->SetBool(&message, field, true);
    } else {
      reflection->SetInt64(&message, field, 7 + seed);
    }
  }
}

TEST(RoundTrip, EveryFieldOfEveryPayload) {
  const auto* payloads = Event::descriptor()->FindOneofByName("payload");
  ASSERT_EQ(static_cast<std::size_t>(payloads->field_count()), kPayloads.size());
  for (int i = 0; i < payloads->field_count(); ++i) {
    Event event;
    fill(event, i);
    fill(*event.GetReflection()->MutableMessage(&event, payloads->field(i)), i);
    ASSERT_EQ(outcome(check_fields(event)), kPassed) << event.ShortDebugString();

    const std::string bytes = event.SerializeAsString();
    const std::string text = to_json(event);
    EXPECT_EQ(text.find('\n'), std::string::npos);
    for (const std::string& form : {bytes, framed(bytes), "\0\0\0\1\2\2\0"s + bytes, text, " \r\n\t" + text + "\r\n"}) {
      EXPECT_EQ(decoded(form).SerializeAsString(), bytes) << text;
    }
  }
}

TEST(RoundTrip, ContractExamples) {
  for (const auto& [name, payload] : kPayloads) {
    const Event event = decoded(good(name).dump());
    EXPECT_EQ(decoded(to_json(event)).SerializeAsString(), event.SerializeAsString()) << payload;
    EXPECT_EQ(decoded(event.SerializeAsString()).SerializeAsString(), event.SerializeAsString()) << payload;
  }
}

TEST(RoundTrip, ContractForm) {
  EXPECT_EQ(
      to_json(decoded(R"({"delivery":{"lines":[{"quantity":5,"sku_id":"S1"}],"outlet_id":"R1","direction":"OUT",
      "delivery_id":"D1"},"event_time":"2026-03-02T12:00:00+08:00","event_id":"e1"})")),
      R"({"event_id":"e1","event_time":"2026-03-02T04:00:00.000Z","delivery":{"delivery_id":"D1","outlet_id":"R1",)"
      R"("direction":"OUT","lines":[{"sku_id":"S1","quantity":5}]}})");
}

// ---- required fields -------------------------------------------------------------------------------------------------------

// The required fields, and those that a cancellation needs too.
const std::set<std::string> kRequired{"/event_id",
                                      "/event_time",
                                      "/order/order_id",
                                      "/order/outlet_id",
                                      "/order/lines/0/sku_id",
                                      "/order/lines/0/requested",
                                      "/order/lines/0/confirmed",
                                      "/order/lines/1/sku_id",
                                      "/order/lines/1/requested",
                                      "/order/lines/1/confirmed",
                                      "/delivery/delivery_id",
                                      "/delivery/outlet_id",
                                      "/delivery/direction",
                                      "/delivery/lines/0/sku_id",
                                      "/delivery/lines/0/quantity",
                                      "/delivery/lines/1/sku_id",
                                      "/delivery/lines/1/quantity",
                                      "/visit/visit_id",
                                      "/visit/outlet_id",
                                      "/visit/visitor_id",
                                      "/visit/outcome",
                                      "/visit/checks/0/sku_id",
                                      "/visit/checks/1/sku_id",
                                      "/outlet/outlet_id",
                                      "/outlet/valid_from",
                                      "/outlet/region_id",
                                      "/outlet/state",
                                      "/outlet/classes/0/dimension",
                                      "/outlet/classes/0/value",
                                      "/outlet/classes/1/dimension",
                                      "/outlet/classes/1/value",
                                      "/sku/sku_id",
                                      "/sku/brand_id",
                                      "/sku/valid_from",
                                      "/region/region_id",
                                      "/region/level",
                                      "/policy/policy_id",
                                      "/policy/valid_from",
                                      "/policy/rules/0/rule",
                                      "/policy/rules/0/scope",
                                      "/policy/rules/0/set/0/name",
                                      "/policy/rules/0/set/0/value",
                                      "/policy/rules/0/set/1/name",
                                      "/policy/rules/0/set/1/value",
                                      "/policy/rules/0/set/2/name",
                                      "/policy/rules/0/set/2/value",
                                      "/policy/rules/1/rule",
                                      "/policy/rules/1/scope",
                                      "/target/target_id",
                                      "/target/valid_from",
                                      "/target/rate",
                                      "/target/scope",
                                      "/target/value_bp",
                                      "/plan/plan_id",
                                      "/plan/valid_from",
                                      "/plan/class_dimension",
                                      "/plan/class_value",
                                      "/plan/visits_per_month",
                                      "/allocation/sku_id",
                                      "/allocation/region_id",
                                      "/allocation/valid_from",
                                      "/allocation/valid_to",
                                      "/allocation/quantity",
                                      "/allocation/rationed",
                                      "/calendar/day",
                                      "/calendar/kind",
                                      "/command/command_id",
                                      "/command/author",
                                      "/command/verb",
                                      "/command/silence/silence_id",
                                      "/command/silence/starts_at",
                                      "/command/silence/ends_at",
                                      "/command/silence/matchers/0/field",
                                      "/command/silence/matchers/0/value",
                                      "/mark/complete_through"};

const std::set<std::string> kRequiredOfCancelled{"/event_id",
                                                 "/event_time",
                                                 "/order/order_id",
                                                 "/order/outlet_id",
                                                 "/delivery/delivery_id",
                                                 "/delivery/outlet_id",
                                                 "/visit/visit_id",
                                                 "/visit/outlet_id",
                                                 "/outlet/outlet_id",
                                                 "/outlet/valid_from",
                                                 "/sku/sku_id",
                                                 "/sku/valid_from",
                                                 "/region/region_id",
                                                 "/policy/policy_id",
                                                 "/policy/valid_from",
                                                 "/target/target_id",
                                                 "/target/valid_from",
                                                 "/plan/plan_id",
                                                 "/plan/valid_from",
                                                 "/allocation/sku_id",
                                                 "/allocation/region_id",
                                                 "/allocation/valid_from",
                                                 "/calendar/day",
                                                 "/command/command_id",
                                                 "/mark/complete_through"};

// The JSON pointers of all fields of an event, such as "/order/lines/0/sku_id".
void collect_pointers(const json& value, const std::string& prefix, std::vector<std::string>& pointers) {
  for (const auto& [key, inner] : value.items()) {
    const std::string path = prefix + "/" + key;
    if (!value.is_array()) pointers.push_back(path);
    if (inner.is_structured()) collect_pointers(inner, path, pointers);
  }
}

void for_each_pointer(const std::function<void(const std::string& payload, const std::string& path)>& visit) {
  for (const auto& [payload, text] : kPayloads) {
    std::vector<std::string> pointers;
    collect_pointers(good(payload), "", pointers);
    for (const std::string& path : pointers) visit(payload, path);
  }
}

// Decodes the JSON, and the Event that was read from it as Protobuf.
void expect_in_both_forms(const json& record, std::string_view expected) {
  Event event;
  EXPECT_EQ(outcome(decode(record.dump(), event)), expected) << record;
  const std::string bytes = event.SerializeAsString();
  EXPECT_EQ(outcome(bytes), expected) << record;
  EXPECT_EQ(outcome(framed(bytes)), expected) << record;
}

TEST(Required, EveryFieldAbsentOrNullOrEmpty) {
  for_each_pointer([](const std::string& payload, const std::string& path) {
    for (const bool cancelled : {false, true}) {
      const auto& required = cancelled ? kRequiredOfCancelled : kRequired;
      json record = good(payload);
      record["cancelled"] = cancelled;
      const json::json_pointer pointer(path);
      const json value = record[pointer];

      std::string_view expected = required.contains(path) ? "missing_field" : kPassed;
      if (path == "/" + payload) expected = "bad_payload";
      if (payload == "mark" && (path == "/event_id" || path == "/event_time")) expected = kPassed;
      if (path == "/cancelled" && cancelled) continue;

      record[pointer] = nullptr;
      expect_in_both_forms(record, expected);
      record[pointer.parent_pointer()].erase(pointer.back());
      expect_in_both_forms(record, expected);
      if (value.is_string()) {
        record[pointer] = "";
        expect_in_both_forms(record, expected);
      }
    }
  });
}

TEST(Required, EmptyTextIsAbsentButNotFreeText) {
  const std::set<std::string> free{"/delivery/order_id", "/outlet/name",     "/sku/name",
                                   "/region/name",       "/sku/brand_group", "/region/parent_id"};
  for_each_pointer([&](const std::string& payload, const std::string& path) {
    json record = good(payload);
    const json::json_pointer pointer(path);
    if (!record[pointer].is_string() || kRequired.contains(path)) return;
    record[pointer] = "";
    const std::string empty = decoded(record.dump()).SerializeAsString();
    record[pointer] = nullptr;
    const std::string absent = decoded(record.dump()).SerializeAsString();
    EXPECT_EQ(empty != absent, free.contains(path)) << path;
  });
}

// Forms and exports write an empty text for an absent value of any type.
TEST(Required, EmptyTextIsAbsentInAnyField) {
  for_each_pointer([](const std::string& payload, const std::string& path) {
    const json::json_pointer pointer(path);
    json record = good(payload);
    if (record[pointer].is_string()) return;
    record[pointer] = "";
    const std::string with_empty = outcome(record.dump());
    record[pointer] = nullptr;
    EXPECT_EQ(with_empty, outcome(record.dump())) << path;
  });
}

TEST(Required, EmptyTextOfProtobufToo) {
  Event event = decoded(good("command").dump());
  event.mutable_command()->clear_text();
  const std::string absent = event.SerializeAsString();
  event.mutable_command()->set_text("");
  ASSERT_NE(event.SerializeAsString(), absent);
  EXPECT_EQ(decoded(event.SerializeAsString()).SerializeAsString(), absent);
}

TEST(Required, CancelledNeedsIdsOnly) {
  for (const char* payload :
       {R"("order":{"order_id":"O1","outlet_id":"R1"})", R"("delivery":{"delivery_id":"D1","outlet_id":"R1"})",
        R"("visit":{"visit_id":"V1","outlet_id":"R1"})", R"("outlet":{"outlet_id":"R1","valid_from":"2026-01-01"})",
        R"("sku":{"sku_id":"S1","valid_from":"2026-01-01"})", R"("region":{"region_id":"G1"})",
        R"("policy":{"policy_id":"P1","valid_from":"2026-01-01"})",
        R"("target":{"target_id":"T1","valid_from":"2026-01-01"})",
        R"("plan":{"plan_id":"N1","valid_from":"2026-01-01"})",
        R"("allocation":{"sku_id":"S1","region_id":"G1","valid_from":"2026-01-01"})",
        R"("calendar":{"day":"2026-01-01"})"}) {
    const std::string record =
        R"({"event_id":"e","event_time":"2026-03-02T12:00:00Z","cancelled":true,)"s + payload + "}";
    expect_in_both_forms(json::parse(record), kPassed);
    json counted = json::parse(record);
    counted["cancelled"] = false;
    const bool lists_only = counted.contains("order") || counted.contains("policy");
    expect_in_both_forms(counted, lists_only ? kPassed : "missing_field");
  }
}

// ---- types and ranges -----------------------------------------------------------------------------------------------

TEST(Values, WrongTypeOfEveryField) {
  for_each_pointer([](const std::string& payload, const std::string& path) {
    const json::json_pointer pointer(path);
    const json value = good(payload)[pointer];
    const bool setting = path.ends_with("/value") && payload == "policy";
    for (const json& wrong : {json("5"), json(5), json(5.0), json(true), json::object(), json::array(), json({1})}) {
      const bool plausible = (wrong.type() == value.type()) ||
                             (wrong.is_number_integer() && value.is_number_integer()) ||
                             (setting && (wrong.is_number() || wrong.is_string()));
      if (plausible && path != "/event_time") continue;
      json record = good(payload);
      record[pointer] = wrong;
      EXPECT_EQ(outcome(record.dump()), "bad_value") << record;
      record["cancelled"] = true;
      if (path != "/cancelled") {
        EXPECT_EQ(outcome(record.dump()), "bad_value") << record;
      }
      // A missing field elsewhere is graver.
      if (payload != "mark" && path != "/event_id") {
        record["event_id"] = "";
        EXPECT_EQ(outcome(record.dump()), "missing_field") << record;
      }
    }
  });
}

TEST(Values, ListsHoldObjects) {
  for (const json& element : {json(nullptr), json(5), json("S1"), json::array()}) {
    EXPECT_EQ(outcome(changed("delivery", "/delivery/lines/1", element).dump()), "bad_value") << element;
    EXPECT_EQ(outcome(changed("policy", "/policy/rules/0/set/0", element).dump()), "bad_value") << element;
  }
}

struct Number {
  const char* written;
  std::string_view quantity;  // expected
  std::string_view revision;
};

constexpr std::array kNumbers{
    Number{"0", kPassed, "bad_value"},
    Number{"-0", kPassed, "bad_value"},
    Number{"1", kPassed, kPassed},
    Number{"1000000000", kPassed, kPassed},
    Number{"1000000001", "bad_value", kPassed},
    Number{"9007199254740992", "bad_value", kPassed},
    Number{"9007199254740993", "bad_value", "bad_value"},
    Number{"9223372036854775807", "bad_value", "bad_value"},
    Number{"9223372036854775808", "bad_value", "bad_value"},
    Number{"18446744073709551616", "bad_value", "bad_value"},
    Number{"1000000000000000000000000000000", "bad_value", "bad_value"},
    Number{"-1", "negative_quantity", "bad_value"},
    Number{"-1000000000", "negative_quantity", "bad_value"},
    Number{"-1000000001", "negative_quantity", "bad_value"},
    Number{"-9223372036854775808", "negative_quantity", "bad_value"},
    Number{"-9223372036854775809", "negative_quantity", "bad_value"},
    Number{"-1000000000000000000000000000000", "negative_quantity", "bad_value"},
    Number{"5.0", "bad_value", "bad_value"},
    Number{"-5.0", "bad_value", "bad_value"},
    Number{"1e3", "bad_value", "bad_value"},
    Number{"-1E30", "bad_value", "bad_value"},
    Number{"1e999", "bad_value", "bad_value"},
    Number{"NaN", "malformed", "malformed"},
    Number{"Infinity", "malformed", "malformed"},
    Number{"-Infinity", "malformed", "malformed"},
    Number{"01", "malformed", "malformed"},
    Number{"+1", "malformed", "malformed"},
    Number{".5", "malformed", "malformed"},
    Number{"0x10", "malformed", "malformed"},
};

std::string with_number(const std::string& payload, const std::string& pointer, const std::string& written) {
  std::string text = changed(payload, pointer, "@").dump();
  return text.replace(text.find("\"@\""), 3, written);
}

TEST(Values, Numbers) {
  for (const Number& number : kNumbers) {
    for (const auto& [payload, pointer] :
         std::vector<std::pair<std::string, std::string>>{{"order", "/order/lines/0/requested"},
                                                          {"order", "/order/lines/0/confirmed"},
                                                          {"order", "/order/lines/0/declared_stock"},
                                                          {"delivery", "/delivery/lines/1/quantity"},
                                                          {"visit", "/visit/checks/0/count"},
                                                          {"visit", "/visit/checks/0/facings"},
                                                          {"visit", "/visit/checks/0/retail_price_fen"},
                                                          {"sku", "/sku/guide_price_fen"},
                                                          {"sku", "/sku/wholesale_price_fen"},
                                                          {"plan", "/plan/visits_per_month"},
                                                          {"target", "/target/value_bp"},
                                                          {"allocation", "/allocation/quantity"}}) {
      EXPECT_EQ(outcome(with_number(payload, pointer, number.written)), number.quantity) << pointer << number.written;
    }
    EXPECT_EQ(outcome(with_number("order", "/revision", number.written)), number.revision) << number.written;
  }
}

TEST(Values, IntegerOfManyDigits) {
  const std::string digits(4'000, '9');
  EXPECT_EQ(outcome(with_number("delivery", "/delivery/lines/0/quantity", digits)), "bad_value");
  EXPECT_EQ(outcome(with_number("delivery", "/delivery/lines/0/quantity", "-" + digits)), "negative_quantity");
  EXPECT_EQ(outcome(with_number("delivery", "/delivery/unknown", "-" + digits)), kPassed);
}

TEST(Values, NumbersOfProtobuf) {
  const auto with_quantity = [](std::int64_t quantity) {
    Event event = decoded(good("delivery").dump());
    event.mutable_delivery()->mutable_lines(0)->set_quantity(quantity);
    return outcome(event.SerializeAsString());
  };
  EXPECT_EQ(with_quantity(0), kPassed);
  EXPECT_EQ(with_quantity(1'000'000'000), kPassed);
  EXPECT_EQ(with_quantity(1'000'000'001), "bad_value");
  EXPECT_EQ(with_quantity(-1), "negative_quantity");
  Event event = decoded(good("delivery").dump());
  for (const std::int64_t revision : {std::int64_t{0}, std::int64_t{-1}, (std::int64_t{1} << 53) + 1}) {
    event.set_revision(revision);
    EXPECT_EQ(outcome(event.SerializeAsString()), "bad_value");
  }
}

TEST(Values, Enums) {
  for (const char* pointer : {"/delivery/direction", "/visit/outcome", "/visit/checks/0/price_tag", "/outlet/state",
                              "/region/level", "/calendar/kind", "/command/verb"}) {
    const std::string payload = std::string(pointer).substr(1, std::string(pointer).find('/', 1) - 1);
    for (const char* name :
         {"out", "OUT ", "UNKNOWN", "1", "DIRECTION_UNSPECIFIED", "OUTCOME_UNSPECIFIED", "PRICE_TAG_UNSPECIFIED",
          "STATE_UNSPECIFIED", "LEVEL_UNSPECIFIED", "KIND_UNSPECIFIED", "VERB_UNSPECIFIED"}) {
      EXPECT_EQ(outcome(changed(payload, pointer, name).dump()), "bad_value") << pointer << ' ' << name;
    }
  }
  Event event = decoded(good("delivery").dump());
  for (const int number : {3, -1, 1'000'000}) {
    event.mutable_delivery()->set_direction(static_cast<Delivery::Direction>(number));
    EXPECT_EQ(outcome(event.SerializeAsString()), "bad_value");
    EXPECT_EQ(outcome(check_fields(event)), "bad_value");
  }
  event.mutable_delivery()->set_direction(Delivery::DIRECTION_UNSPECIFIED);
  EXPECT_EQ(outcome(event.SerializeAsString()), "missing_field");
}

TEST(Values, DatesAndTimes) {
  for (const char* pointer :
       {"/order/promised_date", "/outlet/valid_from", "/sku/valid_from", "/policy/valid_from", "/target/valid_from",
        "/plan/valid_from", "/allocation/valid_from", "/allocation/valid_to", "/calendar/day"}) {
    const std::string payload = std::string(pointer).substr(1, std::string(pointer).find('/', 1) - 1);
    for (const char* date : {"2026-02-29", "2026-1-1", "1969-12-31", "2026-01-01T00:00:00Z", " "}) {
      expect_in_both_forms(changed(payload, pointer, date), "bad_value");
    }
    expect_in_both_forms(changed(payload, pointer, "9999-12-31"), kPassed);
  }
  for (const char* pointer :
       {"/event_time", "/arrival_time", "/command/silence/starts_at", "/command/silence/ends_at"}) {
    for (const char* time : {"2026-03-02T12:00:00", "2026-03-02", "1969-12-31T23:59:59Z", "x", " "}) {
      EXPECT_EQ(outcome(changed("command", pointer, time).dump()), "bad_value") << pointer << time;
    }
  }
  EXPECT_EQ(outcome(changed("mark", "/mark/complete_through", "now").dump()), "bad_value");
  EXPECT_EQ(outcome(changed("mark", "/event_time", "now").dump()), "bad_value");
}

TEST(Values, TimesOfProtobuf) {
  const auto with_time = [](std::int64_t seconds, std::int32_t nanos) {
    Event event = decoded(good("order").dump());
    event.mutable_event_time()->set_seconds(seconds);
    event.mutable_event_time()->set_nanos(nanos);
    return outcome(event.SerializeAsString());
  };
  EXPECT_EQ(with_time(0, 0), kPassed);
  EXPECT_EQ(with_time(253'402'300'799, 999'999'999), kPassed);
  EXPECT_EQ(with_time(253'402'300'800, 0), "bad_value");
  EXPECT_EQ(with_time(-1, 0), "bad_value");
  EXPECT_EQ(with_time(0, -1), "bad_value");
  EXPECT_EQ(with_time(0, 1'000'000'000), "bad_value");
  EXPECT_EQ(with_time(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int32_t>::min()), "bad_value");
}

TEST(Values, TimesAreTruncatedToMilliseconds) {
  Event event = decoded(good("command").dump());
  const std::string truncated = event.SerializeAsString();
  for (auto* time : {event.mutable_event_time(), event.mutable_arrival_time(),
                     event.mutable_command()->mutable_silence()->mutable_starts_at(),
                     event.mutable_command()->mutable_silence()->mutable_ends_at()}) {
    time->set_nanos(time->nanos() + 999'999);
  }
  EXPECT_EQ(decoded(event.SerializeAsString()).SerializeAsString(), truncated);
  EXPECT_EQ(decoded(changed("command", "/event_time", "2026-03-02T12:00:00.123999+08:00").dump()).SerializeAsString(),
            truncated);
  Event mark = decoded(good("mark").dump());
  mark.mutable_mark()->mutable_complete_through()->set_nanos(1'999'999);
  EXPECT_EQ(decoded(mark.SerializeAsString()).mark().complete_through().nanos(), 1'000'000);
}

TEST(Values, RepeatedSkusAndDimensions) {
  expect_in_both_forms(changed("order", "/order/lines/1/sku_id", "S1"), "duplicate_sku");
  expect_in_both_forms(changed("delivery", "/delivery/lines/1/sku_id", "S1"), "duplicate_sku");
  expect_in_both_forms(changed("visit", "/visit/checks/1/sku_id", "S1"), "duplicate_sku");
  expect_in_both_forms(changed("outlet", "/outlet/classes/1/dimension", "channel"), "bad_value");

  json many = good("delivery");  // more than the checker compares pair by pair
  for (int i = 2; i < 100; ++i) {
    many["/delivery/lines"_json_pointer].push_back({{"sku_id", fmt::format("S{}", i + 1)}, {"quantity", 1}});
  }
  expect_in_both_forms(many, kPassed);
  many["/delivery/lines/98/sku_id"_json_pointer] = "S7";
  expect_in_both_forms(many, "duplicate_sku");
}

TEST(Values, SettingsKeepTheTextOfTheirNumber) {
  const Policy policy = decoded(with_number("policy", "/policy/rules/0/set/0/value", "-1.50E+2")).policy();
  EXPECT_EQ(policy.rules(0).set(0).value(), "-1.50E+2");
  EXPECT_EQ(decoded(with_number("policy", "/policy/rules/0/set/0/value", "12")).policy().rules(0).set(0).value(), "12");
  EXPECT_EQ(policy.rules(0).set(2).value(), "on");
}

TEST(Values, TheGravestReasonOfTheWholeRecord) {
  json record = changed("delivery", "/delivery/lines/1/sku_id", "S1");
  expect_in_both_forms(record, "duplicate_sku");
  record["/delivery/lines/1/quantity"_json_pointer] = -1;
  expect_in_both_forms(record, "negative_quantity");
  record["/delivery/lines/0/quantity"_json_pointer] = 2'000'000'000;
  expect_in_both_forms(record, "bad_value");
  record["event_time"] = "yesterday";
  EXPECT_EQ(outcome(record.dump()), "bad_value");
  record["/delivery/outlet_id"_json_pointer] = "";
  EXPECT_EQ(outcome(record.dump()), "missing_field");
  record["mark"] = json::object();
  EXPECT_EQ(outcome(record.dump()), "bad_payload");
  EXPECT_EQ(outcome(record.dump() + "x"), "malformed");
}

// ---- payload --------------------------------------------------------------------------------------------------------

TEST(Payload, ExactlyOneObject) {
  json record = good("order");
  record["visit"] = nullptr;
  record["something"] = {{"order", 1}};
  EXPECT_EQ(outcome(record.dump()), kPassed);
  record["visit"] = 5;
  EXPECT_EQ(outcome(record.dump()), "bad_payload");
  record["order"] = nullptr;
  EXPECT_EQ(outcome(record.dump()), "bad_value");
  record.erase("visit");
  EXPECT_EQ(outcome(record.dump()), "bad_payload");
  EXPECT_EQ(outcome("{}"), "bad_payload");
  EXPECT_EQ(outcome(R"({"mark":[]})"), "bad_value");

  Event event;
  event.set_event_id("e1");
  EXPECT_EQ(outcome(event.SerializeAsString()), "bad_payload");
  EXPECT_EQ(outcome(framed("")), "bad_payload");
}

TEST(Payload, MarkNeedsItsTimeOnly) {
  expect_in_both_forms(json::parse(R"({"mark":{"complete_through":"2026-03-02T00:00:00Z"}})"), kPassed);
  expect_in_both_forms(json::parse(R"({"mark":{},"event_id":"e"})"), "missing_field");
}

// ---- JSON -----------------------------------------------------------------------------------------------------------

TEST(Json, LastOfARepeatedKeyCounts) {
  const std::string rest =
      R"("event_time":"2026-03-02T12:00:00Z","region":{"region_id":5,"level":"CITY","region_id":"G1"}})";
  EXPECT_EQ(decoded(R"({"event_id":5,"event_id":"a","event_id":"b",)" + rest).event_id(), "b");
  EXPECT_EQ(outcome(R"({"event_id":"a","event_id":null,)" + rest), "missing_field");
  EXPECT_EQ(outcome(R"({"event_id":"a","event_id":5,)" + rest), "bad_value");
  EXPECT_EQ(outcome(R"({"event_id":"a","order":{},"order":null,)" + rest), kPassed);
  EXPECT_EQ(outcome(R"({"event_id":"a","order":null,"order":{},)" + rest), "bad_payload");
}

std::string nested(int levels) {
  const auto inner = static_cast<std::size_t>(levels - 1);  // the event is the first level
  return R"({"mark":{"complete_through":"2026-03-02T00:00:00Z"},"x":)" + std::string(inner, '[') +
         std::string(inner, ']') + "}";
}

TEST(Json, Depth) {
  EXPECT_EQ(outcome(nested(kJsonDepthMax)), kPassed);
  EXPECT_EQ(outcome(nested(kJsonDepthMax + 1)), "malformed");
  EXPECT_EQ(outcome(nested(100'000)), "malformed");
  EXPECT_EQ(outcome("{" + std::string(200'000, '[')), "malformed");
  std::string objects;
  for (int i = 0; i < 10'000; ++i) objects += R"({"a":)";
  EXPECT_EQ(outcome(objects), "malformed");
}

TEST(Json, Texts) {
  const auto name_in = [](const std::string& name) {
    return R"({"event_id":"e","event_time":"2026-03-02T12:00:00Z","region":{"region_id":"G","level":"CITY","name":")" +
           name + "\"}}";
  };
  EXPECT_EQ(decoded(name_in(R"(\u0000\u00e9\ud83d\ude00\/)")).region().name(), "\0\u00e9\U0001F600/"s);
  for (const std::string& bad : {"\xff"s, "\xc0\x80"s, "\xed\xa0\x80"s, "\xe5\xba"s, "\n"s, "\0"s, R"(\ud83d)"s,
                                 R"(\udc00)"s, R"(\x)"s, "\xf4\x90\x80\x80"s}) {
    EXPECT_EQ(outcome(name_in(bad)), "malformed") << bad;
  }
}

TEST(Json, OneObjectAndNothingElse) {
  const std::string text = good("order").dump();
  for (const std::string& record : {text + "{}",
                                    text + ",",
                                    text + "\0"s,
                                    text + "\0x"s,
                                    text.substr(0, text.size() - 1),
                                    "{"s,
                                    "{}}"s,
                                    "[" + text + "]",
                                    "[]"s,
                                    "null"s,
                                    "true"s,
                                    "false"s,
                                    "5"s,
                                    "-1"s,
                                    "123456789"s,
                                    "\"text\""s,
                                    "\"" + std::string(500, 'x') + "\"",
                                    " \t\r\n"s,
                                    ""s,
                                    "{'event_id':1}"s,
                                    "{\"a\":1,}"s,
                                    "/**/{}"s,
                                    "{}//"s,
                                    "\xef\xbb\xbf{}"s}) {
    EXPECT_EQ(outcome(record), "malformed") << record;
  }
}

TEST(Json, SizeIsBounded) {
  std::string text = good("order").dump();
  text.resize(kEventBytesMax, ' ');
  EXPECT_EQ(outcome(text), kPassed);
  EXPECT_EQ(outcome(text + " "), "malformed");
}

// The work must stay proportional to the size of a record, also of a malicious one.
TEST(Json, ManySmallThings) {
  const auto list_of = [](const std::string& element) {
    std::string text =
        R"({"event_id":"e","event_time":"2026-03-02T12:00:00Z","delivery":{"delivery_id":"D","outlet_id":"R",
        "direction":"OUT","lines":[)";
    const std::size_t count = (kEventBytesMax - 200) / (element.size() + 1);
    for (std::size_t i = 0; i < count; ++i) text += element + ",";
    return text + element + "]}}";
  };
  EXPECT_EQ(outcome(list_of("{}")), "missing_field");
  EXPECT_EQ(outcome(list_of("5")), "bad_value");
  EXPECT_EQ(outcome(list_of(R"({"sku_id":5,"quantity":"x"})")), "bad_value");
  EXPECT_EQ(outcome(list_of(R"({"sku_id":"S","quantity":1})")), "duplicate_sku");
}

// ---- Protobuf and frames --------------------------------------------------------------------------------------------

TEST(Protobuf, UnknownFieldsAreDropped) {
  for (const auto& [payload, text] : kPayloads) {
    const Event event = decoded(good(payload).dump());
    const std::string bytes = event.SerializeAsString();
    EXPECT_EQ(decoded(bytes + "\xa0\x06\x01"s).SerializeAsString(), bytes);  // field 100

    Event inside = event;
    const auto* reflection = inside.GetReflection();
    const auto* field = reflection->GetOneofFieldDescriptor(inside, Event::descriptor()->FindOneofByName("payload"));
    Message* message = reflection->MutableMessage(&inside, field);
    message->GetReflection()->MutableUnknownFields(message)->AddVarint(100, 1);
    EXPECT_EQ(decoded(inside.SerializeAsString()).SerializeAsString(), bytes) << payload;
  }
  Event line = decoded(good("visit").dump());
  const std::string bytes = line.SerializeAsString();
  auto* check = line.mutable_visit()->mutable_checks(1);
  check->GetReflection()->MutableUnknownFields(check)->AddLengthDelimited(100, "x");
  EXPECT_EQ(decoded(line.SerializeAsString()).SerializeAsString(), bytes);
  auto* time = line.mutable_event_time();
  time->GetReflection()->MutableUnknownFields(time)->AddVarint(100, 1);
  EXPECT_EQ(decoded(line.SerializeAsString()).SerializeAsString(), bytes);
}

TEST(Protobuf, Malformed) {
  const std::string bytes = decoded(good("order").dump()).SerializeAsString();
  const std::string truncated = bytes.substr(0, bytes.size() - 1);
  for (const std::string& record :
       {truncated, bytes + "\x0a", bytes + "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        bytes + "\x0a\xff\xff\xff\xff\x0f", bytes + "\x07", bytes + "\x0c", "\x0a\x01\xff"s, "\x28\xff"s, "\xff"s}) {
    EXPECT_EQ(outcome(record), "malformed") << testing::PrintToString(record);
    EXPECT_EQ(outcome(framed(record)), "malformed") << testing::PrintToString(record);
  }
}

TEST(Protobuf, DepthIsBounded) {
  const std::string bytes = decoded(good("order").dump()).SerializeAsString();
  const auto groups = [&](std::size_t levels) {
    std::string nested = bytes;
    for (std::size_t i = 0; i < levels; ++i) nested += "\xa3\x06";  // start of group 100
    for (std::size_t i = 0; i < levels; ++i) nested += "\xa4\x06";
    return nested;
  };
  EXPECT_EQ(outcome(groups(10)), kPassed);
  EXPECT_EQ(outcome(groups(20)), "malformed");
  EXPECT_EQ(outcome(groups(60'000)), "malformed");
}

TEST(Protobuf, Frames) {
  const std::string bytes = decoded(good("order").dump()).SerializeAsString();
  EXPECT_EQ(outcome("\0\xff\xff\xff\xff\0"s + bytes), kPassed);
  EXPECT_EQ(outcome("\0\0\0\0\1\2\0"s + bytes), kPassed);
  for (const std::string& head : {"\0"s, "\0\0\0\0"s, "\0\0\0\0\1"s, "\0\0\0\0\1\2"s, "\0\0\0\0\1\2\2"s,
                                  "\0\0\0\0\1\4\0\0"s, "\0\0\0\0\1\xff"s}) {
    EXPECT_EQ(outcome(head), "malformed") << testing::PrintToString(head);
  }
  EXPECT_EQ(outcome("\0\0\0\0\1\2\2"s + bytes), "malformed");             // another message of the schema
  EXPECT_EQ(outcome("\0\0\0\0\1"s + good("order").dump()), "malformed");  // a frame never contains JSON
}

// The tag of event_id is a line end, and its length may be white space or '{'.
TEST(Protobuf, ThatBeginsLikeJson) {
  for (const std::size_t length : {9, 10, 13, 32, 123}) {
    for (const char filler : {'{', ' ', '"', 'x'}) {
      json record = good("order");
      std::string event_id(length, filler);
      event_id.front() = '{';
      record["event_id"] = event_id;
      expect_in_both_forms(record, kPassed);
      record["/order/lines/0/requested"_json_pointer] = -1;
      expect_in_both_forms(record, "negative_quantity");
    }
  }
}

// ---- texts of rejections ------------------------------------------------------------------------------------------

TEST(Rejection, NamesTheEventIfItCan) {
  Event event;
  const auto id_of = [&](std::string_view bytes) { return decode(bytes, event).value().event_id; };
  EXPECT_EQ(id_of(R"({"event_id":"e1"})"), "e1");
  EXPECT_EQ(id_of(R"({"event_id":"e1","order":{}})"), "e1");
  EXPECT_EQ(id_of(R"({"event_id":5,"order":{}})"), "");
  EXPECT_EQ(id_of(R"({"event_id":"e1","order":{})"), "");
  EXPECT_EQ(id_of("\x0a\x02"
                  "e1"),
            "e1");
  EXPECT_EQ(id_of("\x0a\x02"
                  "e1\x0a"),
            "");
}

TEST(Rejection, NamesFieldAndValue) {
  Event event;
  const auto detail_of = [&](const json& record) { return decode(record.dump(), event).value().detail; };
  EXPECT_EQ(detail_of(changed("delivery", "/delivery/lines/1/quantity", -3)), "delivery.lines[1].quantity: -3");
  EXPECT_EQ(detail_of(changed("delivery", "/delivery/lines/1/quantity", "3")),
            "delivery.lines[1].quantity: not an integer");
  EXPECT_EQ(detail_of(changed("policy", "/policy/rules/1/rule", "")), "policy.rules[1].rule: missing");
  EXPECT_EQ(detail_of(changed("region", "/region/level", "TOWN")), "region.level: 'TOWN' is not a known name");
  EXPECT_EQ(detail_of(changed("order", "/order/lines/1/sku_id", "S1")), "order.lines: 'S1' is there twice");
  EXPECT_EQ(detail_of(changed("order", "/revision", 0)), "revision: 0 is not in 1..9007199254740992");
  EXPECT_EQ(detail_of(json::object()), "no payload");
  // A text is truncated between two characters, so that a detail is valid UTF-8.
  std::string long_text;
  for (int i = 0; i < 100; ++i) long_text += "\u5e97";
  EXPECT_NO_THROW((void)json(detail_of(changed("region", "/region/level", "x" + long_text))).dump());
}

TEST(Rejection, EventIsClearedFirst) {
  Event event = decoded(good("order").dump());
  EXPECT_EQ(outcome(decode("{", event)), "malformed");
  EXPECT_EQ(event.ByteSizeLong(), 0U);
  event = decoded(good("order").dump());
  EXPECT_EQ(outcome(decode("\x0a\x02"
                           "e1\x0a",
                           event)),
            "malformed");
  EXPECT_EQ(event.ByteSizeLong(), 0U);
}

// ---- any bytes ------------------------------------------------------------------------------------------------------

TEST(AnyBytes, NeverCrashAndWhatPassesStaysEqual) {
  std::mt19937 random(20260302);  // NOLINT(cert-msc51-cpp): a fixed seed gives the same bytes in every run
  const auto below = [&](std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
  };
  std::vector<std::string> seeds;
  for (const auto& [payload, text] : kPayloads) {
    const std::string json_text = good(payload).dump();
    const std::string bytes = decoded(json_text).SerializeAsString();
    seeds.insert(seeds.end(), {json_text, bytes, framed(bytes)});
  }
  Event event;
  int passed = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = seeds[below(seeds.size())];
    if (i % 4 == 0) {
      bytes.assign(below(64), '\0');
      for (char& c : bytes) c = static_cast<char>(below(256));
    } else {
      for (std::size_t edits = 1 + below(3); edits > 0 && !bytes.empty(); --edits) {
        const std::size_t at = below(bytes.size());
        switch (below(4)) {
          case 0:
            bytes[at] = static_cast<char>(below(256));
            break;
          case 1:
            bytes.erase(at, 1 + below(8));
            break;
          case 2:
            bytes.insert(at, bytes.substr(below(bytes.size()), below(8)));
            break;
          default:
            bytes.resize(at);
        }
      }
    }
    if (decode(bytes, event)) {
      (void)to_json(event);
      continue;
    }
    ++passed;
    const std::string content = event.SerializeAsString();
    ASSERT_EQ(decoded(content).SerializeAsString(), content);
    ASSERT_EQ(decoded(to_json(event)).SerializeAsString(), content);
  }
  EXPECT_GT(passed, 500);  // enough edited records are still valid events
}

}  // namespace
}  // namespace fiverate
