// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/function_object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cstring>
#include <filesystem>

#include "bpf/abi/function.h"
#include "userspace/base/addr.h"

namespace mizar {

namespace {

constexpr size_t kLogBytes = 1 << 20;

bool is_tables(std::string_view map) {
  return map == "mz_function_packets" || map == "mz_function_tc" || map == "mz_function_xdp";
}

// The object's compiler had this header, of this version.
Result<> check_version(bpf_object* object, const std::string& name) {
  bpf_map* m = bpf_object__find_map_by_name(object, MZ_FUNCTION_VERSION);
  size_t size = 0;
  const void* data = m ? bpf_map__initial_value(m, &size) : nullptr;
  mz_function_version v{};
  if (data && size >= sizeof v) std::memcpy(&v, data, sizeof v);
  if (v.magic != MZ_FUNCTION_MAGIC)
    return fail(Code::invalid_argument, "function {}: has no ABI version: include <mizar/function.h> and compile again",
                name);
  if (v.abi != MZ_FUNCTION_ABI)
    return fail(Code::invalid_argument,
                "function {}: is made for function ABI {}, and this transitd has {}: compile it with this "
                "version's <mizar/function.h>",
                name, v.abi, MZ_FUNCTION_ABI);
  return {};
}

Result<bpf_program*> find_program(bpf_object* object, const std::string& name, FunctionKind kind) {
  const char* wanted = kind == FunctionKind::hop ? MZ_FUNCTION_HOP : MZ_FUNCTION_ENDPOINT;
  std::vector<std::string> sections;
  bpf_program *p, *found = nullptr;
  bpf_object__for_each_program(p, object) {
    sections.emplace_back(bpf_program__section_name(p));
    if (sections.back() == wanted && found)
      return fail(Code::invalid_argument, "function {}: has two programs in section {}: one is allowed", name, wanted);
    if (sections.back() == wanted) found = p;
  }
  if (found) return found;
  return fail(Code::invalid_argument, "function {}: has no section {} (made by {}); it has: {}", name, wanted,
              kind == FunctionKind::hop ? "MZ_HOP_FUNCTION" : "MZ_ENDPOINT_FUNCTION",
              sections.empty() ? "no program" : fmt::format("{}", fmt::join(sections, ", ")));
}

// ---- constants ------------------------------------------------------------------

struct Constant {
  size_t offset = 0, size = 0;
};

std::map<std::string, Constant> constants_of(bpf_object* object) {
  std::map<std::string, Constant> all;
  const btf* types = bpf_object__btf(object);
  const int id = types ? btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC) : -1;
  if (id < 0) return all;
  const btf_type* section = btf__type_by_id(types, static_cast<__u32>(id));
  const btf_var_secinfo* v = btf_var_secinfos(section);
  for (int i = 0; i < btf_vlen(section); i++, v++)
    all[btf__name_by_offset(types, btf__type_by_id(types, v->type)->name_off)] = {v->offset, v->size};
  return all;
}

// An IP address for 16 bytes, else an integer of the constant's size.
Result<> write_constant(char* at, size_t size, const std::string& text, const std::string& what) {
  if (size == sizeof(mz_addr)) {
    const auto address = Addr::parse(text);
    if (!address) return fail(Code::invalid_argument, "{}: '{}' is no IP address", what, text);
    const mz_addr bytes = address->abi();
    std::memcpy(at, &bytes, sizeof bytes);
    return {};
  }
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (size > sizeof n)
    return fail(Code::invalid_argument, "{}: of {} bytes: only integers and addresses can be set", what, size);
  if (error != std::errc() || end != text.data() + text.size() || (size < sizeof n && n >> (8 * size) != 0))
    return fail(Code::invalid_argument, "{}: '{}' is no number of {} bytes", what, text, size);
  std::memcpy(at, &n, size);  // little endian, as every host this runs on
  return {};
}

Result<> set_constants(bpf_object* object, const FunctionImage& image) {
  if (image.set.empty()) return {};
  const auto constants = constants_of(object);
  bpf_map *m, *rodata = nullptr;
  bpf_object__for_each_map(m, object)
    if (std::string_view(bpf_map__name(m)).ends_with(".rodata")) rodata = m;
  size_t size = 0;
  auto* data = rodata ? static_cast<char*>(const_cast<void*>(bpf_map__initial_value(rodata, &size))) : nullptr;
  for (const auto& [key, value] : image.set) {
    const auto c = constants.find(key);
    if (!data || c == constants.end() || c->second.offset + c->second.size > size) {
      std::vector<std::string> names;
      for (const auto& [name, place] : constants) names.push_back(name);
      return fail(Code::invalid_argument, "function {}: has no constant {} to set; it has: {}", image.name, key,
                  names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
    }
    MZ_CHECK(write_constant(data + c->second.offset, c->second.size, value,
                            fmt::format("function {}: constant {}", image.name, key)));
  }
  return {};
}

// What the verifier said last before its statistics.
std::string last_words(const std::string& log) {
  std::string last;
  for (size_t at = 0; at < log.size();) {
    size_t end = std::min(log.find('\n', at), log.size());
    const std::string line = log.substr(at, end - at);
    at = end + 1;
    const bool statistics = line.starts_with("processed ") || line.starts_with("verification time") ||
                            line.starts_with("stack depth") || line.empty() || line[0] == '\0';
    if (!statistics) last = line;
  }
  return last;
}

}  // namespace

void FunctionObject::Close::operator()(bpf_object* o) const { bpf_object__close(o); }

int FunctionObject::program_fd() const { return bpf_program__fd(program_); }

Result<FunctionObject> FunctionObject::load(const FunctionImage& image, FunctionKind kind, const TableFd& tables) {
  FunctionObject f;
  f.name_ = image.name;
  bpf_object_open_opts o{};
  o.sz = sizeof o;
  o.object_name = "function";
  f.object_.reset(image.object.empty() ? nullptr : bpf_object__open_mem(image.object.data(), image.object.size(), &o));
  if (!f.object_)
    return fail(Code::invalid_argument, "function {}: not a BPF object file: compile it with clang -O2 -g -target bpf",
                image.name);
  MZ_CHECK(check_version(f.object_.get(), image.name));
  auto program = find_program(f.object_.get(), image.name, kind);
  if (!program) return tl::unexpected(program.error());
  f.program_ = *program;
  MZ_CHECK(set_constants(f.object_.get(), image));

  bpf_map* m;
  bpf_object__for_each_map(m, f.object_.get()) {
    bpf_map__set_pin_path(m, nullptr);  // where they stand is ours to say
    if (is_tables(bpf_map__name(m))) bpf_map__reuse_fd(m, tables(bpf_map__name(m)));
  }
  bpf_program* p;
  bpf_object__for_each_program(p, f.object_.get()) {
    bpf_program__set_autoload(p, p == f.program_);
    bpf_program__set_type(p, kind == FunctionKind::hop ? BPF_PROG_TYPE_XDP : BPF_PROG_TYPE_SCHED_CLS);
  }
  if (kind == FunctionKind::hop) {  // as the program that jumps to it
    bpf_program__set_flags(f.program_, BPF_F_XDP_HAS_FRAGS);
    bpf_program__set_expected_attach_type(f.program_, BPF_XDP);
  }
  std::string log(kLogBytes, '\0');
  bpf_program__set_log_buf(f.program_, log.data(), log.size());
  bpf_program__set_log_level(f.program_, 1);
  const int rc = bpf_object__load(f.object_.get());
  log.resize(std::strlen(log.c_str()));
  if (rc == 0) return f;
  const std::string words = last_words(log);
  if (words.empty()) return fail_errno(Code::invalid_argument, -rc, fmt::format("function {}: load", image.name));
  return fail(Code::invalid_argument, "function {}: the kernel's verifier refuses it: {}", image.name, words);
}

Result<> FunctionObject::pin_maps(const std::string& directory) const {
  std::error_code ec;
  std::filesystem::remove_all(directory, ec);
  std::filesystem::create_directories(directory, ec);
  bpf_map* m;
  bpf_object__for_each_map(m, object_.get()) {
    const std::string name = bpf_map__name(m);
    if (is_tables(name) || bpf_map__is_internal(m)) continue;
    if (bpf_obj_pin(bpf_map__fd(m), fmt::format("{}/{}", directory, name).c_str()) != 0)
      return fail_errno(Code::internal, errno, fmt::format("function {}: pin its map {}", name_, name));
  }
  return {};
}

}  // namespace mizar
