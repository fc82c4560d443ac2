// SPDX-License-Identifier: Apache-2.0
// Qdiscs, taps and offloads against the running kernel.
#include "selftests/unit/net_fixture.h"
#include "userspace/net/offload.h"
#include "userspace/net/tap.h"

namespace mizar::net {
namespace {

// ---- qdiscs -----------------------------------------------------------------------

TEST_F(NetTest, RootQdisc) {
  const unsigned i = must(l_->add_veth(spec()));
  EXPECT_EQ(must(l_->root_qdisc(i)), "noop");
  ASSERT_OK(l_->set_link(i, {.up = true}));
  EXPECT_EQ(must(l_->root_qdisc(i)), "noqueue");
  for (unsigned limit : {100u, 200u, 0u}) {  // again and again
    ASSERT_OK(l_->set_root_qdisc(i, "pfifo", limit));
    EXPECT_EQ(must(l_->root_qdisc(i)), "pfifo");
  }
  for (int k = 0; k < 2; k++) {
    ASSERT_OK(l_->set_root_qdisc(i, "noqueue", 0));
    EXPECT_EQ(must(l_->root_qdisc(i)), "noqueue");
  }
  EXPECT_EQ(must(l_->link(i)).qdisc, "noqueue");
  auto limit = l_->set_root_qdisc(i, "noqueue", 5);
  ASSERT_FALSE(limit);
  EXPECT_EQ(code(limit), Code::invalid_argument);
  auto unknown = l_->set_root_qdisc(i, "no_such", 0);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(code(unknown), Code::unimplemented) << unknown.error().what;
  EXPECT_NE(unknown.error().what.find("no_such"), std::string::npos);
}

TEST_F(NetTest, FqWhereTheKernelHasIt) {
  const unsigned i = must(l_->add_veth(spec()));
  auto r = l_->set_root_qdisc(i, "fq", 1000);
  if (!r && r.error().code == Code::unimplemented) GTEST_SKIP() << r.error().what;
  ASSERT_OK(r);
  EXPECT_EQ(must(l_->root_qdisc(i)), "fq");
}

// ---- tap and offloads -------------------------------------------------------------

TEST_F(NetTest, Tap) {
  TapInfo first{}, again{};
  bool held = false;
  ASSERT_OK(run_in(*left_, [&]() -> Result<> {
    first = must(ensure_tap("tap0"));
    again = must(ensure_tap("tap0"));
    EXPECT_EQ(code(ensure_tap("tap0", {.multi_queue = true})), Code::already_exists);
    EXPECT_EQ(code(ensure_tap("lo")), Code::already_exists);
    EXPECT_EQ(code(ensure_tap("tap%d")), Code::invalid_argument);
    auto without = ensure_tap("tap0", {.vnet_hdr = false});
    EXPECT_TRUE(without && !without->created);
    held = ensure_tap("tap1", {.multi_queue = true, .owner = 1000}).has_value();
    return {};
  }));
  EXPECT_TRUE(first.created);
  EXPECT_FALSE(again.created);
  EXPECT_EQ(first.ifindex, again.ifindex);
  EXPECT_TRUE(held);
  const Link t = must(l_->link("tap0"));
  EXPECT_EQ(t.index, first.ifindex);
  EXPECT_EQ(t.kind, "tun");
  ASSERT_TRUE(t.tun);
  EXPECT_TRUE(t.tun->tap);
  EXPECT_TRUE(t.tun->persistent);
  EXPECT_FALSE(t.tun->vnet_hdr) << "the second call changed it";
  EXPECT_FALSE(t.tun->multi_queue);
  EXPECT_TRUE(must(l_->link("tap1")).tun->multi_queue);
  EXPECT_OK(l_->delete_link(t.index));
  EXPECT_EQ(code(l_->link("tap0")), Code::not_found);
}

TEST_F(NetTest, OffloadsReadAndSet) {
  must(l_->add_veth(spec()));
  const Ethtool e = must(Ethtool::open_in(*left_));
  EXPECT_EQ(must(e.driver("h0")), "veth");
  const struct {
    Offload what;
    bool Offloads::*field;
  } rows[] = {
      {Offload::gro, &Offloads::gro}, {Offload::gso, &Offloads::gso},
      {Offload::tso, &Offloads::tso}, {Offload::tx_csum, &Offloads::tx_csum},
      {Offload::sg, &Offloads::sg},
  };
  for (const auto& row : rows) {
    for (bool on : {true, false, true}) {
      ASSERT_OK(e.set("h0", row.what, on));
      EXPECT_EQ(must(e.get("h0")).*row.field, on) << static_cast<int>(row.what);
    }
  }
}

TEST_F(NetTest, FeaturesByName) {
  must(l_->add_veth(spec()));
  const Ethtool e = must(Ethtool::open_in(*left_));
  ASSERT_OK(e.set_feature("h0", "tx-tcp-segmentation", false));
  ASSERT_OK(e.set_feature("h0", "tx-tcp-ecn-segmentation", false));
  ASSERT_OK(e.set_feature("h0", "tx-tcp6-segmentation", false));
  ASSERT_OK(e.set_feature("h0", "tx-tcp-mangleid-segmentation", false));
  EXPECT_FALSE(must(e.get("h0")).tso) << "which is these four";
  ASSERT_OK(e.set_feature("h0", "tx-tcp-segmentation", true));
  EXPECT_TRUE(must(e.get("h0")).tso);
  ASSERT_OK(e.set_feature("h0", "tx-udp-segmentation", false));
  EXPECT_EQ(code(e.set_feature("h0", "tx-wonders", true)), Code::unimplemented);
  EXPECT_EQ(code(e.set_feature("none", "tx-udp-segmentation", true)), Code::not_found);
  EXPECT_EQ(code(e.set_feature("h0", "rx-all", true)), Code::failed_precondition) << "fixed";
}

TEST_F(NetTest, OffloadErrors) {
  must(l_->add_veth(spec()));
  const Ethtool e = must(Ethtool::open_in(*left_));
  EXPECT_EQ(code(e.get("eth0")), Code::not_found) << "it is in the other namespace";
  EXPECT_EQ(code(e.get("a-name-of-16-chr")), Code::invalid_argument);
  EXPECT_EQ(code(e.set("none", Offload::gro, true)), Code::not_found);
  EXPECT_EQ(code(e.driver("none")), Code::not_found);
  ASSERT_OK(e.set("h0", Offload::tx_csum, false));
  auto tso = e.set("h0", Offload::tso, true);
  ASSERT_FALSE(tso) << "tso needs tx checksums";
  EXPECT_EQ(code(tso), Code::failed_precondition) << tso.error().what;
  EXPECT_FALSE(must(e.get("h0")).tso);
}

}  // namespace
}  // namespace mizar::net
