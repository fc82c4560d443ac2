// SPDX-License-Identifier: Apache-2.0
// Text <-> messages: userspace/proto/text.h.
#include "userspace/proto/text.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "control/proto/region.pb.h"
#include "userspace/proto/base64.h"
#include "userspace/proto/transit.pb.h"

namespace mizar {
namespace {

using google::protobuf::util::MessageDifferencer;

v1::GoalState sample() {
  v1::GoalState s;
  s.set_revision(18446744073709551615u);
  s.set_host("w1");
  auto* h = s.add_hosts();
  h->set_name("w1");
  h->set_id(1);
  h->set_address("192.0.2.1");
  auto* v = s.add_vpcs();
  v->set_name("yes");  // a word YAML 1.1 takes for true
  v->set_vni(7);
  v->set_cidr("10.0.0.0/16");
  for (unsigned b = 0; b < 128; b++) {
    v->mutable_dividers()->add_primary(1);
    v->mutable_dividers()->add_backup(b);
  }
  auto* e = s.add_endpoints();
  e->set_name("7");
  e->set_mac("52:54:00:12:34:56");
  e->mutable_netns()->set_name("/run/netns/with \"quotes\"\n");
  s.add_endpoints()->mutable_tap();  // an empty message is not an absent one
  return s;
}

TEST(Text, YamlReadsBackToTheSameMessage) {
  const auto before = sample();
  v1::GoalState after;
  const auto yaml = to_yaml(before);
  const auto read = parse_text(yaml, "x.yaml", after);
  ASSERT_TRUE(read) << read.error().what << "\n" << yaml;
  EXPECT_TRUE(MessageDifferencer::Equals(before, after)) << yaml;
}

TEST(Text, JsonReadsBackToTheSameMessage) {
  const auto before = sample();
  v1::GoalState after;
  const auto read = parse_text(to_json(before), "x.json", after);
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_TRUE(MessageDifferencer::Equals(before, after)) << to_json(before);
}

TEST(Text, YamlIsCompactAndQuotesWhatOthersMisread) {
  const auto yaml = to_yaml(sample());
  EXPECT_NE(yaml.find("  - name: \"yes\"\n"), std::string::npos) << yaml;
  EXPECT_NE(yaml.find("    mac: \"52:54:00:12:34:56\"\n"), std::string::npos) << yaml;
  EXPECT_NE(yaml.find("      primary: [1, 1, 1, "), std::string::npos) << yaml;
  EXPECT_NE(yaml.find("    cidr: 10.0.0.0/16\n"), std::string::npos) << yaml;
}

TEST(Text, JsonKeepsTheProtosFieldNames) {
  v1::PeerStatus p;
  p.set_rtt_us(5);
  EXPECT_NE(to_json(p).find("\"rtt_us\": \"5\""), std::string::npos) << to_json(p);
  EXPECT_NE(to_json(p).find("\"down\": false"), std::string::npos) << to_json(p);
}

TEST(Text, ReadsEnumsBytesAndFlowLists) {
  v1::DeleteRequest d;
  ASSERT_TRUE(parse_text("{kind: KIND_VPC, name: a}", "f", d));
  EXPECT_EQ(d.kind(), v1::KIND_VPC);
  v1::TraceRequest t;
  ASSERT_TRUE(parse_text("frame: aGVsbG8=", "f", t));
  EXPECT_EQ(t.frame(), "hello");
  v1::ShardTable s;
  ASSERT_TRUE(parse_text("primary: [1, 0x10, 3]\nbackup:\n  - 4\n", "f", s));
  EXPECT_EQ(s.primary(1), 16u);
  EXPECT_EQ(s.backup(0), 4u);
  v1::ApplyRequest a;
  ASSERT_TRUE(parse_text("dry_run: true", "f", a));
  EXPECT_TRUE(a.dry_run());
}

TEST(Text, TheSchemaDecidesTheType) {
  v1::Host h;
  ASSERT_TRUE(parse_text("name: 0123\naddress: no", "f", h));
  EXPECT_EQ(h.name(), "0123");
  EXPECT_EQ(h.address(), "no");
}

TEST(Base64, AllLengthsAndBadText) {
  for (const std::string s : {"", "a", "ab", "abc", "abcd", "\xff\xfe\xfd\xfc\xfb"})
    EXPECT_EQ(base64_decode(base64_encode(s)), s);
  EXPECT_EQ(base64_encode("hello"), "aGVsbG8=");
  for (const char* s : {"aGVsbG8", "a===", "====", "aGVs*G8=", "aG=sbG8="})
    EXPECT_EQ(base64_decode(s), std::nullopt) << s;
}

struct BadCase {
  const char* name;
  const char* text;
  const char* error;
};

class BadText : public testing::TestWithParam<BadCase> {};

TEST_P(BadText, IsOneLineWithObjectAndField) {
  v1::GoalState s;
  const auto read = parse_text(GetParam().text, "w1.yaml", s);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::invalid_argument);
  EXPECT_EQ(read.error().what, GetParam().error);
}

const BadCase kBad[] = {
    {"unknown_top", "hots: []", "w1.yaml:1: unknown field 'hots'"},
    {"unknown_in_element", "networks:\n  - name: b\n  - vpc: v\n    name: a\n    cdir: x\n",
     "w1.yaml:5: networks[1] (name \"a\"): unknown field 'cdir'"},
    {"unknown_nested", "vpcs:\n  - name: a\n    dividers: {primry: []}\n",
     "w1.yaml:3: vpcs[0] (name \"a\"): dividers: unknown field 'primry'"},
    {"json_name_is_not_ours", "endpoints:\n- {addressMac: x}",
     "w1.yaml:2: endpoints[0]: unknown field 'addressMac'"},
    {"duplicate_key", "host: a\nhost: b\n", "w1.yaml:2: field 'host' is given twice"},
    {"duplicate_in_element", "hosts:\n- name: a\n  id: 1\n  id: 2\n",
     "w1.yaml:4: hosts[0] (name \"a\"): field 'id' is given twice"},
    {"oneof", "endpoints:\n- name: e\n  netns: {name: n}\n  tap: {interface: t}\n",
     "w1.yaml:4: endpoints[0] (name \"e\"): 'netns' and 'tap' exclude each other"},
    {"not_a_number", "revision: soon", "w1.yaml:1: revision: must be a whole number, not 'soon'"},
    {"fraction", "revision: 1.5", "w1.yaml:1: revision: must be a whole number, not '1.5'"},
    {"quoted_number", "hosts: [{id: \"1\"}]",
     "w1.yaml:1: hosts[0]: id: must be a whole number, not the text '1'"},
    {"out_of_range", "hosts: [{name: a, id: 4294967296}]",
     "w1.yaml:1: hosts[0] (name \"a\"): id: 4294967296 is out of range, must be 0..4294967295"},
    {"negative", "hosts: [{id: -1}]",
     "w1.yaml:1: hosts[0]: id: -1 is out of range, must be 0..4294967295"},
    {"list_element", "vpcs: [{name: a, dividers: {primary: [1, x]}}]",
     "w1.yaml:1: vpcs[0] (name \"a\"): dividers.primary[1]: must be a whole number, not 'x'"},
    {"map_for_text", "host: {a: b}", "w1.yaml:1: host: must be a text, not a map"},
    {"nothing_for_text", "revision: 1\nhost:\n", "w1.yaml:2: host: has no value"},
    {"nothing_in_list", "hosts:\n-\n- name: a\n", "w1.yaml:3: hosts[0]: must be a map, not nothing"},
    {"text_for_list", "hosts: a", "w1.yaml:1: hosts: must be a list, not a single value"},
    {"text_for_element", "hosts: [a]", "w1.yaml:1: hosts[0]: must be a map, not a single value"},
    {"list_for_message", "vpcs: [{dividers: [1]}]",
     "w1.yaml:1: vpcs[0]: dividers: must be a map, not a list"},
    {"not_a_map", "- a\n", "w1.yaml:1: must be a map, not a list"},
    {"complex_key", "? [a]\n: b\n", "w1.yaml:1: a field's name must be a single word"},
    {"empty", "# nothing\n", "w1.yaml: the file is empty"},
    {"two_documents", "host: a\n---\nhost: b\n", "w1.yaml:3: only one document is expected"},
};
INSTANTIATE_TEST_SUITE_P(, BadText, testing::ValuesIn(kBad),
                         [](const auto& i) { return i.param.name; });

TEST(Text, BrokenYamlNamesTheLine) {
  v1::GoalState s;
  const auto read = parse_text("host: a\nhosts: [\n", "w1.yaml", s);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().what.find("w1.yaml:3: not valid YAML: "), 0u) << read.error().what;
  EXPECT_EQ(read.error().what.find('\n'), std::string::npos);
}

TEST(Text, BadEnumAndBytes) {
  v1::DeleteRequest d;
  auto read = parse_text("kind: VPC", "f", d);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().what.find("f:1: kind: 'VPC' must be one of KIND_UNSPECIFIED, KIND_HOST"),
            0u)
      << read.error().what;
  v1::TraceRequest t;
  EXPECT_FALSE(parse_text("frame: a", "f", t));
  v1::ApplyRequest a;
  EXPECT_FALSE(parse_text("dry_run: yes", "f", a));
}

TEST(Text, AFileThatIsNotThere) {
  v1::GoalState s;
  const auto read = load_text("/nowhere/w1.yaml", s);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::not_found);
  EXPECT_EQ(read.error().what, "/nowhere/w1.yaml: No such file or directory");
}

}  // namespace
}  // namespace mizar
