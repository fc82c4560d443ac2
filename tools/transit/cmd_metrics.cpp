// SPDX-License-Identifier: Apache-2.0
// transit metrics: what the daemon counts, as Prometheus reads it; printed once, or served.
#include <CLI/CLI.hpp>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/text_serializer.h>

#include <csignal>
#include <exception>
#include <memory>

#include "tools/transit/metrics.h"

namespace transit {
namespace {

// Read anew at each scrape. Without a daemon there is mizar_up alone.
class Scrape : public prometheus::Collectable {
 public:
  explicit Scrape(Context ctx) : ctx_(std::move(ctx)) {}
  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override {
    auto all = collect_metrics(ctx_);
    prometheus::MetricFamily up{"mizar_up", "Whether the host's daemon answers", prometheus::MetricType::Gauge, {{}}};
    up.metric[0].gauge.value = all ? 1 : 0;
    std::vector<prometheus::MetricFamily> out = all ? std::move(*all) : std::vector<prometheus::MetricFamily>();
    out.push_back(std::move(up));
    return out;
  }

 private:
  Context ctx_;
};

// Plain HTTP stays on this host.
Result<> check_local(const std::string& address) {
  for (const char* prefix : {"127.0.0.1:", "[::1]:"}) {
    const std::string p = prefix;
    if (address.compare(0, p.size(), p) != 0) continue;
    const std::string port = address.substr(p.size());
    if (!port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos && std::stoul(port) <= 65535) return {};
  }
  return fail(Code::invalid_argument, "--listen {}: must be 127.0.0.1:PORT or [::1]:PORT; a proxy with TLS makes more of it", address);
}

Result<int> serve(const Context& ctx, const std::string& address) {
  MZ_CHECK(check_local(address));
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // before there are threads
  const auto scrape = std::make_shared<Scrape>(ctx);
  try {
    prometheus::Exposer exposer({"listening_ports", address, "num_threads", "2"});
    exposer.RegisterCollectable(scrape);
    fmt::print("serving http://{}/metrics\n", address);
    std::fflush(stdout);
    int which = 0;
    sigwait(&ends, &which);
  } catch (const std::exception& e) {
    return fail(Code::unavailable, "--listen {}: {}; is the port in use?", address, e.what());
  }
  return kExitOk;
}

Result<int> print(const Context& ctx) {
  const auto all = collect_metrics(ctx);
  if (!all) return Failure(all.error());
  fmt::print("{}", prometheus::TextSerializer().Serialize(*all));
  return kExitOk;
}

}  // namespace

void add_metrics(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("metrics", "What the daemon counts, as Prometheus reads it")->group("Insight");
  auto address = std::make_shared<std::string>();
  cmd->add_option("--listen", *address, "Serve it at /metrics of it, until stopped; else print it")
      ->type_name("127.0.0.1:PORT");
  cmd->callback([&ctx, address] { ctx.action = [&ctx, address] { return address->empty() ? print(ctx) : serve(ctx, *address); }; });
}

}  // namespace transit
