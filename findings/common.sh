# SPDX-License-Identifier: BSL-1.0
# Sourced by each finding: a temporary folder, packages in it, and the three outcomes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

not_tried() { echo "not tried: $*"; exit 2; }

# unpack PACKAGE=VERSION...: each as Debian packs it, below $work/root.
unpack() {
  local package
  command -v apt-get >/dev/null || not_tried "there is no apt-get here"
  for package; do
    timeout 120 apt-get download -qq "$package" >/dev/null 2>&1 || not_tried "$package cannot be had"
  done
  for package in *.deb; do dpkg-deb -x "$package" root; done
  rm -- *.deb
}

# needs TOOL...
needs() {
  local tool
  for tool; do command -v "$tool" >/dev/null || not_tried "there is no $tool here"; done
}

# conclude SEEN EXPECTED: compares what was seen with what was seen first.
conclude() {
  echo "seen: $1"
  [[ $1 == "$2" ]] && { echo "as stated"; exit 0; }
  echo "changed; it was: $2"
  exit 1
}
