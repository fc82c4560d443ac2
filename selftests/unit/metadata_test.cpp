// SPDX-License-Identifier: Apache-2.0
// The metadata service: rows name where RFC 9110 or RFC 9112 asks for it.
#include "userspace/responder/metadata.h"

#include <gtest/gtest.h>

#include "selftests/unit/responder_world.h"

namespace mizar::responder {
namespace {

std::string text(const Bytes& b) { return {b.begin(), b.end()}; }

std::string get(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n"; }

// "200 body".
std::string ask(const std::string& request, const Client& c = test_client()) {
  const auto o = answer_metadata(request, c);
  if (!o) return "more";
  const std::string all = text(o->reply);
  const auto end = all.find("\r\n\r\n");
  EXPECT_TRUE(all.starts_with("HTTP/1.1 ")) << all;
  EXPECT_NE(all.find("\r\nConnection: close\r\n"), std::string::npos) << all;
  return all.substr(9, 4) + all.substr(end + 4);
}

TEST(Metadata, Paths) {
  const struct {
    const char *path, *answer;
  } rows[] = {
      {"/", "200 latest\n"},
      {"/latest", "200 meta-data\nuser-data\n"},
      {"/latest/", "200 meta-data\nuser-data\n"},
      {"/latest/meta-data/", "200 hostname\ninstance-id\nipv6\nlocal-hostname\nlocal-ipv4\nmac\nmtu\nnetwork\nvpc\n"},
      {"/latest/meta-data/hostname", "200 web.red.internal"},
      {"/latest/meta-data/local-hostname", "200 web.red.internal"},
      {"/latest/meta-data/instance-id", "200 red.web"},
      {"/latest/meta-data/local-ipv4", "200 10.0.1.5"},
      {"/latest/meta-data/ipv6", "200 fd00:1:0:1::5"},
      {"/latest/meta-data/mac", "200 02:00:00:00:00:05"},
      {"/latest/meta-data/mtu", "200 1434"},
      {"/latest/meta-data/network", "200 front"},
      {"/latest/meta-data/vpc", "200 red"},
      {"/latest/user-data", "200 #cloud-config\n"},
      {"/latest/user-data?x=1", "200 #cloud-config\n"},
      {"http://169.254.169.254/latest/meta-data/vpc", "200 red"},  // RFC 9112 3.2.2
      {"http://169.254.169.254", "200 latest\n"},
      {"/latest/meta-data/macs", "404 not found\n"},
      {"/latest/meta-data//mac", "404 not found\n"},
      {"/latest/meta-data/mac/", "404 not found\n"},
      {"/latest/../latest/user-data", "404 not found\n"},
      {"/latest/api/token", "404 not found\n"},
      {"*", "404 not found\n"},
  };
  for (const auto& row : rows) EXPECT_EQ(ask(get(row.path)), row.answer) << row.path;
}

TEST(Metadata, WhatAnEndpointDoesNotHaveIsNotThere) {
  Client c = test_client();
  c.address.v6.reset();
  c.user_data.clear();
  EXPECT_EQ(ask(get("/latest/meta-data/ipv6"), c), "404 not found\n");
  EXPECT_EQ(ask(get("/latest/user-data"), c), "404 not found\n");
  EXPECT_EQ(ask(get("/latest/"), c), "200 meta-data\n");
}

TEST(Metadata, Requests) {
  const std::string host = "Host: x\r\n";
  const std::string line = "GET / HTTP/1.1\r\n";
  const struct {
    const char* name;
    std::string request;
    Count count;
    const char* status;
  } rows[] = {
      {"plain", line + host + "\r\n", Count::METADATA_FOUND, "200 "},
      {"9112 2.2: empty lines in front", "\r\n\r\n" + line + host + "\r\n", Count::METADATA_FOUND, "200 "},
      {"9112 3.2: no Host", line + "\r\n", Count::METADATA_MALFORMED, "400 "},
      {"9112 3.2: two of them", line + host + host + "\r\n", Count::METADATA_MALFORMED, "400 "},
      {"HTTP/1.0 needs none", "GET / HTTP/1.0\r\n\r\n", Count::METADATA_FOUND, "200 "},
      {"HTTP/1.0 may have one", "GET / HTTP/1.0\r\n" + host + "\r\n", Count::METADATA_FOUND, "200 "},
      {"HTTP/1.0 with two", "GET / HTTP/1.0\r\n" + host + host + "\r\n", Count::METADATA_MALFORMED, "400 "},
      {"HTTP/2.0", "GET / HTTP/2.0\r\n" + host + "\r\n", Count::METADATA_MALFORMED, "505 "},
      {"no version", "GET /\r\n" + host + "\r\n", Count::METADATA_MALFORMED, "400 "},
      {"four words", "GET / x HTTP/1.1\r\n" + host + "\r\n", Count::METADATA_MALFORMED, "400 "},
      {"9112 3: a method is a token", "G(T / HTTP/1.1\r\n" + host + "\r\n", Count::METADATA_MALFORMED, "400 "},
      {"POST", "POST / HTTP/1.1\r\n" + host + "\r\n", Count::METADATA_MALFORMED, "405 "},
      {"PUT of a token, as for AWS", "PUT /latest/api/token HTTP/1.1\r\n" + host + "\r\n", Count::METADATA_MALFORMED, "405 "},
      {"9112 5.1: white space before the colon", line + "Host : x\r\n\r\n", Count::METADATA_MALFORMED, "400 "},
      {"9112 5.2: a folded field", line + host + " more: x\r\n\r\n", Count::METADATA_MALFORMED, "400 "},
      {"no colon", line + host + "more\r\n\r\n", Count::METADATA_MALFORMED, "400 "},
      {"a body", line + host + "Content-Length: 5\r\n\r\nhello", Count::METADATA_MALFORMED, "400 "},
      {"an empty body", line + host + "Content-Length: 0\r\n\r\n", Count::METADATA_FOUND, "200 "},
      {"chunks", line + host + "Transfer-Encoding: chunked\r\n\r\n", Count::METADATA_MALFORMED, "400 "},
      {"what a proxy forwards", line + host + "X-Forwarded-For: 192.0.2.1\r\n\r\n", Count::METADATA_REFUSED, "403 "},
      {"in any case of letters", line + host + "x-FORWARDED-for:1\r\n\r\n", Count::METADATA_REFUSED, "403 "},
      {"7239", line + host + "Forwarded: for=192.0.2.1\r\n\r\n", Count::METADATA_REFUSED, "403 "},
      {"9110 7.6.3", line + host + "Via: 1.1 x\r\n\r\n", Count::METADATA_REFUSED, "403 "},
      {"too long", line + "Host: " + std::string(kHeadMax, 'x'), Count::METADATA_MALFORMED, "431 "},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const auto o = answer_metadata(row.request, test_client());
    ASSERT_TRUE(o);
    EXPECT_EQ(name_of(o->count), name_of(row.count));
    EXPECT_EQ(text(o->reply).substr(9, 4), row.status);
  }
}

TEST(Metadata, TooManyFields) {
  std::string many = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 63; i++) many += "a: b\r\n";
  EXPECT_EQ(ask(many + "\r\n").substr(0, 3), "200");
  EXPECT_EQ(ask(many + "a: b\r\n\r\n").substr(0, 3), "431");
}

TEST(Metadata, WaitsForTheWholeRequest) {
  const std::string whole = get("/latest/meta-data/vpc");
  for (std::size_t n = 0; n < whole.size(); n++) EXPECT_EQ(ask(whole.substr(0, n)), "more") << n;
  EXPECT_EQ(ask(whole), "200 red");
}

// RFC 9110 section 9.3.2: the same fields, and no body.
TEST(Metadata, HeadHasNoBody) {
  const auto head = answer_metadata("HEAD /latest/user-data HTTP/1.1\r\nHost: x\r\n\r\n", test_client());
  const auto whole = answer_metadata(get("/latest/user-data"), test_client());
  EXPECT_EQ(text(head->reply) + "#cloud-config\n", text(whole->reply));
  EXPECT_NE(text(head->reply).find("Content-Length: 14\r\n"), std::string::npos);
}

TEST(Metadata, RefusesSayWhatIsAllowed) {
  const auto o = answer_metadata("POST / HTTP/1.1\r\nHost: x\r\n\r\n", test_client());
  EXPECT_NE(text(o->reply).find("\r\nAllow: GET, HEAD\r\n"), std::string::npos);
}

}  // namespace
}  // namespace mizar::responder
