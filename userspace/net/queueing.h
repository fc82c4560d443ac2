// SPDX-License-Identifier: Apache-2.0
// The tree of qdiscs that sorts and times what leaves a link: nine levels, best first,
// and fq under them, which sends a packet at the time that BPF wrote on it (skb->tstamp:
// earliest departure time). Where the kernel has no fq, HTB shapes the link instead.
//
// Errors as in netlink.h. Common to all that take a link: not_found (no such link).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/net/netlink.h"

namespace mizar::net {

// What sorts and times the packets that leave a link, best first.
enum class Queueing {
  fq_bands,   // one fq of three bands (Linux 6.7)
  mqprio_fq,  // three groups of tx queues, an fq on each queue
  prio_fq,    // nine strict bands, an fq in each
  htb,        // nine classes with a rate, of 32 queues; times on packets mean nothing
  none,       // the kernel's default
};
const char* name_of(Queueing kind);  // "fq-bands", "mqprio-fq", "prio-fq", "htb", "none"
std::optional<Queueing> queueing_named(const std::string& name);
// Whether it keeps packets until the time that is written on them.
constexpr bool keeps_time(Queueing kind) { return kind != Queueing::htb && kind != Queueing::none; }

// Root handle "4d5a:" marks ours.
constexpr std::uint16_t kQueueingHandle = 0x4d5a;

struct QueueingSupport {
  bool fq = false;
  bool fq_bands = false;  // fq with bands: Linux 6.7
  bool prio = false;
  bool mqprio = false;
  bool htb = false;

  // For a link of one tx queue.
  [[nodiscard]] Queueing best() const;
  bool operator==(const QueueingSupport&) const = default;
};

// Tries each kind on a link of a network namespace of its own, which goes again: nothing
// real is touched. Loads the kernel's modules; some 10 ms once they are there.
// Errors: permission_denied (CAP_SYS_ADMIN, CAP_NET_ADMIN), resource_exhausted.
Result<QueueingSupport> probe_queueing();

// mqprio_fq needs three tx queues at least, and is taken before prio_fq then.
Queueing choose_queueing(const QueueingSupport& support, unsigned tx_queues);

// Tx queues in use; what the link was made with where its driver does not say.
Result<unsigned> tx_queues(Netlink& nl, unsigned ifindex);

// Levels: 0..8 = premium high, medium, low, expedited high, medium, low, best effort high,
// medium, low.
constexpr unsigned kLevels = 9;
// skb->priority that BPF gives a packet of `level`; of best effort medium for a level that
// is none. Where not HTB: 8..14, 0, 15; 0..7 are the host's own TC_PRIO_*. With HTB: the
// class of the level's first queue, which it takes straight from skb->priority; the others
// follow it.
std::uint32_t queue_priority(Queueing kind, unsigned level);

// With HTB a level is so many queues, each of which has an equal part: for as many senders.
// fq keeps each flow by itself.
constexpr unsigned kLevelQueues = 32;

struct QueueingSpec {
  Queueing kind = Queueing::none;
  // htb: bits a second of the link, 8,000 at least.
  std::uint64_t rate = 0;
  // htb: bits a second that a level has for sure; 0 = 1 % of the rate. Those that are given
  // must fit the rate. The host's own packets have 1 %, and go first.
  std::array<std::uint64_t, kLevels> guaranteed{};
  // fq, each one, each band of fq_bands; 0 = 20,000. A lower one on a live link drops what
  // is past it.
  unsigned limit_packets = 0;
};

struct QueueingState {
  struct Leaf {
    // htb, prio_fq: the level; kLevels: the host's own class of htb. fq_bands, mqprio_fq:
    // the band, 0..2 = premium, expedited, best effort.
    unsigned level_or_band = 0;
    // What left, and what was dropped. fq tells of a band drops and backlog_packets only.
    std::uint64_t packets = 0, bytes = 0, drops = 0;
    std::uint32_t backlog_bytes = 0, backlog_packets = 0;
  };
  // All fqs of the tree together.
  struct Fq {
    std::uint64_t throttled = 0;         // times a flow had to wait for its time
    std::uint64_t flow_limit = 0;        // packets dropped: too many of one flow
    std::uint64_t beyond_horizon = 0;    // packets dropped: to leave in more than 10 s
    std::uint32_t late_nanoseconds = 0;  // how late the timer wakes it of late; the worst fq
  };

  std::string root = {};     // kind, as `tc` says
  std::uint32_t handle = 0;  // 0 = the kernel's own default
  bool ours = false;
  bool foreign = false;  // a root somebody else set: handle not 0 and not ours
  Queueing kind = Queueing::none;
  Leaf total = {};  // the root's own counters
  std::vector<Leaf> leaves = {};
  std::optional<Fq> fq = std::nullopt;
};

// A handful of messages; one more for each fq of the tree.
Result<QueueingState> queueing(Netlink& nl, unsigned ifindex);

// Replaces the root. A foreign one is refused (failed_precondition) unless
// `replace_foreign`. Ours of the same kind is changed live and loses no packet, unless its
// tx queues are others by now (mqprio_fq); of another kind it goes first, so the link has
// the kernel's default for a moment, and keeps it when the new tree fails.
// Kind none: as clear_queueing(), but takes a foreign root away if it may.
// Errors: invalid_argument (rates), failed_precondition (foreign; mqprio_fq on fewer than
// three tx queues), unimplemented (the kernel lacks a part).
Result<> set_queueing(Netlink& nl, unsigned ifindex, const QueueingSpec& spec,
                      bool replace_foreign);

// Takes ours away: the kernel's default comes back. Nothing of ours there: success,
// untouched.
Result<> clear_queueing(Netlink& nl, unsigned ifindex);

inline constexpr unsigned kGsoDefault = 65536;  // GSO_LEGACY_MAX_SIZE

// Bytes of the largest superpackets, headers included.
struct GsoLimits {
  unsigned ipv4 = kGsoDefault;    // of TCP over IPv4: above the default "BIG TCP" (Linux 6.3)
  unsigned driver = kGsoDefault;  // what the driver can; where the kernel does not say, it is before 6.0
};
Result<GsoLimits> gso_limits(Netlink& nl, unsigned ifindex);

// Sets that of TCP over IPv4, and that of all else where `bytes` are no more than 65,536: what is larger would be a
// jumbogram with IPv6 (RFC 2675). 0 = the kernel's default: 65,536, or what the driver can if that
// is less. Error: invalid_argument (more than the driver's limit).
Result<> set_gso_max(Netlink& nl, unsigned ifindex, unsigned bytes);

}  // namespace mizar::net
