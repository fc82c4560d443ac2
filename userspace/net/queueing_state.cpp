// SPDX-License-Identifier: Apache-2.0
// The reading half of queueing.h.
#include <linux/ethtool.h>
#include <linux/gen_stats.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "userspace/net/qdisc_wire.h"
#include "userspace/net/queueing.h"

namespace mizar::net {

namespace wire {

namespace {

constexpr int kPackets64 = 8;  // TCA_STATS_PKT64, Linux 5.5

std::vector<std::byte> bytes_of(nlattr* a) {
  if (!a) return {};
  const auto* data = static_cast<const std::byte*>(nla_data(a));
  return {data, data + nla_len(a)};
}

template <class T>
T value_of(nlattr* a) {  // a shorter one of an older kernel ends in zeros
  T out{};
  if (a) std::memcpy(&out, nla_data(a), std::min<std::size_t>(sizeof out, nla_len(a)));
  return out;
}

// The counters of a qdisc or a class.
void read_counts(nlattr* stats, QueueingState::Leaf& out, std::vector<std::byte>* more) {
  std::array<nlattr*, kPackets64 + 1> at{};
  if (!stats || nla_parse_nested(at.data(), kPackets64, stats, nullptr) < 0) return;
  const auto sent = value_of<gnet_stats_basic>(at[TCA_STATS_BASIC]);
  const auto queue = value_of<gnet_stats_queue>(at[TCA_STATS_QUEUE]);
  out.bytes = sent.bytes;
  out.packets = at[kPackets64] ? value_of<std::uint64_t>(at[kPackets64]) : sent.packets;
  out.drops = queue.drops;
  out.backlog_bytes = queue.backlog;
  out.backlog_packets = queue.qlen;
  if (more) *more = bytes_of(at[TCA_STATS_APP]);
}

tcmsg header_of(unsigned ifindex, std::uint32_t parent) {
  tcmsg h{};
  h.tcm_family = AF_UNSPEC;
  h.tcm_ifindex = static_cast<int>(ifindex);
  h.tcm_parent = parent;
  return h;
}

}  // namespace

const char* root_kind(Queueing kind) {
  switch (kind) {
    case Queueing::fq_bands:
      return "fq";
    case Queueing::mqprio_fq:
      return "mqprio";
    case Queueing::prio_fq:
      return "prio";
    case Queueing::htb:
      return "htb";
    case Queueing::none:
      break;
  }
  return nullptr;
}

std::optional<Queueing> Qdisc::tree() const {
  if (handle != kOurRoot) return std::nullopt;
  for (Queueing k : {Queueing::fq_bands, Queueing::mqprio_fq, Queueing::prio_fq, Queueing::htb})
    if (kind == root_kind(k)) return k;
  return std::nullopt;
}

std::vector<std::byte> Qdisc::option_bytes(int type) const {
  auto* first = reinterpret_cast<nlattr*>(const_cast<std::byte*>(options.data()));
  return bytes_of(nla_find(first, static_cast<int>(options.size()), type));
}

Result<std::optional<Qdisc>> qdisc_at(Netlink& nl, unsigned ifindex, std::uint32_t parent) {
  if (ifindex == 0) return fail(Code::invalid_argument, "link index 0 is no link");
  // Before Linux 6.8 the answer goes to who listens, and to who asks only as an echo; the
  // acknowledgement ends it where there is nothing to tell.
  Message m(RTM_GETQDISC, NLM_F_ACK | NLM_F_ECHO, header_of(ifindex, parent));
  std::optional<Qdisc> out;
  MZ_CHECK(exchange(nl.socket(), m, fmt::format("link {}: read queueing", ifindex),
                    [&](const nlmsghdr& h) {
                      const Attributes<tcmsg, TCA_MAX> at(h);
                      if (h.nlmsg_type != RTM_NEWQDISC || !at.valid()) return;
                      out.emplace();
                      out->kind = at.text(TCA_KIND);
                      out->handle = at.header().tcm_handle;
                      out->options = bytes_of(at[TCA_OPTIONS]);
                      read_counts(at[TCA_STATS2], out->counts, &out->more);
                    }));
  return out;
}

Result<std::vector<Class>> classes_at(Netlink& nl, unsigned ifindex) {
  std::vector<Class> out;
  Message m(RTM_GETTCLASS, NLM_F_DUMP, header_of(ifindex, kOurRoot));
  MZ_CHECK(exchange(nl.socket(), m, fmt::format("link {}: read queueing classes", ifindex), [&](const nlmsghdr& h) {
    const Attributes<tcmsg, TCA_MAX> at(h);
    if (!at.valid() || TC_H_MAJ(at.header().tcm_handle) != kOurRoot) return;
    Class& c = out.emplace_back();
    c.id = at.header().tcm_handle;
    c.its.options = bytes_of(at[TCA_OPTIONS]);
    read_counts(at[TCA_STATS2], c.its.counts, nullptr);
  }));
  return out;
}

}  // namespace wire

namespace {

using wire::Message;
using wire::Qdisc;

// tc_fq_qd_stats as of Linux 6.7; older ones end sooner.
struct FqStats {
  tc_fq_qd_stats old;
  std::uint64_t fastpath_packets;
  std::uint64_t band_drops[wire::kBands];
  std::uint32_t band_packets[wire::kBands];
};

FqStats fq_stats(const Qdisc& q) {
  FqStats out{};
  std::memcpy(&out, q.more.data(), std::min(sizeof out, q.more.size()));
  return out;
}

void add_fq(const Qdisc& q, std::optional<QueueingState::Fq>& sum) {
  if (q.kind != "fq") return;
  if (!sum) sum.emplace();
  const auto s = fq_stats(q).old;
  sum->throttled += s.throttled;
  sum->flow_limit += s.flows_plimit;
  sum->beyond_horizon += s.horizon_drops;
  sum->late_nanoseconds = std::max(sum->late_nanoseconds, s.unthrottle_latency_ns);
}

// Which level or band a class of ours is of; none of what stands between.
std::optional<unsigned> place_of(Queueing kind, std::uint32_t classid) {
  const unsigned minor = TC_H_MIN(classid);
  const auto from = [&](unsigned first, unsigned count) -> std::optional<unsigned> {
    if (minor >= first && minor < first + count) return minor - first;
    return std::nullopt;
  };
  switch (kind) {
    case Queueing::htb:
      if (minor == wire::kHtbHost) return kLevels;
      if (const auto queue = from(wire::kHtbQueue, kLevels * kLevelQueues)) return *queue / kLevelQueues;
      return std::nullopt;
    case Queueing::prio_fq:
      return from(1, kLevels);
    case Queueing::mqprio_fq:
      return from(wire::kMqprioClass, wire::kBands);
    default:
      return std::nullopt;
  }
}

void add(const QueueingState::Leaf& queue, QueueingState::Leaf& sum) {
  sum.packets += queue.packets;
  sum.bytes += queue.bytes;
  sum.drops += queue.drops;
  sum.backlog_bytes += queue.backlog_bytes;
  sum.backlog_packets += queue.backlog_packets;
}

Result<> read_classes(Netlink& nl, unsigned ifindex, QueueingState& s) {
  auto classes = wire::classes_at(nl, ifindex);
  if (!classes) return tl::unexpected(classes.error());
  std::map<unsigned, QueueingState::Leaf> at_place;
  for (const auto& c : *classes) {
    const auto place = place_of(s.kind, c.id);
    if (!place) continue;
    auto& sum = at_place[*place];
    sum.level_or_band = *place;
    add(c.its.counts, sum);
  }
  for (const auto& [place, sum] : at_place) s.leaves.push_back(sum);
  return {};
}

// The fqs on the classes 1..count of the root.
Result<> read_fqs(Netlink& nl, unsigned ifindex, unsigned count, QueueingState& s) {
  for (unsigned i = 1; i <= count; i++) {
    auto q = wire::qdisc_at(nl, ifindex, wire::our_class(i));
    if (!q && q.error().sys == ENOENT) continue;  // somebody made the tree smaller
    if (!q) return tl::unexpected(q.error());
    if (*q) add_fq(**q, s.fq);
  }
  return {};
}

void read_bands(const Qdisc& root, QueueingState& s) {
  if (root.more.size() < sizeof(FqStats)) return;
  const FqStats f = fq_stats(root);
  for (unsigned b = 0; b < wire::kBands; b++)
    s.leaves.push_back(
        {.level_or_band = b, .drops = f.band_drops[b], .backlog_packets = f.band_packets[b]});
}

Result<> read_tree(Netlink& nl, unsigned ifindex, const Qdisc& root, QueueingState& s) {
  if (s.kind == Queueing::fq_bands) {
    add_fq(root, s.fq);
    read_bands(root, s);
    return {};
  }
  MZ_CHECK(read_classes(nl, ifindex, s));
  if (s.kind == Queueing::prio_fq) return read_fqs(nl, ifindex, kLevels, s);
  if (s.kind != Queueing::mqprio_fq) return {};
  auto queues = tx_queues(nl, ifindex);
  if (!queues) return tl::unexpected(queues.error());
  return read_fqs(nl, ifindex, *queues, s);
}

}  // namespace

Result<QueueingState> queueing(Netlink& nl, unsigned ifindex) {
  auto root = wire::qdisc_at(nl, ifindex, TC_H_ROOT);
  if (!root) return tl::unexpected(root.error());
  QueueingState s;
  if (!*root) {  // built in: only the link's own answer names it
    auto l = nl.link(ifindex);
    if (!l) return tl::unexpected(l.error());
    s.root = l->qdisc;
    return s;
  }
  const Qdisc& q = **root;
  s.root = q.kind;
  s.handle = q.handle;
  s.total = q.counts;
  const auto tree = q.tree();
  s.ours = tree.has_value();
  s.foreign = s.handle != 0 && !s.ours;
  if (!tree) return s;
  s.kind = *tree;
  MZ_CHECK(read_tree(nl, ifindex, q, s));
  return s;
}

Result<unsigned> tx_queues(Netlink& nl, unsigned ifindex) {
  auto l = nl.link(ifindex);
  if (!l) return tl::unexpected(l.error());
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  ifreq req{};
  l->name.copy(req.ifr_name, IFNAMSIZ - 1);
  req.ifr_data = reinterpret_cast<char*>(&channels);
  // Any socket of the link's namespace will do.
  if (::ioctl(nl_socket_get_fd(nl.socket()), SIOCETHTOOL, &req) == 0 &&
      channels.tx_count + channels.combined_count != 0)
    return channels.tx_count + channels.combined_count;
  ifinfomsg h{};
  h.ifi_index = static_cast<int>(ifindex);
  Message m(RTM_GETLINK, 0, h);
  unsigned made = 1;
  MZ_CHECK(wire::exchange(nl.socket(), m, fmt::format("link {}: tx queues", ifindex),
                          [&](const nlmsghdr& a) {
                            const wire::Attributes<ifinfomsg, IFLA_MAX> at(a);
                            if (at.valid()) made = std::max(1u, at.u32(IFLA_NUM_TX_QUEUES));
                          }));
  return made;
}

}  // namespace mizar::net
