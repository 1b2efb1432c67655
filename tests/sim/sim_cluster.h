// The whole of fiverate on a simulated Kafka: processes with the real Worker, Task and stages, a thread of each of which runs
// for one round at a time, in an order and with faults that a seed chooses. Who reacts to what is as in cli/commands/live.cc.
//
//   SimCluster cluster(plan, history, weather, saboteur);
//   cluster.storm();     // faults
//   cluster.calm();      // none any more; until everything is worked off
//   cluster.log();       // what it left behind
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "processors/stages/progress.h"
#include "processors/stages/topology.h"
#include "processors/stream/worker.h"
#include "tests/sim/sim_ports.h"
#include "tests/sim/sim_store.h"
#include "tests/support/random_history.h"

namespace fiverate::test {

// What a seed chooses before it begins.
struct ClusterPlan {
  PartitionCounts partitions;
  int processes = 1;  // 1, 2, 3 or 7
  int disks = 1;      // processes on one machine share their state folders
  bool live_rows = true;
  bool time_known_early = true;  // all source partitions have been heard of before documents come
  bool backlog = false;          // everything has come before anybody reads
  int standby = 0;               // copies that each process keeps of others' tasks; each has a disk of its own then
  int severity = 1;
  int steps = 1000;
  bool truncates = false;  // once, somewhere
};

// An acknowledged end of a partition that is gone.
struct Truncation {
  Input input;
  std::int64_t new_end = 0;
  SimLog::Records cut;
  std::set<std::string> told;  // tasks that said what they lack of it, and were ordered to speak again
  int helped = 0;              // times that a person started them again
};

class SimCluster {
 public:
  SimCluster(const ClusterPlan& plan, const std::vector<SourceRecord>& history, Millis end, Weather& weather,
             Saboteur* saboteur);
  ~SimCluster();

  void storm();
  // All source partitions are complete up to here.
  void mark_sources(Millis complete_through);
  // False: it does not come to rest.
  bool calm();

  [[nodiscard]] const std::optional<Error>& stopped() const { return stopped_; }  // a person would have to look
  [[nodiscard]] const SimLog& log() const { return log_; }
  [[nodiscard]] const Definition& definition() const { return definition_; }
  // Of all tasks, also of those that are gone.
  [[nodiscard]] std::int64_t gaps() const { return gaps_; }
  [[nodiscard]] std::int64_t repetitions() const { return repetitions_; }
  [[nodiscard]] std::int64_t rewritten() const { return rewritten_; }
  // A line a task: where it stands.
  [[nodiscard]] std::string tasks() const;
  [[nodiscard]] const std::optional<Truncation>& truncation() const { return truncation_; }
  // What is gone is of a topic that no task reads: only who wrote it can know, when it begins again.
  [[nodiscard]] bool lost_a_result() const;
  // The newest mark of the partition that lost its end with which a task would begin, by the task and the number of the disk: of the
  // state there and the group, whichever is believed.
  using MarksByDisk = std::map<std::pair<std::string, std::size_t>, ResultMark>;
  [[nodiscard]] MarksByDisk marks_to_begin_with() const;
  // After a restart with these marks: not all that is gone has been said again, for who owns the task does not know of it. States and
  // groups forget, an older state on another disk is not asked; and others fill the partition again, and its owner, which lives, writes
  // behind that.
  [[nodiscard]] bool loss_is_forgotten(const MarksByDisk& before) const;
  void restart_all();
  // What the task of the truncated partition has said is caused by offsets that its log has not reached again: what it says now is taken
  // for repetitions.
  [[nodiscard]] bool has_said_more_than_its_log() const;

 private:
  static constexpr std::size_t kStages = 4;  // intake (with reference), outlet, market, desk
  struct StageRun;
  struct Process;

  void lay_out(const std::vector<SourceRecord>& history, Millis end);
  void arrive(std::int64_t count);
  void work(Process& process, std::size_t stage);
  void react(Process& process, std::size_t stage, const Result<void>& ended);
  void end_run(Process& process, std::size_t stage);
  void kill(Process& process);
  void leave(Process& process);
  void misfortune();
  void cut_power(SimDisk& disk);
  void truncate();
  [[nodiscard]] bool person_helps();
  [[nodiscard]] std::set<std::string> senders_of_what_is_gone() const;
  [[nodiscard]] bool is_gone(const std::string& sender, const ResultMark& mark) const;
  void late_request();
  Result<Seat> make_seat(Process& process, std::size_t stage, const Input& input);
  void note_owner(Process& process, std::size_t stage, const Input& input);
  Result<void> heartbeat(Process& process, std::size_t stage, const std::map<Input, Seat>& seats);
  void count_tasks(StageRun& run);
  Process* any_process(bool up);

  ClusterPlan plan_;
  Definition definition_;
  Weather& weather_;
  Chance& chance_;
  Saboteur* saboteur_;
  SimLog log_;
  LateRequests late_;
  std::array<std::unique_ptr<SimGroup>, kStages> groups_;
  std::vector<SimDisk> disks_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<OutRecord> to_arrive_;
  std::size_t arrived_ = 0;
  std::int64_t incarnations_ = 0;
  std::map<Input, const Process*> owners_;
  std::set<Input> begun_;
  std::optional<Error> stopped_;
  std::optional<Truncation> truncation_;
  std::map<std::string, std::int64_t>
      orders_;  // --speak-from, by the name that it has there; those not yet carried out
  std::int64_t gaps_ = 0;
  std::int64_t repetitions_ = 0;
  std::int64_t rewritten_ = 0;
};

}  // namespace fiverate::test
