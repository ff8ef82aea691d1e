// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/verb.h"

#include <cstdio>
#include <exception>
#include <iostream>
#include <new>

#include "jetcal/base/encoding.h"
#include "jetcal/base/log.h"
#include "jetcal/base/stop.h"
#include "jetcal/base/threads.h"

namespace jetcal::cli {
namespace {

constexpr const char* kConfigFlag = "--config";
constexpr const char* kJsonFlag = "--json";
constexpr const char* kThreadsFlag = "--threads";

}  // namespace

int exit_status(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::InvalidArgument:
    case ErrorCode::AlreadyExists:
      return 2;
    case ErrorCode::NotFound:
      return 3;
    case ErrorCode::DataLoss:
      return 4;
    case ErrorCode::ResourceExhausted:
      return 5;
    case ErrorCode::FailedPrecondition:
    case ErrorCode::Unavailable:
    case ErrorCode::DeadlineExceeded:
    case ErrorCode::Unimplemented:
      return 6;
    case ErrorCode::Cancelled:
      return 130;
    case ErrorCode::Internal:
      return 1;
  }
  return 1;
}

Config load_config(const CommonOptions& common) {
  return common.config_path.empty() ? Config() : Config::load(common.config_path);
}

void print_json(const nlohmann::ordered_json& document) {
  std::cout << document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
}

// Damaged files and names of files bring bytes into messages that are no UTF-8.
static int report(const std::string& verb, const std::string& text, int status) {
  std::fprintf(stderr, "jetcal %s: %s\n", verb.c_str(), as_utf8(text).c_str());
  return status;
}

bool is_common_flag(std::string_view flag) noexcept {
  return flag == kConfigFlag || flag == kJsonFlag || flag == kThreadsFlag;
}

int run_verb(const Verb& verb, int argc, char** argv) {
  set_up_logging();
  handle_stop_signals();
  CLI::App app(verb.description, "jetcal " + verb.name);
  CommonOptions common;
  app.add_option(kConfigFlag, common.config_path, "YAML file; flags override its fields");
  app.add_flag(kJsonFlag, common.json, "print one JSON document on standard output");
  app.add_option(kThreadsFlag, common.threads, "threads to use, 0 for every core")
      ->check(CLI::NonNegativeNumber);
  const std::function<int()> work = verb.set_up(app, common);
  try {
    app.parse(argc - 1, argv + 1);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return report(verb.name, std::string(error.what()) + "; see jetcal " + verb.name + " --help",
                  2);
  }
  try {
    if (common.threads > 0) set_num_threads(common.threads);
    return work();
  } catch (const Error& error) {
    return report(verb.name, error.what(), exit_status(error.code()));
  } catch (const std::bad_alloc&) {
    return report(verb.name, "out of memory", exit_status(ErrorCode::ResourceExhausted));
  } catch (const std::exception& error) {
    return report(verb.name, std::string("internal error: ") + error.what(), 1);
  }
}

}  // namespace jetcal::cli
