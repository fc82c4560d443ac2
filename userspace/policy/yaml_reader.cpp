// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/yaml_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

namespace mizar::policy {

namespace {

const char* shape(const YAML::Node& n) {
  if (n.IsMap()) return "a map";
  if (n.IsSequence()) return "a list";
  return n.IsScalar() ? "a single value" : "nothing";
}

// yaml-cpp tags what stood in quotes with "!".
bool quoted(const YAML::Node& n) { return n.Tag() == "!" || n.Tag() == "tag:yaml.org,2002:str"; }

// What Kubernetes' YAML takes for a truth value, a number or nothing.
bool read_as_other(const std::string& s) {
  static constexpr std::array kWords = {"true", "false", "yes", "no", "on", "off", "null", "~"};
  std::string low = s;
  std::transform(s.begin(), s.end(), low.begin(), [](unsigned char c) { return std::tolower(c); });
  if (std::find(kWords.begin(), kWords.end(), low) != kWords.end()) return true;
  if (s.empty() || low.find_first_not_of("0123456789+-.abcdefox_") != std::string::npos) return false;
  char* end = nullptr;
  std::strtod(s.c_str(), &end);
  return end == s.c_str() + s.size() && low.find_first_of("0123456789") != std::string::npos;
}

}  // namespace

std::string Value::where() const {
  return fmt::format("{}:{}: {}{}{}{}", reading->file, line, object, object.empty() ? "" : ": ", path,
                     path.empty() ? "" : ": ");
}

// Written out, a text has no more values than bytes.
Result<> Value::visit() const {
  if (reading->left == 0)
    return bad("aliases repeat more than is read; write the values where they belong");
  reading->left--;
  return {};
}

Result<std::string> Value::text() const {
  MZ_CHECK(visit());
  if (!node.IsScalar()) return bad("must be a text, not {}; see the API's reference", shape(node));
  const std::string& s = node.Scalar();
  if (!quoted(node) && read_as_other(s))
    return bad("must be a text, which YAML does not take {} for; put it in quotes", s);
  return s;
}

Result<int> Value::number(int least, int most) const {
  MZ_CHECK(visit());
  if (!node.IsScalar() || quoted(node))
    return bad("must be a whole number, not {}; write it without quotes",
               node.IsScalar() ? "a text" : shape(node));
  const std::string& s = node.Scalar();
  int v = 0;
  const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (end != s.data() + s.size() || ec == std::errc::invalid_argument)
    return bad("'{}' is not a whole number; write {}..{}", s, least, most);
  if (ec != std::errc() || v < least || v > most)
    return bad("{} is out of range; write {}..{}", s, least, most);
  return v;
}

Result<std::vector<Value>> Value::list() const {
  MZ_CHECK(visit());
  if (!node.IsSequence()) return bad("must be a list, not {}; begin each element with '-'", shape(node));
  std::vector<Value> out;
  for (const auto& n : node) {
    const int at = n.IsNull() ? line : n.Mark().line + 1;  // nothing has the place of what follows
    out.push_back({n, at, object, fmt::format("{}[{}]", path, out.size()), reading});
    if (n.IsNull()) return out.back().bad("has no value; write it, or {{}} for everything");
  }
  return out;
}

Result<std::vector<std::pair<std::string, Value>>> Value::entries() const {
  MZ_CHECK(visit());
  if (!node.IsMap()) return bad("must be a map, not {}; write its fields as NAME: VALUE", shape(node));
  std::vector<std::pair<std::string, Value>> out;
  std::map<std::string, int> seen;
  for (const auto& pair : node) {
    const Value key{pair.first, pair.first.Mark().line + 1, object, path, reading};
    if (!pair.first.IsScalar()) return key.bad("a field's name must be a single word; write NAME: VALUE");
    const std::string& name = pair.first.Scalar();
    if (const auto [first, fresh] = seen.emplace(name, key.line); !fresh)
      return key.bad("field '{}' is given twice; it stands on line {} already", name, first->second);
    const std::string inner = path.empty() ? name : fmt::format("{}.{}", path, name);
    out.emplace_back(name, Value{pair.second, key.line, object, inner, reading});
  }
  return out;
}

Result<Fields> Value::fields(std::initializer_list<std::string_view> known,
                             std::initializer_list<std::string_view> ignored) const {
  auto all = entries();
  if (!all) return tl::unexpected(all.error());
  std::map<std::string, Value, std::less<>> values;
  for (auto& [name, v] : *all) {
    if (std::find(ignored.begin(), ignored.end(), name) != ignored.end()) continue;
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      Value here = *this;
      here.line = v.line;
      return here.bad("unknown field '{}'; known are {}", name, fmt::join(known, ", "));
    }
    if (v.node.IsNull()) return v.bad("has no value; write it, or leave the field out");
    values.emplace(name, std::move(v));
  }
  return Fields(*this, std::move(values));
}

const Value* Fields::get(std::string_view name) const {
  const auto at = values_.find(name);
  return at == values_.end() ? nullptr : &at->second;
}

Result<Value> Fields::need(std::string_view name) const {
  if (const Value* v = get(name)) return *v;
  return self_.bad("{} is missing; write it", name);
}

Result<> check(const Value& v, const Result<>& r) {
  if (!r) return v.wrapped(r.error());
  return {};
}

Result<> read_rule_name(const Value& v, std::string& to) {
  READ(text, v.text());
  if (text.size() > 100) return v.bad("has {} characters; write 100 at most", text.size());
  if (!text.empty()) to = text;
  return {};
}

}  // namespace mizar::policy
