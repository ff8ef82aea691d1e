// SPDX-License-Identifier: Apache-2.0
// Runs the checks of the room cuda: all, or those whose names contain the argument; --list names
// them.
#include <cstring>
#include <exception>

#include "jetcal/cuda/device.h"
#include "tests/cuda/check.h"

namespace jetcal::cuda {
namespace {

int failures_of_check = 0;
constexpr int kSkipped = 77;

bool run(const Check& check) {
  failures_of_check = 0;
  try {
    check.body();
  } catch (const std::exception& error) {
    report_failure(check.name.c_str(), 0, std::string("threw: ") + error.what());
  }
  std::printf("%s %s\n", failures_of_check == 0 ? "ok    " : "FAILED", check.name.c_str());
  std::fflush(stdout);
  return failures_of_check == 0;
}

int run_all(const char* part) {
  if (num_devices() == 0) {
    std::printf("SKIPPED: there is no CUDA device here, so none of the %zu checks ran\n",
                checks().size());
    return kSkipped;
  }
  std::printf("device: %s\n", device_description().c_str());
  int failed = 0;
  int ran = 0;
  for (const Check& check : checks()) {
    if (part != nullptr && check.name.find(part) == std::string::npos) continue;
    ++ran;
    if (!run(check)) ++failed;
  }
  std::printf("%d checks ran, %d failed\n", ran, failed);
  return failed == 0 && ran > 0 ? 0 : 1;
}

}  // namespace

std::vector<Check>& checks() {
  static std::vector<Check> all;
  return all;
}

void report_failure(const char* file, int line, const std::string& what) {
  ++failures_of_check;
  if (failures_of_check <= 5) std::printf("  %s:%d: %s\n", file, line, what.c_str());
}

}  // namespace jetcal::cuda

int main(int count, char** arguments) {
  if (count > 1 && std::strcmp(arguments[1], "--list") == 0) {
    for (const auto& check : jetcal::cuda::checks()) std::printf("%s\n", check.name.c_str());
    return 0;
  }
  return jetcal::cuda::run_all(count > 1 ? arguments[1] : nullptr);
}
