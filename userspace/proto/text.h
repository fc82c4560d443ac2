// SPDX-License-Identifier: Apache-2.0
// Messages as people write them: YAML or JSON in, YAML or JSON out, by
// reflection, so a new field of a .proto needs no code here.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>

#include "userspace/base/result.h"

namespace mizar {

// Reads one YAML document (JSON is YAML too) into `out`, which is cleared
// first. Strict: unknown and duplicate keys, wrong types and numbers out of
// range are errors. The schema decides a scalar's type, not its spelling, so
// `name: 7` is the text "7". `file` only names the source in errors.
// Error: invalid_argument, one line such as
//   w1.yaml:12: networks[1] (name "a"): unknown field 'cdir'
Result<> parse_text(std::string_view text, std::string_view file, google::protobuf::Message& out);

// The same from a file; "-" is standard input. Errors: also not_found and
// internal, when the file cannot be read.
Result<> load_text(const std::string& path, google::protobuf::Message& out);

// Block style, numbers and other scalars of one list on one line. Fields with
// default values are left out. Reads back by parse_text to an equal message.
std::string to_yaml(const google::protobuf::Message& m);

// `text` as one YAML scalar, in quotes where some reader of YAML 1.1 or 1.2
// would take it for anything but text.
std::string yaml_text(std::string_view text);

// Protobuf's JSON mapping with the .proto's field names; every primitive field
// is written, so programs find the same keys in every answer.
std::string to_json(const google::protobuf::Message& m);

}  // namespace mizar
