// SPDX-License-Identifier: Apache-2.0
#include "tools/transit/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "userspace/proto/text.h"

namespace transit {

namespace {

bool on_terminal() { return ::isatty(STDOUT_FILENO) == 1; }

// Columns of the terminal; no limit where a program reads.
size_t width_limit() {
  winsize w{};
  if (!on_terminal() || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col == 0)
    return std::string::npos;
  return w.ws_col;
}

// Names and numbers only, so bytes are columns; colour codes are not counted.
size_t columns(const std::string& cell) {
  size_t n = 0;
  for (size_t i = 0; i < cell.size(); i++) {
    if (cell[i] == '\x1b') {
      i = cell.find('m', i);
      if (i == std::string::npos) break;
      continue;
    }
    n++;
  }
  return n;
}

std::string pad(const std::string& cell, size_t width, bool right) {
  const size_t n = columns(cell);
  if (n > width) return cell.substr(0, width - 1) + "~";
  const std::string space(width - n, ' ');
  return right ? space + cell : cell + space;
}

std::string dumped(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

bool scalar(const Json& v) { return !v.is_structured() || v.empty(); }

std::string yaml_scalar(const Json& v) {
  return v.is_string() ? mizar::yaml_text(v.get_ref<const std::string&>()) : dumped(v, -1);
}

bool flat(const Json& list) { return std::all_of(list.begin(), list.end(), scalar); }

// The same shape as text_write.cpp gives messages.
void write_yaml(const Json& value, std::string lead, const std::string& indent,
                std::string& out) {
  if (scalar(value)) {
    out += lead + yaml_scalar(value) + '\n';
    return;
  }
  if (value.is_array()) {
    for (const auto& item : value) {
      write_yaml(item, lead + "- ", indent + "  ", out);
      lead = indent;
    }
    return;
  }
  for (const auto& [key, item] : value.items()) {
    out += lead + mizar::yaml_text(key) + ":";
    lead = indent;
    if (scalar(item) || (item.is_array() && flat(item))) {
      out += ' ' + flow(item) + '\n';
    } else {
      out += '\n';
      write_yaml(item, indent + "  ", indent + "  ", out);
    }
  }
}

}  // namespace

Table::Table(std::vector<std::string> heads) {
  for (auto& head : heads) {
    right_.push_back(head.starts_with('>'));
    if (right_.back()) head.erase(0, 1);
  }
  rows_.push_back(std::move(heads));
}

void Table::row(std::vector<std::string> cells) {
  cells.resize(right_.size());
  rows_.push_back(std::move(cells));
}

void Table::print() const {
  std::vector<size_t> widths(right_.size());
  for (const auto& row : rows_)
    for (size_t c = 0; c < row.size(); c++) widths[c] = std::max(widths[c], columns(row[c]));
  const auto total = [&] {
    size_t n = 2 * (widths.size() - 1);
    for (const auto w : widths) n += w;
    return n;
  };
  for (const size_t limit = width_limit(); total() > limit;) {
    auto widest = std::max_element(widths.begin(), widths.end());
    if (*widest <= 8) break;
    --*widest;
  }
  for (const auto& row : rows_) {
    std::string line;
    for (size_t c = 0; c < row.size(); c++)
      line += (c ? "  " : "") + pad(row[c], widths[c], right_[c]);
    line.erase(line.find_last_not_of(' ') + 1);
    print_line(line);
  }
}

std::string both(const std::string& four, const std::string& six) {
  return four + (four.empty() || six.empty() ? "" : " ") + six;
}

void print_line(std::string_view text) { fmt::print("{}\n", text); }

void print_value(Format format, const Json& value) {
  if (format == Format::json) {
    print_line(dumped(value, 2));
    return;
  }
  std::string out;
  write_yaml(value, "", "", out);
  std::fwrite(out.data(), 1, out.size(), stdout);
}

void print_message(Format format, const google::protobuf::Message& m) {
  if (format == Format::json) {
    print_value(format, to_value(m));
    return;
  }
  const std::string out = mizar::to_yaml(m);
  std::fwrite(out.data(), 1, out.size(), stdout);
}

void print_element(const google::protobuf::Message& m) {
  const std::string yaml = mizar::to_yaml(m);
  for (size_t at = 0; at < yaml.size();) {
    const size_t end = yaml.find('\n', at);
    print_line((at == 0 ? "- " : "  ") + yaml.substr(at, end - at));
    at = end + 1;
  }
}

Json to_value(const google::protobuf::Message& m) { return Json::parse(mizar::to_json(m)); }

std::string flow(const Json& value) {
  if (scalar(value)) return yaml_scalar(value);
  std::string out;
  if (value.is_array()) {
    for (const auto& item : value) out += (out.empty() ? "" : ", ") + flow(item);
    return "[" + out + "]";
  }
  for (const auto& [key, item] : value.items())
    out += (out.empty() ? "" : ", ") + mizar::yaml_text(key) + ": " + flow(item);
  return "{" + out + "}";
}

std::string paint(Colour colour, std::string_view text) {
  const char* no_colour = std::getenv("NO_COLOR");
  if (!on_terminal() || (no_colour != nullptr && *no_colour != '\0')) return std::string(text);
  const int code = colour == Colour::red ? 31 : colour == Colour::yellow ? 33 : 32;
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string short_bytes(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double v = static_cast<double>(bytes);
  size_t unit = 0;
  while (v >= 1024 && unit + 1 < std::size(kUnits)) v /= 1024, unit++;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", v, kUnits[unit]);
}

std::string short_time(std::uint64_t ms) {
  const std::uint64_t s = ms / 1000;
  if (ms < 10'000) return fmt::format("{}.{} s", s, ms % 1000 / 100);
  if (s < 120) return fmt::format("{} s", s);
  if (s < 7200) return fmt::format("{} min", s / 60);
  if (s < 172'800) return fmt::format("{} h {} min", s / 3600, s % 3600 / 60);
  return fmt::format("{} d {} h", s / 86'400, s % 86'400 / 3600);
}

int report(const Error& e, const std::string& program) {
  std::string line = e.what;
  // One line, and nothing in it steers the terminal: it may quote any input.
  std::replace_if(line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; },
                  ' ');
  fmt::print(stderr, "{}: {}\n", program, line);
  switch (e.code) {
    case Code::invalid_argument: return kExitUsage;
    case Code::not_found: return kExitNotFound;
    case Code::unavailable: return kExitUnreachable;
    default: return kExitFailed;
  }
}

}  // namespace transit
