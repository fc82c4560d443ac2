// SPDX-License-Identifier: Apache-2.0
// Policy of this host's endpoints: a group for each label set that one of them has,
// compiled from its VPC's policies. A group of the same content keeps its number, so that
// its flows are not judged again. Lives in the daemon's loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "userspace/policy/compiler.h"
#include "userspace/transitd/goal.h"
#include "userspace/transitd/policy_tables.h"

namespace mizar {

class Policies {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Policies(Dataplane& dp) : tables_(dp) {}

  // What an endpoint's rows say.
  struct Place {
    std::uint32_t group = 0;                 // 0: judged by nothing
    std::uint32_t label = MZ_LABEL_UNKNOWN;  // of its packets
  };

  // Numbers of groups go on behind `last`, where an earlier run that is not sure of more
  // may have ended: flows remember them, and may outlive both.
  Result<> recover(std::uint32_t last = 0) { return tables_.recover(last); }
  [[nodiscard]] std::uint32_t last_group() const { return tables_.last_group(); }
  // Can the goal be compiled, and is there room for it? Errors: resource_exhausted,
  // failed_precondition.
  Result<> check(const Goal& goal);
  // Groups and label sets of the goal stand when it returns; place() says where. On an
  // error the tables have what they had, and what nobody asks for.
  Result<> apply(const Goal& goal);
  [[nodiscard]] Place place(const EndpointSpec& e) const;
  // Label sets of this host's endpoints, by VPC, as the goal's policies tell them apart.
  [[nodiscard]] std::map<std::string, std::set<policy::LabelSet>> in_use(const Goal& goal) const;
  // The same by the policies that stand.
  [[nodiscard]] std::map<std::string, std::set<policy::LabelSet>> in_use_here(const Goal& goal) const;

  // The rows of endpoints are as place() said: what none of them needs any more goes, at
  // once or a while later, when no packet can ask for it.
  Result<> settle(const Goal& goal, Clock::time_point now = Clock::now());
  // At most so many groups; whether more are due.
  Result<bool> expire(Clock::time_point now = Clock::now(), std::size_t most = SIZE_MAX);

  // The part of apply() that one more label set needs, where policies are as they were. An
  // error, while its number stands for another set: failed_precondition.
  Result<> add_set(const std::string& vpc, std::uint32_t number, const policy::LabelSet& set);
  // One endpoint's labels are others: its group stands when it returns.
  Result<> ensure(const EndpointSpec& e);

  // ---- by name again ----------------------------------------------------------
  // How an endpoint is seen; nothing where its VPC has no policy.
  [[nodiscard]] std::optional<policy::LabelSet> label_set(const EndpointSpec& e) const;
  [[nodiscard]] std::string label_text(const std::string& vpc, std::uint32_t label) const;
  // NULL: it is judged by nothing.
  [[nodiscard]] const policy::Group* group(const EndpointSpec& e) const;
  // A rule of a list (MZ_POLICY_LIST) as packets tell it; NULL: gone.
  [[nodiscard]] const policy::ListRule* rule(std::uint32_t list, std::uint32_t rule) const;
  [[nodiscard]] std::vector<std::uint64_t> hits(std::uint32_t group, mz_policy_kind kind) const {
    return tables_.hits(group, kind);
  }
  struct Hit {
    mz_policy_kind kind;
    std::uint32_t verdict;
    policy::RuleName name;
    std::uint64_t hits;
  };
  // Of all groups a VPC's rules are in or were; in the order of tiers.
  [[nodiscard]] std::vector<Hit> all_hits(const std::string& vpc) const;
  // Entries in use by the option that bounds them; nothing without policy.
  [[nodiscard]] std::map<std::string, std::uint64_t> used() const { return tables_.used(); }

 private:
  struct Judged {
    std::uint32_t number = 0;  // 0: it says nothing
    policy::Group group = {};
    std::optional<Clock::time_point> idle = {};  // nobody's since
  };
  using HitKey = std::tuple<std::uint32_t, std::string, std::string, std::string, std::uint32_t>;
  struct Vpc {
    std::uint32_t vni = 0;
    std::vector<Prefix> inside = {};
    VpcPolicySpec spec = {};  // as far as it stands
    std::shared_ptr<policy::PolicySet> policies = {};
    std::unique_ptr<policy::Compiler> compiler = {};
    std::map<policy::LabelSet, std::vector<std::uint32_t>> numbers = {};  // the last is its endpoints'
    std::map<policy::LabelSet, Judged> groups = {};
  };
  struct Retired {
    std::string vpc;
    Judged judged;
    Clock::time_point due;
  };

  void part(const Goal& goal);
  [[nodiscard]] const Vpc* standing(const VpcSpec& spec) const;
  [[nodiscard]] static bool same_source(const Vpc& v, const Goal& goal, const VpcSpec& spec);
  using Sets = std::map<std::uint32_t, policy::LabelSet>;
  [[nodiscard]] Result<Sets> sets_meanwhile(const VpcSpec& spec, const Sets& wanted) const;
  Result<Vpc> compile(const Goal& goal, const VpcSpec& spec) const;
  Result<> prepare(const Goal& goal);
  Result<> install();
  Result<> put_new(std::vector<std::uint32_t>& put);
  Result<> meet_set(Vpc& v, std::uint32_t number, const policy::LabelSet& set);
  Result<> add_set(Vpc& v, std::uint32_t number, const policy::LabelSet& set);
  Result<> put_rows(Vpc& v, std::uint32_t number, const policy::LabelSet& set);
  Result<> erase_rows(Vpc& v, std::uint32_t number);
  static void give_number(Vpc& v, std::uint32_t number, const policy::LabelSet& set);
  Result<> drop_sets(Vpc& v, const Sets& wanted);
  Result<> ensure(Vpc& v, const policy::LabelSet& subject);
  void retire(const std::string& vpc, Judged judged, Clock::time_point now);
  Result<> let_go(const std::string& vpc, const Judged& judged);
  [[nodiscard]] static bool says_something(const policy::Group& g);
  void count(std::map<HitKey, std::uint64_t>& to, const Judged& judged) const;

  PolicyTables tables_;
  std::map<std::string, Vpc, std::less<>> vpcs_;      // that have a policy
  std::list<std::pair<std::string, Vpc>> gone_;       // that have none any more; settle() takes them out
  std::map<std::string, Vpc, std::less<>> prepared_;  // by check(), for apply()
  std::vector<Retired> retired_;
  std::map<std::string, std::map<HitKey, std::uint64_t>> past_hits_;  // of groups that are gone
  std::optional<Clock::time_point> strays_due_;
  bool recovered_ = false;
};

}  // namespace mizar
