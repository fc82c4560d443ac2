// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/kernel_dataplane.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "bpf/clock.skel.h"
#include "bpf/endpoint_answer.skel.h"
#include "bpf/endpoint_egress.skel.h"
#include "bpf/function_reply.skel.h"
#include "bpf/function_resume.skel.h"
#include "bpf/gateway_in.skel.h"
#include "bpf/gateway_out.skel.h"
#include "bpf/hop_resume.skel.h"
#include "bpf/services_reply.skel.h"
#include "bpf/uplink_deliver.skel.h"
#include "bpf/uplink_hop.skel.h"
#include "bpf/abi/hash.h"
#include "userspace/base/log.h"
#include "userspace/dataplane/function_object.h"
#include "userspace/dataplane/hooks.h"
#include "userspace/dataplane/kernel_table.h"

namespace mizar {

namespace {

template <class Skel, void (*Destroy)(Skel*)>
struct SkelFree {
  void operator()(Skel* s) const { Destroy(s); }
};
using Egress = std::unique_ptr<mz_endpoint_egress,
                               SkelFree<mz_endpoint_egress, mz_endpoint_egress__destroy>>;
using Deliver = std::unique_ptr<mz_uplink_deliver,
                                SkelFree<mz_uplink_deliver, mz_uplink_deliver__destroy>>;
using Hop = std::unique_ptr<mz_uplink_hop, SkelFree<mz_uplink_hop, mz_uplink_hop__destroy>>;
using Reply = std::unique_ptr<mz_services_reply,
                              SkelFree<mz_services_reply, mz_services_reply__destroy>>;
using GatewayOut = std::unique_ptr<mz_gateway_out, SkelFree<mz_gateway_out, mz_gateway_out__destroy>>;
using GatewayIn = std::unique_ptr<mz_gateway_in, SkelFree<mz_gateway_in, mz_gateway_in__destroy>>;
using Answer = std::unique_ptr<mz_endpoint_answer, SkelFree<mz_endpoint_answer, mz_endpoint_answer__destroy>>;
using FunctionReply = std::unique_ptr<mz_function_reply,
                                      SkelFree<mz_function_reply, mz_function_reply__destroy>>;
using FunctionResume = std::unique_ptr<mz_function_resume,
                                       SkelFree<mz_function_resume, mz_function_resume__destroy>>;
using HopResume = std::unique_ptr<mz_hop_resume, SkelFree<mz_hop_resume, mz_hop_resume__destroy>>;
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

void set_sizes(bpf_object* obj, const TableSizes& s) {
  const std::pair<const char*, std::uint32_t> sizes[] = {
      {"mz_endpoints", s.endpoints},
      {"mz_paths", s.paths},
      {"mz_networks", s.networks},
      {"mz_vpcs", s.vpcs},
      {"mz_shards", s.shard_tables * MZ_BUCKETS},
      {"mz_hosts", s.hosts},
      {"mz_host_ids", s.hosts},
      {"mz_counters", s.vpc_slots * MZ_DIRS * MZ_REASON_SLOTS},
      {"mz_flows", s.flows},
      {"mz_vips", s.vips},
      {"mz_vip_rows", s.vip_rows},
      {"mz_backends", s.backends},
      {"mz_insides", s.insides},
      {"mz_outsides", s.insides},
      {"mz_mappings", s.mappings},
      {"mz_function_vpcs", s.vpc_slots},
  };
  for (const auto& [name, n] : sizes)
    bpf_map__set_max_entries(bpf_object__find_map_by_name(obj, name), n);
}

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

class KernelDataplane final : public Dataplane {
 public:
  explicit KernelDataplane(KernelOptions o)
      : options_(std::move(o)),
        root_(pin_root(options_.bpffs, options_.instance)),
        hooks_(root_ + "/links", options_.force_clsact, options_.force_generic) {}

  Result<> prepare();

  Result<> load(const mz_cfg& cfg, const std::string& directory) override;
  bool loaded() const override { return deliver_ != nullptr; }
  Result<> attach(Hook hook, unsigned ifindex) override {
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
  Table<mz_inside_key, mz_inside>& insides() override { return insides_; }
  Table<mz_outside_key, mz_outside>& outsides() override { return outsides_; }
  Table<mz_pool_key, mz_pool>& pools() override { return pools_; }
  Table<mz_mapping_key, mz_mapping>& mappings() override { return mappings_; }

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
  void poll_events(const std::function<void(const mz_event&)>& take) override {
    take_ = &take;
    ring_buffer__consume(ring_.get());
    take_ = nullptr;
  }
  Result<std::uint32_t> clock() override;
  Result<unsigned> clock_hz() override;

 private:
  template <class Ptr, class CreateFn, class LoadFn>
  Result<Ptr> load_one(CreateFn create, LoadFn load_skel, const char* name, const mz_cfg& cfg,
                       const std::string& directory);
  Result<> bind_tables();
  Result<> pin_program(bpf_program* prog, const char* name);
  Result<> put_own(const char* programs, std::uint32_t slot, bpf_program* prog);
  [[nodiscard]] int programs_fd(FunctionKind kind) const {
    return map_fd(kind == FunctionKind::hop ? "mz_function_xdp" : "mz_function_tc");
  }
  [[nodiscard]] int prog_fd(Hook hook) const;
  [[nodiscard]] int map_fd(const char* name) const {
    return bpf_map__fd(bpf_object__find_map_by_name(deliver_->obj, name));
  }

  KernelOptions options_;
  std::string root_;
  Hooks hooks_;
  Egress egress_;
  Deliver deliver_;
  Hop hop_;
  Reply reply_;
  GatewayOut gateway_out_;
  GatewayIn gateway_in_;
  Answer answer_;
  FunctionReply function_reply_;
  FunctionResume function_resume_;
  HopResume hop_resume_;
  Clock clock_;
  Ring ring_;
  const std::function<void(const mz_event&)>* take_ = nullptr;

  KernelTable<std::uint32_t, mz_port> ports_;
  KernelTable<mz_ep_key, mz_endpoint> endpoints_;
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
  KernelTable<mz_inside_key, mz_inside> insides_;
  KernelTable<mz_outside_key, mz_outside> outsides_;
  KernelTable<mz_pool_key, mz_pool> pools_;
  KernelTable<mz_mapping_key, mz_mapping> mappings_;
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

// A skeleton opened from the bytes built in, or those of a file in `directory`.
template <class Ptr, class CreateFn, class LoadFn>
Result<Ptr> KernelDataplane::load_one(CreateFn create, LoadFn load_skel, const char* name,
                                      const mz_cfg& cfg, const std::string& directory) {
  bpf_object_open_opts o{};
  const std::string maps = root_ + "/maps";
  o.sz = sizeof o;
  o.pin_root_path = maps.c_str();
  using Skel = typename Ptr::element_type;
  Ptr skel(static_cast<Skel*>(std::calloc(1, sizeof(Skel))));  // its destructor frees
  if (!skel || create(skel.get()) != 0) return fail(Code::internal, "program {}: no memory", name);
  std::string bytes;
  if (!directory.empty()) {
    const std::string path = fmt::format("{}/{}.bpf.o", directory, name);
    std::ifstream file(path, std::ios::binary);
    if (!file) return fail(Code::not_found, "object file {}: cannot be read", path);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
    skel->skeleton->data = bytes.data();
    skel->skeleton->data_sz = bytes.size();
  }
  if (bpf_object__open_skeleton(skel->skeleton, &o) != 0)
    return fail_errno(Code::failed_precondition, errno,
                      fmt::format("program {}: not an object of this version", name));
  size_t constants = 0;
  for (int i = 0; i < skel->skeleton->map_cnt; i++)
    if (std::string_view(skel->skeleton->maps[i].name).ends_with("rodata"))
      bpf_map__initial_value(*skel->skeleton->maps[i].map, &constants);
  if (constants != sizeof(*skel->rodata))
    return fail(Code::failed_precondition, "program {}: its constants are of another version", name);
  skel->rodata->mz_cfg = cfg;
  set_sizes(skel->obj, options_.sizes);
  if (load_skel(skel.get()) == 0) return skel;
  const int err = errno;
  if (err == EINVAL)
    return fail_errno(Code::failed_precondition, err,
                      fmt::format("program {}: load (tables pinned under {} may have other sizes: "
                                  "start with the old sizes, or 'transitd --reset')",
                                  name, maps));
  return fail_errno(Code::failed_precondition, err,
                    fmt::format("program {}: load ('transit doctor' says what this kernel lacks)",
                                name));
}

// New programs are complete before the first hook changes; then each hook
// changes atomically, so every packet meets the old program or the new one.
Result<> KernelDataplane::load(const mz_cfg& cfg, const std::string& directory) {
  auto deliver = load_one<Deliver>(mz_uplink_deliver__create_skeleton, mz_uplink_deliver__load,
                                   "uplink_deliver", cfg, directory);
  if (!deliver) return tl::unexpected(deliver.error());
  auto egress = load_one<Egress>(mz_endpoint_egress__create_skeleton, mz_endpoint_egress__load,
                                 "endpoint_egress", cfg, directory);
  if (!egress) return tl::unexpected(egress.error());
  auto hop = load_one<Hop>(mz_uplink_hop__create_skeleton, mz_uplink_hop__load, "uplink_hop", cfg, directory);
  if (!hop) return tl::unexpected(hop.error());

  auto reply = load_one<Reply>(mz_services_reply__create_skeleton, mz_services_reply__load,
                               "services_reply", cfg, directory);
  if (!reply) return tl::unexpected(reply.error());

  auto out = load_one<GatewayOut>(mz_gateway_out__create_skeleton, mz_gateway_out__load, "gateway_out", cfg, directory);
  if (!out) return tl::unexpected(out.error());
  auto in = load_one<GatewayIn>(mz_gateway_in__create_skeleton, mz_gateway_in__load, "gateway_in", cfg, directory);
  if (!in) return tl::unexpected(in.error());
  auto answer = load_one<Answer>(mz_endpoint_answer__create_skeleton, mz_endpoint_answer__load, "endpoint_answer", cfg,
                                 directory);
  if (!answer) return tl::unexpected(answer.error());
  auto function_reply = load_one<FunctionReply>(mz_function_reply__create_skeleton, mz_function_reply__load,
                                                "function_reply", cfg, directory);
  if (!function_reply) return tl::unexpected(function_reply.error());
  auto function_resume = load_one<FunctionResume>(mz_function_resume__create_skeleton, mz_function_resume__load,
                                                  "function_resume", cfg, directory);
  if (!function_resume) return tl::unexpected(function_resume.error());
  auto hop_resume = load_one<HopResume>(mz_hop_resume__create_skeleton, mz_hop_resume__load, "hop_resume", cfg, directory);
  if (!hop_resume) return tl::unexpected(hop_resume.error());

  deliver_ = std::move(*deliver);
  egress_ = std::move(*egress);
  hop_ = std::move(*hop);
  reply_ = std::move(*reply);
  gateway_out_ = std::move(*out);
  gateway_in_ = std::move(*in);
  answer_ = std::move(*answer);
  function_reply_ = std::move(*function_reply);
  function_resume_ = std::move(*function_resume);
  hop_resume_ = std::move(*hop_resume);
  MZ_CHECK(bind_tables());
  MZ_CHECK(put_own("mz_function_tc", MZ_FUNCTION_ANSWER, answer_->progs.mz_endpoint_answer));
  MZ_CHECK(put_own("mz_function_tc", MZ_FUNCTION_RESUME, function_resume_->progs.mz_function_resume));
  MZ_CHECK(put_own("mz_function_xdp", MZ_FUNCTION_RESUME, hop_resume_->progs.mz_hop_resume));
  MZ_CHECK(pin_program(deliver_->progs.mz_uplink_deliver, "uplink_deliver"));
  MZ_CHECK(pin_program(egress_->progs.mz_endpoint_egress, "endpoint_egress"));
  MZ_CHECK(pin_program(hop_->progs.mz_uplink_hop, "uplink_hop"));
  MZ_CHECK(pin_program(reply_->progs.mz_services_reply, "services_reply"));
  MZ_CHECK(pin_program(gateway_out_->progs.mz_gateway_out_tc, "gateway_out"));
  MZ_CHECK(pin_program(gateway_in_->progs.mz_gateway_in_tc, "gateway_in"));
  MZ_CHECK(pin_program(answer_->progs.mz_endpoint_answer, "endpoint_answer"));
  MZ_CHECK(pin_program(function_reply_->progs.mz_function_reply, "function_reply"));
  MZ_CHECK(pin_program(function_resume_->progs.mz_function_resume, "function_resume"));
  MZ_CHECK(pin_program(hop_resume_->progs.mz_hop_resume, "hop_resume"));
  for (const Attachment& a : hooks_.list())
    MZ_CHECK(hooks_.attach(a.hook, a.ifindex, prog_fd(a.hook)));
  return {};
}

Result<> KernelDataplane::bind_tables() {
  const auto bind = [&](auto& table, const char* name, bool array) {
    bpf_map* m = bpf_object__find_map_by_name(gateway_in_->obj, name);
    table.bind(bpf_map__fd(m), name, bpf_map__max_entries(m), array);
  };
  bind(ports_, "mz_ports", true);
  bind(endpoints_, "mz_endpoints", false);
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
  bind(insides_, "mz_insides", false);
  bind(outsides_, "mz_outsides", false);
  bind(pools_, "mz_pools", false);
  bind(mappings_, "mz_mappings", false);
  bind(function_ports_, "mz_function_ports", true);
  bind(function_vpcs_, "mz_function_vpcs", true);
  bind(function_chains_, "mz_function_chains", true);
  bind(function_slots_, "mz_function_slots", true);
  if (ring_) return {};  // the ring is pinned: the same one
  ring_.reset(ring_buffer__new(
      map_fd("mz_events"),
      [](void* self, void* data, size_t size) {
        const auto* take = static_cast<KernelDataplane*>(self)->take_;
        mz_event e;
        if (size < sizeof e) return 0;
        std::memcpy(&e, data, sizeof e);
        if (take) (*take)(e);
        return 0;
      },
      this, nullptr));
  if (!ring_) return fail_errno(Code::internal, errno, "event ring");
  return {};
}

Result<> KernelDataplane::pin_program(bpf_program* prog, const char* name) {
  const std::string path = fmt::format("{}/programs/{}", root_, name);
  std::filesystem::remove(path);
  if (const int rc = bpf_program__pin(prog, path.c_str()); rc != 0)
    return fail_errno(Code::internal, -rc, fmt::format("pin {}", path));
  return {};
}

int KernelDataplane::prog_fd(Hook hook) const {
  switch (hook) {
    case Hook::endpoint:
      return bpf_program__fd(egress_->progs.mz_endpoint_egress);
    case Hook::uplink_deliver:
      return bpf_program__fd(deliver_->progs.mz_uplink_deliver);
    case Hook::uplink_hop:
      return bpf_program__fd(hop_->progs.mz_uplink_hop);
    case Hook::services:
      return bpf_program__fd(reply_->progs.mz_services_reply);
    case Hook::gateway_out:
      return bpf_program__fd(gateway_out_->progs.mz_gateway_out_tc);
    case Hook::gateway_in:
      return bpf_program__fd(gateway_in_->progs.mz_gateway_in_tc);
    case Hook::function:
      return bpf_program__fd(function_reply_->progs.mz_function_reply);
  }
  return -1;
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
Result<> KernelDataplane::put_own(const char* programs, std::uint32_t slot, bpf_program* prog) {
  const int fd = bpf_program__fd(prog);
  if (bpf_map_update_elem(map_fd(programs), &slot, &fd, BPF_ANY) == 0) return {};
  return fail_errno(Code::internal, errno, fmt::format("{}: {}", programs, bpf_program__name(prog)));
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
  if (!clock_) clock_.reset(mz_clock__open_and_load());
  if (!clock_) return fail_errno(Code::failed_precondition, errno, "load the clock program");
  std::array<std::uint8_t, 64> frame{};
  bpf_test_run_opts o{};
  o.sz = sizeof o;
  o.data_in = frame.data();
  o.data_size_in = frame.size();
  o.repeat = 1;
  if (bpf_prog_test_run_opts(bpf_program__fd(clock_->progs.mz_clock), &o) != 0)
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
