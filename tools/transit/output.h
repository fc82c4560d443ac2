// SPDX-License-Identifier: Apache-2.0
// Results on standard output: tables for people, JSON or YAML for programs.
#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/transit/context.h"

namespace transit {

using Json = nlohmann::ordered_json;  // keys in the order they were put in

// Columns as wide as their content; a head that begins with '>' is right
// aligned. On a terminal that is narrower, the widest column is cut.
class Table {
 public:
  explicit Table(std::vector<std::string> heads);
  void row(std::vector<std::string> cells);
  void print() const;

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;  // the first are the heads
};

void print_line(std::string_view text);

// Both of a pair of fields in one cell: "10.0.1.5 fd00:1::5".
std::string both(const std::string& four, const std::string& six);
template <class Message>
std::string addresses_of(const Message& m) {
  return both(m.address(), m.address6());
}
template <class Message>
std::string cidrs_of(const Message& m) {
  return both(m.cidr(), m.cidr6());
}

// JSON or YAML; a table's format counts as YAML, the form people read.
void print_value(Format format, const Json& value);
void print_message(Format format, const google::protobuf::Message& m);
// YAML only: one element of a list.
void print_element(const google::protobuf::Message& m);

// A list of messages of one type: JSON array or YAML list.
template <class Messages>
void print_messages(Format format, const Messages& list);

Json to_value(const google::protobuf::Message& m);

// Value in YAML flow style on one line: {vni: 7, ip: 10.0.0.1}.
std::string flow(const Json& value);

// Writes `text` in a colour if standard output is a terminal.
enum class Colour { red, yellow, green };
std::string paint(Colour colour, std::string_view text);

// 1234567 -> "1.2 M", 3.4 s, 2 d 3 h: for people only.
std::string short_bytes(std::uint64_t bytes);
std::string short_time(std::uint64_t ms);

// What an error calls an input file.
inline std::string shown_file(const std::string& path) {
  return path == "-" ? "standard input" : path;
}

// The error as one line on standard error; the exit code that belongs to it.
int report(const Error& e, const std::string& program);

template <class Messages>
void print_messages(Format format, const Messages& list) {
  if (format == Format::json) {
    Json all = Json::array();
    for (const auto& m : list) all.push_back(to_value(m));
    print_value(format, all);
    return;
  }
  if (list.empty()) print_line("[]");
  for (const auto& m : list) print_element(m);
}

}  // namespace transit
