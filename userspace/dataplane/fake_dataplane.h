// SPDX-License-Identifier: Apache-2.0
// A data plane in memory that forwards nothing: for tests of what stands above
// it. Tables behave as the kernel's do, full ones included; `fail_next` makes
// the next write fail, `fail_next_erase` the next erase.
#pragma once

#include <sys/eventfd.h>

#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "bpf/abi/hash.h"
#include "userspace/base/bytes.h"
#include "userspace/base/unique_fd.h"
#include "userspace/dataplane/dataplane.h"

namespace mizar {

template <class K, class V>
class FakeTable final : public Table<K, V> {
 public:
  FakeTable(std::string name, std::uint32_t capacity, bool array)
      : name_(std::move(name)), capacity_(capacity), array_(array) {}

  Result<> put(const K& key, const V& value) override {
    if (fail_next > 0 && --fail_next == 0) return fail(Code::internal, "table {}: told to fail", name_);
    if (!fits(key)) return fail(Code::resource_exhausted, "table {}: update: full", name_);
    rows_.insert_or_assign(key, value);
    writes++;
    return {};
  }
  Result<> erase(const K& key) override {
    if (fail_next_erase > 0 && --fail_next_erase == 0) return fail(Code::internal, "table {}: told to fail", name_);
    if (rows_.erase(key) == 0 && !array_) return fail(Code::not_found, "table {}: delete", name_);
    writes++;
    return {};
  }
  std::optional<V> get(const K& key) const override {
    const auto found = rows_.find(key);
    if (found != rows_.end()) return found->second;
    return array_ && fits(key) ? std::optional(V{}) : std::nullopt;
  }
  Result<std::vector<std::pair<K, V>>> entries() const override {
    std::vector<std::pair<K, V>> all;
    for (const auto& [k, v] : rows_)
      if (!array_ || !same_bytes(v, V{})) all.emplace_back(k, v);
    return all;
  }
  // Two at a time, so that walks are seen to have steps; the position is the last key.
  Result<std::vector<std::pair<K, V>>> next(TablePosition& from) const override {
    static_assert(sizeof(K) <= sizeof from.at);
    K last{};
    std::memcpy(&last, from.at.data(), sizeof last);
    auto row = from.begun ? rows_.upper_bound(last) : rows_.begin();
    std::vector<std::pair<K, V>> some;
    for (; row != rows_.end() && some.size() < 2; ++row) some.emplace_back(*row);
    from.begun = true;
    from.end = row == rows_.end();
    if (!some.empty()) std::memcpy(from.at.data(), &some.back().first, sizeof last);
    return some;
  }
  std::uint32_t capacity() const override { return capacity_; }

  int fail_next = 0;        // n: the n-th put from now fails
  int fail_next_erase = 0;  // ... the n-th erase
  std::size_t writes = 0;   // puts and erases that went through

 private:
  [[nodiscard]] bool fits(const K& key) const {
    if constexpr (std::is_same_v<K, std::uint32_t>)
      if (array_) return key < capacity_;
    return rows_.contains(key) || rows_.size() < capacity_;
  }
  std::string name_;
  std::uint32_t capacity_;
  bool array_;
  std::map<K, V, ByBytes> rows_;
};

class FakeDataplane final : public Dataplane {
 public:
  explicit FakeDataplane(const TableSizes& s = {})
      : ports_("mz_ports", MZ_PORTS, true),
        endpoints_("mz_endpoints", s.endpoints, false),
        paths_("mz_paths", s.paths, false),
        networks_("mz_networks", s.networks, false),
        vpcs_("mz_vpcs", s.vpcs, false),
        shards_("mz_shards", s.shard_tables * MZ_BUCKETS, true),
        hosts_("mz_hosts", s.hosts, true),
        host_ids_("mz_host_ids", s.hosts, false),
        flows_("mz_flows", s.flows, false),
        flow_use_("mz_flow_use", MZ_PORTS, true),
        vips_("mz_vips", s.vips, false),
        vip_rows_("mz_vip_rows", s.vip_rows, true),
        backends_("mz_backends", s.backends, false),
        stickies_("mz_stickies", s.stickies, false),
        entries_("mz_entries", s.entries, false),
        insides_("mz_insides", s.insides, false),
        outsides_("mz_outsides", s.insides, false),
        pools_("mz_pools", 4096, false),
        mappings_("mz_mappings", s.mappings, false),
        groups_("mz_groups", s.groups, false),
        group_hosts_("mz_group_hosts", s.groups, false),
        group_use_("mz_group_use", MZ_PORTS, true),
        policies_("mz_policies", s.policies, false),
        policy_labels_("mz_policy_labels", s.policy_rows, false),
        policy_blocks_("mz_policy_blocks", s.policy_rows, false),
        policy_ports_("mz_policy_ports", s.policy_rows, false),
        policy_vectors_("mz_policy_vectors", s.policy_vectors, false),
        policy_rules_("mz_policy_rules", s.policy_rows, false),
        levels_("mz_levels", MZ_LEVEL_SLOTS, true),
        shapers_("mz_shapers", s.shapers, true),
        clocks_("mz_clocks", s.shapers, true),
        function_ports_("mz_function_ports", MZ_PORTS, true),
        function_vpcs_("mz_function_vpcs", s.vpc_slots, true),
        function_chains_("mz_function_chains", MZ_FUNCTION_CHAINS, true),
        function_slots_("mz_function_slots", MZ_FUNCTION_SLOTS, true),
        vpc_slots_(s.vpc_slots) {}

  Result<> load(const mz_cfg& cfg, const std::string& = {}) override {
    loaded_cfg = cfg;
    loads++;
    return {};
  }
  bool loaded() const override { return loads > 0; }
  Result<> attach(Hook hook, unsigned ifindex) override {
    hooks_.emplace(hook, ifindex);
    return {};
  }
  Result<> detach(Hook hook, unsigned ifindex) override {
    hooks_.erase({hook, ifindex});
    return {};
  }
  std::vector<Attachment> attachments() const override {
    std::vector<Attachment> all;
    for (const auto& [hook, ifindex] : hooks_) all.push_back({hook, ifindex, "fake"});
    return all;
  }

  FakeTable<std::uint32_t, mz_port>& ports() override { return ports_; }
  FakeTable<mz_ep_key, mz_endpoint>& endpoints() override { return endpoints_; }
  FakeTable<mz_ep_key, mz_path>& paths() override { return paths_; }
  FakeTable<mz_net_key, mz_network>& networks() override { return networks_; }
  FakeTable<std::uint32_t, mz_vpc>& vpcs() override { return vpcs_; }
  FakeTable<std::uint32_t, mz_shard>& shards() override { return shards_; }
  FakeTable<std::uint32_t, mz_host>& hosts() override { return hosts_; }
  FakeTable<mz_addr, std::uint32_t>& host_ids() override { return host_ids_; }
  FakeTable<mz_flow_key, mz_flow>& flows() override { return flows_; }
  FakeTable<std::uint32_t, std::uint32_t>& flow_use() override { return flow_use_; }
  FakeTable<mz_vip_key, mz_vip>& vips() override { return vips_; }
  FakeTable<std::uint32_t, std::uint32_t>& vip_rows() override { return vip_rows_; }
  FakeTable<std::uint32_t, mz_backend>& backends() override { return backends_; }
  FakeTable<mz_sticky_key, mz_sticky>& stickies() override { return stickies_; }
  FakeTable<mz_flow_key, mz_sticky>& entries() override { return entries_; }
  FakeTable<mz_inside_key, mz_inside>& insides() override { return insides_; }
  FakeTable<mz_outside_key, mz_outside>& outsides() override { return outsides_; }
  FakeTable<mz_pool_key, mz_pool>& pools() override { return pools_; }
  FakeTable<mz_mapping_key, mz_mapping>& mappings() override { return mappings_; }

  FakeTable<mz_group_key, mz_group>& groups() override { return groups_; }
  FakeTable<mz_group_key, mz_group>& group_hosts() override { return group_hosts_; }
  FakeTable<std::uint32_t, std::uint32_t>& group_use() override { return group_use_; }

  FakeTable<std::uint32_t, mz_policy>& policies() override { return policies_; }
  FakeTable<mz_policy_label_key, std::uint32_t>& policy_labels() override { return policy_labels_; }
  FakeTable<mz_policy_block_key, std::uint32_t>& policy_blocks() override { return policy_blocks_; }
  FakeTable<mz_policy_port_key, std::uint32_t>& policy_ports() override { return policy_ports_; }
  FakeTable<std::uint32_t, mz_policy_vector>& policy_vectors() override { return policy_vectors_; }
  FakeTable<std::uint32_t, mz_level>& levels() override { return levels_; }
  FakeTable<std::uint32_t, mz_shaper>& shapers() override { return shapers_; }
  FakeTable<std::uint32_t, mz_clocks>& clocks() override { return clocks_; }
  Result<mz_shaped_classes> shaped(std::uint32_t slot) override { return shaped_counts[slot]; }
  Result<> clear_shaped(std::uint32_t slot) override {
    shaped_counts.erase(slot);
    return {};
  }
  FakeTable<mz_policy_rule_key, mz_policy_rule>& policy_rules() override { return policy_rules_; }

  FakeTable<std::uint32_t, mz_function_chains>& function_ports() override { return function_ports_; }
  FakeTable<std::uint32_t, mz_function_chains>& function_vpcs() override { return function_vpcs_; }
  FakeTable<std::uint32_t, mz_function_chain>& function_chains() override { return function_chains_; }
  FakeTable<std::uint32_t, mz_function_slot>& function_slots() override { return function_slots_; }

  // An object is anything that does not begin with "bad".
  Result<> put_function(FunctionKind kind, unsigned slot, const FunctionImage& image) override {
    if (slot >= MZ_FUNCTIONS) return fail(Code::internal, "function {}: no slot {}", image.name, slot);
    if (image.object.empty() || image.object.starts_with("bad"))
      return fail(Code::invalid_argument, "function {}: not a BPF object file", image.name);
    functions[{kind, slot}] = image;
    return {};
  }
  Result<> remove_function(FunctionKind kind, unsigned slot, const std::string&) override {
    functions.erase({kind, slot});
    return {};
  }
  bool has_function(FunctionKind kind, unsigned slot) const override { return functions.contains({kind, slot}); }
  Result<mz_function_count> function_count(FunctionKind, unsigned) override { return mz_function_count{}; }

  Result<mz_flow_stats> flow_stats() override { return stats; }

  Result<std::vector<mz_count>> counters(std::uint32_t vpc) override {
    if (vpc >= vpc_slots_) return fail(Code::internal, "counters of slot {}: no such slot", vpc);
    return std::vector<mz_count>(MZ_DIRS * MZ_REASON_SLOTS);
  }
  Result<> clear_counters(std::uint32_t vpc) override {
    if (vpc >= vpc_slots_) return fail(Code::internal, "counters of slot {}: no such slot", vpc);
    return {};
  }
  Result<TraceResult> trace(Hook, unsigned, std::span<const std::uint8_t> frame) override {
    TraceResult t = tracing;
    t.frame.assign(frame.begin(), frame.end());
    return t;
  }
  int event_fd() const override { return told_.get(); }
  void poll_events(const std::function<void(const mz_any_event&)>& on_event) override {
    eventfd_t n = 0;
    (void)eventfd_read(told_.get(), &n);
    for (const auto& e : std::exchange(events_, {})) on_event(e);
  }
  // As a program does.
  void tell(const mz_any_event& e) {
    events_.push_back(e);
    (void)eventfd_write(told_.get(), 1);
  }
  Result<std::uint32_t> clock() override { return jiffies; }
  Result<unsigned> clock_hz() override { return 250; }

  mz_cfg loaded_cfg{};
  unsigned loads = 0;
  std::uint32_t jiffies = 1000;
  mz_flow_stats stats{};
  std::map<std::uint32_t, mz_shaped_classes> shaped_counts{};
  TraceResult tracing;  // what trace() answers, the frame apart
  std::map<std::pair<FunctionKind, unsigned>, FunctionImage> functions;

 private:
  UniqueFd told_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::vector<mz_any_event> events_;
  std::set<std::pair<Hook, unsigned>> hooks_;
  FakeTable<std::uint32_t, mz_port> ports_;
  FakeTable<mz_ep_key, mz_endpoint> endpoints_;
  FakeTable<mz_ep_key, mz_path> paths_;
  FakeTable<mz_net_key, mz_network> networks_;
  FakeTable<std::uint32_t, mz_vpc> vpcs_;
  FakeTable<std::uint32_t, mz_shard> shards_;
  FakeTable<std::uint32_t, mz_host> hosts_;
  FakeTable<mz_addr, std::uint32_t> host_ids_;
  FakeTable<mz_flow_key, mz_flow> flows_;
  FakeTable<std::uint32_t, std::uint32_t> flow_use_;
  FakeTable<mz_vip_key, mz_vip> vips_;
  FakeTable<std::uint32_t, std::uint32_t> vip_rows_;
  FakeTable<std::uint32_t, mz_backend> backends_;
  FakeTable<mz_sticky_key, mz_sticky> stickies_;
  FakeTable<mz_flow_key, mz_sticky> entries_;
  FakeTable<mz_inside_key, mz_inside> insides_;
  FakeTable<mz_outside_key, mz_outside> outsides_;
  FakeTable<mz_pool_key, mz_pool> pools_;
  FakeTable<mz_mapping_key, mz_mapping> mappings_;
  FakeTable<mz_group_key, mz_group> groups_, group_hosts_;
  FakeTable<std::uint32_t, std::uint32_t> group_use_;
  FakeTable<std::uint32_t, mz_policy> policies_;
  FakeTable<mz_policy_label_key, std::uint32_t> policy_labels_;
  FakeTable<mz_policy_block_key, std::uint32_t> policy_blocks_;
  FakeTable<mz_policy_port_key, std::uint32_t> policy_ports_;
  FakeTable<std::uint32_t, mz_policy_vector> policy_vectors_;
  FakeTable<mz_policy_rule_key, mz_policy_rule> policy_rules_;
  FakeTable<std::uint32_t, mz_level> levels_;
  FakeTable<std::uint32_t, mz_shaper> shapers_;
  FakeTable<std::uint32_t, mz_clocks> clocks_;
  FakeTable<std::uint32_t, mz_function_chains> function_ports_;
  FakeTable<std::uint32_t, mz_function_chains> function_vpcs_;
  FakeTable<std::uint32_t, mz_function_chain> function_chains_;
  FakeTable<std::uint32_t, mz_function_slot> function_slots_;
  std::uint32_t vpc_slots_;
};

}  // namespace mizar
