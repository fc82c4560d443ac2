// SPDX-License-Identifier: Apache-2.0
// transit policy apply|list|get|delete|explain|hits|watch|test|diff
#include <netinet/in.h>

#include <ctime>

#include "tools/transit/labels.h"
#include "tools/transit/object.h"
#include "tools/transit/policy_file.h"
#include "tools/transit/policy_world.h"
#include "userspace/base/balance.h"
#include "userspace/policy/reach.h"
#include "userspace/qos/level.h"

namespace transit {
namespace {

namespace policy = mizar::policy;

// ---- what stands ------------------------------------------------------------------

std::string directions_of(const v1::Policy& p) {
  const bool in = p.tier() == v1::Policy::NETWORK ? p.ingress() : p.ingress_rules_size() != 0;
  const bool out = p.tier() == v1::Policy::NETWORK ? p.egress() : p.egress_rules_size() != 0;
  return in && out ? "both" : in ? "ingress" : out ? "egress" : "none";
}

std::vector<std::string> cells(const v1::Policy& p, const v1::GoalState&) {
  static constexpr const char* kTiers[] = {"network", "admin", "baseline"};
  return {name_of(p), kTiers[p.tier()], p.tier() == v1::Policy::NETWORK ? "-" : fmt::to_string(p.priority()),
          directions_of(p), fmt::to_string(p.ingress_rules_size() + p.egress_rules_size()), p.source()};
}

std::string rule_text(const std::string& policy, const std::string& rule) {
  return policy.empty() ? rule : policy + " " + rule;
}

Result<int> explain(const Context& ctx, const std::string& name) {
  v1::ExplainPolicyRequest request;
  request.set_endpoint(name);
  auto reply = call(ctx, request);
  if (!reply) return Failure(reply.error());
  if (ctx.format != Format::table) {
    print_message(ctx.format, *reply);
    return kExitOk;
  }
  if (reply->label_set().empty()) {
    fmt::print("endpoint {}: its vpc has no policy: everything is allowed\n", name);
    return kExitOk;
  }
  fmt::print("endpoint {}: label set {}: {}\n", name, reply->label() == 0 ? "without a number" : fmt::to_string(reply->label()),
             reply->label_set());
  if (reply->lists().empty()) fmt::print("no policy is about it: everything is allowed\n");
  for (const auto& list : reply->lists()) {
    fmt::print("\n{}: the first that fits decides\n", policy::list_name(list.kind()));
    Table table({">#", "TIER", "RULE", "VERDICT", ">HITS"});
    for (int i = 0; i < list.rules_size(); i++) {
      const auto& r = list.rules(i);
      table.row({fmt::to_string(i), r.tier(), rule_text(r.policy(), r.rule()), policy::verdict_text(r.verdict(), r.level()), fmt::to_string(r.hits())});
    }
    table.print();
  }
  return kExitOk;
}

Result<int> hits(const Context& ctx, const v1::GetPolicyHitsRequest& request) {
  auto reply = call(ctx, request);
  if (!reply) return Failure(reply.error());
  if (ctx.format != Format::table) {
    print_messages(ctx.format, reply->rules());
    return kExitOk;
  }
  Table table({"VPC", "TIER", "RULE", "DIRECTION", "VERDICT", ">FLOWS"});
  for (const auto& r : reply->rules())
    if (r.hits() != 0)
      table.row({r.vpc(), r.tier(), rule_text(r.policy(), r.rule()), policy::list_name(r.kind()), r.verdict(), fmt::to_string(r.hits())});
  table.print();
  return kExitOk;
}

std::string end_text(const std::string& address, std::uint32_t port) {
  if (port == 0) return address;
  return fmt::format(fmt::runtime(address.find(':') == std::string::npos ? "{}:{}" : "[{}]:{}"), address, port);
}

void print_denial(const v1::Denial& d) {
  const std::time_t seconds = static_cast<std::time_t>(d.time_ms() / 1000);
  std::tm local{};
  localtime_r(&seconds, &local);
  std::array<char, 16> clock{};
  std::strftime(clock.data(), clock.size(), "%H:%M:%S", &local);
  const std::string why = d.tier().empty() ? "no rule fits, or its group is gone" : fmt::format("{} {}", d.tier(), rule_text(d.policy(), d.rule()));
  print_line(fmt::format("{}.{:03} {} {} {} {} -> {} from {}: {}", clock.data(), d.time_ms() % 1000, d.endpoint(), d.direction(),
                         d.protocol(), end_text(d.source(), d.source_port()), end_text(d.destination(), d.destination_port()),
                         d.label_set().empty() ? "outside" : d.label_set(), why));
}

Result<int> watch(const Context& ctx, const v1::WatchDenialsRequest& request, std::uint64_t count) {
  auto client = Client::connect(ctx);
  if (!client) return Failure(client.error());
  std::uint64_t seen = 0;
  auto rc = client->watch(request, [&](const v1::Denial& d) {
    if (ctx.format == Format::table)
      print_denial(d);
    else
      print_element(d);
    std::fflush(stdout);
    return ++seen != count;
  });
  if (!rc) return Failure(rc.error());
  return kExitOk;
}

// ---- what is to stand ---------------------------------------------------------------

struct ApplyOptions {
  std::vector<std::string> files;
  v1::ApplyPoliciesRequest request;
};

Result<int> apply(const Context& ctx, ApplyOptions& o) {
  auto parsed = load_policies(o.files);
  if (!parsed) return Failure(parsed.error());
  for (const auto& p : parsed->policies) *o.request.add_policies() = policy::to_message(o.request.vpc(), p);
  for (const auto& n : parsed->namespaces) *o.request.add_namespaces() = policy::to_message(o.request.vpc(), n);
  auto reply = call(ctx, o.request);
  if (!reply) return Failure(reply.error());
  return print_reply(ctx, *reply, fmt::format("policies of vpc {}: {} added, {} changed, {} removed{}", o.request.vpc(), reply->added(),
                                              reply->changed(), reply->removed(), o.request.dry_run() ? " (not applied)" : ""));
}

// ---- what would be --------------------------------------------------------------------

// Where pods and policies are taken from.
struct WorldOptions {
  std::string vpc, region;
};

struct TestOptions : WorldOptions {
  std::vector<std::string> files;
  std::string from, to, port;
};

Result<policy::PortRange> parse_port(const std::string& text) {
  if (text == "icmp") return policy::PortRange{IPPROTO_ICMP, 0, 0};
  const auto slash = text.find('/');
  if (slash == std::string::npos) return fail(Code::invalid_argument, "--port '{}': must be PROTOCOL/PORT or icmp", text);
  const std::string digits = text.substr(slash + 1);
  if (digits.empty() || digits.size() > 5 || digits.find_first_not_of("0123456789") != std::string::npos)
    return fail(Code::invalid_argument, "--port '{}': '{}' is no port", text, digits);
  auto spec = mizar::parse_service_port(text.substr(0, slash), static_cast<std::uint32_t>(std::stoul(digits)), 0);
  if (!spec) return mizar::wrap(spec.error(), fmt::format("--port '{}'", text));
  return policy::PortRange{static_cast<std::uint8_t>(spec->protocol), spec->port, spec->port};
}

Result<int> test(const Context& ctx, const TestOptions& o) {
  auto port = parse_port(o.port);
  if (!port) return Failure(port.error());
  auto world = load_world(ctx, o.vpc, o.region);
  if (!world) return Failure(world.error());
  if (!o.files.empty()) {
    auto parsed = load_policies(o.files);
    if (!parsed) return Failure(parsed.error());
    MZ_CHECK(put(*world, *parsed, o.vpc));
  }
  auto from = find_end(*world, o.vpc, o.from), to = find_end(*world, o.vpc, o.to);
  if (!from) return Failure(from.error());
  if (!to) return Failure(to.error());
  if (from->pod == nullptr && to->pod == nullptr)
    return fail(Code::invalid_argument, "{} and {} are both outside of vpc {}", o.from, o.to, o.vpc);
  MZ_CHECK(meet(*from, *to));
  if (port->protocol == IPPROTO_ICMP && !to->address.is_v4()) port->protocol = IPPROTO_ICMPV6;
  policy::Reach reach(*world);
  auto judged = reach.judge(*from, *to, port->protocol, port->first);
  if (!judged) return Failure(judged.error());
  if (ctx.format != Format::table) {
    Json met = Json::array();
    for (const auto& m : judged->met)
      met.push_back({{"list", policy::list_name(m.kind)}, {"tier", m.name->tier}, {"policy", m.name->policy},
                     {"rule", m.name->rule}, {"verdict", policy::verdict_name(m.verdict)},
                     {"level", mizar::level_text(m.level)}});
    print_value(ctx.format, Json{{"allowed", judged->allowed}, {"met", met}});
    return judged->allowed ? kExitOk : kExitFailed;
  }
  fmt::print("{}: {} -> {} {}\n", judged->allowed ? paint(Colour::green, "allowed") : paint(Colour::red, "denied"), o.from, o.to, policy::text(*port));
  for (const auto& m : judged->met)
    fmt::print("  {}: {}: {}\n", policy::list_name(m.kind),
               policy::verdict_text(policy::verdict_name(m.verdict), mizar::level_text(m.level)), m.name->text());
  if (judged->met.empty()) fmt::print("  no policy is about them\n");
  return judged->allowed ? kExitOk : kExitFailed;
}

struct DiffOptions : WorldOptions {
  std::vector<std::string> files;
  bool replace = false;
  std::size_t limit = 1000;
};

Result<int> diff(const Context& ctx, const DiffOptions& o) {
  auto before = load_world(ctx, o.vpc, o.region);
  if (!before) return Failure(before.error());
  auto parsed = load_policies(o.files);
  if (!parsed) return Failure(parsed.error());
  policy::World after = *before;
  if (o.replace) after.policies.clear();
  MZ_CHECK(put(after, *parsed, o.vpc));
  auto changes = policy::differences(*before, after);
  if (!changes) return Failure(changes.error());
  if (ctx.format != Format::table) {
    Json all = Json::array();
    for (const auto& c : *changes) {
      Json ports = Json::array();
      for (const auto& r : c.ports) ports.push_back(policy::text(r));
      all.push_back({{"change", c.opens ? "opens" : "closes"}, {"from", c.from}, {"to", c.to}, {"ports", ports}, {"by", c.by}});
    }
    print_value(ctx.format, all);
    return kExitOk;
  }
  Table table({"", "FROM", "TO", "PORTS", "BY"});
  std::size_t shown = 0;
  for (const auto& c : *changes) {
    if (shown++ == o.limit) break;
    std::vector<std::string> ports;
    for (const auto& r : c.ports) ports.push_back(policy::text(r));
    table.row({c.opens ? paint(Colour::green, "opens") : paint(Colour::red, "closes"), c.from, c.to, joined(ports), c.by});
  }
  if (changes->empty())
    print_line(o.region.empty() ? "nothing changes between this host's endpoints, and with the outside" : "nothing changes");
  else
    table.print();
  if (changes->size() > o.limit) print_line(fmt::format("... and {} more; --limit shows others", changes->size() - o.limit));
  return kExitOk;
}

// ---- options --------------------------------------------------------------------------

CLI::Option* add_files(CLI::App& cmd, std::vector<std::string>& files, const char* text) {
  return cmd.add_option("-f,--file", files, text)->allow_extra_args(false)->type_name("FILE");
}

void add_world(CLI::App& cmd, WorldOptions& o) {
  cmd.add_option("--vpc", o.vpc, "Their VPC")->type_name("VPC")->required();
  cmd.add_option("--region", o.region, "Ask of all endpoints of a region, and without a daemon; default: of this host's")->type_name("FILE");
}

void add_put(CLI::App& parent, Context& ctx) {
  auto* cmd = parent.add_subcommand("apply", "Put policies of files in force at this host, all or none");
  cmd->footer("Files: Kubernetes' YAML or JSON: NetworkPolicy (v1), ClusterNetworkPolicy (v1alpha2),\n"
              "Namespace, List; and SecurityGroup (centaurus/v1). What judges an endpoint is its own host's; a region's policies come\n"
              "to all hosts by transit plan.");
  auto o = std::make_shared<ApplyOptions>();
  add_files(*cmd, o->files, "Their file, may be repeated; - is standard input")->required();
  cmd->add_option_function<std::string>("--vpc", [o](const std::string& v) { o->request.set_vpc(v); }, "Whose they are")
      ->type_name("VPC")
      ->required();
  cmd->add_flag_callback("--replace", [o] { o->request.set_replace(true); }, "Those that came so before, and are in no file, go");
  cmd->add_flag_callback("--dry-run", [o] { o->request.set_dry_run(true); }, "Check only");
  cmd->callback([&ctx, o] { ctx.action = [&ctx, o] { return apply(ctx, *o); }; });
}

void add_insight(CLI::App& parent, Context& ctx) {
  add_named(parent, ctx, kEndpoint, "explain", "The rules an endpoint here is judged by, in their order, with their hits",
            [&ctx](const std::string& name) { return explain(ctx, name); });
  auto* h = parent.add_subcommand("hits", "Flows that each rule decided since the daemon began");
  auto hr = std::make_shared<v1::GetPolicyHitsRequest>();
  h->add_option_function<std::string>("--vpc", [hr](const std::string& v) { hr->set_vpc(v); }, "Of this VPC")->type_name("VPC");
  h->callback([&ctx, hr] { ctx.action = [&ctx, hr] { return hits(ctx, *hr); }; });
  auto* w = parent.add_subcommand("watch", "Flows that are denied, as it happens; some of many");
  auto wr = std::make_shared<v1::WatchDenialsRequest>();
  auto count = std::make_shared<std::uint64_t>(0);
  w->add_option_function<std::string>("--vpc", [wr](const std::string& v) { wr->set_vpc(v); }, "Of this VPC")->type_name("VPC");
  w->add_option("--count", *count, "End after so many; default: never")->type_name("N");
  w->callback([&ctx, wr, count] { ctx.action = [&ctx, wr, count] { return watch(ctx, *wr, *count); }; });
}

void add_questions(CLI::App& parent, Context& ctx) {
  auto* t = parent.add_subcommand("test", "Whether a flow would be allowed, and by which rule; no packet is sent");
  t->footer("Exit code: 0 allowed, 1 denied.");
  auto to = std::make_shared<TestOptions>();
  add_world(*t, *to);
  t->add_option("--from", to->from, "Who begins: an endpoint's name, or an address")->type_name("NAME|ADDRESS")->required();
  t->add_option("--to", to->to, "With whom")->type_name("NAME|ADDRESS")->required();
  t->add_option("--port", to->port, "Of what: tcp, udp or sctp with a port, or icmp")->type_name("PROTOCOL/PORT")->required();
  add_files(*t, to->files, "As if these policies were in force, too");
  t->callback([&ctx, to] { ctx.action = [&ctx, to] { return test(ctx, *to); }; });

  auto* d = parent.add_subcommand("diff", "Which pairs an update would open or close, before it is applied");
  auto dof = std::make_shared<DiffOptions>();
  add_world(*d, *dof);
  add_files(*d, dof->files, "The update, may be repeated; - is standard input")->required();
  d->add_flag("--replace", dof->replace, "Policies that are in no file go");
  d->add_option("--limit", dof->limit, "At most so many lines; default: 1000")->type_name("N");
  d->callback([&ctx, dof] { ctx.action = [&ctx, dof] { return diff(ctx, *dof); }; });
}

}  // namespace

void add_policy(CLI::App& app, Context& ctx) {
  auto* cmd = add_noun(app, kPolicy, "Who may begin a flow with whom, by labels");
  add_put(*cmd, ctx);
  add_state_verbs(*cmd, ctx, kPolicy, "All policies of this host's VPCs", "One policy, with its rules",
                  {"NAME", "TIER", ">PRIORITY", "DIRECTIONS", ">RULES", "FROM"},
                  [](const v1::GoalState& s) -> const auto& { return s.policies(); }, cells);
  add_insight(*cmd, ctx);
  add_questions(*cmd, ctx);
}

}  // namespace transit
