// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/names.h"

#include <algorithm>

namespace mizar::policy {

namespace {

bool lower(char c) { return c >= 'a' && c <= 'z'; }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool small(char c) { return lower(c) || digit(c); }
bool word(char c) { return small(c) || (c >= 'A' && c <= 'Z'); }

bool dns_label(std::string_view s) {
  return !s.empty() && s.size() <= 63 && small(s.front()) && small(s.back()) &&
         std::all_of(s.begin(), s.end(), [](char c) { return small(c) || c == '-'; });
}

bool dns_subdomain(std::string_view s) {
  if (s.size() > 253) return false;
  for (auto dot = s.find('.'); dot != std::string_view::npos; dot = s.find('.')) {
    if (!dns_label(s.substr(0, dot))) return false;
    s.remove_prefix(dot + 1);
  }
  return dns_label(s);
}

bool label_name(std::string_view s) {
  return !s.empty() && s.size() <= 63 && word(s.front()) && word(s.back()) &&
         std::all_of(s.begin(), s.end(),
                     [](char c) { return word(c) || c == '-' || c == '_' || c == '.'; });
}

}  // namespace

Result<> check_object_name(std::string_view name) {
  if (dns_subdomain(name)) return {};
  return fail(Code::invalid_argument,
              "'{}' is not a name; write up to 253 of a-z, 0-9, '-' and '.', a letter or digit at both ends",
              name);
}

Result<> check_namespace(std::string_view name) {
  if (dns_label(name)) return {};
  return fail(Code::invalid_argument,
              "'{}' is not a namespace; write up to 63 of a-z, 0-9 and '-', a letter or digit at both ends",
              name);
}

Result<> check_label_key(std::string_view key) {
  const auto slash = key.find('/');
  const bool prefixed = slash != std::string_view::npos;
  if ((!prefixed || dns_subdomain(key.substr(0, slash))) &&
      label_name(prefixed ? key.substr(slash + 1) : key))
    return {};
  return fail(Code::invalid_argument, "'{}' is not a label's key; write NAME or DOMAIN/NAME", key);
}

Result<> check_label_value(std::string_view value) {
  if (value.empty() || label_name(value)) return {};
  return fail(Code::invalid_argument,
              "no label has the value '{}'; write up to 63 letters, digits, '-', '_' and '.'", value);
}

Result<> check_port_name(std::string_view name) {
  const bool fits = !name.empty() && name.size() <= 15 && small(name.front()) && small(name.back()) &&
                    std::any_of(name.begin(), name.end(), lower) &&
                    std::all_of(name.begin(), name.end(), [](char c) { return small(c) || c == '-'; }) &&
                    name.find("--") == std::string_view::npos;
  if (fits) return {};
  return fail(Code::invalid_argument,
              "'{}' is no port's name; write a number without quotes, or up to 15 of a-z, 0-9 and "
              "single '-', a letter among them",
              name);
}

}  // namespace mizar::policy
