#!/bin/sh
# The init container: copies /agent into the directory given as its argument (an emptyDir that the app mounts read-only).
# Files appear whole and checked, register.cjs last, so a process sees either nothing or a complete agent. A second run
# finds it complete and changes nothing. Needs no user of its own, no writable root, and nothing but busybox.
set -eu

target=${1:?usage: copy DIRECTORY}
source=${AGENT_SOURCE:-/agent}
umask 022

hundredths() {
  read -r up _ < /proc/uptime
  echo "${up%.*}${up#*.}"
}

verify() {
  (cd "$1" && sha256sum -c SHA256SUMS) > /dev/null 2>&1
}

began=$(hundredths)

if cmp -s "$source/SHA256SUMS" "$target/SHA256SUMS" && verify "$target"; then
  echo "agent already complete in $target"
  exit 0
fi

staging=$(mktemp -d "$target/.copy.XXXXXX")
trap 'rm -rf "$staging"' EXIT
cp "$source"/* "$staging/"
if ! verify "$staging"; then
  echo "agent copied to $target does not match its checksums" >&2
  exit 1
fi
bytes=$(cat "$staging"/* | wc -c)
count=$(ls "$staging" | wc -l)
chmod 0644 "$staging"/*
for file in "$staging"/*; do
  case $file in */register.cjs) ;; *) mv -f "$file" "$target/" ;; esac
done
mv -f "$staging/register.cjs" "$target/"

echo "agent copied to $target: $((count)) files, $((bytes)) bytes, $(($(hundredths) - began))0 ms"
