// SPDX-License-Identifier: Apache-2.0
// transit against a daemon that answers from a script: what it prints, what it
// asks for, and how it exits.
#include "bpf/abi/hash.h"
#include "selftests/unit/cli_world.h"

namespace transit_test {
namespace {

void expect_lines_fit(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

TEST_F(Cli, GetPrintsAFileApplyTakes) {
  const Outcome got = run({"get"});
  ASSERT_EQ(got.rc, 0) << got.err;
  const Outcome applied = run({"apply", "-f", "-"}, got.out);
  EXPECT_EQ(applied.rc, 0) << applied.err;
  EXPECT_EQ(applied.out, "revision 5: 3 added, 0 changed, 0 removed\n");
  EXPECT_EQ(fake().applied.state().SerializeAsString(), fake().state.SerializeAsString());
  EXPECT_FALSE(fake().applied.dry_run());
  fake().applied.Clear();
  EXPECT_EQ(run({"apply", "-f", "-"}, run({"get", "-o", "json"}).out).rc, 0);
  EXPECT_EQ(fake().applied.state().SerializeAsString(), fake().state.SerializeAsString());
}

TEST_F(Cli, ApplyDryRun) {
  const Outcome r = run({"apply", "--dry-run", "-f", "-"}, kState);
  EXPECT_EQ(r.rc, 0) << r.err;
  EXPECT_TRUE(fake().applied.dry_run());
  EXPECT_EQ(r.out.find("dry run, nothing was changed; revision 5"), 0u) << r.out;
}

TEST_F(Cli, ApplyOfABadFileSendsNothing) {
  write_file(dir.at("bad.yaml"), "host: w1\nnetworks:\n  - {name: a, cdir: x}\n");
  const Outcome r = run({"apply", "-f", dir.at("bad.yaml")});
  EXPECT_EQ(r.rc, 2);
  EXPECT_EQ(r.out, "");
  EXPECT_EQ(r.err, "transit: " + dir.at("bad.yaml") +
                       ":3: networks[0] (name \"a\"): unknown field 'cdir'\n");
  EXPECT_EQ(fake().applied.state().host(), "");
}

TEST_F(Cli, StatusCodesBecomeExitCodes) {
  const struct {
    grpc::StatusCode code;
    int rc;
  } rows[] = {{grpc::StatusCode::INVALID_ARGUMENT, 2},
              {grpc::StatusCode::NOT_FOUND, 3},
              {grpc::StatusCode::UNAVAILABLE, 4},
              {grpc::StatusCode::FAILED_PRECONDITION, 1},
              {grpc::StatusCode::PERMISSION_DENIED, 1},
              {grpc::StatusCode::INTERNAL, 1}};
  for (const auto& row : rows) {
    fake().answer = Status(row.code, "vpc a: says\nthe daemon");
    const Outcome r = run({"vpc", "delete", "a"});
    EXPECT_EQ(r.rc, row.rc) << r.err;
    EXPECT_EQ(r.out, "");
    EXPECT_NE(r.err.find("vpc a: says the daemon"), std::string::npos) << r.err;
    EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1);
  }
}

TEST_F(Cli, UnreachableAndSlowDaemons) {
  Outcome r = run_transit({"status", "--socket", dir.at("none.sock")});
  EXPECT_EQ(r.rc, 4);
  EXPECT_EQ(r.err, "transit: cannot reach transitd at " + dir.at("none.sock") +
                       ": start it (systemctl start transitd) or name it with --socket\n");
  std::promise<void> gave_up;
  fake().answer_after = gave_up.get_future();
  r = run({"program", "replace", "--timeout", "0.2"});
  gave_up.set_value();
  EXPECT_EQ(r.rc, 4);
  EXPECT_NE(r.err.find("did not answer within 0.2 s"), std::string::npos) << r.err;
}

TEST_F(Cli, Deletes) {
  const struct {
    const char* noun;
    const char* name;
    v1::Kind kind;
  } rows[] = {{"host", "b1", v1::KIND_HOST},
              {"vpc", "a", v1::KIND_VPC},
              {"network", "a/front", v1::KIND_NETWORK},
              {"endpoint", "a/web", v1::KIND_ENDPOINT},
              {"service", "a/www", v1::KIND_SERVICE}};
  for (const auto& row : rows) {
    const Outcome r = run({row.noun, "delete", row.name});
    EXPECT_EQ(r.rc, 0) << r.err;
    EXPECT_EQ(r.out, std::string(row.noun) + " " + row.name + " deleted\n");
    EXPECT_EQ(fake().deleted.kind(), row.kind);
    EXPECT_EQ(fake().deleted.name(), row.name);
  }
  EXPECT_EQ(run({"network", "delete", "front"}).rc, 2);
  EXPECT_EQ(run({"vpc", "delete", "a/front"}).rc, 2);
}

TEST_F(Cli, Lists) {
  EXPECT_EQ(run({"host", "list"}).out,
            "NAME  ID  ADDRESS\n"
            "w1     1  192.0.2.1              this host\n"
            "b1     3  192.0.2.3 2001:db8::3\n");
  EXPECT_EQ(run({"vpc", "list"}).out,
            "NAME  VNI  CIDR                   DIVIDERS  NETWORKS  ENDPOINTS\n"
            "a       7  10.0.0.0/16 fd00::/48         0         1          1\n");
  EXPECT_EQ(run({"network", "list"}).out,
            "NAME     CIDR                         BOUNCERS  ENDPOINTS\n"
            "a/front  10.0.1.0/24 fd00:0:0:1::/64         2          1\n");
  EXPECT_EQ(run({"endpoint", "list"}).out,
            "NAME   NETWORK  ADDRESS                 HOST  STATE  INTERFACE\n"
            "a/web  front    10.0.1.2 fd00:0:0:1::2  w1    ready  mz0\n");
  EXPECT_EQ(run({"service", "list"}).out,
            "NAME   ADDRESS                 PORTS                BACKENDS  DRAINING  HEALTHY\n"
            "a/www  10.0.9.1 fd00:0:0:9::1  tcp/80->8080 udp/53         2         1        -\n"
            "a/api  10.0.9.2                tcp/80                      3         0      1/3\n"
            "a/api: db (10.0.1.4) on b1: unhealthy: HTTP status 503, since 12 s\n"
            "a/api: new (10.0.1.5) on b1: unknown, not serving until it has passed\n");
  EXPECT_EQ(run({"peering", "list"}).out,
            "NAME     PEER  PARTS                  BEGINS\n"
            "a/trade  b     10.7.0.0/16 fd07::/48  either\n"
            "b/trade  a     10.0.0.0/16            a\n");
}

TEST_F(Cli, ListsForPrograms) {
  EXPECT_EQ(json({"host", "list"})[1],
            nlohmann::json({{"name", "b1"}, {"id", 3}, {"address", "192.0.2.3"},
                            {"address6", "2001:db8::3"}}));
  EXPECT_EQ(json({"vpc", "list"})[0]["vni"], 7);
  EXPECT_EQ(json({"network", "list"})[0]["bouncers"]["primary"].size(), 128u);
  EXPECT_EQ(json({"endpoint", "list"})[0]["endpoint"]["address"], "10.0.1.2");
  EXPECT_EQ(json({"endpoint", "list"})[0]["added_locally"], false);
  EXPECT_EQ(json({"status"})["peers"][0]["rtt_us"], "85");
  EXPECT_EQ(run({"host", "list", "-o", "yaml"}).out,
            "- name: w1\n  id: 1\n  address: 192.0.2.1\n"
            "- name: b1\n  id: 3\n  address: 192.0.2.3\n  address6: \"2001:db8::3\"\n");
}

TEST_F(Cli, GetsByName) {
  EXPECT_EQ(run({"host", "get", "b1"}).out, "name: b1\nid: 3\naddress: 192.0.2.3\naddress6: \"2001:db8::3\"\n");
  EXPECT_EQ(json({"vpc", "get", "a"})["cidr"], "10.0.0.0/16");
  EXPECT_EQ(json({"network", "get", "a/front"})["name"], "front");
  EXPECT_EQ(json({"endpoint", "get", "a/web"})["mtu"], 1414);
  EXPECT_EQ(json({"service", "get", "a/www"})["service"]["backends"][1]["weight"], 0);
  EXPECT_EQ(json({"service", "get", "a/api"})["backends"][2]["problem"], "HTTP status 503");
  EXPECT_EQ(run({"service", "get", "a/x"}).rc, 3);
  const Outcome r = run({"host", "get", "b9"});
  EXPECT_EQ(r.rc, 3);
  EXPECT_EQ(r.err, "transit: host b9: this host does not know it: see transit host list\n");
  EXPECT_EQ(run({"endpoint", "get", "a/x"}).rc, 3);
}

TEST_F(Cli, Shards) {
  EXPECT_EQ(run({"shard", "list", "a/front"}).out,
            "NAME     ROLE     PRIMARY  BACKUP  COUNT  BUCKETS\n"
            "a/front  bouncer  -        -           1  5\n"
            "a/front  bouncer  b1       -         125  2-4,6-127\n"
            "a/front  bouncer  b1       w1          2  0-1\n");
  EXPECT_EQ(json({"shard", "list"}).size(), 128u);
  EXPECT_EQ(json({"shard", "list"})[0],
            nlohmann::json({{"name", "a/front"}, {"role", "bouncer"}, {"bucket", 0},
                            {"primary", "b1"}, {"backup", "w1"}}));
  const auto shard = json({"shard", "get", "a/front", "10.0.1.2"});
  const mz_addr address = mizar::Addr::parse("10.0.1.2")->abi();
  EXPECT_EQ(shard["bucket"], mz_bucket(&address));
  EXPECT_EQ(shard["primary"], "b1");
  EXPECT_EQ(json({"shard", "get", "a/front", "fd00:0:0:1::2"})["primary"], "b1");
  EXPECT_EQ(run({"shard", "get", "a", "10.0.1.2"}).rc, 3);
  EXPECT_EQ(run({"shard", "get", "a/front", "web"}).rc, 2);
  EXPECT_EQ(run({"shard", "list", "x"}).rc, 3);
}

TEST_F(Cli, EndpointAdd) {
  const Outcome r = run({"endpoint", "add", "web", "--netns", "web", "--vpc", "a", "--network",
                     "front", "--ip", "10.0.1.2", "--mac", "02:00:00:00:00:01", "--vni", "7",
                     "--cidr", "10.0.1.0/24", "--interface", "eth1", "--label", "app=web",
                     "--namespace", "shop", "--named-port", "http=tcp/8080", "--security-group", "web", "--security-group", "lb",
                     "--ip6", "fd00:0:0:1::2", "--cidr6", "fd00:0:0:1::/64", "--domain",
                     "corp.example", "--dns", "192.0.2.53", "--dns", "2001:db8::53",
                     "--user-data", "/dev/null"});
  EXPECT_EQ(r.rc, 0) << r.err;
  EXPECT_EQ(r.out, "endpoint a/web: 10.0.1.2 fd00:0:0:1::2 (02:00:00:00:00:01), eth0 in web, MTU 1414\n") << "a daemon does not say what is not set";
  v1::AddEndpointRequest want;
  ASSERT_TRUE(mizar::parse_text("{name: web, netns: web, vpc: a, network: front, "
                                "address: 10.0.1.2, mac: 02:00:00:00:00:01, vni: 7, "
                                "cidr: 10.0.1.0/24, interface: eth1, labels: {app: web}, "
                                "namespace: shop, ports: [{name: http, protocol: tcp, port: 8080}], security_groups: [web, lb], "
                                "address6: 'fd00:0:0:1::2', cidr6: 'fd00:0:0:1::/64', "
                                "domain: corp.example, dns: [192.0.2.53, '2001:db8::53']}",
                                "want", want));
  EXPECT_EQ(fake().added.SerializeAsString(), want.SerializeAsString());
  write_file(dir.at("user-data"), "#cloud-config\n");
  EXPECT_EQ(run({"endpoint", "add", "--netns", "w", "--vpc", "a", "--user-data", dir.at("user-data")}).rc, 0);
  EXPECT_EQ(fake().added.user_data(), "#cloud-config\n");
  EXPECT_EQ(run({"endpoint", "add", "--netns", "w", "--vpc", "a", "--user-data", dir.at("none")}).rc, 2);
  EXPECT_EQ(run({"endpoint", "add", "--vpc", "a"}).rc, 2);
  EXPECT_EQ(run({"endpoint", "add", "--netns", "w", "--vpc", "a", "--vni", "0"}).rc, 2);
}

TEST_F(Cli, StatusStatsAndDoctor) {
  const Outcome status = run({"status"});
  EXPECT_NE(status.out.find("endpoints     1         4  25.0 %\n"), std::string::npos)
      << status.out;
  EXPECT_NE(status.out.find("192.0.2.3 2001:db8::3  up "), std::string::npos) << status.out;
  EXPECT_NE(status.out.find(" 85 us\n"), std::string::npos) << status.out;
  EXPECT_NE(status.out.find("2001:db8::6            unreachable"), std::string::npos) << status.out;
  expect_lines_fit(status.out);
  const Outcome stats = run({"stats", "--vpc", "a", "--zero"});
  EXPECT_EQ(stats.out,
            "VPC  DIRECTION  VERDICT  REASON  PACKETS    BYTES\n"
            "a    egress     DROP     SRC_IP       12  2.9 KiB\n");
  EXPECT_EQ(fake().asked_stats.vpc(), "a");
  EXPECT_TRUE(fake().asked_stats.zero());
  EXPECT_EQ(json({"stats"})[0]["packets"], "12");

  auto* check = fake().doctor.add_checks();
  check->set_name("bpffs");
  check->set_found("mounted");
  EXPECT_EQ(run({"doctor"}).out, "    CHECK  FOUND\nok  bpffs  mounted\n");
  check->set_level(v1::Check::FAIL);
  check->set_advice("mount it");
  const Outcome failed = run({"doctor"});
  EXPECT_EQ(failed.rc, 1);
  EXPECT_NE(failed.out.find("-> mount it"), std::string::npos);
}

TEST_F(Cli, Flows) {
  const Outcome list = run({"flow", "list", "--vpc", "a", "--endpoint", "a/web", "--address", "10.0.1.3", "--proto",
                            "tcp", "--port", "80", "--limit", "1"});
  EXPECT_EQ(list.out,
            "ENDPOINT  PROTO  LOCAL              REMOTE                         STATE            OUT   IN   IDLE   ENDS\n"
            "a/web     tcp    10.0.1.2:4000  ->  10.0.1.3:80 via 10.0.1.7:8080  ESTABLISHED  2.9 KiB  7 B  0.0 s   60 s\n"
            "a/web     icmp   10.0.1.2 id 9  <-  10.0.1.3                       UNREPLIED        0 B  0 B  0.0 s  0.0 s\n"
            "... and 3 more; --limit shows others\n");
  EXPECT_EQ(fake().asked_flows.filter().vpc(), "a");
  EXPECT_EQ(fake().asked_flows.filter().endpoint(), "a/web");
  EXPECT_EQ(fake().asked_flows.filter().address(), "10.0.1.3");
  EXPECT_EQ(fake().asked_flows.filter().protocol(), "tcp");
  EXPECT_EQ(fake().asked_flows.filter().port(), 80u);
  EXPECT_EQ(fake().asked_flows.limit(), 1u);
  EXPECT_EQ(json({"flow", "list"})[0]["remote_port"], 80);
  EXPECT_EQ(fake().asked_flows.limit(), 1000u);
  expect_lines_fit(run({"flow", "top", "--interval", "0.25", "--packets", "--limit", "3"}).out);
  EXPECT_EQ(fake().asked_top.interval_ms(), 250u);
  EXPECT_EQ(fake().asked_top.limit(), 3u);
  EXPECT_TRUE(fake().asked_top.by_packets());
  EXPECT_EQ(run({"flow", "flush", "--proto", "udp"}).out, "4 flushed\n");
  EXPECT_EQ(fake().asked_flush.filter().protocol(), "udp");
  EXPECT_FALSE(fake().asked_flush.all());
  EXPECT_EQ(run({"flow", "flush", "--all"}).rc, 0);
  EXPECT_TRUE(fake().asked_flush.all());
  EXPECT_EQ(run({"flow", "list", "--port", "0"}).rc, 2);
  EXPECT_EQ(run({"flow", "top", "--interval", "11"}).rc, 2);
}

TEST_F(Cli, TraceFollowsToTheNextHost) {
  Daemon next(dir.at("b1.sock"));
  auto& first = fake().trace;
  first.set_host("w1");
  first.set_reason("TO_BOUNCER");
  first.set_verdict("SEND");
  first.set_next_host("b1");
  first.set_frame(std::string("\0\x01\xff", 3));
  auto* step = first.add_steps();
  step->set_stage("endpoints table");
  step->set_decision("no entry");
  auto& second = next.fake.trace;
  second.set_host("b1");
  second.set_reason("NO_ENDPOINT");
  second.set_verdict("DROP");

  const std::vector<std::string> args = {"trace", "a/web", "10.0.1.3", "--proto", "tcp",
                                         "--dport", "80"};
  Outcome r = run(args);
  EXPECT_EQ(r.rc, 0) << r.err;
  EXPECT_EQ(r.out,
            "host w1\n"
            "  endpoints table  no entry\n"
            "  => SEND to b1  TO_BOUNCER: sent to a bouncer of the destination's network\n"
            "it goes on at host b1: run there\n"
            "  transit trace --frame AAH/\n");
  EXPECT_EQ(fake().traced.protocol(), "tcp");
  EXPECT_EQ(fake().traced.destination_port(), 80u);
  EXPECT_EQ(run({"trace", "a/web", "fd00:0:0:1::3", "--proto", "nd"}).rc, 0);
  EXPECT_EQ(fake().traced.destination(), "fd00:0:0:1::3");
  EXPECT_EQ(fake().traced.protocol(), "nd");

  auto follow = args;
  follow.insert(follow.end(), {"--follow", "--hosts-socket", dir.at("%h.sock")});
  r = run(follow);
  EXPECT_EQ(r.rc, 0) << r.err;
  EXPECT_NE(r.out.find("host b1\n  => DROP  NO_ENDPOINT: no endpoint has this address\n"),
            std::string::npos)
      << r.out;
  EXPECT_EQ(next.fake.traced.frame(), std::string("\0\x01\xff", 3));
  EXPECT_EQ(json(follow).size(), 2u);

  // A loop ends.
  second.set_verdict("SEND");
  second.set_next_host("b1");
  next.fake.traces = 0;
  r = run(follow);
  EXPECT_EQ(r.rc, 1);
  EXPECT_EQ(next.fake.traces, 7) << "eight hosts in all";
  EXPECT_NE(r.err.find("still on its way after 8 hosts"), std::string::npos) << r.err;
  EXPECT_EQ(run({"trace"}).rc, 2);
  EXPECT_EQ(run({"trace", "web", "10.0.1.3"}).rc, 2);
  EXPECT_EQ(run({"trace", "--frame", "AAH/"}).rc, 0);
  EXPECT_EQ(fake().traced.frame(), std::string("\0\x01\xff", 3));
}

TEST_F(Cli, Usage) {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{},
                                             {"bogus"},
                                             {"endpoint"},
                                             {"endpoint", "bogus"},
                                             {"vpc", "get"},
                                             {"status", "-o", "xml"},
                                             {"status", "--timeout", "0"},
                                             {"status", "--bogus"}}) {
    const Outcome r = run_transit(args);
    EXPECT_EQ(r.rc, 2) << r.err;
    EXPECT_EQ(r.out, "");
    EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
  }
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{}, {"plan"}, {"apply"}, {"endpoint", "add"},
                                             {"shard", "list"}, {"stats"}, {"trace"},
                                             {"program"}, {"program", "attach"},
                                             {"program", "replace"}, {"map"}, {"map", "set"},
                                             {"flow"}, {"flow", "list"}, {"flow", "top"}, {"flow", "flush"},
                                             {"service"}, {"service", "delete"}}) {
    auto asked = args;
    asked.push_back("--help");
    const Outcome help = run_transit(asked);
    EXPECT_EQ(help.rc, 0);
    EXPECT_EQ(help.err, "");
    expect_lines_fit(help.out);
  }
  EXPECT_EQ(run_transit({"--version"}).out, "transit " MZ_VERSION "\n");
}

TEST_F(Cli, ExplainWorksWithoutTheDaemon) {
  const Outcome r = run_transit({"explain", "src-ip"});
  EXPECT_EQ(r.out,
            "SRC_IP (DROP): source address is not the endpoint's (anti-spoofing)\n"
            "  try: compare with transit endpoint get\n");
  EXPECT_EQ(run_transit({"stats", "explain", "SRC_IP"}).out, r.out);
  EXPECT_EQ(run_transit({"explain", "NOPE"}).rc, 3);
  const auto all = nlohmann::json::parse(run_transit({"explain", "-o", "json"}).out);
  EXPECT_EQ(all[0]["reason"], "LOCAL");
}

TEST_F(Cli, PlanWritesAFileForEachHost) {
  write_file(dir.at("region.yaml"), R"(
revision: 2
hosts:
  - {name: w1, id: 1, address: 192.0.2.1}
  - {name: b1, id: 3, address: 192.0.2.3, roles: [bouncer]}
vpcs: [{name: a, vni: 7, cidr: 10.0.0.0/16, cidr6: fd00::/48}]
networks: [{name: front, vpc: a, cidr: 10.0.1.0/24, cidr6: fd00::/64}]
endpoints: [{name: web, vpc: a, network: front, address: 10.0.1.2, address6: fd00::1:2, host: w1, netns: web}]
)");
  const Outcome r = run_transit({"plan", "-f", dir.at("region.yaml"), "-o", dir.at("plans")});
  EXPECT_EQ(r.rc, 0) << r.err;
  EXPECT_NE(r.out.find("w1       1         1          1  "), std::string::npos) << r.out;
  v1::GoalState goal;
  ASSERT_TRUE(mizar::load_text(dir.at("plans/b1.yaml"), goal));
  EXPECT_EQ(goal.endpoints(0).host(), "w1");
  EXPECT_EQ(run({"apply", "-f", dir.at("plans/w1.yaml")}).rc, 0);
  for (const auto& file : std::filesystem::directory_iterator(dir.at("plans")))
    EXPECT_EQ(file.path().extension(), ".yaml") << "nothing else is left behind";

  EXPECT_EQ(goal.endpoints(0).address6(), "fd00::1:2");
  const Outcome bad = run_transit({"plan", "-f", "-", "-o", dir.at("none")},
                              "hosts: [{name: w1, id: 1}]");
  EXPECT_EQ(bad.rc, 2);
  EXPECT_EQ(bad.err, "transit: standard input: host w1: address: is missing\n");
  EXPECT_FALSE(std::filesystem::exists(dir.at("none")));
}

TEST_F(Cli, CompletionAndManualPages) {
  const Outcome r = run_transit({"completion", "bash"});
  EXPECT_EQ(r.rc, 0);
  for (const char* part : {"[\"transit endpoint\"]=\"list get add label delete ", "[\"transit trace --proto\"]"
                           "=\"icmp tcp udp arp nd\"", "complete -o filenames -F _transit transit"})
    EXPECT_NE(r.out.find(part), std::string::npos) << part;
  write_file(dir.at("completion"), r.out);
  const std::string shell = "bash -c '. \"$0\"; COMP_WORDS=(transit endpoint li) COMP_CWORD=2; _transit; "
                            "echo \"${COMPREPLY[*]}\"' " + dir.at("completion") + " > " + dir.at("out");
  EXPECT_EQ(std::system(shell.c_str()), 0);
  EXPECT_EQ(read_file(dir.at("out")), "list\n");
  EXPECT_EQ(run_transit({"man", dir.at("man")}).rc, 0);
  EXPECT_NE(read_file(dir.at("man/transit.1")).find(".TH TRANSIT 1"), std::string::npos);
  EXPECT_NE(read_file(dir.at("man/transit-endpoint.1")).find("transit endpoint add"),
            std::string::npos);
}

TEST_F(Cli, AFullDiskIsAnError) {
  const std::string command = transit_path() + " explain > /dev/full 2> " + dir.at("err");
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 1);
  EXPECT_NE(read_file(dir.at("err")).find("cannot write the result"), std::string::npos);
}

}  // namespace
}  // namespace transit_test
