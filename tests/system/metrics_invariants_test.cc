// Invariants of every record of `metrics`, while outlets move and change class, corrections and late events arrive.
// test_invariants.py runs a market beside this test, which is skipped without one.
//
//   FIVERATE_TEST_KAFKA, FIVERATE_TEST_PREFIX   brokers and prefix of the topic
//   FIVERATE_TEST_PARTITIONS                    its number of partitions
//   FIVERATE_TEST_STOP                          a file: the test ends when it exists and no more records come
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "processors/edge/kafka_log.h"
#include "processors/trade/measures/measure.h"
#include "processors/trade/rows/row_fields.h"
#include "readers/query/rates_query.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr auto kAtMost = std::chrono::minutes(30);

// The lines of these measures add up to the total if every outlet has a value of the dimension. Left out are quartiles, counties (the
// same in every line), stock_units (rounded down in every line) and the change of net deliveries (a difference of two of them).
constexpr std::array kAdditive{BrandMeasure::active_outlets,
                               BrandMeasure::dormant_outlets,
                               BrandMeasure::delivered_units,
                               BrandMeasure::returned_units,
                               BrandMeasure::net_delivered_units,
                               BrandMeasure::previous_net_delivered_units,
                               BrandMeasure::buying_outlets,
                               BrandMeasure::repeat_buying_outlets,
                               BrandMeasure::ordering_outlets,
                               BrandMeasure::requesting_outlets,
                               BrandMeasure::on_shelf_outlets,
                               BrandMeasure::shelf_checks,
                               BrandMeasure::shelf_present,
                               BrandMeasure::requested_units,
                               BrandMeasure::confirmed_units,
                               BrandMeasure::filled_units,
                               BrandMeasure::unmet_units,
                               BrandMeasure::order_lines,
                               BrandMeasure::full_lines,
                               BrandMeasure::confirmed_lines,
                               BrandMeasure::price_readings,
                               BrandMeasure::price_index_readings,
                               BrandMeasure::stockout_days_estimated,
                               BrandMeasure::price_tags_checked,
                               BrandMeasure::price_tags_ok,
                               BrandMeasure::stockout_days,
                               BrandMeasure::known_days,
                               BrandMeasure::unknown_days,
                               BrandMeasure::listed_counts,
                               BrandMeasure::zero_counts,
                               BrandMeasure::available_units,
                               BrandMeasure::sold_units,
                               BrandMeasure::holding_outlets,
                               BrandMeasure::moving_outlets,
                               BrandMeasure::stocks_known};
// Lines in which the brand reports nothing are left out, and with them the numbers of their outlets.
constexpr bool is_of_outlets(BrandMeasure measure) {
  return measure == BrandMeasure::active_outlets || measure == BrandMeasure::dormant_outlets ||
         measure == BrandMeasure::ordering_outlets;
}
constexpr std::array kShares{RateName::buying,           RateName::on_shelf,      RateName::coverage,
                             RateName::on_shelf_audited, RateName::unit_fill,     RateName::line_fill,
                             RateName::purchase_face,    RateName::order_demand,  RateName::repurchase,
                             RateName::price_tag,        RateName::stockout_rate, RateName::stockout_instances,
                             RateName::sell_through,     RateName::moving_share};

class Invariants {
 public:
  std::int64_t records = 0;
  std::int64_t lines = 0;
  std::vector<std::string> faults;

  void check(const MetricsRow& row) {
    ++records;
    if (row.brand_id().empty()) return;
    auto& revision = revisions_[{row.brand_id(), row.region_id(), row.class_dimension()}];
    if (row.revision() <= revision) fault(row, fmt::format("revision {} after {}", row.revision(), revision));
    revision = row.revision();
    std::map<std::int32_t, BrandValues> totals;
    std::map<std::int32_t, BrandValues> sums;
    for (const auto& line : row.lines()) {
      const bool total = line.class_value().empty();
      for (const auto& window : line.windows()) {
        ++lines;
        auto& into = (total ? totals : sums)[window.window_days()];
        for (const auto measure : kAdditive)
          into[static_cast<std::size_t>(measure)] += value_of(window.measures(), measure);
        check_shares(row, window);
      }
    }
    if (row.class_dimension().empty()) return;
    for (const auto& [window, total] : totals) {
      for (const auto measure : kAdditive) {
        const auto all = total[static_cast<std::size_t>(measure)];
        const auto parts = sums[window][static_cast<std::size_t>(measure)];
        if (is_of_outlets(measure) ? parts <= all : parts == all) continue;
        fault(row, fmt::format("window {}: {} is {}, its classes make {}", window,
                               kBrandMeasureNames[static_cast<std::size_t>(measure)], all, parts));
      }
    }
  }

 private:
  void check_shares(const MetricsRow& row, const MetricsRow::Window& window) {
    const auto rates = rates_of(window);
    for (const auto name : kShares) {
      const auto& rate = rates[static_cast<std::size_t>(name)];
      if (rate.numerator < 0 || rate.numerator > rate.denominator) {
        fault(row, fmt::format("window {}: {} is {} / {}", window.window_days(), rate.name(), rate.numerator,
                               rate.denominator));
      }
    }
  }
  void fault(const MetricsRow& row, const std::string& what) {
    if (faults.size() >= 20) return;
    faults.push_back(fmt::format("[{}, {}, {}] revision {}: {}", row.brand_id(), row.region_id(), row.class_dimension(),
                                 row.revision(), what));
  }

  std::map<std::tuple<std::string, std::string, std::string>, std::int64_t> revisions_;
};

TEST(MetricsInvariants, HoldInEveryRecord) {
  const auto* servers = std::getenv("FIVERATE_TEST_KAFKA");
  const auto* prefix = std::getenv("FIVERATE_TEST_PREFIX");
  const auto* stop = std::getenv("FIVERATE_TEST_STOP");
  const auto* partitions = std::getenv("FIVERATE_TEST_PARTITIONS");
  if (servers == nullptr || prefix == nullptr || stop == nullptr || partitions == nullptr) {
    GTEST_SKIP() << "test_invariants.py runs it";
  }
  std::vector<Input> inputs;
  for (std::int32_t p = 0; p < std::atoi(partitions); ++p) inputs.push_back({Topic::metrics, p});
  const auto reader = KafkaReader::open({{{"bootstrap.servers", servers}}, prefix}, {inputs, {}, false});
  ASSERT_TRUE(reader) << reader.error().what;
  Invariants invariants;
  std::vector<InRecord> records;
  const auto deadline = std::chrono::steady_clock::now() + kAtMost;
  for (bool over = false; !over;) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    over = std::filesystem::exists(stop);
    records.clear();
    for (int attempt = 0; attempt < 10 && records.empty(); ++attempt) {
      ASSERT_TRUE((*reader)->poll(std::chrono::milliseconds(100), records));
    }
    for (const auto& record : records) {
      if (const auto row = parse_row(record)) invariants.check(*row);
    }
    over = over && records.empty();
  }
  fmt::print("{} records of metrics with {} lines of brands\n", invariants.records, invariants.lines);
  EXPECT_GT(invariants.records, 100);
  for (const auto& fault : invariants.faults) ADD_FAILURE() << fault;
}

}  // namespace
}  // namespace fiverate
