// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/program_object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <span>

#include "bpf/abi/hash.h"
#include "userspace/dataplane/homes.h"

namespace mizar {

namespace {

Result<std::string> read_object(const ProgramImage& image, const std::string& directory) {
  const std::string path = fmt::format("{}/{}.bpf.o", directory, image.name);
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Code::not_found, "object file {}: cannot be read", path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Its constants are mz_cfg and nothing else.
Result<> set_cfg(bpf_object* object, const mz_cfg& cfg, const char* name) {
  bpf_map *m, *constants = nullptr;
  bpf_object__for_each_map(m, object)
    if (std::string_view(bpf_map__name(m)).ends_with(".rodata")) constants = m;
  if (constants && bpf_map__set_initial_value(constants, &cfg, sizeof cfg) == 0) return {};
  return fail(Code::failed_precondition, "program {}: its constants are of another version", name);
}

void set_sizes(bpf_object* object, const TableSizes& s) {
  const std::pair<const char*, std::uint32_t> sizes[] = {
      {"mz_endpoints", s.endpoints},
      {"mz_homes", home_lines(s.endpoints)},
      {"mz_paths", s.paths},
      {"mz_networks", s.networks},
      {"mz_vpcs", s.vpcs},
      {"mz_shards", s.shard_tables * MZ_BUCKETS},
      {"mz_hosts", s.hosts},
      {"mz_host_ids", s.hosts},
      {"mz_counters", s.vpc_slots * MZ_DIRS * MZ_REASON_SLOTS},
      {"mz_flows", s.flows},
      {"mz_frags", s.fragments},
      {"mz_links6", s.dhcp6_clients},
      {"mz_vips", s.vips},
      {"mz_vip_rows", s.vip_rows},
      {"mz_backends", s.backends},
      {"mz_stickies", s.stickies},
      {"mz_entries", s.entries},
      {"mz_insides", s.insides},
      {"mz_outsides", s.insides},
      {"mz_mappings", s.mappings},
      {"mz_groups", s.groups},
      {"mz_group_hosts", s.groups},
      {"mz_policies", s.policies},
      {"mz_policy_labels", s.policy_rows},
      {"mz_policy_blocks", s.policy_rows},
      {"mz_policy_ports", s.policy_rows},
      {"mz_policy_rules", s.policy_rows},
      {"mz_policy_vectors", s.policy_vectors},
      {"mz_function_vpcs", s.vpc_slots},
      {"mz_shapers", s.shapers},
      {"mz_clocks", s.shapers},
      {"mz_shaped", s.shapers},
  };
  for (const auto& [name, n] : sizes)
    bpf_map__set_max_entries(bpf_object__find_map_by_name(object, name), n);
}

// The kernel's own answer would be EINVAL, whatever it is that differs.
Result<> check_pins(const bpf_object* object) {
  const bpf_map* m;
  bpf_object__for_each_map(m, object) {
    const char* pin = bpf_map__pin_path(m);
    const UniqueFd fd(pin ? bpf_obj_get(pin) : -1);
    bpf_map_info info{};
    __u32 size = sizeof info;
    if (!fd.valid() || bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0) continue;
    if (info.max_entries != bpf_map__max_entries(m))
      return fail(Code::failed_precondition,
                  "table {}: pinned with {} rows, {} wanted; start transitd with the --scale and --max options it had, "
                  "or forget what is pinned with 'transitd --reset'",
                  bpf_map__name(m), info.max_entries, bpf_map__max_entries(m));
  }
  return {};
}

Failure refused(const char* name, int err) {
  return fail_errno(Code::failed_precondition, err,
                    fmt::format("program {}: load ('transit doctor' says what this kernel lacks)", name));
}

// What is built in is read once: its pages need not stay. A later load has them back from the file.
void forget(std::span<const std::byte> bytes) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto at = reinterpret_cast<std::uintptr_t>(bytes.data());
  const std::uintptr_t first = (at + page - 1) & -page, end = (at + bytes.size()) & -page;
  if (first < end) madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
}

// Of its own, to outlive libbpf's.
Result<UniqueFd> keep(int fd, const char* name) {
  UniqueFd ours(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!ours.valid()) return fail_errno(Code::internal, errno, fmt::format("{}: keep it open", name));
  return ours;
}

}  // namespace

void ProgramObject::Close::operator()(bpf_object* o) const { bpf_object__close(o); }

Result<ProgramObject> ProgramObject::load(const ProgramImage& image, const ProgramOptions& options) {
  size_t size = 0;
  const void* bytes = image.bytes(&size);
  std::string file;
  if (!options.directory.empty()) {
    auto read = read_object(image, options.directory);
    if (!read) return tl::unexpected(read.error());
    file = std::move(*read);
    bytes = file.data();
    size = file.size();
  }
  bpf_object_open_opts o{};
  o.sz = sizeof o;
  o.object_name = image.program;
  o.pin_root_path = options.maps.c_str();
  ProgramObject p;
  p.program_ = image.program;
  p.object_.reset(size == 0 ? nullptr : bpf_object__open_mem(bytes, size, &o));
  if (!p.object_ || !bpf_object__find_program_by_name(p.object_.get(), image.program))
    return fail(Code::failed_precondition, "program {}: not an object of this version", image.name);
  MZ_CHECK(set_cfg(p.object_.get(), options.cfg, image.name));
  set_sizes(p.object_.get(), options.sizes);
  MZ_CHECK(check_pins(p.object_.get()));
  if (const int rc = bpf_object__load(p.object_.get()); rc != 0)
    return refused(image.name, -rc);
  if (file.empty()) forget({static_cast<const std::byte*>(bytes), size});
  return p;
}

Result<UniqueFd> ProgramObject::program() const {
  return keep(bpf_program__fd(bpf_object__find_program_by_name(object_.get(), program_)), program_);
}

Result<LoadedTables> ProgramObject::tables() const {
  LoadedTables all;
  const bpf_map* m;
  bpf_object__for_each_map(m, object_.get()) {
    auto fd = keep(bpf_map__fd(m), bpf_map__name(m));
    if (!fd) return tl::unexpected(fd.error());
    all.emplace(bpf_map__name(m), LoadedTable{std::move(*fd), bpf_map__max_entries(m)});
  }
  return all;
}

}  // namespace mizar
