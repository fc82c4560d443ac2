// SPDX-License-Identifier: Apache-2.0
#include "tools/transit/policy_file.h"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "tools/transit/output.h"
#include "userspace/proto/text.h"

namespace transit {

namespace {

Result<std::string> read_file(const std::string& path) {
  std::stringstream text;
  if (path == "-") {
    text << std::cin.rdbuf();
    return text.str();
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail_errno(errno == ENOENT ? Code::not_found : Code::internal, errno, path);
  text << file.rdbuf();
  return text.str();
}

void tell(const std::vector<std::string>& warnings) {
  for (const auto& w : warnings) fmt::print(stderr, "warning: {}\n", w);
}

}  // namespace

Result<centaurus::Region> load_region(const std::string& path) {
  centaurus::v1::Region message;
  MZ_CHECK(mizar::load_text(path, message));
  const auto beside = std::filesystem::path(path == "-" ? "." : path).parent_path();
  std::vector<std::string> warnings;
  const auto read = [&](const std::string& name) { return read_file((beside / name).string()); };
  auto region = centaurus::parse_region(message, read, warnings);
  tell(warnings);
  if (region) return region;
  // What a policy file says wrong names that file already.
  const bool named = std::any_of(message.policies().begin(), message.policies().end(),
                                 [&](const auto& f) { return !f.file().empty() && region.error().what.starts_with(f.file() + ":"); });
  return named ? std::move(region) : Result<centaurus::Region>(mizar::wrap(region.error(), shown_file(path)));
}

Result<mizar::policy::Parsed> load_policies(const std::vector<std::string>& paths) {
  mizar::policy::Parsed all;
  std::vector<std::string> warnings;
  for (const auto& path : paths) {
    auto text = read_file(path);
    if (!text) return tl::unexpected(text.error());
    auto parsed = mizar::policy::parse_policies(*text, shown_file(path), warnings);
    if (!parsed) {
      tell(warnings);
      return tl::unexpected(parsed.error());
    }
    all.policies.insert(all.policies.end(), parsed->policies.begin(), parsed->policies.end());
    all.namespaces.insert(all.namespaces.end(), parsed->namespaces.begin(), parsed->namespaces.end());
  }
  tell(warnings);
  return all;
}

}  // namespace transit
