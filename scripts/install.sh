#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh install|uninstall BUILD PREFIX [DESTDIR]
#
# Installing leaves a list, share/batchdot/manifest.txt under the prefix, of every file and of every folder that was
# not there before (those end in /). Uninstalling takes back that list and nothing else.
set -eu

action=$1 build=$(realpath -m "$2") prefix=$(realpath -m "$3") destdir=${4:-}
root=$destdir$prefix
manifest=$root/share/batchdot/manifest.txt

refresh_loader() {
  case $prefix in
    /usr | /usr/local) [ -n "$destdir" ] || [ "$(id -u)" -ne 0 ] || ldconfig ;;
  esac
}

case $action in
  install)
    stage=$(mktemp -d)
    trap 'rm -rf "$stage"' EXIT
    DESTDIR=$stage cmake --install "$build" --prefix "$prefix" >"$stage/log" || { cat "$stage/log" >&2; exit 1; }
    mkdir -p "$stage$prefix/share/batchdot"
    (
      [ ! -f "$manifest" ] || cat "$manifest"
      [ -d "$root" ] || echo ./
      cd "$stage$prefix"
      find . -mindepth 1 -type d | while read -r folder; do
        [ -d "$root/$folder" ] || echo "$folder/"
      done
      find . ! -type d
      echo ./share/batchdot/manifest.txt
    ) >"$stage/manifest"

    DESTDIR=$destdir cmake --install "$build" --prefix "$prefix"
    mkdir -p "$(dirname "$manifest")"
    sort -u "$stage/manifest" >"$manifest"
    refresh_loader
    ;;
  uninstall)
    if [ ! -f "$manifest" ]; then
      echo "uninstall: nothing of batchdot under $root" >&2
      exit 1
    fi
    list=$(cat "$manifest")
    cd "$root"
    echo "$list" | grep -v '/$' | while read -r file; do rm -f "$file"; done
    # A folder after what lies in it. One that others use by now stays.
    echo "$list" | grep '/$' | grep -vx './' | sort -r | while read -r folder; do
      rmdir --ignore-fail-on-non-empty "$folder" 2>/dev/null || :
    done
    cd /
    if echo "$list" | grep -qx './'; then rmdir --ignore-fail-on-non-empty "$root"; fi
    refresh_loader
    echo "uninstalled batchdot from $root"
    ;;
  *)
    echo "usage: install.sh install|uninstall BUILD PREFIX [DESTDIR]" >&2
    exit 2
    ;;
esac
