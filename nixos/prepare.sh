#!/bin/sh
# Runs as root before the builder starts, where its files are not in the usual place: makes its data folder, and if the Iroh key is kept elsewhere
# makes that where it is missing and gives the service a copy to read, since the key itself may be root's.
# usage: prepare.sh USER DATA [KEY COPY]
set -eu
umask 077
user=$1 data=$2
install -d -m 0700 -o "$user" -g "$user" "$data"
[ $# -gt 2 ] || exit 0
key=$3 copy=$4
if [ ! -e "$key" ]; then
  mkdir -p "$(dirname "$key")"
  # Made beside and linked into place: nobody reads half of it, and none is replaced.
  new=$key.$$
  od -A n -v -t x1 -N 32 /dev/urandom | tr -d ' \n' >"$new"
  echo >>"$new"
  ln "$new" "$key" || [ -e "$key" ]
  rm "$new"
fi
install -m 0400 -o "$user" -g "$user" "$key" "$copy"
