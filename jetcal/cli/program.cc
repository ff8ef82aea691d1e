// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/program.h"

#include <cstdio>

namespace jetcal::cli {

int run_program(const std::vector<Verb>& verbs, int argc, char** argv) {
  for (const Verb& verb : verbs) {
    if (argc > 1 && verb.name == argv[1]) return run_verb(verb, argc, argv);
  }
  std::fprintf(stderr, "this program is run by 'jetcal VERB'; see jetcal --help\n");
  return 2;
}

}  // namespace jetcal::cli
