// GET /livez and /readyz over HTTP: 200 or 503, with the reasons as JSON. A thread of its own; answers whoever may reach the address,
// so it belongs on loopback or a closed network: nothing is changed by it, and nothing is told but how far the tasks are.
#pragma once

#include <memory>
#include <string>

#include "cli/live/health.h"

namespace fiverate {

class HealthServer {
 public:
  // `address`: "127.0.0.1:8081" or "[::1]:8081"; port 0: any. Error: stop, it cannot be listened at.
  [[nodiscard]] static Result<std::unique_ptr<HealthServer>> open(const std::string& address, const HealthBoard& board);
  ~HealthServer();
  [[nodiscard]] std::string address() const;

 private:
  struct Parts;
  explicit HealthServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// What a process answers at such an address, within 2 s. Error: retry: nobody answers there.
[[nodiscard]] Result<std::string> ask_health(const std::string& address, const std::string& path);

}  // namespace fiverate
