// SPDX-License-Identifier: Apache-2.0
// Correction files, CMS's texts and correctionlib's JSON; what is read is evaluated too.
#include <array>

#include "jetcal/jec/jet_corrector.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

namespace jec = jetcal::jec;

double evaluate(const jec::JetCorrector& corrector) {
  static constexpr std::array<double, 4> kValues{-5.5, 0, 0.4, 100};
  static const std::array<std::string, 1> kNominal{"nominal"};
  jec::JetTable table{static_cast<std::int64_t>(kValues.size()), {}, {}};
  for (const std::string& name : corrector.inputs()) table.columns[name] = kValues;
  for (const std::string& name : corrector.text_inputs()) table.texts[name] = kNominal;
  std::array<double, kValues.size()> out{};
  static_cast<void>(corrector.factors(table, out));
  return out[0];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const jec::CorrectionText file{"file", {reinterpret_cast<const char*>(data), size}};
  jetcal::fuzz::expect_errors_only([&] { return evaluate(jec::JetCorrector::parse({&file, 1})); });
  jetcal::fuzz::expect_errors_only([&] { return evaluate(jec::JetCorrector::parse_json(file)); });
  return 0;
}
