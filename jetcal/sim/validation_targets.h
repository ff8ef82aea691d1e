// SPDX-License-Identifier: Apache-2.0
// The numbers of CMS by which simulated samples are judged, each with its source.
#pragma once

#include <array>

namespace jetcal::sim::targets {

struct Range {
  double low, high;
};

/// Median response after L1 at raw pT and eta: 1 / C of Summer19UL18_V5_MC_L2Relative_AK4PFchs; a
/// simulation may differ by 0.03.
constexpr const char* kResponseSource = "Summer19UL18_V5_MC L2Relative AK4PFchs, +-0.03";
constexpr double kResponseMargin = 0.03;
constexpr std::array kResponsePt{30., 50., 100., 300., 1000.};
struct ResponseRow {
  double eta;
  Range abs_eta;  ///< where it is measured
  std::array<double, kResponsePt.size()> response;
};
constexpr std::array<ResponseRow, 2> kResponse{
    {{0.1, {0.0, 0.3}, {.915, .933, .939, .936, .943}},
     {2.0, {1.85, 2.15}, {.847, .865, .881, .913, .954}}}};

/// IQR / median of the corrected response, barrel, in the bins geomspace(20, 3000, 20) of pT_gen
/// that hold these pT; 20 % either way.
constexpr const char* kResolutionSource = "arXiv 2308.12724 fig. 7, baseline, +-20%";
constexpr double kResolutionMargin = 0.20;
struct ResolutionRow {
  double pt, resolution;
};
constexpr std::array<ResolutionRow, 5> kResolution{
    {{50, .187}, {111, .137}, {245, .101}, {540, .076}, {1192, .063}}};

/// Median response of u jets minus that of gluon jets, corrected, pT_gen > 30 GeV.
constexpr const char* kFlavorSource = "arXiv 2308.12724 fig. 6: .022 barrel, .033 endcap";
constexpr Range kFlavorGap{.010, .050};

/// Pileup offset of a jet of area 0.503 at rho 20 GeV and 100 GeV, barrel.
constexpr const char* kOffsetSource = "Summer19UL18_V5_MC L1FastJet AK4PFchs, +-1 GeV";
constexpr Range kOffset{2.3, 4.3};

/// Candidates in a jet above 30 GeV, |eta| < 2.5.
constexpr const char* kConstituentsSource = "CMS 2017 PFNano, 36 jets: 39.6; +-8";
constexpr Range kConstituents{32, 48};

/// Real events, where no PFNano file is given: CMS 2017 full simulation, 10 events of QCD.
constexpr const char* kRealSource = "CMS 2017 PFNano (10 events, 36 jets), stored numbers";
constexpr double kRealRhoPerPileup = .65;
constexpr std::array kRealDensityCentral{23.9, 10.9, 2.0};  ///< charged, photons, neutral hadrons
constexpr std::array kRealDensityForward{23.5, 2.7, 2.0};
constexpr std::array kRealMedianPt{.58, .40, 1.61};
constexpr std::array kRealConstituents{20.4, 15.9, 3.2};
constexpr std::array kRealFractions{.53, .33, .14};
constexpr double kRealArea = .48;
constexpr double kRealBox = 182;

}  // namespace jetcal::sim::targets
