// SPDX-License-Identifier: Apache-2.0
// YAML as yaml-cpp reads it, without its endless loop.
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>
#include <vector>

namespace mizar {

// YAML::LoadAll(), which never comes back from some texts: what is left over behind a
// document begins the next one, which is empty and leaves it there. Throws YAML::Exception.
std::vector<YAML::Node> load_documents(const std::string& text);

}  // namespace mizar
