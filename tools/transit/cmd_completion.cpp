// SPDX-License-Identifier: Apache-2.0
// transit completion bash: written from the commands' own definitions.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "bpf/abi/reasons.h"
#include "tools/transit/output.h"

namespace transit {
namespace {

// What may be typed where a value of this type is expected: words, "@file", or
// "@any" where we cannot know.
std::string candidates(const std::string& type) {
  if (type.find('|') != std::string::npos) {
    std::string words = type;
    std::replace(words.begin(), words.end(), '|', ' ');
    return words;
  }
  if (type == "FILE" || type == "PATH" || type == "DIR") return "@file";
  if (type == "INTERFACE") return "@interface";
  std::string words;
#define X(name, kind, text, advice) words += #name " ";
  MZ_REASONS(X)
#undef X
  return type == "REASON" ? words : "@any";
}

struct Script {
  std::string words;   // command -> what may stand next
  std::string values;  // command and option -> its value
};

void describe(const CLI::App& app, const std::string& path, Script& out) {
  const auto children = app.get_subcommands([](const CLI::App*) { return true; });
  std::string words;
  for (const auto* child : children) words += child->get_name() + " ";
  for (const auto* option : app.get_options()) {
    const std::string values = candidates(option->get_type_name());
    if (!option->nonpositional()) {
      out.values += fmt::format("  [\"{} ARGUMENT\"]=\"{}\"\n", path, values);
      continue;
    }
    std::vector<std::string> names;
    for (const auto& s : option->get_snames()) names.push_back("-" + s);
    for (const auto& l : option->get_lnames()) names.push_back("--" + l);
    for (const auto& name : names) {
      words += name + " ";
      if (option->get_items_expected_max() > 0)
        out.values += fmt::format("  [\"{} {}\"]=\"{}\"\n", path, name, values);
    }
  }
  out.words += fmt::format("  [\"{}\"]=\"{}\"\n", path, words);
  for (const auto* child : children) describe(*child, path + " " + child->get_name(), out);
}

constexpr const char* kFunction = R"sh(
_transit_complete() {
  case $1 in
    @any) ;;
    @file) mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
    @interface) mapfile -t COMPREPLY < <(compgen -W "$(cd /sys/class/net && echo *)" -- "$2") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2") ;;
  esac
}

_transit() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} path=transit i value words
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ -n ${_transit_words["$path ${COMP_WORDS[i]}"]-} ]] && path+=" ${COMP_WORDS[i]}"
  done
  value=${_transit_values["$path $prev"]-}
  # Global options may stand behind the command.
  [[ -z $value && $prev == -* ]] && value=${_transit_values["transit $prev"]-}
  if [[ -n $value ]]; then
    _transit_complete "$value" "$cur"
    return
  fi
  value=${_transit_values["$path ARGUMENT"]-}
  if [[ $cur != -* && -n $value ]]; then
    _transit_complete "$value" "$cur"
    return
  fi
  words=${_transit_words[$path]}
  [[ $cur == -* ]] && words+=" ${_transit_words[transit]}"
  _transit_complete "$words" "$cur"
}
complete -o filenames -F _transit transit)sh";

Result<int> run_bash(const CLI::App& app) {
  Script script;
  describe(app, app.get_name(), script);
  fmt::print("# bash completion for transit, made by: transit completion bash\n"
             "declare -gA _transit_words=(\n{})\n"
             "declare -gA _transit_values=(\n{}){}\n",
             script.words, script.values, kFunction);
  return kExitOk;
}

}  // namespace

void add_completion(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("completion", "Completion for a shell, to be sourced")
                  ->group("About transit")
                  ->require_subcommand(1);
  cmd->add_subcommand("bash", "source <(transit completion bash)")
      ->callback([&ctx, &app] { ctx.action = [&app] { return run_bash(app); }; });
}

}  // namespace transit
