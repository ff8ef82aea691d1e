// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/detail/page_parts.h"

#include "jetcal/hpo/chart_library.h"

// The assembler takes a file in as it is; JETCAL_REPORT_PAGE and JETCAL_ECHARTS are paths from
// CMake.
#define JETCAL_CARRY(name, path)                                                                \
  asm(".section .rodata\n.global " #name "\n.global " #name "_end\n" #name ":\n.incbin \"" path \
      "\"\n" #name "_end:\n.byte 0\n.previous\n")

extern "C" {
extern const char jetcal_report_page[], jetcal_report_page_end[];
extern const char jetcal_echarts[], jetcal_echarts_end[];
}

JETCAL_CARRY(jetcal_report_page, JETCAL_REPORT_PAGE);
#ifdef JETCAL_ECHARTS
JETCAL_CARRY(jetcal_echarts, JETCAL_ECHARTS);
#endif

namespace jetcal::hpo {

std::string_view detail::page_template() noexcept {
  return {jetcal_report_page,
          static_cast<std::size_t>(jetcal_report_page_end - jetcal_report_page)};
}

std::string_view chart_library() noexcept {
#ifdef JETCAL_ECHARTS
  return {jetcal_echarts, static_cast<std::size_t>(jetcal_echarts_end - jetcal_echarts)};
#else
  return {};
#endif
}

}  // namespace jetcal::hpo
