#!/bin/sh
# Runs systemd on a host, in namespaces and a control group of its own, with the units of one folder and no others: nothing of the machine's is started,
# and the kernel's settings, which it would share with the machine, are read-only to it.
# usage: systemd.sh UNITS    as root. UNITS is the folder of units; multi-user.target is started. SIGTERM ends all of it
set -eu
units=$1

case ${SYSTEMD_INSIDE:-} in
"")
  SYSTEMD_INSIDE=1 exec unshare --mount sh "$0" "$units"
  ;;
1)
  # Control groups of the newer kind, without any controller, whatever kind the machine uses: systemd then mounts no others.
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  group=/sys/fs/cgroup/drv-thru-test-$(tr -dc a-z0-9 </dev/urandom | head -c 12)
  mkdir "$group"
  # systemd ends with the one that unshared for it, and so does all that it has started.
  SYSTEMD_INSIDE=2 sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec unshare --mount --pid --cgroup --uts --ipc --fork --kill-child --mount-proc "$@"' \
    sh "$group" sh "$0" "$units" &
  inner=$!
  trap 'kill -KILL $inner' TERM
  wait $inner || wait $inner || :
  # The last processes may still be on their way out.
  until find "$group" -depth -type d -exec rmdir {} + 2>/dev/null; do sleep 0.1; done
  ;;
2)
  umount /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mount -o remount,bind,ro /sys
  mount --bind /proc/sys /proc/sys
  mount -o remount,bind,ro /proc/sys
  exec env -i PATH="$PATH" container=drv-thru-test SYSTEMD_UNIT_PATH="$units" \
    setpriv --bounding-set=-sys_boot,-sys_module,-sys_time,-syslog \
    /lib/systemd/systemd --system --unit=multi-user.target --log-target=console --log-level=notice --show-status=no
  ;;
esac
