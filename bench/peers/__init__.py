# SPDX-License-Identifier: Apache-2.0
"""What jetcal is measured against: the same networks with the same weights in other people's engines."""
