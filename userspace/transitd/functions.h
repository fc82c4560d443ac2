// SPDX-License-Identifier: Apache-2.0
// Operators' functions of this host: which there are, whose packets meet which, in
// what order. Keeps them in the store and their tables true. Lives in the daemon's
// loop.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/dataplane/rows.h"
#include "userspace/proto/transit.pb.h"
#include "userspace/transitd/goal.h"
#include "userspace/transitd/store.h"
#include "userspace/transitd/table_sync.h"

namespace mizar {

class Functions {
 public:
  Functions(Dataplane& dp, Store& store) : dp_(dp), store_(store) {}

  // What is stored: before the data plane is loaded.
  Result<> read();
  // Puts it where it is not running yet: after a reboot. The data plane must be loaded.
  // One that cannot be put again is left out and says why.
  Result<> recover();

  // Loads or replaces; the tables follow with sync_ports() and sync_vpcs(). On an
  // error nothing is changed. Errors: invalid_argument, not_found, already_exists,
  // resource_exhausted.
  Result<> load(const v1::LoadFunctionRequest& request, const Goal& goal);
  // What the last load() did, where the tables could not follow.
  Result<> undo(const std::string& name);
  // Takes it out of the list; then sync, then forget_removed().
  Result<> remove(const std::string& name);
  // Removes the programs that nothing leads to any more.
  void forget_removed();

  // Whether any packet at a hop meets one.
  [[nodiscard]] bool at_hops() const;
  // MZ_EP_F_*: whether functions run on what the endpoint sends and is to receive.
  [[nodiscard]] std::uint32_t flags(const EndpointSpec& e) const;

  // Chains of local endpoints: before its row of the endpoints table says so.
  Result<> sync_ports(const Goal& goal, const TableSync::Ports& ports);
  // Chains of VPCs at hops.
  Result<> sync_vpcs(const Goal& goal, const std::map<std::uint32_t, std::uint32_t>& slots);
  // Interfaces come and go without telling.
  void look_for_interfaces();

  [[nodiscard]] v1::ListFunctionsReply list() const;
  Result<v1::FunctionStatus> status(const std::string& name) const;

 private:
  struct Function {
    v1::Function spec;
    std::string object;
    unsigned slot = 0;
    unsigned points = 0;  // bit MZ_POINT_*
    FunctionKind kind = FunctionKind::endpoint;
    std::string problem;   // of its program
    std::string no_interface;
    unsigned ifindex = 0;  // of its interface
    std::uint32_t on = 0;
  };
  using Chain = std::vector<unsigned>;  // slots

  static Result<Function> parse(const v1::Function& spec, const std::string& object);
  [[nodiscard]] static bool covers(const Function& f, const EndpointSpec& e);
  Result<> check_targets(const Function& f, const Goal& goal) const;
  Result<> check_chains(const std::map<std::string, Function>& all, const Goal& goal) const;
  Result<unsigned> free_slot(const Function& f) const;
  Result<> put(const Function& f);
  Result<> save(const std::map<std::string, Function>& all) const;
  // Functions of `all` that `takes` says, in their order.
  template <class Takes>
  static Chain chain(const std::map<std::string, Function>& all, mz_function_point point, Takes takes);
  Result<std::uint8_t> chain_id(const Chain& chain);
  void set_interface(Function& f, unsigned ifindex);
  [[nodiscard]] v1::FunctionStatus message(const Function& f) const;

  Dataplane& dp_;
  Store& store_;
  std::map<std::string, Function> functions_;
  std::optional<Function> before_;  // what the last load() replaced
  std::vector<Function> removed_;
  Rows<std::uint32_t, mz_function_chains> ports_, vpcs_;  // as the tables have them
  std::map<std::uint32_t, Chain> chains_;                     // by id
  std::uint32_t last_chain_ = 0;
};

}  // namespace mizar
