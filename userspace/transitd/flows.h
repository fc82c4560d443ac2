// SPDX-License-Identifier: Apache-2.0
// The flows table as the daemon looks after it: what has ended goes, what each
// endpoint has is counted anew, and callers find what they ask for. The data plane
// alone makes and moves entries. Lives in the daemon's loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "userspace/base/addr.h"
#include "userspace/base/bytes.h"
#include "userspace/dataplane/dataplane.h"

namespace mizar {

// What is set must match.
struct FlowFilter {
  std::optional<std::uint32_t> vni{};
  std::optional<unsigned> ifindex{};  // the endpoint's
  std::optional<Addr> address{};      // of either end
  std::optional<std::uint32_t> protocol{};
  std::optional<std::uint16_t> port{};  // of either end
  [[nodiscard]] bool matches(const mz_flow_key& key, const mz_flow& flow) const;
};

// "tcp", "udp", "icmp", "icmpv6", "sctp", or a number. Error: invalid_argument.
Result<std::uint32_t> parse_protocol(const std::string& text);
std::string protocol_text(std::uint32_t protocol);
std::string flow_state_text(const mz_flow_key& key, const mz_flow& flow);

class Flows {
 public:
  using Entry = std::pair<mz_flow_key, mz_flow>;
  using Clock = std::chrono::steady_clock;

  // `ports`: the interfaces of this host's endpoints, asked anew in every step.
  Flows(Dataplane& dp, std::function<std::set<unsigned>()> ports)
      : dp_(dp), ports_(std::move(ports)) {}

  // Some thousand entries of a walk over the table; walks begin `kPause` apart.
  // Call it several times a second.
  Result<> step(Clock::time_point now = Clock::now());
  // The next step begins a walk: an endpoint is gone, and its flows with it.
  void hurry() { next_walk_ = {}; }

  [[nodiscard]] std::uint64_t used() const { return used_; }        // by the last walk
  [[nodiscard]] std::uint64_t evicted() const { return evicted_; }  // since the first one

  struct Found {
    std::vector<Entry> flows;
    std::uint64_t more = 0;
  };
  // In no order. `limit` 0: all. One whole walk: some 0.2 us an entry.
  [[nodiscard]] Result<Found> find(const FlowFilter& filter, std::size_t limit) const;
  // Flows to services of which `serves` says no: their next packets open them anew,
  // to whoever serves then. Returns them.
  using Serves = std::function<bool(const mz_flow_key&, const mz_flow&)>;
  Result<std::vector<Entry>> forget_unless(const Serves& serves);
  // Flows to the outside and mappings of ports of which `keeps` says no.
  struct KeepsPort {
    std::function<bool(const mz_flow_key&, const mz_flow&)> flow;
    std::function<bool(const mz_mapping_key&, const mz_mapping&)> mapping;
  };
  Result<> forget_ports_unless(const KeepsPort& keeps);
  // Returns how many it removed.
  Result<std::uint64_t> flush(const FlowFilter& filter);

  static constexpr std::chrono::seconds kPause{5};

 private:
  // Ended; of a translated flow's second key: its flow has.
  [[nodiscard]] bool over(const mz_flow_key& key, const mz_flow& f, std::uint32_t now) const;
  Result<> end_walk(const std::set<unsigned>& ports);
  // Mappings of which two walks in a row found no flow go: their ports are free again.
  Result<> end_mappings();
  Result<> end_mapping(mz_mapping_key key, mz_mapping m);
  Result<> remove(const mz_flow_key& key);
  Result<bool> remove_if_ended(const mz_flow_key& key, const std::set<unsigned>& ports, std::uint32_t jiffies);

  Dataplane& dp_;
  std::function<std::set<unsigned>()> ports_;
  std::optional<TablePosition> walk_;
  Clock::time_point next_walk_{};
  std::map<unsigned, std::uint32_t> counted_;  // by interface, in this walk
  std::set<mz_mapping_key, ByBytes> mapped_;   // mappings with a flow, in this walk
  std::uint64_t used_ = 0, evicted_ = 0;
  std::uint64_t removed_ = 0;                 // since the last walk ended
  std::optional<std::uint64_t> opened_then_;  // the data plane's count when it did
};

}  // namespace mizar
