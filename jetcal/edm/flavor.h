// SPDX-License-Identifier: Apache-2.0
// The flavor of a jet, from the two ghost-matching numbers that CMS stores.
#pragma once

#include <array>
#include <cstdlib>
#include <string_view>

namespace jetcal::edm {

/// Names a jet flavor by its PDG number; Undefined jets stay in training and are left out of flavor
/// tables.
enum class Flavor : int { Undefined = 0, D = 1, U = 2, S = 3, C = 4, B = 5, G = 21 };

/// Lists the six flavors of the paper's tables, light to heavy, gluon last.
inline constexpr std::array<Flavor, 6> kFlavors{Flavor::U, Flavor::D, Flavor::S,
                                                Flavor::C, Flavor::B, Flavor::G};

/// Combines the two definitions as the paper does: hadron flavor where it is not 0, else |parton
/// flavor|.
constexpr Flavor jet_flavor(int hadron_flavor, int parton_flavor) noexcept {
  const int pdg =
      hadron_flavor != 0 ? hadron_flavor : (parton_flavor < 0 ? -parton_flavor : parton_flavor);
  return (pdg >= 1 && pdg <= 5) || pdg == 21 ? static_cast<Flavor>(pdg) : Flavor::Undefined;
}

/// Returns "u", "d", "s", "c", "b", "g" or "undefined".
constexpr std::string_view flavor_name(Flavor flavor) noexcept {
  switch (flavor) {
    case Flavor::D:
      return "d";
    case Flavor::U:
      return "u";
    case Flavor::S:
      return "s";
    case Flavor::C:
      return "c";
    case Flavor::B:
      return "b";
    case Flavor::G:
      return "g";
    case Flavor::Undefined:
      break;
  }
  return "undefined";
}

}  // namespace jetcal::edm
