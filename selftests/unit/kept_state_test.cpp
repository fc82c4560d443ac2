// SPDX-License-Identifier: Apache-2.0
// What is kept in a smaller form says what it said: goal states, and values that few have.
#include "userspace/transitd/kept_state.h"

#include <gtest/gtest.h>

#include <google/protobuf/util/message_differencer.h>

#include "userspace/base/rare.h"

namespace mizar {
namespace {

using google::protobuf::util::MessageDifferencer;

v1::GoalState state(const char* host, std::initializer_list<const char*> endpoints) {
  v1::GoalState s;
  s.set_host(host);
  s.set_revision(7);
  s.add_vpcs()->set_name("red");
  for (const char* name : endpoints) {
    auto* e = s.add_endpoints();
    e->set_vpc("red");
    e->set_name(name);
    (*e->mutable_labels())["app"] = name;
  }
  return s;
}

TEST(KeptState, SaysWhatItWasMadeOf) {
  const auto said = state("w1", {"a", "b"});
  const KeptState kept(said);
  EXPECT_TRUE(MessageDifferencer::Equals(kept.all(), said));
  EXPECT_EQ(kept.endpoints(), 2);
  EXPECT_EQ(kept.rest().endpoints_size(), 0);
  EXPECT_EQ(kept.rest().revision(), 7u);
}

TEST(KeptState, EmptyIsEmpty) {
  EXPECT_TRUE(MessageDifferencer::Equals(KeptState().all(), v1::GoalState()));
  EXPECT_EQ(KeptState().endpoints(), 0);
}

TEST(KeptState, AddsItsEndpointsBehindOthers) {
  auto all = state("w1", {"a"});
  KeptState(state("w1", {"b", "c"})).add_endpoints_to(all);
  ASSERT_EQ(all.endpoints_size(), 3);
  EXPECT_EQ(all.endpoints(0).name(), "a");
  EXPECT_EQ(all.endpoints(2).name(), "c");
  EXPECT_EQ(all.endpoints(2).labels().at("app"), "c");
  EXPECT_EQ(all.vpcs_size(), 1);
}

// As transitd's store had it before, and has it.
TEST(KeptState, IsStoredAsTheMessage) {
  const auto applied = state("w1", {"a", "b"}), added = state("", {"c"});
  v1::StoredGoal read;
  ASSERT_TRUE(read.ParseFromString(KeptState::stored(KeptState(applied), KeptState(added))));
  EXPECT_TRUE(MessageDifferencer::Equals(read.applied(), applied));
  EXPECT_TRUE(MessageDifferencer::Equals(read.added(), added));
}

TEST(Rare, IsItsValue) {
  const Rare<std::string> none, same(std::string{}), some(std::string("x"));
  EXPECT_EQ(*none, "");
  EXPECT_TRUE(none == same);
  EXPECT_FALSE(none == some);
  EXPECT_TRUE(some == Rare<std::string>(std::string("x")));
}

TEST(Rare, IsCopiedAsItsValue) {
  Rare<std::string> a(std::string("x"));
  const Rare<std::string> b = a;
  a = std::string("y");
  EXPECT_EQ(*b, "x");
  EXPECT_EQ(*a, "y");
  a = Rare<std::string>();
  EXPECT_EQ(*a, "");
}

}  // namespace
}  // namespace mizar
