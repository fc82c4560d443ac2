// SPDX-License-Identifier: Apache-2.0
// Classes and rates, checked; and the rows that the data plane keeps them by.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/abi/qos.h"
#include "userspace/base/rare.h"
#include "userspace/base/result.h"
#include "userspace/proto/transit.pb.h"
#include "userspace/qos/level.h"

namespace mizar {

struct QosLimit {
  std::uint64_t rate = 0;        // bits a second; 0 = any
  std::uint64_t packets = 0;     // a second; 0 = any
  std::uint64_t guaranteed = 0;  // bits a second; 0 = none
  std::uint64_t burst = 0;       // bytes
  std::uint32_t weight = 0;      // of what premium leaves of the uplink
  [[nodiscard]] bool limits() const { return rate != 0 || packets != 0; }
  [[nodiscard]] bool empty() const { return !limits() && guaranteed == 0; }
  bool operator==(const QosLimit&) const = default;
};

// One direction.
struct QosShaper {
  QosLimit whole;
  std::array<QosLimit, MZ_CLASSES> classes;  // by enum mz_class
  [[nodiscard]] bool empty() const;
  bool operator==(const QosShaper&) const = default;
};

// Both, by enum mz_dir. Of most endpoints nothing is said, and there may be many of them.
class QosShapers {
 public:
  QosShapers() = default;
  QosShapers(const QosShaper& egress, const QosShaper& ingress) : both_(Both{egress, ingress}) {}
  const QosShaper& operator[](std::size_t dir) const { return (*both_)[dir]; }
  bool operator==(const QosShapers&) const = default;

 private:
  using Both = std::array<QosShaper, 2>;
  Rare<Both> both_;
};

struct QosSpec {
  std::uint8_t level = 0;  // MZ_LEVEL(); 0 = not said
  bool trust = false;
  bool link_rate = false;  // of the uplink
  QosShapers shaper;
  [[nodiscard]] bool limits() const { return !shaper[0].empty() || !shaper[1].empty(); }
  bool operator==(const QosSpec&) const = default;
};

inline constexpr std::uint64_t kMinRate = 8000;            // bits a second: a clock's byte fits
inline constexpr std::uint64_t kMaxRate = 1ull << 40;      // ... and is told to 0.1 %
inline constexpr std::uint64_t kMaxPackets = 1ull << 30;
inline constexpr std::uint64_t kMaxBurst = 16ull << 20;
inline constexpr std::uint32_t kSuperpacket = 65536;       // bytes: the largest without BIG TCP

// Only endpoints have class, priority and trust, only the uplink weights and its link's rate.
// Error: invalid_argument, naming the field.
enum class QosOf { endpoint, vpc, uplink };
Result<QosSpec> parse_qos(const v1::Qos& qos, QosOf target);
v1::Qos to_message(const QosSpec& spec);

// ---- DSCPs ---------------------------------------------------------------------------
// By slot: as mz_levels, without what the uplink's qdisc adds (priority, flags).
using QosLevels = std::array<mz_level, MZ_LEVEL_SLOTS>;
// RFC 4594's service classes, in the order of RFC 8325's.
QosLevels default_levels();
// Those that differ. Error: invalid_argument: class, priority, or DSCP out of 0..63.
Result<> set_levels(const google::protobuf::RepeatedPtrField<v1::QosLevel>& changes, QosLevels& levels);
std::vector<v1::QosLevel> to_messages(const QosLevels& levels);
std::vector<v1::QosLevel> changed_levels(const QosLevels& levels);  // those that are not default

// ---- rows ----------------------------------------------------------------------------
// `overhead`: bytes the wire adds to each packet.
mz_shaper shaper_row(const QosShaper& shaper, std::uint32_t overhead);
// Bytes of a superpacket that takes a millisecond at that rate, within what the kernel takes:
// what an interface whose endpoint is kept to it is told to make at most.
std::uint32_t superpacket_of(std::uint64_t rate);

}  // namespace mizar
