// SPDX-License-Identifier: Apache-2.0
#include "tools/transit/qos_settings.h"

#include <cstdlib>
#include <sstream>

#include "userspace/qos/text.h"

namespace transit {

using mizar::parse_bytes;
using mizar::parse_rate;
using mizar::rate_text;

namespace {

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, by);) parts.push_back(part);
  return parts;
}

Result<std::uint32_t> number(const std::string& text) {
  char* end = nullptr;
  const unsigned long n = std::strtoul(text.c_str(), &end, 10);
  if (text.empty() || *end != 0 || n > 0xffffffff) return fail(Code::invalid_argument, "'{}' is no number", text);
  return static_cast<std::uint32_t>(n);
}

Result<bool> yes(const std::string& text) {
  if (text == "on" || text == "yes" || text == "true") return true;
  if (text == "off" || text == "no" || text == "false") return false;
  return fail(Code::invalid_argument, "'{}': must be on or off", text);
}

v1::QosLimit* limit_of(v1::QosShaper& s, const std::string& name) {
  if (name.empty()) return s.mutable_whole();
  if (name == "premium") return s.mutable_premium();
  if (name == "expedited") return s.mutable_expedited();
  if (name == "best-effort") return s.mutable_best_effort();
  return nullptr;
}

Result<> set_field(v1::QosLimit& l, const std::string& field, const std::string& value) {
  if (field == "weight") {
    auto n = number(value);
    if (!n) return tl::unexpected(n.error());
    l.set_weight(*n);
    return {};
  }
  auto n = field == "burst" ? parse_bytes(value) : parse_rate(value);
  if (!n) return tl::unexpected(n.error());
  if (field == "rate")
    l.set_rate(*n);
  else if (field == "packets")
    l.set_packets(*n);
  else if (field == "guaranteed")
    l.set_guaranteed(*n);
  else if (field == "burst")
    l.set_burst(*n);
  else
    return fail(Code::invalid_argument, "'{}': must be rate, packets, guaranteed, burst or weight", field);
  return {};
}

// egress, egress.premium, egress.packets, egress.premium.packets
Result<> set_limit(v1::QosShaper& s, const std::vector<std::string>& path, const std::string& value) {
  std::string name, field = "rate";
  if (path.size() == 2 && limit_of(s, path[1]) == nullptr)
    field = path[1];
  else if (path.size() >= 2)
    name = path[1];
  if (path.size() == 3) field = path[2];
  v1::QosLimit* l = limit_of(s, name);
  if (path.size() > 3 || l == nullptr)
    return fail(Code::invalid_argument, "'{}': must be premium, expedited or best-effort", name);
  return set_field(*l, field, value);
}

v1::QosLevel& level_of(v1::SetQosRequest& r, const std::string& name_of_class, const std::string& priority) {
  for (auto& l : *r.mutable_levels())
    if (l.class_() == name_of_class && l.priority() == priority) return l;
  auto* l = r.add_levels();
  l->set_class_(name_of_class);
  l->set_priority(priority);
  return *l;
}

Result<> set_level(v1::QosLevel& l, bool trusted, const std::string& value) {
  std::vector<std::uint32_t> numbers;
  for (const auto& part : split(value, ',')) {
    auto n = number(part);
    if (!n) return tl::unexpected(n.error());
    numbers.push_back(*n);
  }
  if (trusted) {
    for (const auto n : numbers) l.add_trusted(n);
    return {};
  }
  if (numbers.empty() || numbers.size() > 2) return fail(Code::invalid_argument, "'{}': must be OUTER or OUTER,INNER", value);
  l.set_outer_dscp(numbers[0]);
  if (numbers.size() == 2) l.set_inner_dscp(numbers[1]);
  return {};
}

Result<> set_key(v1::SetQosRequest& r, const std::string& key, const std::string& value) {
  const auto path = split(key, '.');
  const std::string what = path.empty() ? "" : path[0];
  if (path.size() == 3 && (what == "dscp" || what == "trust")) return set_level(level_of(r, path[1], path[2]), what == "trust", value);
  v1::Qos& q = *r.mutable_qos();
  if (what == "egress") return set_limit(*q.mutable_egress(), path, value);
  if (what == "ingress") return set_limit(*q.mutable_ingress(), path, value);
  if (key == "class") return q.set_class_(value), Result<>();
  if (key == "priority") return q.set_priority(value), Result<>();
  if (key == "trust" || key == "link-rate") {
    const auto on = yes(value);
    if (!on) return tl::unexpected(on.error());
    key == "trust" ? q.set_trust(*on) : q.set_link_rate(*on);
    return {};
  }
  return fail(Code::invalid_argument,
              "no such setting; there are class, priority, trust, link-rate, egress and ingress, dscp.CLASS.PRIORITY, trust.CLASS.PRIORITY");
}

void write_limit(std::vector<std::string>& out, const std::string& at, const v1::QosLimit& l) {
  if (l.rate() != 0) out.push_back(fmt::format("{}={}", at, rate_text(l.rate())));
  if (l.packets() != 0) out.push_back(fmt::format("{}.packets={}", at, rate_text(l.packets())));
  if (l.guaranteed() != 0) out.push_back(fmt::format("{}.guaranteed={}", at, rate_text(l.guaranteed())));
  if (l.burst() != 0) out.push_back(fmt::format("{}.burst={}", at, l.burst()));
  if (l.weight() != 0) out.push_back(fmt::format("{}.weight={}", at, l.weight()));
}

void write_shaper(std::vector<std::string>& out, const std::string& at, const v1::QosShaper& s) {
  write_limit(out, at, s.whole());
  write_limit(out, at + ".premium", s.premium());
  write_limit(out, at + ".expedited", s.expedited());
  write_limit(out, at + ".best-effort", s.best_effort());
}

}  // namespace

Result<> set(v1::SetQosRequest& request, const std::string& setting) {
  const auto equals = setting.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == setting.size())
    return fail(Code::invalid_argument, "{}: write it as KEY=VALUE, such as egress=100M", setting);
  auto rc = set_key(request, setting.substr(0, equals), setting.substr(equals + 1));
  if (!rc) return fail(Code::invalid_argument, "{}: {}", setting, rc.error().what);
  return {};
}

std::vector<std::string> settings_of(const v1::Qos& q) {
  std::vector<std::string> out;
  if (!q.class_().empty()) out.push_back("class=" + q.class_());
  if (!q.priority().empty()) out.push_back("priority=" + q.priority());
  if (q.trust()) out.emplace_back("trust=on");
  if (q.link_rate()) out.emplace_back("link-rate=on");
  write_shaper(out, "egress", q.egress());
  write_shaper(out, "ingress", q.ingress());
  return out;
}

}  // namespace transit
