// SPDX-License-Identifier: Apache-2.0
// The tables of balanced services (bpf/abi/vips.h) as the goal wants them. A changed
// Maglev table is written beside the old one before the VIP's row leads to it: no
// packet meets half of one. Lives in the daemon's loop.
//
// A backend has an id of its own in each port of each service it serves, and no id is
// ever handed out twice: what a client's sticky entry names is that backend, or gone.
//
// Of a service with health a backend that is not well has no rows and gets no new flows;
// those it has are its own. Where nobody has said how it is, it stays as the tables have
// it: out if it is new, and what it was if the daemon is.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/base/maglev.h"
#include "userspace/dataplane/rows.h"
#include "userspace/transitd/goal.h"

namespace mizar {

class Vips {
 public:
  explicit Vips(Dataplane& dp) : dp_(dp) {}

  // Who is well, of services with health: as Verdicts::well(). Asked at each apply().
  using Well = std::function<std::optional<bool>(const ServiceSpec&, const BackendSpec&, Family)>;
  void set_well(Well well) { well_ = std::move(well); }

  // Reads the tables of an earlier run: what stands keeps its ids and rows.
  Result<> recover();
  // Would the goal fit? Error: resource_exhausted, names the table.
  [[nodiscard]] Result<> check(const Goal& goal) const;
  struct Changes {
    RowChanges vips;
    bool doubtful = false;  // flows may stand that nobody serves any more: serves()
  };
  // `hz`: jiffies in a second. On an error call it again with the goal that was in force.
  Result<Changes> apply(const Goal& goal, unsigned hz);

  // Is the backend that this translated flow goes to still one of the port it was
  // opened to? Draining ones are.
  [[nodiscard]] bool serves(const mz_flow_key& key, const mz_flow& flow) const;
  // The backends that get new flows of the service at that address of its own.
  [[nodiscard]] std::set<Addr> standing(const ServiceSpec& s, const Addr& vip) const;
  // Whose ids these are, for traces; nothing if nobody's.
  [[nodiscard]] std::optional<mz_vip_key> vip_of(std::uint32_t vip) const;
  [[nodiscard]] std::optional<mz_backend> backend_of(std::uint32_t backend) const;
  // Maglev tables made so far: those of ports whose backends are others than before.
  [[nodiscard]] std::uint64_t made() const { return made_; }
  // Entries in use, by table name.
  [[nodiscard]] std::map<std::string, std::uint64_t> used() const;

 private:
  using Ids = std::vector<std::uint32_t>;
  // A backend of a VIP's port. Its flags are 0 here.
  struct Member {
    mz_vip_key vip;
    mz_backend backend;
  };
  // A Maglev table, and whom it was made for; nobody: that is not known.
  struct Maglev {
    std::vector<MaglevBackend> of;
    Ids rows;  // of backend ids
  };
  struct WantedVip {
    Maglev table;
    std::uint32_t sticky = 0;  // jiffies
    std::uint8_t level = 0;
  };
  struct Wanted {
    Rows<mz_vip_key, WantedVip> vips;
    Rows<std::uint32_t, mz_backend> backends;
    Rows<Member, std::uint32_t> members;
    std::uint32_t last_backend = 0;
  };
  struct Piece {
    std::uint32_t first = 0, size = 0;
  };

  // `all_well`: whatever is known of health, to see if there is room for it.
  [[nodiscard]] Wanted want(const Goal& goal, unsigned hz, bool all_well = false) const;
  [[nodiscard]] std::set<Addr> not_well(const ServiceSpec& s, const Addr& vip) const;
  // Where `size` rows are that no VIP in force uses, nor did a moment ago. Error:
  // resource_exhausted.
  [[nodiscard]] Result<std::uint32_t> free_rows(std::uint32_t size) const;
  Result<> put_vip(const mz_vip_key& key, const WantedVip& wanted, Changes& n);
  Result<> erase_unwanted(const Wanted& w, Changes& n);

  Dataplane& dp_;
  Well well_ = [](const ServiceSpec&, const BackendSpec&, Family) { return std::optional<bool>(); };
  Rows<mz_vip_key, mz_vip> vips_;
  Rows<mz_vip_key, Maglev> rows_;  // of those in vips_
  Rows<std::uint32_t, mz_backend> backends_;
  Rows<Member, std::uint32_t> members_;  // -> backend id
  std::uint32_t last_vip_ = 0, last_backend_ = 0;  // highest ids ever handed out
  std::vector<Piece> left_;  // by the apply() under way: a packet may still read there
  mutable std::uint64_t made_ = 0;
  bool doubtful_ = false;    // flows stand that nobody has looked at yet
};

}  // namespace mizar
