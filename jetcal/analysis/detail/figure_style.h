// SPDX-License-Identifier: Apache-2.0
// Colors, markers and text sizes of the figures.
#pragma once

#include <array>
#include <cstddef>

namespace jetcal::analysis::detail {

/// Okabe and Ito's palette, which colour-blind readers tell apart; black is the baseline's.
/// The last three are Tol's, for more correctors than Okabe and Ito have colors.
inline constexpr std::array<const char*, 10> kColors{"#000000", "#0072B2", "#D55E00", "#009E73",
                                                     "#CC79A7", "#E69F00", "#56B4E9", "#882255",
                                                     "#999933", "#332288"};
/// ROOT marker numbers, so that figures can be read in grey: circle, square, triangles, diamond,
/// cross, star; then the same, open.
inline constexpr std::array<short, 14> kMarkers{20, 21, 22, 23, 33, 34, 29,
                                                24, 25, 26, 32, 27, 28, 30};
/// Diamonds and stars cover less of their size than the others.
inline constexpr std::array<double, 14> kMarkerScales{1, 1, 1, 1, 1.35, 1.1, 1.5,
                                                      1, 1, 1, 1, 1.35, 1.1, 1.5};
inline constexpr std::array<short, 7> kLineStyles{1, 1, 7, 9, 2, 5, 3};

inline constexpr const char* kBlack = "#000000";
inline constexpr const char* kShade = "#EBEBEB";
inline constexpr const char* kShadeText = "#7A7A7A";
inline constexpr const char* kBaselineFill = "#D9D9D9";
inline constexpr const char* kReferenceLine = "#8C8C8C";

inline constexpr short kFont = 42;      // Helvetica, size relative to the pad
inline constexpr short kBoldFont = 62;  // the same, bold

/// Sizes in pixels of a canvas; a panel of a grid takes them times kGridScale.
inline constexpr double kTitlePixels = 40, kLabelPixels = 36, kLegendPixels = 34, kNotePixels = 34,
                        kSmallPixels = 26, kMarkerSize = 2.1;
inline constexpr double kLineHeight = 1.4;  // of a line of text, in text sizes
/// Markers shrink by kCrowdedScale when there are more series.
inline constexpr std::size_t kCrowded = 4;
inline constexpr double kCrowdedScale = 0.72;

}  // namespace jetcal::analysis::detail
