// SPDX-License-Identifier: Apache-2.0
// What answers need to know: the endpoint that asks, and the names of its VPC.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bpf/abi/hash.h"
#include "userspace/base/addr.h"
#include "userspace/base/services.h"
#include "userspace/responder/counts.h"
#include "userspace/responder/wire.h"

namespace mizar::responder {

// The names of one VPC, as far as this host knows them. Plain data: whatever has
// names (endpoints, networks, services) is put in by add().
class Zone {
 public:
  // Who knows a bucket of the VPC's names for certain.
  struct Holders {
    bool self = true;
    std::vector<Addr> others;  // to be asked in this order, if it is not us
  };

  // `domain` in lower case, without the last dot; empty: the VPC has no names.
  Zone(std::string domain, std::uint32_t vni, Cidrs blocks);

  // `name` is relative to the domain. Labels in between exist from now on, too.
  void add(const std::string& name, const Addrs& addresses);
  // What addresses are called in reverse, relative to the domain.
  void add_reverse(const std::string& name, const Addrs& addresses);
  void set_holders(std::array<Holders, MZ_BUCKETS> holders) { holders_ = std::move(holders); }
  void set_serial(std::uint32_t serial) { serial_ = serial; }

  [[nodiscard]] const std::string& domain() const { return domain_; }
  [[nodiscard]] std::uint32_t vni() const { return vni_; }
  [[nodiscard]] const Cidrs& blocks() const { return blocks_; }
  [[nodiscard]] std::uint32_t serial() const { return serial_; }
  // nullptr: does not exist, as far as is known. Empty: exists, without addresses.
  [[nodiscard]] const Addrs* find(const std::string& name) const;
  [[nodiscard]] const std::string* find_reverse(const Addr& ip) const;
  [[nodiscard]] const Holders& holders(unsigned bucket) const { return holders_[bucket]; }

 private:
  std::string domain_;
  std::uint32_t vni_;
  Cidrs blocks_;
  std::uint32_t serial_ = 1;
  std::map<std::string, Addrs> names_;
  std::map<Addr, std::string> reverse_;
  std::array<Holders, MZ_BUCKETS> holders_;
};

struct Client {
  std::string name;
  std::string vpc;
  std::string network;
  Addrs address;
  Cidrs cidr;  // of its network
  MacBytes mac{};
  std::uint32_t mtu = 0;
  NetworkServices services;
  std::string user_data;
  std::shared_ptr<const Zone> zone;  // shared by the VPC's endpoints and by open questions
};

// What became of one message, and the answer if there is one.
struct Outcome {
  Count count;
  Bytes reply;
};

}  // namespace mizar::responder
