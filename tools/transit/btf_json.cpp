// SPDX-License-Identifier: Apache-2.0
#include "tools/transit/btf_json.h"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cstring>

#include "userspace/base/addr.h"

namespace transit {

namespace {

using Bytes = std::span<const std::byte>;
using Room = std::span<std::byte>;

// A type without its qualifiers and typedefs; whether one of these says that
// the number is in network order.
struct Resolved {
  __u32 id;
  const btf_type* type;
  bool network_order;
};

Resolved resolve(const btf* b, __u32 id) {
  bool network_order = false;
  const btf_type* t = btf__type_by_id(b, id);
  while (btf_is_mod(t) || btf_is_typedef(t)) {
    network_order |= std::string_view(btf__name_by_offset(b, t->name_off)).starts_with("__be");
    id = t->type;
    t = btf__type_by_id(b, id);
  }
  return {id, t, network_order};
}

size_t size_of(const btf* b, __u32 id) {
  const auto size = btf__resolve_size(b, id);
  return size < 0 ? 0 : static_cast<size_t>(size);
}

std::string_view name_of(const btf* b, const btf_type* t) {
  return btf__name_by_offset(b, t->name_off);
}

bool is_address(const btf* b, const btf_type* t) {
  return btf_is_struct(t) && name_of(b, t) == "mz_addr" && t->size == sizeof(mz_addr);
}

bool is_byte(const btf* b, __u32 id) {
  return btf_is_int(resolve(b, id).type) && size_of(b, id) == 1;
}

bool is_mac(const btf* b, const btf_type* t) {
  return btf_is_array(t) && btf_array(t)->nelems == MZ_ETH_ALEN && is_byte(b, btf_array(t)->type);
}

std::string hex(Bytes bytes) {
  std::string out;
  for (const auto byte : bytes) out += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return out;
}

// An integer of 1 to 8 bytes, in this machine's order or the network's.
std::uint64_t load(Bytes bytes, bool network_order) {
  const bool big = network_order || std::endian::native == std::endian::big;
  std::uint64_t v = 0;
  for (size_t i = 0; i < bytes.size(); i++)
    v = v << 8 | static_cast<std::uint64_t>(bytes[big ? i : bytes.size() - 1 - i]);
  return v;
}

void store(std::uint64_t v, Room bytes, bool network_order) {
  const bool big = network_order || std::endian::native == std::endian::big;
  for (size_t i = 0; i < bytes.size(); i++, v >>= 8)
    bytes[big ? bytes.size() - 1 - i : i] = static_cast<std::byte>(v);
}

// ---- bytes -> JSON ------------------------------------------------------------

Json read(const btf* b, __u32 id, Bytes bytes);

Json read_int(const btf_type* t, Bytes bytes, bool network_order) {
  const std::uint64_t v = load(bytes, network_order);
  if (btf_int_encoding(t) & BTF_INT_BOOL) return v != 0;
  if (!(btf_int_encoding(t) & BTF_INT_SIGNED)) return v;
  const unsigned unused = 64 - 8 * static_cast<unsigned>(bytes.size());
  return static_cast<std::int64_t>(v << unused) >> unused;
}

Json read_enum(const btf* b, const btf_type* t, Bytes bytes) {
  const std::uint64_t v = load(bytes, false);
  for (int i = 0; i < btf_vlen(t); i++)
    if (static_cast<std::uint32_t>(btf_enum(t)[i].val) == v)
      return btf__name_by_offset(b, btf_enum(t)[i].name_off);
  return v;
}

Json read_array(const btf* b, const btf_type* t, Bytes bytes) {
  const size_t size = size_of(b, btf_array(t)->type);
  Json out = Json::array();
  for (__u32 i = 0; i < btf_array(t)->nelems; i++)
    out.push_back(read(b, btf_array(t)->type, bytes.subspan(i * size, size)));
  return out;
}

// Struct or union. The ABI's layouts have no bit fields.
Json read_members(const btf* b, const btf_type* t, Bytes bytes) {
  Json out = Json::object();
  for (__u32 i = 0; i < btf_vlen(t); i++) {
    const btf_member& m = btf_members(t)[i];
    const size_t offset = btf_member_bit_offset(t, i) / 8;
    const auto part = bytes.subspan(offset, size_of(b, m.type));
    out[btf__name_by_offset(b, m.name_off)] =
        btf_member_bitfield_size(t, i) != 0 ? Json(hex(part)) : read(b, m.type, part);
  }
  return out;
}

Json read(const btf* b, __u32 id, Bytes bytes) {
  const auto [type_id, t, network_order] = resolve(b, id);
  if (is_address(b, t)) {
    mz_addr a;
    std::memcpy(&a, bytes.data(), sizeof a);
    return mizar::Addr(a).text();
  }
  if (is_mac(b, t)) {
    mizar::MacBytes mac;
    std::memcpy(mac.data(), bytes.data(), mac.size());
    return mizar::mac_text(mac);
  }
  if (btf_is_int(t)) return read_int(t, bytes, network_order);
  if (btf_is_enum(t)) return read_enum(b, t, bytes);
  if (btf_is_array(t)) return read_array(b, t, bytes);
  if (btf_is_composite(t)) return read_members(b, t, bytes);
  return hex(bytes);
}

// ---- JSON -> bytes --------------------------------------------------------------

Result<> write(const btf* b, __u32 id, const Json& in, Room bytes, const std::string& where);

template <class... A>
Failure bad(const std::string& where, fmt::format_string<A...> f, A&&... a) {
  return fail(Code::invalid_argument, "{}: {}", where, fmt::format(f, std::forward<A>(a)...));
}

Result<std::uint64_t> magnitude(std::string_view digits, const std::string& where,
                                const std::string& shown) {
  const bool is_hex = digits.starts_with("0x");
  if (is_hex) digits.remove_prefix(2);
  std::uint64_t v = 0;
  const auto [end, ec] = std::from_chars(digits.begin(), digits.end(), v, is_hex ? 16 : 10);
  if (ec == std::errc::result_out_of_range) return bad(where, "{} is out of range", shown);
  if (ec != std::errc() || end != digits.end())
    return bad(where, "'{}' is not a whole number", shown);
  return v;
}

Result<> write_int(const btf_type* t, const Json& in, Room bytes, bool network_order,
                   const std::string& where) {
  const std::string text = in.is_string() ? in.get<std::string>() : in.dump();
  if (btf_int_encoding(t) & BTF_INT_BOOL && (text == "true" || text == "false")) {
    store(text == "true", bytes, network_order);
    return {};
  }
  const bool is_signed = btf_int_encoding(t) & BTF_INT_SIGNED;
  const bool minus = is_signed && text.starts_with('-');
  auto v = magnitude(std::string_view(text).substr(minus), where, text);
  if (!v) return Failure(v.error());
  const unsigned bits = 8 * static_cast<unsigned>(bytes.size());
  const std::uint64_t top = is_signed ? (1ull << (bits - 1)) - 1 + minus : ~0ull >> (64 - bits);
  if (*v > top) return bad(where, "{} is out of range", text);
  store(minus ? 0 - *v : *v, bytes, network_order);
  return {};
}

Result<> write_enum(const btf* b, const btf_type* t, const Json& in, Room bytes,
                    const std::string& where) {
  const std::string text = in.is_string() ? in.get<std::string>() : in.dump();
  for (int i = 0; i < btf_vlen(t); i++) {
    if (text != btf__name_by_offset(b, btf_enum(t)[i].name_off)) continue;
    store(static_cast<std::uint32_t>(btf_enum(t)[i].val), bytes, false);
    return {};
  }
  auto v = magnitude(text, where, text);
  if (!v) return Failure(v.error());
  store(*v, bytes, false);
  return {};
}

Result<> write_address(const Json& in, Room bytes, const std::string& where) {
  if (!in.is_string()) return bad(where, "must be an IP address");
  auto ip = mizar::Addr::parse(in.get<std::string>());
  if (!ip) return mizar::wrap(ip.error(), where);
  const mz_addr a = ip->abi();
  std::memcpy(bytes.data(), &a, sizeof a);
  return {};
}

Result<> write_mac(const Json& in, Room bytes, const std::string& where) {
  auto mac = mizar::parse_mac(in.get<std::string>());
  if (!mac) return mizar::wrap(mac.error(), where);
  std::memcpy(bytes.data(), mac->data(), mac->size());
  return {};
}

Result<> write_array(const btf* b, const btf_type* t, const Json& in, Room bytes,
                     const std::string& where) {
  if (!in.is_array() || in.size() != btf_array(t)->nelems)
    return bad(where, "must be a list of {}", btf_array(t)->nelems);
  const size_t size = size_of(b, btf_array(t)->type);
  for (size_t i = 0; i < in.size(); i++)
    MZ_CHECK(write(b, btf_array(t)->type, in[i], bytes.subspan(i * size, size),
                   fmt::format("{}[{}]", where, i)));
  return {};
}

Result<> write_members(const btf* b, const btf_type* t, const Json& in, Room bytes,
                       const std::string& where) {
  if (!in.is_object()) return bad(where, "must be a map of struct {}", name_of(b, t));
  size_t used = 0;
  for (__u32 i = 0; i < btf_vlen(t); i++) {
    const btf_member& m = btf_members(t)[i];
    const std::string name = btf__name_by_offset(b, m.name_off);
    if (!in.contains(name)) continue;
    used++;
    if (btf_member_bitfield_size(t, i) != 0) return bad(where, "{} is a bit field", name);
    MZ_CHECK(write(b, m.type, in[name],
                   bytes.subspan(btf_member_bit_offset(t, i) / 8, size_of(b, m.type)),
                   where + "." + name));
  }
  if (used == in.size()) return {};
  for (const auto& [name, value] : in.items()) {
    bool known = false;
    for (__u32 i = 0; i < btf_vlen(t); i++)
      known |= name == btf__name_by_offset(b, btf_members(t)[i].name_off);
    if (!known) return bad(where, "struct {} has no member '{}'", name_of(b, t), name);
  }
  return {};
}

Result<> write(const btf* b, __u32 id, const Json& in, Room bytes, const std::string& where) {
  const auto [type_id, t, network_order] = resolve(b, id);
  if (is_address(b, t)) return write_address(in, bytes, where);
  if (is_mac(b, t) && in.is_string()) return write_mac(in, bytes, where);
  if (btf_is_array(t)) return write_array(b, t, in, bytes, where);
  if (btf_is_composite(t)) return write_members(b, t, in, bytes, where);
  if (in.is_structured()) return bad(where, "must be a single value");
  if (btf_is_int(t)) return write_int(t, in, bytes, network_order, where);
  if (btf_is_enum(t)) return write_enum(b, t, in, bytes, where);
  return bad(where, "its type cannot be set");
}

// Without BTF: hexadecimal both ways.
Result<> write_hex(const Json& in, Room bytes, const std::string& where) {
  const std::string text = in.is_string() ? in.get<std::string>() : in.dump();
  if (text.size() != 2 * bytes.size() ||
      text.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
    return bad(where, "the map has no BTF: must be {} hexadecimal digits", 2 * bytes.size());
  for (size_t i = 0; i < bytes.size(); i++)
    bytes[i] = static_cast<std::byte>(std::stoi(text.substr(2 * i, 2), nullptr, 16));
  return {};
}

Json from_yaml(const YAML::Node& n) {
  if (n.IsMap()) {
    Json out = Json::object();
    for (const auto& pair : n) out[pair.first.as<std::string>()] = from_yaml(pair.second);
    return out;
  }
  if (n.IsSequence()) {
    Json out = Json::array();
    for (const auto& item : n) out.push_back(from_yaml(item));
    return out;
  }
  return n.IsScalar() ? Json(n.Scalar()) : Json("");
}

}  // namespace

Result<BtfJson> BtfJson::of(const bpf_map_info& map) {
  BtfJson out;
  if (map.btf_id == 0) return out;
  out.btf_.reset(btf__load_from_kernel_by_id(map.btf_id));
  if (!out.btf_) return fail_errno(Code::internal, errno, fmt::format("BTF of map {}", map.name));
  // Types of another size than the map's would read past its bytes.
  if (size_of(out.btf_.get(), map.btf_key_type_id) == map.key_size) out.key_ = map.btf_key_type_id;
  if (size_of(out.btf_.get(), map.btf_value_type_id) == map.value_size)
    out.value_ = map.btf_value_type_id;
  return out;
}

Json BtfJson::key(Bytes bytes) const {
  return key_ == 0 ? Json(hex(bytes)) : read(btf_.get(), key_, bytes);
}
Json BtfJson::value(Bytes bytes) const {
  return value_ == 0 ? Json(hex(bytes)) : read(btf_.get(), value_, bytes);
}
Result<> BtfJson::set_key(const Json& in, Room bytes) const {
  return key_ == 0 ? write_hex(in, bytes, "key") : write(btf_.get(), key_, in, bytes, "key");
}
Result<> BtfJson::set_value(const Json& in, Room bytes) const {
  return value_ == 0 ? write_hex(in, bytes, "value")
                     : write(btf_.get(), value_, in, bytes, "value");
}

Result<Json> parse_flow(std::string_view text, std::string_view what) {
  try {
    return from_yaml(YAML::Load(std::string(text)));
  } catch (const YAML::Exception& e) {
    return fail(Code::invalid_argument, "{} '{}': not valid YAML or JSON: {}", what, text, e.msg);
  }
}

}  // namespace transit
