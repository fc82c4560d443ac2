// SPDX-License-Identifier: Apache-2.0
// The contract of Dataplane: the same questions to every implementation.
#include "userspace/dataplane/dataplane.h"

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "userspace/base/addr.h"
#include "userspace/base/unique_fd.h"
#include "userspace/dataplane/fake_dataplane.h"
#include "userspace/dataplane/homes.h"
#include "userspace/dataplane/kernel_dataplane.h"
#include "userspace/transitd/table_sync.h"

using namespace mizar;

namespace {

TableSizes small() {
  TableSizes s;
  s.endpoints = 4;
  s.networks = 4;
  s.vpcs = 4;
  s.shard_tables = 2;
  s.hosts = 16;
  s.vpc_slots = 3;
  s.vips = 3;
  s.vip_rows = 600;
  s.backends = 2;
  return s;
}

std::unique_ptr<Dataplane> make_fake(const std::string&) {
  auto dp = std::make_unique<FakeDataplane>(small());
  EXPECT_TRUE(dp->load({}));
  return dp;
}

std::unique_ptr<Dataplane> make_kernel(const std::string& instance) {
  if (geteuid() != 0) return nullptr;
  KernelOptions o;
  o.instance = instance;
  o.sizes = small();
  auto dp = open_kernel_dataplane(o);
  EXPECT_TRUE(dp) << dp.error().what;
  if (!dp) return nullptr;
  const auto rc = (*dp)->load({});
  EXPECT_TRUE(rc) << rc.error().what;
  return std::move(*dp);
}

using Maker = std::unique_ptr<Dataplane> (*)(const std::string&);

class Contract : public ::testing::TestWithParam<std::pair<const char*, Maker>> {
 protected:
  void SetUp() override {
    instance_ = "unit-" + std::to_string(getpid());
    dp_ = GetParam().second(instance_);
    if (!dp_) GTEST_SKIP() << "needs root";
  }
  void TearDown() override {
    dp_.reset();
    std::filesystem::remove_all("/sys/fs/bpf/mizar/" + instance_);
  }
  std::string instance_;
  std::unique_ptr<Dataplane> dp_;
};

mz_ep_key key(unsigned i) { return endpoint_key(7, Addr::v4(0x0a000000 + i)); }

TEST_P(Contract, WhatIsPutIsThere) {
  mz_endpoint e{};
  e.host = 3;
  ASSERT_TRUE(dp_->endpoints().put(key(1), e));
  const auto got = dp_->endpoints().get(key(1));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->host, 3u);
  EXPECT_FALSE(dp_->endpoints().get(key(2)));
}

TEST_P(Contract, EraseTwiceIsNotFound) {
  ASSERT_TRUE(dp_->endpoints().put(key(1), {}));
  ASSERT_TRUE(dp_->endpoints().erase(key(1)));
  const auto again = dp_->endpoints().erase(key(1));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::not_found);
}

TEST_P(Contract, FullTableRefusesNewKeysOnly) {
  for (unsigned i = 0; i < 4; i++) ASSERT_TRUE(dp_->endpoints().put(key(i), {}));
  const auto rc = dp_->endpoints().put(key(9), {});
  ASSERT_FALSE(rc);
  EXPECT_EQ(rc.error().code, Code::resource_exhausted);
  EXPECT_NE(rc.error().what.find("mz_endpoints"), std::string::npos);
  EXPECT_TRUE(dp_->endpoints().put(key(1), {}));
}

TEST_P(Contract, IndexPastAnArrayIsRefused) {
  const auto rc = dp_->hosts().put(16, {});
  ASSERT_FALSE(rc);
  EXPECT_EQ(rc.error().code, Code::resource_exhausted);
}

TEST_P(Contract, EntriesListsAllAndSkipsEmptySlots) {
  for (unsigned i = 0; i < 3; i++) ASSERT_TRUE(dp_->endpoints().put(key(i), {}));
  mz_host h{};
  h.flags = MZ_HOST_F_KNOWN;
  ASSERT_TRUE(dp_->hosts().put(5, h));
  ASSERT_TRUE(dp_->hosts().put(6, h));
  ASSERT_TRUE(dp_->hosts().erase(6));
  ASSERT_TRUE(dp_->hosts().put(7, {}));
  EXPECT_EQ(dp_->endpoints().entries()->size(), 3u);
  const auto hosts = dp_->hosts().entries();
  ASSERT_EQ(hosts->size(), 1u);
  EXPECT_EQ(hosts->front().first, 5u);
}

TEST_P(Contract, AWalkInStepsFindsAll) {
  std::set<unsigned> ports;
  for (unsigned i = 0; i < 5; i++) {
    mz_flow_key k{};
    k.local_port = static_cast<__be16>(i);
    ASSERT_TRUE(dp_->flows().put(k, {}));
  }
  TablePosition at;
  for (int steps = 0; !at.end; steps++) {
    ASSERT_LT(steps, 10);
    const auto some = dp_->flows().next(at);
    ASSERT_TRUE(some);
    for (const auto& [k, f] : *some) ports.insert(k.local_port);
  }
  EXPECT_EQ(ports, (std::set<unsigned>{0, 1, 2, 3, 4}));
}

TEST_P(Contract, TablesOfServicesKeepTheirSizes) {
  const auto vip = [](__u16 port) { return mz_vip_key{7, Addr::v4(0x0a000001).abi(), port, 6}; };
  for (__u16 port = 0; port < 3; port++) ASSERT_TRUE(dp_->vips().put(vip(port), {0, 251, 0, port, 0, {}}));
  EXPECT_FALSE(dp_->vips().put(vip(3), {}));
  EXPECT_EQ(dp_->vips().get(vip(2))->id, 2u);
  ASSERT_TRUE(dp_->vip_rows().put(599, 70000));
  EXPECT_EQ(dp_->vip_rows().get(599), 70000u);
  EXPECT_EQ(dp_->vip_rows().get(598), 0u);
  EXPECT_FALSE(dp_->vip_rows().put(600, 1));
  ASSERT_TRUE(dp_->backends().put(70000, {7, Addr::v4(0x0a000002).abi(), 0, MZ_BACKEND_F_DRAIN}));
  ASSERT_TRUE(dp_->backends().put(70001, {}));
  EXPECT_FALSE(dp_->backends().put(70002, {}));
  EXPECT_EQ(dp_->backends().get(70000)->flags, MZ_BACKEND_F_DRAIN);
  ASSERT_TRUE(dp_->backends().erase(70001));
  EXPECT_EQ(dp_->backends().entries()->size(), 1u);
  ASSERT_TRUE(dp_->stickies().put({1, Addr::v4(0x0a000009).abi()}, {70000, 5}));
  const auto stickies = dp_->stickies().entries();
  ASSERT_TRUE(stickies);
  ASSERT_EQ(stickies->size(), 1u);
  EXPECT_EQ(stickies->front().second.backend, 70000u);
}

TEST_P(Contract, NoFlowsNoFlowStatistics) {
  const auto stats = dp_->flow_stats();
  ASSERT_TRUE(stats);
  EXPECT_EQ(stats->opened + stats->refused + stats->failed, 0u);
}

TEST_P(Contract, NetworksListToo) {
  for (unsigned i = 0; i < 3; i++)
    ASSERT_TRUE(dp_->networks().put(network_key(7, Prefix{Addr::v4(i << 8), 24}), {}));
  EXPECT_EQ(dp_->networks().entries()->size(), 3u);
}

TEST_P(Contract, CountersHaveASlotPerVpcAndNoMore) {
  ASSERT_TRUE(dp_->counters(2));
  EXPECT_EQ(dp_->counters(2)->size(), size_t{MZ_DIRS * MZ_REASON_SLOTS});
  EXPECT_FALSE(dp_->counters(3));
  EXPECT_FALSE(dp_->clear_counters(3));
}

TEST_P(Contract, LoadAgainKeepsTables) {
  ASSERT_TRUE(dp_->endpoints().put(key(1), {}));
  mz_cfg cfg{};
  cfg.self_id = 9;
  ASSERT_TRUE(dp_->load(cfg));
  EXPECT_TRUE(dp_->endpoints().get(key(1)));
}

TEST_P(Contract, DetachOfNothingIsNoError) { EXPECT_TRUE(dp_->detach(Hook::endpoint, 4242)); }

// ---- functions -------------------------------------------------------------------

std::string built(const std::string& file) {
  const char* folder = getenv("O");
  std::ifstream in(std::string(folder ? folder : "build") + "/" + file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
// Has a function of each kind, a map `seen` and a constant `verdict`.
FunctionImage told(std::map<std::string, std::string> set = {}) {
  return {"told", built("selftests/bpf/functions/told.bpf.o"), std::move(set)};
}

TEST_P(Contract, AFunctionIsInItsSlotUntilRemoved) {
  EXPECT_FALSE(dp_->has_function(FunctionKind::endpoint, 2));
  const auto rc = dp_->put_function(FunctionKind::endpoint, 2, told());
  ASSERT_TRUE(rc) << rc.error().what;
  EXPECT_TRUE(dp_->has_function(FunctionKind::endpoint, 2));
  EXPECT_FALSE(dp_->has_function(FunctionKind::hop, 2));
  EXPECT_FALSE(dp_->has_function(FunctionKind::endpoint, 1));
  const auto n = dp_->function_count(FunctionKind::endpoint, 2);
  ASSERT_TRUE(n);
  EXPECT_EQ(n->packets + n->dropped + n->taken, 0u);
  ASSERT_TRUE(dp_->remove_function(FunctionKind::endpoint, 2, "told"));
  EXPECT_FALSE(dp_->has_function(FunctionKind::endpoint, 2));
  EXPECT_TRUE(dp_->remove_function(FunctionKind::endpoint, 2, "told"));
}

TEST_P(Contract, OneObjectMayServeBothKinds) {
  EXPECT_TRUE(dp_->put_function(FunctionKind::endpoint, 0, told()));
  EXPECT_TRUE(dp_->put_function(FunctionKind::hop, 0, told()));
  ASSERT_TRUE(dp_->remove_function(FunctionKind::endpoint, 0, "told"));
  EXPECT_TRUE(dp_->has_function(FunctionKind::hop, 0));
}

TEST_P(Contract, WhatIsNoFunctionChangesNothing) {
  ASSERT_TRUE(dp_->put_function(FunctionKind::endpoint, 0, told()));
  for (const char* object : {"", "bad"}) {
    const auto rc = dp_->put_function(FunctionKind::endpoint, 0, {"told", object, {}});
    ASSERT_FALSE(rc);
    EXPECT_EQ(rc.error().code, Code::invalid_argument);
    EXPECT_NE(rc.error().what.find("function told: not a BPF object file"), std::string::npos) << rc.error().what;
  }
  EXPECT_TRUE(dp_->has_function(FunctionKind::endpoint, 0));
  EXPECT_FALSE(dp_->put_function(FunctionKind::endpoint, MZ_FUNCTIONS, told()));
}

TEST_P(Contract, LoadAgainKeepsFunctions) {
  ASSERT_TRUE(dp_->put_function(FunctionKind::endpoint, 0, told()));
  ASSERT_TRUE(dp_->load({}));
  EXPECT_TRUE(dp_->has_function(FunctionKind::endpoint, 0));
}

TEST_P(Contract, ClockRateIsOneThatKernelsHave) {
  const auto hz = dp_->clock_hz();
  ASSERT_TRUE(hz);
  EXPECT_TRUE(*hz == 100 || *hz == 250 || *hz == 300 || *hz == 1000) << *hz;
  if (GetParam().first == std::string_view("fake")) return;
  timespec tick{};  // the coarse clocks move once a jiffy
  ASSERT_EQ(clock_getres(CLOCK_MONOTONIC_COARSE, &tick), 0);
  EXPECT_EQ(*hz, std::lround(1e9 / static_cast<double>(tick.tv_nsec)));
}

INSTANTIATE_TEST_SUITE_P(All, Contract,
                         ::testing::Values(std::make_pair("fake", &make_fake),
                                           std::make_pair("kernel", &make_kernel)),
                         [](const auto& i) { return std::string(i.param.first); });

// Sizes other than those that are pinned cannot be had by loading over them.
TEST(KernelDataplane, OtherSizesThanPinnedAreRefusedWithAdvice) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const std::string instance = "unit-sizes-" + std::to_string(getpid());
  KernelOptions o;
  o.instance = instance;
  o.sizes = small();
  {
    auto dp = open_kernel_dataplane(o);
    ASSERT_TRUE(dp);
    ASSERT_TRUE((*dp)->load({}));
  }
  o.sizes.endpoints = 8;
  auto dp = open_kernel_dataplane(o);
  ASSERT_TRUE(dp);
  const auto rc = (*dp)->load({});
  ASSERT_FALSE(rc);
  EXPECT_EQ(rc.error().code, Code::failed_precondition);
  EXPECT_NE(rc.error().what.find("--reset"), std::string::npos) << rc.error().what;
  std::filesystem::remove_all("/sys/fs/bpf/mizar/" + instance);
}

// The lines by which packets find endpoints follow the table, and after a restart are made anew from it.
TEST(KernelDataplane, HomesFollowTheTable) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const std::string instance = "unit-homes-" + std::to_string(getpid());
  KernelOptions o;
  o.instance = instance;
  o.sizes = small();
  const auto open = [&] {
    auto dp = open_kernel_dataplane(o);
    EXPECT_TRUE(dp && (*dp)->load({}));
    return std::move(*dp);
  };
  UniqueFd lines;
  const auto home = [&](unsigned i) {
    const std::uint64_t k = mz_home_key(7, key(i).ip.w[3]);
    const std::uint32_t row = mz_home_row(k, home_shift(home_lines(o.sizes.endpoints)));
    mz_home_line line{};
    EXPECT_EQ(bpf_map_lookup_elem(lines.get(), &row, &line), 0);
    std::uint32_t found = 0;
    for (int at = 0; at < MZ_HOMES; at++)
      if (line.key[at] == k) found = line.home[at];
    return found;
  };
  mz_endpoint e{};
  e.host = 3;
  e.vpc = 2;
  {
    auto dp = open();
    lines.reset(bpf_obj_get((pin_root(o.bpffs, instance) + "/maps/mz_homes").c_str()));
    ASSERT_TRUE(dp->endpoints().put(key(1), e));
    ASSERT_TRUE(dp->endpoints().put(key(2), e));
    EXPECT_EQ(home(1), mz_home(3, 2));
    ASSERT_TRUE(dp->load({}));  // another configuration: the same tables
    ASSERT_TRUE(dp->endpoints().erase(key(1)));
    EXPECT_EQ(home(1), 0u);
    EXPECT_EQ(home(2), mz_home(3, 2));
  }
  // Killed before it wrote the line of one, and after it wrote that of another.
  const UniqueFd table(bpf_obj_get((pin_root(o.bpffs, instance) + "/maps/mz_endpoints").c_str()));
  const mz_ep_key gone = key(2), came = key(3);
  ASSERT_EQ(bpf_map_delete_elem(table.get(), &gone), 0);
  ASSERT_EQ(bpf_map_update_elem(table.get(), &came, &e, BPF_ANY), 0);
  const auto dp = open();
  EXPECT_EQ(home(2), 0u);
  EXPECT_EQ(home(3), mz_home(3, 2));
  std::filesystem::remove_all("/sys/fs/bpf/mizar/" + instance);
}

// What only the kernel's has to say of objects; compiled ones are in function_test.sh.
class KernelFunctions : public Contract {
 protected:
  std::string pins() {
    std::string all;
    for (const auto& e : std::filesystem::recursive_directory_iterator("/sys/fs/bpf/mizar/" + instance_)) {
      const std::string path = e.path();
      if (const auto at = path.find("/functions/"); at != std::string::npos) all += path.substr(at + 11) + " ";
    }
    return all;
  }
  std::string refusal(const FunctionImage& image, FunctionKind kind = FunctionKind::endpoint) {
    const auto rc = dp_->put_function(kind, 1, image);
    if (rc) return "taken";
    EXPECT_EQ(rc.error().code, Code::invalid_argument);
    EXPECT_FALSE(dp_->has_function(kind, 1));
    EXPECT_EQ(pins(), "");
    return rc.error().what;
  }
};

TEST_P(KernelFunctions, ItsMapsStandUnderItsNameAndGoWithIt) {
  ASSERT_TRUE(dp_->put_function(FunctionKind::endpoint, 0, told()));
  EXPECT_EQ(pins(), "told told/seen ");
  ASSERT_TRUE(dp_->put_function(FunctionKind::endpoint, 0, told()));  // in its place
  EXPECT_EQ(pins(), "told told/seen ");
  ASSERT_TRUE(dp_->remove_function(FunctionKind::endpoint, 0, "told"));
  EXPECT_EQ(pins(), "");
}

TEST_P(KernelFunctions, ARefusedOneLeavesTheOldOnesMaps) {
  ASSERT_TRUE(dp_->put_function(FunctionKind::endpoint, 0, told()));
  EXPECT_FALSE(dp_->put_function(FunctionKind::endpoint, 0, told({{"nothing", "1"}})));
  EXPECT_EQ(pins(), "told told/seen ");
}

TEST_P(KernelFunctions, TheWrongOneSaysWhatIsWrong) {
  EXPECT_EQ(refusal(told({{"rate", "1"}})), "function told: has no constant rate to set; it has: verdict");
  EXPECT_EQ(refusal(told({{"verdict", "x"}})), "function told: constant verdict: 'x' is no number of 4 bytes");
  EXPECT_EQ(refusal(told({{"verdict", "4294967296"}})), "function told: constant verdict: '4294967296' is no number of 4 bytes");
  EXPECT_EQ(refusal(told({{"verdict", ""}})), "function told: constant verdict: '' is no number of 4 bytes");
  EXPECT_NE(refusal({"plain", built("bpf/xsk_redirect.bpf.o"), {}}).find("function plain: has no ABI version"), std::string::npos);
  EXPECT_NE(refusal({"guard", built("bpf/functions/flood_guard.bpf.o"), {}}, FunctionKind::hop)
                .find("has no section mizar/hop (made by MZ_HOP_FUNCTION); it has: mizar/endpoint"),
            std::string::npos);
  EXPECT_NE(refusal({"mirror", built("bpf/functions/mirror.bpf.o"), {{"collector", "nowhere"}}}).find("'nowhere' is no IP address"),
            std::string::npos);
}

// An object cut short anywhere is refused, or is whole as far as it matters.
TEST_P(KernelFunctions, ACutObjectHarmsNobody) {
  const FunctionImage whole = told();
  for (size_t n = 0; n < whole.object.size(); n += 97) {
    const auto rc = dp_->put_function(FunctionKind::endpoint, 1, {"cut", whole.object.substr(0, n), {}});
    if (rc) continue;
    EXPECT_NE(rc.error().what.find("function cut: "), std::string::npos) << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Of, KernelFunctions, ::testing::Values(std::pair{"kernel", &make_kernel}));

TEST(KernelDataplane, NoBpffsSaysHowToGetIt) {
  KernelOptions o;
  o.bpffs = "/tmp";
  const auto dp = open_kernel_dataplane(o);
  ASSERT_FALSE(dp);
  EXPECT_EQ(dp.error().what, "/tmp is not a BPF file system: mount it (mount -t bpf bpf /tmp)");
}

}  // namespace
