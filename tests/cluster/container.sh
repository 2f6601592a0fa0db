# Runs a container's command as the pod says, in namespaces of its own that whoever calls this has made (mount, process,
# network): the machine's files as a root that only the volumes can be written in, the user's number, no capabilities.
#     container.sh FOLDER USER [SOURCE TARGET ro|rw]... -- COMMAND [ARGUMENT]...
set -eu
folder=$1 user=$2
shift 2
mkdir -p "$folder/upper" "$folder/work" "$folder/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
cd "$folder/root"
mount -t proc proc proc
mount --rbind /dev dev
mount --rbind /sys sys
mount --bind /dev/null etc/resolv.conf # whom /etc/hosts does not name there is not: nobody waits for an answer
chmod 755 root # of this root alone: the interpreter may be somewhere in it
while [ "$1" != -- ]; do
	test -e "./$2" || mkdir -p "./$2"
	mount --bind "$1" "./$2"
	test "$3" = rw || mount -o remount,bind,ro "./$2"
	shift 3
done
shift
mount -o remount,ro .
exec chroot . setpriv --reuid="$user" --regid="$user" --groups="$user" --no-new-privs --bounding-set=-all --inh-caps=-all -- "$@"
