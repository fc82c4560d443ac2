// SPDX-License-Identifier: Apache-2.0
// transit shard list|get: who serves which bucket.
#include <map>

#include "bpf/abi/hash.h"
#include "tools/transit/object.h"
#include "userspace/base/addr.h"

namespace transit {
namespace {

// One table of the goal state: a network's bouncers or a VPC's dividers.
struct Shard {
  std::string name;
  const char* role;
  const v1::ShardTable* table;
};

std::vector<Shard> shards_of(const v1::GoalState& state) {
  std::vector<Shard> out;
  for (const auto& v : state.vpcs()) out.push_back({v.name(), "divider", &v.dividers()});
  for (const auto& n : state.networks()) out.push_back({name_of(n), "bouncer", &n.bouncers()});
  return out;
}

Failure unknown(const std::string& name) {
  return fail(Code::not_found,
              "shard {}: no VPC or network (VPC/NAME) this host knows: see transit network list",
              name);
}

class HostNames {
 public:
  explicit HostNames(const v1::GoalState& state) {
    for (const auto& h : state.hosts()) names_[h.id()] = h.name();
  }
  [[nodiscard]] std::string of(std::uint32_t id) const {
    if (id == 0) return "-";
    const auto at = names_.find(id);
    return at == names_.end() ? fmt::format("id {}", id) : at->second;
  }

 private:
  std::map<std::uint32_t, std::string> names_;
};

// 0-3,7,9-10
std::string ranges(const std::vector<int>& buckets) {
  std::string out;
  for (size_t i = 0; i < buckets.size();) {
    size_t last = i;
    while (last + 1 < buckets.size() && buckets[last + 1] == buckets[last] + 1) last++;
    out += fmt::format("{}{}", out.empty() ? "" : ",", buckets[i]);
    if (last > i) out += fmt::format("-{}", buckets[last]);
    i = last + 1;
  }
  return out;
}

// Cut at commas into lines of a column's width.
std::vector<std::string> lines(const std::string& text, size_t width) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    size_t end = text.size() - at <= width ? text.size() : text.rfind(',', at + width - 1) + 1;
    out.push_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

// Buckets with the same pair of hosts stand together.
void add_rows(Table& table, const Shard& shard, const HostNames& names) {
  std::map<std::pair<std::string, std::string>, std::vector<int>> pairs;
  for (int b = 0; b < shard.table->primary_size(); b++)
    pairs[{names.of(shard.table->primary(b)), names.of(shard.table->backup(b))}].push_back(b);
  if (pairs.empty()) table.row({shard.name, shard.role, "-", "-", "0", "nobody serves it"});
  for (const auto& [pair, buckets] : pairs) {
    const auto text = lines(ranges(buckets), 32);
    for (size_t i = 0; i < text.size(); i++) {
      if (i == 0)
        table.row({shard.name, shard.role, pair.first, pair.second,
                   fmt::to_string(buckets.size()), text[i]});
      else
        table.row({"", "", "", "", "", text[i]});
    }
  }
}

Json row(const Shard& shard, int bucket, const HostNames& names) {
  const auto host = [&](std::uint32_t id) { return id == 0 ? Json(nullptr) : Json(names.of(id)); };
  return {{"name", shard.name},
          {"role", shard.role},
          {"bucket", bucket},
          {"primary", host(shard.table->primary(bucket))},
          {"backup", host(shard.table->backup(bucket))}};
}

Result<int> list(const Context& ctx, const std::string& name) {
  auto state = call(ctx, v1::GetStateRequest());
  if (!state) return Failure(state.error());
  const HostNames names(*state);
  Table table({"NAME", "ROLE", "PRIMARY", "BACKUP", ">COUNT", "BUCKETS"});
  Json rows = Json::array();
  bool found = name.empty();
  for (const auto& shard : shards_of(*state)) {
    if (!name.empty() && shard.name != name) continue;
    found = true;
    add_rows(table, shard, names);
    for (int b = 0; b < shard.table->primary_size(); b++) rows.push_back(row(shard, b, names));
  }
  if (!found) return unknown(name);
  if (ctx.format == Format::table)
    table.print();
  else
    print_value(ctx.format, rows);
  return kExitOk;
}

Result<int> get(const Context& ctx, const std::string& name, const std::string& address) {
  auto ip = mizar::Addr::parse(address);
  if (!ip) return Failure(ip.error());
  auto state = call(ctx, v1::GetStateRequest());
  if (!state) return Failure(state.error());
  const mz_addr key = ip->abi();
  const int bucket = static_cast<int>(mz_bucket(&key));
  for (const auto& shard : shards_of(*state)) {
    if (shard.name != name) continue;
    if (shard.table->primary_size() <= bucket)
      return fail(Code::not_found, "shard {}: nobody serves it: apply a plan with {}s", name,
                  shard.role);
    const Json found = row(shard, bucket, HostNames(*state));
    print_value(ctx.format, found);
    return kExitOk;
  }
  return unknown(name);
}

}  // namespace

void add_shard(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("shard", "Who serves which bucket: bouncers and dividers")
                  ->group("Objects")
                  ->require_subcommand(1);
  auto name = std::make_shared<std::string>(), address = std::make_shared<std::string>();
  auto* all = cmd->add_subcommand("list", "Buckets and the hosts that serve them");
  all->add_option("name", *name, "A VPC, or a network as VPC/NAME; default: all")
      ->type_name("NAME");
  all->callback([&ctx, name] { ctx.action = [&ctx, name] { return list(ctx, *name); }; });
  auto* one = cmd->add_subcommand("get", "The bucket of an address, and who serves it");
  one->add_option("name", *name, "A VPC, or a network as VPC/NAME")->type_name("NAME")->required();
  one->add_option("address", *address, "An endpoint's address")->type_name("ADDRESS")->required();
  one->callback([&ctx, name, address] {
    ctx.action = [&ctx, name, address] { return get(ctx, *name, *address); };
  });
}

}  // namespace transit
