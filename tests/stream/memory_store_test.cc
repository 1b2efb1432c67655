// States in memory, and states that live in checkpoints.
#include "processors/stream/memory_store.h"

#include <gtest/gtest.h>

namespace fiverate {
namespace {

TEST(MemoryStore, AppliesABatchInItsOrderAndScansAPrefix) {
  MemoryStore store;
  StoreBatch batch;
  batch.put("a/1", "x");
  batch.put("a/2", "x");
  batch.put("b", "x");
  batch.erase("a/1");
  batch.put("a/2", "y");
  batch.erase("absent");
  ASSERT_TRUE(store.write(batch).has_value());
  std::string seen;
  ASSERT_TRUE(store
                  .scan("a/",
                        [&](std::string_view key, std::string_view value) {
                          seen += std::string(key) + "=" + std::string(value) + " ";
                          return true;
                        })
                  .has_value());
  EXPECT_EQ(seen, "a/2=y ");
  EXPECT_EQ(*store.get("a/1"), std::nullopt);
}

TEST(CheckpointStore, BeginsWithTheStateOfTheCheckpoint) {
  Checkpoint checkpoint;
  auto& entry = *checkpoint.add_state();
  entry.set_key("a");
  entry.set_value(std::string("\0\xff", 2));
  const CheckpointStore store(checkpoint);
  EXPECT_EQ(**store.get("a"), std::string("\0\xff", 2));
  EXPECT_TRUE(store.lives_in_checkpoint());
  EXPECT_EQ(*CheckpointStore(std::nullopt).get("a"), std::nullopt);
}

}  // namespace
}  // namespace fiverate
