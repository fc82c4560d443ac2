// SPDX-License-Identifier: Apache-2.0
// An option that takes one of a few words.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <utility>
#include <vector>

namespace transit {

// CLI11's own checks answer a wrong word with a dump of their table.
template <class T>
CLI::Option* add_choice(CLI::App& app, const std::string& names, T& target,
                        std::vector<std::pair<std::string, T>> choices,
                        const std::string& description) {
  std::string words;
  for (const auto& [word, value] : choices) words += (words.empty() ? "" : "|") + word;
  const auto set = [&target, choices, words, names](const std::string& given) {
    for (const auto& [word, value] : choices) {
      if (word != given) continue;
      target = value;
      return;
    }
    throw CLI::ValidationError(names.substr(names.rfind('-') - 1),
                               "must be " + words + ", not '" + given + "'");
  };
  return app.add_option_function<std::string>(names, set, description)->type_name(words);
}

}  // namespace transit
