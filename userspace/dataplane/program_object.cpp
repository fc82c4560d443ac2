// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/program_object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

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
      {"mz_vips", s.vips},
      {"mz_vip_rows", s.vip_rows},
      {"mz_backends", s.backends},
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
  };
  for (const auto& [name, n] : sizes)
    bpf_map__set_max_entries(bpf_object__find_map_by_name(object, name), n);
}

Failure refused(const char* name, int err, const std::string& maps) {
  const char* next = err == EINVAL ? "load (tables pinned under {} may have other sizes: start with the old "
                                     "sizes, or 'transitd --reset')"
                                   : "load ('transit doctor' says what this kernel lacks)";
  return fail_errno(Code::failed_precondition, err,
                    fmt::format("program {}: {}", name, fmt::format(fmt::runtime(next), maps)));
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
  if (const int rc = bpf_object__load(p.object_.get()); rc != 0)
    return refused(image.name, -rc, options.maps);
  return p;
}

int ProgramObject::fd() const {
  return bpf_program__fd(bpf_object__find_program_by_name(object_.get(), program_));
}

bpf_map* ProgramObject::map(const char* name) const { return bpf_object__find_map_by_name(object_.get(), name); }

Result<> ProgramObject::pin(const std::string& path) const {
  std::error_code ec;
  std::filesystem::remove(path, ec);
  if (bpf_obj_pin(fd(), path.c_str()) != 0) return fail_errno(Code::internal, errno, fmt::format("pin {}", path));
  return {};
}

}  // namespace mizar
