// SPDX-License-Identifier: Apache-2.0
// How many rows each table has, by the scale that an operator declares (transitd --scale).
// docs/operating.md says what each scale is for and what memory it takes.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace mizar {

// The option is --max-OPTION. Most of a small host's memory is flows and paths, whose rows are
// allocated at the start; arrays are, too; of other tables it is 8 to 16 bytes a row, and the
// rest as rows come. More than 256 VPC slots do not fit in lines of homes (bpf/abi/homes.h).
// clang-format off
#define MZ_TABLE_SIZES(X)                                                                                    \
  /* field,         option,           small,   medium,   large,     text */                                  \
  X(endpoints,      "endpoints",      8192,    131072,   1048576,   "Endpoints: local ones and a bouncer's share") \
  X(paths,          "paths",          32768,   65536,    262144,    "Learned direct paths; 104 bytes each, from the start") \
  X(networks,       "networks",       4096,    16384,    65536,     "Networks")                              \
  X(vpcs,           "vpcs",           4096,    16384,    65536,     "VPCs")                                  \
  X(shard_tables,   "shard-tables",   256,     1024,     16384,     "Networks and VPCs together; 1 KiB each, from the start") \
  X(hosts,          "hosts",          32768,   65536,    262144,    "Highest host id + 1; 56 bytes each, from the start") \
  X(vpc_slots,      "vpc-slots",      64,      256,      256,       "VPCs with counters of their own; 4 KiB and CPU each, from the start") \
  X(flows,          "flows",          32768,   131072,   1048576,   "Flows of all endpoints; 200 bytes each, from the start") \
  X(dhcp6_clients,  "dhcp6-clients",  1024,    4096,     16384,     "Endpoints that lately asked for DHCPv6; 88 bytes each, from the start") \
  X(fragments,      "fragments",      1024,    4096,     16384,     "Fragmented datagrams under way; 120 bytes each, from the start") \
  X(vips,           "vips",           2048,    16384,    65536,     "Services' addresses, and ports of each") \
  X(vip_rows,       "vip-rows",       65536,   1048576,  4194304,   "Rows of backends: some 100 to 200 a backend; 8 bytes each, from the start") \
  X(backends,       "backends",       8192,    65536,    262144,    "Backends of each address and port")     \
  X(stickies,       "stickies",       2048,    16384,    131072,    "Clients of services whose clients stay; 96 bytes each, from the start") \
  X(entries,        "entries",        1024,    65536,    524288,    "Flows from outside to services, on a gateway; 120 bytes each, from the start") \
  X(insides,        "outside",        8192,    131072,   1048576,   "Outside addresses of endpoints, and forwarded ports") \
  X(mappings,       "mappings",       32768,   131072,   1048576,   "Ports in use outside, two rows each")   \
  X(groups,         "groups",         1024,    8192,     32768,     "Multicast groups of endpoints, and as bouncer") \
  X(policies,       "policies",       2048,    8192,     65536,     "Groups of endpoints that policy judges alike") \
  X(policy_rows,    "policy-rows",    32768,   262144,   2097152,   "Label sets, blocks, ports and rules of these: of each") \
  X(policy_vectors, "policy-vectors", 8192,    65536,    262144,    "Sets of rules; 568 bytes each, as they come") \
  X(shapers,        "shapers",        1024,    8192,     32768,     "Rates: of an endpoint, of a VPC, one direction; 584 bytes each, and 120 and CPU, from the start")
// clang-format on

enum class Scale { small, medium, large };
inline constexpr std::array<const char*, 3> kScales = {"small", "medium", "large"};

struct TableSizes {
#define X(field, option, small, medium, large, text) std::uint32_t field = small;
  MZ_TABLE_SIZES(X)
#undef X
};

// A size as the command line knows it.
struct TableSize {
  const char* option;
  std::uint32_t TableSizes::*field;
  std::array<std::uint32_t, kScales.size()> rows;  // by Scale
  const char* text;
};

inline constexpr TableSize kTableSizes[] = {
#define X(field, option, small, medium, large, text) \
  {"--max-" option, &TableSizes::field, {small, medium, large}, text},
    MZ_TABLE_SIZES(X)
#undef X
};

constexpr TableSizes table_sizes(Scale scale) {
  TableSizes sizes;
  for (const TableSize& s : kTableSizes) sizes.*s.field = s.rows[static_cast<std::size_t>(scale)];
  return sizes;
}

// What to do where a table is full.
inline std::string larger(std::string_view option) {
  return fmt::format("start transitd with a larger {} or --scale", option);
}

}  // namespace mizar
