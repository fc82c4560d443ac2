// SPDX-License-Identifier: Apache-2.0
// What Kubernetes lets names be. Each returns what is wrong; the caller puts the object
// and field in front.
#pragma once

#include <string_view>

#include "userspace/base/result.h"

namespace mizar::policy {

Result<> check_object_name(std::string_view name);  // a DNS subdomain, up to 253
Result<> check_namespace(std::string_view name);    // a DNS label, up to 63
Result<> check_label_key(std::string_view key);     // [DNS subdomain/]NAME
Result<> check_label_value(std::string_view value);  // up to 63 of [A-Za-z0-9_.-], or empty
// RFC 6335's service names in small letters: what pods call their ports.
Result<> check_port_name(std::string_view name);

}  // namespace mizar::policy
