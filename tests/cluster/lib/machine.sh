# shellcheck shell=bash disable=SC2154,SC2164,SC2034 # `cluster` has the settings, and set -e
# A machine is a folder: pid, its first process; netns, by which that process is known again;
# cgroups, its control groups; log/; etc/, what it has changed in /etc; var/, a node's disk; own/, the
# folders that a laptop doesn't share with the outside.

alive() { [ -e "$1/netns" ] && [ "$(identity "$(<"$1/pid")")" = "$(<"$1/netns")" ]; }
identity() { echo "$(readlink "/proc/$1/ns/net") $(</proc/sys/kernel/random/boot_id)"; } # PID

# Makes a machine's control groups: under those of this process, in every hierarchy. Their names tell two worlds apart
# whose folders have the same name in different places.
make_cgroups() { # DIR
	local controllers path group file hash label=${1#"$state/"}
	hash=$(realpath "$state" | sha256sum)
	label=${state##*/}-${hash:0:8}-${label#clusters/}
	label=${label//\//-}
	while IFS=: read -r _ controllers path; do
		controllers=${controllers#name=}
		group=/sys/fs/cgroup/${controllers:-unified}$path
		[ -d "$group" ] || continue
		group=${group%/}/$label
		mkdir -p "$group"
		for file in cpuset.cpus cpuset.mems; do # must be set before a process can enter
			[ ! -e "$group/$file" ] || cat "$group/../$file" >"$group/$file"
		done
		echo "$group"
	done </proc/self/cgroup >"$1/cgroups"
}

enter_cgroups() { # DIR: moves this shell
	local group
	while read -r group; do
		[ ! -d "$group" ] || echo "$BASHPID" >"$group/cgroup.procs" # hidden from a laptop
	done <"$1/cgroups"
}

# machine DIR HOSTNAME ADDRESS [pid]: starts a machine and plugs it into the LAN. With "pid" it has
# process ids of its own, and dies as a whole with its first process.
machine() {
	local dir=$1 host=$2 address=$3 pids=${4:-} pid
	mkdir -p "$dir"/{log,etc,etc.work}
	make_cgroups "$dir"
	(
		enter_cgroups "$dir"
		exec setsid unshare --net --mount --uts --ipc --cgroup ${pids:+--pid --fork --mount-proc} \
			"$here/cluster" _init "$dir" "$host" "$pids"
	) </dev/null >"$dir/log/init.log" 2>&1 9<&- &
	pid=$!
	poll 10 test -e "$dir/ready"
	[ -z "$pids" ] || pid=$(pgrep -P "$pid")
	echo "$pid" >"$dir/pid"
	identity "$pid" >"$dir/netns"
	[ "$host" = inet ] && return
	local port=p${address#10.77.} inet
	inet=$(<"$state/inet/pid")
	ip link add eth0 netns "$pid" type veth peer name "$port" netns "$inet"
	on "$state/inet" ip link set "$port" master lan up
	on "$dir" ip address add "$address/16" dev eth0
	on "$dir" ip link set eth0 up
	on "$dir" ip route add default via "$gateway"
}

# The first process of a machine: mounts what belongs to it, then reaps.
init() { # DIR HOSTNAME [pid]
	local dir=$1 host=$2 groups kind target options key value
	cd "$dir" # stays reachable when /var is covered
	hostname "$host"
	groups=$(awk '$2 ~ "^/sys/fs/cgroup/" { print $3, $2, $4 }' /proc/self/mounts)
	umount -R /sys
	mount -t sysfs sysfs /sys # of this network namespace
	mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
	while read -r kind target options; do # of this cgroup namespace
		mkdir "$target"
		case $kind,$options in
		cgroup2,*) options=rw ;;
		*name=*) options=none,${options##*,} ;;
		esac
		mount -t "$kind" -o "$options" "$kind" "$target"
	done <<<"$groups"
	mount -t bpf bpf /sys/fs/bpf
	mount -t overlay -o "lowerdir=/etc,upperdir=$dir/etc,workdir=$dir/etc.work" overlay /etc
	echo "$host" >/etc/hostname
	printf '127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost ip6-localhost ip6-loopback\n' "$host" >/etc/hosts
	rm -f /etc/resolv.conf
	echo "nameserver $gateway" >/etc/resolv.conf
	mount -t tmpfs -o mode=755 run /run
	mkdir /run/lock
	[ ! -d own ] || own_folders "$dir"
	ip link set lo up
	if [ -n "${3:-}" ]; then
		# The kubelet would set these for the whole machine that this runs on; let it find them set.
		while read -r key value; do
			echo "$value" >"/run/${key##*/}"
			mount --bind "/run/${key##*/}" "/proc/sys/$key"
		done <<-END
			vm/overcommit_memory 1
			vm/panic_on_oom 0
			kernel/panic 10
			kernel/panic_on_oops 1
			kernel/keys/root_maxkeys 1000000
			kernel/keys/root_maxbytes 25000000
		END
		mkdir -p var/{lib,tmp,cache,log/pods,log/containers}
		ln -sfn /run var/run
		mount --bind var /var
	fi
	mount --make-rshared /
	touch ready
	cd /
	while :; do sleep 1000000 & wait "$!"; done # bash reaps whatever is left to it
}

# enter DIR CMD...: becomes a command on a machine.
enter() {
	local pid pids=
	alive "$1" || fail "${1#"$state/"} is not up"
	pid=$(<"$1/pid")
	[ "$(readlink /proc/self/ns/pid)" = "$(readlink "/proc/$pid/ns/pid")" ] || pids=--pid
	enter_cgroups "$1"
	shift
	exec nsenter --target "$pid" --net --mount --uts --ipc --cgroup $pids -- "$@"
}

on() { (enter "$@"); } # DIR CMD...: runs a command on a machine

daemon() { # DIR NAME CMD...: starts one, with its output in log/NAME.log; its command is kept
	local dir=$1 log=$1/log/$2; shift 2
	printf '%s\0' "$@" >"$log.command"
	enter "$dir" setsid "$@" </dev/null >>"$log.log" 2>&1 9<&- &
	echo $! >"$log.pid" # nsenter; the program is its child
}

# Kills a daemon, and starts it again by the same command.
again() { # DIR NAME
	local log=$1/log/$2 parent child command
	mapfile -d '' command <"$log.command"
	parent=$(<"$log.pid")
	if child=$(pgrep -P "$parent") && [ "$(identity "$child")" = "$(<"$1/netns")" ]; then
		kill -9 "$child"
		poll 10 gone "$child"
	fi
	daemon "$1" "$2" "${command[@]}"
}

stop_machine() { # DIR
	local dir=$1 pid group
	[ -d "$dir" ] || return 0
	if alive "$dir"; then
		pid=$(<"$dir/pid")
		kill -9 "$pid"
		poll 20 gone "$pid"
	fi
	if [ -e "$dir/cgroups" ]; then
		group=$(grep -m1 /pids "$dir/cgroups")
		# The rest of a machine without process ids of its own, or of one whose start was interrupted.
		poll 20 emptied "$group"
		while read -r group; do
			[ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} +
		done <"$dir/cgroups"
	fi
	rm -rf "$dir"
}

# Whether a process has ended, with all its threads: its first one is a zombie while the others still have its sockets.
gone() {
	[ ! -e "/proc/$1/status" ] ||
		awk '/^State:/ { zombie = $2 == "Z" } /^Threads:/ { alone = $2 == 1 } END { exit !(zombie && alone) }' "/proc/$1/status"
}

# Whether nothing is left in a control group; what is, gets killed.
emptied() {
	local pids
	pids=$(find "$1" -name cgroup.procs -exec cat {} + 2>/dev/null)
	# shellcheck disable=SC2086 # a list of numbers
	[ -z "$pids" ] || { kill -9 $pids; return 1; }
}
