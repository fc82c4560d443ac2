// SPDX-License-Identifier: Apache-2.0
// transit map list|dump|get|set: the data plane's tables as they stand in the
// kernel, without the daemon.
#include <bpf/libbpf.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "tools/transit/btf_json.h"
#include "tools/transit/pins.h"

namespace transit {
namespace {

struct MapOptions {
  std::string map;
  std::string key;
  std::string value;
  std::uint32_t limit = 0;
  bool all = false;
};

bool per_cpu(__u32 type) {
  return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH ||
         type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}
bool is_array(__u32 type) {
  return type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY;
}
bool has_entries(__u32 type) {
  return is_array(type) || per_cpu(type) || type == BPF_MAP_TYPE_HASH ||
         type == BPF_MAP_TYPE_LRU_HASH || type == BPF_MAP_TYPE_LPM_TRIE;
}

std::string type_name(__u32 type) {
  const char* name = libbpf_bpf_map_type_str(static_cast<bpf_map_type>(type));
  return name == nullptr ? fmt::format("type {}", type) : name;
}

// One open map: its fd, its types, and a value's size as the kernel copies it.
class Map {
 public:
  static Result<Map> open(const Context& ctx, const std::string& name) {
    auto fd = open_pin(ctx, kMaps, name);
    if (!fd) return Failure(fd.error());
    auto info = info_of<bpf_map_info>(*fd, name);
    if (!info) return Failure(info.error());
    if (!has_entries(info->type))
      return fail(Code::failed_precondition, "map {}: a {} has no entries to look at", name,
                  type_name(info->type));
    auto types = BtfJson::of(*info);
    if (!types) return Failure(types.error());
    const int cpus = per_cpu(info->type) ? libbpf_num_possible_cpus() : 1;
    if (cpus < 1) return fail_errno(Code::internal, -cpus, "number of CPUs");
    return Map(std::move(*fd), *info, std::move(*types), static_cast<size_t>(cpus), name);
  }

  [[nodiscard]] const bpf_map_info& info() const { return info_; }
  [[nodiscard]] std::vector<std::byte> key_room() const {
    return std::vector<std::byte>(info_.key_size);
  }
  [[nodiscard]] std::vector<std::byte> value_room() const {
    return std::vector<std::byte>(stride() * cpus_);
  }
  Result<> parse_key(const std::string& text, std::vector<std::byte>& key) const {
    auto json = parse_flow(text, "key");
    if (!json) return Failure(json.error());
    return types_.set_key(*json, key);
  }
  // Over what is there; on a per-CPU map over every CPU's.
  Result<> parse_value(const std::string& text, std::vector<std::byte>& value) const {
    auto json = parse_flow(text, "value");
    if (!json) return Failure(json.error());
    for (size_t cpu = 0; cpu < cpus_; cpu++)
      MZ_CHECK(types_.set_value(*json, std::span(value).subspan(cpu * stride(), info_.value_size)));
    return {};
  }
  [[nodiscard]] Json key_json(const std::vector<std::byte>& key) const { return types_.key(key); }
  [[nodiscard]] Json value_json(const std::vector<std::byte>& value) const {
    const auto part = [&](size_t cpu) {
      return types_.value(std::span(value).subspan(cpu * stride(), info_.value_size));
    };
    if (!per_cpu(info_.type)) return part(0);
    Json all = Json::array();
    for (size_t cpu = 0; cpu < cpus_; cpu++) all.push_back(part(cpu));
    return all;
  }
  // False if the key is not there.
  Result<bool> lookup(const std::vector<std::byte>& key, std::vector<std::byte>& value) const {
    if (bpf_map_lookup_elem(fd_.get(), key.data(), value.data()) == 0) return true;
    if (errno == ENOENT) return false;
    return bpf_failed(errno, "map " + name_);
  }
  Result<> update(const std::vector<std::byte>& key, const std::vector<std::byte>& value) const {
    if (bpf_map_update_elem(fd_.get(), key.data(), value.data(), BPF_ANY) == 0) return {};
    return bpf_failed(errno, "map " + name_);
  }
  // Moves to the key after this one; null starts. False at the end.
  Result<bool> next(const std::byte* key, std::vector<std::byte>& out) const {
    if (bpf_map_get_next_key(fd_.get(), key, out.data()) == 0) return true;
    if (errno == ENOENT) return false;
    return bpf_failed(errno, "map " + name_);
  }

 private:
  Map(mizar::UniqueFd fd, const bpf_map_info& info, BtfJson types, size_t cpus, std::string name)
      : fd_(std::move(fd)), info_(info), types_(std::move(types)), cpus_(cpus),
        name_(std::move(name)) {}
  // Per-CPU values are copied in steps of 8 bytes.
  [[nodiscard]] size_t stride() const {
    return per_cpu(info_.type) ? (info_.value_size + 7u) / 8 * 8 : info_.value_size;
  }

  mizar::UniqueFd fd_;
  bpf_map_info info_;
  BtfJson types_;
  size_t cpus_;
  std::string name_;
};

Result<int> list(const Context& ctx) {
  auto names = pinned(ctx, kMaps);
  if (!names) return Failure(names.error());
  Table table({"MAP", ">ID", "TYPE", ">KEY", ">VALUE", ">ENTRIES AT MOST"});
  Json all = Json::array();
  for (const auto& name : *names) {
    auto fd = open_pin(ctx, kMaps, name);
    if (!fd) return Failure(fd.error());
    auto info = info_of<bpf_map_info>(*fd, name);
    if (!info) return Failure(info.error());
    table.row({name, fmt::to_string(info->id), type_name(info->type),
               fmt::to_string(info->key_size), fmt::to_string(info->value_size),
               fmt::to_string(info->max_entries)});
    all.push_back({{"name", name},
                   {"id", info->id},
                   {"type", type_name(info->type)},
                   {"key_size", info->key_size},
                   {"value_size", info->value_size},
                   {"max_entries", info->max_entries},
                   {"flags", info->map_flags}});
  }
  if (ctx.format == Format::table)
    table.print();
  else
    print_value(ctx.format, all);
  return kExitOk;
}

bool all_zero(const std::vector<std::byte>& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

Json entry(const Map& map, const std::vector<std::byte>& key,
           const std::vector<std::byte>& value) {
  return {{"key", map.key_json(key)},
          {per_cpu(map.info().type) ? "values" : "value", map.value_json(value)}};
}

void print_entry(const Json& e) {
  const Json& value = e.contains("values") ? e["values"] : e["value"];
  fmt::print("{}: {}\n", flow(e["key"]), flow(value));
}

Result<int> dump(const Context& ctx, const MapOptions& options) {
  auto map = Map::open(ctx, options.map);
  if (!map) return Failure(map.error());
  auto key = map->key_room(), value = map->value_room();
  const std::byte* at = nullptr;
  Json all = Json::array();
  std::uint64_t shown = 0;
  // A key that goes away while we stand on it makes a hash start over, so the
  // steps are bounded.
  for (std::uint64_t step = 0; step < 2ull * map->info().max_entries; step++) {
    auto more = map->next(at, key);
    if (!more) return Failure(more.error());
    if (!*more) break;
    at = key.data();
    auto there = map->lookup(key, value);
    if (!there) return Failure(there.error());
    // An array has all its slots; those never written to say nothing.
    if (!*there || (!options.all && is_array(map->info().type) && all_zero(value))) continue;
    if (ctx.format == Format::table)
      print_entry(entry(*map, key, value));
    else
      all.push_back(entry(*map, key, value));
    if (++shown == options.limit) break;
  }
  if (ctx.format != Format::table) print_value(ctx.format, all);
  return kExitOk;
}

Result<int> get(const Context& ctx, const MapOptions& options) {
  auto map = Map::open(ctx, options.map);
  if (!map) return Failure(map.error());
  auto key = map->key_room(), value = map->value_room();
  MZ_CHECK(map->parse_key(options.key, key));
  auto there = map->lookup(key, value);
  if (!there) return Failure(there.error());
  if (!*there)
    return fail(Code::not_found, "map {}: no entry {}: see transit map dump {}", options.map,
                flow(map->key_json(key)), options.map);
  const Json e = entry(*map, key, value);
  if (ctx.format == Format::table)
    print_entry(e);
  else
    print_value(ctx.format, e);
  return kExitOk;
}

Result<int> set(const Context& ctx, const MapOptions& options) {
  auto map = Map::open(ctx, options.map);
  if (!map) return Failure(map.error());
  auto key = map->key_room(), value = map->value_room();
  MZ_CHECK(map->parse_key(options.key, key));
  auto there = map->lookup(key, value);
  if (!there) return Failure(there.error());
  MZ_CHECK(map->parse_value(options.value, value));
  MZ_CHECK(map->update(key, value));
  const Json e = entry(*map, key, value);
  if (ctx.format == Format::table)
    print_entry(e);
  else
    print_value(ctx.format, e);
  return kExitOk;
}

}  // namespace

void add_map(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("map", "The data plane's tables in the kernel; needs no transitd")
                  ->group("Kernel objects (root, also without transitd)")
                  ->require_subcommand(1);
  auto o = std::make_shared<MapOptions>();
  const auto verb = [&](const char* name, const char* description, auto run) {
    auto* v = cmd->add_subcommand(name, description);
    v->add_option("map", o->map, "Its pin's name, with or without mz_; or a path")
        ->type_name("MAP")
        ->required();
    v->callback([&ctx, o, run] { ctx.action = [&ctx, o, run] { return run(ctx, *o); }; });
    return v;
  };
  const auto key = [&](CLI::App* v) {
    v->add_option("key", o->key, "YAML or JSON, such as '{vni: 7, ip: 10.0.0.1}'")
        ->type_name("KEY")
        ->required();
  };
  cmd->add_subcommand("list", "The pinned maps")->callback([&ctx] {
    ctx.action = [&ctx] { return list(ctx); };
  });
  auto* all = verb("dump", "All entries, decoded by the map's BTF", dump);
  all->add_option("--limit", o->limit, "At most so many entries")->type_name("N");
  all->add_flag("--all", o->all, "Also an array's slots that are all zero");
  key(verb("get", "One entry", get));
  auto* change = verb("set", "Write one entry, behind transitd's back", set);
  key(change);
  change->add_option("value", o->value, "The same; members it does not name keep their value")
      ->type_name("VALUE")
      ->required();
}

}  // namespace transit
