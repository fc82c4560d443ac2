// SPDX-License-Identifier: Apache-2.0
// This host's endpoints as transitd knew them at one moment, by port slot. Never
// changed once made.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>

#include "userspace/proto/transit.pb.h"
#include "userspace/responder/asker.h"
#include "userspace/responder/client.h"
#include "userspace/responder/health.h"
#include "userspace/transitd/goal.h"

namespace mizar::responder {

// The slot whose client address this is (bpf/abi/local.h).
std::optional<std::uint32_t> slot_of(const Addr& ip);

// An address in a VPC, by which an endpoint's port slot is found.
using HealthSlot = std::pair<std::uint32_t, Addr>;

class Snapshot {
 public:
  // Error: invalid_argument, as parse_goal() gives it.
  static Result<std::shared_ptr<const Snapshot>> from(const v1::GetLocalReply& reply);

  // nullptr: no endpoint has this slot.
  [[nodiscard]] const Client* client(std::uint32_t slot) const;
  // The names of a VPC this host takes part in; nullptr otherwise.
  [[nodiscard]] const Zone* zone(std::uint32_t vni) const;
  // Whether it is another host's address on the underlay.
  [[nodiscard]] bool is_host(const Addr& ip) const { return hosts_.contains(ip); }
  [[nodiscard]] const Addrs& self() const { return self_; }
  // Backends of this host that are probed, and of which hosts others are asked for.
  [[nodiscard]] const std::vector<HealthTarget>& health_targets() const { return targets_; }
  [[nodiscard]] const std::vector<HealthAsk>& health_asks() const { return asks_; }
  [[nodiscard]] bool has_backend(const HealthKey& key) const { return backends_.contains(key); }
  // The key of a service in a VPC this host takes part in; nothing otherwise.
  [[nodiscard]] std::optional<std::string> service(std::uint32_t vni, const std::string& name) const;
  [[nodiscard]] std::size_t size() const { return clients_.size(); }

 private:
  void add_health(const Goal& goal, const std::map<HealthSlot, std::uint32_t>& slots);

  std::map<std::uint32_t, Client> clients_;
  std::map<std::uint32_t, std::shared_ptr<const Zone>> zones_;  // by VNI
  std::set<Addr> hosts_;
  std::vector<HealthTarget> targets_;
  std::vector<HealthAsk> asks_;
  std::set<HealthKey> backends_;  // of services with health
  std::map<std::pair<std::uint32_t, std::string>, std::string> services_;  // with health
  Addrs self_;
};

}  // namespace mizar::responder
