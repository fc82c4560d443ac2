// SPDX-License-Identifier: Apache-2.0
// Generated policies, compiled and put into the kernel's tables; every case a described
// packet through the programs as they are attached, beside what the oracle says. A
// disagreement is made smaller until nothing can be left out, and printed.
// POLICY_SEED=N begins elsewhere, POLICY_WORLDS=N asks longer.
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <random>

#include <fmt/format.h>

#include "bpf/abi/wire.h"
#include "selftests/policy/generator.h"
#include "userspace/dataplane/kernel_dataplane.h"
#include "userspace/policy/compiler.h"
#include "userspace/transitd/policy_tables.h"
#include "userspace/transitd/table_sync.h"

namespace mizar {
namespace {

using policy::Asked;
using policy::World;

constexpr std::uint32_t kVni = 7, kSelf = 1, kPeer = 2;
constexpr std::uint32_t kSelfIp = 0xc6336401, kPeerIp = 0xc6336402;
constexpr std::uint8_t kMac[6] = {0x02, 0, 0, 0, 0, 0x0a}, kGateway[6] = MZ_GATEWAY_MAC;
constexpr std::uint8_t kIcmp = 1, kIcmp6 = 58;

using Bytes = std::vector<std::uint8_t>;

void put16(Bytes& to, unsigned v) {
  to.push_back(static_cast<std::uint8_t>(v >> 8));
  to.push_back(static_cast<std::uint8_t>(v));
}
void put32(Bytes& to, std::uint32_t v) {
  put16(to, v >> 16);
  put16(to, v & 0xffff);
}
void put_addr(Bytes& to, const Addr& a) {
  const auto& b = a.bytes();
  to.insert(to.end(), b.begin() + (a.is_v4() ? 12 : 0), b.end());
}

void put_ip4(Bytes& to, std::uint32_t src, std::uint32_t dst, unsigned proto, std::size_t payload) {
  Bytes h;
  put16(h, 0x4500);
  put16(h, static_cast<unsigned>(20 + payload));
  put32(h, 0x4000);  // DF
  put16(h, 0x4000 | proto);
  put16(h, 0);
  put32(h, src);
  put32(h, dst);
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < h.size(); i += 2) sum += static_cast<std::uint32_t>(h[i]) << 8 | h[i + 1];
  sum = ~((sum & 0xffff) + (sum >> 16));
  h[10] = static_cast<std::uint8_t>(sum >> 8);
  h[11] = static_cast<std::uint8_t>(sum);
  to.insert(to.end(), h.begin(), h.end());
}

// The packet that begins the flow, in its frame.
Bytes frame_of(const Asked& f) {
  constexpr unsigned kPayload = 32;
  const bool v4 = f.to.address.is_v4();
  Bytes out(kGateway, kGateway + 6);
  out.insert(out.end(), kMac, kMac + 6);
  put16(out, v4 ? 0x0800 : 0x86dd);
  if (v4) {
    put_ip4(out, f.from.address.v4_value(), f.to.address.v4_value(), f.protocol, kPayload);
  } else {
    put32(out, 0x60000000);
    put16(out, kPayload);
    put16(out, static_cast<unsigned>(f.protocol) << 8 | 64);
    put_addr(out, f.from.address);
    put_addr(out, f.to.address);
  }
  const std::size_t l4 = out.size();
  out.resize(l4 + kPayload);
  if (f.protocol == kIcmp || f.protocol == kIcmp6) {
    out[l4] = f.protocol == kIcmp ? 8 : 128;
    return out;
  }
  out[l4] = 0x30;  // from port 12345
  out[l4 + 1] = 0x39;
  out[l4 + 2] = static_cast<std::uint8_t>(f.port >> 8);
  out[l4 + 3] = static_cast<std::uint8_t>(f.port);
  if (f.protocol == IPPROTO_TCP) {
    out[l4 + 12] = 0x50;
    out[l4 + 13] = 0x02;
  } else if (f.protocol == IPPROTO_SCTP) {
    out[l4 + 12] = 1;  // INIT
  }
  return out;
}

// ... as another host sends it here.
Bytes tunnel_of(const Bytes& inner, std::uint32_t label, std::uint32_t flags) {
  Bytes out(kGateway, kGateway + 6);
  out.insert(out.end(), kMac, kMac + 6);
  put16(out, 0x0800);
  const std::size_t payload = 8 + 8 + 16 + inner.size();
  put_ip4(out, kPeerIp, kSelfIp, IPPROTO_UDP, payload);
  put16(out, MZ_UDP_PORT_MIN);
  put16(out, MZ_GENEVE_PORT);
  put16(out, static_cast<unsigned>(payload));
  put16(out, 0);
  put16(out, 0x0400);
  put16(out, MZ_GENEVE_PROTO_ETH);
  put32(out, kVni << 8);
  put16(out, MZ_OPT_CLASS);
  put16(out, MZ_OPT_TYPE << 8 | MZ_OPT_WORDS);
  put32(out, label);
  put32(out, mz_opt_word(0, kPeer));
  put32(out, mz_opt_word(flags, kPeer));
  out.insert(out.end(), inner.begin(), inner.end());
  return out;
}

// One host of one VPC, whose pods are all here, or all elsewhere: as is asked.
class Host {
 public:
  explicit Host(Dataplane& dp, unsigned ifindex) : dp_(dp), tables_(dp), ifindex_(ifindex) {
    mz_host self{}, peer{};
    self.ip = Addr::v4(kSelfIp).abi();
    peer.ip = Addr::v4(kPeerIp).abi();
    peer.flags = MZ_HOST_F_KNOWN | MZ_HOST_F_NEXTHOP;
    peer.ifindex = ifindex;
    must(dp_.hosts().put(kSelf, self));
    must(dp_.hosts().put(kPeer, peer));
    for (std::uint32_t b = 0; b < MZ_BUCKETS; b++) must(dp_.shards().put(b, {kPeer, 0}));
    for (const char* p : {"10.0.0.0/24", "fd00::/64"}) must(dp_.networks().put(network_key(kVni, *Prefix::parse(p)), {0, 1, 0, 0}));
    for (const char* p : {"0.0.0.0/0", "::/0"})
      must(dp_.networks().put(network_key(kVni, *Prefix::parse(p)), {0, 1, MZ_NET_F_OUTSIDE, 0}));
  }

  // Compiles the world's policies and makes them those in force.
  void enforce(const World& world) {
    const auto set = std::make_shared<const policy::PolicySet>(world.policies, world.namespaces);
    std::map<std::uint32_t, policy::LabelSet> sets;
    labels_.clear();
    for (const policy::Pod& pod : world.pods) {
      const policy::LabelSet l = set->label_set(pod);
      const auto same = std::find_if(sets.begin(), sets.end(), [&](const auto& s) { return s.second == l; });
      labels_[pod.name] = same != sets.end() ? same->first : static_cast<std::uint32_t>(100 + sets.size());
      sets.emplace(labels_[pod.name], l);
    }
    for (const auto& [label, l] : sets) must(dp_.policy_labels().put({MZ_POLICY_KNOWN(kVni), label}, 0));
    policy::Compiler compiler(set, sets);
    std::map<std::uint32_t, std::uint32_t> groups;  // label set -> its group's number
    for (const auto& [label, l] : sets) {
      const auto group = compiler.compile(l);
      must(group);
      const auto number = tables_.put(*group);
      must(number);
      groups[label] = *number;
      compiled_[*number] = *group;
    }
    groups_.clear();
    for (const policy::Pod& pod : world.pods) {
      groups_[pod.name] = groups.at(labels_.at(pod.name));
      mz_endpoint e{};
      e.host = kSelf;
      e.ifindex = ifindex_;
      e.vpc = 1;
      e.policy = groups_.at(pod.name);
      std::copy(std::begin(kMac), std::end(kMac), e.mac);
      for (const Addr& a : pod.address.all()) must(dp_.endpoints().put(endpoint_key(kVni, a), e));
    }
    for (const std::uint32_t number : in_force_) {
      must(tables_.erase(number));
      compiled_.erase(number);
    }
    in_force_.clear();
    for (const auto& [label, number] : groups) in_force_.push_back(number);
  }

  // Whether the programs let it pass; nullopt: they say something else of it.
  std::optional<bool> allows(const Asked& f, bool same_host) {
    const std::uint32_t label = f.from.pod != nullptr ? labels_.at(f.from.pod->name) : 0;
    Result<TraceResult> t;
    if (same_host || f.to.pod == nullptr) {
      sends(*f.from.pod);
      t = dp_.trace(Hook::endpoint, ifindex_, frame_of(f));
    } else {
      t = dp_.trace(Hook::uplink_deliver, ifindex_, tunnel_of(frame_of(f), label, f.from.pod != nullptr ? 0 : MZ_OPT_F_OUTSIDE));
    }
    must(t);
    reason_ = t->reason;
    switch (t->reason) {
      case MZ_R_LOCAL:
      case MZ_R_DELIVERED:
      case MZ_R_TO_GATEWAY: return true;
      case MZ_R_POLICY_INGRESS:
      case MZ_R_POLICY_EGRESS: return false;
      default: return std::nullopt;
    }
  }
  [[nodiscard]] std::uint32_t reason() const { return reason_; }

  // The compiler's own judge: what people are told, and who is wrong where the programs are.
  [[nodiscard]] policy::Judgement judge(const Asked& f) const {
    const bool out = f.to.pod == nullptr;
    const policy::Pod& judged = out ? *f.from.pod : *f.to.pod;
    const policy::Flow flow{f.from.pod != nullptr && !out ? labels_.at(f.from.pod->name) : 0, out ? f.to.address : f.from.address,
                            out ? f.from.address : f.to.address, f.protocol, f.port};
    return policy::judge(compiled_.at(groups_.at(judged.name)), out ? policy::kSender : policy::kReceiver, flow);
  }

 private:
  template <class R>
  static void must(const R& r) {
    if (!r) throw std::runtime_error(r.error().what);
  }

  void sends(const policy::Pod& pod) {
    mz_port p{};
    p.ifindex = ifindex_;
    p.vni = kVni;
    p.vpc = 1;
    p.mtu = 1500;
    p.max_flows = 8;
    p.ip4 = pod.address.v4->abi().w[3];
    p.ip6 = pod.address.v6->abi();
    p.prefix6 = 64;
    p.label = labels_.at(pod.name);
    p.policy = groups_.at(pod.name);
    std::copy(std::begin(kMac), std::end(kMac), p.mac);
    must(dp_.ports().put(ifindex_ % MZ_PORTS, p));
  }

  Dataplane& dp_;
  PolicyTables tables_;
  unsigned ifindex_;
  std::map<std::string, std::uint32_t> labels_, groups_;  // by pod
  std::vector<std::uint32_t> in_force_;
  std::map<std::uint32_t, policy::Group> compiled_;  // by number
  std::uint32_t reason_ = 0;
};

class Differential : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    KernelOptions o;
    o.instance = "policy-" + std::to_string(getpid());
    auto dp = open_kernel_dataplane(o);
    ASSERT_TRUE(dp) << dp.error().what;
    dp_ = std::move(*dp);
    root_ = "/sys/fs/bpf/mizar/" + o.instance;
    mz_cfg cfg{};
    cfg.self_ip4 = Addr::v4(kSelfIp).abi();
    cfg.self_id = kSelf;
    cfg.uplink = if_nametoindex("lo");
    cfg.path_ttl = 30000;
    const auto rc = dp_->load(cfg);
    ASSERT_TRUE(rc) << rc.error().what;
    host_.emplace(*dp_, cfg.uplink);
  }
  void TearDown() override {
    host_.reset();
    dp_.reset();
    if (!root_.empty()) std::filesystem::remove_all(root_);
  }

  bool differs(const World& world, const Asked& f, bool same_host) {
    const bool want = policy::allowed(world, f);
    return host_->allows(f, same_host) != want || host_->judge(f).allowed != want;
  }

  // Leaves out what can be left out while the two still disagree.
  World shrink(World world, const Asked& f, bool same_host) {
    const auto still = [&](const World& w) {
      host_->enforce(w);
      return differs(w, f, same_host);
    };
    const auto thin = [&](auto&& list_of) {
      for (std::size_t i = 0; i < list_of(world).size();) {
        World less = world;
        auto& list = list_of(less);
        list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
        if (still(less)) world = std::move(less);
        else i++;
      }
    };
    thin([](World& w) -> auto& { return w.policies; });
    for (std::size_t p = 0; p < world.policies.size(); p++) {
      thin([p](World& w) -> auto& { return w.policies[p].ingress_rules; });
      thin([p](World& w) -> auto& { return w.policies[p].egress_rules; });
    }
    return world;
  }

  std::unique_ptr<Dataplane> dp_;
  std::optional<Host> host_;
  std::string root_;
};

unsigned setting(const char* name, unsigned otherwise) {
  const char* v = std::getenv(name);
  return v != nullptr ? static_cast<unsigned>(std::strtoul(v, nullptr, 10)) : otherwise;
}

// A flow of the world: between pods, or from or to the outside.
struct Case {
  Asked flow;
  bool same_host;
};
Case make_case(const World& world, std::mt19937& random) {
  static const char* const kOutside[][2] = {{"192.0.2.7", "2001:db8::7"}, {"192.0.2.130", "2001:db8:1::7"}};
  const bool v4 = random() % 2 == 0;
  const auto pod = [&](std::size_t i) { return policy::End{&world.pods[i], v4 ? *world.pods[i].address.v4 : *world.pods[i].address.v6}; };
  const auto outside = [&] { return policy::End{nullptr, *Addr::parse(kOutside[random() % 2][v4 ? 0 : 1])}; };
  const std::size_t a = random() % world.pods.size(), b = (a + 1 + random() % (world.pods.size() - 1)) % world.pods.size();
  const unsigned way = random() % 8;
  static const std::uint8_t kProtocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, 0};
  Case c{{way == 0 ? outside() : pod(a), way == 1 ? outside() : pod(b), kProtocols[random() % 4], 0}, way % 2 == 0 && way != 0};
  if (c.flow.protocol == 0) c.flow.protocol = v4 ? kIcmp : kIcmp6;
  else c.flow.port = static_cast<std::uint16_t>(78 + random() % 8 + (random() % 4 == 0 ? 40 : 0));
  return c;
}

TEST_F(Differential, TheProgramsSayWhatTheApiSays) {
  const unsigned first = setting("POLICY_SEED", 1), worlds = setting("POLICY_WORLDS", 400), cases = 150;
  unsigned asked = 0, denied = 0;
  for (unsigned seed = first; seed < first + worlds; seed++) {
    const World world = policy::make_world(seed);
    std::mt19937 random(seed);
    host_->enforce(world);
    for (unsigned i = 0; i < cases; i++) {
      const Case c = make_case(world, random);
      const bool want = policy::allowed(world, c.flow);
      asked++;
      denied += want ? 0 : 1;
      if (!differs(world, c.flow, c.same_host)) continue;
      const std::uint32_t reason = host_->reason();
      const policy::Judgement judged = host_->judge(c.flow);
      const std::string rule = judged.decider() != nullptr && judged.decider()->name ? judged.decider()->name->text() : "no rule";
      FAIL() << "seed " << seed << ", case " << i << (c.same_host ? ", one host" : ", two hosts") << ": " << text(c.flow)
             << "\nwanted " << (want ? "allowed" : "denied") << ", the programs ended it with reason " << reason
             << ", the compiler's judge " << (judged.allowed ? "allows" : "denies") << " it by " << rule << "\n"
             << text(shrink(world, c.flow, c.same_host));
    }
  }
  RecordProperty("asked", static_cast<int>(asked));
  std::printf("# %u cases of %u worlds, %u denied\n", asked, worlds, denied);
  // A generator whose worlds allow or deny nearly everything asks nothing.
  EXPECT_GT(denied, asked / 5);
  EXPECT_LT(denied, asked / 5 * 4);
}

}  // namespace
}  // namespace mizar
