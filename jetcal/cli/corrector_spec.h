// SPDX-License-Identifier: Apache-2.0
// What a corrector of jetcal analyze is, as written on the command line.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace jetcal::cli {

/// Names where the corrected pT of a corrector comes from.
enum class CorrectorKind {
  Model,   ///< NAME=MODEL.jetcal: a network, applied to pt_reco.
  Branch,  ///< NAME=branch:BRANCH: a branch of the input, in GeV.
  Factor,  ///< NAME=factor:A[*B...]: branches of the input times pt_raw.
  Jec,     ///< NAME=jec:FILE[,FILE...] or jec:FILE.json[.gz][:CORRECTION]: applied to pt_raw.
  Raw,     ///< NAME=raw: pt_raw itself.
};

struct CorrectorSpec {
  std::string name;
  CorrectorKind kind = CorrectorKind::Raw;
  std::filesystem::path model;
  std::vector<std::string> branches;         ///< One of Branch; the factors of Factor.
  std::vector<std::filesystem::path> files;  ///< Of Jec.
  std::string correction;                    ///< Its name in the JSON; may be empty.
};

/// Reads the text after --corrector. Throws InvalidArgument naming it and the forms there are.
CorrectorSpec parse_corrector(const std::string& text);

/// Reads several; their names must differ from each other and from `baseline`.
std::vector<CorrectorSpec> parse_correctors(const std::vector<std::string>& texts,
                                            const std::string& baseline);

/// Tells whether the values come from branches of the input.
bool reads_branches(const CorrectorSpec& spec) noexcept;

}  // namespace jetcal::cli
