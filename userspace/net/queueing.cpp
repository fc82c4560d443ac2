// SPDX-License-Identifier: Apache-2.0
// The writing half of queueing.h.
#include "userspace/net/queueing.h"

#include <netlink/utils.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "userspace/net/qdisc_wire.h"

namespace mizar::net {

namespace {

using wire::Message;
using wire::Qdisc;

// ---- places ---------------------------------------------------------------------------

constexpr unsigned kBestEffortMedium = 7;
constexpr unsigned kPriorities = TC_PRIO_MAX + 1;
using PriorityMap = std::array<std::uint8_t, kPriorities>;

// The level of each skb->priority; the host's 6 (interactive) and 7 (control) go first.
constexpr PriorityMap kLevelOf = {7, 7, 7, 7, 7, 7, 0, 0, 0, 1, 2, 3, 4, 5, 6, 8};

constexpr PriorityMap bands() {
  PriorityMap out{};
  for (unsigned p = 0; p < kPriorities; p++)
    out[p] = static_cast<std::uint8_t>(std::min<unsigned>(kLevelOf[p] / 3, wire::kBands - 1));
  out[4] = 1;  // TC_PRIO_INTERACTIVE_BULK of the host
  return out;
}
constexpr PriorityMap kBandOf = bands();

// ---- fq -----------------------------------------------------------------------------------

constexpr unsigned kDefaultLimit = 20000;
// The kernel's 100 would drop from a UDP flow that BPF gives times further and further off.
constexpr std::uint32_t kFlowLimit = 2048;
// Bytes of each band in a round: the kernel's 9:3:1, more for the first.
constexpr std::int32_t kWeights[wire::kBands] = {16 * 65536, 3 * 65536, 65536};

tc_prio_qopt priomap(int count, const PriorityMap& map) {
  tc_prio_qopt out{};
  out.bands = count;
  std::ranges::copy(map, out.priomap);
  return out;
}

void put_fq(Message& m, const QueueingSpec& spec) {
  m.nest(TCA_OPTIONS, [&] {
    m.put_u32(TCA_FQ_PLIMIT, spec.limit_packets != 0 ? spec.limit_packets : kDefaultLimit);
    m.put_u32(TCA_FQ_FLOW_PLIMIT, kFlowLimit);
    if (spec.kind != Queueing::fq_bands) return;
    const tc_prio_qopt map = priomap(wire::kBands, kBandOf);
    m.put(wire::kFqPriomap, &map, sizeof map);
    m.put(wire::kFqWeights, kWeights, sizeof kWeights);
  });
}

// ---- htb ----------------------------------------------------------------------------------

// Below, a burst would last longer than the kernel's ticks can count.
constexpr std::uint64_t kMinRate = 8000;
constexpr std::uint64_t kSuperpacket = kGsoDefault;
constexpr std::uint64_t kPacket = 1600;
constexpr std::uint64_t kTenMilliseconds = 100;  // of a second
constexpr std::uint64_t kMaxQuantum = 200000;    // HTB's own advice

std::uint64_t small_part(std::uint64_t rate) { return std::max(kMinRate, rate / 100); }

std::uint64_t bytes_in_10ms(std::uint64_t rate) { return rate / 8 / kTenMilliseconds; }

// Ticks of the kernel's packet scheduler that `bytes` take at `rate`.
std::uint32_t ticks_of(std::uint64_t bytes, std::uint64_t rate) {
  return nl_us2ticks(static_cast<std::uint32_t>(static_cast<double>(bytes) * 8e6 / static_cast<double>(rate)));
}

// What goes at once: 10 ms, for a timer that fires HZ times a second, or two superpackets.
std::uint32_t burst_ticks(std::uint64_t rate) { return ticks_of(std::max(bytes_in_10ms(rate), 2 * kSuperpacket), rate); }

tc_ratespec ratespec(std::uint64_t rate) {
  tc_ratespec out{};
  out.linklayer = TC_LINKLAYER_ETHERNET;  // said, or the kernel wants tables of tc's
  out.rate = static_cast<std::uint32_t>(std::min<std::uint64_t>(rate / 8, UINT32_MAX));
  return out;
}

struct HtbClass {
  unsigned minor, parent;
  std::uint64_t rate, ceil;  // bits a second
  std::uint32_t prio;
};

// Bytes that a queue sends before others of its prio have their turn: 2 ms of the link, which is
// what one waits for another. With less than a superpacket they would share by packets: on slow
// links the daemon keeps these to 1 ms.
std::uint32_t quantum_of(const HtbClass& c) {
  return static_cast<std::uint32_t>(std::clamp(c.ceil / 8 / 500, 2 * kPacket, kMaxQuantum));
}

bool is_level_queue(const HtbClass& c) { return c.minor >= wire::kHtbQueue; }
bool is_queue(const HtbClass& c) { return c.minor == wire::kHtbHost || is_level_queue(c); }

tc_htb_opt options_of(const HtbClass& c) {
  tc_htb_opt o{};
  o.rate = ratespec(c.rate);
  o.ceil = ratespec(c.ceil);
  o.buffer = is_level_queue(c) ? ticks_of(kPacket, c.rate) : burst_ticks(c.rate);
  o.cbuffer = burst_ticks(c.ceil);
  o.quantum = quantum_of(c);
  o.prio = c.prio;
  return o;
}

// Whether the class stands as it is wanted. Turns are the queues' own: the kernel keeps others'
// as they were made.
bool stands(const HtbClass& c, const Qdisc& is) {
  const auto o = is.option<tc_htb_opt>(TCA_HTB_PARMS);
  if (!o) return false;
  const tc_htb_opt want = options_of(c);
  return is.option<std::uint64_t>(TCA_HTB_RATE64).value_or(o->rate.rate) == c.rate / 8 &&
         is.option<std::uint64_t>(TCA_HTB_CEIL64).value_or(o->ceil.rate) == c.ceil / 8 && o->buffer == want.buffer &&
         o->cbuffer == want.cbuffer && (!is_queue(c) || (o->quantum == want.quantum && o->prio == want.prio));
}

Message class_message(unsigned ifindex, const HtbClass& c) {
  tcmsg h{};
  h.tcm_ifindex = static_cast<int>(ifindex);
  h.tcm_handle = wire::our_class(c.minor);
  h.tcm_parent = wire::our_class(c.parent);
  Message m(RTM_NEWTCLASS, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, h);
  m.put_text(TCA_KIND, "htb");
  m.nest(TCA_OPTIONS, [&] {
    const tc_htb_opt o = options_of(c);
    m.put(TCA_HTB_PARMS, &o, sizeof o);
    const std::uint64_t rate = c.rate / 8, ceil = c.ceil / 8;
    if (rate > UINT32_MAX) m.put(TCA_HTB_RATE64, &rate, sizeof rate);
    if (ceil > UINT32_MAX) m.put(TCA_HTB_CEIL64, &ceil, sizeof ceil);
  });
  return m;
}

// The link, the host's own packets, levels, and each one's queues, which share what it gets.
// With a rate of its own a queue goes before all that borrow: it is as small as may be, and its
// burst a packet.
std::vector<HtbClass> classes_of(const QueueingSpec& spec) {
  // Eight prios for nine levels: best effort high and medium share one.
  constexpr std::uint32_t kPrio[kLevels] = {0, 1, 2, 3, 4, 5, 6, 6, 7};
  std::vector<HtbClass> out = {{wire::kHtbTop, 0, spec.rate, spec.rate, 0},
                               {wire::kHtbHost, wire::kHtbTop, small_part(spec.rate), spec.rate, 0}};
  for (unsigned l = 0; l < kLevels; l++) {
    const std::uint64_t given = spec.guaranteed[l];
    const unsigned level = wire::kHtbLevel + l;
    out.push_back({level, wire::kHtbTop, given != 0 ? given : small_part(spec.rate), spec.rate, kPrio[l]});
    for (unsigned q = 0; q < kLevelQueues; q++)
      out.push_back({wire::kHtbQueue + l * kLevelQueues + q, level, kMinRate, spec.rate, kPrio[l]});
  }
  return out;
}

Result<> check_rates(const QueueingSpec& spec) {
  if (spec.kind != Queueing::htb) return {};
  if (spec.rate < kMinRate)
    return fail(Code::invalid_argument,
                "queueing htb: rate {} bit/s: give the link's, {} bit/s at least", spec.rate,
                kMinRate);
  std::uint64_t left = spec.rate;
  for (unsigned l = 0; l < kLevels; l++) {
    const std::uint64_t g = spec.guaranteed[l];
    if (g != 0 && g < kMinRate)
      return fail(Code::invalid_argument,
                  "queueing htb: level {}: {} bit/s guaranteed is below {} bit/s", l, g, kMinRate);
    if (g > left)
      return fail(Code::invalid_argument,
                  "queueing htb: guaranteed rates up to level {} are more than the link's {} "
                  "bit/s: lower them",
                  l, spec.rate);
    left -= g;
  }
  return {};
}

// ---- mqprio -----------------------------------------------------------------------------

tc_mqprio_qopt mqprio_layout(unsigned queues) {
  tc_mqprio_qopt o{};
  o.num_tc = wire::kBands;
  std::ranges::copy(kBandOf, o.prio_tc_map);
  for (unsigned b = 0; b < wire::kBands; b++) {
    const unsigned from = queues * b / wire::kBands, to = queues * (b + 1) / wire::kBands;
    o.offset[b] = static_cast<std::uint16_t>(from);
    o.count[b] = static_cast<std::uint16_t>(to - from);
  }
  return o;
}

// ---- one tree on one link -----------------------------------------------------------------

// The tree that `spec` asks for, and the messages that make it.
class Tree {
 public:
  Tree(Netlink& nl, unsigned ifindex, const QueueingSpec& spec, unsigned queues)
      : nl_(nl), ifindex_(ifindex), spec_(spec), queues_(queues) {}

  // Whether `root`, ours and of this kind, can become this tree as it stands.
  [[nodiscard]] bool fits(const Qdisc& root) const;
  // Whether the kernel changes such a root at all; what fits() needs no change then.
  [[nodiscard]] bool root_changes() const {
    return spec_.kind == Queueing::fq_bands || spec_.kind == Queueing::prio_fq;
  }
  Result<> put_root();
  Result<> put_children();

 private:
  Result<> put_qdisc(std::uint32_t parent, std::uint32_t handle, const char* kind,
                     const std::function<void(Message&)>& options);
  Result<> put_fqs(unsigned count);
  Result<> put_classes();
  Result<> check_bands();
  [[nodiscard]] std::string what() const {
    return fmt::format("link {}: set queueing {}", ifindex_, name_of(spec_.kind));
  }

  Netlink& nl_;
  unsigned ifindex_;
  const QueueingSpec& spec_;
  unsigned queues_;
};

bool Tree::fits(const Qdisc& root) const {
  if (spec_.kind == Queueing::htb) {
    const auto glob = root.option<tc_htb_glob>(TCA_HTB_INIT);
    return glob && glob->defcls == wire::kHtbHost;
  }
  if (spec_.kind != Queueing::mqprio_fq) return true;
  const tc_mqprio_qopt want = mqprio_layout(queues_);
  if (root.options.size() < sizeof want) return false;
  tc_mqprio_qopt is;
  std::memcpy(&is, root.options.data(), sizeof is);
  return is.num_tc == want.num_tc && std::ranges::equal(is.prio_tc_map, want.prio_tc_map) &&
         std::equal(want.count, want.count + wire::kBands, is.count) &&
         std::equal(want.offset, want.offset + wire::kBands, is.offset);
}

Result<> Tree::put_qdisc(std::uint32_t parent, std::uint32_t handle, const char* kind,
                         const std::function<void(Message&)>& options) {
  tcmsg h{};
  h.tcm_ifindex = static_cast<int>(ifindex_);
  h.tcm_parent = parent;
  h.tcm_handle = handle;
  // One of this kind that is there already is changed, not made anew.
  Message m(RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, h);
  m.put_text(TCA_KIND, kind);
  options(m);
  auto rc = wire::exchange(nl_.socket(), m, what());
  if (!rc && rc.error().sys == ENOENT) {  // a missing link is ENODEV
    Error e = rc.error();
    e.code = Code::unimplemented;
    e.what += fmt::format(": the kernel lacks {}", kind);
    return tl::unexpected(std::move(e));
  }
  return rc;
}

Result<> Tree::put_root() {
  const char* kind = wire::root_kind(spec_.kind);
  MZ_CHECK(put_qdisc(TC_H_ROOT, wire::kOurRoot, kind, [&](Message& m) {
    if (spec_.kind == Queueing::fq_bands) return put_fq(m, spec_);
    if (spec_.kind == Queueing::prio_fq) {
      const tc_prio_qopt o = priomap(kLevels, kLevelOf);
      return m.put(TCA_OPTIONS, &o, sizeof o);
    }
    if (spec_.kind == Queueing::mqprio_fq) {
      const tc_mqprio_qopt o = mqprio_layout(queues_);
      return m.put(TCA_OPTIONS, &o, sizeof o);
    }
    m.nest(TCA_OPTIONS, [&] {
      const tc_htb_glob o{.version = TC_HTB_PROTOVER,
                          .rate2quantum = 10,
                          .defcls = wire::kHtbHost,
                          .debug = 0,
                          .direct_pkts = 0};
      m.put(TCA_HTB_INIT, &o, sizeof o);
    });
  }));
  return spec_.kind == Queueing::fq_bands ? check_bands() : Result<>();
}

// An older kernel takes the bands without a word and has none.
Result<> Tree::check_bands() {
  auto root = wire::qdisc_at(nl_, ifindex_, TC_H_ROOT);
  if (!root) return tl::unexpected(root.error());
  if (*root && (*root)->option<tc_prio_qopt>(wire::kFqPriomap)) return {};
  return fail(Code::unimplemented, "{}: fq has no bands before Linux 6.7", what());
}

Result<> Tree::put_fqs(unsigned count) {
  for (unsigned i = 1; i <= count; i++)
    MZ_CHECK(put_qdisc(wire::our_class(i), 0, "fq", [&](Message& m) { put_fq(m, spec_); }));
  return {};
}

Result<> Tree::put_classes() {
  const std::uint64_t bytes = std::max(bytes_in_10ms(spec_.rate), 3 * kSuperpacket);
  const tc_fifo_qopt limit{
      .limit = static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, UINT32_MAX))};
  // There are some 300, and this is asked for with each endpoint that comes: what stands stays.
  auto classes = wire::classes_at(nl_, ifindex_);
  if (!classes) return tl::unexpected(classes.error());
  std::map<std::uint32_t, const Qdisc*> standing;
  for (const auto& c : *classes) standing[c.id] = &c.its;
  for (const HtbClass& c : classes_of(spec_)) {
    const auto at = standing.find(wire::our_class(c.minor));
    if (at != standing.end() && stands(c, *at->second)) continue;
    Message m = class_message(ifindex_, c);
    MZ_CHECK(wire::exchange(nl_.socket(), m, what()));
    if (!is_queue(c)) continue;
    MZ_CHECK(put_qdisc(wire::our_class(c.minor), 0, "bfifo",
                       [&](Message& q) { q.put(TCA_OPTIONS, &limit, sizeof limit); }));
  }
  return {};
}

Result<> Tree::put_children() {
  switch (spec_.kind) {
    case Queueing::prio_fq:
      return put_fqs(kLevels);
    case Queueing::mqprio_fq:
      return put_fqs(queues_);
    case Queueing::htb:
      return put_classes();
    default:
      return {};
  }
}

// ---- taking away ----------------------------------------------------------------------------

Result<> delete_root(Netlink& nl, unsigned ifindex, std::uint32_t handle) {
  tcmsg h{};
  h.tcm_ifindex = static_cast<int>(ifindex);
  h.tcm_parent = TC_H_ROOT;
  h.tcm_handle = handle;  // no other than what was looked at
  Message m(RTM_DELQDISC, NLM_F_ACK, h);
  return wire::exchange(nl.socket(), m, fmt::format("link {}: take its queueing away", ifindex));
}

Result<> apply(Netlink& nl, unsigned ifindex, const std::optional<Qdisc>& now,
               const QueueingSpec& spec) {
  unsigned queues = 0;
  if (spec.kind == Queueing::mqprio_fq) {
    auto n = tx_queues(nl, ifindex);
    if (!n) return tl::unexpected(n.error());
    queues = *n;
    if (queues < wire::kBands || queues >= wire::kMqprioClass)
      return fail(Code::failed_precondition,
                  "link {}: queueing mqprio-fq on {} tx queues: needs {} at least", ifindex, queues,
                  wire::kBands);
  }
  Tree tree(nl, ifindex, spec, queues);
  const bool live = now && now->tree() == spec.kind && tree.fits(*now);
  if (live) {
    if (tree.root_changes()) MZ_CHECK(tree.put_root());
    return tree.put_children();
  }
  // The kernel takes a handle for a change of what has it, and kinds do not change.
  if (now && now->handle == wire::kOurRoot) MZ_CHECK(delete_root(nl, ifindex, now->handle));
  auto rc = tree.put_root();
  if (rc) rc = tree.put_children();
  if (rc) return {};
  (void)clear_queueing(nl, ifindex);  // no half of a tree; there may be nothing
  return rc;
}

// ---- trying ---------------------------------------------------------------------------------

// Whether the kernel has what `spec` names, on a link that is free.
Result<bool> has(Netlink& nl, unsigned ifindex, const QueueingSpec& spec, unsigned queues) {
  auto rc = Tree(nl, ifindex, spec, queues).put_root();
  MZ_CHECK(clear_queueing(nl, ifindex));
  if (rc) return true;
  if (rc.error().code == Code::unimplemented) return false;
  return wrap(rc.error(), "probe queueing");
}

Result<QueueingSupport> probe_here() {
  constexpr unsigned kQueues = 4;
  auto nl = Netlink::open();
  if (!nl) return wrap(nl.error(), "probe queueing");
  VethSpec pair;
  pair.host_name = "probe0";
  pair.inner_name = "probe1";
  pair.queues = kQueues;
  auto made = nl->add_veth(pair);
  if (!made) return wrap(made.error(), "probe queueing");
  QueueingSupport out;
  const struct {
    Queueing kind;
    bool QueueingSupport::*found;
  } rows[] = {{Queueing::fq_bands, &QueueingSupport::fq_bands},
              {Queueing::prio_fq, &QueueingSupport::prio},
              {Queueing::mqprio_fq, &QueueingSupport::mqprio},
              {Queueing::htb, &QueueingSupport::htb}};
  for (const auto& row : rows) {
    const QueueingSpec spec{.kind = row.kind};
    auto r = has(*nl, *made, spec, kQueues);
    if (!r) return tl::unexpected(r.error());
    out.*row.found = *r;
  }
  auto fq = nl->set_root_qdisc(*made, "fq", 0);
  if (!fq && fq.error().code != Code::unimplemented) return wrap(fq.error(), "probe queueing");
  out.fq = fq.has_value();
  return out;
}

}  // namespace

const char* name_of(Queueing kind) {
  switch (kind) {
    case Queueing::fq_bands:
      return "fq-bands";
    case Queueing::mqprio_fq:
      return "mqprio-fq";
    case Queueing::prio_fq:
      return "prio-fq";
    case Queueing::htb:
      return "htb";
    case Queueing::none:
      break;
  }
  return "none";
}

std::optional<Queueing> queueing_named(const std::string& name) {
  for (const auto k : {Queueing::fq_bands, Queueing::mqprio_fq, Queueing::prio_fq, Queueing::htb, Queueing::none})
    if (name == name_of(k)) return k;
  return std::nullopt;
}

Queueing QueueingSupport::best() const { return choose_queueing(*this, 1); }

Queueing choose_queueing(const QueueingSupport& support, unsigned queues) {
  if (support.fq_bands) return Queueing::fq_bands;
  if (support.fq && support.mqprio && queues >= wire::kBands) return Queueing::mqprio_fq;
  if (support.fq && support.prio) return Queueing::prio_fq;
  return support.htb ? Queueing::htb : Queueing::none;
}

std::uint32_t queue_priority(Queueing kind, unsigned level) {
  if (level >= kLevels) level = kBestEffortMedium;
  if (kind == Queueing::htb) return wire::our_class(wire::kHtbQueue + level * kLevelQueues);
  constexpr std::uint32_t kPriority[kLevels] = {8, 9, 10, 11, 12, 13, 14, 0, 15};
  return kPriority[level];
}

Result<QueueingSupport> probe_queueing() {
  auto here = NetnsRef::current();
  if (!here) return tl::unexpected(here.error());
  QueueingSupport out;
  // The thread that does it, its socket and so the namespace end with the step.
  MZ_CHECK(run_in(*here, [&]() -> Result<> {
    if (::unshare(CLONE_NEWNET) != 0)
      return fail_errno(wire::code_of(errno), errno, "probe queueing: network namespace");
    auto found = probe_here();
    if (!found) return tl::unexpected(found.error());
    out = *found;
    return {};
  }));
  return out;
}

Result<> set_queueing(Netlink& nl, unsigned ifindex, const QueueingSpec& spec,
                      bool replace_foreign) {
  MZ_CHECK(check_rates(spec));
  auto now = wire::qdisc_at(nl, ifindex, TC_H_ROOT);
  if (!now) return tl::unexpected(now.error());
  const Qdisc* root = *now ? &**now : nullptr;
  const bool foreign = root && root->handle != 0 && !root->tree();
  if (foreign && !replace_foreign)
    return fail(
        Code::failed_precondition,
        "link {}: its root qdisc {} {:x}: is not ours: take it away, or allow to replace it",
        ifindex, root->kind, TC_H_MAJ(root->handle) >> 16);
  if (spec.kind != Queueing::none) return apply(nl, ifindex, *now, spec);
  return root && root->handle != 0 ? delete_root(nl, ifindex, root->handle) : Result<>();
}

Result<> clear_queueing(Netlink& nl, unsigned ifindex) {
  auto now = wire::qdisc_at(nl, ifindex, TC_H_ROOT);
  if (!now) return tl::unexpected(now.error());
  return *now && (*now)->tree() ? delete_root(nl, ifindex, wire::kOurRoot) : Result<>();
}

}  // namespace mizar::net
