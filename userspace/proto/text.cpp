// SPDX-License-Identifier: Apache-2.0
// The way in: one YAML document -> a message. text_write.cpp is the way out.
#include "userspace/proto/text.h"

#include <google/protobuf/descriptor.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cstdio>
#include <memory>
#include <set>

#include "userspace/base/yaml.h"
#include "userspace/proto/base64.h"

namespace mizar {

namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

// Where we are: the innermost element of a list, and the field inside it.
struct Where {
  std::string_view file;
  std::string object;  // networks[1] (name "a")
  std::string field;   // bouncers.primary[3]

  [[nodiscard]] Where in_field(std::string_view name) const {
    return {file, object, field.empty() ? std::string(name) : fmt::format("{}.{}", field, name)};
  }
  [[nodiscard]] Where at(size_t index) const {
    return {file, object, fmt::format("{}[{}]", field, index)};
  }
};

template <class... A>
Failure bad(const Where& w, const YAML::Node& n, fmt::format_string<A...> f, A&&... a) {
  const int line = n.Mark().line + 1;
  return fail(Code::invalid_argument, "{}:{}: {}{}{}{}{}", w.file, line, w.object,
              w.object.empty() ? "" : ": ", w.field, w.field.empty() ? "" : ": ",
              fmt::format(f, std::forward<A>(a)...));
}

const char* shape(const YAML::Node& n) {
  if (n.IsMap()) return "a map";
  if (n.IsSequence()) return "a list";
  return n.IsScalar() ? "a single value" : "nothing";
}

// yaml-cpp tags what stood in quotes with "!".
bool quoted(const YAML::Node& n) { return n.Tag() == "!"; }

std::string type_name(const Field& f) {
  switch (f.cpp_type()) {
    case Field::CPPTYPE_BOOL: return "true or false";
    case Field::CPPTYPE_FLOAT:
    case Field::CPPTYPE_DOUBLE: return "a number";
    case Field::CPPTYPE_STRING: return f.type() == Field::TYPE_BYTES ? "base64 text" : "a text";
    case Field::CPPTYPE_MESSAGE: return "a map";
    case Field::CPPTYPE_ENUM: {
      std::string names;
      for (int i = 0; i < f.enum_type()->value_count(); i++)
        names += (i ? ", " : "one of ") + f.enum_type()->value(i)->name();
      return names;
    }
    default: return "a whole number";
  }
}

// A whole number in decimal or 0x form. Range errors name the range.
template <class T>
Result<T> number(const Where& w, const YAML::Node& n, const Field& f) {
  // Protobuf's JSON writes 64-bit numbers in quotes, because JavaScript's
  // numbers cannot hold them; smaller ones in quotes are a mistake.
  const std::string& s = n.Scalar();
  if (quoted(n) && sizeof(T) < 8)
    return bad(w, n, "must be {}, not the text '{}'", type_name(f), s);
  const bool hex = s.starts_with("0x");
  T v{};
  const char* end = s.data() + s.size();
  const auto [p, ec] = std::from_chars(s.data() + (hex ? 2 : 0), end, v, hex ? 16 : 10);
  const bool digits = !s.empty() && s.find_first_not_of("-0123456789") == std::string::npos;
  if (ec == std::errc::result_out_of_range || (digits && s[0] == '-' && std::is_unsigned_v<T>))
    return bad(w, n, "{} is out of range, must be {}..{}", s, std::numeric_limits<T>::min(),
               std::numeric_limits<T>::max());
  if (ec != std::errc() || p != end) return bad(w, n, "must be {}, not '{}'", type_name(f), s);
  return v;
}

Result<double> real(const Where& w, const YAML::Node& n, const Field& f) {
  const std::string& s = n.Scalar();
  double v = 0;
  const auto [p, ec] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (quoted(n) || ec != std::errc() || p != s.data() + s.size())
    return bad(w, n, "must be {}, not '{}'", type_name(f), s);
  return v;
}

// Stores one value: appends to a repeated field, sets any other.
#define MZ_STORE(Type, value)                      \
  do {                                             \
    if (f.is_repeated())                           \
      r->Add##Type(&m, &f, value);                 \
    else                                           \
      r->Set##Type(&m, &f, value);                 \
    return {};                                     \
  } while (0)
#define MZ_STORE_NUMBER(Type, T)        \
  do {                                  \
    auto v = number<T>(w, n, f);        \
    if (!v) return Failure(v.error());  \
    MZ_STORE(Type, *v);                 \
  } while (0)

Result<> read_text(const Where& w, const YAML::Node& n, pb::Message& m, const Field& f) {
  const auto* r = m.GetReflection();
  if (f.type() != Field::TYPE_BYTES) MZ_STORE(String, n.Scalar());
  auto bytes = base64_decode(n.Scalar());
  if (!bytes) return bad(w, n, "must be base64 text");
  MZ_STORE(String, *bytes);
}

Result<> read_enum(const Where& w, const YAML::Node& n, pb::Message& m, const Field& f) {
  const auto* r = m.GetReflection();
  const auto* value = f.enum_type()->FindValueByName(n.Scalar());
  if (value == nullptr) return bad(w, n, "'{}' must be {}", n.Scalar(), type_name(f));
  MZ_STORE(Enum, value);
}

Result<> read_scalar(const Where& w, const YAML::Node& n, pb::Message& m, const Field& f) {
  if (!n.IsScalar()) return bad(w, n, "must be {}, not {}", type_name(f), shape(n));
  const auto* r = m.GetReflection();
  switch (f.cpp_type()) {
    case Field::CPPTYPE_INT32: MZ_STORE_NUMBER(Int32, std::int32_t);
    case Field::CPPTYPE_INT64: MZ_STORE_NUMBER(Int64, std::int64_t);
    case Field::CPPTYPE_UINT32: MZ_STORE_NUMBER(UInt32, std::uint32_t);
    case Field::CPPTYPE_UINT64: MZ_STORE_NUMBER(UInt64, std::uint64_t);
    case Field::CPPTYPE_STRING: return read_text(w, n, m, f);
    case Field::CPPTYPE_ENUM: return read_enum(w, n, m, f);
    case Field::CPPTYPE_BOOL:
      if (quoted(n) || (n.Scalar() != "true" && n.Scalar() != "false"))
        return bad(w, n, "must be {}, not '{}'", type_name(f), n.Scalar());
      MZ_STORE(Bool, n.Scalar() == "true");
    default: break;
  }
  auto v = real(w, n, f);
  if (!v) return Failure(v.error());
  if (f.cpp_type() == Field::CPPTYPE_FLOAT) MZ_STORE(Float, static_cast<float>(*v));
  MZ_STORE(Double, *v);
}

Result<> read_message(const Where& w, const YAML::Node& n, pb::Message& m);

// What an error calls an element: its place, and its name if it has one.
std::string element_name(const Where& w, const YAML::Node& n) {
  const std::string place = w.object.empty() ? w.field : fmt::format("{}.{}", w.object, w.field);
  if (!n.IsMap()) return place;
  const auto name = n["name"];
  return name && name.IsScalar() ? fmt::format("{} (name \"{}\")", place, name.Scalar()) : place;
}

Result<> read_list(const Where& w, const YAML::Node& n, pb::Message& m, const Field& f) {
  if (!n.IsSequence()) return bad(w, n, "must be a list, not {}", shape(n));
  size_t index = 0;
  for (const auto& item : n) {
    const Where here = w.at(index++);
    if (f.cpp_type() != Field::CPPTYPE_MESSAGE) {
      MZ_CHECK(read_scalar(here, item, m, f));
      continue;
    }
    const Where inside{w.file, element_name(here, item), ""};
    MZ_CHECK(read_message(inside, item, *m.GetReflection()->AddMessage(&m, &f)));
  }
  return {};
}

// A map whose keys are texts and whose values are none of messages.
Result<> read_map(const Where& w, const YAML::Node& n, pb::Message& m, const Field& f) {
  if (!n.IsMap()) return bad(w, n, "must be a map, not {}", shape(n));
  const Field& key = *f.message_type()->map_key();
  const Field& value = *f.message_type()->map_value();
  std::set<std::string> seen;
  for (const auto& pair : n) {
    if (!pair.first.IsScalar()) return bad(w, pair.first, "a key must be a single value");
    const Where here = w.in_field(pair.first.Scalar());
    if (!seen.insert(pair.first.Scalar()).second) return bad(here, pair.first, "is given twice");
    if (pair.second.IsNull()) return bad(here, pair.first, "has no value; an empty text is \"\"");
    pb::Message* entry = m.GetReflection()->AddMessage(&m, &f);
    entry->GetReflection()->SetString(entry, &key, pair.first.Scalar());
    MZ_CHECK(read_scalar(here, pair.second, *entry, value));
  }
  return {};
}

Result<> read_field(const Where& w, const YAML::Node& n, pb::Message& m, const Field& f) {
  if (f.is_map()) return read_map(w, n, m, f);
  if (f.is_repeated()) return read_list(w, n, m, f);
  if (f.cpp_type() == Field::CPPTYPE_MESSAGE)
    return read_message(w, n, *m.GetReflection()->MutableMessage(&m, &f));
  return read_scalar(w, n, m, f);
}

Result<> read_message(const Where& w, const YAML::Node& n, pb::Message& m) {
  if (!n.IsMap()) return bad(w, n, "must be a map, not {}", shape(n));
  std::set<std::string> seen;
  for (const auto& pair : n) {
    const YAML::Node& key = pair.first;
    if (!key.IsScalar()) return bad(w, key, "a field's name must be a single word");
    const std::string& name = key.Scalar();
    const Field* f = m.GetDescriptor()->FindFieldByName(name);
    if (f == nullptr) return bad(w, key, "unknown field '{}'", name);
    if (!seen.insert(name).second) return bad(w, key, "field '{}' is given twice", name);
    if (const auto* one = f->real_containing_oneof())
      if (const auto* other = m.GetReflection()->GetOneofFieldDescriptor(m, one))
        return bad(w, key, "'{}' and '{}' exclude each other", other->name(), name);
    // Its own mark would be where the next thing begins.
    if (pair.second.IsNull()) return bad(w.in_field(name), key, "has no value");
    MZ_CHECK(read_field(w.in_field(name), pair.second, m, *f));
  }
  return {};
}

}  // namespace

Result<> parse_text(std::string_view text, std::string_view file, pb::Message& out) {
  out.Clear();
  try {
    // YAML-CPP reports by exception; none leaves this function.
    const auto documents = load_documents(std::string(text));
    if (documents.empty() || documents[0].IsNull())
      return fail(Code::invalid_argument, "{}: the file is empty", file);
    const Where top{file, "", ""};
    if (documents.size() > 1) return bad(top, documents[1], "only one document is expected");
    return read_message(top, documents[0], out);
  } catch (const YAML::Exception& e) {
    return fail(Code::invalid_argument, "{}:{}: not valid YAML: {}", file, e.mark.line + 1, e.msg);
  }
}

Result<> load_text(const std::string& path, pb::Message& out) {
  const bool standard = path == "-";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
      standard ? stdin : std::fopen(path.c_str(), "re"),
      standard ? [](std::FILE*) { return 0; } : &std::fclose);
  if (!file) {
    const int err = errno;
    return fail_errno(err == ENOENT ? Code::not_found : Code::internal, err, path);
  }
  std::string text;
  char block[65536];
  while (const size_t got = std::fread(block, 1, sizeof block, file.get()))
    text.append(block, got);
  if (std::ferror(file.get()) != 0) return fail_errno(Code::internal, errno, path);
  return parse_text(text, standard ? "standard input" : std::string_view(path), out);
}

}  // namespace mizar
