// SPDX-License-Identifier: Apache-2.0
// Rates and classes in the data plane: shapers of endpoints, VPCs and the uplink, and what
// each endpoint's rows say of them (bpf/abi/qos.h). Lives in the daemon's loop.
#pragma once

#include <array>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "userspace/dataplane/dataplane.h"
#include "userspace/transitd/goal.h"

namespace mizar {

class Qos {
 public:
  enum class Kind { endpoint, vpc, uplink };
  // Whose, its name ("VPC/NAME", a VPC's, ""), enum mz_dir.
  using Owner = std::tuple<Kind, std::string, unsigned>;

  // What stands behind the limits, besides them.
  struct Surroundings {
    bool paced = false;   // the uplink's qdisc keeps packets until their time
    bool queued = false;  // ... or it has a rate of its own: no clock is kept for the uplink
    std::array<std::uint32_t, MZ_LEVELS> priority{};  // skb->priority by level
    std::uint32_t overhead = 0;                       // bytes a tunnel adds to a frame
    std::uint64_t uplink_rate = 0;                    // bits a second of egress; 0 = none
    std::set<unsigned> paced_interfaces = {};         // of endpoints, by ifindex
    bool operator==(const Surroundings&) const = default;
  };

  // What an endpoint's rows say.
  struct Place {
    std::uint8_t level = 0;
    std::uint32_t port_flags = 0;      // MZ_EP_F_SHAPED, _PACED, _TRUST
    std::uint32_t endpoint_flags = 0;  // MZ_EP_F_SHAPED
    std::array<std::uint16_t, 2> shaper{}, vpc_shaper{};
  };

  explicit Qos(Dataplane& dp) : dp_(dp) {}

  // Takes up the shapers that an earlier run gave to endpoints and VPCs of `goal`.
  Result<> recover(const Goal& goal);
  // Would they all fit? Error: resource_exhausted.
  [[nodiscard]] Result<> check(const Goal& goal) const;
  // Writes levels and shapers, before rows of endpoints name them. What stands so already
  // costs nothing; clocks go on.
  Result<> apply(const Goal& goal, const Surroundings& around);
  // Takes away what no row names any more.
  Result<> settle();

  [[nodiscard]] Place place(const EndpointSpec& e, unsigned ifindex) const;
  [[nodiscard]] const Surroundings& surroundings() const { return around_; }
  // Those in use, in order.
  [[nodiscard]] const std::map<Owner, std::uint32_t>& slots() const { return slots_; }

  // What premium leaves of the uplink goes to the other classes by weight, and none starves:
  // measures, and sets their guarantees anew. To be called ten times a second.
  Result<> tune(const Goal& goal, std::chrono::steady_clock::time_point now);

  // Is anybody kept to a rate, or told apart by class?
  [[nodiscard]] static bool in_use(const Goal& goal);

 private:
  Result<std::uint32_t> slot(const Owner& owner);
  Result<> put(std::uint32_t slot, const mz_shaper& row);
  Result<> put_levels(const Goal& goal);
  [[nodiscard]] QosShaper uplink_out(const Goal& goal) const;

  Dataplane& dp_;
  Surroundings around_;
  std::map<Owner, std::uint32_t> slots_;
  std::map<Owner, std::uint32_t> wanted_;  // by the last apply()
  std::map<std::uint32_t, mz_shaper> rows_;
  std::map<std::uint32_t, mz_level> levels_;

  // Of tune(): premium's part of the uplink, smoothed.
  struct Measured {
    std::chrono::steady_clock::time_point at{};
    std::uint64_t bytes = 0;
    double rate = 0;  // bits a second
  } premium_;
};

}  // namespace mizar
