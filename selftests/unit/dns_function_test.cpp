// SPDX-License-Identifier: Apache-2.0
// The worked function in user space: frames in, frames out. dig asks it for real in
// function_test.sh.
#include "userspace/functions/dns_function.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

using namespace mizar;
using namespace mizar::functions;

namespace {

using Frame = std::vector<std::uint8_t>;

Frame hex(std::string_view text) {
  Frame f;
  unsigned nibbles = 0, value = 0;
  for (const char c : text) {
    if (!std::isxdigit(static_cast<unsigned char>(c))) continue;
    value = value << 4 | static_cast<unsigned>(std::isdigit(static_cast<unsigned char>(c)) ? c - '0' : c - 'a' + 10);
    if (++nibbles % 2 == 0) f.push_back(static_cast<std::uint8_t>(value));
  }
  return f;
}

// 198.18.0.5:4660 asks 198.18.0.53:53 for www.example, type A; taken from interface 9.
constexpr const char* kMacs = "024d5a010009 02aabbccddee";
constexpr const char* kDns = "beef 0100 0001 0000 0000 0000 03777777 076578616d706c65 00 0001 0001";
Frame query4() {
  return hex(std::string(kMacs) + "0800 4500 0039 0000 4000 4011 0000 c6120005 c6120035 1234 0035 0025 0000" + kDns);
}
Frame query6() {
  return hex(std::string(kMacs) + "86dd 6000 0000 0025 1140 20010db8000000000000000000000005 "
                                  "20010db8000000000000000000000053 1234 0035 0025 0000" + kDns);
}
const Names kNames = {{"www.example", {*Addr::parse("192.0.2.80"), *Addr::parse("2001:db8::80")}}};

// 0 where the checksum stands right: all 16-bit words from `at`, and `more`.
unsigned checksum_error(const Frame& f, size_t at, size_t end, unsigned more = 0) {
  std::uint64_t sum = more;
  for (size_t i = at; i < end; i += 2) sum += static_cast<unsigned>(f[i] << 8) + (i + 1 < end ? f[i + 1] : 0u);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<unsigned>(sum ^ 0xffff);
}
Frame part(const Frame& f, size_t at, size_t n) { return {f.begin() + static_cast<long>(at), f.begin() + static_cast<long>(at + n)}; }

TEST(DnsFunction, AnswersWithAddressesAndMacsSwapped) {
  const auto a = answer_frame(query4(), kNames);
  ASSERT_TRUE(a);
  EXPECT_EQ(part(*a, 0, 14), hex("02aabbccddee 024d5a010009 0800"));
  EXPECT_EQ(part(*a, 26, 12), hex("c6120035 c6120005 0035 1234"));
  EXPECT_EQ(part(*a, 42, 12), hex("beef 8500 0001 0001 0000 0000"));
  EXPECT_EQ(part(*a, a->size() - 4, 4), hex("c0000250"));
  EXPECT_EQ((*a)[16] << 8 | (*a)[17], static_cast<int>(a->size() - 14));
  EXPECT_EQ(checksum_error(*a, 14, 34), 0u);
  EXPECT_EQ(checksum_error(*a, 26, a->size(), 17 + static_cast<unsigned>(a->size() - 34)), 0u);
}

TEST(DnsFunction, OverIpv6) {
  const auto a = answer_frame(query6(), kNames);
  ASSERT_TRUE(a);
  EXPECT_EQ(part(*a, 22, 32), hex("20010db8000000000000000000000053 20010db8000000000000000000000005"));
  EXPECT_EQ(checksum_error(*a, 22, a->size(), 17 + static_cast<unsigned>(a->size() - 54)), 0u);
}

TEST(DnsFunction, ANameThatIsNotThere) {
  const auto a = answer_frame(query4(), {});
  ASSERT_TRUE(a);
  EXPECT_EQ((*a)[45] & 0x0f, 3);  // NXDOMAIN
}

TEST(DnsFunction, LettersOfEitherCase) {
  Frame q = query4();
  q[55] = 'W';
  EXPECT_EQ((*answer_frame(q, kNames))[45] & 0x0f, 0);
}

TEST(DnsFunction, WhatIsNoQueryIsNotAnswered) {
  const struct {
    const char* name;
    size_t at;
    std::uint8_t value;
  } rows[] = {
      {"ARP", 13, 0x06},           {"version 6 under IPv4's type", 14, 0x65}, {"a header too short", 14, 0x44},
      {"TCP", 23, 6},              {"a fragment", 20, 0x20},                  {"a later fragment", 21, 0x01},
      {"a UDP length of 7", 39, 7}, {"a UDP length past the end", 38, 0x10},  {"an answer", 44, 0x81},
      {"another operation", 44, 0x29}, {"no question", 47, 0},
  };
  for (const auto& row : rows) {
    Frame q = query4();
    q[row.at] = row.value;
    EXPECT_FALSE(answer_frame(q, kNames)) << row.name;
  }
  Frame q6 = query6();
  q6[20] = 44;
  EXPECT_FALSE(answer_frame(q6, kNames));
}

TEST(DnsFunction, ACutFrameIsNotAnswered) {
  for (const Frame& whole : {query4(), query6()})
    for (size_t n = 0; n < whole.size(); n++) EXPECT_FALSE(answer_frame(std::span(whole).first(n), kNames)) << n;
}

class NamesFile : public ::testing::Test {
 protected:
  NamesFile() : path_(::testing::TempDir() + "/names-" + std::to_string(getpid())) {}
  ~NamesFile() override { std::filesystem::remove(path_); }
  Result<Names> read(const std::string& text) {
    std::ofstream(path_) << text;
    return read_names(path_);
  }
  std::string path_;
};

TEST_F(NamesFile, AddressesNamesComments) {
  const auto names = read("# nothing\n192.0.2.80 WWW.example. web # both\n\n2001:db8::80 www.example\n");
  ASSERT_TRUE(names);
  EXPECT_EQ(names->size(), 2u);
  EXPECT_EQ(names->at("www.example").size(), 2u);
  EXPECT_EQ(names->at("web").size(), 1u);
}

TEST_F(NamesFile, AWrongLineIsNamed) {
  const auto names = read("192.0.2.80 a\nsomewhere b\n");
  ASSERT_FALSE(names);
  EXPECT_NE(names.error().what.find("line 2: 'somewhere' is no IP address"), std::string::npos) << names.error().what;
}

TEST_F(NamesFile, NoFile) { EXPECT_EQ(read_names("/nonexistent").error().code, Code::not_found); }

}  // namespace
