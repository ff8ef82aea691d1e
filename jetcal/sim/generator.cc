// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/generator.h"

#include <Pythia8/Pythia.h>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"

namespace jetcal::sim {

struct Generator::Impl {
  Pythia8::Pythia pythia{JETCAL_PYTHIA_XML, false};
};

Generator::Generator(const std::vector<std::string>& settings) : impl_(std::make_unique<Impl>()) {
  Pythia8::Pythia& pythia = impl_->pythia;
  pythia.readString("Print:quiet = on");
  for (const std::string& line : settings) {
    if (!pythia.readString(line))
      fail(ErrorCode::InvalidArgument, "PYTHIA does not know the setting '", line, "'");
  }
  // The same for every worker: the sampling maxima found at the start are part of the process.
  pythia.readString("Random:setSeed = on");
  pythia.readString("Random:seed = 19780503");
  if (!pythia.init())
    fail(ErrorCode::FailedPrecondition, "PYTHIA cannot start with these settings");
}

Generator::~Generator() = default;

void Generator::restart(std::uint64_t seed) {
  constexpr std::uint64_t kSeeds = 900000000;  // what PYTHIA's generator accepts
  impl_->pythia.rndm.init(static_cast<int>(1 + mix64(seed) % (kSeeds - 1)));
}

void Generator::generate() {
  constexpr int kMaxTries = 100;
  for (int attempt = 0; attempt < kMaxTries; ++attempt) {
    if (impl_->pythia.next()) return;
    ++num_failures_;
  }
  fail(ErrorCode::Internal, "PYTHIA failed ", kMaxTries, " times in a row");
}

static Particle to_particle(const Pythia8::Particle& p) {
  return {static_cast<float>(p.pT()), static_cast<float>(p.eta()), static_cast<float>(p.phi()),
          p.id()};
}

static bool is_parton(int id) {
  const int pdg = std::abs(id);
  return (pdg >= 1 && pdg <= 5) || pdg == 21;
}

/// Tells whether `quark` (4 or 5) is the heaviest flavor of the hadron.
static bool has_quark(const Pythia8::Particle& p, int quark) {
  return p.isHadron() && std::abs(p.particleDataEntry().heaviestQuark(p.id())) == quark;
}

/// Keeps b and c hadrons that do not decay to another of the same flavor: the weakly decaying ones.
static bool is_last_with_flavor(const Pythia8::Event& event, int index, int quark) {
  if (!has_quark(event[index], quark)) return false;
  for (const int daughter : event[index].daughterList()) {
    if (has_quark(event[daughter], quark)) return false;
  }
  return true;
}

/// Keeps partons whose daughters are no partons: those that the string fragmentation takes.
static bool ends_shower(const Pythia8::Event& event, int index) {
  if (!is_parton(event[index].id()) || event[index].daughter1() == 0) return false;
  for (const int daughter : event[index].daughterList()) {
    if (is_parton(event[daughter].id()) || event[daughter].isDiquark()) return false;
  }
  return true;
}

void Generator::next(HardEvent& out) {
  generate();
  const Pythia8::Event& event = impl_->pythia.event;
  out.particles.clear();
  out.flavor_hadrons.clear();
  out.flavor_partons.clear();
  out.all_partons.clear();
  out.hard_partons = {};
  out.pthat = impl_->pythia.info.pTHat();
  out.weight = impl_->pythia.info.weight();
  constexpr double kMaxEta = 5.5;
  std::size_t num_hard = 0;
  for (int i = 0; i < event.size(); ++i) {
    const Pythia8::Particle& p = event[i];
    if (p.statusAbs() == 23 && num_hard < 2) out.hard_partons[num_hard++] = to_particle(p);
    if (p.pT() <= 0 || std::abs(p.eta()) > kMaxEta) continue;
    if (is_parton(p.id())) out.all_partons.push_back(to_particle(p));
    if (p.isFinal()) {
      out.particles.push_back(to_particle(p));
    } else if (is_last_with_flavor(event, i, 5) || is_last_with_flavor(event, i, 4)) {
      out.flavor_hadrons.push_back(to_particle(p));
    } else if (ends_shower(event, i)) {
      out.flavor_partons.push_back(to_particle(p));
    }
  }
}

void Generator::next(std::vector<Particle>& particles) {
  generate();
  const Pythia8::Event& event = impl_->pythia.event;
  constexpr double kMaxEta = 5.2;
  particles.clear();
  for (int i = 0; i < event.size(); ++i) {
    const Pythia8::Particle& p = event[i];
    if (!p.isFinal() || p.pT() <= 0 || std::abs(p.eta()) > kMaxEta) continue;
    if (species_of(p.id()) != Species::Neutrino) particles.push_back(to_particle(p));
  }
}

}  // namespace jetcal::sim
