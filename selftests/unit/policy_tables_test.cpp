// SPDX-License-Identifier: Apache-2.0
// Groups of policy in tables: whole or not at all, and nothing left behind.
#include "userspace/transitd/policy_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "userspace/dataplane/fake_dataplane.h"

using namespace mizar;
using ::testing::HasSubstr;

namespace {

// A list of three rules: label set 5 fits the first, 10.0.0.0/8 the second, all the third.
policy::List a_list() {
  policy::List l;
  l.rules = {{MZ_POLICY_ALLOW, 0, {}}, {MZ_POLICY_PASS, 2, {}}, {MZ_POLICY_DENY, 0, {}}};
  l.vectors = {{0b100}, {0b101}, {0b110}, {0b111}, {0}};
  l.label = 0;
  l.block = 1;
  l.port = 3;
  l.labels = {{5, 3}, {9, 4}};
  l.blocks = {{*Prefix::parse("10.0.0.0/8"), 3}};
  l.ports = {{6, 80, 16, 1}, {17, 0, 0, 2}};
  return l;
}

policy::Group a_group() {
  policy::Group g;
  g.list[MZ_POLICY_IN] = a_list();
  g.list[MZ_POLICY_OUT] = a_list();
  return g;
}

policy::Group a_row_of_each() {
  policy::Group g;
  policy::List& l = g.list[MZ_POLICY_IN];
  l.rules = {{MZ_POLICY_ALLOW, 0, {}}};
  l.vectors = {{0}};
  l.labels = {{5, 0}};
  l.blocks = {{*Prefix::parse("10.0.0.0/8"), 0}};
  l.ports = {{6, 80, 16, 0}};
  return g;
}

std::size_t rows(FakeDataplane& dp) {
  return dp.policies().entries()->size() + dp.policy_labels().entries()->size() + dp.policy_blocks().entries()->size() +
         dp.policy_ports().entries()->size() + dp.policy_rules().entries()->size() + dp.policy_vectors().entries()->size();
}

TEST(PolicyTables, AGroupIsWrittenAsThePacketsReadIt) {
  FakeDataplane dp;
  PolicyTables tables(dp);
  const auto n = tables.put(a_group());
  ASSERT_TRUE(n) << n.error().what;
  const auto row = dp.policies().get(*n);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->list[MZ_POLICY_TO].rules, 0u);
  const std::uint32_t in = MZ_POLICY_LIST(*n, MZ_POLICY_IN), out = MZ_POLICY_LIST(*n, MZ_POLICY_OUT);
  EXPECT_EQ(row->list[MZ_POLICY_IN].rules, 3u);
  EXPECT_EQ(dp.policy_vectors().get(row->list[MZ_POLICY_IN].label)->word[0], 0b100u);
  EXPECT_EQ(dp.policy_vectors().get(row->list[MZ_POLICY_IN].label)->words, 1u);
  const std::uint32_t all = row->list[MZ_POLICY_IN].port;
  EXPECT_EQ(dp.policy_vectors().get(all)->word[0], 0b111u);
  EXPECT_EQ(dp.policy_labels().get({in, 5}), all);
  EXPECT_EQ(dp.policy_labels().get({out, 5}), all);  // one vector for both lists
  EXPECT_EQ(dp.policy_labels().get({in, 9}), 0u);    // nothing fits: no vector
  EXPECT_EQ(dp.policy_blocks().get({32 + 96 + 8, __builtin_bswap32(in), Addr::v4(0x0a000000).abi()}), all);
  EXPECT_TRUE(dp.policy_ports().get({32 + 16 + 16, __builtin_bswap32(in), __builtin_bswap16(6), __builtin_bswap16(80)}));
  EXPECT_TRUE(dp.policy_ports().get({32 + 16, __builtin_bswap32(out), __builtin_bswap16(17), 0}));
  EXPECT_EQ(dp.policy_rules().get({in, 1})->verdict, std::uint32_t{MZ_POLICY_PASS});
  EXPECT_EQ(dp.policy_rules().get({in, 1})->next, 2u);
  EXPECT_EQ(dp.policy_vectors().entries()->size(), 4u);
}

TEST(PolicyTables, VectorsStayAsLongAsSomeGroupHoldsThem) {
  TableSizes sizes;
  sizes.policy_vectors = 4;  // of one group, and of two that are alike
  FakeDataplane dp(sizes);
  PolicyTables tables(dp);
  const auto one = tables.put(a_group());
  const std::size_t with_one = rows(dp);
  const auto two = tables.put(a_group());
  ASSERT_TRUE(one && two);
  EXPECT_NE(*one, *two);
  EXPECT_EQ(dp.policy_vectors().entries()->size(), 4u);
  ASSERT_TRUE(tables.erase(*one));
  EXPECT_EQ(rows(dp), with_one);
  EXPECT_FALSE(dp.policies().get(*one));
  ASSERT_TRUE(tables.erase(*two));
  EXPECT_EQ(rows(dp), 0u);
  const auto gone = tables.erase(*two);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, Code::not_found);
  EXPECT_GT(*tables.put(a_group()), *two);  // no number twice
}

TEST(PolicyTables, WhatDoesNotFitLeavesNothing) {
  const struct {
    const char* table;
    const char* option;
    void (*make_small)(TableSizes&);
  } all[] = {{"mz_policies", "--max-policies", [](TableSizes& s) { s.policies = 1; }},
             {"mz_policy_", "--max-policy-rows", [](TableSizes& s) { s.policy_rows = 8; }},
             {"mz_policy_vectors", "--max-policy-vectors", [](TableSizes& s) { s.policy_vectors = 4; }}};
  for (const auto& c : all) {
    TableSizes sizes;
    c.make_small(sizes);
    FakeDataplane dp(sizes);
    PolicyTables tables(dp);
    ASSERT_TRUE(tables.put(a_group())) << c.table;
    const std::size_t before = rows(dp);
    policy::Group other = a_group();
    other.list[MZ_POLICY_IN].vectors.push_back({0b1000});
    const auto full = tables.put(other);
    ASSERT_FALSE(full) << c.table;
    EXPECT_EQ(full.error().code, Code::resource_exhausted);
    EXPECT_THAT(full.error().what, HasSubstr(c.table));
    EXPECT_THAT(full.error().what, HasSubstr(c.option));
    EXPECT_EQ(rows(dp), before) << c.table;
  }
}

TEST(PolicyTables, AWriteThatFailsLeavesNothing) {
  for (int n = 1; n < 4; n++) {
    FakeDataplane dp;
    PolicyTables tables(dp);
    dp.policy_rules().fail_next = n;
    EXPECT_FALSE(tables.put(a_group()));
    EXPECT_EQ(rows(dp), 0u);
    EXPECT_TRUE(tables.put(a_group()));
  }
  FakeDataplane dp;
  PolicyTables tables(dp);
  dp.policies().fail_next = 1;
  EXPECT_FALSE(tables.put(a_group()));
  EXPECT_EQ(rows(dp), 0u);
}

// Whichever erase fails, the next try takes out the rest: the group is gone, its room is
// free again, and no more than that.
TEST(PolicyTables, AnEraseGoesOnWhereItStopped) {
  const struct {
    const char* table;
    int erases;                   // of one group
    void (*grow)(policy::List&);  // so that this table is full before the others are
    int& (*fail)(FakeDataplane&);
  } all[] = {
      {"mz_policy_labels", 8, [](policy::List& l) { l.labels.insert(l.labels.end(), {{6, 1}, {7, 2}}); },
       [](FakeDataplane& dp) -> int& { return dp.policy_labels().fail_next_erase; }},
      {"mz_policy_blocks", 8,
       [](policy::List& l) {
         for (const char* block : {"10.1.0.0/16", "10.2.0.0/16", "fd00::/8"}) l.blocks.push_back({*Prefix::parse(block), 0});
       },
       [](FakeDataplane& dp) -> int& { return dp.policy_blocks().fail_next_erase; }},
      {"mz_policy_ports", 8, [](policy::List& l) { l.ports.insert(l.ports.end(), {{6, 81, 16, 1}, {6, 82, 16, 2}}); },
       [](FakeDataplane& dp) -> int& { return dp.policy_ports().fail_next_erase; }},
      {"mz_policy_rules", 8, [](policy::List& l) { l.rules.push_back({MZ_POLICY_DENY, 0, {}}); },
       [](FakeDataplane& dp) -> int& { return dp.policy_rules().fail_next_erase; }},
  };
  for (const auto& c : all) {
    for (int n = 1; n <= c.erases; n++) {
      SCOPED_TRACE(std::string(c.table) + ", erase " + std::to_string(n));
      TableSizes sizes;
      sizes.policy_rows = 2 * static_cast<std::uint32_t>(c.erases);
      FakeDataplane dp(sizes);
      PolicyTables tables(dp);
      policy::Group g = a_group();
      for (policy::List& l : g.list)
        if (!l.rules.empty()) c.grow(l);
      const auto one = tables.put(g);
      const std::size_t with_one = rows(dp);
      const auto two = tables.put(g);
      ASSERT_TRUE(one && two);
      c.fail(dp) = n;
      EXPECT_FALSE(tables.erase(*one));
      EXPECT_FALSE(dp.policies().get(*one)) << "still judges";
      ASSERT_TRUE(tables.erase(*one));
      EXPECT_EQ(rows(dp), with_one);
      const auto three = tables.put(g);
      ASSERT_TRUE(three) << three.error().what;
      const auto full = tables.put(a_row_of_each());
      ASSERT_FALSE(full);
      EXPECT_THAT(full.error().what, HasSubstr(c.table));
      EXPECT_THAT(full.error().what, HasSubstr("--max-policy-rows"));
      ASSERT_TRUE(tables.erase(*two) && tables.erase(*three));
      EXPECT_EQ(rows(dp), 0u);
    }
  }
}

TEST(PolicyTables, AVectorIsLetGoOnce) {
  for (int n = 1; n <= 4; n++) {
    SCOPED_TRACE(n);
    FakeDataplane dp;
    PolicyTables tables(dp);
    const auto one = tables.put(a_group());
    ASSERT_TRUE(one);
    dp.policy_vectors().fail_next_erase = n;
    EXPECT_FALSE(tables.erase(*one));
    EXPECT_EQ(dp.policy_vectors().entries()->size(), 5u - static_cast<unsigned>(n));
    const auto two = tables.put(a_group());
    ASSERT_TRUE(two);
    ASSERT_TRUE(tables.erase(*one));
    EXPECT_EQ(dp.policy_vectors().entries()->size(), 4u);
    ASSERT_TRUE(tables.erase(*two));
    EXPECT_EQ(rows(dp), 0u);
  }
}

// ... and what cannot be taken out at once judges for no other group, and goes later.
TEST(PolicyTables, WhatAWriteThatFailsLeavesGoesWithTheNext) {
  FakeDataplane dp;
  PolicyTables tables(dp);
  dp.policy_ports().fail_next = 1;
  dp.policy_blocks().fail_next_erase = 1;
  EXPECT_FALSE(tables.put(a_group()));
  EXPECT_EQ(dp.policy_blocks().entries()->size(), 1u);
  ASSERT_TRUE(tables.recover(MZ_POLICY_MAX - 1));  // numbers have gone round
  dp.policy_blocks().fail_next_erase = 1;
  const auto two = tables.put(a_row_of_each());
  ASSERT_TRUE(two);
  ASSERT_EQ(dp.policy_blocks().entries()->size(), 2u);  // no number twice
  const auto three = tables.put(a_row_of_each());
  ASSERT_TRUE(three);
  EXPECT_EQ(rows(dp), 2u * 5);
  ASSERT_TRUE(tables.erase(*two) && tables.erase(*three));
  EXPECT_EQ(rows(dp), 0u);
}

TEST(PolicyTables, ANewLabelSetJoinsAGroupInUse) {
  FakeDataplane dp;
  PolicyTables tables(dp);
  policy::Group g = a_group();
  const auto n = tables.put(g);
  ASSERT_TRUE(n);
  g.list[MZ_POLICY_IN].labels.push_back({12, 3});
  ASSERT_TRUE(tables.put_label(*n, g, 1u << MZ_POLICY_IN, 12));
  EXPECT_TRUE(dp.policy_labels().get({MZ_POLICY_LIST(*n, MZ_POLICY_IN), 12}));
  EXPECT_FALSE(dp.policy_labels().get({MZ_POLICY_LIST(*n, MZ_POLICY_OUT), 12}));
  g.list[MZ_POLICY_OUT].labels.push_back({13, 3});
  ASSERT_TRUE(tables.put_label(*n, g, 1u << MZ_POLICY_IN, 13));
  EXPECT_FALSE(dp.policy_labels().get({MZ_POLICY_LIST(*n, MZ_POLICY_OUT), 13})) << "not of this list";
  ASSERT_TRUE(tables.put_label(*n, g, 1u << MZ_POLICY_IN | 1u << MZ_POLICY_OUT, 13));
  EXPECT_TRUE(dp.policy_labels().get({MZ_POLICY_LIST(*n, MZ_POLICY_OUT), 13}));
  // A row that stands takes another vector.
  g.list[MZ_POLICY_IN].labels.back().vector = 0;
  ASSERT_TRUE(tables.put_label(*n, g, 1u << MZ_POLICY_IN, 12));
  EXPECT_EQ(dp.policy_labels().get({MZ_POLICY_LIST(*n, MZ_POLICY_IN), 12}), dp.policies().get(*n)->list[MZ_POLICY_IN].label);
  EXPECT_EQ(tables.used().at("policy-rows"), dp.policy_labels().entries()->size());
  ASSERT_TRUE(tables.erase(*n));
  EXPECT_EQ(rows(dp), 0u);
}

TEST(PolicyTables, AnEarlierRunsGroupsGoWhenTheyAreNotNeeded) {
  FakeDataplane dp;
  std::uint32_t old = 0;
  {
    PolicyTables before(dp);
    old = *before.put(a_group());
  }
  PolicyTables tables(dp);
  ASSERT_TRUE(tables.recover());
  const auto n = tables.put(a_group());
  ASSERT_TRUE(n);
  EXPECT_GT(*n, old);
  EXPECT_TRUE(dp.policies().get(old)) << "still judges";
  ASSERT_TRUE(tables.erase_strays());
  EXPECT_FALSE(dp.policies().get(old));
  EXPECT_TRUE(dp.policies().get(*n));
  ASSERT_TRUE(tables.erase(*n));
  EXPECT_EQ(rows(dp), 0u);
}

// Flows remember numbers: a daemon's are beyond those of all before it, and go round.
TEST(PolicyTables, NumbersGoOnWhereAnEarlierRunEnded) {
  FakeDataplane dp;
  {
    PolicyTables before(dp);
    ASSERT_EQ(*before.put(a_group()), 1u);
  }
  PolicyTables tables(dp);
  ASSERT_TRUE(tables.recover(1000));
  EXPECT_EQ(*tables.put(a_group()), 1001u);
  PolicyTables unsaid(dp);
  ASSERT_TRUE(unsaid.recover());
  EXPECT_EQ(*unsaid.put(a_group()), 1002u);
  PolicyTables last(dp);
  ASSERT_TRUE(last.recover(MZ_POLICY_MAX - 2));
  EXPECT_EQ(*last.put(a_group()), MZ_POLICY_MAX - 1);
  EXPECT_EQ(*last.put(a_group()), 2u) << "0 is nobody's, and 1 stands";
}

// A vector's number that was given up is the last to be given out again, and 0 is none's.
TEST(PolicyTables, VectorsNumbersGoRound) {
  FakeDataplane dp;
  PolicyTables tables(dp);
  policy::Group one;
  one.list[MZ_POLICY_IN] = {.rules = {{MZ_POLICY_ALLOW, 0, {}}}, .vectors = {{1}}};
  const auto number = [&] { return dp.policies().get(*tables.put(one))->list[MZ_POLICY_IN].label; };
  EXPECT_EQ(number(), 1u);
  ASSERT_TRUE(tables.erase(tables.last_group()));
  EXPECT_EQ(number(), 2u);
  ASSERT_TRUE(tables.erase(tables.last_group()));
  ASSERT_TRUE(dp.policy_vectors().put(9, {}));
  ASSERT_TRUE(tables.recover());
  ASSERT_TRUE(tables.erase_strays());
  EXPECT_EQ(number(), 10u);
  ASSERT_TRUE(tables.erase(tables.last_group()));
  ASSERT_TRUE(dp.policy_vectors().put(0xffffffff, {}) && dp.policy_vectors().put(1, {}));
  ASSERT_TRUE(tables.recover());
  EXPECT_EQ(number(), 2u) << "1 may be of an earlier run's group";
}

// Label sets that are known share a table with the rows of groups.
TEST(PolicyTables, LabelSetsThatAreKnownTakeRoom) {
  TableSizes sizes;
  sizes.policy_rows = 8;
  FakeDataplane dp(sizes);
  PolicyTables tables(dp);
  const auto full = [](const auto& rc) {
    return !rc && rc.error().code == Code::resource_exhausted && rc.error().what.find("mz_policy_labels") != std::string::npos &&
           rc.error().what.find("--max-policy-rows") != std::string::npos;
  };
  for (std::uint32_t label = 1; label <= 5; label++) ASSERT_TRUE(tables.know(7, label));
  EXPECT_TRUE(full(tables.put(a_group())));  // of four label rows
  EXPECT_EQ(rows(dp), 5u);
  ASSERT_TRUE(tables.forget(7, 5));
  policy::Group g = a_group();
  const auto n = tables.put(g);
  ASSERT_TRUE(n) << n.error().what;
  EXPECT_EQ(tables.used().at("policy-rows"), 8u);
  EXPECT_TRUE(full(tables.know(7, 5)));
  EXPECT_TRUE(tables.know(7, 4)) << "it is known";
  g.list[MZ_POLICY_IN].labels.push_back({12, 3});
  EXPECT_TRUE(full(tables.put_label(*n, g, 1u << MZ_POLICY_IN, 12)));
}

TEST(PolicyTables, HitsAreThoseOfEachRule) {
  FakeDataplane dp;
  PolicyTables tables(dp);
  const auto n = tables.put(a_group());
  ASSERT_TRUE(n);
  ASSERT_TRUE(dp.policy_rules().put({MZ_POLICY_LIST(*n, MZ_POLICY_IN), 2}, {7, MZ_POLICY_DENY, 0, 0, 0}));
  EXPECT_EQ(tables.hits(*n, MZ_POLICY_IN), (std::vector<std::uint64_t>{0, 0, 7}));
  EXPECT_TRUE(tables.hits(*n, MZ_POLICY_TO).empty());
  EXPECT_TRUE(tables.hits(*n + 1, MZ_POLICY_IN).empty());
}

}  // namespace
