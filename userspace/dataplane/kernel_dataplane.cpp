// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/kernel_dataplane.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "bpf/clock.skel.h"
#include "bpf/endpoint_answer.skel.h"
#include "bpf/endpoint_egress.skel.h"
#include "bpf/function_reply.skel.h"
#include "bpf/function_resume.skel.h"
#include "bpf/gateway_in.skel.h"
#include "bpf/gateway_out.skel.h"
#include "bpf/group_copy.skel.h"
#include "bpf/group_member.skel.h"
#include "bpf/hop_resume.skel.h"
#include "bpf/services_reply.skel.h"
#include "bpf/uplink_deliver.skel.h"
#include "bpf/uplink_hop.skel.h"
#include "bpf/abi/hash.h"
#include "userspace/base/log.h"
#include "userspace/dataplane/endpoint_table.h"
#include "userspace/dataplane/function_object.h"
#include "userspace/dataplane/hooks.h"
#include "userspace/dataplane/kernel_table.h"
#include "userspace/dataplane/program_object.h"

namespace mizar {

namespace {

template <class Skel, void (*Destroy)(Skel*)>
struct SkelFree {
  void operator()(Skel* s) const { Destroy(s); }
};
using Clock = std::unique_ptr<mz_clock, SkelFree<mz_clock, mz_clock__destroy>>;
using Ring = std::unique_ptr<ring_buffer, SkelFree<ring_buffer, ring_buffer__free>>;

// libbpf's words go to the log; its verifier dumps only when somebody debugs.
int log_libbpf(libbpf_print_level level, const char* format, va_list args) {
  std::array<char, 1024> line{};
  std::vsnprintf(line.data(), line.size(), format, args);
  std::string_view text(line.data());
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (level == LIBBPF_WARN)
    log::debug("libbpf: {}", text);
  return 0;
}

// Every program of ours. What carries the others' tables comes first.
constexpr const char* kDeliver = "uplink_deliver";
constexpr ProgramImage kPrograms[] = {
    {kDeliver, "mz_uplink_deliver", mz_uplink_deliver__elf_bytes},
    {"endpoint_egress", "mz_endpoint_egress", mz_endpoint_egress__elf_bytes},
    {"endpoint_answer", "mz_endpoint_answer", mz_endpoint_answer__elf_bytes},
    {"group_copy", "mz_group_copy", mz_group_copy__elf_bytes},
    {"group_member", "mz_group_member_tc", mz_group_member__elf_bytes},
    {"uplink_hop", "mz_uplink_hop", mz_uplink_hop__elf_bytes},
    {"services_reply", "mz_services_reply", mz_services_reply__elf_bytes},
    {"function_reply", "mz_function_reply", mz_function_reply__elf_bytes},
    {"function_resume", "mz_function_resume", mz_function_resume__elf_bytes},
    {"hop_resume", "mz_hop_resume", mz_hop_resume__elf_bytes},
    {"gateway_out", "mz_gateway_out_tc", mz_gateway_out__elf_bytes},
    {"gateway_in", "mz_gateway_in_tc", mz_gateway_in__elf_bytes},
};

const char* program_of(Hook hook) {
  switch (hook) {
    case Hook::endpoint:
      return "endpoint_egress";
    case Hook::uplink_deliver:
      return kDeliver;
    case Hook::uplink_hop:
      return "uplink_hop";
    case Hook::services:
      return "services_reply";
    case Hook::gateway_out:
      return "gateway_out";
    case Hook::gateway_in:
      return "gateway_in";
    case Hook::function:
      return "function_reply";
  }
  return "";
}

bool is_gateway(const ProgramImage& image) { return std::string_view(image.name).starts_with("gateway_"); }

// A test run's verdict is not looked at: the notes and the reason say more.
Result<std::vector<std::uint8_t>> test_run(int prog_fd, std::span<const std::uint8_t> in,
                                           void* ctx, __u32 ctx_len) {
  std::vector<std::uint8_t> out(in.size() + 256);
  bpf_test_run_opts o{};
  o.sz = sizeof o;
  o.data_in = in.data();
  o.data_size_in = static_cast<__u32>(in.size());
  o.data_out = out.data();
  o.data_size_out = static_cast<__u32>(out.size());
  o.ctx_in = ctx;
  o.ctx_size_in = ctx_len;
  o.repeat = 1;
  if (bpf_prog_test_run_opts(prog_fd, &o) != 0)
    return fail_errno(Code::internal, errno, "run the program on a described packet");
  out.resize(o.data_size_out);
  return out;
}

// At `path`, in the place of what is there.
Result<> pin_program(int fd, const std::string& path) {
  std::error_code ec;
  std::filesystem::remove(path, ec);
  if (bpf_obj_pin(fd, path.c_str()) != 0) return fail_errno(Code::internal, errno, fmt::format("pin {}", path));
  return {};
}

class KernelDataplane final : public Dataplane {
 public:
  explicit KernelDataplane(KernelOptions o)
      : options_(std::move(o)),
        root_(pin_root(options_.bpffs, options_.instance)),
        hooks_(root_ + "/links", options_.force_clsact, options_.force_generic) {}

  Result<> prepare();

  Result<> load(const mz_cfg& cfg, const std::string& directory) override;
  bool loaded() const override { return !programs_.empty(); }
  Result<> attach(Hook hook, unsigned ifindex) override {
    if (prog_fd(hook) < 0)
      return fail(Code::failed_precondition, "program {}: not loaded with this configuration", program_of(hook));
    return hooks_.attach(hook, ifindex, prog_fd(hook));
  }
  Result<> detach(Hook hook, unsigned ifindex) override { return hooks_.detach(hook, ifindex); }
  std::vector<Attachment> attachments() const override { return hooks_.list(); }

  Table<std::uint32_t, mz_port>& ports() override { return ports_; }
  Table<mz_ep_key, mz_endpoint>& endpoints() override { return endpoints_; }
  Table<mz_ep_key, mz_path>& paths() override { return paths_; }
  Table<mz_net_key, mz_network>& networks() override { return networks_; }
  Table<std::uint32_t, mz_vpc>& vpcs() override { return vpcs_; }
  Table<std::uint32_t, mz_shard>& shards() override { return shards_; }
  Table<std::uint32_t, mz_host>& hosts() override { return hosts_; }
  Table<mz_addr, std::uint32_t>& host_ids() override { return host_ids_; }
  Table<mz_flow_key, mz_flow>& flows() override { return flows_; }
  Table<std::uint32_t, std::uint32_t>& flow_use() override { return flow_use_; }
  Table<mz_vip_key, mz_vip>& vips() override { return vips_; }
  Table<std::uint32_t, std::uint32_t>& vip_rows() override { return vip_rows_; }
  Table<std::uint32_t, mz_backend>& backends() override { return backends_; }
  Table<mz_sticky_key, mz_sticky>& stickies() override { return stickies_; }
  Table<mz_flow_key, mz_sticky>& entries() override { return entries_; }
  Table<mz_inside_key, mz_inside>& insides() override { return insides_; }
  Table<mz_outside_key, mz_outside>& outsides() override { return outsides_; }
  Table<mz_pool_key, mz_pool>& pools() override { return pools_; }
  Table<mz_mapping_key, mz_mapping>& mappings() override { return mappings_; }

  Table<mz_group_key, mz_group>& groups() override { return groups_; }
  Table<mz_group_key, mz_group>& group_hosts() override { return group_hosts_; }
  Table<std::uint32_t, std::uint32_t>& group_use() override { return group_use_; }

  Table<std::uint32_t, mz_policy>& policies() override { return policies_; }
  Table<mz_policy_label_key, std::uint32_t>& policy_labels() override { return policy_labels_; }
  Table<mz_policy_block_key, std::uint32_t>& policy_blocks() override { return policy_blocks_; }
  Table<mz_policy_port_key, std::uint32_t>& policy_ports() override { return policy_ports_; }
  Table<std::uint32_t, mz_policy_vector>& policy_vectors() override { return policy_vectors_; }
  Table<mz_policy_rule_key, mz_policy_rule>& policy_rules() override { return policy_rules_; }
  Table<std::uint32_t, mz_level>& levels() override { return levels_; }
  Table<std::uint32_t, mz_shaper>& shapers() override { return shapers_; }
  Table<std::uint32_t, mz_clocks>& clocks() override { return clocks_; }
  Result<mz_shaped_classes> shaped(std::uint32_t slot) override;
  Result<> clear_shaped(std::uint32_t slot) override;

  Result<> put_function(FunctionKind kind, unsigned slot, const FunctionImage& image) override;
  Result<> remove_function(FunctionKind kind, unsigned slot, const std::string& name) override;
  bool has_function(FunctionKind kind, unsigned slot) const override;
  Result<mz_function_count> function_count(FunctionKind kind, unsigned slot) override;
  Table<std::uint32_t, mz_function_chains>& function_ports() override { return function_ports_; }
  Table<std::uint32_t, mz_function_chains>& function_vpcs() override { return function_vpcs_; }
  Table<std::uint32_t, mz_function_chain>& function_chains() override { return function_chains_; }
  Table<std::uint32_t, mz_function_slot>& function_slots() override { return function_slots_; }

  Result<mz_flow_stats> flow_stats() override;

  Result<std::vector<mz_count>> counters(std::uint32_t vpc) override;
  Result<> clear_counters(std::uint32_t vpc) override;
  Result<TraceResult> trace(Hook hook, unsigned ifindex,
                            std::span<const std::uint8_t> frame) override;
  int event_fd() const override { return ring_ ? ring_buffer__epoll_fd(ring_.get()) : -1; }
  void poll_events(const std::function<void(const mz_any_event&)>& take) override {
    take_ = &take;
    ring_buffer__consume(ring_.get());
    take_ = nullptr;
  }
  Result<std::uint32_t> clock() override;
  Result<unsigned> clock_hz() override;

 private:
  Result<> bind_tables();
  Result<> bind_endpoints();
  Result<> put_own(const char* programs, std::uint32_t slot, const char* name);
  [[nodiscard]] int programs_fd(FunctionKind kind) const {
    return map_fd(kind == FunctionKind::hop ? "mz_function_xdp" : "mz_function_tc");
  }
  // -1: not loaded.
  [[nodiscard]] int prog_fd(Hook hook) const {
    const auto at = programs_.find(program_of(hook));
    return at == programs_.end() ? -1 : at->second.get();
  }
  // -1: there is none of that name.
  [[nodiscard]] int map_fd(const char* name) const {
    const auto at = tables_.find(name);
    return at == tables_.end() ? -1 : at->second.fd.get();
  }

  KernelOptions options_;
  std::string root_;
  Hooks hooks_;
  std::map<std::string, UniqueFd, std::less<>> programs_;
  LoadedTables tables_;
  UniqueFd clock_;
  Ring ring_;
  const std::function<void(const mz_any_event&)>* take_ = nullptr;

  KernelTable<std::uint32_t, mz_port> ports_;
  EndpointTable endpoints_;
  KernelTable<mz_ep_key, mz_path> paths_;
  KernelTable<mz_net_key, mz_network> networks_;
  KernelTable<std::uint32_t, mz_vpc> vpcs_;
  KernelTable<std::uint32_t, mz_shard> shards_;
  KernelTable<std::uint32_t, mz_host> hosts_;
  KernelTable<mz_addr, std::uint32_t> host_ids_;
  KernelTable<mz_flow_key, mz_flow> flows_;
  KernelTable<std::uint32_t, std::uint32_t> flow_use_;
  KernelTable<mz_vip_key, mz_vip> vips_;
  KernelTable<std::uint32_t, std::uint32_t> vip_rows_;
  KernelTable<std::uint32_t, mz_backend> backends_;
  KernelTable<mz_sticky_key, mz_sticky> stickies_;
  KernelTable<mz_flow_key, mz_sticky> entries_;
  KernelTable<mz_inside_key, mz_inside> insides_;
  KernelTable<mz_outside_key, mz_outside> outsides_;
  KernelTable<mz_pool_key, mz_pool> pools_;
  KernelTable<mz_mapping_key, mz_mapping> mappings_;
  KernelTable<mz_group_key, mz_group> groups_, group_hosts_;
  KernelTable<std::uint32_t, std::uint32_t> group_use_;
  KernelTable<std::uint32_t, mz_policy> policies_;
  KernelTable<mz_policy_label_key, std::uint32_t> policy_labels_;
  KernelTable<mz_policy_block_key, std::uint32_t> policy_blocks_;
  KernelTable<mz_policy_port_key, std::uint32_t> policy_ports_;
  KernelTable<std::uint32_t, mz_policy_vector> policy_vectors_;
  KernelTable<mz_policy_rule_key, mz_policy_rule> policy_rules_;
  KernelTable<std::uint32_t, mz_level> levels_;
  KernelTable<std::uint32_t, mz_shaper> shapers_;
  KernelTable<std::uint32_t, mz_clocks> clocks_;
  KernelTable<std::uint32_t, mz_function_chains> function_ports_;
  KernelTable<std::uint32_t, mz_function_chains> function_vpcs_;
  KernelTable<std::uint32_t, mz_function_chain> function_chains_;
  KernelTable<std::uint32_t, mz_function_slot> function_slots_;
};

Result<> KernelDataplane::prepare() {
  struct statfs fs {};
  if (statfs(options_.bpffs.c_str(), &fs) != 0 || fs.f_type != BPF_FS_MAGIC)
    return fail(Code::failed_precondition,
                "{} is not a BPF file system: mount it (mount -t bpf bpf {})", options_.bpffs,
                options_.bpffs);
  std::error_code ec;
  for (const char* sub : {"maps", "programs", "links", "functions"}) {
    std::filesystem::create_directories(fmt::format("{}/{}", root_, sub), ec);
    if (ec)
      return fail_errno(Code::failed_precondition, ec.value(), fmt::format("{}/{}", root_, sub));
  }
  std::filesystem::permissions(root_, std::filesystem::perms::owner_all, ec);
  libbpf_set_print(log_libbpf);
  return hooks_.recover();
}

// New programs are complete before the first hook changes; then each hook
// changes atomically, so every packet meets the old program or the new one. Those of
// gateways only where there is an outside.
Result<> KernelDataplane::load(const mz_cfg& cfg, const std::string& directory) {
  ProgramOptions options{cfg, options_.sizes, root_ + "/maps", directory};
  options.cfg.home_shift = home_shift(home_lines(options_.sizes.endpoints));
  decltype(programs_) fresh;
  LoadedTables tables;
  for (const ProgramImage& image : kPrograms) {
    if (is_gateway(image) && cfg.outside == 0) continue;
    auto object = ProgramObject::load(image, options);
    if (!object) return tl::unexpected(object.error());
    auto program = object->program();
    if (!program) return tl::unexpected(program.error());
    fresh.emplace(image.name, std::move(*program));
    if (image.name != std::string_view(kDeliver)) continue;
    auto all = object->tables();
    if (!all) return tl::unexpected(all.error());
    tables = std::move(*all);
  }
  programs_ = std::move(fresh);
  tables_ = std::move(tables);
  MZ_CHECK(bind_tables());
  MZ_CHECK(put_own("mz_function_tc", MZ_FUNCTION_ANSWER, "endpoint_answer"));
  MZ_CHECK(put_own("mz_function_tc", MZ_FUNCTION_RESUME, "function_resume"));
  MZ_CHECK(put_own("mz_function_xdp", MZ_FUNCTION_RESUME, "hop_resume"));
  MZ_CHECK(put_own("mz_group_tc", MZ_GROUP_MEMBER, "group_member"));
  MZ_CHECK(put_own("mz_group_tc", MZ_GROUP_COPY, "group_copy"));
  for (const Attachment& a : hooks_.list())
    MZ_CHECK(prog_fd(a.hook) < 0 ? hooks_.detach(a.hook, a.ifindex)
                                 : hooks_.attach(a.hook, a.ifindex, prog_fd(a.hook)));
  for (const ProgramImage& image : kPrograms) {
    const std::string pin = fmt::format("{}/programs/{}", root_, image.name);
    std::error_code ec;
    if (const auto at = programs_.find(image.name); at != programs_.end())
      MZ_CHECK(pin_program(at->second.get(), pin));
    else
      std::filesystem::remove(pin, ec);
  }
  return {};
}

Result<> KernelDataplane::bind_endpoints() {
  const LoadedTable &table = tables_.at("mz_endpoints"), &lines = tables_.at("mz_homes");
  return endpoints_.bind(table.fd.get(), table.rows, lines.fd.get(), lines.rows);
}

Result<> KernelDataplane::bind_tables() {
  const auto bind = [&](auto& table, const char* name, bool array) {
    const LoadedTable& t = tables_.at(name);
    table.bind(t.fd.get(), name, t.rows, array);
  };
  bind(ports_, "mz_ports", true);
  MZ_CHECK(bind_endpoints());
  bind(paths_, "mz_paths", false);
  bind(networks_, "mz_networks", false);
  bind(vpcs_, "mz_vpcs", false);
  bind(shards_, "mz_shards", true);
  bind(hosts_, "mz_hosts", true);
  bind(host_ids_, "mz_host_ids", false);
  bind(flows_, "mz_flows", false);
  bind(flow_use_, "mz_flow_use", true);
  bind(vips_, "mz_vips", false);
  bind(vip_rows_, "mz_vip_rows", true);
  bind(backends_, "mz_backends", false);
  bind(stickies_, "mz_stickies", false);
  bind(entries_, "mz_entries", false);
  bind(insides_, "mz_insides", false);
  bind(outsides_, "mz_outsides", false);
  bind(pools_, "mz_pools", false);
  bind(mappings_, "mz_mappings", false);
  bind(groups_, "mz_groups", false);
  bind(group_hosts_, "mz_group_hosts", false);
  bind(group_use_, "mz_group_use", true);
  bind(policies_, "mz_policies", false);
  bind(policy_labels_, "mz_policy_labels", false);
  bind(policy_blocks_, "mz_policy_blocks", false);
  bind(policy_ports_, "mz_policy_ports", false);
  bind(policy_vectors_, "mz_policy_vectors", false);
  bind(policy_rules_, "mz_policy_rules", false);
  bind(levels_, "mz_levels", true);
  bind(shapers_, "mz_shapers", true);
  bind(clocks_, "mz_clocks", true);
  bind(function_ports_, "mz_function_ports", true);
  bind(function_vpcs_, "mz_function_vpcs", true);
  bind(function_chains_, "mz_function_chains", true);
  bind(function_slots_, "mz_function_slots", true);
  if (ring_) return {};  // the ring is pinned: the same one
  ring_.reset(ring_buffer__new(
      map_fd("mz_events"),
      [](void* self, void* data, size_t size) {
        const auto* take = static_cast<KernelDataplane*>(self)->take_;
        mz_any_event e{};
        if (size < sizeof e.event) return 0;
        std::memcpy(&e, data, std::min(size, sizeof e));
        if (take) (*take)(e);
        return 0;
      },
      this, nullptr));
  if (!ring_) return fail_errno(Code::internal, errno, "event ring");
  return {};
}

Result<std::vector<mz_count>> KernelDataplane::counters(std::uint32_t vpc) {
  constexpr std::uint32_t n = MZ_DIRS * MZ_REASON_SLOTS;
  const auto cpus = static_cast<size_t>(libbpf_num_possible_cpus());
  std::vector<mz_count> sums(n), each(cpus);
  for (std::uint32_t i = 0; i < n; i++) {
    const std::uint32_t slot = vpc * n + i;
    if (bpf_map_lookup_elem(map_fd("mz_counters"), &slot, each.data()) != 0)
      return fail_errno(Code::internal, errno, fmt::format("counters of slot {}", vpc));
    for (const mz_count& c : each) {
      sums[i].packets += c.packets;
      sums[i].bytes += c.bytes;
    }
  }
  return sums;
}

Result<> KernelDataplane::clear_counters(std::uint32_t vpc) {
  constexpr std::uint32_t n = MZ_DIRS * MZ_REASON_SLOTS;
  const std::vector<mz_count> zero(static_cast<size_t>(libbpf_num_possible_cpus()));
  for (std::uint32_t i = 0; i < n; i++) {
    const std::uint32_t slot = vpc * n + i;
    if (bpf_map_update_elem(map_fd("mz_counters"), &slot, zero.data(), BPF_ANY) != 0)
      return fail_errno(Code::internal, errno, fmt::format("counters of slot {}", vpc));
  }
  return {};
}

// A packet that is at a function meanwhile goes on in the new program: what waits
// for it has one layout for all programs of an ABI version.
Result<> KernelDataplane::put_own(const char* programs, std::uint32_t slot, const char* name) {
  const int fd = programs_.at(name).get();
  if (bpf_map_update_elem(map_fd(programs), &slot, &fd, BPF_ANY) == 0) return {};
  return fail_errno(Code::internal, errno, fmt::format("{}: {}", programs, name));
}

Result<> KernelDataplane::put_function(FunctionKind kind, unsigned slot, const FunctionImage& image) {
  if (slot >= MZ_FUNCTIONS) return fail(Code::internal, "function {}: no slot {}", image.name, slot);
  auto object = FunctionObject::load(image, kind, [this](const char* name) { return map_fd(name); });
  if (!object) return tl::unexpected(object.error());
  const std::uint32_t at = slot + (kind == FunctionKind::hop ? MZ_FUNCTIONS : 0);
  const std::vector<mz_function_count> zero(static_cast<size_t>(libbpf_num_possible_cpus()));
  const std::string pins = fmt::format("{}/functions/{}", root_, image.name), fresh = pins + "+new";
  const int fd = object->program_fd();
  std::error_code ec;
  auto rc = object->pin_maps(fresh);
  if (rc && bpf_map_update_elem(programs_fd(kind), &slot, &fd, BPF_ANY) != 0)
    rc = fail_errno(Code::internal, errno, fmt::format("function {}: put it in slot {}", image.name, slot));
  if (!rc) {
    std::filesystem::remove_all(fresh, ec);
    return rc;
  }
  // From here on it runs.
  if (bpf_map_update_elem(map_fd("mz_function_counts"), &at, zero.data(), BPF_ANY) != 0)
    log::warning("function {}: its counts do not begin anew: {}", image.name, std::strerror(errno));
  std::filesystem::remove_all(pins, ec);
  std::filesystem::rename(fresh, pins, ec);
  if (ec) log::warning("function {}: its maps stand in {}: {}", image.name, fresh, ec.message());
  return {};
}

Result<> KernelDataplane::remove_function(FunctionKind kind, unsigned slot, const std::string& name) {
  if (bpf_map_delete_elem(programs_fd(kind), &slot) != 0 && errno != ENOENT)
    return fail_errno(Code::internal, errno, fmt::format("function {}: remove it from slot {}", name, slot));
  std::error_code ec;
  std::filesystem::remove_all(fmt::format("{}/functions/{}", root_, name), ec);
  return {};
}

bool KernelDataplane::has_function(FunctionKind kind, unsigned slot) const {
  std::uint32_t id = 0;
  return bpf_map_lookup_elem(programs_fd(kind), &slot, &id) == 0;
}

Result<mz_function_count> KernelDataplane::function_count(FunctionKind kind, unsigned slot) {
  const std::uint32_t at = slot + (kind == FunctionKind::hop ? MZ_FUNCTIONS : 0);
  mz_function_count sum{};
  std::vector<mz_function_count> each(static_cast<size_t>(libbpf_num_possible_cpus()));
  if (bpf_map_lookup_elem(map_fd("mz_function_counts"), &at, each.data()) != 0)
    return fail_errno(Code::internal, errno, fmt::format("counts of function slot {}", at));
  for (const mz_function_count& c : each) {
    sum.packets += c.packets;
    sum.dropped += c.dropped;
    sum.taken += c.taken;
  }
  return sum;
}

Result<mz_flow_stats> KernelDataplane::flow_stats() {
  const std::uint32_t zero = 0;
  mz_flow_stats sum{};
  std::vector<mz_flow_stats> each(static_cast<size_t>(libbpf_num_possible_cpus()));
  if (bpf_map_lookup_elem(map_fd("mz_flow_stats"), &zero, each.data()) != 0)
    return fail_errno(Code::internal, errno, "statistics of flows");
  for (const mz_flow_stats& s : each) {
    sum.opened += s.opened;
    sum.refused += s.refused;
    sum.failed += s.failed;
  }
  return sum;
}

Result<mz_shaped_classes> KernelDataplane::shaped(std::uint32_t slot) {
  mz_shaped_classes sum{};
  std::vector<mz_shaped_classes> each(static_cast<size_t>(libbpf_num_possible_cpus()));
  if (bpf_map_lookup_elem(map_fd("mz_shaped"), &slot, each.data()) != 0)
    return fail_errno(Code::internal, errno, fmt::format("counts of shaper {}", slot));
  for (const auto& cpu : each)
    for (unsigned k = 0; k < MZ_CLASSES; k++) {
      sum.class_[k].packets += cpu.class_[k].packets;
      sum.class_[k].bytes += cpu.class_[k].bytes;
      sum.class_[k].marked += cpu.class_[k].marked;
      sum.class_[k].dropped += cpu.class_[k].dropped;
      sum.class_[k].delay += cpu.class_[k].delay;
    }
  return sum;
}

Result<> KernelDataplane::clear_shaped(std::uint32_t slot) {
  const std::vector<mz_shaped_classes> zero(static_cast<size_t>(libbpf_num_possible_cpus()));
  if (bpf_map_update_elem(map_fd("mz_shaped"), &slot, zero.data(), BPF_ANY) != 0)
    return fail_errno(Code::internal, errno, fmt::format("counts of shaper {}", slot));
  return {};
}

Result<TraceResult> KernelDataplane::trace(Hook hook, unsigned ifindex,
                                           std::span<const std::uint8_t> frame) {
  const std::uint32_t zero = 0;
  mz_trace notes{};
  bpf_map_update_elem(map_fd("mz_trace"), &zero, &notes, BPF_ANY);

  TraceResult result;
  if (hook == Hook::uplink_hop) {
    // XDP has no mark: the word in front of the frame says the same.
    std::vector<std::uint8_t> in(4 + frame.size());
    const std::uint32_t mark = MZ_TRACE_MARK;
    std::memcpy(in.data(), &mark, 4);
    std::copy(frame.begin(), frame.end(), in.begin() + 4);
    xdp_md md{};
    md.data = 4;
    md.data_end = static_cast<__u32>(in.size());
    auto out = test_run(prog_fd(hook), in, &md, sizeof md);
    if (!out) return tl::unexpected(out.error());
    result.frame.assign(out->begin() + 4, out->end());
  } else {
    __sk_buff skb{};
    skb.mark = MZ_TRACE_MARK;
    skb.ifindex = ifindex;
    auto out = test_run(prog_fd(hook), frame, &skb, sizeof skb);
    if (!out) return tl::unexpected(out.error());
    result.frame = std::move(*out);
  }
  if (bpf_map_lookup_elem(map_fd("mz_trace"), &zero, &notes) != 0)
    return fail_errno(Code::internal, errno, "trace notes");
  result.notes.assign(notes.note, notes.note + std::min<std::uint32_t>(notes.used, MZ_NOTES));
  result.reason = notes.reason;
  return result;
}

Result<std::uint32_t> KernelDataplane::clock() {
  if (!clock_.valid()) {
    const Clock object(mz_clock__open_and_load());
    if (!object) return fail_errno(Code::failed_precondition, errno, "load the clock program");
    clock_.reset(fcntl(bpf_program__fd(object->progs.mz_clock), F_DUPFD_CLOEXEC, 0));
  }
  std::array<std::uint8_t, 64> frame{};
  bpf_test_run_opts o{};
  o.sz = sizeof o;
  o.data_in = frame.data();
  o.data_size_in = frame.size();
  o.repeat = 1;
  if (bpf_prog_test_run_opts(clock_.get(), &o) != 0)
    return fail_errno(Code::internal, errno, "run the clock program");
  return o.retval;
}

// The kernel does not say its HZ everywhere: count jiffies over a while.
Result<unsigned> KernelDataplane::clock_hz() {
  const auto t0 = clock();
  if (!t0) return tl::unexpected(t0.error());
  const timespec pause{0, 100'000'000};
  nanosleep(&pause, nullptr);
  const auto t1 = clock();
  if (!t1) return tl::unexpected(t1.error());
  const unsigned per_second = (*t1 - *t0) * 10;
  constexpr std::array<unsigned, 4> known = {100, 250, 300, 1000};
  return *std::min_element(known.begin(), known.end(), [&](unsigned a, unsigned b) {
    return std::max(a, per_second) - std::min(a, per_second) <
           std::max(b, per_second) - std::min(b, per_second);
  });
}

}  // namespace

std::string pin_root(const std::string& bpffs, const std::string& instance) {
  return fmt::format("{}/mizar/{}/{}", bpffs, instance, MZ_ABI_VERSION);
}

Result<std::unique_ptr<Dataplane>> open_kernel_dataplane(KernelOptions options) {
  auto dp = std::make_unique<KernelDataplane>(std::move(options));
  MZ_CHECK(dp->prepare());
  return std::unique_ptr<Dataplane>(std::move(dp));
}

}  // namespace mizar
