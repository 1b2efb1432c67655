#include "processors/stream/state_table.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "processors/stream/memory_store.h"

namespace fiverate {
namespace {

struct TextCodec {
  static Result<std::string> decode(std::string_view bytes) {
    if (bytes == "damaged") return fail(Reaction::stop, "not a text");
    return std::string(bytes);
  }
  static std::string encode(const std::string& text) { return text; }
};
using TextTable = StateTable<std::string, TextCodec>;

class Table : public testing::Test {
 protected:
  void put(const std::string& key, const std::string& value) { (*content)["t/" + key] = value; }
  static void save(TextTable& table, Store& store) {
    StoreBatch batch;
    table.save(batch);
    ASSERT_TRUE(store.write(batch).has_value());
  }
  static std::string all(TextTable& table, std::string_view prefix = "") {
    std::string text;
    EXPECT_TRUE(table
                    .scan(prefix,
                          [&](std::string_view key, std::string& value) {
                            text += std::string(key) + "=" + value + " ";
                            return true;
                          })
                    .has_value());
    return text;
  }

  std::shared_ptr<MemoryStore::Content> content = std::make_shared<MemoryStore::Content>();
  MemoryStore store{content};
};

TEST_F(Table, ReadsItsOwnWritesBeforeTheyAreSaved) {
  TextTable table("t/", {}, 1000);
  table.open(store);
  **table.change("a") = "one";
  EXPECT_EQ(**table.get("a"), "one");
  EXPECT_TRUE(content->empty());
  save(table, store);
  EXPECT_EQ(content->at("t/a"), "one");
}

TEST_F(Table, WhatIsOnlyReadIsNotWritten) {
  TextTable table("t/", {}, 1000);
  table.open(store);
  EXPECT_EQ(**table.get("nothing"), "");
  put("a", "one");
  EXPECT_EQ(**table.get("a"), "one");
  StoreBatch batch;
  table.save(batch);
  EXPECT_TRUE(batch.changes.empty());
}

TEST_F(Table, ScanMergesMemoryAndStore) {
  put("a", "stored");
  put("b", "stored");
  put("c", "stored");
  (*content)["u/z"] = "of another table";
  TextTable table("t/", {}, 1000);
  table.open(store);
  **table.change("b") = "changed";
  **table.change("bb") = "new";
  static_cast<void>(table.get("looked for"));
  EXPECT_EQ(all(table), "a=stored b=changed bb=new c=stored ");
  EXPECT_EQ(all(table, "b"), "b=changed bb=new ");
}

TEST_F(Table, WhatDoesNotFitIsDroppedAndReadAgain) {
  TextTable table("t/", {}, 100);
  table.open(store);
  for (int i = 0; i < 50; ++i) {
    **table.change(std::to_string(i)) = std::string(20, 'x');
    save(table, store);
  }
  // An evicted record is read from the store again, with its present value.
  put("3", "changed behind its back");
  EXPECT_EQ(**table.get("3"), "changed behind its back");
}

TEST_F(Table, TheStoreIsNotReadAgainWhileAllOfItIsInMemory) {
  put("a", "stored");
  TextTable table("t/", {}, 100);
  table.open(store);
  EXPECT_EQ(all(table), "a=stored ");
  put("b", "behind its back");
  EXPECT_EQ(all(table), "a=stored ");
  EXPECT_EQ(**table.get("b"), "");
  // Once something had to go, it is.
  for (int i = 0; i < 50; ++i) {
    **table.change("more" + std::to_string(i)) = std::string(20, 'x');
    save(table, store);
  }
  put("c", "behind its back");
  EXPECT_EQ(all(table, "c"), "c=behind its back ");
  EXPECT_EQ(**table.get("a"), "stored");
}

TEST_F(Table, AScanOfSomeDoesNotMakeItWhole) {
  put("a", "stored");
  put("b", "stored");
  TextTable table("t/", {}, 1000);
  table.open(store);
  EXPECT_EQ(all(table, "a"), "a=stored ");
  EXPECT_EQ(**table.get("b"), "stored");
}

TEST_F(Table, WhatIsNotSavedIsNeverDropped) {
  TextTable table("t/", {}, 10);
  table.open(store);
  for (int i = 0; i < 50; ++i) **table.change(std::to_string(i)) = std::string(20, 'x');
  StoreBatch batch;
  table.save(batch);
  EXPECT_EQ(batch.changes.size(), 50U);
}

TEST_F(Table, WhatIsRelievedOfIsReadFromWhereItWaitsForTheNextSave) {
  TextTable table("t/", {}, 10);
  table.open(store);
  for (int i = 0; i < 50; ++i) {
    **table.change(std::to_string(i)) = std::string(20, 'x');
    table.encode_changes(5);
  }
  EXPECT_TRUE(content->empty());
  EXPECT_EQ(**table.get("3"), std::string(20, 'x'));
  **table.change("3") = "again";
  table.encode_changes(1);
  EXPECT_EQ(all(table, "3"),
            "3=again 30=xxxxxxxxxxxxxxxxxxxx 31=xxxxxxxxxxxxxxxxxxxx 32=xxxxxxxxxxxxxxxxxxxx 33=xxxxxxxxxxxxxxxxxxxx "
            "34=xxxxxxxxxxxxxxxxxxxx 35=xxxxxxxxxxxxxxxxxxxx 36=xxxxxxxxxxxxxxxxxxxx 37=xxxxxxxxxxxxxxxxxxxx "
            "38=xxxxxxxxxxxxxxxxxxxx 39=xxxxxxxxxxxxxxxxxxxx ");
  save(table, store);
  EXPECT_EQ(content->size(), 50U);
  EXPECT_EQ(content->at("t/3"), "again");
}

TEST_F(Table, ADamagedRecordStops) {
  put("a", "damaged");
  TextTable table("t/", {}, 1000);
  table.open(store);
  const auto record = table.get("a");
  ASSERT_FALSE(record.has_value());
  EXPECT_EQ(record.error().reaction, Reaction::stop);
  EXPECT_FALSE(table.scan("", [](std::string_view, std::string&) { return true; }).has_value());
}

RC_GTEST_PROP(TableProperty, IsAMapWhateverTheBudget, ()) {
  auto content = std::make_shared<MemoryStore::Content>();
  MemoryStore store(content);
  TextTable table("t/", {}, *rc::gen::element<std::size_t>(0, 30, 1000));
  table.open(store);
  std::map<std::string, std::string> plain;
  for (auto step = *rc::gen::inRange(0, 80); step > 0; --step) {
    const auto key = std::to_string(*rc::gen::inRange(0, 12));
    switch (*rc::gen::inRange(0, 5)) {
      case 0: {
        plain[key] = std::string(static_cast<std::size_t>(*rc::gen::inRange(1, 20)), 'v');
        **table.change(key) = plain[key];
        break;
      }
      case 1:
        RC_ASSERT(**table.get(key) == (plain.contains(key) ? plain[key] : ""));
        break;
      case 2: {
        StoreBatch batch;
        table.save(batch);
        RC_ASSERT(store.write(batch).has_value());
        break;
      }
      case 3:
        table.encode_changes(*rc::gen::inRange<std::size_t>(0, 5));
        break;
      default: {
        std::map<std::string, std::string> seen;
        RC_ASSERT(table
                      .scan("",
                            [&](std::string_view found, std::string& value) {
                              seen.emplace(found, value);
                              return true;
                            })
                      .has_value());
        RC_ASSERT(seen == plain);
      }
    }
  }
}

}  // namespace
}  // namespace fiverate
