// SPDX-License-Identifier: Apache-2.0
#include "userspace/responder/metadata.h"

#include <algorithm>
#include <array>
#include <string>

namespace mizar::responder {

namespace {

constexpr std::size_t kFieldsMax = 64;
constexpr std::string_view kEnd = "\r\n\r\n";

Outcome respond(Count count, int status, std::string_view reason, std::string_view body,
                bool with_body = true, std::string_view more = "") {
  const std::string head = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n"
      "Cache-Control: no-store\r\n{}Connection: close\r\n\r\n",
      status, reason, body.size(), more);
  Writer w;
  w.text(head);
  if (with_body) w.text(body);
  return {count, w.done()};
}

Outcome refuse(int status, std::string_view reason, std::string_view why) {
  const Count count = status == 403 ? Count::METADATA_REFUSED : Count::METADATA_MALFORMED;
  return respond(count, status, reason, fmt::format("{}\n", why), true,
                 status == 405 ? "Allow: GET, HEAD\r\n" : "");
}

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return out;
}

// A token of RFC 9110 section 5.6.2.
bool is_token(std::string_view s) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !s.empty() && std::all_of(s.begin(), s.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

struct Request {
  std::string_view method, target;
  int hosts = 0;
  bool old = false;  // HTTP/1.0
  bool forwarded = false, body = false;
};

// The line "GET /path HTTP/1.1". The error is the whole answer.
std::optional<Outcome> read_line(std::string_view line, Request& out) {
  const auto first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return refuse(400, "Bad Request", "the request line has three words");
  out.method = line.substr(0, first);
  out.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(out.method) || out.target.find(' ') != std::string_view::npos ||
      !version.starts_with("HTTP/") || version.size() != 8)
    return refuse(400, "Bad Request", "the request line is not METHOD TARGET HTTP/1.1");
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    return refuse(505, "HTTP Version Not Supported", "HTTP/1.1 is spoken here");
  out.old = version == "HTTP/1.0";
  return std::nullopt;
}

std::optional<Outcome> read_field(std::string_view line, Request& out) {
  const auto colon = line.find(':');
  // Also what begins with white space: folded lines are history (RFC 9112 5.2).
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
    return refuse(400, "Bad Request", "a field is not NAME: VALUE");
  const std::string name = lower(line.substr(0, colon));
  if (name == "host") out.hosts++;
  // A proxy that passes on what others send must not lend them the endpoint's eyes.
  if (name == "x-forwarded-for" || name == "forwarded" || name == "via") out.forwarded = true;
  if (name == "transfer-encoding") out.body = true;
  if (name == "content-length" &&
      line.substr(colon + 1).find_first_not_of(" \t0") != std::string_view::npos)
    out.body = true;
  return std::nullopt;
}

std::optional<Outcome> read_head(std::string_view head, Request& out) {
  const auto end = head.find("\r\n");
  if (auto bad = read_line(head.substr(0, end), out)) return bad;
  std::size_t fields = 0;
  for (auto at = end; at != std::string_view::npos; ) {
    const auto next = head.find("\r\n", at + 2);
    const auto line = head.substr(at + 2, next == std::string_view::npos ? next : next - at - 2);
    if (++fields > kFieldsMax)
      return refuse(431, "Request Header Fields Too Large", "too many fields");
    if (auto bad = read_field(line, out)) return bad;
    at = next;
  }
  // HTTP/1.0 knows no Host; HTTP/1.1 without it is refused (RFC 9112 section 3.2).
  if (out.hosts > 1 || (out.hosts == 0 && !out.old))
    return refuse(400, "Bad Request", "one Host field is needed");
  return std::nullopt;
}

using Value = std::string (*)(const Client&);

std::string one(const std::optional<Addr>& ip) { return ip ? ip->text() : ""; }
std::string full_name(const Client& c) {
  return c.zone->domain().empty() ? c.name : c.name + "." + c.zone->domain();
}

// What an endpoint may know of itself. An empty value is not there.
constexpr std::array<std::pair<std::string_view, Value>, 9> kValues = {{
    {"hostname", full_name},
    {"instance-id", [](const Client& c) { return c.vpc + "." + c.name; }},
    {"ipv6", [](const Client& c) { return one(c.address.v6); }},
    {"local-hostname", full_name},
    {"local-ipv4", [](const Client& c) { return one(c.address.v4); }},
    {"mac", [](const Client& c) { return mac_text(c.mac); }},
    {"mtu", [](const Client& c) { return fmt::to_string(c.mtu); }},
    {"network", [](const Client& c) { return c.network; }},
    {"vpc", [](const Client& c) { return c.vpc; }},
}};

std::string list_values(const Client& c) {
  std::string out;
  for (const auto& [name, value] : kValues)
    if (!value(c).empty()) out += std::string(name) + "\n";
  return out;
}

// Nothing: there is no such thing.
std::optional<std::string> look_up(std::string_view path, const Client& c) {
  constexpr std::string_view kData = "/latest/meta-data/";
  if (path == "/") return "latest\n";
  if (path == "/latest" || path == "/latest/")
    return c.user_data.empty() ? "meta-data\n" : "meta-data\nuser-data\n";
  if (path == kData || path == kData.substr(0, kData.size() - 1)) return list_values(c);
  if (path == "/latest/user-data" && !c.user_data.empty()) return c.user_data;
  if (!path.starts_with(kData)) return std::nullopt;
  for (const auto& [name, value] : kValues)
    if (path.substr(kData.size()) == name && !value(c).empty()) return value(c);
  return std::nullopt;
}

// The path of the target, in origin or absolute form (RFC 9112 section 3.2).
std::string_view path_of(std::string_view target) {
  if (lower(target.substr(0, 7)) == "http://") {
    const auto slash = target.find('/', 7);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  return target.substr(0, target.find('?'));
}

}  // namespace

std::optional<Outcome> answer_metadata(std::string_view received, const Client& c) {
  // Empty lines before a request are skipped (RFC 9112 section 2.2).
  while (received.starts_with("\r\n")) received.remove_prefix(2);
  const auto end = received.substr(0, kHeadMax).find(kEnd);
  if (end == std::string_view::npos) {
    if (received.size() < kHeadMax) return std::nullopt;
    return refuse(431, "Request Header Fields Too Large", "the request is too long");
  }
  Request q;
  if (auto bad = read_head(received.substr(0, end), q)) return bad;
  if (q.forwarded) return refuse(403, "Forbidden", "not for what a proxy forwards");
  if (q.method != "GET" && q.method != "HEAD")
    return refuse(405, "Method Not Allowed", "only GET and HEAD");
  if (q.body) return refuse(400, "Bad Request", "a GET has no body here");
  const bool with_body = q.method == "GET";
  const auto value = look_up(path_of(q.target), c);
  if (!value) return respond(Count::METADATA_NOT_FOUND, 404, "Not Found", "not found\n", with_body);
  return respond(Count::METADATA_FOUND, 200, "OK", *value, with_body);
}

}  // namespace mizar::responder
