// SPDX-License-Identifier: Apache-2.0
// The program that holds: ingest jec predict analyze.
#include "jetcal/cli/program.h"

int main(int argc, char** argv) {
  using namespace jetcal::cli;
  return run_program(
      {make_ingest_verb(), make_jec_verb(), make_predict_verb(), make_analyze_verb()}, argc, argv);
}
