// SPDX-License-Identifier: Apache-2.0
// What is known of backends' health: the last verdict on each address of a backend, as
// the responders found it (decision 0012). Lives in the daemon's loop.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "userspace/base/trouble.h"
#include "userspace/transitd/goal.h"

namespace mizar {

class Verdicts {
 public:
  using Clock = std::chrono::steady_clock;
  struct Verdict {
    bool healthy = false;
    Clock::time_point since;
    Trouble trouble;  // what made it unhealthy
    std::optional<Clock::time_point> told;  // in the log
    unsigned untold = 0;                    // changes since
  };
  // Whether liveness says that a host is down.
  using Down = std::function<bool(std::uint32_t host)>;

  explicit Verdicts(Down down) : down_(std::move(down)) {}

  // Keeps what is about backends that the goal has probed; the rest stands. Is any verdict
  // another now?
  bool take(const Goal& goal, const v1::ReportHealthRequest& report, Clock::time_point now = Clock::now());
  // What there is to log: a line for each verdict that is another than when it was last
  // asked for, and for none twice in a minute. To be called now and then.
  std::vector<std::string> news(const Goal& goal, Clock::time_point now = Clock::now());
  // Forgets backends that the goal does not have: they come back as strangers.
  void prune(const Goal& goal);

  [[nodiscard]] const Verdict* find(const ServiceSpec& s, const Addr& backend) const;
  // Should it get new flows? Nothing: nobody has said, as it stands. That of a host that
  // is down counts for nothing as long as another one is well.
  [[nodiscard]] std::optional<bool> well(const ServiceSpec& s, const BackendSpec& b, Family family) const;

 private:
  using Key = std::pair<std::string, Addr>;  // VPC/NAME of the service, a backend's address
  [[nodiscard]] bool is_up(const ServiceSpec& s, const BackendSpec& b, Family family) const;

  Down down_;
  std::map<Key, Verdict> verdicts_;
};

}  // namespace mizar
