// SPDX-License-Identifier: Apache-2.0
// This host's endpoints as transitd knew them at one moment, by port slot. Never
// changed once made.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>

#include "userspace/proto/transit.pb.h"
#include "userspace/responder/client.h"

namespace mizar::responder {

// The slot whose client address this is (bpf/abi/local.h).
std::optional<std::uint32_t> slot_of(const Addr& ip);

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
  [[nodiscard]] std::size_t size() const { return clients_.size(); }

 private:
  std::map<std::uint32_t, Client> clients_;
  std::map<std::uint32_t, std::shared_ptr<const Zone>> zones_;  // by VNI
  std::set<Addr> hosts_;
  Addrs self_;
};

}  // namespace mizar::responder
