// SPDX-License-Identifier: Apache-2.0
// The program `jetcal`: runs light verbs itself and hands heavy ones to the program that holds
// them.
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include "jetcal/base/version.h"
#include "jetcal/cli/program.h"

namespace {

struct VerbEntry {
  std::string_view name;
  std::string_view program;  // empty: this one
  std::string_view needs;    // what a build needs for it
  std::string_view description;
};

constexpr std::array kVerbs{
    VerbEntry{"doctor", "", "", "say what this build has and what is missing for which verb"},
    VerbEntry{"simulate", "simulate", "PYTHIA 8, FastJet and ROOT (tools/setup.py sim)",
              "make collisions, detector and jets"},
    VerbEntry{"ingest", "physics", "ROOT and Arrow", "turn ROOT files into shards"},
    VerbEntry{"jec", "physics", "ROOT and Arrow",
              "evaluate, apply and derive conventional jet energy corrections"},
    VerbEntry{"train", "train", "libtorch, ROOT and Arrow", "train a network on shards"},
    VerbEntry{"tune", "", "SQLite, Eigen and libcsv",
              "search for hyperparameters, go on with a search, report on it"},
    VerbEntry{"suggest", "", "protobuf, SQLite, libcurl and nghttp2",
              "serve search algorithms to Katib"},
    VerbEntry{"model", "", "", "print sizes and contents of a network"},
    VerbEntry{"export", "", "protobuf and ONNX Runtime",
              "write a model repository with ONNX and config.pbtxt"},
    VerbEntry{"serve", "", "http_parser, simdjson and ONNX Runtime",
              "answer the Open Inference Protocol v2"},
    VerbEntry{"client", "", "libcurl and ONNX Runtime",
              "ask a server what it has, and for predictions"},
    VerbEntry{"loadgen", "", "libcurl and ONNX Runtime",
              "measure how long clients of a server wait"},
    VerbEntry{"predict", "physics", "ROOT and Arrow", "add corrected pT to a ROOT file"},
    VerbEntry{"analyze", "physics", "ROOT and Arrow",
              "measure response, resolution and flavor dependence"},
    VerbEntry{"pipeline", "", "OpenSSL", "run the steps from data to a served model"},
    VerbEntry{"store", "", "libcurl and pugixml", "copy files to and from folders and S3 stores"},
    VerbEntry{"board", "", "SQLite, OpenSSL, http_parser and ONNX Runtime",
              "show runs, studies, models and servers in a browser"},
    VerbEntry{"bench", "", "ONNX Runtime", "time jetcal beside its peers"},
};

void print_help() {
  std::printf(
      "jetcal %s: calibrates the energy of particle jets with neural networks\n\n"
      "usage: jetcal VERB [--config FILE.yaml] [--json] [--threads N] ...\n\n",
      jetcal::version());
  for (const VerbEntry& verb : kVerbs) {
    std::printf("  %-9.*s %.*s\n", static_cast<int>(verb.name.size()), verb.name.data(),
                static_cast<int>(verb.description.size()), verb.description.data());
  }
  std::printf("\n'jetcal VERB --help' lists the flags of a verb.\n");
}

// `bench` has two halves: what these words name needs libtorch. The values of flags stand between.
bool is_training_bench(int argc, char** argv) {
  for (int i = 2; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "inference") return false;
    if (word == "train" || word == "network" || word == "jets" || word == "loader") return true;
  }
  return false;
}

// Replaces this process with the program that holds the verb.
int hand_over(const VerbEntry& verb, char** argv) {
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  const std::filesystem::path program = self.parent_path().parent_path() / "libexec" / "jetcal" /
                                        ("jetcal-" + std::string(verb.program));
  ::execv(program.c_str(), argv);
  const int reason = errno;
  std::fprintf(stderr,
               "jetcal %s: %s: %s; the verb is in that program, which a build with %s has; see "
               "jetcal doctor\n",
               std::string(verb.name).c_str(), program.c_str(), std::strerror(reason),
               std::string(verb.needs).c_str());
  return jetcal::cli::exit_status(jetcal::ErrorCode::Unimplemented);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace jetcal::cli;
  const std::string_view name = argc > 1 ? argv[1] : "--help";
  if (name == "--help" || name == "-h" || name == "help") {
    print_help();
    return argc > 1 ? 0 : 2;
  }
  if (name == "--version") {
    std::printf("jetcal %s (%s)\n", jetcal::version(), jetcal::commit());
    return 0;
  }
  for (const VerbEntry& entry : kVerbs) {
    if (entry.name != name) continue;
    if (name == "bench" && is_training_bench(argc, argv))
      return hand_over({"bench", "train", "libtorch, ROOT and Arrow", ""}, argv);
    if (!entry.program.empty()) return hand_over(entry, argv);
    if (name == "doctor") return run_verb(make_doctor_verb(), argc, argv);
    if (name == "model") return run_verb(make_model_verb(), argc, argv);
#ifdef JETCAL_HAS_SUGGEST
    if (name == "suggest") return run_verb(make_suggest_verb(), argc, argv);
#endif
#ifdef JETCAL_HAS_EXPORT
    if (name == "export") return run_verb(make_export_verb(), argc, argv);
#endif
#ifdef JETCAL_HAS_SERVE
    if (name == "serve") return run_verb(make_serve_verb(), argc, argv);
#endif
#ifdef JETCAL_HAS_CLIENT
    if (name == "client") return run_verb(make_client_verb(), argc, argv);
    if (name == "loadgen") return run_verb(make_loadgen_verb(), argc, argv);
#endif
#ifdef JETCAL_HAS_TUNE
    if (name == "tune") return run_verb(make_tune_verb(), argc, argv);
#endif
#ifdef JETCAL_HAS_PIPELINE
    if (name == "pipeline") return run_verb(make_pipeline_verb(), argc, argv);
#endif
#ifdef JETCAL_HAS_STORE
    if (name == "store") return run_verb(make_store_verb(), argc, argv);
#endif
#ifdef JETCAL_HAS_BOARD
    if (name == "board") return run_verb(make_board_verb(), argc, argv);
#endif
#ifdef JETCAL_HAS_BENCH
    if (name == "bench") return run_verb(make_bench_verb(), argc, argv);
#endif
    std::fprintf(
        stderr,
        "jetcal %s: this build was made without %s, which the verb needs; see jetcal doctor\n",
        argv[1], std::string(entry.needs).c_str());
    return exit_status(jetcal::ErrorCode::Unimplemented);
  }
  std::fprintf(stderr, "jetcal: unknown verb '%s'; see jetcal --help\n", argv[1]);
  return 2;
}
