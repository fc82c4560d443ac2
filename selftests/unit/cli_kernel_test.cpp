// SPDX-License-Identifier: Apache-2.0
// transit map and transit program on real kernel objects, without a daemon, in
// mount and network namespaces of their own. Needs root.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "bpf/abi/tables.h"
#include "selftests/unit/run_cli.h"
#include "userspace/base/addr.h"
#include "userspace/base/unique_fd.h"

namespace transit_test {
namespace {

using mizar::UniqueFd;

// A private BPF file system and network for the whole program.
const char* enter_namespaces(const std::string& bpffs) {
  if (::geteuid() != 0) return "needs root";
  if (::unshare(CLONE_NEWNS | CLONE_NEWNET) != 0) return "no namespaces";
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "no private mounts";
  if (::mount("bpf", bpffs.c_str(), "bpf", 0, nullptr) != 0) return "no BPF file system";
  return nullptr;
}

// The types of a map from (VNI, address) to an endpoint, as a compiler's BTF
// would describe bpf/abi/tables.h.
struct Types {
  std::unique_ptr<btf, void (*)(btf*)> b{btf__new_empty(), btf__free};
  int u8, u16, u32, u64, be32, addr, key, endpoint, net_key, count;

  Types() {
    u8 = btf__add_int(b.get(), "unsigned char", 1, 0);
    u16 = btf__add_int(b.get(), "unsigned short", 2, 0);
    u32 = btf__add_int(b.get(), "unsigned int", 4, 0);
    u64 = btf__add_int(b.get(), "unsigned long long", 8, 0);
    be32 = btf__add_typedef(b.get(), "__be32", u32);
    const int words = btf__add_array(b.get(), u32, be32, 4);
    const int mac = btf__add_array(b.get(), u32, u8, 6);
    addr = add("mz_addr", 16, {{"w", words, 0}});
    key = add("mz_ep_key", 20, {{"vni", u32, 0}, {"ip", addr, 4}});
    endpoint = add("mz_endpoint", 24,
                   {{"host", u32, 0}, {"ifindex", u32, 4}, {"vpc", u32, 8}, {"flags", u16, 12},
                    {"mac", mac, 14}, {"policy", u32, 20}});
    net_key = add("mz_net_key", 24, {{"prefixlen", u32, 0}, {"vni", be32, 4}, {"ip", addr, 8}});
    count = add("mz_count", 16, {{"packets", u64, 0}, {"bytes", u64, 8}});
    EXPECT_EQ(btf__load_into_kernel(b.get()), 0);
  }
  struct Member {
    const char* name;
    int type;
    __u32 offset;
  };
  int add(const char* name, __u32 size, std::initializer_list<Member> members) {
    const int id = btf__add_struct(b.get(), name, size);
    for (const auto& m : members) btf__add_field(b.get(), m.name, m.type, m.offset * 8, 0);
    return id;
  }
};

class Kernel : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = new TempDir();
    std::filesystem::create_directory(dir_->at("bpf"));
    why_not_ = enter_namespaces(dir_->at("bpf"));
    if (why_not_ != nullptr) return;
    for (const char* d : {"maps", "programs", "links"})
      std::filesystem::create_directories(pin(d, ""));
    types_ = new Types();
  }
  static void TearDownTestSuite() {
    if (why_not_ == nullptr) ::umount2(dir_->at("bpf").c_str(), MNT_DETACH);
    delete types_;
    delete dir_;
  }
  void SetUp() override {
    if (why_not_ != nullptr) GTEST_SKIP() << why_not_;
  }

  static std::string pin(const std::string& folder, const std::string& name) {
    return dir_->at("bpf/mizar/test/" MZ_ABI_VERSION "/" + folder + "/" + name);
  }
  static Outcome run(std::vector<std::string> args) {
    args.insert(args.end(), {"--bpffs", dir_->at("bpf"), "--instance", "test"});
    return run_transit(std::move(args));
  }
  static nlohmann::json json(std::vector<std::string> args) {
    args.insert(args.end(), {"-o", "json"});
    const Outcome r = run(std::move(args));
    EXPECT_EQ(r.rc, 0) << r.err;
    return nlohmann::json::parse(r.out, nullptr, false);
  }
  // Makes and pins a map; without types if key is 0.
  static UniqueFd map(const char* name, bpf_map_type type, __u32 key_size, __u32 value_size,
                      int key, int value, __u32 flags = 0) {
    LIBBPF_OPTS(bpf_map_create_opts, o, .map_flags = flags);
    if (key != 0) {
      o.btf_fd = static_cast<__u32>(btf__fd(types_->b.get()));
      o.btf_key_type_id = static_cast<__u32>(key);
      o.btf_value_type_id = static_cast<__u32>(value);
    }
    UniqueFd fd(bpf_map_create(type, "test", key_size, value_size, 64, &o));
    EXPECT_TRUE(fd.valid()) << std::strerror(errno);
    EXPECT_EQ(bpf_obj_pin(fd.get(), pin("maps", name).c_str()), 0) << std::strerror(errno);
    return fd;
  }

  static inline TempDir* dir_ = nullptr;
  static inline Types* types_ = nullptr;
  static inline const char* why_not_ = nullptr;
};

TEST_F(Kernel, AMapReadsAndWritesTyped) {
  const auto fd = map("mz_endpoints", BPF_MAP_TYPE_HASH, 20, 24, types_->key, types_->endpoint);
  const mz_ep_key key{7, mizar::Addr::v4(0x0a000001).abi()};
  const mz_endpoint value{3, 4, 1, MZ_EP_F_PEER, {2, 0, 0, 0, 0, 9}, 5};
  ASSERT_EQ(bpf_map_update_elem(fd.get(), &key, &value, BPF_ANY), 0);
  const char* entry =
      "{vni: 7, ip: 10.0.0.1}: {host: 3, ifindex: 4, vpc: 1, flags: 1, "
      "mac: \"02:00:00:00:00:09\", policy: 5}\n";
  EXPECT_EQ(run({"map", "dump", "endpoints"}).out, entry);
  EXPECT_EQ(run({"map", "get", "mz_endpoints", "{vni: 7, ip: 10.0.0.1}"}).out, entry);
  EXPECT_EQ(run({"map", "get", "endpoints", R"({"vni": 7, "ip": "10.0.0.1"})"}).out, entry);
  EXPECT_EQ(json({"map", "dump", "endpoints"})[0]["key"]["ip"], "10.0.0.1");
  EXPECT_EQ(json({"map", "dump", "endpoints"})[0]["value"]["flags"], 1);

  // What set does not name stays.
  const Outcome set = run({"map", "set", "endpoints", "{vni: 7, ip: 10.0.0.1}",
                       "{host: 0x10, mac: 02:00:00:00:00:0a}"});
  EXPECT_EQ(set.rc, 0) << set.err;
  mz_endpoint now{};
  ASSERT_EQ(bpf_map_lookup_elem(fd.get(), &key, &now), 0);
  EXPECT_EQ(now.host, 16u);
  EXPECT_EQ(now.ifindex, 4u);
  EXPECT_EQ(now.mac[5], 10);

  const Outcome none = run({"map", "get", "endpoints", "{vni: 8, ip: 10.0.0.1}"});
  EXPECT_EQ(none.rc, 3);
  EXPECT_EQ(none.err, "transit: map endpoints: no entry {vni: 8, ip: 10.0.0.1}: see transit map "
                      "dump endpoints\n");
}

TEST_F(Kernel, BadKeysAndValuesChangeNothing) {
  const auto fd = map("bad", BPF_MAP_TYPE_HASH, 20, 24, types_->key, types_->endpoint);
  const struct {
    const char* key;
    const char* value;
    const char* error;
  } rows[] = {
      {"{vni: 7, ip: x}", "{}", "key.ip: 'x' is not an IP address"},
      {"{vni: -1, ip: 10.0.0.1}", "{}", "key.vni: '-1' is not a whole number"},
      {"{vni: 4294967296, ip: 10.0.0.1}", "{}", "key.vni: 4294967296 is out of range"},
      {"{vin: 7}", "{}", "key: struct mz_ep_key has no member 'vin'"},
      {"7", "{}", "key: must be a map of struct mz_ep_key"},
      {"{vni: 7", "{}", "key '{vni: 7': not valid YAML or JSON: end of map flow not found"},
      {"{vni: 7}", "{flags: 65536}", "value.flags: 65536 is out of range"},
      {"{vni: 7}", "{mac: 03:00:00:00:00:01}", "value.mac: '03:00:00:00:00:01' is a multicast MAC"},
      {"{vni: 7}", "{mac: [1, 2]}", "value.mac: must be a list of 6"},
      {"{vni: 7}", "{host: {a: 1}}", "value.host: must be a single value"},
  };
  for (const auto& row : rows) {
    const Outcome r = run({"map", "set", "bad", row.key, row.value});
    EXPECT_EQ(r.rc, 2) << row.error;
    EXPECT_EQ(r.err, std::string("transit: ") + row.error + "\n");
  }
  EXPECT_EQ(run({"map", "dump", "bad"}).out, "");
}

TEST_F(Kernel, NetworkOrderIsShownAsTheNumber) {
  const auto fd = map("mz_networks", BPF_MAP_TYPE_LPM_TRIE, 24, 4, types_->net_key, types_->u32,
                      BPF_F_NO_PREALLOC);
  EXPECT_EQ(run({"map", "set", "networks", "{prefixlen: 152, vni: 7, ip: 10.0.1.0}", "3"}).out,
            "{prefixlen: 152, vni: 7, ip: 10.0.1.0}: 3\n");
  struct {
    mz_net_key k;
  } key{{152, __builtin_bswap32(7), mizar::Addr::v4(0x0a000100).abi()}};
  __u32 value = 0;
  EXPECT_EQ(bpf_map_lookup_elem(fd.get(), &key, &value), 0);
  EXPECT_EQ(value, 3u);
}

TEST_F(Kernel, PerCpuArraysShowEveryCpuAndOnlyWhatIsSet) {
  const auto fd =
      map("counters", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 16, types_->u32, types_->count);
  EXPECT_EQ(run({"map", "dump", "counters"}).out, "");
  EXPECT_EQ(run({"map", "set", "counters", "5", "{packets: 2, bytes: 128}"}).rc, 0);
  const auto all = json({"map", "dump", "counters"});
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["key"], 5);
  EXPECT_EQ(all[0]["values"].size(), static_cast<size_t>(libbpf_num_possible_cpus()));
  for (const auto& cpu : all[0]["values"]) EXPECT_EQ(cpu["bytes"], 128);
  EXPECT_EQ(json({"map", "dump", "counters", "--all"}).size(), 64u);
  EXPECT_EQ(json({"map", "dump", "counters", "--all", "--limit", "3"}).size(), 3u);
}

// The kernel copies per-CPU values in steps of 8 bytes, whatever their size.
TEST_F(Kernel, SmallPerCpuValuesStandWhereTheKernelPutsThem) {
  const auto fd = map("small", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 4, types_->u32, types_->u32);
  EXPECT_EQ(run({"map", "set", "small", "1", "9"}).rc, 0);
  std::vector<__u64> values(static_cast<size_t>(libbpf_num_possible_cpus()));
  const __u32 key = 1;
  ASSERT_EQ(bpf_map_lookup_elem(fd.get(), &key, values.data()), 0);
  for (const auto v : values) EXPECT_EQ(v, 9u);
  values.assign(values.size(), 7);
  ASSERT_EQ(bpf_map_update_elem(fd.get(), &key, values.data(), BPF_ANY), 0);
  EXPECT_EQ(json({"map", "get", "small", "1"})["values"], nlohmann::json(values));
}

TEST_F(Kernel, WithoutTypesBytesAreHexadecimal) {
  const auto fd = map("raw", BPF_MAP_TYPE_HASH, 4, 2, 0, 0);
  EXPECT_EQ(run({"map", "set", "raw", "01020304", "beef"}).out, "\"01020304\": beef\n");
  EXPECT_EQ(run({"map", "set", "raw", "0102", "beef"}).rc, 2);
}

TEST_F(Kernel, MapList) {
  const auto fd = map("listed", BPF_MAP_TYPE_LRU_HASH, 4, 8, 0, 0);
  bool found = false;
  for (const auto& m : json({"map", "list"}))
    found |= m["name"] == "listed" && m["type"] == "lru_hash" && m["value_size"] == 8;
  EXPECT_TRUE(found);
  const UniqueFd ring(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, 4096, nullptr));
  ASSERT_EQ(bpf_obj_pin(ring.get(), pin("maps", "ring").c_str()), 0);
  const Outcome r = run({"map", "dump", "ring"});
  EXPECT_EQ(r.rc, 1);
  EXPECT_EQ(r.err, "transit: map ring: a ringbuf has no entries to look at\n");
}

TEST_F(Kernel, NothingPinned) {
  EXPECT_EQ(run({"map", "dump", "absent"}).rc, 3);
  EXPECT_EQ(run({"program", "detach", "absent"}).rc, 3);
  const Outcome r = run_transit({"map", "list", "--bpffs", dir_->at("bpf"), "--instance", "other"});
  EXPECT_EQ(r.rc, 3);
}

// `return 0`, as a program of this type.
void pin_program(bpf_prog_type type, const std::string& path) {
  const bpf_insn code[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0},
                           {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  const UniqueFd fd(bpf_prog_load(type, "test", "GPL", code, 2, nullptr));
  ASSERT_TRUE(fd.valid()) << std::strerror(errno);
  ASSERT_EQ(bpf_obj_pin(fd.get(), path.c_str()), 0) << std::strerror(errno);
}

TEST_F(Kernel, WhatIsNoObjectFile) {
  write_file(dir_->at("x.o"), "not an ELF file");
  const Outcome r = run({"program", "load", dir_->at("x.o")});
  EXPECT_EQ(r.rc, 2);
  EXPECT_EQ(r.err, "transit: " + dir_->at("x.o") +
                       ": is no BPF object file (--verbose shows why)\n");
  EXPECT_EQ(run({"program", "load", dir_->at("none.o")}).rc, 3);
}

TEST_F(Kernel, ProgramsAttachListAndDetach) {
  pin_program(BPF_PROG_TYPE_SCHED_CLS, pin("programs", "mz_egress"));
  pin_program(BPF_PROG_TYPE_XDP, pin("programs", "mz_hop"));
  Outcome r = run({"program", "attach", "egress", "--dev", "lo", "--hook", "tcx-ingress"});
  if (r.rc != 0) GTEST_SKIP() << "no TCX: " << r.err;
  EXPECT_EQ(run({"program", "attach", "hop", "--dev", "lo", "--hook", "xdp"}).rc, 0);
  EXPECT_EQ(run({"program", "attach", "hop", "--dev", "lo", "--hook", "xdp"}).rc, 1) << "again";
  EXPECT_EQ(run({"program", "attach", "hop", "--dev", "lo", "--hook", "tcx-egress"}).rc, 2);
  EXPECT_EQ(run({"program", "attach", "hop", "--dev", "none", "--hook", "xdp"}).rc, 3);

  const auto all = json({"program", "list"});
  EXPECT_EQ(all["programs"][0]["name"], "mz_egress");
  EXPECT_EQ(all["programs"][0]["type"], "sched_cls");
  EXPECT_EQ(all["programs"][0]["instructions"], 2);
  EXPECT_EQ(all["links"][0]["name"], "egress-lo-tcx-ingress");
  EXPECT_EQ(all["links"][0]["hook"], "tcx-ingress");
  EXPECT_EQ(all["links"][0]["interface"], "lo");
  EXPECT_EQ(all["links"][0]["program_id"], all["programs"][0]["id"]);
  EXPECT_EQ(all["links"][1]["hook"], "xdp");

  // Detached also where somebody else holds the link.
  const UniqueFd held(bpf_obj_get(pin("links", "egress-lo-tcx-ingress").c_str()));
  EXPECT_EQ(run({"program", "detach", "egress-lo-tcx-ingress"}).rc, 0);
  bpf_link_info info{};
  __u32 size = sizeof info;
  ASSERT_EQ(bpf_obj_get_info_by_fd(held.get(), &info, &size), 0);
  EXPECT_EQ(info.xdp.ifindex, 0u);  // .tcx of newer headers begins the same
  EXPECT_EQ(run({"program", "detach", "hop-lo-xdp"}).rc, 0);
  EXPECT_EQ(json({"program", "list"})["links"].size(), 0u);
}

}  // namespace
}  // namespace transit_test
