// SPDX-License-Identifier: Apache-2.0
// The way out: a message -> YAML or JSON.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>
#include <map>

#include "userspace/proto/base64.h"
#include "userspace/proto/text.h"

namespace mizar {

namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

bool only(std::string_view s, std::string_view more) {
  return std::all_of(s.begin(), s.end(), [&](char c) {
    return kLetters.find(c) != std::string_view::npos || more.find(c) != std::string_view::npos;
  });
}

// Texts that every YAML reader, of 1.1 and 1.2, takes for text without quotes:
// words that start with a letter or '/', and IPv4 addresses. A MAC, say, is a
// base-60 number to some.
bool plain(std::string_view s) {
  static constexpr std::array<std::string_view, 9> kReserved = {"true", "false", "yes", "no", "on",
                                                               "off",  "null",  "y",   "n"};
  if (s.empty()) return false;
  if (s.find_first_not_of("0123456789./") == std::string_view::npos)
    return std::count(s.begin(), s.end(), '.') == 3;
  if (s[0] != '/' && kLetters.find(s[0]) == std::string_view::npos) return false;
  std::string lower(s);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return only(s, "0123456789_-./") &&
         std::find(kReserved.begin(), kReserved.end(), lower) == kReserved.end();
}

// One value; `i` counts in a repeated field and is -1 otherwise.
std::string scalar(const pb::Message& m, const Field& f, int i) {
  const auto* r = m.GetReflection();
#define MZ_GET(Type) (i < 0 ? r->Get##Type(m, &f) : r->GetRepeated##Type(m, &f, i))
  switch (f.cpp_type()) {
    case Field::CPPTYPE_INT32: return fmt::to_string(MZ_GET(Int32));
    case Field::CPPTYPE_INT64: return fmt::to_string(MZ_GET(Int64));
    case Field::CPPTYPE_UINT32: return fmt::to_string(MZ_GET(UInt32));
    case Field::CPPTYPE_UINT64: return fmt::to_string(MZ_GET(UInt64));
    case Field::CPPTYPE_FLOAT: return fmt::to_string(MZ_GET(Float));
    case Field::CPPTYPE_DOUBLE: return fmt::to_string(MZ_GET(Double));
    case Field::CPPTYPE_BOOL: return MZ_GET(Bool) ? "true" : "false";
    case Field::CPPTYPE_ENUM: return MZ_GET(Enum)->name();
    default: break;
  }
  const std::string s = MZ_GET(String);
#undef MZ_GET
  return yaml_text(f.type() == Field::TYPE_BYTES ? base64_encode(s) : s);
}

std::string flow_list(const pb::Message& m, const Field& f) {
  std::string out = "[";
  for (int i = 0; i < m.GetReflection()->FieldSize(m, &f); i++)
    out += (i ? ", " : "") + scalar(m, f, i);
  return out + "]";
}

// A map's entries in the order of their keys: protobuf has none.
std::string flow_map(const pb::Message& m, const Field& f) {
  std::map<std::string, std::string> entries;
  const auto* r = m.GetReflection();
  for (int i = 0; i < r->FieldSize(m, &f); i++) {
    const pb::Message& e = r->GetRepeatedMessage(m, &f, i);
    entries[scalar(e, *f.message_type()->map_key(), -1)] = scalar(e, *f.message_type()->map_value(), -1);
  }
  std::string out = "{";
  for (const auto& [key, value] : entries) out += fmt::format("{}{}: {}", out.size() > 1 ? ", " : "", key, value);
  return out + "}";
}

// Writes the fields of `m`. `lead` stands before the first one: the "- " of a
// list's element, or the indentation alone.
void write(const pb::Message& m, std::string lead, const std::string& indent, std::string& out) {
  const auto* r = m.GetReflection();
  std::vector<const Field*> fields;
  r->ListFields(m, &fields);
  if (fields.empty()) out += lead + "{}\n";
  for (const Field* f : fields) {
    out += lead + f->name() + ":";
    lead = indent;
    const bool message = f->cpp_type() == Field::CPPTYPE_MESSAGE;
    if (f->is_map()) {
      out += ' ' + flow_map(m, *f) + '\n';
    } else if (f->is_repeated() && message) {
      out += '\n';
      for (int i = 0; i < r->FieldSize(m, f); i++)
        write(r->GetRepeatedMessage(m, f, i), indent + "  - ", indent + "    ", out);
    } else if (f->is_repeated()) {
      out += ' ' + flow_list(m, *f) + '\n';
    } else if (message) {
      out += '\n';
      write(r->GetMessage(m, f), indent + "  ", indent + "  ", out);
    } else {
      out += ' ' + scalar(m, *f, -1) + '\n';
    }
  }
}

}  // namespace

std::string yaml_text(std::string_view s) {
  if (plain(s)) return std::string(s);
  std::string out = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    else
      out += c;
  }
  return out + '"';
}

std::string to_yaml(const pb::Message& m) {
  std::string out;
  write(m, "", "", out);
  return out;
}

std::string to_json(const pb::Message& m) {
  pb::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string out;
  // Fails only for Any and broken UTF-8, which protobuf refuses on input.
  const auto status = pb::util::MessageToJsonString(m, &out, options);
  return status.ok() ? out : "{}\n";
}

}  // namespace mizar
