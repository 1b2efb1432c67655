// All of fiverate on a simulated Kafka: processes whose stage threads run the supervisor, worker, tasks and stages of the program, one
// round of one thread at a time, in an order and with faults that a seed chooses. Time is simulated too.
//
//   SimCluster cluster(plan, history, weather, saboteur);
//   cluster.storm();     // faults
//   cluster.calm();      // no more faults; returns when all work is done
//   cluster.log();       // the logs that remain
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "processors/runtime/supervisor.h"
#include "processors/stages/topology.h"
#include "tests/sim/sim_ports.h"
#include "tests/sim/sim_store.h"
#include "tests/sim/stranger.h"
#include "tests/support/random_history.h"

namespace fiverate::test {

// The settings that a seed chooses before the run.
struct ClusterPlan {
  PartitionCounts partitions;
  int processes = 1;  // 1, 2, 3 or 7
  int disks = 1;      // processes on one machine share their state folders
  bool live_rows = true;
  bool time_known_early = true;  // every source partition has sent a mark before the first document
  bool backlog = false;          // the whole history has arrived before a process reads
  int standby = 0;  // copies that each process keeps of others' tasks; each process has a disk of its own then
  int severity = 1;
  int steps = 1000;
  bool truncates = false;                      // one partition, once
  bool far_time = false;                       // one record with a time years ahead, before the last marks
  std::optional<std::uint64_t> stranger = {};  // the seed of somebody who writes into the topics by accident
  Selection selection = {};                    // what the market computes
  std::int32_t grows_to = 0;  // source partitions, from some record of the history on; 0: they remain as they are
};

// The loss of acknowledged records at the end of a partition.
struct Truncation {
  Input input;
  std::int64_t new_end = 0;
  SimLog::Records lost;
  std::set<std::string> reset;  // tasks whose results were lost and that were reset
  int restarts = 0;             // by the operator
};

class SimCluster {
 public:
  // `import`: the records of the history as an import has written them; empty: producers write them, with marks between any two.
  SimCluster(const ClusterPlan& plan, const std::vector<SourceRecord>& history, Millis end, Weather& weather,
             Saboteur* saboteur, std::vector<OutRecord> import = {});
  ~SimCluster();

  void storm();
  // All source partitions are complete up to here.
  void mark_sources(Millis complete_through);
  // False: the tasks still have work after the maximum number of rounds.
  bool calm();

  [[nodiscard]] const std::optional<Error>& stopped() const { return stopped_; }  // a person has to act
  [[nodiscard]] const SimLog& log() const { return log_; }
  [[nodiscard]] const Definition& definition() const { return definition_; }
  [[nodiscard]] const ClusterPlan& plan() const { return plan_; }
  // Of all tasks, also of past runs.
  [[nodiscard]] std::int64_t sequence_gaps() const { return sequence_gaps_; }
  [[nodiscard]] std::int64_t repetitions() const { return repetitions_; }
  // Whether the running tasks that miss records, and no others, have a note of it in their group, once the sequence gap has stood long enough.
  [[nodiscard]] bool notes_what_is_missing();
  // Whether each running task has counted the foreign records of its input, and no others.
  [[nodiscard]] bool counts_foreign_records() const;
  // A line with the position of each task.
  [[nodiscard]] std::string tasks() const;
  [[nodiscard]] const std::optional<Truncation>& truncation() const { return truncation_; }
  // The lost records are in a topic that no task reads: only their writer can notice it, at its next start.
  [[nodiscard]] bool lost_a_result() const;
  // A task that starts now has to notice the lost results: its checkpoint names a higher offset than the log end offset.
  [[nodiscard]] bool has_to_notice() const;
  void restart_all();
  // The task that reads the truncated partition has sent outputs for offsets that the log has not reached again, so receivers drop its next
  // outputs as repeated.
  [[nodiscard]] bool has_sent_beyond_its_log() const;

 private:
  static constexpr std::size_t kStages = 4;  // threads: intake (with reference), outlet, market, alert manager
  struct Process;

  void lay_out(const std::vector<SourceRecord>& history);
  void end_sources(Millis end);
  void arrive(std::int64_t count);
  void work(Process& process, std::size_t stage);
  void react(Process& process, std::size_t stage, const Result<void>& ended);
  void end_run(Process& process, std::size_t stage);
  void kill(Process& process);
  void stop_orderly(Process& process);
  void misfortune();
  // As `fiverate topics extend`; with `interrupted`, it ends before it has written to all partitions.
  void extend(bool interrupted);
  void power_loss(SimDisk& disk);
  void truncate();
  [[nodiscard]] bool operator_helps();
  void reset_missing();
  [[nodiscard]] std::map<std::string, CheckpointPointer> pointers() const;
  void late_request();
  void start_thread(Process& process, std::size_t stage);
  void note_owner(Process& process, const Input& input);
  void count_tasks(Process& process, std::size_t stage);
  Process* any_process(bool up);

  ClusterPlan plan_;
  Definition definition_;
  Weather& weather_;
  Chance& chance_;
  Saboteur* saboteur_;
  std::chrono::steady_clock::time_point now_{std::chrono::hours{1}};
  SimLog log_;
  LateRequests late_;
  std::array<std::unique_ptr<SimGroup>, kStages> groups_;
  std::vector<SimDisk> disks_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<OutRecord> to_arrive_;
  std::size_t arrived_ = 0;
  std::optional<std::size_t> grows_at_;  // the position in to_arrive_ from which on new partitions have records
  bool extended_ = false;
  std::int64_t incarnations_ = 0;
  std::map<Input, const Process*> owners_;
  std::set<Input> started_;
  std::optional<Error> stopped_;
  std::optional<Truncation> truncation_;
  std::int64_t sequence_gaps_ = 0;
  std::int64_t repetitions_ = 0;
  std::optional<Stranger> stranger_;
};

}  // namespace fiverate::test
