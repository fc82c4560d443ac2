// SPDX-License-Identifier: Apache-2.0
// Operators' functions as transitd keeps them: which tables say what, what the store
// remembers, and that what is refused changes nothing.
#include "userspace/transitd/functions.h"

#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "userspace/dataplane/fake_dataplane.h"

using namespace mizar;

namespace {

constexpr unsigned kA = 5, kB = 6;  // interfaces of red/a and blue/b

class FunctionsTest : public ::testing::Test {
 protected:
  FunctionsTest() {
    add("red", 7, "a", kA);
    add("blue", 8, "b", kB);
  }

  void add(const std::string& vpc, std::uint32_t vni, const std::string& endpoint, unsigned ifindex) {
    goal_.vpcs[vpc].vni = vni;
    EndpointSpec& e = goal_.endpoints[object_key(vpc, endpoint)];
    e.vpc = vpc;
    e.name = endpoint;
    ports_[object_key(vpc, endpoint)].ifindex = ifindex;
  }

  // "red" or "red/a" at `points`, under the name `name`.
  static v1::LoadFunctionRequest ask(const std::string& name, std::vector<std::string> points, const std::string& whose,
                                     const std::string& object = "good") {
    v1::LoadFunctionRequest r;
    r.set_object(object);
    auto* f = r.mutable_function();
    f->set_name(name);
    for (auto& p : points) f->add_points(std::move(p));
    if (whose.find('/') != std::string::npos)
      f->add_endpoints(whose);
    else if (!whose.empty())
      f->add_vpcs(whose);
    return r;
  }
  Result<> load(const v1::LoadFunctionRequest& r) {
    MZ_CHECK(functions_->load(r, goal_));
    return sync();
  }
  Result<> sync() {
    MZ_CHECK(functions_->sync_ports(goal_, ports_));
    return functions_->sync_vpcs(goal_, {{7, 1}, {8, 2}});
  }
  Result<> remove(const std::string& name) {
    MZ_CHECK(functions_->remove(name));
    MZ_CHECK(sync());
    functions_->forget_removed();
    return {};
  }
  // Names in the order they run for the interface, "" where there is no chain.
  std::string order(unsigned ifindex, mz_function_point point) {
    return names(dp_.function_ports().get(ifindex)->chain[point]);
  }
  std::string names(unsigned chain) {
    std::string all;
    if (chain == 0) return all;
    const auto row = dp_.function_chains().get(chain);
    for (const __u8 slot : row->slot)
      for (const auto& [at, image] : dp_.functions)
        if (slot != 0 && at == std::pair{FunctionKind::endpoint, slot - 1u}) all += (all.empty() ? "" : " ") + image.name;
    return all;
  }
  // The daemon's next life on the same host; `reboot`: without its pins.
  void restart(bool reboot = false) {
    functions_.reset();
    if (reboot) {
      dp_.functions.clear();
      for (const unsigned key : {kA, kB}) ASSERT_TRUE(dp_.function_ports().put(key, {}));
    }
    functions_ = std::make_unique<Functions>(dp_, *store_);
    ASSERT_TRUE(functions_->read());
    ASSERT_TRUE(functions_->recover());
    ASSERT_TRUE(sync());
  }
  // All that a refusal must leave as it is.
  std::string everything() {
    std::string all = functions_->list().SerializeAsString() + store_->get("functions")->value_or("");
    for (const auto& [at, image] : dp_.functions) all += image.name + image.object;
    for (const unsigned key : {kA, kB}) {
      const auto row = dp_.function_ports().get(key);
      for (const __u8 chain : row->chain) all += names(chain) + ";";
    }
    for (unsigned slot = 0; slot < MZ_FUNCTION_SLOTS; slot++)
      all += std::to_string(dp_.function_slots().get(slot)->interface);
    return all;
  }

  // Whether `lo` has the program of functions' interfaces.
  bool attached() {
    for (const Attachment& a : dp_.attachments())
      if (a.hook == Hook::function && a.ifindex == 1) return true;
    return false;
  }

  FakeDataplane dp_;
  std::unique_ptr<Store> store_ = make_memory_store();
  Goal goal_;
  TableSync::Ports ports_;
  std::unique_ptr<Functions> functions_ = std::make_unique<Functions>(dp_, *store_);
};

TEST_F(FunctionsTest, OnlyWhoseItIsMeetsIt) {
  ASSERT_TRUE(load(ask("f", {"egress", "ingress-after"}, "red")));
  EXPECT_EQ(order(kA, MZ_POINT_EGRESS), "f");
  EXPECT_EQ(order(kA, MZ_POINT_INGRESS), "");
  EXPECT_EQ(order(kA, MZ_POINT_INGRESS_AFTER), "f");
  EXPECT_EQ(order(kB, MZ_POINT_EGRESS), "");
  EXPECT_EQ(functions_->flags(goal_.endpoints["red/a"]), MZ_EP_F_EGRESS | MZ_EP_F_INGRESS);
  EXPECT_EQ(functions_->flags(goal_.endpoints["blue/b"]), 0u);
  EXPECT_EQ(functions_->list().functions(0).on(), 1u);
}

TEST_F(FunctionsTest, OfOneEndpoint) {
  ASSERT_TRUE(load(ask("f", {"ingress"}, "blue/b")));
  EXPECT_EQ(order(kB, MZ_POINT_INGRESS), "f");
  EXPECT_EQ(order(kA, MZ_POINT_INGRESS), "");
  EXPECT_EQ(functions_->flags(goal_.endpoints["blue/b"]), MZ_EP_F_INGRESS);
}

TEST_F(FunctionsTest, OrderIsByNumberThenByName) {
  auto late = ask("a", {"egress"}, "red");
  late.mutable_function()->set_order(200);
  ASSERT_TRUE(load(late));
  ASSERT_TRUE(load(ask("c", {"egress"}, "red")));
  ASSERT_TRUE(load(ask("b", {"egress"}, "red/a")));
  EXPECT_EQ(order(kA, MZ_POINT_EGRESS), "b c a");
  late.set_replace(true);
  late.mutable_function()->set_order(-1);
  ASSERT_TRUE(load(late));
  EXPECT_EQ(order(kA, MZ_POINT_EGRESS), "a b c");
}

TEST_F(FunctionsTest, AChainThatStandsIsNeverWritten) {
  ASSERT_TRUE(load(ask("a", {"egress"}, "red")));
  const unsigned before = dp_.function_ports().get(kA)->chain[MZ_POINT_EGRESS];
  const auto row = *dp_.function_chains().get(before);
  ASSERT_TRUE(load(ask("b", {"egress"}, "red")));
  EXPECT_NE(dp_.function_ports().get(kA)->chain[MZ_POINT_EGRESS], before);
  EXPECT_TRUE(same_bytes(*dp_.function_chains().get(before), row));
}

// More orders one after the other than there are chains.
TEST_F(FunctionsTest, ChainsDoNotRunOut) {
  for (const char* in_slot : {"x", "y", "z"}) {
    std::vector<std::string> names = {"a", "b", "c", "d", "e"};
    for (const auto& name : names) ASSERT_TRUE(load(ask(name, {"egress"}, "red")));
    do {
      for (size_t i = 0; i < names.size(); i++) {
        auto r = ask(names[i], {}, "");
        r.set_replace(true);
        r.mutable_function()->set_order(static_cast<int>(i));
        ASSERT_TRUE(load(r));
      }
      ASSERT_EQ(order(kA, MZ_POINT_EGRESS), fmt::format("{}", fmt::join(names, " ")));
    } while (std::next_permutation(names.begin(), names.end()));
    for (const auto& name : names) ASSERT_TRUE(remove(name));
    ASSERT_TRUE(load(ask(in_slot, {"egress"}, "blue")));  // the others get other slots
  }
}

TEST_F(FunctionsTest, RemovedIsGone) {
  ASSERT_TRUE(load(ask("a", {"egress"}, "red")));
  ASSERT_TRUE(remove("a"));
  EXPECT_EQ(order(kA, MZ_POINT_EGRESS), "");
  EXPECT_TRUE(dp_.functions.empty());
  EXPECT_EQ(functions_->flags(goal_.endpoints["red/a"]), 0u);
  EXPECT_EQ(functions_->list().functions_size(), 0);
  EXPECT_EQ(remove("a").error().code, Code::not_found);
}

// Nothing leads to a program before it goes.
TEST_F(FunctionsTest, ARemovedProgramStaysUntilItsChainsAreGone) {
  ASSERT_TRUE(load(ask("a", {"egress"}, "red")));
  ASSERT_TRUE(functions_->remove("a"));
  EXPECT_TRUE(dp_.has_function(FunctionKind::endpoint, 0));
  ASSERT_TRUE(sync());
  functions_->forget_removed();
  EXPECT_FALSE(dp_.has_function(FunctionKind::endpoint, 0));
}

TEST_F(FunctionsTest, ReplaceKeepsWhatIsNotSaid) {
  auto first = ask("f", {"egress"}, "red");
  first.mutable_function()->set_order(7);
  (*first.mutable_function()->mutable_set())["rate"] = "5";
  ASSERT_TRUE(load(first));
  auto r = ask("f", {}, "", "better");
  r.set_replace(true);
  ASSERT_TRUE(load(r));
  const v1::Function f = functions_->list().functions(0).function();
  EXPECT_EQ(f.order(), 7);
  EXPECT_EQ(f.points(0), "egress");
  EXPECT_EQ(f.vpcs(0), "red");
  const auto& image = dp_.functions[{FunctionKind::endpoint, 0}];
  EXPECT_EQ(image.object, "better");
  EXPECT_EQ(image.set.at("rate"), "5");
}

TEST_F(FunctionsTest, HopFunctionsAreOfVpcsAndHaveSlotsOfTheirOwn) {
  EXPECT_FALSE(functions_->at_hops());
  ASSERT_TRUE(load(ask("e", {"egress"}, "red")));
  EXPECT_FALSE(functions_->at_hops());
  ASSERT_TRUE(load(ask("h", {"hop"}, "blue")));
  EXPECT_TRUE(functions_->at_hops());
  EXPECT_TRUE(dp_.has_function(FunctionKind::hop, 0));
  EXPECT_EQ(dp_.function_vpcs().get(1)->chain[MZ_POINT_HOP], 0);
  EXPECT_NE(dp_.function_vpcs().get(2)->chain[MZ_POINT_HOP], 0);
  EXPECT_EQ(order(kB, MZ_POINT_EGRESS), "");
  EXPECT_EQ(functions_->flags(goal_.endpoints["blue/b"]), 0u);
}

TEST_F(FunctionsTest, ANewLifeFindsThemRunning) {
  ASSERT_TRUE(load(ask("a", {"egress"}, "red")));
  ASSERT_TRUE(load(ask("b", {"egress"}, "red")));
  dp_.functions[{FunctionKind::endpoint, 0}].object = "as it runs";
  const std::size_t writes = dp_.function_ports().writes;
  restart();
  EXPECT_EQ(order(kA, MZ_POINT_EGRESS), "a b");
  EXPECT_EQ(dp_.functions[(std::pair{FunctionKind::endpoint, 0u})].object, "as it runs");  // not put again
  EXPECT_EQ(dp_.function_ports().writes, writes);
}

TEST_F(FunctionsTest, AfterARebootTheyArePutAgain) {
  ASSERT_TRUE(load(ask("a", {"egress"}, "red")));
  ASSERT_TRUE(load(ask("h", {"hop"}, "red")));
  restart(true);
  EXPECT_EQ(order(kA, MZ_POINT_EGRESS), "a");
  EXPECT_EQ(dp_.functions.size(), 2u);
  EXPECT_TRUE(functions_->at_hops());
}

// A kernel that does not take it any more: it is listed, with the reason, and its
// packets go on.
TEST_F(FunctionsTest, OneThatCannotBePutAgainSaysWhy) {
  ASSERT_TRUE(load(ask("a", {"egress"}, "red")));
  ASSERT_TRUE(load(ask("b", {"egress"}, "red")));
  v1::StoredFunctions stored;
  ASSERT_TRUE(stored.ParseFromString(**store_->get("functions")));
  stored.mutable_functions(0)->set_object("bad");
  ASSERT_TRUE(store_->put("functions", stored.SerializeAsString()));
  restart(true);
  EXPECT_EQ(order(kA, MZ_POINT_EGRESS), "b");
  EXPECT_FALSE(functions_->status("a")->running());
  EXPECT_NE(functions_->status("a")->problem().find("not a BPF object"), std::string::npos);
}

TEST_F(FunctionsTest, WhatTheStoreHasMustBeReadable) {
  ASSERT_TRUE(store_->put("functions", "\xff\xff"));
  EXPECT_FALSE(Functions(dp_, *store_).read());
}

TEST_F(FunctionsTest, AnInterfaceIsAttachedAndLeftAlone) {
  auto r = ask("t", {"egress"}, "red");
  r.mutable_function()->set_interface("lo");
  ASSERT_TRUE(load(r));
  EXPECT_EQ(dp_.function_slots().get(0)->interface, 1u);
  EXPECT_TRUE(attached());
  r.set_replace(true);
  ASSERT_TRUE(load(r));
  EXPECT_TRUE(attached());
  ASSERT_TRUE(remove("t"));
  EXPECT_EQ(dp_.function_slots().get(0)->interface, 0u);
  EXPECT_FALSE(attached());
}

TEST_F(FunctionsTest, TwoMayShareAnInterface) {
  for (const char* name : {"t", "u"}) {
    auto r = ask(name, {"egress"}, "red");
    r.mutable_function()->set_interface("lo");
    ASSERT_TRUE(load(r));
  }
  ASSERT_TRUE(remove("t"));
  EXPECT_TRUE(attached());
  ASSERT_TRUE(remove("u"));
  EXPECT_FALSE(attached());
}

TEST_F(FunctionsTest, WhatTheTablesDoNotFollowIsUndone) {
  ASSERT_TRUE(load(ask("a", {"egress"}, "red")));
  const std::string before = everything();
  ASSERT_TRUE(functions_->load(ask("b", {"egress"}, "red"), goal_));
  dp_.function_ports().fail_next = 1;
  EXPECT_FALSE(sync());
  ASSERT_TRUE(functions_->undo("b"));
  ASSERT_TRUE(sync());
  functions_->forget_removed();
  EXPECT_EQ(everything(), before);

  auto r = ask("a", {"ingress"}, "blue", "other");
  r.set_replace(true);
  ASSERT_TRUE(functions_->load(r, goal_));
  dp_.function_ports().fail_next = 1;
  EXPECT_FALSE(sync());
  ASSERT_TRUE(functions_->undo("a"));
  ASSERT_TRUE(sync());
  EXPECT_EQ(everything(), before);
}

// A store that takes no more.
class FullStore final : public Store {
 public:
  explicit FullStore(Store& under) : under_(under) {}
  Result<std::optional<std::string>> get(const std::string& key) override { return under_.get(key); }
  Result<> put(const std::string&, const std::string&) override { return fail(Code::resource_exhausted, "store: full"); }

 private:
  Store& under_;
};

TEST_F(FunctionsTest, WhatCannotBeStoredDoesNotRun) {
  ASSERT_TRUE(load(ask("a", {"egress"}, "red")));
  const std::string before = everything();
  FullStore full(*store_);
  functions_ = std::make_unique<Functions>(dp_, full);
  ASSERT_TRUE(functions_->read());
  ASSERT_TRUE(functions_->recover());
  ASSERT_TRUE(sync());
  EXPECT_FALSE(functions_->load(ask("b", {"egress"}, "red"), goal_));
  auto r = ask("a", {}, "", "other");
  r.set_replace(true);
  EXPECT_FALSE(functions_->load(r, goal_));
  EXPECT_FALSE(functions_->remove("a"));
  EXPECT_EQ(everything(), before);
}

struct Refusal {
  const char* name;
  std::string function;
  std::vector<std::string> points;
  std::string whose;
  Code code;
  const char* words;
  const char* object = "good";
  bool replace = false;
  const char* interface = "";
};

TEST_F(FunctionsTest, RefusalsChangeNothing) {
  ASSERT_TRUE(load(ask("f", {"egress"}, "red")));
  ASSERT_TRUE(load(ask("h", {"hop"}, "red")));
  const Refusal rows[] = {
      {"a point there is not", "x", {"middle"}, "red", Code::invalid_argument, "point 'middle'"},
      {"no point", "x", {}, "red", Code::invalid_argument, "no point"},
      {"hop and another", "x", {"hop", "egress"}, "red", Code::invalid_argument, "hop stands alone"},
      {"an endpoint at hops", "x", {"hop"}, "red/a", Code::invalid_argument, "no endpoints"},
      {"an interface at hops", "x", {"hop"}, "red", Code::invalid_argument, "no interface", "good", false, "lo"},
      {"nobody's packets", "x", {"egress"}, "", Code::invalid_argument, "give the VPCs"},
      {"a VPC there is not", "x", {"egress"}, "green", Code::not_found, "vpc green: there is none"},
      {"an endpoint there is not", "x", {"egress"}, "red/z", Code::not_found, "endpoint red/z: there is none"},
      {"an interface there is not", "x", {"egress"}, "red", Code::not_found, "interface fn9", "good", false, "fn9"},
      {"no name", "", {"egress"}, "red", Code::invalid_argument, "name"},
      {"a name with a dot", "x.y", {"egress"}, "red", Code::invalid_argument, "no dot"},
      {"a name that leaves its folder", "../x", {"egress"}, "red", Code::invalid_argument, "name"},
      {"a name that is taken", "f", {"egress"}, "red", Code::already_exists, "is loaded"},
      {"a name there is not", "x", {"egress"}, "red", Code::not_found, "none to replace", "good", true},
      {"not an object", "x", {"egress"}, "red", Code::invalid_argument, "not a BPF object", "bad"},
      {"replaced by no object", "f", {"ingress"}, "blue", Code::invalid_argument, "not a BPF object", "bad", true},
      {"... nor its interface", "f", {}, "", Code::invalid_argument, "not a BPF object", "bad", true, "lo"},
      {"from endpoints to hops", "f", {"hop"}, "red", Code::invalid_argument, "cannot move", "good", true},
  };
  const std::string before = everything();
  for (const Refusal& row : rows) {
    auto r = ask(row.function, row.points, row.whose, row.object);
    r.set_replace(row.replace);
    r.mutable_function()->set_interface(row.interface);
    const auto rc = functions_->load(r, goal_);
    ASSERT_FALSE(rc) << row.name;
    EXPECT_EQ(rc.error().code, row.code) << row.name;
    EXPECT_NE(rc.error().what.find(row.words), std::string::npos) << row.name << ": " << rc.error().what;
    EXPECT_EQ(everything(), before) << row.name;
    EXPECT_FALSE(attached()) << row.name;
  }
}

TEST_F(FunctionsTest, OneTooManyAtAPointIsRefused) {
  for (int i = 0; i < 5; i++) ASSERT_TRUE(load(ask("f" + std::to_string(i), {"egress"}, "red")));
  EXPECT_EQ(load(ask("f5", {"egress"}, "red")).error().code, Code::resource_exhausted);
  EXPECT_EQ(order(kA, MZ_POINT_EGRESS), "f0 f1 f2 f3 f4");
  EXPECT_TRUE(load(ask("f5", {"egress"}, "blue")));
  EXPECT_TRUE(load(ask("f6", {"ingress"}, "red")));
}

TEST_F(FunctionsTest, OneTooManyOfAHostIsRefused) {
  for (unsigned i = 0; i < MZ_FUNCTIONS; i++)
    ASSERT_TRUE(load(ask("f" + std::to_string(i), {i % 2 ? "egress" : "ingress"}, "red")));
  const auto rc = load(ask("more", {"ingress-after"}, "red"));
  EXPECT_EQ(rc.error().code, Code::resource_exhausted);
  EXPECT_TRUE(load(ask("h", {"hop"}, "red")));
  ASSERT_TRUE(remove("f3"));
  EXPECT_TRUE(load(ask("more", {"ingress-after"}, "red")));
}

}  // namespace
