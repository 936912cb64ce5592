#!/bin/sh
# Keeps one Nix host alive for as long as somebody holds the other end of our stdin, and removes every trace of it afterwards, however that one ended.
# usage: keeper.sh FOLDER CHECKOUT SYSTEM [UNSHARE OPTION...]    FOLDER holds etc, home, nix, root, tmp and var, prepared; SYSTEM has the programs
# Says `ready PID` once the host stands: PID is its first process, to be entered with nsenter.
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
folder=$1 checkout=$2 system=${3%/}

if [ "${KEEPER_INSIDE:-}" = "" ]; then
  shift 3
  # The kernel ends everything in a PID namespace with its first process, and the mounts go with the last of them.
  KEEPER_INSIDE=1 unshare "$@" --mount --pid --fork --kill-child sh "$0" "$folder" "$checkout" "$system/" || :
  # Store paths are read-only, and only root may remove them all the same.
  [ "$(id -u)" = 0 ] || find "$folder" -type d ! -perm -u+w -exec chmod u+w {} +
  rm -rf --one-file-system "$folder"
  exit
fi

# Still the outer /proc: there we are known by the PID that the outside can use.
read -r pid _ </proc/self/stat
exec 3<&0 </dev/null
mount --make-rprivate /
mkdir "$folder/mnt"
mount -t tmpfs -o mode=755 host "$folder/mnt"
cd "$folder/mnt"

# A root of its own: the programs of the machine, or of another system in a folder of it, but nothing that belongs to its users, its services or its Nix.
for own in etc home nix root tmp var; do
  mkdir $own
  mount --bind "$folder/$own" $own
done
for entry in "$system"/*; do
  name=${entry##*/}
  case $name in etc | home | nix | root | tmp | var | dev | proc | run | mnt | media | srv | boot | lost+found) continue ;; esac
  if [ -L "$entry" ]; then
    cp -P "$entry" "$name"
  elif [ -d "$entry" ]; then
    mkdir "$name"
    mount --rbind "$entry" "$name"
  fi
done
# Devices of its own too: whoever is root here must not be able to put something else in place of the machine's /dev/null.
mkdir dev
mount -t tmpfs -o mode=755 dev dev
for device in full null random tty urandom zero; do
  : >dev/$device
  mount --bind /dev/$device dev/$device
done
mkdir -m 1777 dev/shm
mkdir dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for n in 0:stdin 1:stdout 2:stderr; do ln -s fd/${n%:*} dev/${n#*:}; done

mkdir proc run drv-thru
mount -t proc proc proc
mount -t tmpfs -o mode=755 run run
mount --bind "$checkout" drv-thru
# Where the file system under it has such options, an ordinary user must repeat them.
mount -o remount,bind,ro drv-thru || mount -o remount,bind,ro,nosuid,nodev drv-thru
mkdir var/tmp/compiled
mount --bind "$checkout/.cache/compiled" var/tmp/compiled

mkdir .outside
pivot_root . .outside
cd /
umount -n -i -l .outside
rmdir .outside
echo "ready $pid"
# The first process collects what its host's processes leave behind, until our stdin ends.
cat <&3 >/dev/null &
exec >/dev/null 3<&-
wait $!
