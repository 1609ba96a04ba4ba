#!/bin/sh
# The init container: copies /agent into the directory given as its argument (an emptyDir that the app mounts read-only).
# Files appear whole and checked, register.cjs last, so a process sees either nothing or a complete agent. A second run
# finds it complete and changes nothing. Needs no user of its own, no writable root, and nothing but busybox.
#
# The app starts whatever happens here: NODE_OPTIONS names register.cjs, and Node ends where that is missing. So where
# the agent cannot be copied (a full disk, a damaged image) an empty register.cjs is left in its place.
set -u

target=${1:?usage: copy DIRECTORY}
source=${AGENT_SOURCE:-/agent}
umask 022

# Few processes: starting one takes longer than copying a file. So there is no command substitution that a variable can do.
hundredths() {
  read -r up _ < /proc/uptime
  now=${up%.*}${up#*.}
}

verify() {
  (cd "$1" && sha256sum -c SHA256SUMS) > /dev/null 2>&1
}

copy() {
  cp "$source"/* "$staging/" || return 1
  if ! verify "$staging"; then
    echo "what was copied does not match its checksums" >&2
    return 1
  fi
  # wc would read it all once more, and slowly.
  bytes=0
  for size in $(stat -c %s "$staging"/*); do bytes=$((bytes + size)); done
  chmod 0644 "$staging"/* || return 1
  set --
  for file in "$staging"/*; do
    case $file in */register.cjs) ;; *) set -- "$@" "$file" ;; esac
  done
  count=$(($# + 1))
  mv -f "$@" "$target/" && mv -f "$staging/register.cjs" "$target/"
}

hundredths
began=$now

if cmp -s "$source/SHA256SUMS" "$target/SHA256SUMS" && verify "$target"; then
  echo "agent already complete in $target"
  exit 0
fi

if staging=$(mktemp -d "$target/.copy.XXXXXX") && copy; then
  rmdir "$staging"
  hundredths
  echo "agent copied to $target: $count files, $bytes bytes, $((now - began))0 ms"
else
  rm -rf "$staging"
  echo "agent not copied to $target, the app starts untraced" >&2
  : > "$target/register.cjs"
fi
