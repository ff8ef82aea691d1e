// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/detail/root_errors.h"

#include <TError.h>
#include <TROOT.h>
#include <TSystem.h>

#include <mutex>
#include <string_view>

namespace jetcal::data::detail {

namespace {
thread_local RootMessages* collector = nullptr;
}  // namespace

void collect_root_message(int level, bool abort, const char* location, const char* text) {
  if (collector == nullptr) {
    ::DefaultErrorHandler(level, abort, location, text);
    return;
  }
  if (level < kError) return;
  const std::string_view message = text != nullptr ? text : "";
  if (message.find("No space left") != std::string_view::npos ||
      message.find("quota exceeded") != std::string_view::npos) {
    collector->disk_full_ = true;
  }
  if (!collector->error_.empty()) return;
  collector->error_ = message.substr(0, message.find('\n'));
  if (collector->error_.empty()) collector->error_ = "an error without a message";
}

void start_root() {
  static std::once_flag once;
  std::call_once(once, [] {
    ROOT::EnableThreadSafety();
    gSystem->ResetSignals();  // ROOT would answer a crash with a debugger
    ::SetErrorHandler(collect_root_message);
  });
}

RootMessages::RootMessages() : outer_(collector) { collector = this; }
RootMessages::~RootMessages() { collector = outer_; }

}  // namespace jetcal::data::detail
