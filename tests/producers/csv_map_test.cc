// The import of tables: the CSV dialect, grouping into documents, exact numbers, messages with positions, faulty rows.
#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>

#include "producers/import/csv_import.h"
#include "schemas/decode.h"

namespace fiverate {
namespace {

using Rows = std::vector<std::vector<std::string>>;

Rows rows_of(std::string text, char delimiter = ',') {
  const auto input = CsvInput::of_text("t.csv", std::move(text));
  CsvReader reader(*input, delimiter);
  CsvRow row;
  Rows rows;
  while (reader.next(row).value()) {
    rows.emplace_back(row.fields.begin(), row.fields.end());
    if (!row.problem.empty()) rows.back().push_back("! " + std::string(row.problem));
  }
  return rows;
}

TEST(CsvReader, PlainFieldsAndLineEnds) {
  const Rows expected{{"a", "b"}, {"1", ""}, {"", "2"}};
  EXPECT_EQ(rows_of("a,b\n1,\n,2\n"), expected);
  EXPECT_EQ(rows_of("a,b\r\n1,\r\n,2"), expected);
  EXPECT_EQ(rows_of("\xef\xbb\xbf"
                    "a,b\n\n1,\n\r\n,2\n\n"),
            expected)
      << "byte order mark and empty lines";
  EXPECT_EQ(rows_of("a;b\n1;\n;2\n", ';'), expected);
  EXPECT_EQ(rows_of(""), Rows{});
  EXPECT_EQ(rows_of("\"\"\n"), Rows{{""}}) << "an empty field in quotes is a row";
}

TEST(CsvReader, QuotesHoldDelimitersLineEndsAndQuotes) {
  EXPECT_EQ(rows_of("\"a,b\",\"c\"\"d\",\"e\nf\r\ng\"\r\nh,i,j\n"),
            (Rows{{"a,b", "c\"d", "e\nf\r\ng"}, {"h", "i", "j"}}));
  EXPECT_EQ(rows_of("6\" shelf,x\"\"\n"), (Rows{{"6\" shelf", "x\"\""}})) << "a quote inside is an ordinary character";
  EXPECT_EQ(rows_of("\"a\r\"\r\n"), (Rows{{"a\r"}}));
}

TEST(CsvReader, BrokenQuotesAreReported) {
  EXPECT_EQ(rows_of("\"a\"b,c\nd,e\n"), (Rows{{"ab", "c", "! text follows a closing quote"}, {"d", "e"}}));
  EXPECT_EQ(rows_of("d,e\n\"a,c\n"), (Rows{{"d", "e"}, {"a,c\n", "! a quote is not closed"}}));
}

TEST(CsvReader, CountsTheLinesOfTheFile) {
  const auto input = CsvInput::of_text("t.csv", "a\n\n\"b\n\n\"\nc\n");
  CsvReader reader(*input, ',');
  CsvRow row;
  std::vector<std::int64_t> lines;
  while (reader.next(row).value()) lines.push_back(row.line);
  EXPECT_EQ(lines, (std::vector<std::int64_t>{1, 3, 6}));
}

TEST(CsvReader, AQuoteThatIsNotClosedStopsTheReading) {
  const auto input = CsvInput::of_text("t.csv", "a\n\"" + std::string(2 << 20, 'x'));
  CsvReader reader(*input, ',');
  CsvRow row;
  ASSERT_TRUE(reader.next(row).value());
  const auto result = reader.next(row);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().what.find("t.csv: the row at line 2"), std::string::npos) << result.error().what;
}

// The rows do not depend on the sizes of the pieces in which the bytes arrive.
TEST(CsvReader, RowsDoNotDependOnTheBuffer) {
  std::string text;
  Rows expected;
  for (int i = 0; i < 60'000; ++i) {
    text += "k" + std::to_string(i) + ",\"q,\"\"\n" + std::string(static_cast<std::size_t>(i % 7), 'z') + "\"\r\n";
    expected.push_back({"k" + std::to_string(i), "q,\"\n" + std::string(static_cast<std::size_t>(i % 7), 'z')});
  }
  EXPECT_EQ(rows_of(text), expected);
}

TEST(CsvInput, GzipIsReadAndDamageIsReported) {
  const auto folder = std::filesystem::path(testing::TempDir());
  const auto path = folder / "csv_map_test.csv.gz";
  gzFile const file = gzopen(path.c_str(), "wb");
  std::string text = "a,b\n";
  for (int i = 0; i < 50'000; ++i) text += std::to_string(i * 7919) + ",x\n";
  ASSERT_EQ(gzwrite(file, text.data(), static_cast<unsigned>(text.size())), static_cast<int>(text.size()));
  gzclose(file);
  const auto count = [&](const std::filesystem::path& of) -> Result<int> {
    const auto input = CsvInput::open(of).value();
    CsvReader reader(*input, ',');
    CsvRow row;
    for (int rows = 0;; ++rows) {
      const auto some = reader.next(row);
      TRY(some);
      if (!*some) return rows;
    }
  };
  EXPECT_EQ(count(path).value(), 50'001);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  ASSERT_FALSE(count(path));
  EXPECT_NE(count(path).error().what.find("truncated or damaged"), std::string::npos);
  EXPECT_FALSE(CsvInput::open(folder / "not there.csv"));
  std::filesystem::remove(path);
}

// ---- numbers

TEST(Decimal, Parse) {
  const auto parts = [](std::string_view text) {
    const auto decimal = Decimal::parse(text);
    return decimal ? std::pair(decimal->digits, decimal->scale) : std::pair(std::int64_t{-1}, -1);
  };
  EXPECT_EQ(parts("67.725"), std::pair(std::int64_t{67725}, 3));
  EXPECT_EQ(parts("-0.50"), std::pair(std::int64_t{-5}, 1));
  EXPECT_EQ(parts("+007."), std::pair(std::int64_t{7}, 0));
  EXPECT_EQ(parts("67.72500000000001"), std::pair(std::int64_t{6772500000000001}, 14));
  for (const auto* wrong :
       {"", ".", "-", "1,5", "1e3", " 1", "1 ", "1.2.3", "0x1", "--1", "1234567890123456789", "nan"}) {
    EXPECT_FALSE(Decimal::parse(wrong)) << wrong;
  }
}

TEST(Decimal, ProductsAreExact) {
  const auto product = [](std::string_view a, std::string_view b, Rounding rounding = Rounding::refuse) {
    return times(*Decimal::parse(a), *Decimal::parse(b), rounding);
  };
  EXPECT_EQ(product("4.35", "100"), 435);
  EXPECT_EQ(product("0.1", "1000"), 100);
  EXPECT_EQ(product("67.72500000000001", "1000"), std::nullopt);
  EXPECT_EQ(product("67.72500000000001", "1000", Rounding::half_up), 67725);
  EXPECT_EQ(product("26.224999999999998", "1000", Rounding::half_up), 26225);
  EXPECT_EQ(product("0.5", "1", Rounding::half_up), 1);
  EXPECT_EQ(product("0.49", "1", Rounding::half_up), 0);
  EXPECT_EQ(product("-0.5", "1", Rounding::half_up), -1);
  EXPECT_EQ(product("-1.9", "1", Rounding::down), -1);
  EXPECT_EQ(product("4", "0.75"), 3);
  EXPECT_EQ(product("999999999999999999", "999999999999999999"), std::nullopt) << "more than 64 bits";
  EXPECT_EQ(product("0.000000000000000001", "0.000000000000000001", Rounding::half_up), 0);
}

// ---- the map

constexpr std::string_view kMap = R"([reference]
since = "2026-01-01"
[delivery]
id = "{day}/{shop}"
outlet_id = "{shop}"
event_time = "{day}T12:00:00"
direction = { column = "kind", values = { S = "OUT", R = "RETURN" } }
sku_id = "{brand}/{item}"
quantity = { column = "boxes", times = 10 }
[[region]]
region_id = "N"
level = "PROVINCE"
[[region]]
region_id = "{county}"
parent_id = "N"
level = "COUNTY"
[sku]
sku_id = "{brand}/{item}"
brand_id = "{brand}"
[outlet]
outlet_id = "{shop}"
region_id = "{county}"
state = "ACTIVE"
classes = [{ dimension = "scale", value = "{scale}" }]
)";
constexpr std::string_view kHeader = "day,shop,county,scale,kind,brand,item,boxes\n";

std::string map_error(std::string_view toml) {
  try {
    static_cast<void>(CsvMap::parse(toml, "m.toml"));
  } catch (const MapError& error) {
    return error.what();
  }
  return "no error";
}

std::string delivery_with(std::string_view line) {
  return "[delivery]\nid = \"{a}\"\noutlet_id = \"{a}\"\nevent_time = \"{a}\"\nsku_id = \"{a}\"\n" + std::string(line) +
         "\n";
}

TEST(CsvMap, ErrorsNameFileLineAndColumn) {
  EXPECT_EQ(map_error("[delivry]\n"), "m.toml:1:2: unknown section [delivry]; did you mean \"delivery\"?");
  EXPECT_EQ(map_error("[csv]\n\n  delimeter = \";\"\n"),
            "m.toml:3:3: unknown key \"delimeter\" in [csv]; did you mean \"delimiter\"?");
  EXPECT_EQ(map_error(delivery_with("direction = \"OUT\"\nquantity = 1\nqantity = 1")),
            "m.toml:8:1: unknown key \"qantity\" in [delivery]; did you mean \"quantity\"?");
  EXPECT_EQ(map_error(delivery_with("direction = \"OUT\"")), "m.toml:1:1: [delivery] needs quantity");
  EXPECT_EQ(map_error(delivery_with("direction = \"IN\"\nquantity = 1")),
            "m.toml:6:13: direction: expected OUT or RETURN, got \"IN\"");
  EXPECT_EQ(map_error(delivery_with("direction = \"OUT\"\nquantity = 1.5")),
            "m.toml:7:12: quantity: expected an integer, \"{column}\" or { column = \"...\", times = 1000 }");
  EXPECT_EQ(map_error(delivery_with("direction = \"OUT\"\nquantity = { column = \"b\", time = 10 }")),
            "m.toml:7:28: quantity: unknown key \"time\"; did you mean \"times\"?");
  EXPECT_EQ(map_error("[region\n").substr(0, 9), "m.toml:1:");
  EXPECT_EQ(map_error("[region]\nregion_id = \"{a}\"\nlevel = \"CITY\"\n"),
            "m.toml:1:1: [region] needs a date: write [reference] since = \"2012-01-01\"");
  EXPECT_EQ(map_error(""),
            "m.toml:1:1: the map makes no events: it has none of the sections [delivery], [order], [visit], [region], "
            "[sku], [outlet]");
}

TEST(CsvMap, ErrorsInTemplatesNameThePosition) {
  const auto error = [](std::string_view text) {
    return map_error(delivery_with("direction = \"OUT\"\nquantity = 1\norder_id = \"" + std::string(text) + "\""));
  };
  EXPECT_EQ(error("x{a"), "m.toml:8:14: order_id: a { without a } (for the character itself: {{)");
  EXPECT_EQ(error("x{}"), "m.toml:8:14: order_id: no column between { and } (for the character itself: {{)");
  EXPECT_EQ(error("xy}"), "m.toml:8:15: order_id: a } without a { (for the character itself: }})");
  EXPECT_EQ(error(""), "m.toml:8:12: order_id: the value is empty. Leave the key out instead.");
  EXPECT_EQ(error("{{a}} {a}"), "no error");
}

TEST(CsvMap, SeveralErrorsComeInOrder) {
  EXPECT_EQ(map_error("[csv]\nopen_times = 0\nheader = 1\n"),
            "m.toml:2:14: open_times: expected an integer 1..1000000\n"
            "m.toml:3:10: header: expected true or false");
}

TEST(CsvMap, AColumnThatTheTableDoesNotHaveIsNamedWithItsPosition) {
  const auto map = CsvMap::parse(kMap, "m.toml");
  const std::vector<std::string> columns{"day", "shop", "County", "scale", "kind", "brand", "item", "item", "boxes"};
  try {
    static_cast<void>(map.bind(columns, "t.csv"));
    FAIL();
  } catch (const MapError& error) {
    const std::string what = error.what();
    EXPECT_NE(what.find("m.toml:14:15: t.csv has no column \"county\"; did you mean \"County\"?"), std::string::npos)
        << what;
    EXPECT_NE(what.find("m.toml:8:20: t.csv has more than one column \"item\""), std::string::npos) << what;
  }
}

// ---- rows to events

struct Converted {
  std::vector<std::string> reference;
  std::vector<std::string> events;
  std::vector<std::pair<std::uint32_t, std::int64_t>> origins;  // of the events: table, line
  CsvSummary summary;
  std::string error;
};

Converted convert(std::string_view map, const std::vector<std::string>& tables) {
  const MarketCalendar calendar("Asia/Shanghai");
  CsvImport import(CsvMap::parse(map, "m.toml"), calendar);
  Converted out;
  const CsvSink sink = [&](CsvLine kind, std::string_view line, CsvOrigin origin) -> Result<void> {
    (kind == CsvLine::reference ? out.reference : out.events).emplace_back(line);
    if (kind == CsvLine::event) out.origins.emplace_back(origin.table, origin.line);
    return {};
  };
  for (const auto& table : tables) {
    const auto input = CsvInput::of_text("t.csv", table);
    if (const auto done = import.convert(*input, sink); !done) {
      out.error = done.error().what;
      return out;
    }
  }
  out.summary = import.finish(sink).value();
  return out;
}

Converted convert(std::string_view map, const std::string& rows) {
  return convert(map, std::vector{std::string(kHeader) + rows});
}

std::string verdict(const std::string& line) {
  Event event;
  const auto rejected = decode(line, event);
  return rejected ? std::string(name_of(rejected->reason)) : "ok";
}

TEST(CsvImport, RowsOfOneDocumentNeedNotStandTogether) {
  const auto out = convert(kMap,
                           "2026-03-02,R1,C1,L,S,B,X,1.5\n"
                           "2026-03-02,R2,C1,M,S,B,X,2\n"
                           "2026-03-02,R1,C1,L,S,B,Y,0.1\n");
  ASSERT_EQ(out.events.size(), 2U);
  EXPECT_EQ(out.events[0],
            R"({"event_id":"delivery/2026-03-02/R1","source":"csv","event_time":"2026-03-02T12:00:00.000+08:00",)"
            R"("delivery":{"delivery_id":"2026-03-02/R1","outlet_id":"R1","direction":"OUT",)"
            R"("lines":[{"sku_id":"B/X","quantity":15},{"sku_id":"B/Y","quantity":1}]}})");
  EXPECT_EQ(out.summary.rows, 3);
  EXPECT_EQ(out.summary.documents, 2);
  EXPECT_EQ(out.summary.bad_rows, 0);
  for (const auto& lines : {out.events, out.reference}) {
    for (const auto& line : lines) EXPECT_EQ(verdict(line), "ok") << line;
  }
}

TEST(CsvImport, ReferenceIsMadeOnce) {
  const auto out = convert(kMap,
                           "2026-03-02,R1,C1,L,S,B,X,1\n"
                           "2026-03-02,R2,C1,,S,B,X,2\n"
                           "2026-03-09,R1,C1,L,S,B,X,1\n");
  ASSERT_EQ(out.reference.size(), 5U);  // N, C1, B/X, R1, R2
  EXPECT_EQ(std::ranges::count(
                out.reference,
                R"({"event_id":"outlet/R1@2026-01-01","source":"csv","event_time":"2026-01-01T00:00:00.000+08:00",)"
                R"("outlet":{"outlet_id":"R1","region_id":"C1","state":"ACTIVE","classes":[{"dimension":"scale",)"
                R"("value":"L"}],"valid_from":"2026-01-01"}})"),
            1)
      << out.reference.back();
  EXPECT_NE(out.reference.back().find(R"("classes":[])"), std::string::npos) << "no value, no class";
  EXPECT_EQ(out.summary.references, 5);
}

TEST(CsvImport, AReferenceThatChangesIsWrittenUnderAnotherEventId) {
  const auto out = convert(kMap,
                           "2026-03-02,R1,C1,L,S,B,X,1\n"
                           "2026-03-09,R1,C1,M,S,B,X,1\n"
                           "2026-03-16,R1,C1,L,S,B,X,1\n");
  EXPECT_EQ(out.summary.conflicts, 1);
  EXPECT_EQ(
      std::ranges::count_if(
          out.reference, [](const auto& line) { return line.find("outlet/R1@2026-01-01~2\"") != std::string::npos; }),
      1);
  ASSERT_EQ(out.summary.problems.size(), 1U);
  EXPECT_EQ(out.summary.problems[0],
            "t.csv:3: outlet/R1@2026-01-01 has other values than in an earlier row; intake will reject them");
}

TEST(CsvImport, ATextThatIsNoNumberIsWrittenAsItIs) {
  const auto out = convert(kMap,
                           "2026-03-02,R1,C1,L,S,B,X,many\n"
                           "2026-03-02,R2,C1,L,S,B,X,0.25\n"
                           "2026-03-02,R3,C1,L,S,B,X,\n"
                           "2026-03-02,R4,C1,L,S,B,X,-1\n"
                           "2026-03-02,R5,C1,L,Q,B,X,1\n");
  ASSERT_EQ(out.events.size(), 5U);
  EXPECT_NE(out.events[0].find(R"("quantity":"many")"), std::string::npos);
  EXPECT_EQ(verdict(out.events[0]), "bad_value");
  EXPECT_EQ(verdict(out.events[1]), "bad_value");
  EXPECT_EQ(verdict(out.events[2]), "missing_field");
  EXPECT_EQ(verdict(out.events[3]), "negative_quantity");
  EXPECT_EQ(verdict(out.events[4]), "bad_value");
  EXPECT_EQ(out.summary.bad_rows, 4) << "intake finds negative numbers";
  EXPECT_EQ(out.summary.problems[1],
            "t.csv:3: quantity: \"0.25\" does not become an integer; write rounding = \"half_up\" to round it");
}

TEST(CsvImport, ARowOfAWrongWidthBecomesARejectedEvent) {
  const auto out = convert(kMap,
                           "2026-03-02,R1,C9,L,S,B\n"
                           "2026-03-02,R1,C1,L,S,B,X,1,000\n"
                           "2026-03-02,R1,C1,L,S,B,\"X\"Y,1\n"
                           "2026-03-02,R1,C1,L,S,B,X,1\n"
                           "someday,R1,C1,L,S,B,X,1\n"
                           "2026-03-02,,C1,L,S,B,X,1\n");
  ASSERT_EQ(out.events.size(), 6U);  // the valid one is last: it is open until the end
  EXPECT_EQ(out.events[0],
            R"({"event_id":"delivery~2/2026-03-02/R1","source":"csv","event_time":"2026-03-02T12:00:00.000+08:00",)"
            R"("delivery":{"delivery_id":"2026-03-02/R1","outlet_id":"R1","direction":"OUT",)"
            R"("lines":"6 fields where the table has 8 columns"}})");
  for (std::size_t i : {0U, 1U, 2U}) EXPECT_EQ(verdict(out.events[i]), "bad_value") << out.events[i];
  EXPECT_EQ(verdict(out.events[3]), "bad_value") << "someday";
  EXPECT_EQ(verdict(out.events[4]), "missing_field") << "no outlet";
  EXPECT_EQ(verdict(out.events[5]), "ok");
  EXPECT_EQ(out.summary.bad_rows, 5);
  for (const auto& line : out.reference)
    EXPECT_EQ(line.find("C9"), std::string::npos) << "no reference event from a row of a wrong width";
}

TEST(CsvImport, ARowThatContradictsItsDocumentIsWrittenSeparately) {
  const auto out = convert(kMap,
                           "2026-03-02,R1,C1,L,S,B,X,1\n"
                           "2026-03-02,R1,C1,L,R,B,Y,1\n"
                           "2026-03-02,R1,C1,L,S,B,Z,1\n");
  ASSERT_EQ(out.events.size(), 2U);
  EXPECT_NE(out.events[0].find(R"("event_id":"delivery~3/2026-03-02/R1")"), std::string::npos) << out.events[0];
  EXPECT_NE(out.events[1].find(R"("lines":[{"sku_id":"B/X","quantity":10},{"sku_id":"B/Z","quantity":10}])"),
            std::string::npos);
  EXPECT_EQ(out.summary.conflicts, 1);
  EXPECT_EQ(out.summary.problems[0],
            "t.csv:3: the values of this row contradict t.csv:2, which has the same document id");
  EXPECT_EQ(out.origins, (std::vector<std::pair<std::uint32_t, std::int64_t>>{{0, 3}, {0, 2}}));
}

TEST(CsvImport, OpenDocumentsAreBoundedAndALateRowIsNamed) {
  const auto map = "[csv]\nopen_times = 2\n" + std::string(kMap);
  const std::string ordered = "2026-03-01,R1,C1,L,S,B,X,1\n2026-03-02,R1,C1,L,S,B,X,1\n2026-03-01,R1,C1,L,S,B,Y,1\n";
  const auto good = convert(map, ordered + "2026-03-03,R1,C1,L,S,B,X,1\n2026-03-02,R1,C1,L,S,B,Y,1\n");
  EXPECT_EQ(good.error, "");
  ASSERT_EQ(good.events.size(), 3U);
  EXPECT_NE(good.events[0].find("B/Y"), std::string::npos);
  const auto late = convert(map, ordered + "2026-03-03,R1,C1,L,S,B,X,1\n2026-03-01,R9,C1,L,S,B,X,1\n");
  EXPECT_TRUE(late.error.starts_with("t.csv:6: the row of event_time 2026-03-01T12:00:00.000+08:00 comes too late"))
      << late.error;
  EXPECT_NE(late.error.find("sort -s -t, -k1,1"), std::string::npos);
}

TEST(CsvImport, SeveralFilesAreOneImport) {
  const auto out = convert(kMap, {std::string(kHeader) + "2026-03-02,R1,C1,L,S,B,X,1\n",
                                  "boxes,item,brand,kind,scale,county,shop,day\n1,Y,B,S,L,C1,R1,2026-03-02\nx\n"});
  ASSERT_EQ(out.events.size(), 2U);
  EXPECT_NE(out.events[0].find("delivery~2.3/"), std::string::npos) << out.events[0];
  EXPECT_NE(out.events[1].find("B/X"), std::string::npos);
  EXPECT_NE(out.events[1].find("B/Y"), std::string::npos);
}

TEST(CsvImport, OrdersVisitsRevisionsAndTimesWithOffset) {
  const auto out = convert(R"([csv]
header = false
columns = ["id", "rev", "gone", "shop", "at", "sku", "ordered", "got", "stock", "shelf"]
source = "erp"
[order]
id = "{id}"
revision = "{rev}"
cancelled = "{gone}"
outlet_id = "{shop}"
event_time = "{at}"
arrival_time = "{at}"
sku_id = "{sku}"
requested = "{ordered}"
confirmed = "{got}"
declared_stock = "{stock}"
[visit]
id = "V{id}"
outlet_id = "{shop}"
event_time = "{at}"
visitor_id = "A1"
outcome = "DONE"
sku_id = "{sku}"
on_shelf = "{shelf}"
)",
                           std::vector<std::string>{"O1,1,no,R1,2026-03-02T04:00:00Z,S1,5,3,,yes\n"
                                                    "O1,2,YES,R1,2026-03-02T04:00:00Z,,,,,\n"});
  ASSERT_EQ(out.events.size(), 3U);
  EXPECT_EQ(out.events[0],
            R"({"event_id":"order/O1","source":"erp","event_time":"2026-03-02T12:00:00.000+08:00",)"
            R"("arrival_time":"2026-03-02T12:00:00.000+08:00","revision":1,"cancelled":false,)"
            R"("order":{"order_id":"O1","outlet_id":"R1","lines":[{"sku_id":"S1","requested":5,"confirmed":3}]}})");
  EXPECT_EQ(out.events[1], R"({"event_id":"visit/VO1","source":"erp","event_time":"2026-03-02T12:00:00.000+08:00",)"
                           R"("visit":{"visit_id":"VO1","outlet_id":"R1","visitor_id":"A1","outcome":"DONE",)"
                           R"("checks":[{"sku_id":"S1","on_shelf":true}]}})");
  EXPECT_NE(out.events[2].find(R"("event_id":"order#2/O1")"), std::string::npos) << out.events[2];
  EXPECT_NE(out.events[2].find(R"("cancelled":true)"), std::string::npos);
  EXPECT_NE(out.events[2].find(R"("lines":[])"), std::string::npos) << "a row without any SKU adds no line";
  for (const auto& line : out.events) EXPECT_EQ(verdict(line), "ok") << line;
  EXPECT_EQ(out.summary.bad_rows, 0);
}

TEST(CsvImport, TextIsEscaped) {
  const auto out = convert(kMap, "2026-03-02,\"R\"\"1\\\n\",C1,L,S,B,X,1\n");
  ASSERT_EQ(out.events.size(), 1U);
  Event event;
  ASSERT_FALSE(decode(out.events[0], event));
  EXPECT_EQ(event.delivery().outlet_id(), "R\"1\\\n");
}

TEST(CsvImport, AnEmptyTableIsAnErrorAHeaderAloneIsNot) {
  EXPECT_NE(convert(kMap, std::vector<std::string>{""}).error, "");
  EXPECT_EQ(convert(kMap, "").summary.rows, 0);
}

}  // namespace
}  // namespace fiverate
