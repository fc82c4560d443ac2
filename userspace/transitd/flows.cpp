// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/flows.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <charconv>
#include <cstring>

#include "userspace/base/bytes.h"

namespace mizar {

namespace {

struct Protocol {
  std::uint32_t number;
  const char* name;
};
constexpr std::array kProtocols = {Protocol{IPPROTO_TCP, "tcp"}, Protocol{IPPROTO_UDP, "udp"},
                                   Protocol{IPPROTO_ICMP, "icmp"}, Protocol{IPPROTO_ICMPV6, "icmpv6"},
                                   Protocol{IPPROTO_SCTP, "sctp"}};

// As the data plane reckons (mz_flow_ended).
bool has_ended(const mz_flow& f, std::uint32_t now) {
  return static_cast<std::int32_t>(now - f.seen) > static_cast<std::int32_t>(f.timeout);
}

}  // namespace

Result<std::uint32_t> parse_protocol(const std::string& text) {
  for (const Protocol& p : kProtocols)
    if (text == p.name) return p.number;
  std::uint32_t n = 0;
  const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (err != std::errc() || end != text.data() + text.size() || n > 255)
    return fail(Code::invalid_argument, "protocol '{}': give tcp, udp, icmp, icmpv6, sctp or 0..255", text);
  return n;
}

std::string protocol_text(std::uint32_t protocol) {
  for (const Protocol& p : kProtocols)
    if (protocol == p.number) return p.name;
  return fmt::to_string(protocol);
}

std::string flow_state_text(const mz_flow_key& key, const mz_flow& flow) {
  static constexpr std::array<std::pair<const char*, const char*>, MZ_FLOW_STATE_COUNT> texts = {{
#define X(name, tcp, other) {tcp, other},
      MZ_FLOW_STATES(X)
#undef X
  }};
  if (flow.state >= texts.size()) return "?";
  const bool handshakes = key.proto == IPPROTO_TCP || key.proto == IPPROTO_SCTP;
  return handshakes ? texts[flow.state].first : texts[flow.state].second;
}

bool FlowFilter::matches(const mz_flow_key& k, const mz_flow& f) const {
  if (vni && k.vni != *vni) return false;
  if (ifindex && f.ifindex != *ifindex) return false;
  if (address && Addr(k.local) != *address && Addr(k.remote) != *address) return false;
  if (protocol && k.proto != *protocol) return false;
  return !port || ntohs(k.local_port) == *port || ntohs(k.remote_port) == *port;
}

bool Flows::over(const mz_flow_key& key, const mz_flow& f, std::uint32_t now) const {
  if ((f.flags & MZ_FLOW_F_REVERSE) == 0) return has_ended(f, now);
  mz_flow_key behind = key;
  behind.remote = f.to;
  behind.remote_port = f.to_port;
  const auto flow = dp_.flows().get(behind);
  return !flow || (flow->flags & MZ_FLOW_F_NAT) == 0 || flow->to_port != key.remote_port ||
         Addr(flow->to) != Addr(key.remote) || has_ended(*flow, now);
}

// What is gone already is no error.
Result<> Flows::remove(const mz_flow_key& key) {
  auto rc = dp_.flows().erase(key);
  if (!rc && rc.error().code != Code::not_found) return rc;
  removed_ += rc ? 1 : 0;
  return {};
}

// Read once more: a packet may have come since the walk read it.
Result<bool> Flows::remove_if_ended(const mz_flow_key& key, const std::set<unsigned>& ports,
                                    std::uint32_t jiffies) {
  const auto f = dp_.flows().get(key);
  if (!f || (!over(key, *f, jiffies) && ports.contains(f->ifindex))) return false;
  MZ_CHECK(remove(key));
  return true;
}

// Twice in a row: a flow that was opened while the walk went on is not missed. The port
// is free when its second row goes, so that goes last.
Result<> Flows::end_mapping(mz_mapping_key key, mz_mapping m) {
  if (m.idle == 0) {
    m.idle = 1;
    return dp_.mappings().put(key, m);
  }
  const auto now = dp_.mappings().get(key);
  if (!now || now->idle == 0 || now->seen != m.seen) return {};  // a new flow came
  MZ_CHECK(dp_.mappings().erase(key));
  key.port = m.port;
  key.outside = 1;
  if (auto rc = dp_.mappings().erase(key); !rc && rc.error().code != Code::not_found) return rc;
  return {};
}

Result<> Flows::end_mappings() {
  for (TablePosition at; !at.end;) {
    auto some = dp_.mappings().next(at);
    if (!some) return tl::unexpected(some.error());
    for (const auto& [key, m] : *some)
      if (!key.outside && !mapped_.contains(key)) MZ_CHECK(end_mapping(key, m));
  }
  return {};
}

Result<> Flows::end_walk(const std::set<unsigned>& ports) {
  walk_.reset();
  MZ_CHECK(end_mappings());
  std::uint64_t found = 0;
  for (const auto& [ifindex, n] : counted_) found += n;
  for (const unsigned ifindex : ports) {
    const auto n = counted_.find(ifindex);
    MZ_CHECK(dp_.flow_use().put(ifindex % MZ_PORTS, n == counted_.end() ? 0 : n->second));
  }
  const auto stats = dp_.flow_stats();
  if (!stats) return tl::unexpected(stats.error());
  // What was opened and neither is there nor was removed has been pushed out.
  // Counted while packets come: only what cannot be chance is believed.
  if (opened_then_) {
    const std::uint64_t should = used_ + (stats->opened - *opened_then_);
    const std::uint64_t have = found + removed_;
    if (found * 2 > dp_.flows().capacity() && should > have) evicted_ += should - have;
  }
  opened_then_ = stats->opened;
  removed_ = 0;
  used_ = found;
  return {};
}

Result<> Flows::step(Clock::time_point now) {
  if (!walk_ && now < next_walk_) return {};
  if (!walk_) {
    walk_.emplace();
    counted_.clear();
    mapped_.clear();
    next_walk_ = now + kPause;
  }
  const auto jiffies = dp_.clock();
  if (!jiffies) return tl::unexpected(jiffies.error());
  auto some = dp_.flows().next(*walk_);
  if (!some) {
    walk_.reset();
    return tl::unexpected(some.error());
  }
  const auto ports = ports_();
  for (const auto& [key, f] : *some) {
    if (over(key, f, *jiffies) || !ports.contains(f.ifindex)) {
      auto gone = remove_if_ended(key, ports, *jiffies);
      if (!gone) return tl::unexpected(gone.error());
      if (*gone) continue;
    }
    counted_[f.ifindex]++;
    if ((f.flags & MZ_FLOW_F_SOURCE) != 0)
      mapped_.insert({key.vni, key.local, key.local_port, static_cast<__u8>(key.proto), 0});
  }
  return walk_->end ? end_walk(ports) : Result<>();
}

Result<Flows::Found> Flows::find(const FlowFilter& filter, std::size_t limit) const {
  Found found;
  const auto now = dp_.clock();
  if (!now) return tl::unexpected(now.error());
  for (TablePosition at; !at.end;) {
    auto some = dp_.flows().next(at);
    if (!some) return tl::unexpected(some.error());
    for (const Entry& e : *some) {
      if ((e.second.flags & MZ_FLOW_F_REVERSE) != 0) continue;  // its flow is there, too
      if (!filter.matches(e.first, e.second) || has_ended(e.second, *now)) continue;
      if (limit != 0 && found.flows.size() >= limit)
        found.more++;
      else
        found.flows.push_back(e);
    }
  }
  return found;
}

// An ended flow, too: its backend could bring it back. The entry that answers find goes
// first, or an answer in between would make the flow anew, with the same backend.
Result<std::vector<Flows::Entry>> Flows::forget_unless(const Serves& serves) {
  std::vector<Entry> forgotten;
  for (TablePosition at; !at.end;) {
    auto some = dp_.flows().next(at);
    if (!some) return tl::unexpected(some.error());
    for (const auto& [key, f] : *some) {
      if ((f.flags & MZ_FLOW_F_NAT) == 0 || serves(key, f)) continue;
      mz_flow_key answers = key;
      answers.remote = f.to;
      answers.remote_port = f.to_port;
      const auto behind = dp_.flows().get(answers);
      if (behind && (behind->flags & MZ_FLOW_F_REVERSE) != 0 && same_bytes(behind->to, key.remote) &&
          behind->to_port == key.remote_port)
        MZ_CHECK(remove(answers));
      MZ_CHECK(remove(key));
      forgotten.emplace_back(key, f);
    }
  }
  hurry();
  return forgotten;
}

Result<> Flows::forget_ports_unless(const KeepsPort& keeps) {
  for (TablePosition at; !at.end;) {
    auto some = dp_.flows().next(at);
    if (!some) return tl::unexpected(some.error());
    for (const auto& [key, f] : *some)
      if ((f.flags & MZ_FLOW_F_SOURCE) != 0 && !keeps.flow(key, f)) MZ_CHECK(remove(key));
  }
  for (TablePosition at; !at.end;) {
    auto some = dp_.mappings().next(at);
    if (!some) return tl::unexpected(some.error());
    for (const auto& [key, m] : *some)
      if (!keeps.mapping(key, m))
        if (auto rc = dp_.mappings().erase(key); !rc && rc.error().code != Code::not_found) return rc;
  }
  hurry();
  return {};
}

Result<std::uint64_t> Flows::flush(const FlowFilter& filter) {
  auto found = find(filter, 0);
  if (!found) return tl::unexpected(found.error());
  std::uint64_t n = 0;
  for (const auto& [key, f] : found->flows) {
    auto rc = dp_.flows().erase(key);
    if (!rc && rc.error().code != Code::not_found) return tl::unexpected(rc.error());
    n += rc ? 1 : 0;
  }
  removed_ += n;
  hurry();
  return n;
}

}  // namespace mizar
