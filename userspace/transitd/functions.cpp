// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/functions.h"

#include <net/if.h>

#include <algorithm>
#include <array>

#include "userspace/base/log.h"
#include "userspace/base/names.h"

namespace mizar {

namespace {

constexpr const char* kStored = "functions";
constexpr std::int32_t kOrder = 100;

constexpr std::array<const char*, MZ_FUNCTION_POINT_COUNT> kPoints = {
#define X(name, word, text) word,
    MZ_FUNCTION_POINTS(X)
#undef X
};

// 0: none. Of no name the kernel is not asked: it would look for a module of that name.
unsigned interface_index(const std::string& name) { return name.empty() ? 0 : if_nametoindex(name.c_str()); }

bool same(const mz_function_chains& a, const mz_function_chains& b) { return same_bytes(a, b); }

bool has(const google::protobuf::RepeatedPtrField<std::string>& list, const std::string& what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

unsigned index_of(unsigned slot, FunctionKind kind) { return slot + (kind == FunctionKind::hop ? MZ_FUNCTIONS : 0); }

}  // namespace

// ---- what is asked for ---------------------------------------------------------

Result<Functions::Function> Functions::parse(const v1::Function& spec, const std::string& object) {
  Function f;
  f.spec = spec;
  f.object = object;
  const std::string what = fmt::format("function {}", spec.name());
  if (auto rc = check_name(spec.name()); !rc) return wrap(rc.error(), fmt::format("{}: name", what));
  if (spec.name().find('.') != std::string::npos)
    return fail(Code::invalid_argument, "{}: name: no dot, please", what);
  if (!spec.has_order()) f.spec.set_order(kOrder);
  for (const std::string& word : spec.points()) {
    const auto at = std::find(kPoints.begin(), kPoints.end(), word);
    if (at == kPoints.end())
      return fail(Code::invalid_argument, "{}: point '{}': give egress, ingress, ingress-after or hop", what, word);
    f.points |= 1u << (at - kPoints.begin());
  }
  if (f.points == 0)
    return fail(Code::invalid_argument, "{}: no point: give egress, ingress, ingress-after or hop", what);
  if (f.points >> MZ_POINT_HOP & 1) {
    if (f.points != 1u << MZ_POINT_HOP)
      return fail(Code::invalid_argument, "{}: hop stands alone: load it a second time, under another name", what);
    f.kind = FunctionKind::hop;
    if (spec.endpoints_size() != 0)
      return fail(Code::invalid_argument, "{}: at hops there are VPCs, no endpoints", what);
    if (!spec.interface().empty())
      return fail(Code::invalid_argument, "{}: at hops nothing is taken: no interface", what);
  }
  if (spec.vpcs_size() == 0 && spec.endpoints_size() == 0)
    return fail(Code::invalid_argument, "{}: give the VPCs or endpoints whose packets it sees", what);
  if (!spec.interface().empty())
    if (auto rc = check_interface(spec.interface()); !rc) return wrap(rc.error(), fmt::format("{}: interface", what));
  return f;
}

bool Functions::covers(const Function& f, const EndpointSpec& e) {
  return f.kind == FunctionKind::endpoint &&
         (has(f.spec.vpcs(), e.vpc) || has(f.spec.endpoints(), object_key(e.vpc, e.name)));
}

Result<> Functions::check_targets(const Function& f, const Goal& goal) const {
  for (const std::string& vpc : f.spec.vpcs())
    if (!goal.vpcs.contains(vpc)) return fail(Code::not_found, "function {}: vpc {}: there is none", f.spec.name(), vpc);
  for (const std::string& e : f.spec.endpoints())
    if (!goal.endpoints.contains(e))
      return fail(Code::not_found, "function {}: endpoint {}: there is none", f.spec.name(), e);
  if (!f.spec.interface().empty() && if_nametoindex(f.spec.interface().c_str()) == 0)
    return fail(Code::not_found, "function {}: interface {}: there is none on this host; make it first", f.spec.name(),
                f.spec.interface());
  return {};
}

template <class Takes>
Functions::Chain Functions::chain(const std::map<std::string, Function>& all, mz_function_point point, Takes takes) {
  std::vector<const Function*> in;
  for (const auto& [name, f] : all)
    if ((f.points >> point & 1) && f.problem.empty() && takes(f)) in.push_back(&f);
  std::stable_sort(in.begin(), in.end(),
                   [](const auto* a, const auto* b) { return a->spec.order() < b->spec.order(); });
  Chain slots;
  for (const Function* f : in) slots.push_back(f->slot);
  return slots;
}

Result<> Functions::check_chains(const std::map<std::string, Function>& all, const Goal& goal) const {
  const auto check = [](const Chain& c, const std::string& whose, const char* point) -> Result<> {
    if (c.size() <= MZ_FUNCTION_CHAIN_LEN) return {};
    return fail(Code::resource_exhausted, "{}: would have {} functions at {}, and {} are possible: remove one", whose,
                c.size(), point, MZ_FUNCTION_CHAIN_LEN);
  };
  for (const auto& [key, e] : goal.endpoints)
    for (int p = 0; p < MZ_POINT_HOP; p++)
      MZ_CHECK(check(chain(all, static_cast<mz_function_point>(p), [&](const Function& f) { return covers(f, e); }),
                     fmt::format("endpoint {}", key), kPoints[static_cast<size_t>(p)]));
  for (const auto& [name, v] : goal.vpcs)
    MZ_CHECK(check(chain(all, MZ_POINT_HOP, [&](const Function& f) { return has(f.spec.vpcs(), name); }),
                   fmt::format("vpc {}", name), "hop"));
  return {};
}

Result<unsigned> Functions::free_slot(const Function& f) const {
  for (unsigned slot = 0; slot < MZ_FUNCTIONS; slot++)
    if (std::none_of(functions_.begin(), functions_.end(),
                     [&](const auto& o) { return o.second.kind == f.kind && o.second.slot == slot; }))
      return slot;
  return fail(Code::resource_exhausted, "function {}: a host has {} of this kind at most: remove one", f.spec.name(),
              MZ_FUNCTIONS);
}

Result<> Functions::put(const Function& f) {
  FunctionImage image{f.spec.name(), f.object, {}};
  for (const auto& [key, value] : f.spec.set()) image.set[key] = value;
  return dp_.put_function(f.kind, f.slot, image);
}

Result<> Functions::load(const v1::LoadFunctionRequest& request, const Goal& goal) {
  const std::string& name = request.function().name();
  const auto old = functions_.find(name);
  v1::Function spec = request.function();
  if (old != functions_.end() && !request.replace())
    return fail(Code::already_exists, "function {}: is loaded; give another --name, or 'transit function replace'", name);
  if (old == functions_.end() && request.replace())
    return fail(Code::not_found, "function {}: there is none to replace", name);
  if (request.replace()) {  // what is not said stays
    const v1::Function& was = old->second.spec;
    if (spec.points().empty()) *spec.mutable_points() = was.points();
    if (!spec.has_order()) spec.set_order(was.order());
    if (spec.vpcs().empty() && spec.endpoints().empty()) {
      *spec.mutable_vpcs() = was.vpcs();
      *spec.mutable_endpoints() = was.endpoints();
    }
    if (spec.interface().empty()) spec.set_interface(was.interface());
    if (spec.set().empty()) *spec.mutable_set() = was.set();
  }
  auto f = parse(spec, request.object());
  if (!f) return tl::unexpected(f.error());
  if (request.replace() && f->kind != old->second.kind)
    return fail(Code::invalid_argument, "function {}: cannot move between hop and endpoints: remove it, then load it", name);
  MZ_CHECK(check_targets(*f, goal));
  if (request.replace()) {
    f->slot = old->second.slot;
    f->ifindex = old->second.ifindex;
  } else {
    auto slot = free_slot(*f);
    if (!slot) return tl::unexpected(slot.error());
    f->slot = *slot;
  }
  auto all = functions_;
  all[name] = *f;
  MZ_CHECK(check_chains(all, goal));
  MZ_CHECK(put(*f));
  if (auto rc = save(all); !rc) {  // as it was
    if (old != functions_.end())
      MZ_CHECK(put(old->second));
    else
      MZ_CHECK(dp_.remove_function(f->kind, f->slot, name));
    return rc;
  }
  before_ = old != functions_.end() ? std::optional(old->second) : std::nullopt;
  functions_ = std::move(all);
  set_interface(functions_[name], interface_index(spec.interface()));
  return {};
}

Result<> Functions::undo(const std::string& name) {
  if (!before_) return remove(name);
  MZ_CHECK(put(*before_));
  auto all = functions_;
  before_->ifindex = all[name].ifindex;
  all[name] = *before_;
  MZ_CHECK(save(all));
  functions_ = std::move(all);
  set_interface(functions_[name], interface_index(before_->spec.interface()));
  return {};
}

Result<> Functions::remove(const std::string& name) {
  const auto found = functions_.find(name);
  if (found == functions_.end()) return fail(Code::not_found, "function {}: there is none", name);
  auto all = functions_;
  all.erase(name);
  MZ_CHECK(save(all));
  removed_.push_back(found->second);
  functions_ = std::move(all);
  return {};
}

void Functions::forget_removed() {
  for (Function& f : std::exchange(removed_, {})) {
    if (auto rc = dp_.remove_function(f.kind, f.slot, f.spec.name()); !rc) log::error("{}", rc.error().what);
    set_interface(f, 0);
  }
}

// ---- the store ---------------------------------------------------------------------

Result<> Functions::save(const std::map<std::string, Function>& all) const {
  v1::StoredFunctions stored;
  for (const auto& [name, f] : all) {
    auto* s = stored.add_functions();
    *s->mutable_function() = f.spec;
    s->set_object(f.object);
    s->set_slot(f.slot);
  }
  return store_.put(kStored, stored.SerializeAsString());
}

Result<> Functions::read() {
  auto bytes = store_.get(kStored);
  if (!bytes) return tl::unexpected(bytes.error());
  v1::StoredFunctions stored;
  if (*bytes && !stored.ParseFromString(**bytes))
    return fail(Code::internal, "store: {} is no list of functions; load them again after --reset", kStored);
  for (const auto& s : stored.functions()) {
    auto f = parse(s.function(), s.object());
    if (!f) {
      log::error("{}", f.error().what);
      continue;
    }
    f->slot = s.slot();
    functions_[f->spec.name()] = std::move(*f);
  }
  return {};
}

Result<> Functions::recover() {
  for (auto& [name, f] : functions_) {
    if (dp_.has_function(f.kind, f.slot)) continue;
    if (auto rc = put(f); !rc) {
      f.problem = rc.error().what;
      log::error("{}", f.problem);
    }
  }
  auto ports = dp_.function_ports().entries();
  auto vpcs = dp_.function_vpcs().entries();
  auto chains = dp_.function_chains().entries();
  if (!ports || !vpcs || !chains) return fail(Code::internal, "functions: their tables cannot be read");
  for (const auto& [key, row] : *ports) ports_[key] = row;
  for (const auto& [key, row] : *vpcs) vpcs_[key] = row;
  for (const auto& [id, row] : *chains) {
    Chain& c = chains_[id];
    for (const __u8 slot : row.slot)
      if (slot != 0) c.push_back(slot - 1u);
  }
  look_for_interfaces();
  return {};
}

// ---- the tables --------------------------------------------------------------------

bool Functions::at_hops() const {
  return std::any_of(functions_.begin(), functions_.end(),
                     [](const auto& f) { return f.second.kind == FunctionKind::hop && f.second.problem.empty(); });
}

std::uint32_t Functions::flags(const EndpointSpec& e) const {
  std::uint32_t bits = 0;
  for (const auto& [name, f] : functions_) {
    if (!f.problem.empty() || !covers(f, e)) continue;
    if (f.points >> MZ_POINT_EGRESS & 1) bits |= MZ_EP_F_EGRESS;
    if (f.points & (1u << MZ_POINT_INGRESS | 1u << MZ_POINT_INGRESS_AFTER)) bits |= MZ_EP_F_INGRESS;
  }
  return bits;
}

// A chain that stands is never written: a packet that is in it sees it whole. A new
// one takes the id that has been free longest.
Result<std::uint8_t> Functions::chain_id(const Chain& chain) {
  if (chain.empty()) return std::uint8_t{0};
  for (const auto& [id, c] : chains_)
    if (c == chain && id != 0) return static_cast<std::uint8_t>(id);
  std::set<std::uint32_t> used;
  for (const auto* rows : {&ports_, &vpcs_})
    for (const auto& [key, row] : *rows) used.insert(std::begin(row.chain), std::end(row.chain));
  for (std::uint32_t i = 1; i < MZ_FUNCTION_CHAINS; i++) {
    const std::uint32_t id = 1 + (last_chain_ + i - 1) % (MZ_FUNCTION_CHAINS - 1);
    if (used.contains(id)) continue;
    mz_function_chain row{};
    for (size_t at = 0; at < chain.size() && at < MZ_FUNCTION_CHAIN_LEN; at++) row.slot[at] = static_cast<__u8>(chain[at] + 1);
    MZ_CHECK(dp_.function_chains().put(id, row));
    chains_[id] = chain;
    last_chain_ = id;
    return static_cast<std::uint8_t>(id);
  }
  return fail(Code::resource_exhausted, "functions: more than {} different orders of them", MZ_FUNCTION_CHAINS - 1);
}

Result<> Functions::sync_ports(const Goal& goal, const TableSync::Ports& ports) {
  Rows<std::uint32_t, mz_function_chains> want;
  for (auto& [name, f] : functions_)
    if (f.kind == FunctionKind::endpoint) f.on = 0;
  for (const auto& [key, port] : ports) {
    const auto e = goal.endpoints.find(key);
    if (e == goal.endpoints.end()) continue;
    mz_function_chains row{};
    for (int p = 0; p < MZ_POINT_HOP; p++) {
      auto id = chain_id(chain(functions_, static_cast<mz_function_point>(p),
                               [&](const Function& f) { return covers(f, e->second); }));
      if (!id) return tl::unexpected(id.error());
      row.chain[p] = *id;
    }
    for (auto& [name, f] : functions_) f.on += covers(f, e->second);
    if (!same(row, {})) want[port.ifindex % MZ_PORTS] = row;
  }
  MZ_CHECK(put_rows(dp_.function_ports(), ports_, want));
  return erase_rows(dp_.function_ports(), ports_, want);
}

Result<> Functions::sync_vpcs(const Goal& goal, const std::map<std::uint32_t, std::uint32_t>& slots) {
  Rows<std::uint32_t, mz_function_chains> want;
  for (auto& [name, f] : functions_)
    if (f.kind == FunctionKind::hop) f.on = 0;
  for (const auto& [name, v] : goal.vpcs) {
    const auto slot = slots.find(v.vni);
    if (slot == slots.end() || slot->second == 0) continue;
    auto id = chain_id(chain(functions_, MZ_POINT_HOP, [&, vpc = &name](const Function& f) { return has(f.spec.vpcs(), *vpc); }));
    if (!id) return tl::unexpected(id.error());
    if (*id == 0) continue;
    want[slot->second].chain[MZ_POINT_HOP] = *id;
    for (auto& [other, f] : functions_) f.on += f.kind == FunctionKind::hop && has(f.spec.vpcs(), name);
  }
  MZ_CHECK(put_rows(dp_.function_vpcs(), vpcs_, want));
  return erase_rows(dp_.function_vpcs(), vpcs_, want);
}

// ---- interfaces of functions in user space --------------------------------------------

void Functions::set_interface(Function& f, unsigned ifindex) {
  f.no_interface = f.spec.interface().empty() || ifindex != 0
                       ? ""
                       : fmt::format("interface {}: waiting for it", f.spec.interface());
  const mz_function_slot row{ifindex};
  if (auto rc = dp_.function_slots().put(index_of(f.slot, f.kind), row); !rc) f.no_interface = rc.error().what;
  const unsigned before = std::exchange(f.ifindex, ifindex);
  if (ifindex != 0)
    if (auto rc = dp_.attach(Hook::function, ifindex); !rc) f.no_interface = rc.error().what;
  if (before == 0 || before == ifindex) return;
  for (const auto& [name, other] : functions_)
    if (other.spec.name() != f.spec.name() && other.ifindex == before) return;
  if (auto rc = dp_.detach(Hook::function, before); !rc) log::warning("{}", rc.error().what);
}

void Functions::look_for_interfaces() {
  for (auto& [name, f] : functions_) {
    if (f.spec.interface().empty()) continue;
    const unsigned now = if_nametoindex(f.spec.interface().c_str());
    if (now == f.ifindex && f.no_interface.empty()) continue;
    const std::string before = f.no_interface;
    set_interface(f, now);
    if (f.no_interface != before && !f.no_interface.empty()) log::warning("function {}: {}", name, f.no_interface);
  }
}

// ---- telling ---------------------------------------------------------------------------

v1::FunctionStatus Functions::message(const Function& f) const {
  v1::FunctionStatus m;
  *m.mutable_function() = f.spec;
  m.set_problem(!f.problem.empty() ? f.problem : f.no_interface);
  m.set_running(f.problem.empty());
  m.set_slot(f.slot);
  m.set_on(f.on);
  if (const auto n = dp_.function_count(f.kind, f.slot)) {
    m.set_packets(n->packets);
    m.set_dropped(n->dropped);
    m.set_taken(n->taken);
  }
  return m;
}

v1::ListFunctionsReply Functions::list() const {
  v1::ListFunctionsReply reply;
  std::vector<const Function*> all;
  for (const auto& [name, f] : functions_) all.push_back(&f);
  std::stable_sort(all.begin(), all.end(),
                   [](const auto* a, const auto* b) { return a->spec.order() < b->spec.order(); });
  for (const Function* f : all) *reply.add_functions() = message(*f);
  return reply;
}

Result<v1::FunctionStatus> Functions::status(const std::string& name) const {
  const auto found = functions_.find(name);
  if (found == functions_.end()) return fail(Code::not_found, "function {}: there is none", name);
  return message(found->second);
}

}  // namespace mizar
