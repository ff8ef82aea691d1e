// SPDX-License-Identifier: Apache-2.0
// Evaluates conventional jet energy corrections, from JetCorrectorParameters text or correctionlib
// JSON, on columns of jets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace jetcal::jec {

/// Holds columns of jets by the names that CMS uses: JetPt (GeV, raw), JetEta, JetPhi, JetA, Rho.
struct JetTable {
  std::int64_t rows = 0;
  std::map<std::string, std::span<const double>, std::less<>> columns;  ///< [rows] each.
  /// Text inputs such as systematic; a column of one element holds for every row.
  std::map<std::string, std::span<const std::string>, std::less<>> texts;
};

/// Counts the rows that lay outside every bin of a text file and got the value CMSSW gives there.
struct OutsideRows {
  std::int64_t count = 0;
  std::int64_t first_row = -1;
  std::string where;  ///< File and value of the first one; empty when there is none.
};

/// One text file from memory.
struct CorrectionText {
  std::string name;  ///< For messages.
  std::string text;
};

struct CorrectionStack;  // detail/correction_stack.h

/// Multiplies the factors of correction levels, each of which sees the pT that the levels before it
/// made. Copies share the parsed files. Thread-safe.
class JetCorrector {
 public:
  /// Opens text files (.txt or .txt.gz) in the order in which they are applied, or one
  /// correctionlib JSON (.json or .json.gz), of which `name` picks a correction or compound
  /// correction.
  ///
  /// For text, `name` is "", the section of a file with sections, or "[section:]variation" with the
  /// variation nominal, up or down of a scale factor or uncertainty. For JSON it may be left out
  /// when the file holds one compound correction, or one correction and no compound.
  /// Throws NotFound, DataLoss for a damaged file, InvalidArgument for what the file says, each
  /// with file and line or field.
  static JetCorrector open(std::span<const std::filesystem::path> files,
                           const std::string& name = "");
  /// Parses text files from memory, in the order in which they are applied.
  static JetCorrector parse(std::span<const CorrectionText> texts, const std::string& name = "");
  /// Parses one correctionlib JSON from memory.
  static JetCorrector parse_json(const CorrectionText& json, const std::string& name = "");

  JetCorrector(const JetCorrector&);
  JetCorrector(JetCorrector&&) noexcept;
  JetCorrector& operator=(const JetCorrector&);
  JetCorrector& operator=(JetCorrector&&) noexcept;
  ~JetCorrector();

  /// Names the number columns that factors() needs, sorted, e.g. JetA JetEta JetPt Rho.
  const std::vector<std::string>& inputs() const noexcept;
  /// Names the text columns that factors() needs, e.g. systematic.
  const std::vector<std::string>& text_inputs() const noexcept;

  /// Counts the levels, e.g. 4 of L1FastJet, L2Relative, L3Absolute, L2L3Residual.
  std::size_t num_levels() const noexcept;
  /// Names level i as the file does, e.g. "L1FastJet" or the correction's name in a JSON.
  const std::string& level_name(std::size_t level) const;

  /// Writes the product of all levels' factors to out [rows].
  ///
  /// Level i sees JetPt (and JetE) multiplied by the factors of the levels before it, as CMSSW's
  /// FactorizedJetCorrector and compound corrections of correctionlib do.
  /// Outside the bins of a text file the factor is 1 (an uncertainty: -999), as in CMSSW, and the
  /// row is counted. Throws InvalidArgument for a missing column and for a row that is not a number
  /// or that the JSON forbids; rows in messages count from 0.
  OutsideRows factors(const JetTable& jets, std::span<double> out) const;
  /// As factors(), of the first `levels` levels only: 1 gives the pT after L1.
  OutsideRows factors_up_to(std::size_t levels, const JetTable& jets, std::span<double> out) const;

 private:
  explicit JetCorrector(std::shared_ptr<const CorrectionStack> stack);
  std::shared_ptr<const CorrectionStack> stack_;  // shared: copies of a corrector are cheap
};

}  // namespace jetcal::jec
