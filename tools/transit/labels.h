// SPDX-License-Identifier: Apache-2.0
// Labels on the command line: KEY=VALUE, and in cells.
#pragma once

#include <CLI/CLI.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include "userspace/policy/message.h"
#include "userspace/proto/transit.pb.h"

namespace transit {

// "app=web tier=db"; "-": none.
inline std::string labels_text(const mizar::policy::LabelMap& labels) {
  std::vector<std::string> words;
  for (const auto& [key, value] : labels) words.push_back(key + "=" + value);
  std::sort(words.begin(), words.end());
  return words.empty() ? "-" : fmt::format("{}", fmt::join(words, " "));
}

template <class Message>
std::string namespace_of(const Message& m) {
  return m.namespace_().empty() ? mizar::policy::kDefaultNamespace : m.namespace_();
}

// OPTION KEY=VALUE, which may be repeated, into `map`().
template <class Map>
void add_map_option(CLI::App& cmd, const char* option, Map map, const char* help) {
  cmd.add_option_function<std::vector<std::string>>(
         option,
         [option, map](const std::vector<std::string>& all) {
           for (const auto& text : all) {
             const auto equals = text.find('=');
             if (equals == std::string::npos) throw CLI::ValidationError(option, "'" + text + "' must be KEY=VALUE");
             (*map())[text.substr(0, equals)] = text.substr(equals + 1);
           }
         },
         help)
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
}

// --namespace, --label KEY=VALUE, --named-port NAME=PROTOCOL/PORT and --security-group NAME
// of `request`.
template <class Request>
void add_label_options(CLI::App& cmd, const std::shared_ptr<Request>& request) {
  cmd.add_option_function<std::string>(
         "--namespace", [request](const std::string& v) { request->set_namespace_(v); },
         "To policy: its namespace; default: default")
      ->type_name("NAME");
  add_map_option(cmd, "--label", [request] { return request->mutable_labels(); }, "To policy: one of its labels; may be repeated");
  cmd.add_option_function<std::vector<std::string>>(
         "--named-port",
         [request](const std::vector<std::string>& all) {
           for (const auto& text : all) {
             const auto equals = text.find('='), slash = text.find('/');
             const auto digits = slash == std::string::npos ? std::string() : text.substr(slash + 1);
             if (equals == std::string::npos || digits.empty() || digits.size() > 5 || slash < equals ||
                 digits.find_first_not_of("0123456789") != std::string::npos)
               throw CLI::ValidationError("--named-port", "'" + text + "' must be NAME=PROTOCOL/PORT, such as http=tcp/8080");
             auto* port = request->add_ports();
             port->set_name(text.substr(0, equals));
             port->set_protocol(text.substr(equals + 1, slash - equals - 1));
             port->set_port(static_cast<std::uint32_t>(std::stoul(digits)));
           }
         },
         "To policy: a port of this name; may be repeated")
      ->allow_extra_args(false)
      ->type_name("NAME=PROTOCOL/PORT");
  cmd.add_option_function<std::vector<std::string>>(
         "--security-group",
         [request](const std::vector<std::string>& all) { request->mutable_security_groups()->Assign(all.begin(), all.end()); },
         "To policy: a security group of it; may be repeated")
      ->allow_extra_args(false)
      ->type_name("NAME");
}

}  // namespace transit
