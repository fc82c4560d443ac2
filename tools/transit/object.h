// SPDX-License-Identifier: Apache-2.0
// What list, get and delete of the goal state's objects have in common.
#pragma once

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tools/transit/client.h"
#include "tools/transit/output.h"
#include "userspace/policy/message.h"

namespace transit {

// A kind of object: how people call it and where it stands in the goal state.
struct Noun {
  const char* name;
  v1::Kind kind;
  bool in_vpc;  // named VPC/NAME
  bool deep = false;  // or VPC/NAMESPACE/NAME, or VPC/security-group:NAME
};

inline constexpr Noun kHost{"host", v1::KIND_HOST, false};
inline constexpr Noun kVpc{"vpc", v1::KIND_VPC, false};
inline constexpr Noun kNetwork{"network", v1::KIND_NETWORK, true};
inline constexpr Noun kEndpoint{"endpoint", v1::KIND_ENDPOINT, true};
inline constexpr Noun kService{"service", v1::KIND_SERVICE, true};
inline constexpr Noun kGateway{"gateway", v1::KIND_GATEWAY, true};
inline constexpr Noun kPeering{"peering", v1::KIND_PEERING, true};
inline constexpr Noun kNamespace{"namespace", v1::KIND_NAMESPACE, true};
inline constexpr Noun kPolicy{"policy", v1::KIND_POLICY, true, true};

// The noun's command, which wants a verb.
CLI::App* add_noun(CLI::App& app, const Noun& noun, const char* description);

// `verb NAME`: runs `run` with the name.
void add_named(CLI::App& noun_cmd, Context& ctx, const Noun& noun, const char* verb,
               const char* description, std::function<Result<int>(const std::string&)> run);
// `verb` without a name.
void add_plain(CLI::App& noun_cmd, Context& ctx, const char* verb, const char* description,
               std::function<Result<int>()> run);
// `delete NAME`, the same for every noun.
void add_delete(CLI::App& noun_cmd, Context& ctx, const Noun& noun);

// Names or blocks in one cell; "-" if there is none.
template <class List>
std::string joined(const List& all) {
  std::string out;
  for (const auto& one : all) out += (out.empty() ? "" : " ") + one;
  return out.empty() ? "-" : out;
}

// Error: invalid_argument, unless `name` has the form of the noun's names.
Result<> check_form(const Noun& noun, const std::string& name);
Failure not_found(const Noun& noun, const std::string& name);

// "VPC/NAME" or "NAME" of an object.
inline std::string name_of(const v1::Host& h) { return h.name(); }
inline std::string name_of(const v1::Vpc& v) { return v.name(); }
inline std::string name_of(const v1::Network& n) { return n.vpc() + "/" + n.name(); }
inline std::string name_of(const v1::Endpoint& e) { return e.vpc() + "/" + e.name(); }
inline std::string name_of(const v1::Service& s) { return s.vpc() + "/" + s.name(); }
inline std::string name_of(const v1::Gateway& g) { return g.vpc() + "/" + g.name(); }
inline std::string name_of(const v1::Peering& p) { return p.vpc() + "/" + p.name(); }
inline std::string name_of(const v1::Namespace& n) { return n.vpc() + "/" + n.name(); }
inline std::string name_of(const v1::Policy& p) {
  return p.vpc() + "/" + mizar::policy::full_name(p);
}

// How many hosts share the table's buckets.
std::string hosts_in(const v1::ShardTable& t);

// A reply as a program wants it, or the line about it.
Result<int> print_reply(const Context& ctx, const google::protobuf::Message& reply, const std::string& line);

// Prints the object of this name.
template <class Messages>
Result<int> print_named(const Context& ctx, const Noun& noun, const Messages& list,
                        const std::string& name) {
  for (const auto& m : list) {
    if (name_of(m) != name) continue;
    print_message(ctx.format, m);
    return kExitOk;
  }
  return not_found(noun, name);
}

// list, get and delete of the objects that `of` finds in the goal state. `row`: the
// cells of one, by the object and the state it stands in.
template <class Of, class Row>
void add_state_verbs(CLI::App& noun_cmd, Context& ctx, const Noun& noun, const char* about_list, const char* about_get,
                     std::vector<std::string> heads, Of of, Row row) {
  add_plain(noun_cmd, ctx, "list", about_list, [&ctx, heads, of, row]() -> Result<int> {
    auto state = call(ctx, v1::GetStateRequest());
    if (!state) return Failure(state.error());
    if (ctx.format != Format::table) {
      print_messages(ctx.format, of(*state));
      return kExitOk;
    }
    Table table(heads);
    for (const auto& object : of(*state)) table.row(row(object, *state));
    table.print();
    return kExitOk;
  });
  add_named(noun_cmd, ctx, noun, "get", about_get, [&ctx, &noun, of](const std::string& name) -> Result<int> {
    auto state = call(ctx, v1::GetStateRequest());
    if (!state) return Failure(state.error());
    return print_named(ctx, noun, of(*state), name);
  });
  add_delete(noun_cmd, ctx, noun);
}

}  // namespace transit
