// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/ntuple_writer.h"

#include <TTree.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <string>

#include "jetcal/base/error.h"
#include "jetcal/sim/root_output.h"

namespace jetcal::sim {

float keep_bits(float value, int bits) noexcept {
  constexpr int kMantissa = 23;
  if (bits >= kMantissa || !std::isfinite(value)) return value;
  const auto drop = static_cast<unsigned>(kMantissa - bits);
  const std::uint32_t mask = ~((1U << drop) - 1U);
  const auto raw = std::bit_cast<std::uint32_t>(value);
  const float rounded = std::bit_cast<float>((raw + (1U << (drop - 1))) & mask);
  if (std::abs(value) < 1 && std::abs(rounded) >= 1) return std::bit_cast<float>(raw & mask);
  return rounded;
}

namespace {

constexpr std::size_t kMaxParticles = 5000;  // kMaxPF of the original

}  // namespace

struct NtupleWriter::Impl {
  Impl(const std::filesystem::path& path, const NtupleOptions& writer_options)
      : output(path, writer_options.compression), options(writer_options) {
    constexpr std::int64_t kRowsPerCluster = 2000;
    tree = output.add_tree("AK4jets", "jetTree", kRowsPerCluster);
    make_branches();
  }

  RootOutput output;
  NtupleOptions options;
  TTree* tree = nullptr;
  JetScalars values;
  std::int32_t nPF = 0, nGenJetPF = 0;
#define JETCAL_MEMBER(type, name, leaf) std::array<type, kMaxParticles> name{};
  JETCAL_ROW_CANDIDATES(JETCAL_MEMBER)
  JETCAL_ROW_GEN_PARTICLES(JETCAL_MEMBER)
#undef JETCAL_MEMBER

  void make_branches();
  void round_candidates();
  void round_gen();
};

void NtupleWriter::Impl::make_branches() {
  const auto branch = [&](const char* name, void* address, const std::string& leaf) {
    constexpr int kBasketBytes = 1 << 20;
    tree->Branch(name, address, leaf.c_str(), kBasketBytes);
  };
#define JETCAL_BRANCH(type, name) \
  branch(#name, &values.name, std::string(#name) + leaf_letter<type>());
  JETCAL_ROW_SCALARS(JETCAL_BRANCH)
#undef JETCAL_BRANCH
  branch("nPF", &nPF, "nPF/I");
#define JETCAL_BRANCH(type, name, leaf) \
  branch(#name, name.data(), std::string(#leaf) + "[nPF]" + leaf_letter<type>());
  JETCAL_ROW_CANDIDATES(JETCAL_BRANCH)
#undef JETCAL_BRANCH
  branch("nGenJetPF", &nGenJetPF, "nGenJetPF/I");
#define JETCAL_BRANCH(type, name, leaf) \
  branch(#name, name.data(), std::string(#leaf) + "[nGenJetPF]" + leaf_letter<type>());
  JETCAL_ROW_GEN_PARTICLES(JETCAL_BRANCH)
#undef JETCAL_BRANCH
}

NtupleWriter::NtupleWriter(const std::filesystem::path& path, const NtupleOptions& options)
    : impl_(std::make_unique<Impl>(path, options)) {}

NtupleWriter::~NtupleWriter() = default;

void NtupleWriter::Impl::round_candidates() {
  for (std::size_t i = 0; i < static_cast<std::size_t>(nPF); ++i) {
    const bool own = PF_fromAK4Jet[i] != 0;
    const int bits = own ? options.own_bits : options.other_bits;
    const int derived = own ? options.own_derived_bits : options.other_derived_bits;
    PF_pT[i] = keep_bits(PF_pT[i], bits);
    PF_dEta[i] = keep_bits(PF_dEta[i], bits);
    PF_dPhi[i] = keep_bits(PF_dPhi[i], bits);
    PF_dR[i] = keep_bits(PF_dR[i], derived);
    PF_dTheta[i] = keep_bits(PF_dTheta[i], derived);
  }
}

void NtupleWriter::Impl::round_gen() {
  for (std::size_t i = 0; i < static_cast<std::size_t>(nGenJetPF); ++i) {
    genJetPF_pT[i] = keep_bits(genJetPF_pT[i], options.gen_bits);
    genJetPF_dR[i] = keep_bits(genJetPF_dR[i], options.gen_bits);
    genJetPF_dTheta[i] = keep_bits(genJetPF_dTheta[i], options.gen_bits);
  }
}

void NtupleWriter::write(const JetRow& row) {
  Impl& out = *impl_;
  if (row.PF_pT.size() > kMaxParticles || row.genJetPF_pT.size() > kMaxParticles)
    fail(ErrorCode::Internal, "a jet has more than ", kMaxParticles,
         " particles: ", row.PF_pT.size(), " candidates");
  out.values = row.values;
  out.nPF = static_cast<std::int32_t>(row.PF_pT.size());
#define JETCAL_COPY(type, name, leaf) std::copy(row.name.begin(), row.name.end(), out.name.begin());
  JETCAL_ROW_CANDIDATES(JETCAL_COPY)
  out.round_candidates();
  if (row.values.jetGenMatch != 0) {
    out.nGenJetPF = static_cast<std::int32_t>(row.genJetPF_pT.size());
    JETCAL_ROW_GEN_PARTICLES(JETCAL_COPY)
    out.round_gen();
  }
#undef JETCAL_COPY
  out.output.check(out.tree->Fill() >= 0);
}

void NtupleWriter::close() { impl_->output.close(); }

}  // namespace jetcal::sim
