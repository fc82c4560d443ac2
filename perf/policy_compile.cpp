// SPDX-License-Identifier: Apache-2.0
// How long the policies of a VPC take to become groups, from nothing, on one core:
//   policy_compile [POLICIES [PODS [NAMESPACES [isolated]]]]
// 20 applications a namespace, a policy for each in turn: ingress from two others of the
// namespace and from a team; every fourth has egress too (DNS, HTTPS outside); with
// `isolated`, everybody's egress is. One JSON line; times are CPU seconds.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string_view>

#include "userspace/policy/compiler.h"

namespace {

using namespace mizar::policy;

constexpr unsigned kApps = 20, kTeams = 50;

double seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

Selector label(std::string key, std::string value) {
  return {{{std::move(key), Op::in, {std::move(value)}}}};
}
std::string app(unsigned n) { return "app-" + std::to_string(n % kApps); }
std::string ns(unsigned n) { return "ns-" + std::to_string(n); }

Policy policy(unsigned n, unsigned namespaces, bool isolated) {
  const unsigned own = n / kApps;
  Policy p{.name = "policy-" + std::to_string(n), .ns = ns(own % namespaces), .pods = label("app", app(n))};
  Rule in{.name = "ingress[0]", .peers = {{}}, .ports = {{{.first = 80, .last = 80}, {.first = 8000, .last = 8999}}}};
  in.peers->push_back({.pods = label("app", app(n + 1))});
  in.peers->push_back({.pods = label("app", app(n + 7))});
  Rule team{.name = "ingress[1]", .peers = {{{.namespaces = label("team", std::to_string(n % kTeams)), .pods = label("app", app(n))}}}};
  p.ingress_rules = {in, team};
  p.egress = isolated || n % 4 == 0;
  if (n % 4 != 0) return p;
  p.egress_rules.push_back({.name = "egress[0]",
                            .peers = {{{.namespaces = label("kubernetes.io/metadata.name", ns(0)), .pods = label("app", app(0))}}},
                            .ports = {{{.protocol = 17, .first = 53, .last = 53}}}});
  p.egress_rules.push_back({.name = "egress[1]",
                            .peers = {{{.block = Block{mizar::Prefix::parse("0.0.0.0/0").value(), {mizar::Prefix::parse("10.0.0.0/8").value()}}}}},
                            .ports = {{{.first = 443, .last = 443}}}});
  return p;
}

unsigned argument(int argc, char** argv, int at, unsigned otherwise) {
  return argc > at ? static_cast<unsigned>(std::strtoul(argv[at], nullptr, 10)) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned policies = argument(argc, argv, 1, 10000), pods = argument(argc, argv, 2, 100000);
  const unsigned namespaces = argument(argc, argv, 3, 500);
  const bool isolated = argc > 4 && std::string_view(argv[4]) == "isolated";

  std::vector<Policy> written;
  for (unsigned n = 0; n < policies; n++) written.push_back(policy(n, namespaces, isolated));
  std::vector<Namespace> known;
  for (unsigned n = 0; n < namespaces; n++) known.push_back({ns(n), {{"team", std::to_string(n % kTeams)}, {"hash", std::to_string(n)}}});
  std::vector<Pod> everybody;
  for (unsigned n = 0; n < pods; n++)
    everybody.push_back({.ns = ns(n % namespaces), .name = "pod-" + std::to_string(n),
                         .labels = {{"app", app(n / namespaces)}, {"hash", std::to_string(n)}, {"release", "r1"}}});

  const double begin = seconds();
  const auto set = std::make_shared<const PolicySet>(std::move(written), known);
  const double read = seconds();
  std::map<LabelSet, std::uint32_t> numbers;
  for (const auto& pod : everybody) numbers.emplace(set->label_set(pod), static_cast<std::uint32_t>(numbers.size() + 1));
  const double divided = seconds();
  std::map<std::uint32_t, LabelSet> sets;
  for (const auto& [labels, number] : numbers) sets.emplace(number, labels);
  Compiler compiler(set, sets);
  const double indexed = seconds();
  std::size_t rules = 0, rows = 0, words = 0;
  for (const auto& [labels, number] : numbers) {
    const auto g = compiler.compile(labels);
    if (!g) {
      std::fprintf(stderr, "policy_compile: %s\n", g.error().what.c_str());
      return 1;
    }
    for (const auto& l : g->list) {
      rules += l.rules.size();
      rows += l.labels.size() + l.blocks.size() + l.ports.size();
      for (const auto& v : l.vectors) words += v.size();
    }
  }
  const double end = seconds();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("{\"policies\": %u, \"pods\": %u, \"namespaces\": %u, \"sets\": %zu, \"policy_set\": %.3f, \"label_sets\": %.3f, "
              "\"index\": %.3f, \"groups\": %.3f, \"total\": %.3f, \"rules\": %zu, \"rows\": %zu, \"vector_words\": %zu, \"max_rss_kb\": %ld}\n",
              policies, pods, namespaces, numbers.size(), read - begin, divided - read, indexed - divided, end - indexed,
              end - begin, rules, rows, words, usage.ru_maxrss);
  return 0;
}
