// SPDX-License-Identifier: Apache-2.0
// The qdisc trees of userspace/net/queueing.h against the running kernel, with packets in
// them. Kinds that it lacks are skipped, and said so.
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <filesystem>
#include <map>

#include "selftests/unit/queueing_fixture.h"
#include "userspace/net/qdisc_wire.h"
#include "userspace/net/tap.h"

namespace mizar::net {
namespace {

INSTANTIATE_TEST_SUITE_P(Kinds, TreeTest, ::testing::ValuesIn(kTrees), kind_of);
INSTANTIATE_TEST_SUITE_P(Kinds, FqTreeTest, ::testing::ValuesIn(kTrees, kTrees + 3), kind_of);

// ---- numbers ----------------------------------------------------------------------

TEST(QueueingNumbers, PriorityOfALevel) {
  const struct {
    Queueing kind;
    std::array<std::uint32_t, kLevels + 1> want;
  } rows[] = {
      {Queueing::fq_bands, {8, 9, 10, 11, 12, 13, 14, 0, 15, 0}},
      {Queueing::mqprio_fq, {8, 9, 10, 11, 12, 13, 14, 0, 15, 0}},
      {Queueing::prio_fq, {8, 9, 10, 11, 12, 13, 14, 0, 15, 0}},
      {Queueing::none, {8, 9, 10, 11, 12, 13, 14, 0, 15, 0}},
      {Queueing::htb,
       {0x4d5a0100, 0x4d5a0120, 0x4d5a0140, 0x4d5a0160, 0x4d5a0180, 0x4d5a01a0, 0x4d5a01c0,
        0x4d5a01e0, 0x4d5a0200, 0x4d5a01e0}},
  };
  for (const auto& row : rows)
    for (unsigned l = 0; l <= kLevels; l++)
      EXPECT_EQ(queue_priority(row.kind, l), row.want[l]) << name_of(row.kind) << " " << l;
}

TEST(QueueingNumbers, Choice) {
  const struct {
    QueueingSupport has;
    unsigned queues;
    Queueing want;
  } rows[] = {
      {{true, true, true, true, true}, 8, Queueing::fq_bands},
      {{true, false, true, true, true}, 8, Queueing::mqprio_fq},
      {{true, false, true, true, true}, 3, Queueing::mqprio_fq},
      {{true, false, true, true, true}, 2, Queueing::prio_fq},
      {{true, false, true, false, true}, 8, Queueing::prio_fq},
      {{false, false, true, true, true}, 8, Queueing::htb},
      {{true, false, false, true, true}, 1, Queueing::htb},
      {{true, false, false, true, true}, 8, Queueing::mqprio_fq},
      {{false, false, true, true, false}, 8, Queueing::none},
      {{}, 8, Queueing::none},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(choose_queueing(row.has, row.queues), row.want) << &row - rows;
    EXPECT_EQ(row.has.best(), choose_queueing(row.has, 1)) << &row - rows;
  }
}

// ---- probe ------------------------------------------------------------------------

TEST_F(NetTest, ProbeLeavesNothing) {
  namespace fs = std::filesystem;
  const auto count = [](const char* folder) {
    return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
  };
  // A thread that was joined is still listed for a moment.
  const auto tasks = [&] {
    const auto limit = steady_clock::now() + std::chrono::seconds(1);
    while (count("/proc/self/task") > 1 && steady_clock::now() < limit) ::usleep(1000);
    return count("/proc/self/task");
  };
  must(probe_queueing());
  const auto files = count("/proc/self/fd"), threads = tasks();
  const auto names = count("/run/netns");
  QueueingSupport inside;
  std::size_t links = 0;
  ASSERT_OK(run_in(*left_, [&]() -> Result<> {
    inside = must(probe_queueing());
    links = must(must(Netlink::open()).links()).size();
    return {};
  }));
  EXPECT_EQ(links, 1u) << "lo alone";
  EXPECT_EQ(inside, support());
  EXPECT_EQ(count("/proc/self/fd"), files);
  EXPECT_EQ(tasks(), threads);
  EXPECT_EQ(count("/run/netns"), names);
  EXPECT_EQ(must(must(Netlink::open()).links()).size(), 1u);
  EXPECT_EQ(inside.best() == Queueing::none, !inside.htb && !inside.fq);
}

// tc tries the same, its own way.
TEST_F(QueueingTest, ProbeAgreesWithTc) {
  const struct {
    const char* root;
    bool has;
  } rows[] = {
      {"fq", support().fq},
      {"prio", support().prio},
      {"mqprio num_tc 1 map 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 queues 1@0 hw 0", support().mqprio},
      {"htb", support().htb},
  };
  for (const auto& row : rows) {
    const std::string said = tc(std::string("qdisc add dev h0 root ") + row.root);
    EXPECT_EQ(said.empty(), row.has) << row.root << ": " << said;
    if (said.empty()) {
      EXPECT_EQ(tc("qdisc del dev h0 root"), "");
    }
  }
}

std::size_t fqs_of(Queueing kind) {
  return kind == Queueing::fq_bands    ? 1
         : kind == Queueing::mqprio_fq ? kQueues
         : kind == Queueing::prio_fq   ? kLevels
                                       : 0;
}

// ---- trees ------------------------------------------------------------------------

TEST_P(TreeTest, SetReadBackClear) {
  const Queueing kind = GetParam();
  const QueueingState before = state();
  EXPECT_EQ(before.root, "noqueue");
  EXPECT_EQ(before.handle, 0u);
  EXPECT_FALSE(before.ours || before.foreign);
  for (int k = 0; k < 2; k++) {  // again is well
    set(spec_of(kind));
    const QueueingState s = state();
    EXPECT_EQ(s.handle, 0x4d5a0000u);
    EXPECT_TRUE(s.ours);
    EXPECT_FALSE(s.foreign);
    EXPECT_EQ(s.kind, kind);
    const std::string said = tc("qdisc show dev h0");
    EXPECT_TRUE(contains(said, "qdisc " + s.root + " 4d5a: root")) << said;
    EXPECT_EQ(times(said, "qdisc fq "), fqs_of(kind)) << said;
    EXPECT_EQ(times(said, "qdisc bfifo "), kind == Queueing::htb ? kLevels * kLevelQueues + 1 : 0) << said;
    EXPECT_EQ(s.fq.has_value(), kind != Queueing::htb);
    const bool banded = kind == Queueing::fq_bands || kind == Queueing::mqprio_fq;
    EXPECT_EQ(s.leaves.size(), banded ? 3 : kind == Queueing::htb ? kLevels + 1 : kLevels);
    for (unsigned l = 0; l < s.leaves.size(); l++) EXPECT_EQ(s.leaves[l].level_or_band, l);
  }
  ASSERT_OK(clear_queueing(*l_, i_));
  EXPECT_EQ(state().root, "noqueue");
  EXPECT_EQ(state().handle, 0u);
  EXPECT_EQ(must(l_->root_qdisc(i_)), "noqueue");
  ASSERT_OK(clear_queueing(*l_, i_));
  set(spec_of(kind));
  set(spec_of(Queueing::none));
  EXPECT_EQ(state().root, "noqueue");
}

TEST_P(TreeTest, LinkThatWasNeverUp) {
  ASSERT_OK(l_->delete_link(i_));
  VethSpec s = spec();
  s.queues = kQueues;
  i_ = must(l_->add_veth(s));
  EXPECT_EQ(state().root, "noop");
  ASSERT_OK(clear_queueing(*l_, i_));
  set(spec_of(GetParam()));
  EXPECT_EQ(state().kind, GetParam());
  ASSERT_OK(l_->set_link(i_, {.up = true}));
  EXPECT_EQ(state().kind, GetParam()) << "it stays as the link goes up";
}

// Another kind takes a tree's place, and gives it back.
TEST_P(TreeTest, OfAnotherKind) {
  for (Queueing other : kTrees) {
    if (!supported(other)) continue;
    for (Queueing kind : {GetParam(), other, GetParam()}) {
      set(spec_of(kind));
      EXPECT_EQ(state().kind, kind);
      EXPECT_TRUE(state().ours);
    }
  }
}

// Each priority lands in its place: those of the levels and the host's own.
TEST_P(TreeTest, Places) {
  const Queueing kind = GetParam();
  const bool banded = kind == Queueing::fq_bands || kind == Queueing::mqprio_fq;
  set(spec_of(kind));
  std::map<unsigned, std::uint64_t> want, got;
  const auto put = [&](std::uint32_t priority, unsigned level, unsigned band, int count) {
    // fq counts what waits in a band, so it all waits; mqprio and others what left.
    send(priority, count, milliseconds(kind == Queueing::fq_bands ? 3000 : 0));
    want[banded ? band : level] += static_cast<unsigned>(count);
  };
  constexpr unsigned kBandOfLevel[kLevels] = {0, 0, 0, 1, 1, 1, 2, 2, 2};
  int total = 0;
  for (unsigned l = 0; l < kLevels; l++) {
    put(queue_priority(kind, l), l, kBandOfLevel[l], 1 + static_cast<int>(l));
    total += 1 + static_cast<int>(l);
  }
  const unsigned host = kind == Queueing::htb ? kLevels : 7;
  const unsigned first = kind == Queueing::htb ? kLevels : 0;
  const struct {
    std::uint32_t priority;
    unsigned level, band;
  } rows[] = {{1, host, 2}, {2, host, 2},  {3, host, 2}, {4, host, 1},
              {5, host, 2}, {6, first, 0}, {7, first, 0}};
  for (const auto& row : rows) put(row.priority, row.level, row.band, 2);
  total += 2 * 7;
  for (const auto& leaf : state().leaves)
    got[leaf.level_or_band] = kind == Queueing::fq_bands ? leaf.backlog_packets : leaf.packets;
  EXPECT_EQ(receive(total), total);
  EXPECT_EQ(got, want);
  const auto s = state();
  EXPECT_EQ(s.total.packets, static_cast<std::uint64_t>(total));
  EXPECT_EQ(s.total.bytes, static_cast<std::uint64_t>(total) * (kPayload + 42));
  EXPECT_EQ(s.total.drops, 0u);
}

// A queue that holds packets is changed, and all of them come out. Each tree is filled its
// own way: HTB by a slow link, fq by a time on the packets.
TEST_P(TreeTest, LiveChangeLosesNothing) {
  const Queueing kind = GetParam();
  const bool shaped = kind == Queueing::htb;
  set(spec_of(kind, 64 * 1000));
  const int count = shaped ? 250 : 300;  // of 1,042 bytes: 128 KiB of burst, the rest waits
  send(queue_priority(kind, 1), count, milliseconds(shaped ? 0 : 3000));
  const auto waiting = state().total.backlog_packets;
  ASSERT_GT(waiting, 100u);
  QueueingSpec other = spec_of(kind, 80 * 1000);
  other.limit_packets = 5000;
  other.guaranteed[1] = shaped ? 40 * 1000 : 0;
  set(other);
  const auto now = state();
  EXPECT_GE(now.total.backlog_packets + 20, waiting) << "HTB sends ten a second meanwhile";
  EXPECT_EQ(now.total.drops, 0u);
  const std::string qdiscs = tc("qdisc show dev h0"), classes = tc("class show dev h0");
  EXPECT_TRUE(shaped ? contains(classes, "rate 40Kbit ceil 80Kbit")
                     : contains(qdiscs, "limit 5000p"))
      << qdiscs << classes;
  if (shaped) set(spec_of(kind, kGbit));
  EXPECT_EQ(receive(count), count);
  EXPECT_EQ(state().total.drops, 0u);
  EXPECT_EQ(state().total.backlog_packets, 0u);
}

// Earliest departure time: what BPF writes on a packet holds its flow and no other.
TEST_P(FqTreeTest, LeavesAtItsTime) {
  set(spec_of(GetParam()));
  const auto start = steady_clock::now();
  send(queue_priority(GetParam(), 4), 3, milliseconds(2000));
  const UniqueFd other = sender();
  send_from(other, queue_priority(GetParam(), 4), 1, milliseconds(0));
  send_from(other, queue_priority(GetParam(), 0), 1, milliseconds(0));
  EXPECT_EQ(receive(2), 2);
  EXPECT_LT(steady_clock::now() - start, milliseconds(1900)) << "they have no time to wait for";
  EXPECT_EQ(receive(3), 3);
  EXPECT_GE(steady_clock::now() - start, milliseconds(1999));
  const auto s = state();
  ASSERT_TRUE(s.fq);
  EXPECT_GT(s.fq->throttled, 0u);
  EXPECT_EQ(s.fq->beyond_horizon, 0u);
  send(queue_priority(GetParam(), 4), 1, std::chrono::seconds(20));
  EXPECT_EQ(state().fq->beyond_horizon, 1u);
}

// The default 100 packets of one flow would drop here.
TEST_P(FqTreeTest, FlowLimit) {
  set(spec_of(GetParam()));
  send(queue_priority(GetParam(), 7), 2048 + 5, milliseconds(9000));
  EXPECT_EQ(state().total.backlog_packets, 2048u);
  EXPECT_EQ(state().fq->flow_limit, 5u);
  EXPECT_EQ(state().total.drops, 5u);
}

TEST_P(TreeTest, ForeignIsRefusedAndUntouched) {
  for (const char* handle : {"77:", "4d5a:"}) {
    const std::string add = fmt::format("qdisc add dev h0 root handle {} pfifo limit 123", handle);
    ASSERT_EQ(tc(add), "");
    const std::string before = tc("qdisc show dev h0");
    auto r = set_queueing(*l_, i_, spec_of(GetParam()), false);
    ASSERT_FALSE(r);
    EXPECT_EQ(code(r), Code::failed_precondition);
    EXPECT_TRUE(contains(r.error().what, fmt::format("pfifo {}", handle))) << r.error().what;
    EXPECT_TRUE(contains(r.error().what, "allow")) << r.error().what;
    EXPECT_EQ(code(set_queueing(*l_, i_, {}, false)), Code::failed_precondition);
    ASSERT_OK(clear_queueing(*l_, i_));
    EXPECT_EQ(tc("qdisc show dev h0"), before);
    const auto s = state();
    EXPECT_TRUE(s.foreign);
    EXPECT_FALSE(s.ours);
    EXPECT_EQ(s.root, "pfifo");
    ASSERT_OK(set_queueing(*l_, i_, spec_of(GetParam()), true));
    EXPECT_EQ(state().kind, GetParam());
    EXPECT_TRUE(state().ours);
    ASSERT_OK(clear_queueing(*l_, i_));
  }
  ASSERT_EQ(tc("qdisc add dev h0 root handle 77: pfifo"), "");
  ASSERT_OK(set_queueing(*l_, i_, {}, true));  // none: the kernel's default
  EXPECT_EQ(state().root, "noqueue");
}

// What the kernel sets by itself is not foreign, and comes back.
TEST_P(TreeTest, KernelsDefaultOfATap) {
  for (const bool multi : {false, true}) {
    const char* name = multi ? "tap1" : "tap0";
    ASSERT_OK(run_in(*left_, [&]() -> Result<> {
      auto made = ensure_tap(name, {.multi_queue = multi});
      return made ? Result<>() : tl::unexpected(made.error());
    }));
    i_ = must(l_->link(name)).index;
    ASSERT_OK(l_->set_link(i_, {.up = true}));
    const QueueingState before = state();
    EXPECT_EQ(before.root == "mq", multi) << before.root;
    EXPECT_FALSE(before.foreign || before.ours);
    ASSERT_OK(clear_queueing(*l_, i_));
    if (GetParam() == Queueing::mqprio_fq) continue;  // one queue is in use, however many it has
    set(spec_of(GetParam()));
    EXPECT_EQ(state().kind, GetParam());
    ASSERT_OK(clear_queueing(*l_, i_));
    EXPECT_EQ(state().root, before.root);
    EXPECT_EQ(state().handle, 0u);
  }
}

// ---- one kind ---------------------------------------------------------------------

TEST_F(QueueingTest, HtbClasses) {
  QueueingSpec s = spec_of(Queueing::htb, 100 * kGbit);
  s.guaranteed[0] = 40 * kGbit;  // more than 32 bits of bytes a second
  s.guaranteed[7] = 10 * kMbit;
  set(s);
  EXPECT_TRUE(contains(tc("qdisc show dev h0"), "default 0x2")) << tc("qdisc show dev h0");
  const std::string classes = tc("-d class show dev h0");
  const struct {
    const char* id;
    const char* says;
  } rows[] = {
      {"4d5a:1 root", "rate 100Gbit ceil 100Gbit"},
      {"4d5a:2 parent 4d5a:1", "prio 0 quantum 200000 rate 1Gbit ceil 100Gbit"},
      {"4d5a:10 parent 4d5a:1", "rate 40Gbit ceil 100Gbit"},
      {"4d5a:11 parent 4d5a:1", "rate 1Gbit ceil 100Gbit"},
      {"4d5a:15 parent 4d5a:1", "rate 1Gbit ceil 100Gbit"},
      {"4d5a:16 parent 4d5a:1", "rate 1Gbit ceil 100Gbit"},
      {"4d5a:17 parent 4d5a:1", "rate 10Mbit ceil 100Gbit"},
      {"4d5a:18 parent 4d5a:1", "rate 1Gbit ceil 100Gbit"},
      {"4d5a:100 parent 4d5a:10", "prio 0 quantum 200000 rate 8Kbit ceil 100Gbit"},
      {"4d5a:11f parent 4d5a:10", "prio 0 quantum 200000 rate 8Kbit ceil 100Gbit"},
      {"4d5a:1a0 parent 4d5a:15", "prio 5 quantum 200000 rate 8Kbit ceil 100Gbit"},
      {"4d5a:1c0 parent 4d5a:16", "prio 6 quantum 200000 rate 8Kbit ceil 100Gbit"},
      {"4d5a:1e0 parent 4d5a:17", "prio 6 quantum 200000 rate 8Kbit ceil 100Gbit"},
      {"4d5a:200 parent 4d5a:18", "prio 7 quantum 200000 rate 8Kbit ceil 100Gbit"},
      {"4d5a:21f parent 4d5a:18", "prio 7 quantum 200000 rate 8Kbit ceil 100Gbit"},
  };
  for (const auto& row : rows) {
    const auto at = classes.find(std::string("class htb ") + row.id);
    ASSERT_NE(at, std::string::npos) << row.id << "\n" << classes;
    const std::string line = classes.substr(at, classes.find('\n', at) - at);
    EXPECT_TRUE(contains(line, row.says)) << line;
  }
  // Ten milliseconds of the link; of 10 Mbit/s a burst of two superpackets.
  EXPECT_TRUE(contains(tc("qdisc show dev h0"), "limit 125000000b")) << tc("qdisc show dev h0");
  EXPECT_TRUE(contains(classes, "rate 10Mbit ceil 100Gbit linklayer ethernet burst 128Kb"))
      << classes;
}

// A slow link takes what the ceiling lets through, from the burst on.
TEST_F(QueueingTest, HtbShapes) {
  set(spec_of(Queueing::htb, 4 * kMbit));  // 500,000 bytes a second, a burst of 131,072
  const auto start = steady_clock::now();
  send(queue_priority(Queueing::htb, 3), 300);  // 312,600 bytes: 181,528 wait, 363 ms
  EXPECT_EQ(receive(300), 300);
  const auto took = steady_clock::now() - start;
  EXPECT_GE(took, milliseconds(300));
  EXPECT_EQ(state().total.drops, 0u);
}

// What one sender has waiting is nothing to another of the same level.
TEST_F(QueueingTest, HtbQueuesShareALevel) {
  set(spec_of(Queueing::htb, 400 * 1000));  // the burst, 125 datagrams, and 48 a second
  const std::uint32_t first = queue_priority(Queueing::htb, 7), second = first + 1;
  send(first, 300);
  send(second, 20);
  EXPECT_EQ(receive(175), 175);
  EXPECT_EQ(came_[second], 20) << "of 50 beside " << came_[first] << " of the first";
  const auto leaves = state().leaves;
  EXPECT_GE(leaves.at(7).packets, 175u) << "both queues are the level's";
  EXPECT_GT(leaves.at(7).backlog_packets, 20u);
}

// Three hundred classes that stand are not written anew, and what somebody changed is.
TEST_F(QueueingTest, HtbOnlyWritesWhatDiffers) {
  UniqueFd told;
  ASSERT_OK(run_in(*left_, [&]() -> Result<> {
    told.reset(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    return {};
  }));
  const sockaddr_nl groups{.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = RTMGRP_TC};
  ASSERT_EQ(::bind(told.get(), reinterpret_cast<const sockaddr*>(&groups), sizeof groups), 0);
  option(told.get(), SO_RCVBUFFORCE, kPlenty);
  // Whoever asks for the root has that told to all, too.
  const auto changes = [&] {
    std::array<char, 8192> one;
    int n = 0;
    while (::recv(told.get(), one.data(), one.size(), 0) > 0) {
      const auto* about = static_cast<const tcmsg*>(NLMSG_DATA(reinterpret_cast<const nlmsghdr*>(one.data())));
      n += about->tcm_parent != TC_H_ROOT;
    }
    return n;
  };
  for (const std::uint64_t rate : {8 * kMbit, 100 * kGbit}) {
    QueueingSpec s = spec_of(Queueing::htb, rate);
    s.guaranteed[4] = rate / 4;
    set(s);
    EXPECT_GT(changes(), 500) << "classes and their queues";
    set(s);
    EXPECT_EQ(changes(), 0);
    s.guaranteed[4] = rate / 2;
    set(s);
    EXPECT_EQ(changes(), 1) << "the level";
  }
  ASSERT_EQ(tc("class change dev h0 parent 4d5a:10 classid 4d5a:101 htb rate 1mbit prio 3"), "");
  EXPECT_EQ(changes(), 1);
  QueueingSpec s = spec_of(Queueing::htb, 100 * kGbit);
  s.guaranteed[4] = 50 * kGbit;
  set(s);
  EXPECT_EQ(changes(), 2) << "the class, and its queue";
}

// A root of an older version of ours, with another default class, is made anew.
TEST_F(QueueingTest, HtbOfAnotherShape) {
  ASSERT_EQ(tc("qdisc add dev h0 root handle 4d5a: htb default 99"), "");
  set(spec_of(Queueing::htb));
  EXPECT_TRUE(contains(tc("qdisc show dev h0"), "default 0x2")) << tc("qdisc show dev h0");
}

TEST_F(QueueingTest, FqBands) {
  if (!support().fq) {
    GTEST_SKIP() << "the kernel has no fq: htb stands in";
  }
  if (!support().fq_bands) {  // taken silently and without effect: it must be noticed
    auto r = set_queueing(*l_, i_, spec_of(Queueing::fq_bands), false);
    EXPECT_EQ(code(r), Code::unimplemented);
    EXPECT_EQ(state().root, "noqueue");
    return;
  }
  set(spec_of(Queueing::fq_bands));
  const std::string said = tc("qdisc show dev h0");
  EXPECT_TRUE(contains(said, "limit 20000p flow_limit 2048p")) << said;
  EXPECT_TRUE(contains(said, "horizon 10s")) << said;
  // Older tcs do not show these.
  const auto root = must(wire::qdisc_at(*l_, i_, TC_H_ROOT));
  ASSERT_TRUE(root);
  using Weights = std::array<std::int32_t, 3>;
  EXPECT_EQ(root->option<Weights>(wire::kFqWeights), (Weights{1048576, 196608, 65536}));
}

TEST_F(QueueingTest, TxQueuesInUse) {
  EXPECT_EQ(must(tx_queues(*l_, i_)), kQueues);
  use_queues(5);
  EXPECT_EQ(must(tx_queues(*l_, i_)), 5u);
  EXPECT_EQ(must(tx_queues(*l_, must(l_->link("lo")).index)), 1u) << "its driver does not say";
}

TEST_F(QueueingTest, MqprioShares) {
  if (!support().fq || !support().mqprio) {
    GTEST_SKIP() << "the kernel has no fq: htb stands in";
  }
  const auto look = [&](const char* shares, unsigned queues) {
    set(spec_of(Queueing::mqprio_fq));
    const std::string said = tc("qdisc show dev h0");
    EXPECT_TRUE(contains(said, shares)) << said;
    for (unsigned q = 1; q <= queues; q++)
      EXPECT_TRUE(contains(said, fmt::format("parent 4d5a:{} limit 20000p", q))) << said;
  };
  look("queues:(0:1) (2:3) (4:6)", kQueues);
  use_queues(4);
  look("queues:(0:0) (1:1) (2:3)", 4);
}

TEST_F(QueueingTest, MqprioNeedsThreeQueues) {
  ASSERT_OK(l_->delete_link(i_));
  VethSpec s = spec();
  s.queues = 2;
  i_ = must(l_->add_veth(s));
  EXPECT_EQ(must(tx_queues(*l_, i_)), 2u);
  EXPECT_EQ(code(set_queueing(*l_, i_, spec_of(Queueing::mqprio_fq), false)),
            Code::failed_precondition);
  EXPECT_EQ(state().root, "noop");
}

// What the kernel lacks leaves the link as it was.
TEST_F(QueueingTest, KindThatTheKernelLacks) {
  ASSERT_EQ(tc("qdisc add dev h0 root handle 77: pfifo limit 123"), "");
  const std::string before = tc("qdisc show dev h0");
  int lacks = 0;
  for (Queueing kind : {Queueing::mqprio_fq, Queueing::prio_fq}) {
    if (supported(kind)) continue;
    lacks++;
    auto r = set_queueing(*l_, i_, spec_of(kind), true);
    ASSERT_FALSE(r);
    EXPECT_EQ(code(r), Code::unimplemented) << r.error().what;
    EXPECT_TRUE(contains(r.error().what, "lacks")) << r.error().what;
    EXPECT_EQ(tc("qdisc show dev h0"), before);
  }
  if (lacks == 0) {
    GTEST_SKIP() << "the kernel has them all";
  }
}

// ---- bad input --------------------------------------------------------------------

TEST_F(QueueingTest, BadInput) {
  QueueingSpec none = spec_of(Queueing::htb, 0), slow = spec_of(Queueing::htb, 7999);
  QueueingSpec sum = spec_of(Queueing::htb, 10 * kMbit), huge = sum, tiny = sum, fits = sum;
  sum.guaranteed = {5 * kMbit, 5 * kMbit, 8000};
  huge.guaranteed = {UINT64_MAX, 2};
  tiny.guaranteed[8] = 7999;
  fits.guaranteed = {5 * kMbit, 5 * kMbit};
  const struct {
    const QueueingSpec& spec;
    const char* says;
  } rows[] = {{none, "rate 0 bit/s"},
              {slow, "rate 7999 bit/s"},
              {sum, "level 2"},
              {huge, "level 0"},
              {tiny, "level 8"}};
  for (const auto& row : rows) {
    auto r = set_queueing(*l_, i_, row.spec, true);
    ASSERT_FALSE(r) << row.says;
    EXPECT_EQ(code(r), Code::invalid_argument) << r.error().what;
    EXPECT_TRUE(contains(r.error().what, row.says)) << r.error().what;
    EXPECT_EQ(state().root, "noqueue");
  }
  EXPECT_OK(set_queueing(*l_, i_, fits, false));
  EXPECT_OK(set_queueing(*l_, i_, spec_of(Queueing::htb, 8000), false));
}

TEST_F(QueueingTest, MissingLink) {
  const struct {
    unsigned ifindex;
    Code code;
  } rows[] = {{999, Code::not_found}, {0, Code::invalid_argument}};
  for (const auto& row : rows) {
    EXPECT_EQ(code(queueing(*l_, row.ifindex)), row.code);
    for (Queueing kind : kTrees)
      EXPECT_EQ(code(set_queueing(*l_, row.ifindex, spec_of(kind), false)), row.code);
    EXPECT_EQ(code(set_queueing(*l_, row.ifindex, {}, false)), row.code);
    EXPECT_EQ(code(clear_queueing(*l_, row.ifindex)), row.code);
    EXPECT_EQ(code(tx_queues(*l_, row.ifindex)), row.code);
    EXPECT_EQ(code(set_gso_max(*l_, row.ifindex, 0)), row.code);
    EXPECT_EQ(code(set_gso_max(*l_, row.ifindex, 9000)), row.code);
    EXPECT_EQ(code(gso_limits(*l_, row.ifindex)), row.code);
  }
}

// ---- the largest packet ---------------------------------------------------------------

TEST_F(QueueingTest, GsoMax) {
  constexpr int kGsoIpv4 = 63;  // IFLA_GSO_IPV4_MAX_SIZE
  std::uint32_t all = 0, v4 = 0;
  const auto read = [&] {
    ifinfomsg h{};
    h.ifi_index = static_cast<int>(i_);
    wire::Message m(RTM_GETLINK, 0, h);
    ASSERT_OK(wire::exchange(l_->socket(), m, "gso", [&](const nlmsghdr& a) {
      const wire::Attributes<ifinfomsg, kGsoIpv4> at(a);
      all = at.u32(IFLA_GSO_MAX_SIZE);
      v4 = at.u32(kGsoIpv4);
    }));
  };
  read();
  ASSERT_EQ(all, 65536u);
  const bool apart = v4 != 0;
  for (unsigned bytes : {16000u, 100000u, 65000u, 0u}) {
    ASSERT_OK(set_gso_max(*l_, i_, bytes));
    read();
    EXPECT_EQ(all, bytes != 0 ? std::min(bytes, 65536u) : 65536u) << "IPv6 would make jumbograms";
    EXPECT_EQ(v4, !apart ? 0 : bytes != 0 ? bytes : 65536u);
    EXPECT_EQ(must(gso_limits(*l_, i_)).ipv4, apart ? v4 : 65536u);
  }
  EXPECT_EQ(code(set_gso_max(*l_, i_, 1u << 30)), Code::invalid_argument);
  read();
  EXPECT_EQ(all, 65536u);
}

}  // namespace
}  // namespace mizar::net
