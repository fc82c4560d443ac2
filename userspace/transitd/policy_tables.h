// SPDX-License-Identifier: Apache-2.0
// Groups of policy in the data plane's tables: written whole under a number that nobody
// has had, taken out when no packet can ask for them any more. Vectors are stored once,
// whichever groups have them. Lives in the daemon's loop.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "userspace/dataplane/dataplane.h"
#include "userspace/policy/group.h"

namespace mizar {

class PolicyTables {
 public:
  explicit PolicyTables(Dataplane& dp) : dp_(dp) {}

  // What an earlier run has left goes on judging until erase_strays(). New numbers are
  // others than its, and follow `last`, if there is one.
  Result<> recover(std::uint32_t last = 0);
  [[nodiscard]] std::uint32_t last_group() const { return last_group_; }
  // Groups and vectors that this run has not put.
  Result<> erase_strays();

  // Writes a group; it judges nobody before an endpoint's row names it. Returns its
  // number. Errors: resource_exhausted names the table and the option; nothing is left of
  // the group then, or nothing that judges, and the next put() takes it out.
  Result<std::uint32_t> put(const policy::Group& group);
  // Would these fit beside what stands, and so many label sets more? The same errors.
  [[nodiscard]] Result<> check_room(const std::vector<const policy::Group*>& groups, std::size_t sets) const;
  // Rows that `group`, which was put as `number`, has meanwhile for a label set that no
  // packet has had yet. `lists`: bits of enum mz_policy_kind.
  Result<> put_label(std::uint32_t number, const policy::Group& group, unsigned lists, std::uint32_t label);
  // Takes out what a group has for a label set that no packet has any more.
  Result<> erase_label(std::uint32_t number, std::uint32_t label);
  // This host knows the label set: all groups of the VPC have their rows for it. And no more.
  Result<> know(std::uint32_t vni, std::uint32_t label);
  Result<> forget(std::uint32_t vni, std::uint32_t label);
  // Takes a group out. Packets that began before its endpoints had another may still ask
  // for it: not sooner than a second after.
  Result<> erase(std::uint32_t number);

  // Entries in use by the option that bounds them, of rows the fullest kind's; nothing where
  // there are none.
  [[nodiscard]] std::map<std::string, std::uint64_t> used() const;
  // Flows that each rule of a list decided.
  [[nodiscard]] std::vector<std::uint64_t> hits(std::uint32_t number, mz_policy_kind kind) const;

 private:
  using LabelRows = std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t>;  // list and label set -> vector
  struct Stored {
    mz_policy row{};
    std::array<std::uint32_t, MZ_POLICY_KINDS> rules{};
    LabelRows labels = {};
    std::vector<mz_policy_block_key> blocks = {};
    std::vector<mz_policy_port_key> ports = {};
    std::vector<std::uint32_t> vectors = {};  // each as often as its lists hold it
  };
  struct Vector {
    std::uint32_t number;
    std::size_t holders;
  };

  Result<> put_list(std::uint32_t number, mz_policy_kind kind, const policy::List& list, Stored& s);
  Result<std::uint32_t> hold(const policy::Bits& bits);
  Result<> put_row(const mz_policy_label_key& key, const policy::Bits& bits, Stored& s);
  Result<> drop_row(LabelRows::iterator row, Stored& s);
  Result<> let_go(std::uint32_t vector);
  Result<> drop(std::uint32_t number, Stored& s);

  // Numbers go round: one that was given up is the last to be given out again.
  [[nodiscard]] std::uint32_t next_group() const;
  [[nodiscard]] std::uint32_t next_vector() const;

  Dataplane& dp_;
  std::uint32_t last_group_ = 0, last_vector_ = 0;
  std::map<std::uint32_t, Stored> groups_;
  std::map<std::uint32_t, Stored> left_;  // of a put() that failed, and could not be taken out again yet
  std::map<policy::Bits, Vector> vectors_;
  std::map<std::uint32_t, policy::Bits> bits_of_;  // by number
  std::set<std::pair<std::uint32_t, std::uint32_t>> known_;  // VNI and label set
  std::size_t labels_ = 0, blocks_ = 0, ports_ = 0, rules_ = 0;
  bool strays_ = false;
  std::set<std::uint32_t> stray_groups_, stray_vectors_;
};

}  // namespace mizar
