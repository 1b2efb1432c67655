// The definition and its extensions.
#include "processors/stages/topology.h"

#include <gmock/gmock.h>

#include <set>

namespace fiverate {
namespace {

TEST(Topology, AnExtensionKeepsTheIdentityAndTheIndexesOfSourcePartitions) {
  const auto created = make_definition("Asia/Shanghai", {2, 3, 1});
  const auto once = extended(created, 3);
  const auto twice = extended(once, 5);
  EXPECT_EQ(definition_id(twice), definition_id(created));
  EXPECT_TRUE(check_definition(Topic::ledger, twice, definition_id(created)).has_value());
  EXPECT_EQ(without_extensions(twice).SerializeAsString(), created.SerializeAsString());

  const auto first = source_inputs(created);
  const auto second = source_inputs(once);
  const auto third = source_inputs(twice);
  ASSERT_EQ(first.size(), 8U);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), second.begin()));
  EXPECT_TRUE(std::equal(second.begin(), second.end(), third.begin()));
  EXPECT_THAT(std::vector(second.begin() + 8, second.end()),
              testing::ElementsAre(Input{Topic::orders, 2}, Input{Topic::deliveries, 2}, Input{Topic::visits, 2}));
  EXPECT_EQ(third.size(), 17U);
  EXPECT_THAT(source_partition_counts(twice), testing::ElementsAre(2, 3, 5));
  EXPECT_EQ(partition_counts(twice).source, 5);
  EXPECT_EQ(partition_counts(twice).ledger, 3);
  EXPECT_EQ(inputs_of(Stage::intake, twice).size(), 16U);
}

TEST(Topology, AnotherDefinitionIsRefusedWithAndWithoutExtensions) {
  const auto id = definition_id(make_definition("Asia/Shanghai", {2, 3, 1}));
  for (const auto& other : {make_definition("Asia/Shanghai", {3, 3, 1}), make_definition("Asia/Tokyo", {2, 3, 1})}) {
    EXPECT_EQ(check_definition(Topic::ledger, other, id).error().reaction, Reaction::stop);
    EXPECT_EQ(check_definition(Topic::ledger, extended(other, 6), id).error().reaction, Reaction::stop);
  }
}

// `groups` and `windows` are bits, by index.
Selection selection(unsigned groups, unsigned windows) {
  Selection selection{MeasureGroups::none(), {}};
  for (std::size_t i = 0; i < kMeasureGroupNames.size(); ++i) {
    if ((groups >> i & 1U) != 0) selection.measures.insert(measure_group(i));
  }
  for (std::size_t w = 0; w < kWindowCount; ++w) {
    if ((windows >> w & 1U) != 0) selection.windows.insert(w);
  }
  return selection;
}

TEST(Topology, TheDefinitionNamesWhatIsSelected) {
  std::set<std::string> ids;
  for (unsigned groups = 1; groups < 1U << kMeasureGroupNames.size(); ++groups) {
    for (unsigned windows = 1; windows < 1U << kWindowCount; ++windows) {
      const auto selected = selection(groups, windows);
      const auto definition = make_definition("Asia/Shanghai", {2, 3, 1}, {}, selected);
      EXPECT_EQ(selection_of(definition), selected) << groups << " " << windows;
      EXPECT_TRUE(ids.insert(definition_id(definition)).second) << groups << " " << windows;
    }
  }
  const auto everything = make_definition("Asia/Shanghai", {2, 3, 1});
  EXPECT_TRUE(ids.contains(definition_id(everything)));
  EXPECT_THAT(everything.windows_days(), testing::ElementsAreArray(kWindows));
  EXPECT_THAT(everything.measures(), testing::ElementsAreArray(kBrandMeasureNames));
  const auto one = make_definition("Asia/Shanghai", {2, 3, 1}, {}, selection(8, 2));
  EXPECT_EQ(one.measures(0), "active_outlets");
  EXPECT_EQ(one.measures(2), "price_readings");
  EXPECT_EQ(check_definition(Topic::ledger, one, definition_id(everything)).error().reaction, Reaction::stop);
}

TEST(Topology, ALaterExtensionHasALaterTimestamp) {
  const auto created = make_definition("Asia/Shanghai", {2, 3, 1});
  EXPECT_EQ(definition_time(created), 1);
  EXPECT_GT(definition_time(extended(created, 3)), kExtensionsFrom);
  EXPECT_GT(definition_time(extended(extended(created, 3), 4)), definition_time(extended(created, 3)));
}

}  // namespace
}  // namespace fiverate
