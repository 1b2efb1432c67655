// Serves GET /livez and /readyz over HTTP: 200 or 503, with the reasons as JSON. It has a thread of its own. It has no
// access control, so the address has to be on loopback or a closed network; it is read-only and shows the progress of tasks.
#pragma once

#include <memory>
#include <string>

#include "cli/live/health.h"

namespace fiverate {

class HealthServer {
 public:
  // `address` is such as "127.0.0.1:8081" or "[::1]:8081"; port 0 takes a free one. Error: stop, if it cannot listen there.
  [[nodiscard]] static Result<std::unique_ptr<HealthServer>> open(const std::string& address, const HealthBoard& board);
  ~HealthServer();
  [[nodiscard]] std::string address() const;

 private:
  struct Parts;
  explicit HealthServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// Sends GET `path` to such an address and returns the body of the response. Error: retry, if there is none within 2 s.
[[nodiscard]] Result<std::string> http_get(const std::string& address, const std::string& path);

}  // namespace fiverate
