// SPDX-License-Identifier: Apache-2.0
// Operators' functions, as the daemon's calls.
#include <net/if.h>

#include "userspace/base/log.h"
#include "userspace/transitd/daemon.h"

namespace mizar {

// Functions' chains first, then the rows that send packets to them.
Result<RowChanges> Daemon::apply_tables(const std::function<void()>& ports_known) {
  MZ_CHECK(functions_.sync_ports(goal_, ports_));
  auto counts = tables_.apply(goal_, ports_, ports_known);
  if (!counts) return counts;
  MZ_CHECK(functions_.sync_vpcs(goal_, tables_.vpc_slots()));
  return counts;
}

// Programs look for functions at hops only where there are some.
Result<> Daemon::sync_functions() {
  MZ_CHECK(ensure_programs());
  auto counts = apply_tables();
  if (!counts) return tl::unexpected(counts.error());
  return {};
}

Result<v1::FunctionStatus> Daemon::load_function(const v1::LoadFunctionRequest& request) {
  if (!dp_.loaded()) return fail(Code::failed_precondition, "no programs yet: apply a goal state first");
  const std::string& interface = request.function().interface();
  const unsigned index = interface.empty() ? 0 : if_nametoindex(interface.c_str());
  if (index != 0 && (index == uplink_ || index == services_ || index == outside_ || interface == options_.outside ||
                     port_interfaces().contains(index)))
    return fail(Code::invalid_argument, "function {}: interface {} has another purpose: give it one of its own",
                request.function().name(), interface);
  MZ_CHECK(functions_.load(request, goal_));
  const std::string& name = request.function().name();
  if (auto rc = sync_functions(); !rc) {
    if (auto undone = functions_.undo(name); !undone) log::error("{}", undone.error().what);
    if (auto undone = sync_functions(); !undone) log::error("{}", undone.error().what);
    functions_.forget_removed();
    return wrap(rc.error(), fmt::format("function {}", name));
  }
  log::info("function {} {}", name, request.replace() ? "replaced" : "loaded");
  return functions_.status(name);
}

Result<v1::RemoveFunctionReply> Daemon::remove_function(const v1::RemoveFunctionRequest& request) {
  MZ_CHECK(functions_.remove(request.name()));
  const auto rc = sync_functions();
  functions_.forget_removed();
  if (!rc) return tl::unexpected(rc.error());
  log::info("function {} removed", request.name());
  return v1::RemoveFunctionReply();
}

v1::ListFunctionsReply Daemon::list_functions() const { return functions_.list(); }

}  // namespace mizar
