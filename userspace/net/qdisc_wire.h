// SPDX-License-Identifier: Apache-2.0
// Private to userspace/net: what the two halves of queueing.h share, the numbers of our
// trees and the reading of one qdisc.
#pragma once

#include <linux/pkt_sched.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "userspace/net/queueing.h"
#include "userspace/net/wire.h"

namespace mizar::net::wire {

constexpr std::uint32_t kOurRoot = std::uint32_t{kQueueingHandle} << 16;
constexpr std::uint32_t our_class(unsigned minor) { return kOurRoot | minor; }

constexpr unsigned kBands = 3;             // of fq and mqprio
constexpr unsigned kHtbTop = 1;            // the link
constexpr unsigned kHtbHost = 2;           // the host's own packets: HTB's default class
constexpr unsigned kHtbLevel = 16;         // level 0
constexpr unsigned kHtbQueue = 256;        // its first queue; kLevelQueues further on the next level's
constexpr unsigned kMqprioClass = 0xffe0;  // TC_H_MIN_PRIORITY: class of the first band

// Linux 6.7; the headers of Debian 12 end at TCA_FQ_HORIZON_DROP.
constexpr int kFqPriomap = 16;  // TCA_FQ_PRIOMAP: tc_prio_qopt
constexpr int kFqWeights = 17;  // TCA_FQ_WEIGHTS: s32[3]

// The kernel's word for the root of a tree; nullptr for none.
const char* root_kind(Queueing kind);

struct Qdisc {
  std::string kind = {};
  std::uint32_t handle = 0;
  std::vector<std::byte> options = {};  // of TCA_OPTIONS
  QueueingState::Leaf counts = {};
  std::vector<std::byte> more = {};  // counters of its kind (TCA_STATS_APP)

  // Ours by handle and kind.
  [[nodiscard]] std::optional<Queueing> tree() const;
  // An attribute of nested options, as it is in memory; none when it is not there.
  template <class T>
  [[nodiscard]] std::optional<T> option(int type) const {
    const auto body = option_bytes(type);
    T out;
    if (body.size() < sizeof out) return std::nullopt;
    std::memcpy(&out, body.data(), sizeof out);
    return out;
  }

 private:
  [[nodiscard]] std::vector<std::byte> option_bytes(int type) const;
};

// What hangs on `parent` (TC_H_ROOT, a class) of a link; none where the kernel shows
// nothing, as of a link that was never up. Errors: not_found (link, class).
Result<std::optional<Qdisc>> qdisc_at(Netlink& nl, unsigned ifindex, std::uint32_t parent);

struct Class {
  std::uint32_t id = 0;
  Qdisc its;  // options and counters
};
// All classes of our root.
Result<std::vector<Class>> classes_at(Netlink& nl, unsigned ifindex);

}  // namespace mizar::net::wire
