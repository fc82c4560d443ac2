// SPDX-License-Identifier: Apache-2.0
// The data plane as the daemon sees it: typed tables, and programs on hooks.
// Implementations: KernelDataplane (BPF), FakeDataplane (tests); the DPDK
// process will be a third. All pass selftests/unit/dataplane_test.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bpf/abi/functions.h"
#include "bpf/abi/reasons.h"
#include "bpf/abi/tables.h"
#include "userspace/base/result.h"
#include "userspace/dataplane/sizes.h"

namespace mizar {

// One table of the data plane, keys and values as in bpf/abi/tables.h. A write
// is visible to packets when it returns. Thread-safe as far as bpf(2) is.
// Where a walk over a table stands; its content is the table's own.
struct TablePosition {
  std::array<std::uint64_t, 8> at{};
  bool begun = false;
  bool end = false;
};

template <class K, class V>
class Table {
 public:
  virtual ~Table() = default;
  // Errors: resource_exhausted (full, or an index past the end), internal.
  virtual Result<> put(const K& key, const V& value) = 0;
  // Removes the entry; array slots are zeroed. Error: not_found.
  virtual Result<> erase(const K& key) = 0;
  [[nodiscard]] virtual std::optional<V> get(const K& key) const = 0;
  // Everything in it; of an array only slots that are not all zero.
  [[nodiscard]] virtual Result<std::vector<std::pair<K, V>>> entries() const = 0;
  // Some thousand entries more, from `from` on, which is moved; over when from.end
  // is set. What is written meanwhile may be missed.
  [[nodiscard]] virtual Result<std::vector<std::pair<K, V>>> next(TablePosition& from) const = 0;
  [[nodiscard]] virtual std::uint32_t capacity() const = 0;
};

enum class Hook { endpoint, uplink_deliver, uplink_hop, services, gateway_out, gateway_in, function };
const char* hook_name(Hook hook);

// A program of ours on an interface.
struct Attachment {
  Hook hook;
  unsigned ifindex;
  std::string mode;  // "tcx", "clsact", "xdp native", "xdp generic"
};

// What one described packet met. `reason` is MZ_R_*, or MZ_REASON_COUNT when
// the program left it to the next one on the hook.
struct TraceResult {
  std::vector<mz_note> notes;
  std::uint32_t reason = MZ_R_NONE;
  std::vector<std::uint8_t> frame;  // afterwards
};

// An operator's function (bpf/abi/function.h) as it was given.
enum class FunctionKind { endpoint, hop };
struct FunctionImage {
  std::string name;
  std::string object;  // an object file's bytes
  std::map<std::string, std::string> set;  // constants: integers, IP addresses
};

class Dataplane {
 public:
  virtual ~Dataplane() = default;

  // Loads the programs with this configuration; a second call replaces the
  // running ones, hook by hook, each atomically. What stands in the tables,
  // also from before a restart, stays.
  // Errors: failed_precondition (the kernel lacks something, or pinned tables
  // have other sizes: says which and what to do), internal.
  // `directory`: object files (NAME.bpf.o) to load instead of the built-in ones;
  // empty: these. They must be of this ABI version.
  virtual Result<> load(const mz_cfg& cfg, const std::string& directory = {}) = 0;
  [[nodiscard]] virtual bool loaded() const = 0;

  // Puts a hook's program on an interface; again is no error.
  virtual Result<> attach(Hook hook, unsigned ifindex) = 0;
  // Takes it off; not attached is no error.
  virtual Result<> detach(Hook hook, unsigned ifindex) = 0;
  [[nodiscard]] virtual std::vector<Attachment> attachments() const = 0;

  virtual Table<std::uint32_t, mz_port>& ports() = 0;
  virtual Table<mz_ep_key, mz_endpoint>& endpoints() = 0;
  virtual Table<mz_ep_key, mz_path>& paths() = 0;
  virtual Table<mz_net_key, mz_network>& networks() = 0;
  virtual Table<std::uint32_t, mz_vpc>& vpcs() = 0;
  virtual Table<std::uint32_t, mz_shard>& shards() = 0;
  virtual Table<std::uint32_t, mz_host>& hosts() = 0;
  virtual Table<mz_addr, std::uint32_t>& host_ids() = 0;
  virtual Table<mz_flow_key, mz_flow>& flows() = 0;
  virtual Table<std::uint32_t, std::uint32_t>& flow_use() = 0;  // by ifindex % MZ_PORTS

  virtual Table<mz_vip_key, mz_vip>& vips() = 0;
  virtual Table<std::uint32_t, std::uint32_t>& vip_rows() = 0;  // backend ids
  virtual Table<std::uint32_t, mz_backend>& backends() = 0;     // by id
  virtual Table<mz_sticky_key, mz_sticky>& stickies() = 0;
  virtual Table<mz_flow_key, mz_sticky>& entries() = 0;

  virtual Table<mz_inside_key, mz_inside>& insides() = 0;
  virtual Table<mz_outside_key, mz_outside>& outsides() = 0;
  virtual Table<mz_pool_key, mz_pool>& pools() = 0;
  virtual Table<mz_mapping_key, mz_mapping>& mappings() = 0;

  virtual Table<mz_group_key, mz_group>& groups() = 0;
  virtual Table<mz_group_key, mz_group>& group_hosts() = 0;
  virtual Table<std::uint32_t, std::uint32_t>& group_use() = 0;  // by ifindex % MZ_PORTS

  virtual Table<std::uint32_t, mz_policy>& policies() = 0;
  virtual Table<mz_policy_label_key, std::uint32_t>& policy_labels() = 0;  // vectors
  virtual Table<mz_policy_block_key, std::uint32_t>& policy_blocks() = 0;  // vectors
  virtual Table<mz_policy_port_key, std::uint32_t>& policy_ports() = 0;    // vectors
  virtual Table<std::uint32_t, mz_policy_vector>& policy_vectors() = 0;
  virtual Table<mz_policy_rule_key, mz_policy_rule>& policy_rules() = 0;

  virtual Table<std::uint32_t, mz_level>& levels() = 0;
  virtual Table<std::uint32_t, mz_shaper>& shapers() = 0;
  virtual Table<std::uint32_t, mz_clocks>& clocks() = 0;
  // What became of a shaper's packets: sums over CPUs. clear: from 0 on.
  virtual Result<mz_shaped_classes> shaped(std::uint32_t slot) = 0;
  virtual Result<> clear_shaped(std::uint32_t slot) = 0;

  // Functions: programs in slots 0..MZ_FUNCTIONS-1 of their kind. They, and what
  // they keep in maps, outlive this process and a new load().
  // Loads one and puts it in its slot, in the place of what is there, atomically;
  // its counts begin anew. Errors: invalid_argument (no such object, section, ABI
  // version or constant, or the verifier's word), nothing is changed then.
  virtual Result<> put_function(FunctionKind kind, unsigned slot, const FunctionImage& image) = 0;
  virtual Result<> remove_function(FunctionKind kind, unsigned slot, const std::string& name) = 0;
  [[nodiscard]] virtual bool has_function(FunctionKind kind, unsigned slot) const = 0;
  // Sums over CPUs.
  virtual Result<mz_function_count> function_count(FunctionKind kind, unsigned slot) = 0;
  virtual Table<std::uint32_t, mz_function_chains>& function_ports() = 0;  // by ifindex % MZ_PORTS
  virtual Table<std::uint32_t, mz_function_chains>& function_vpcs() = 0;   // by counter slot
  virtual Table<std::uint32_t, mz_function_chain>& function_chains() = 0;
  virtual Table<std::uint32_t, mz_function_slot>& function_slots() = 0;  // hops' from MZ_FUNCTIONS on

  // Sums over CPUs, since the tables were made.
  virtual Result<mz_flow_stats> flow_stats() = 0;

  // Sums over CPUs, one per counter slot of `vpc` (MZ_DIRS x MZ_REASON_SLOTS).
  virtual Result<std::vector<mz_count>> counters(std::uint32_t vpc) = 0;
  virtual Result<> clear_counters(std::uint32_t vpc) = 0;

  // Runs the hook's live program on one described packet that enters by
  // `ifindex`. Nothing is sent, counted or learned.
  virtual Result<TraceResult> trace(Hook hook, unsigned ifindex,
                                    std::span<const std::uint8_t> frame) = 0;

  // Readable when poll_events() has something to hand out; -1 if never.
  [[nodiscard]] virtual int event_fd() const = 0;
  virtual void poll_events(const std::function<void(const mz_any_event&)>& take) = 0;

  // The data plane's clock (mz_path, mz_flow): jiffies, low 32 bits; and how many
  // are a second.
  virtual Result<std::uint32_t> clock() = 0;
  virtual Result<unsigned> clock_hz() = 0;
};

}  // namespace mizar
