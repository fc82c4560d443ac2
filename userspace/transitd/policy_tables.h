// SPDX-License-Identifier: Apache-2.0
// Groups of policy in the data plane's tables: written whole under a number that nobody
// has had, taken out when no packet can ask for them any more. Vectors are stored once,
// whichever groups have them. Lives in the daemon's loop.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "userspace/dataplane/dataplane.h"
#include "userspace/policy/group.h"

namespace mizar {

class PolicyTables {
 public:
  explicit PolicyTables(Dataplane& dp) : dp_(dp) {}

  // What an earlier run has left goes on judging until erase_strays(); new numbers are
  // beyond its.
  Result<> recover();
  // Groups and vectors that this run has not put.
  Result<> erase_strays();

  // Writes a group; it judges nobody before an endpoint's row names it. Returns its
  // number. Errors: resource_exhausted names the table and the option; nothing is left of
  // the group then, or nothing that judges, and the next put() takes it out.
  Result<std::uint32_t> put(const policy::Group& group);
  // Rows that `group`, which was put as `number`, has meanwhile for a label set that no
  // packet has had yet. `lists`: bits of enum mz_policy_kind.
  Result<> put_label(std::uint32_t number, const policy::Group& group, unsigned lists, std::uint32_t label);
  // Takes a group out. Packets that began before its endpoints had another may still ask
  // for it: not sooner than a second after.
  Result<> erase(std::uint32_t number);

  // Flows that each rule of a list decided.
  [[nodiscard]] std::vector<std::uint64_t> hits(std::uint32_t number, mz_policy_kind kind) const;

 private:
  struct Stored {
    mz_policy row{};
    std::array<std::uint32_t, MZ_POLICY_KINDS> rules{};
    std::vector<mz_policy_label_key> labels = {};
    std::vector<mz_policy_block_key> blocks = {};
    std::vector<mz_policy_port_key> ports = {};
    std::vector<std::uint32_t> vectors = {};  // each as often as it is held
  };
  struct Vector {
    std::uint32_t number;
    std::size_t holders;
  };

  [[nodiscard]] Result<> check_room(const policy::Group& group) const;
  Result<> put_list(std::uint32_t number, mz_policy_kind kind, const policy::List& list, Stored& s);
  Result<std::uint32_t> hold(const policy::Bits& bits, Stored& s);
  Result<> let_go(std::uint32_t vector);
  Result<> drop(std::uint32_t number, Stored& s);

  Dataplane& dp_;
  std::uint32_t last_group_ = 0, last_vector_ = 0;
  std::map<std::uint32_t, Stored> groups_;
  std::map<std::uint32_t, Stored> left_;  // of a put() that failed, and could not be taken out again yet
  std::map<policy::Bits, Vector> vectors_;
  std::map<std::uint32_t, policy::Bits> bits_of_;  // by number
  std::size_t labels_ = 0, blocks_ = 0, ports_ = 0, rules_ = 0;
  bool strays_ = false;
};

}  // namespace mizar
