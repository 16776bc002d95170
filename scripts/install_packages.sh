#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install_packages.sh [LIST]: installs those of the listed Debian packages that are missing, as root, else by sudo.
# Says nothing and changes nothing if all are there. LIST is packaging/debian-build-packages.txt unless named.
set -eu

list=${1:-$(dirname "$0")/../packaging/debian-build-packages.txt}
if ! command -v dpkg-query >/dev/null; then
  echo "install_packages: this is no Debian; what is needed is listed in $list" >&2
  exit 0
fi

missing=
for package in $(sed 's/#.*//' "$list"); do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
  [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
  as_root=
elif command -v sudo >/dev/null; then
  as_root=sudo
else
  echo "install_packages: not root and no sudo; as root, run: apt-get install$missing" >&2
  exit 1
fi

echo "installing:$missing"
install() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
}
# A fresh container has no package lists; old lists name versions that are gone.
if ! ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; then
  $as_root apt-get update -qq
  install
else
  install || { $as_root apt-get update -qq && install; }
fi
