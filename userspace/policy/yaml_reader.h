// SPDX-License-Identifier: Apache-2.0
// Typed reading of YAML that a person wrote: errors say where. Private to this folder.
#pragma once

#include <yaml-cpp/yaml.h>

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/result.h"

namespace mizar::policy {

// `name` is what `expr` gives; an error is returned.
#define READ(name, expr)                                     \
  auto name##_read = (expr);                                 \
  if (!name##_read) return tl::unexpected(name##_read.error()); \
  auto& name = *name##_read

// What all values of a text share.
struct Reading {
  std::string file;
  std::size_t left = 0;  // values still to be visited: aliases can repeat without end
  std::vector<std::string> warnings = {};
};

class Fields;

// A value and where it stands.
struct Value {
  YAML::Node node;
  int line = 0;
  std::string object = {};  // "NetworkPolicy shop/web"
  std::string path = {};    // "ingress[0].ports[1]"
  Reading* reading = nullptr;

  template <class... A>
  Failure bad(fmt::format_string<A...> f, A&&... a) const {
    return fail(Code::invalid_argument, "{}{}", where(), fmt::format(f, std::forward<A>(a)...));
  }
  [[nodiscard]] Failure wrapped(const Error& e) const { return Failure(Error{e.code, e.sys, where() + e.what}); }
  // "FILE:LINE: OBJECT: PATH: "
  [[nodiscard]] std::string where() const;
  void warn(const std::string& what) const { reading->warnings.push_back(where() + what); }

  [[nodiscard]] Result<std::string> text() const;  // not what YAML reads as something else
  [[nodiscard]] Result<int> number(int least, int most) const;
  [[nodiscard]] Result<std::vector<Value>> list() const;
  // A map with these fields and no others, each once. `ignored` may hold anything.
  [[nodiscard]] Result<Fields> fields(std::initializer_list<std::string_view> known,
                                      std::initializer_list<std::string_view> ignored = {}) const;
  // A map of texts by name, in the order they are written.
  [[nodiscard]] Result<std::vector<std::pair<std::string, Value>>> entries() const;

 private:
  [[nodiscard]] Result<> visit() const;
};

class Fields {
 public:
  Fields(Value self, std::map<std::string, Value, std::less<>> values)
      : self_(std::move(self)), values_(std::move(values)) {}
  // nullptr: not given.
  [[nodiscard]] const Value* get(std::string_view name) const;
  [[nodiscard]] Result<Value> need(std::string_view name) const;
  [[nodiscard]] std::size_t size() const { return values_.size(); }

 private:
  Value self_;
  std::map<std::string, Value, std::less<>> values_;
};

// An optional field, read by `read(value, target)`.
template <class Read, class T>
Result<> optionally(const Fields& f, std::string_view name, Read read, T& to) {
  const Value* v = f.get(name);
  return v == nullptr ? Result<>() : read(*v, to);
}

// `r`, with the place in front of its error.
Result<> check(const Value& v, const Result<>& r);

// What its author calls a rule; what is empty changes nothing.
Result<> read_rule_name(const Value& v, std::string& to);

}  // namespace mizar::policy
