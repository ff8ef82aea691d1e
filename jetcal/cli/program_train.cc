// SPDX-License-Identifier: Apache-2.0
// The program that holds: train, and the part of bench that times training.
#include "jetcal/cli/program.h"

int main(int argc, char** argv) {
  using namespace jetcal::cli;
  return run_program({make_train_verb(), make_training_bench_verb()}, argc, argv);
}
