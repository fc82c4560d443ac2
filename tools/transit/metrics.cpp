// SPDX-License-Identifier: Apache-2.0
#include "tools/transit/metrics.h"

#include "tools/transit/client.h"
#include "tools/transit/reasons.h"

namespace transit {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

// The families in the order in which they were begun; a metric is added by name.
class Families {
 public:
  void begin(std::string name, std::string help, MetricType type) {
    at_ = all_.size();
    all_.push_back({std::move(name), std::move(help), type, {}});
  }
  void add(Labels labels, double value) {
    ClientMetric m;
    m.label = std::move(labels);
    if (all_[at_].type == MetricType::Counter)
      m.counter.value = value;
    else
      m.gauge.value = value;
    all_[at_].metric.push_back(std::move(m));
  }
  std::vector<MetricFamily> take() { return std::move(all_); }

 private:
  std::vector<MetricFamily> all_;
  std::size_t at_ = 0;
};

double number(std::uint64_t n) { return static_cast<double>(n); }

void add_status(const v1::Status& s, Families& out) {
  out.begin("mizar_info", "This host and its daemon; always 1", MetricType::Gauge);
  out.add({{"host", s.host()}, {"version", s.version()}}, 1);
  out.begin("mizar_goal_revision", "Revision of the goal state in force", MetricType::Gauge);
  out.add({}, number(s.revision()));
  out.begin("mizar_table_entries", "Entries in a table of the data plane", MetricType::Gauge);
  for (const auto& t : s.tables()) out.add({{"table", t.name()}}, number(t.used()));
  out.begin("mizar_table_capacity", "Entries the table has room for", MetricType::Gauge);
  for (const auto& t : s.tables()) out.add({{"table", t.name()}}, number(t.capacity()));
  out.begin("mizar_table_evicted_total", "Entries that new ones pushed out", MetricType::Counter);
  for (const auto& t : s.tables()) out.add({{"table", t.name()}}, number(t.evicted()));
  // Hosts that are no hops are not probed, and are too many.
  out.begin("mizar_hop_up", "Whether a bouncer or divider answers", MetricType::Gauge);
  for (const auto& p : s.peers())
    if (p.hop()) out.add({{"hop", p.name()}}, p.down() ? 0 : 1);
  out.begin("mizar_hop_round_trip_seconds", "Round trip of the last probe", MetricType::Gauge);
  for (const auto& p : s.peers())
    if (p.hop() && !p.down()) out.add({{"hop", p.name()}}, number(p.rtt_us()) / 1e6);
}

void add_stats(const v1::Stats& s, Families& out) {
  const auto rows = [&](const char* name, const char* help, auto value) {
    out.begin(name, help, MetricType::Counter);
    for (const auto& r : s.rows())
      out.add({{"vpc", r.vpc()}, {"direction", r.direction()}, {"verdict", verdict_of(r.reason())}, {"reason", r.reason()}}, number(value(r)));
  };
  rows("mizar_packets_total", "Packets, by the reason they ended under", [](const auto& r) { return r.packets(); });
  rows("mizar_bytes_total", "Their bytes", [](const auto& r) { return r.bytes(); });
}

void add_qos(const v1::QosStatus& s, Families& out) {
  out.begin("mizar_qos_info", "How rates are kept on the uplink; always 1", MetricType::Gauge);
  out.add({{"queueing", s.queueing()}, {"qdisc", s.qdisc()}}, 1);
  out.begin("mizar_qos_problem", "1: rates are kept otherwise than wanted (transit qos status)", MetricType::Gauge);
  out.add({}, s.problem().empty() ? 0 : 1);
  out.begin("mizar_qos_warnings", "What 'transit qos status' warns of", MetricType::Gauge);
  out.add({}, s.warnings_size());
  const auto rows = [&](const char* name, const char* help, MetricType type, auto value) {
    out.begin(name, help, type);
    for (const auto& t : s.targets())
      for (const auto& q : t.queues())
        out.add({{"target", t.kind()}, {"name", t.name()}, {"direction", q.direction()}, {"class", q.class_()}}, value(q));
  };
  rows("mizar_qos_packets_total", "Packets that a limit let pass", MetricType::Counter, [](const auto& q) { return number(q.packets()); });
  rows("mizar_qos_bytes_total", "Their bytes, as the limit counts them", MetricType::Counter, [](const auto& q) { return number(q.bytes()); });
  rows("mizar_qos_marked_total", "Packets marked by ECN", MetricType::Counter, [](const auto& q) { return number(q.marked()); });
  rows("mizar_qos_dropped_total", "Packets dropped by the limit", MetricType::Counter, [](const auto& q) { return number(q.dropped()); });
  rows("mizar_qos_wait_seconds_total", "Time that packets were to wait, in all", MetricType::Counter, [](const auto& q) { return number(q.delay_ns()) / 1e9; });
  rows("mizar_qos_queue_seconds", "What a packet would wait now", MetricType::Gauge, [](const auto& q) { return number(q.queue_ns()) / 1e9; });
}

}  // namespace

Result<std::vector<MetricFamily>> collect_metrics(const Context& ctx) {
  auto client = Client::connect(ctx);
  if (!client) return Failure(client.error());
  auto status = client->call(v1::GetStatusRequest());
  if (!status) return Failure(status.error());
  auto stats = client->call(v1::GetStatsRequest());
  if (!stats) return Failure(stats.error());
  auto qos = client->call(v1::GetQosRequest());
  if (!qos) return Failure(qos.error());
  Families out;
  add_status(*status, out);
  add_stats(*stats, out);
  add_qos(*qos, out);
  return out.take();
}

}  // namespace transit
