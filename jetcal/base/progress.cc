// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <utility>

namespace jetcal {

using std::chrono::duration;
using std::chrono::steady_clock;

Progress::Progress(std::string label, std::int64_t total, std::string unit,
                   std::int64_t done_before)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      done_before_(done_before),
      done_(done_before),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(steady_clock::now()),
      drawn_(start_) {}

Progress::~Progress() {
  if (!finished_) finish(note_);
}

void Progress::update(std::int64_t done, const std::string& note) {
  done_ = done;
  note_ = note;
  const auto now = steady_clock::now();
  if (duration<double>(now - drawn_).count() < (terminal_ ? 0.1 : 10.0)) return;
  drawn_ = now;
  draw(false);
}

void Progress::finish(const std::string& note) {
  finished_ = true;
  note_ = note;
  draw(true);
}

static std::string clock_text(double seconds) {
  const auto total = static_cast<std::int64_t>(std::llround(seconds));
  return total < 3600 ? fmt::format("{}:{:02}", total / 60, total % 60)
                      : fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
}

void Progress::draw(bool last) {
  const double seconds = duration<double>(steady_clock::now() - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_ - done_before_) / seconds : 0;
  std::string line = fmt::format("{} {}", label_, done_);
  if (total_ > 0) {
    const double part = static_cast<double>(done_) / static_cast<double>(total_);
    if (terminal_) {
      const int filled = static_cast<int>(part * 24);
      line = fmt::format("{} [{:=<{}}{: <{}}] {:3.0f}%", label_, "", filled, "", 24 - filled,
                         part * 100);
    } else {
      line = fmt::format("{} {}/{} {}", label_, done_, total_, unit_);
    }
  }
  line += fmt::format("  {:.0f} {}/s  {}", rate, unit_, clock_text(seconds));
  if (!last && total_ > done_ && rate > 0) {
    line += fmt::format("  {} left", clock_text(static_cast<double>(total_ - done_) / rate));
  }
  if (!note_.empty()) line += "  " + note_;
  std::fprintf(stderr, terminal_ ? "\r\033[K%s%s" : "%s%s", line.c_str(),
               terminal_ && !last ? "" : "\n");
  std::fflush(stderr);
}

}  // namespace jetcal
