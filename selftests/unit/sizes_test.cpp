// SPDX-License-Identifier: Apache-2.0
// Mirrors userspace/dataplane/sizes.h.
#include "userspace/dataplane/sizes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "bpf/abi/homes.h"
#include "userspace/base/unique_fd.h"
#include "userspace/dataplane/kernel_dataplane.h"

using namespace mizar;

namespace {

std::uint32_t rows(const TableSize& s, Scale scale) { return s.rows[static_cast<std::size_t>(scale)]; }

TEST(Sizes, EachScaleIsLargerThanTheOneBefore) {
  for (const TableSize& s : kTableSizes) {
    EXPECT_LT(rows(s, Scale::small), rows(s, Scale::medium)) << s.option;
    if (s.field == &TableSizes::vpc_slots)  // no VPC past these has its slot in lines of homes
      EXPECT_EQ(rows(s, Scale::large), MZ_HOME_SLOTS);
    else
      EXPECT_LT(rows(s, Scale::medium), rows(s, Scale::large)) << s.option;
  }
}

TEST(Sizes, AScaleSetsEverySize) {
  for (const Scale scale : {Scale::small, Scale::medium, Scale::large}) {
    const TableSizes sizes = table_sizes(scale);
    for (const TableSize& s : kTableSizes) EXPECT_EQ(sizes.*s.field, rows(s, scale)) << s.option;
  }
}

TEST(Sizes, UndeclaredIsSmall) {
  const TableSizes sizes;
  for (const TableSize& s : kTableSizes) EXPECT_EQ(sizes.*s.field, rows(s, Scale::small)) << s.option;
}

// A shaper's slot has 16 bits in mz_port, a host id 24 in lines of homes.
TEST(Sizes, LargeFitsWhatCarriesItsIndexes) {
  const TableSizes large = table_sizes(Scale::large);
  EXPECT_LE(large.shapers, 65536u);
  EXPECT_LE(large.hosts, 1u << 24);
}

// Bytes of a pinned table that are its own from the start, on one CPU.
std::uint64_t bytes_of(const std::string& pin) {
  const UniqueFd fd(bpf_obj_get(pin.c_str()));
  bpf_map_info info{};
  __u32 size = sizeof info;
  EXPECT_EQ(bpf_obj_get_info_by_fd(fd.get(), &info, &size), 0) << pin;
  std::ifstream told("/proc/self/fdinfo/" + std::to_string(fd.get()));
  std::uint64_t bytes = 0;
  for (std::string word; told >> word;)
    if (word == "memlock:") told >> bytes;
  EXPECT_GT(bytes + (info.type == BPF_MAP_TYPE_LPM_TRIE), 0u) << pin;
  return info.type == BPF_MAP_TYPE_PERCPU_ARRAY ? bytes / static_cast<unsigned>(libbpf_num_possible_cpus()) : bytes;
}

// 50 MB are transitd, too (docs/operating.md): a process of gRPC's takes some 21 of them.
TEST(Sizes, SmallTablesFitInTheMemoryOfASmallHost) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  KernelOptions o;
  o.instance = "unit-scale-" + std::to_string(getpid());
  auto dp = open_kernel_dataplane(o);
  ASSERT_TRUE(dp);
  const auto rc = (*dp)->load({});
  ASSERT_TRUE(rc) << rc.error().what;
  std::uint64_t sum = 0;
  for (const auto& pin : std::filesystem::directory_iterator(pin_root(o.bpffs, o.instance) + "/maps")) sum += bytes_of(pin.path());
  EXPECT_GT(sum, 10'000'000u);  // the flows are in it
  EXPECT_LT(sum, 26'500'000u);
  std::filesystem::remove_all("/sys/fs/bpf/mizar/" + o.instance);
}

}  // namespace
