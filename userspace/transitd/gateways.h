// SPDX-License-Identifier: Apache-2.0
// The tables of outside addresses (bpf/abi/gateways.h) as the goal wants them. Ways to
// the outside stand in the networks table, which is TableSync's. Lives in the daemon's
// loop.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "userspace/dataplane/rows.h"
#include "userspace/transitd/goal.h"

namespace mizar {

class Gateways {
 public:
  explicit Gateways(Dataplane& dp) : dp_(dp) {}

  // Reads the tables of an earlier run.
  Result<> recover();
  // Would the goal fit? Error: resource_exhausted, names the table.
  [[nodiscard]] Result<> check(const Goal& goal) const;
  // Returns whether flows may stand whose outside port is not their endpoint's any more
  // (keeps()). On an error call it again with the goal that was in force.
  Result<bool> apply(const Goal& goal);

  // Has the endpoint of this flow, whose source port is translated, still that outside
  // port?
  [[nodiscard]] bool keeps(const mz_flow_key& key, const mz_flow& flow) const;
  // The same of a row of the mappings table.
  [[nodiscard]] bool keeps(const mz_mapping_key& key, const mz_mapping& mapping) const;
  // Entries in use, by table name.
  [[nodiscard]] std::map<std::string, std::uint64_t> used() const;

 private:
  struct Tables {
    Rows<mz_inside_key, mz_inside> insides;
    Rows<mz_outside_key, mz_outside> outsides;
    Rows<mz_pool_key, mz_pool> pools;
  };
  static Tables want(const Goal& goal);
  [[nodiscard]] bool has_port(std::uint32_t vni, const mz_addr& ip, std::uint16_t port) const;

  Dataplane& dp_;
  Tables actual_;
  bool doubtful_ = false;  // an outside address or range went
};

}  // namespace mizar
