// SPDX-License-Identifier: Apache-2.0
// A data plane that forwards nothing, and goals to bring its tables to.
#pragma once

#include <gtest/gtest.h>

#include "userspace/dataplane/fake_dataplane.h"
#include "userspace/proto/text.h"
#include "userspace/transitd/table_sync.h"

namespace mizar::test {

inline Goal goal_of(std::string text) {
  v1::GoalState state;
  const auto read = parse_text(text, "test", state);
  EXPECT_TRUE(read) << read.error().what;
  auto g = parse_goal(state);
  EXPECT_TRUE(g) << g.error().what;
  return *g;
}

class TableSyncTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(dp.load({})); }
  // Every write to every table.
  size_t writes() {
    return dp.hosts().writes + dp.host_ids().writes + dp.shards().writes + dp.vpcs().writes +
           dp.networks().writes + dp.endpoints().writes + dp.ports().writes;
  }
  TableSync make(std::chrono::milliseconds linger = std::chrono::milliseconds(0)) {
    return TableSync(dp, [](std::uint32_t, mz_host&) {}, linger);
  }
  mz_ep_key red = endpoint_key(7, *Addr::parse("198.18.1.5"));
  mz_ep_key blue = endpoint_key(8, *Addr::parse("198.18.1.5"));
  FakeDataplane dp;
};

}  // namespace mizar::test
