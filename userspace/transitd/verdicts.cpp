// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/verdicts.h"

#include <algorithm>

namespace mizar {

namespace {

std::string key_of(const ServiceSpec& s) { return object_key(s.vpc, s.name); }

const BackendSpec* backend_of(const ServiceSpec& s, const Addr& address) {
  const auto at = std::find_if(s.backends.begin(), s.backends.end(), [&](const BackendSpec& b) {
    return b.address.of(address.family()) == address;
  });
  return at == s.backends.end() ? nullptr : &*at;
}

// Numbers of another process: what does not fit is some problem nobody knows.
Trouble trouble_of(const v1::HealthVerdict& v) {
  return {static_cast<Problem>(std::min(v.problem(), 0xffu)), static_cast<std::uint16_t>(std::min(v.detail(), 0xffffu))};
}

}  // namespace

std::vector<std::string> Verdicts::take(const Goal& goal, const v1::ReportHealthRequest& report,
                                        Clock::time_point now) {
  std::vector<std::string> changed;
  for (const auto& r : report.verdicts()) {
    const auto s = goal.services.find(r.service());
    const auto address = Addr::parse(r.address());
    if (s == goal.services.end() || !s->second.health || !address) continue;  // of another goal
    const BackendSpec* b = backend_of(s->second, *address);
    if (!b) continue;
    Verdict& v = verdicts_[{r.service(), *address}];
    const bool other = v.since == Clock::time_point() || v.healthy != r.healthy();
    if (!other) continue;
    v = {r.healthy(), now - std::chrono::milliseconds(std::min<std::uint64_t>(r.since_ms(), 1u << 30)), trouble_of(r)};
    changed.push_back(fmt::format("service {}: backend {} ({}) is {}", r.service(), b->name, address->text(),
                                  v.healthy ? "healthy" : "unhealthy: " + text_of(v.trouble)));
  }
  return changed;
}

void Verdicts::prune(const Goal& goal) {
  std::erase_if(verdicts_, [&](const auto& v) {
    const auto s = goal.services.find(v.first.first);
    return s == goal.services.end() || !s->second.health || !backend_of(s->second, v.first.second);
  });
}

const Verdicts::Verdict* Verdicts::find(const ServiceSpec& s, const Addr& backend) const {
  const auto at = verdicts_.find({key_of(s), backend});
  return at == verdicts_.end() ? nullptr : &at->second;
}

// Healthy, on a host that liveness says nothing against, and with a weight.
bool Verdicts::is_up(const ServiceSpec& s, const BackendSpec& b, Family family) const {
  const auto& address = b.address.of(family);
  const Verdict* v = address ? find(s, *address) : nullptr;
  return v && v->healthy && b.weight != 0 && !down_(b.host_id);
}

std::optional<bool> Verdicts::well(const ServiceSpec& s, const BackendSpec& b, Family family) const {
  const auto another = [&](const BackendSpec& other) { return is_up(s, other, family); };
  if (down_(b.host_id) && std::any_of(s.backends.begin(), s.backends.end(), another)) return false;
  const Verdict* v = find(s, *b.address.of(family));
  return v ? std::optional(v->healthy) : std::nullopt;
}

}  // namespace mizar
