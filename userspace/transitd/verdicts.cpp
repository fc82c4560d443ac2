// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/verdicts.h"

#include <algorithm>

namespace mizar {

namespace {

constexpr auto kLogEvery = std::chrono::minutes(1);  // of one backend

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

bool Verdicts::take(const Goal& goal, const v1::ReportHealthRequest& report, Clock::time_point now) {
  bool changed = false;
  for (const auto& r : report.verdicts()) {
    const auto s = goal.services.find(r.service());
    const auto address = Addr::parse(r.address());
    if (s == goal.services.end() || !s->second.health || !address) continue;  // of another goal
    if (!backend_of(s->second, *address)) continue;
    const auto [at, fresh] = verdicts_.try_emplace({r.service(), *address});
    Verdict& v = at->second;
    if (!fresh && v.healthy == r.healthy()) continue;
    v.healthy = r.healthy();
    v.since = now - std::chrono::milliseconds(std::min<std::uint64_t>(r.since_ms(), 1u << 30));
    v.trouble = trouble_of(r);
    v.untold++;
    changed = true;
  }
  return changed;
}

// A backend may come and go with every probe; that it does so is worth a line, too.
std::vector<std::string> Verdicts::news(const Goal& goal, Clock::time_point now) {
  std::vector<std::string> lines;
  for (auto& [key, v] : verdicts_) {
    if (v.untold == 0 || (v.told && now - *v.told < kLogEvery)) continue;
    const auto s = goal.services.find(key.first);
    const BackendSpec* b = s == goal.services.end() ? nullptr : backend_of(s->second, key.second);
    if (!b) continue;
    const std::string often = v.untold > 1 ? fmt::format(" ({} changes)", v.untold) : "";
    lines.push_back(fmt::format("service {}: backend {} ({}) is {}{}", key.first, b->name, key.second.text(),
                                v.healthy ? "healthy" : "unhealthy: " + text_of(v.trouble), often));
    v.told = now;
    v.untold = 0;
  }
  return lines;
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
